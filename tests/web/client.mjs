// The JavaScript client behind caches, on three real nodes: what it trusts, what it revalidates, its own writes, reads that never
// go back, and its bound on staleness while a node dies.
//
//   node client.mjs BINARY
import { check, run } from './checks.mjs';
import { Cluster, json, until } from './cluster.mjs';
import { HttpCache } from './cache.mjs';

const [binary] = process.argv.slice(2);
const cluster = new Cluster(binary, 65, 'test:replication-factor=2:cache-max-ttl=20:cache-write-chance-pct=99');
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function main() {
  [0, 1, 2].forEach((number) => cluster.start(number));
  const figures = async () => (await json('GET', `${cluster.url(0)}/v1/cluster`)).body;
  await until('three nodes', figures, (now) => now.size === 3 && now.health.state === 'good');
  const served = await fetch(`${cluster.url(0)}/v1/client.js`);
  check('the client is served', served.headers.get('content-type').startsWith('text/javascript'));
  const { connect, digest, Refused } = await import(`data:text/javascript,${encodeURIComponent(await served.text())}`);

  // 1. Digests are the server's.
  for (const key of ['text', 'ünï', 'int:5', 7, -1n, new Uint8Array([0, 255]), 'x'.repeat(200)]) {
    const hex = Buffer.from(digest('demo', key)).toString('hex');
    const client = connect(cluster.url(0), 'test');
    await client.put('demo', key, { a: 1 });
    const found = await json('GET', `${cluster.url(1)}/v1/db/test/demo/digest:${hex}`);
    check(`digest of ${String(key).slice(0, 12)}`, found.status === 200);
  }

  // 2. Caches may keep what is old enough, as long as the configuration says at most.
  const url = (key) => `${cluster.url(0)}/v1/db/test/shop/${key}`;
  const keys = Array.from({ length: 60 }, (_, n) => `item-${n}`);
  for (const key of keys) await json('PUT', url(key), { bins: { version: 1 } });
  const ages = async () => Promise.all(keys.map(async (key) => (await fetch(url(key))).headers.get('cache-control')));
  const all = await until('all may be kept', ages, (seen) => seen.every((one) => /^public, max-age=\d+$/.test(one ?? '')));
  check('caches may keep records', true, [...new Set(all)].slice(0, 4).join('; '));
  check('not longer than configured', all.every((one) => Number(/\d+$/.exec(one)) <= 20));
  const known = await fetch(url(keys[0]));
  const again = await fetch(url(keys[0]), { headers: { 'If-None-Match': known.headers.get('etag') } });
  check('304 says it as well', again.status === 304 && again.headers.get('cache-control').includes('max-age'));

  // 3. The sketch calms down after the start, and names what is written.
  const sketch = async (number = 0) => (await json('GET', `${cluster.url(number)}/v1/sketch/test`)).body;
  await until('no taint', sketch, (now) => now.tainted === undefined, 90000);
  const shared = new HttpCache(), browser = new HttpCache(shared.fetch);
  const db = connect(cluster.url(0), 'test', { staleness: 5000, fetch: browser.fetch });
  const writer = connect(cluster.url(1), 'test');
  await db.refresh();
  const before = { ...browser.figures };
  for (let round = 0; round < 5; round += 1) for (const key of keys) await db.get('shop', key);
  check('most reads come from the cache', browser.figures.hits - before.hits >= keys.length * 3, JSON.stringify(browser.figures));
  await writer.put('shop', keys[0], { version: 2 });
  const named = await until('the write is in every sketch', async () => Promise.all([0, 1, 2].map(sketch)), (seen) => seen.every((one) => one.n === 1));
  check('the write is in the sketch of every node', true, `n=${named[0].n} m=${named[0].m} h=${named[0].h}`);
  const kept = await (await browser.fetch(url(keys[0]))).json();
  check('a plain cache still has the old one', kept.bins.version === 1);
  await db.refresh();
  check('the client does not', (await db.get('shop', keys[0])).bins.version === 2);
  // What was just written may not be kept for a moment; then it is revalidated once, though the sketch still names it.
  const trusted = async () => {
    const { trusted: one } = db.stats;
    const { bins } = await db.get('shop', keys[0]);
    return bins.version === 2 && db.stats.trusted > one && (await sketch()).n;
  };
  check('once revalidated it is trusted again', await until('trust', trusted, (holds) => holds) >= 1, JSON.stringify(db.stats));
  check('the sketch may be kept for a moment', (await fetch(`${cluster.url(0)}/v1/sketch/test`)).headers.get('cache-control') === 'public, max-age=1');

  // 4. Own writes are read, though caches have older ones and the sketch is old.
  await db.get('shop', keys[1]);
  const { etag } = await db.patch('shop', keys[1], { version: 3 });
  check('own writes are read', (await db.get('shop', keys[1])).bins.version === 3);
  const refused = await db.put('shop', keys[1], { version: 9 }, { match: '"1-1"' }).catch((error) => error);
  check('a stale edit is refused', refused instanceof Refused && refused.status === 412, refused.code);
  await db.put('shop', keys[1], { version: 4 }, { match: etag });
  await db.remove('shop', keys[2]);
  check('a removed record is gone', await db.get('shop', keys[2]) === null);

  // 5. Reads never go back: another cache has an older copy.
  const stale = new HttpCache();
  await stale.fetch(url(keys[3]));
  await writer.put('shop', keys[3], { version: 5 });
  let past = false;
  const moving = connect(cluster.url(0), 'test', { staleness: 60000, fetch: (...words) => (past ? stale.fetch(...words) : fetch(...words)) });
  await moving.refresh();
  await moving.get('shop', keys[3], { staleness: 0 });
  past = true;
  check('reads do not go back', (await moving.get('shop', keys[3])).bins.version === 5, JSON.stringify(moving.stats));

  // 6. Many writers and readers, one node killed: no read is older than its bound.
  await bounded(connect, writer);
}

