// Many WebSockets that nothing happens on: what each takes of the node's memory, and that one among them is told as fast as alone.
//
//   node idle.mjs HTTP-URL PROCESS-ID [SOCKETS]      prints JSON: sockets, bytes a socket, seconds
import { readFileSync } from 'node:fs';
import { json, until } from './cluster.mjs';
import { open } from './websocket.mjs';

const [url, pid, wanted = '10000'] = process.argv.slice(2);
const resident = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024;
const connect = async (count, all) => {
  const target = all.length + count;
  while (all.length < target) {
    const part = Array.from({ length: Math.min(250, target - all.length) }, () => open(`${url}/v1/live/test`));
    all.push(...part);
    await until('sockets', () => part.every((door) => door.status === 101), (is) => is);
  }
};

const all = [];
// The first ones make the node reach its ordinary size.
await connect(250, all);
const before = resident(), began = performance.now();
await connect(Number(wanted) - 250, all);
const seconds = (performance.now() - began) / 1000, after = resident();
const one = all.at(-1);
one.send({ type: 'subscribe', subscription: 'a', set: 'idle', limit: 5 });
await until('its result', () => one.list.length, (count) => count === 1);
const written = performance.now();
await json('PUT', `${url}/v1/db/test/idle/x`, { bins: { n: 1 } });
await until('its notification', () => one.list.length, (count) => count === 2);
const delay = performance.now() - written;
const closed = all.filter((door) => door.closed).length;
console.log(JSON.stringify({ sockets: all.length, closed, bytes: Math.round((after - before) / (all.length - 250)), seconds, delay, resident: after }));
process.exit(closed ? 1 : 0);
