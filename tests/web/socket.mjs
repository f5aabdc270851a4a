// Live queries over WebSockets, on three real nodes: several on one connection, the same edits as server-sent events, refusals, strangers,
// slow readers.
//
//   node socket.mjs BINARY
import { check, run } from './checks.mjs';
import { Cluster, json, until } from './cluster.mjs';
import { open } from './websocket.mjs';

const cluster = new Cluster(process.argv[2], 67);
const live = (number, headers) => open(`${cluster.url(number)}/v1/live/test`, headers);
const put = (key, bins, number = 1) => json('PUT', `${cluster.url(number)}/v1/db/test/players/${key}`, { bins });

// The list that a subscription's messages make.
function listOf(messages, subscription) {
  let list = [];
  for (const message of messages.filter((one) => one.subscription === subscription)) {
    if (message.type === 'result') list = message.data.map((one) => [one.id, one.bins.score]);
    if (message.type !== 'match') continue;
    const at = list.findIndex(([id]) => id === message.id);
    if (at >= 0) list.splice(at, 1);
    if (message.matchType !== 'remove') list.splice(message.index, 0, [message.id, message.data.bins.score]);
  }
  return JSON.stringify(list);
}

async function main() {
  [0, 1, 2].forEach((number) => cluster.start(number));
  const figures = async () => (await json('GET', `${cluster.url(0)}/v1/cluster`)).body;
  await until('three nodes', figures, (now) => now.size === 3 && now.health.state === 'good');
  for (let n = 0; n < 5; n += 1) await put(`p${n}`, { score: n * 10, team: n % 2 });

  // 1. Two queries on one connection, through different nodes than the writes.
  const door = live(0);
  await until('the door opens', () => door.status, (status) => status === 101);
  const first = { best: { sort: '-score', limit: 3 }, odd: { filter: { team: 1 }, sort: 'score' } };
  const subscribe = (subscription) => door.send({ type: 'subscribe', subscription, set: 'players', ...first[subscription] });
  Object.keys(first).forEach(subscribe);
  // While a view changes a first run may be refused; the subscription has ended then, and is asked for again.
  let looked = 0;
  await until('both results', () => {
    for (const one of door.list.slice(looked)) if (one.ended) { console.log(`     again: ${JSON.stringify(one)}`); subscribe(one.subscription); }
    looked = door.list.length;
    return door.list.filter((one) => one.type === 'result').length;
  }, (count) => count === 2);
  check('the first result', listOf(door.list, 'best') === '[["p4",40],["p3",30],["p2",20]]', listOf(door.list, 'best'));
  await put('p0', { score: 99, team: 0 });
  await put('p1', { score: 98, team: 1 }, 2);
  await json('DELETE', `${cluster.url(2)}/v1/db/test/players/p4`);
  await until('the best', () => listOf(door.list, 'best'), (list) => list === '[["p0",99],["p1",98],["p3",30]]');
  await until('the odd', () => listOf(door.list, 'odd'), (list) => list === '[["p3",30],["p1",98]]');
  check('edits make both lists', true, `${door.list.filter((one) => one.type === 'match').length} edits`);
  door.send({ type: 'unsubscribe', subscription: 'odd' });
  // Its name is free again once it has ended.
  await until('the name is free', async () => {
    door.send({ type: 'subscribe', subscription: 'odd', set: 'other' });
    return door.list.some((one) => one.subscription === 'odd' && one.type === 'result' && one.data.length === 0);
  }, (is) => is);

  // 2. Refusals leave the connection as it is.
  const refusals = () => door.list.filter((one) => one.type === 'error').map((one) => one.code);
  const before = refusals().length;
  door.send('no JSON');
  door.send({ type: 'subscribe', subscription: 'x', set: 'players', filter: { score: { $never: 1 } } });
  door.send({ type: 'subscribe', subscription: 'best', set: 'players' });
  door.send({ type: 'subscribe', subscription: 'y', set: 'players', limit: 501 });
  await until('four refusals', () => refusals().length - before, (count) => count >= 4);
  check('refusals say what is wrong', !door.closed, refusals().slice(before).join(' '));
  door.ping();
  await until('a pong', () => door.pongs, (count) => count >= 1);
  check('a ping is answered', true);

  // 3. A node dies: the lists go on.
  cluster.kill(2);
  await until('two nodes', figures, (now) => now.size === 2);
  await until('a write', async () => (await put('p2', { score: 97, team: 0 })).status, (status) => status === 200);
  await until('the best without a node', () => listOf(door.list, 'best'), (list) => list === '[["p0",99],["p1",98],["p2",97]]');
  check('a dead node is no end', true);

  // 4. Strangers.
  const foreign = live(0, { Origin: 'https://evil.example' });
  await until('a stranger', () => foreign.status, (status) => status > 0);
  check('a page of another origin is refused', foreign.status === 403, foreign.status);
  const own = live(0, { Origin: cluster.url(0) });
  await until('an own page', () => own.status, (status) => status > 0);
  check('a page of this node is let in', own.status === 101, own.status);
  own.end();
  const huge = live(0);
  await until('open', () => huge.status, (status) => status === 101);
  huge.send(`{"type": "subscribe", "subscription": "${'x'.repeat(60000)}", "set": "a", "sort": "${'y'.repeat(5000)}"}`);
  await until('a huge message ends it', () => huge.closed, (is) => is);
  check('a huge message ends its connection', true);
  const plain = await fetch(`${cluster.url(0)}/v1/live/test`);
  check('without an upgrade it is refused', plain.status === 400, plain.status);

  // 5. A reader that takes nothing: the others are served, memory is bounded, and it is told or dropped.
  const slow = live(0);
  await until('open', () => slow.status, (status) => status === 101);
  for (let n = 0; n < 8; n += 1) slow.send({ type: 'subscribe', subscription: `s${n}`, set: 'big', limit: 200, sort: 'at' });
  await until('results', () => slow.list.length, (count) => count >= 8);
  slow.pause();
  const quick = live(1);
  await until('open', () => quick.status, (status) => status === 101);
  quick.send({ type: 'subscribe', subscription: 'q', set: 'big', limit: 1, sort: '-at' });
  const filler = 'x'.repeat(20000);
  const ended = Date.now() + 25000;
  let at = 0;
  while (Date.now() < ended && !(at > 300 && slow.closed)) {
    at += 1;
    const rows = Array.from({ length: 20 }, (_, n) => ({ method: 'put', set: 'big', key: `int:${(at * 20 + n) % 200}`, bins: { at, filler } }));
    await json('POST', `${cluster.url(1)}/v1/batch/test`, { rows });
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await until('the quick one is served', () => quick.list.at(-1)?.data?.bins?.at ?? quick.list.at(-1)?.data?.[0]?.bins?.at, (seen) => seen === at);
  check('others are served meanwhile', true, `${quick.list.length} messages`);
  slow.resume();
  await until('the slow one', () => slow.closed || slow.list.some((one) => one.lateMs > 1000), (is) => is);
  const late = slow.list.filter((one) => one.lateMs).length;
  check('a slow reader is told that it is late, or dropped', true, slow.closed ? 'dropped' : `${late} late messages`);
  const after = await until('places are free again', async () => (await fetch(`${cluster.url(0)}/metrics`)).status, (status) => status === 200);
  check('and the node is well', after === 200);
}

await run(main, () => cluster.end());
