// A thousand live queries, each another one, on WebSockets and as server-sent events, while records are written and deleted and a
// node dies and comes back: every event must fit the list that it edits, no version comes twice or goes back, and at
// rest every list is what the query answers. Before that, how long it takes from a write to those whom it concerns.
//
//   node subscriptions.mjs BINARY [SUBSCRIPTIONS]
import { readFileSync } from 'node:fs';
import { check, run } from './checks.mjs';
import { Cluster, json, until } from './cluster.mjs';
import { open } from './websocket.mjs';

const [binary, wanted = '1000'] = process.argv.slice(2);
const cluster = new Cluster(binary, 80);
const TOTAL = Number(wanted), STREAMS = 40, EACH = 64;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const version = ({ lastUpdate, generation }) => (lastUpdate - 1.7e12) * 65536 + generation;
const wrong = { unclean: 0, twice: 0, back: 0, errors: 0, first: '' };
const blame = (kind, text) => { wrong[kind] += 1; wrong.first ||= `${kind}: ${text}`; };
let events = 0, onEvent = () => {};

// A subscription: its query, and the list that its messages make.
class Subscription {
  constructor(query) { Object.assign(this, { query, list: null, results: 0 }); }

  take(type, message) {
    if (type === 'error') { wrong.errors += 1; return; }
    if (type === 'result') {
      this.results += 1;
      this.list = message.data.map((one) => ({ id: one.id, version: version(one) }));
      return;
    }
    events += 1;
    const { matchType, index, id, data } = message, { list } = this;
    const told = JSON.stringify([matchType, index, id, list?.length, this.query]);
    const at = list ? list.findIndex((one) => one.id === id) : -2;
    const fits = { add: at === -1 && index <= list?.length, change: at === index, changeIndex: at >= 0 && at !== index && index < list?.length, remove: at === index && at >= 0 }[matchType];
    if (!fits) return blame('unclean', told);
    const next = data && { id, version: version(data) };
    if (next && at >= 0 && matchType === 'change') {
      if (next.version === list[at].version) blame('twice', told);
      if (next.version < list[at].version) blame('back', told);
    }
    if (at >= 0) list.splice(at, 1);
    if (next) list.splice(index, 0, next);
    onEvent(data, this);
  }
}

// Rooms have one query each, teams ten, zones a hundred: no two are the same.
function queries() {
  const zones = Array.from({ length: 2 }, (_, zone) => Array.from({ length: 100 }, (__, n) => ({ filter: { zone, score: { $gte: 0 } }, sort: '-score', limit: 20 + n }))).flat();
  const teams = Array.from({ length: 20 }, (_, team) => Array.from({ length: 10 }, (__, n) => ({ filter: { team }, sort: n % 2 ? 'score' : '-score', limit: 3 + n, offset: team < 10 ? 0 : n % 3 }))).flat();
  const rooms = Array.from({ length: TOTAL }, (_, n) => ({ filter: { room: `room-${n}` }, limit: 10 }));
  return [...zones, ...teams, ...rooms].slice(0, TOTAL);
}

async function subscribe(all) {
  const streams = all.slice(-STREAMS), sockets = all.slice(0, -STREAMS);
  for (let from = 0; from < sockets.length; from += EACH) {
    const part = sockets.slice(from, from + EACH);
    const door = open(`${cluster.url((from / EACH) % 2)}/v1/live/test`);
    door.take = (message) => part[Number(message.subscription)].take(message.type, message);
    await until('a socket', () => door.status, (status) => status === 101);
    part.forEach(({ query }, n) => door.send({ type: 'subscribe', subscription: String(n), set: 'feed', ...query }));
  }
  streams.forEach(async (one, n) => {
    const { filter, ...rest } = one.query;
    const words = new URLSearchParams({ ...rest, filter: JSON.stringify(filter) });
    const response = await fetch(`${cluster.url(n % 2)}/v1/live/test/feed?${words}`);
    let text = '';
    try {
      for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
        text += part;
        for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
          const lines = Object.fromEntries(text.slice(0, end).split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]));
          if (lines.event) one.take(lines.event, JSON.parse(lines.data));
          text = text.slice(end + 2);
        }
      }
    } catch { /* the end of the test */ }
  });
  const began = performance.now();
  await until('all results', () => all.filter((one) => one.list).length, (count) => count === all.length);
  return performance.now() - began;
}

// Writes one after the other; each is over when everybody whom it concerns has heard of it.
async function delays(name, bins, concerned, rounds) {
  const times = [];
  for (let round = 0; round < rounds; round += 1) {
    const mark = `${name}-${round}`;
    let heard = 0;
    const began = performance.now();
    onEvent = (data) => { if (data?.bins.mark === mark) { heard += 1; times.push(performance.now() - began); } };
    await json('PUT', `${cluster.url(round % 2)}/v1/db/test/feed/${name}`, { bins: { ...bins, score: round, mark } });
    await until(`all ${concerned} hear of ${mark}`, () => heard, (count) => count === concerned, 15000);
    await pause(Math.random() * 300);
  }
  onEvent = () => {};
  times.sort((a, b) => a - b);
  const at = (part) => times[Math.min(times.length - 1, Math.floor(times.length * part))].toFixed(0).padStart(6);
  console.log(`${String(concerned).padStart(8)} ${String(times.length).padStart(14)} ${at(0.5)} ${at(0.9)} ${at(0.99)} ${at(1)}`);
}

