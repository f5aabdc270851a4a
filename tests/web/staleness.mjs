// How old reads through caches are: `shipload cache` with three bounds, and clients with client.js behind Varnish and nginx with
// three bounds each, in front of real nodes. Random writes past and through the caches, lives of copies that are far too long on
// purpose, a node that joins and leaves, another one that is killed and comes back. A checker over the history: no read is older
// than its bound, own writes are read, no reader goes back.
//
//   node staleness.mjs BINARY [SECONDS]
import { spawn } from 'node:child_process';
import { check, run } from './checks.mjs';
import { Cluster, json, until } from './cluster.mjs';
import { HttpCache } from './cache.mjs';
import { History, selfTest } from './history.mjs';
import { nginx, varnish } from './standard.mjs';

const [binary, seconds = '48'] = process.argv.slice(2);
// A copy meets a write with a chance of 99 in 100: nearly every life is too long.
const cluster = new Cluster(binary, 68, 'test:replication-factor=2:cache-max-ttl=6:cache-write-chance-pct=99');
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const keys = Array.from({ length: 240 }, (_, n) => `item-${n}`);
const path = (key) => `/v1/db/test/shop/${key}`;
const history = new History(), busy = new Set();
let running = true;

// A way to read, with its bound and its readers. `stats` counts answers by what their `Cache-Status` says.
const doors = [], ended = [];
const door = (name, staleness, url) => {
  const one = { name, staleness, url, readers: [], troubles: 0, hits: 0, answers: 0 };
  one.fetch = async (address, init) => {
    const response = await fetch(address, { ...init, signal: AbortSignal.timeout(20000) });
    if (address.includes('/v1/db/') && (init?.method ?? 'GET') === 'GET') {
      one.answers += 1;
      if (/hit/i.test(response.headers.get('cache-status') ?? '')) one.hits += 1;
    }
    return response;
  };
  doors.push(one);
  return one;
};

function shiploadCache(staleness, place) {
  const port = 8080 + place;
  const origin = [0, 1, 2].map((n) => `${cluster.address((n + place) % 3)}:4200`).join(',');
  const words = ['cache', '--origin', origin, '--listen-address', '127.0.68.9', '--listen-port', port, '--staleness', staleness];
  const child = spawn(binary, words.map(String), { stdio: ['ignore', 'ignore', 'inherit'] });
  ended.push(() => child.kill('SIGKILL'));
  return door('shipload', staleness, `http://127.0.68.9:${port}`);
}

// Reads and writes of plain HTTP, and of client.js; behind the latter a cache of its own, as in a browser, for every other one.
const plain = (one, ask = one.fetch) => ({
  async get(key) {
    const response = await ask(one.url + path(key));
    if (response.status !== 200) throw new Error(response.status);
    return (await response.json()).bins.version;
  },
  async put(key, version) {
    const { status } = await json('PUT', one.url + path(key), { bins: { version } });
    if (status !== 200) throw new Error(status);
  },
});
const library = (connect, one, number) => {
  const cache = number % 2 ? new HttpCache(one.fetch) : null;
  const db = connect(one.url, 'test', { staleness: one.staleness, fetch: cache?.fetch ?? one.fetch });
  return {
    db, cache,
    get: async (key) => (await db.get('shop', key)).bins.version,
    put: (key, version) => db.put('shop', key, { version }),
  };
};

async function write(client, name, look) {
  while (running) {
    const key = keys[Math.floor(Math.random() ** 3 * keys.length)];
    if (busy.has(key)) { await pause(3); continue; }
    busy.add(key);
    const version = history.next(key);
    for (;;) {
      try {
        await client.put(key, version);
        history.wrote(key, version, name);
        break;
      } catch { await pause(100); }
    }
    busy.delete(key);
    if (look) await readOne(client, name, key, look);
    await pause(Math.random() * 500);
  }
}

async function readOne(client, name, key, one) {
  const asked = Date.now();
  try {
    history.read(name, key, await client.get(key), asked);
  } catch { one.troubles += 1; await pause(50); }
}

async function read(client, name, one) {
  while (running) {
    await readOne(client, name, keys[Math.floor(Math.random() * keys.length)], one);
    await pause(Math.random() * 30);
  }
}

// What `shipload cache` does beside.
async function proxied(one) {
  check('other paths go through', (await fetch(`${one.url}/healthz`)).status === 200);
  const tag = (await fetch(one.url + path(keys[0]))).headers.get('etag');
  const again = await fetch(one.url + path(keys[0]), { headers: { 'If-None-Match': tag } });
  check('a known version is not sent again', again.status === 304, again.headers.get('cache-status'));
  check('a record that is not there', (await fetch(`${one.url}/v1/db/test/shop/none`)).status === 404);
  const many = await Promise.all(Array.from({ length: 50 }, () => fetch(one.url + path(keys[7]))));
  check('requests at the same time are one', many.every((answer) => answer.status === 200)
    && many.filter((answer) => /collapsed|hit/.test(answer.headers.get('cache-status'))).length >= 45);
}

// What a standard cache must do: keep, and ask anew when a reader says so.
async function standard(one) {
  const status = async (headers) => (await fetch(one.url + path(keys[1]), { headers })).headers.get('cache-status');
  await until(`${one.name} keeps a record`, () => status({}), (now) => /hit/i.test(now));
  const insisting = await status({ 'Cache-Control': 'max-age=0' });
  check(`${one.name} asks anew when a reader insists`, !/hit/i.test(insisting), insisting);
  check(`${one.name} does not keep listings`, !/hit/i.test((await fetch(`${one.url}/v1/db/test/shop?limit=1`)).headers.get('cache-status') ?? ''));
}