// A writer counts up records; a reader may see a version that was overwritten at most `staleness` before it asked.
async function bounded(connect) {
  const staleness = 2000, ends = new Map();
  const keys = Array.from({ length: 40 }, (_, n) => `bound-${n}`);
  const shared = new HttpCache();
  const live = (number) => connect(cluster.url(number), 'test', { staleness });
  const writers = [live(0), live(1)];
  for (const key of keys) {
    await writers[0].put('bound', key, { version: 1 });
    ends.set(key, [0, Date.now()]);
  }
  let running = true, reads = 0, worst = 0, wrong = 0, writes = 0, troubles = 0, ownWrong = 0;
  const write = async (db) => {
    while (running) {
      const key = keys[Math.floor(Math.random() ** 3 * keys.length)];
      const times = ends.get(key), version = times.length;
      if (times.busy) { await pause(5); continue; }
      times.busy = true;
      for (;;) {
        try {
          await db.put('bound', key, { version });
          times.push(Date.now());
          if ((await db.get('bound', key)).bins.version < version) ownWrong += 1;
          break;
        } catch { troubles += 1; await pause(100); }
      }
      writes += 1;
      times.busy = false;
      await pause(20 + Math.random() * 60);
    }
  };
  const readers = Array.from({ length: 12 }, (_, n) => new HttpCache(n % 2 ? shared.fetch : fetch))
    .map((cache, n) => ({ cache, db: connect(cluster.url(n % 2), 'test', { staleness, fetch: cache.fetch }), seen: new Map() }));
  let back = 0;
  const read = async ({ db, seen }) => {
    while (running) {
      const key = keys[Math.floor(Math.random() * keys.length)];
      const asked = Date.now();
      try {
        const { bins: { version } } = await db.get('bound', key);
        reads += 1;
        // When was the version after it known to be written?
        const end = ends.get(key)[version + 1];
        if (end !== undefined) {
          worst = Math.max(worst, asked - end);
          if (asked - end > staleness) wrong += 1;
        }
        if (version < (seen.get(key) ?? 0)) back += 1;
        seen.set(key, version);
      } catch { troubles += 1; await pause(50); }
      await pause(5);
    }
  };
  const all = [...writers.map(write), ...readers.map(read)];
  await pause(12000);
  cluster.kill(2);
  await pause(15000);
  running = false;
  await Promise.all(all);
  const hits = readers.reduce((sum, { cache }) => sum + cache.figures.hits, 0) + shared.figures.hits;
  const sum = (name) => readers.reduce((total, { db }) => total + db.stats[name], 0);
  console.log(`     ${reads} reads, ${writes} writes, ${hits} from caches, ${sum('revalidated')} revalidated, ${sum('sketches')} sketches, ${troubles} requests tried again`);
  check(`no read is older than ${staleness} ms`, wrong === 0, `oldest ${worst} ms, ${wrong} beyond`);
  check('caches were used', hits > reads / 10, `${hits} of ${reads}`);
  check('something stale was read at all', worst > 0, 'so the check could have failed');
  check('own writes are always read', ownWrong === 0, ownWrong);
  check('no read went back', back === 0, back);
}

await run(main, () => cluster.end());