// The same record again and again with other bins, and away, and back.
async function write(name, counts, live) {
  while (live()) {
    const n = Math.floor(Math.random() * 400);
    const bins = { score: Math.floor(Math.random() * 1000), room: `room-${Math.floor(Math.random() * 600)}`, team: n % 23, zone: n % 5, at: Date.now() };
    const url = `${cluster.url(Math.floor(Math.random() * 2))}/v1/db/test/feed/${name}-${n}`;
    try {
      const { status } = await (Math.random() < 0.25 ? json('DELETE', url) : Math.random() < 0.3 ? json('PATCH', url, { bins: { score: bins.score } }) : json('PUT', url, { bins }));
      counts[status < 300 || status === 404 ? 'done' : 'refused'] += 1;
    } catch { counts.refused += 1; }
    await pause(15);
  }
}

const figures = async () => (await json('GET', `${cluster.url(0)}/v1/cluster`)).body;
const resident = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${cluster.nodes[0].pid}/status`, 'utf8'))[1]) / 1024;
const processor = () => { const words = readFileSync(`/proc/${cluster.nodes[0].pid}/stat`, 'utf8').split(' '); return (Number(words[13]) + Number(words[14])) / 100; };

async function main() {
  [0, 1, 2].forEach((number) => cluster.start(number));
  await until('three nodes', figures, (now) => now.size === 3 && now.health.state === 'good');
  const all = queries().map((query) => new Subscription(query));
  const memory = resident();
  const took = await subscribe(all);
  console.log(`${all.length} subscriptions, no two the same, have their results after ${took.toFixed(0)} ms; ${((resident() - memory) / all.length * 2 * 1024).toFixed(0)} KiB each on their node`);

  console.log('\nmatching  notifications    p50    p90    p99    max   ms from before the write');
  await delays('one', { room: 'room-5' }, 1, 30);
  await delays('ten', { team: 5 }, 10, 30);
  await delays('hundred', { zone: 1 }, 100, 15);

  const counts = { done: 0, refused: 0 };
  let busy = true;
  const used = processor(), began = performance.now(), before = events;
  const writers = ['a', 'b', 'c', 'd'].map((name) => write(name, counts, () => busy));
  await pause(3000);
  cluster.kill(2);
  await until('two nodes', figures, (now) => now.size === 2);
  await pause(3000);
  cluster.start(2);
  await until('three nodes again', figures, (now) => now.size === 3 && now.health.state === 'good');
  await pause(1000);
  busy = false;
  await Promise.all(writers);
  const seconds = (performance.now() - began) / 1000;
  console.log(`\n${counts.done} writes in ${seconds.toFixed(0)} s, ${counts.refused} refused, led to ${events - before} events; node 0 used ${((processor() - used) / seconds * 100).toFixed(0)} % of a core`);

  // At rest every list is what its query answers.
  const differs = async (one) => {
    const { filter, sort, limit, offset } = one.query;
    const query = { filter, limit, sort: [sort ?? 'none'], ...(offset ? { offset } : {}) };
    const { body } = await json('POST', `${cluster.url(1)}/v1/query/test/feed`, query);
    const [now, kept] = [body.records.map((record) => `${record.id} ${version(record)}`), one.list.map(({ id, version: of }) => `${id} ${of}`)];
    const at = Array.from({ length: Math.max(now.length, kept.length) }, (_, n) => n).find((n) => now[n] !== kept[n]);
    return at === undefined ? '' : `${JSON.stringify(one.query)}: at ${at} ${kept[at]} instead of ${now[at]}`;
  };
  let left = all, last = '', quiet = -1;
  await until('quiet', async () => { quiet = events; await pause(500); return events; }, (now) => now === quiet);
  await until('all lists are right', async () => {
    const seen = [];
    for (let from = 0; from < left.length; from += 16) seen.push(...await Promise.all(left.slice(from, from + 16).map(differs)));
    last = seen.find((text) => text) ?? '';
    left = left.filter((_, n) => seen[n]);
    return left.length;
  }, (count) => count === 0, 45000).catch(() => {});
  check('at rest every list is what its query answers', left.length === 0, `${all.length - left.length} of ${all.length} ${last.slice(0, 300)}`);
  check('every event fits the list that it edits', wrong.unclean === 0, wrong.unclean);
  check('no version comes twice or goes back', wrong.twice + wrong.back === 0, `${wrong.twice} twice, ${wrong.back} back`);
  check('every subscription has one result', all.every((one) => one.results === 1));
  if (wrong.first) console.log(wrong.first);
  if (wrong.errors) console.log(`${wrong.errors} times a query could not be run for a moment`);
}

await run(main, () => cluster.end());
