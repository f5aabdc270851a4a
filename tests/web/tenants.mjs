// Tenants, on three real nodes: one that asks for more than its quota is refused with 429, also in batches and queries; another
// one does not notice.
//
//   node tenants.mjs BINARY
import net from 'node:net';
import { check, run } from './checks.mjs';
import { Cluster, json, until } from './cluster.mjs';

const cluster = new Cluster(process.argv[2], 69);

// An info command to one node's port 3000.
function info(number, command) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(3000, cluster.address(number)).on('error', reject);
    const body = Buffer.from(`${command}\n`), head = Buffer.alloc(8);
    head.writeBigUInt64BE((2n << 56n) | (1n << 48n) | BigInt(body.length));
    socket.write(Buffer.concat([head, body]));
    let answer = Buffer.alloc(0);
    socket.on('data', (bytes) => {
      answer = Buffer.concat([answer, bytes]);
      if (answer.length < 8 || answer.length < 8 + answer.readUIntBE(2, 6)) return;
      socket.destroy();
      resolve(answer.subarray(8).toString().trim().split('\t').at(-1));
    });
  });
}
const everywhere = (command) => Promise.all([0, 1, 2].map((number) => info(number, command)));
const put = (set, n) => json('PUT', `${cluster.url(n % 3)}/v1/db/test/${set}/key-${n % 500}`, { bins: { n } });
const RATE = 300;

// Reads and writes of one quiet tenant: how long they take, in ms, at p50 and p99.
async function quiet(seconds) {
  const times = [], end = Date.now() + seconds * 1000;
  let refused = 0;
  for (let n = 0; Date.now() < end; n += 1) {
    const began = performance.now();
    if ((await put('calm.users', n)).status !== 200) refused += 1;
    times.push(performance.now() - began);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  times.sort((a, b) => a - b);
  return { refused, p50: times[Math.floor(times.length / 2)].toFixed(1), p99: times[Math.floor(times.length * 0.99)].toFixed(1) };
}

async function main() {
  [0, 1, 2].forEach((number) => cluster.start(number));
  const figures = async () => (await json('GET', `${cluster.url(0)}/v1/cluster`)).body;
  await until('three nodes', figures, (now) => now.size === 3 && now.health.state === 'good');
  const answers = await everywhere(`set-config:context=namespace;namespace=test;set=loud.*;max-requests-per-second=${RATE}`);
  check('a quota is set', answers.every((answer) => answer === 'ok'), answers.join(' '));

  const before = await quiet(4);
  let running = true, served = 0, refused = 0, other = 0, problem;
  const began = Date.now();
  const loud = async (set, first) => {
    for (let n = first; running; n += 8) {
      const { status, body, headers } = await put(set, n);
      if (status === 200) served += 1;
      else if (status === 429) { refused += 1; problem = { ...body, later: headers.get('retry-after') }; }
      else other += 1;
    }
  };
  const all = Array.from({ length: 8 }, (_, n) => loud(n % 2 ? 'loud.users' : 'loud.orders', n));
  const beside = await quiet(8);
  const batch = await json('POST', `${cluster.url(1)}/v1/batch/test`, { rows: Array.from({ length: 2000 }, (_, n) => ({ method: 'get', set: 'loud.users', key: `key-${n}` })) });
  running = false;
  await Promise.all(all);
  const seconds = (Date.now() - began) / 1000;
  console.log(`     quota ${RATE}/s: ${(served / seconds).toFixed(0)}/s served, ${(refused / seconds).toFixed(0)}/s refused; the other tenant: p50 ${before.p50} ms, p99 ${before.p99} ms alone, p50 ${beside.p50} ms, p99 ${beside.p99} ms beside it`);
  check('what is over the quota is refused', refused > 0 && problem.code === 'quota-exceeded' && problem.later === '1', `${problem?.code}, Retry-After ${problem?.later}`);
  check('never more than the quota and a second of it', served <= RATE * (seconds + 1) + 3, `${served} in ${seconds.toFixed(1)} s`);
  check('nothing else goes wrong', other === 0, other);
  check('rows of a batch as well', batch.body.rows.some((row) => row.status === 429), batch.body.rows.filter((row) => row.status === 429).length);
  check('another tenant is never refused', before.refused + beside.refused === 0);
  const usage = await everywhere('sets/test/loud.*');
  check('usage is visible', usage.every((text) => /objects=\d+:.*requests_refused=\d+/.test(text)), usage[0]?.slice(0, 60));
  await everywhere('set-config:context=namespace;namespace=test;set=loud.*;max-requests-per-second=0');
  check('a quota can be lifted', (await put('loud.users', 1)).status === 200);
}

await run(main, () => cluster.end());