async function start() {
  [0, 1, 2].forEach((number) => cluster.start(number));
  const figures = async () => (await json('GET', `${cluster.url(0)}/v1/cluster`)).body;
  await until('three nodes', figures, (now) => now.size === 3 && now.health.state === 'good');
  for (const key of keys) {
    await json('PUT', cluster.url(0) + path(key), { bins: { version: 1 } });
    history.wrote(key, 1);
  }
  const source = await (await fetch(`${cluster.url(0)}/v1/client.js`)).text();
  const { connect } = await import(`data:text/javascript,${encodeURIComponent(source)}`);
  const nodes = [0, 1, 2].map((number) => cluster.address(number));
  const [one, other] = [varnish('127.0.68.10', 6081, nodes), nginx('127.0.68.11', 8081, nodes)];
  ended.push(() => one.end(), () => other.end());
  [500, 1000, 3000].forEach(shiploadCache);
  [2000, 4000, 8000].forEach((staleness) => door('varnish', staleness, one.url));
  [1000, 2000, 4000].forEach((staleness) => door('nginx', staleness, other.url));
  for (const each of doors) await until(`${each.name} answers`, async () => (await fetch(`${each.url}/healthz`)).status, (status) => status === 200);
  return connect;
}

// Readers, writers, and what befalls the nodes meanwhile.
async function live(connect) {
  // A cache that goes by lives alone, as browsers do: it shows that the bounds are no accident.
  const control = door('no sketch', 3000, cluster.url(0)), browser = new HttpCache();
  const all = [0, 1].map((number) => write(plain({ url: cluster.url(number) }), `node ${number}`));
  for (const [place, one] of doors.entries()) {
    const count = { shipload: 6, varnish: 5, nginx: 3, 'no sketch': 3 }[one.name];
    for (let number = 0; number < count; number += 1) {
      const name = `${place}.${number}`;
      const client = one === control ? { ...plain(one, browser.fetch), cache: number ? null : browser }
        : one.name === 'shipload' ? plain(one) : library(connect, one, number);
      one.readers.push({ name, client });
      all.push(number === 0 && one !== control ? write(client, name, one) : read(client, name, one));
    }
  }
  // For the first 18 seconds, and as long after each change of masters, nodes do not know all copies, and everything is revalidated.
  const part = Number(seconds) * 1000 / 24;
  for (const [parts, what] of [[14, () => cluster.start(3)], [3, () => cluster.kill(2)], [2, () => cluster.start(2)],
    [2, () => cluster.kill(3, 'SIGTERM')], [3, () => {}]]) {
    await pause(parts * part);
    what();
  }
  running = false;
  await Promise.all(all);
  return control;
}

async function row(one) {
  const found = history.judge(one.readers.map(({ name }) => name), one.staleness);
  const all = one.readers.map(({ client }) => client), clients = all.filter(({ db }) => db);
  const sum = (name) => clients.reduce((total, { db }) => total + db.stats[name], 0);
  const hits = one.hits + all.reduce((total, { cache }) => total + (cache?.figures.hits ?? 0), 0);
  let more = { revalidated: clients.length ? sum('revalidated') : '-', sketches: clients.length ? sum('sketches') : '-', bytes: '-', purged: '-' };
  if (one.name === 'shipload') {
    const now = (await json('GET', `${one.url}/.shipload/cache`)).body;
    more = { revalidated: now.revalidated, sketches: now.sketches, bytes: now.sketchBytes, purged: now.purged };
  } else if (clients.length) {
    more.bytes = Number((await (await fetch(`${one.url}/v1/sketch/test`)).text()).length);
  }
  console.log([one.name.padEnd(9), one.staleness, found.oldest, found.beyond, found.reads, (hits / found.reads * 100).toFixed(1),
    more.revalidated, more.sketches, more.bytes, more.purged, one.troubles]
    .map((value, at) => String(value).padStart([9, 8, 9, 6, 7, 6, 11, 8, 12, 6, 6][at])).join(' '));
  return { ...found, hits };
}

async function main() {
  check('the checker finds what it is for', selfTest());
  const connect = await start();
  await proxied(doors[0]);
  await standard(doors[3]);
  await standard(doors[6]);
  const control = await live(connect);
  const writes = [...history.ends.values()].reduce((sum, times) => sum + times.length - 2, 0);
  console.log(`\n${writes} writes; a node joined and left, another one was killed and came back`);
  console.log('cache     bound ms oldest ms beyond   reads hits % revalidated sketches sketch bytes purged errors');
  for (const one of doors) one.found = await row(one);
  console.log();
  for (const { name, staleness, found } of doors.filter((one) => one !== control)) {
    check(`${name}: no read is older than ${staleness} ms`, found.beyond === 0, `${found.reads} reads, ${found.beyond} beyond`);
    check('    own writes are read, no reader goes back', found.ownMissed === 0 && found.back === 0 && found.own > 10,
      `${found.own} after own writes, ${found.ownMissed} missed, ${found.back} back`);
    check('    copies were used', found.hits > 20, `${found.hits} of ${found.reads}`);
  }
  check('without a sketch they would be older', control.found.beyond > 0, control.found.beyond);
}

await run(main, async () => {
  running = false;
  await Promise.all(ended.map((end) => end()));
  cluster.end();
});
