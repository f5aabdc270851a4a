// How old reads through caches are: `shipload cache` with three bounds in front of three nodes, random writes past and through
// the caches, lives of copies that are far too long on purpose, partitions that move, a node that is killed and comes back. A
// checker over what was read and written: no read is older than its cache's bound, own writes are read, no reader goes back.
//
//   node staleness.mjs BINARY [SECONDS]
import { spawn } from 'node:child_process';
import { check, run } from './checks.mjs';
import { Cluster, json, until } from './cluster.mjs';
import { HttpCache } from './cache.mjs';

const [binary, seconds = '40'] = process.argv.slice(2);
// A copy meets a write with a chance of 99 in 100: nearly every life is too long.
const cluster = new Cluster(binary, 68, 'test:replication-factor=2:cache-max-ttl=20:cache-write-chance-pct=99');
const BOUNDS = [500, 1000, 3000];
const caches = [];
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const keys = Array.from({ length: 80 }, (_, n) => `item-${n}`);
const path = (key) => `/v1/db/test/shop/${key}`;
// For each record when each of its versions was known to be written.
const ends = new Map(keys.map((key) => [key, [0]]));
let running = true;

function cache(staleness, place) {
  const port = 8080 + place;
  const origin = [0, 1, 2].map((n) => `${cluster.address((n + place) % 3)}:4200`).join(',');
  const words = ['cache', '--origin', origin, '--listen-address', '127.0.68.9', '--listen-port', port, '--staleness', staleness];
  const child = spawn(binary, words.map(String), { stdio: ['ignore', 'ignore', 'inherit'] });
  caches.push({ child, staleness, url: `http://127.0.68.9:${port}`, reads: 0, worst: 0, wrong: 0, back: 0, own: 0, ownWrong: 0, troubles: 0 });
}

async function write(urls, seen) {
  while (running) {
    const key = keys[Math.floor(Math.random() ** 3 * keys.length)];
    const times = ends.get(key);
    if (times.busy) { await pause(3); continue; }
    times.busy = true;
    const version = times.length;
    for (let attempt = 0; ; attempt += 1) {
      try {
        const url = urls[attempt % urls.length];
        const { status } = await json('PUT', url + path(key), { bins: { version } });
        if (status !== 200) throw new Error(status);
        times.push(Date.now());
        if (seen) await seen(key, version);
        break;
      } catch { await pause(100); }
    }
    times.busy = false;
    await pause(Math.random() * 80);
  }
}

// A cache that goes by lives alone, as browsers do: it shows that the bounds below are no accident.
const control = { staleness: 3000, url: '', reads: 0, worst: 0, wrong: 0, back: 0, troubles: 0 };
const browser = new HttpCache();

async function read(one, ask = fetch) {
  const known = new Map();
  while (running) {
    const key = keys[Math.floor(Math.random() * keys.length)];
    const asked = Date.now();
    try {
      const response = await ask(one.url + path(key), { signal: AbortSignal.timeout(20000) });
      if (response.status !== 200) throw new Error(response.status);
      const { bins: { version } } = await response.json();
      one.reads += 1;
      const end = ends.get(key)[version + 1];
      if (end !== undefined) {
        one.worst = Math.max(one.worst, asked - end);
        if (asked - end > one.staleness) one.wrong += 1;
      }
      if (version < (known.get(key) ?? 0)) one.back += 1;
      known.set(key, version);
    } catch { one.troubles += 1; await pause(50); }
    await pause(Math.random() * 10);
  }
}

async function main() {
  [0, 1, 2].forEach((number) => cluster.start(number));
  const figures = async () => (await json('GET', `${cluster.url(0)}/v1/cluster`)).body;
  await until('three nodes', figures, (now) => now.size === 3 && now.health.state === 'good');
  for (const key of keys) {
    await json('PUT', cluster.url(0) + path(key), { bins: { version: 1 } });
    ends.get(key).push(Date.now());
  }
  BOUNDS.forEach(cache);
  for (const one of caches) await until('a cache', async () => (await fetch(`${one.url}/.shipload/cache`)).status, (status) => status === 200);

  // What a cache is beside: it hands on what it does not keep, and answers 304.
  const [first] = caches;
  check('other paths go through', (await fetch(`${first.url}/healthz`)).status === 200);
  const tag = (await fetch(first.url + path(keys[0]))).headers.get('etag');
  const again = await fetch(first.url + path(keys[0]), { headers: { 'If-None-Match': tag } });
  check('a known version is not sent again', again.status === 304, again.headers.get('cache-status'));
  check('a record that is not there', (await fetch(`${first.url}/v1/db/test/shop/none`)).status === 404);
  const many = await Promise.all(Array.from({ length: 50 }, () => fetch(first.url + path(keys[7]))));
  check('requests at the same time are one', many.every((one) => one.status === 200)
    && many.filter((one) => /collapsed|hit/.test(one.headers.get('cache-status'))).length >= 45);

  const own = (one) => async (key, version) => {
    const { bins } = await (await fetch(one.url + path(key))).json();
    one.own += 1;
    if (bins.version < version) one.ownWrong += 1;
  };
  const nodes = [cluster.url(0), cluster.url(1)];
  const all = [write(nodes), write(nodes), ...caches.map((one) => write([one.url], own(one)))];
  for (const one of caches) for (let n = 0; n < 8; n += 1) all.push(read(one));
  control.url = cluster.url(0);
  for (let n = 0; n < 4; n += 1) all.push(read(control, browser.fetch));
  const part = Number(seconds) * 1000 / 4;
  await pause(part);
  cluster.kill(2);
  await pause(part);
  cluster.start(2);
  await pause(part * 2);
  running = false;
  await Promise.all(all);

  const writes = [...ends.values()].reduce((sum, times) => sum + times.length - 2, 0);
  console.log(`\n${writes} writes; a node was killed and came back`);
  console.log('bound ms  oldest ms   reads  hits %  collapsed %  revalidated  unchanged  purged  sketch bytes  errors');
  for (const one of caches) {
    const now = (await json('GET', `${one.url}/.shipload/cache`)).body;
    const asked = now.hits + now.collapsed + now.misses + now.revalidated;
    const percent = (part) => (part / asked * 100).toFixed(1);
    console.log([one.staleness, one.worst, one.reads, percent(now.hits), percent(now.collapsed), now.revalidated, now.unchanged, now.purged, now.sketchBytes, one.troubles]
      .map((value, at) => String(value).padStart([8, 10, 7, 7, 12, 12, 10, 7, 13, 7][at])).join(' '));
    one.hits = now.hits;
  }
  console.log(`without a sketch: ${control.worst} ms, ${control.reads} reads, ${control.wrong} of them older than ${control.staleness} ms\n`);
  for (const one of caches) {
    check(`no read is older than ${one.staleness} ms`, one.wrong === 0, `${one.reads} reads, ${one.wrong} beyond`);
    check('own writes are read', one.ownWrong === 0 && one.own > 10, `${one.own} looked at`);
    check('no reader goes back', one.back === 0, one.back);
    check('copies were used', one.hits > one.reads / 4, `${one.hits} of ${one.reads}`);
  }
  check('without a sketch they would be', control.wrong > 0);
}

await run(main, () => {
  running = false;
  caches.forEach(({ child }) => child.kill('SIGKILL'));
  cluster.end();
});
