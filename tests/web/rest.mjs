// REST on three real nodes: the status matrix, values without loss, conditions, pages, queries, limits, and what
// strangers may try.
//
//   node rest.mjs BINARY
import net from 'node:net';
import { Cluster, json, until } from './cluster.mjs';
import { RecordDoor } from './door.mjs';

const cluster = new Cluster(process.argv[2], 62);
let failed = 0, done = 0;
const check = (what, seen, wanted) => {
  const holds = JSON.stringify(seen) === JSON.stringify(wanted);
  done += 1;
  if (!holds) { failed += 1; console.log(`FAIL ${what}: ${JSON.stringify(seen)} instead of ${JSON.stringify(wanted)}`); }
};
const at = (node, path) => `${cluster.url(node)}/v1/${path}`;
let turn = 0;
// Every request through another node.
const ask = (method, path, body, headers) => json(method, at(turn++ % 3, path), body, headers);
const status = async (...words) => (await ask(...words)).status;

async function matrix() {
  const record = 'db/test/matrix/key', bins = { bins: { n: 1 } };
  for (const [header, value] of [['If-Match', '"1-1"'], ['If-Match', '*']]) {
    check(`PUT ${header} ${value} absent`, await status('PUT', record, bins, { [header]: value }), 412);
    check(`DELETE ${header} ${value} absent`, await status('DELETE', record, undefined, { [header]: value }), 412);
  }
  check('GET absent', await status('GET', record), 404);
  check('PATCH absent', await status('PATCH', record, bins), 404);
  check('DELETE absent', await status('DELETE', record), 204);
  check('PUT inserts', await status('PUT', record, bins), 200);
  check('POST present', await status('POST', record, bins), 409);
  check('PUT overwrites', await status('PUT', record, bins), 200);
  check('PUT If-None-Match * present', await status('PUT', record, bins, { 'If-None-Match': '*' }), 412);
  check('PUT If-Match *', await status('PUT', record, bins, { 'If-Match': '*' }), 200);
  const { etag } = await ask('GET', record);
  check('GET known', await status('GET', record, undefined, { 'If-None-Match': etag }), 304);
  check('GET other', await status('GET', record, undefined, { 'If-None-Match': '"1-1"' }), 200);
  const second = await ask('PUT', record, { bins: { n: 2 } }, { 'If-Match': etag });
  check('PUT equal', second.status, 200);
  check('PUT differs', await status('PUT', record, bins, { 'If-Match': etag }), 412);
  check('PATCH differs', await status('PATCH', record, bins, { 'If-Match': etag }), 412);
  check('DELETE differs', await status('DELETE', record, undefined, { 'If-Match': etag }), 412);
  check('the tag of a write is that of a read', (await ask('GET', record)).etag, second.etag);
  check('DELETE equal', await status('DELETE', record, undefined, { 'If-Match': second.etag }), 204);
  const again = await ask('POST', record, { bins: { n: 3 } });
  check('POST creates', again.status, 201);
  // The generation is 1 again; the tag is not.
  check('PUT with the tag of an earlier life', await status('PUT', record, bins, { 'If-Match': etag }), 412);
}

async function values() {
  const bins = {
    int: 7, min: { $int: '-9223372036854775808' }, max: { $int: '9223372036854775807' }, text: 'Grüße \u0000 😀', empty: '', yes: true,
    half: 0.5, nan: { $double: 'NaN' }, inf: { $double: '-Infinity' }, blob: { $bytes: 'AAH/' }, python: { $bytes: 'eA==', $type: 9 },
    geo: { $geo: { type: 'Point', coordinates: [9.99, 53.55] } }, list: [1, 'a', null, [true], { b: { $bytes: '' } }],
    ordered: { $list: [1, 2, 3], $order: 'ordered' }, map: { a: 1, b: { c: [] } },
  };
  const more = { odd: { $map: [[1, 'one'], ['$x', 2]] }, keyed: { $map: { a: 1, b: 2 }, $order: 'key' }, nothing: {} , none: [] };
  check('all types', await status('PUT', 'db/test/values/all', { bins: { ...bins, ...more } }), 200);
  check('come back', (await ask('GET', 'db/test/values/all')).body.bins, { ...bins, ...more });
  const again = (await ask('GET', 'db/test/values/all')).body;
  check('what is read can be written', await status('PUT', 'db/test/values/copy', again), 200);
  check('and is the same', (await ask('GET', 'db/test/values/copy')).body.bins, { ...bins, ...more });
  for (const bad of [{ $x: 1 }, { $int: 'x' }, { $bytes: '%' }, { $geo: 'no' }]) {
    check(`refused: ${JSON.stringify(bad)}`, (await status('PUT', 'db/test/values/bad', { bins: { bad } })) >= 400, true);
  }
  for (const key of ['int:-5', 'blob:AP8', 'str:int:5', 'with space', 'a%2Fb', '%C3%A4']) {
    check(`key ${key}`, await status('PUT', `db/test/keys/${key}`, { bins: { n: 1 } }), 200);
    check(`key ${key} read`, (await ask('GET', `db/test/keys/${key}`)).body.id, decodeURIComponent(key));
  }
}

async function listings() {
  const rows = Array.from({ length: 500 }, (_, n) => ({ method: 'put', set: 'list', key: `int:${n}`, bins: { n, even: n % 2 === 0, tag: `t${n % 5}` } }));
  check('batch', (await ask('POST', 'batch/test', { rows })).body.rows.every((row) => row.status === 200), true);
  const seen = [];
  for (let cursor = '', pages = 0; cursor !== null && pages < 100; pages += 1) {
    const { body } = await ask('GET', `db/test/list?limit=37&bins=n${cursor && `&cursor=${cursor}`}`);
    seen.push(...body.records.map((record) => record.bins.n));
    cursor = body.cursor;
  }
  check('pages have each record once', seen.sort((a, b) => a - b), rows.map((row) => row.bins.n));
  const query = async (body) => (await ask('POST', 'query/test/list', body)).body.records.map((record) => record.bins.n);
  check('filter and sort', await query({ filter: { even: true, n: { $gte: 490 } }, sort: ['-n'] }), [498, 496, 494, 492, 490]);
  check('offset and limit', await query({ sort: ['n'], offset: 5, limit: 3 }), [5, 6, 7]);
  check('or', await query({ filter: { $or: [{ n: 1 }, { n: { $in: [3, 4] } }] }, sort: ['n'] }), [1, 3, 4]);
  check('not, exists and text', await query({ filter: { $not: { tag: { $regex: '^t[0-3]$' } }, nix: { $exists: false }, n: { $lt: 10 } }, sort: ['n'] }), [4, 9]);
  check('index', await status('POST', 'namespaces/test/indexes', { name: 'list-n', set: 'list', bin: 'n', type: 'numeric' }), 201);
  const indexes = async () => (await Promise.all([0, 1, 2].map((node) => json('GET', at(node, 'namespaces/test/indexes'))))).map((one) => one.body.indexes);
  await until('the index', indexes, (all) => all.every((list) => list.some((one) => one.name === 'list-n' && one.state === 'RW')));
  check('range', await query({ range: { bin: 'n', from: 100, to: 103 }, sort: ['n'] }), [100, 101, 102, 103]);
  check('range without index', (await ask('POST', 'query/test/list', { range: { bin: 'nix', from: 1 } })).body.code, 'index-not-found');
  check('delete the index', await status('DELETE', 'namespaces/test/indexes/list-n'), 204);
  const operated = await ask('POST', 'db/test/list/int:1/operate', { ops: [{ op: 'add', bin: 'n', value: 10 }, { op: 'get', bin: 'n' }] });
  check('operate', operated.body.results.at(-1), { bin: 'n', value: 11 });
  check('touch', (await ask('PATCH', 'db/test/list/int:1', { ttl: 500 })).body.ttl >= 498, true);
  check('PATCH keeps the time to live', (await ask('PATCH', 'db/test/list/int:1', { bins: { x: 1 } })).body.ttl <= 500, true);
}

function raw(bytes, patience = 15000) {
  return new Promise((resolve) => {
    const socket = net.connect(4200, cluster.address(0));
    let answer = '';
    const end = () => { socket.destroy(); resolve(answer); };
    socket.on('connect', () => socket.write(bytes));
    socket.on('data', (data) => { answer += data.toString('latin1'); end(); });
    socket.on('close', () => resolve(answer));
    socket.on('error', () => resolve(answer));
    setTimeout(end, patience);
  });
}

async function strangers() {
  const first = (answer) => answer.split(' ')[1];
  // Meanwhile a client of port 3000 reads a record of the same node.
  const { digest } = await import(`data:text/javascript,${encodeURIComponent(await (await fetch(at(0, 'client.js'))).text())}`);
  const door = new RecordDoor(cluster.address(0), 'test', digest('list', 5));
  check('huge headers', ['431', undefined].includes(first(await raw(`GET / HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(200000)}\r\n\r\n`))), true);
  check('deep JSON', await status('PUT', 'db/test/x/y', undefined) >= 400, true);
  const deep = await fetch(at(0, 'db/test/x/deep'), { method: 'PUT', headers: { 'Content-Type': 'application/json' }, body: `{"bins":{"a":${'['.repeat(5000)}${']'.repeat(5000)}}}` });
  check('deep JSON', deep.status, 400);
  const giant = await fetch(at(0, 'db/test/x/giant'), { method: 'PUT', headers: { 'Content-Type': 'application/json' }, body: `{"bins":{"a":"${'x'.repeat(17 << 20)}"}}` }).then((answer) => answer.status, () => 413);
  check('giant JSON', giant, 413);
  check('record too big', await status('PUT', 'db/test/x/big', { bins: { a: 'x'.repeat(9 << 20) } }), 413);
  for (const [what, bytes] of Object.entries({
    'many headers': `GET / HTTP/1.1\r\nHost: x\r\n${Array.from({ length: 300 }, (_, n) => `X-${n}: 1`).join('\r\n')}\r\n\r\n`,
    'two lengths': 'PUT /v1/db/test/x/y HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\n{}{}{}',
    'a length and chunks': 'PUT /v1/db/test/x/y HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'a negative length': 'PUT /v1/db/test/x/y HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n',
    'no HTTP at all': '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    'a path as long as a book': `GET /v1/db/test/x/${'a'.repeat(70000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
  })) check(what, ['400', '411', '414', '415', '431', undefined].includes(first(await raw(bytes))), true);
  for (const path of ['/ui/../Cargo.toml', '/ui/%2e%2e/Cargo.toml', '/ui//etc/passwd', '/v1/db/test/x/%ff', '/v1/namespaces/test%0Aquiesce:/sets']) {
    const answer = await raw(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    check(`path ${path}`, ['400', '404'].includes(first(answer)), true);
  }
  check('cross origin', (await ask('DELETE', 'db/test/matrix/key', undefined, { Origin: 'http://evil.example' })).body.code, 'cross-origin');
  check('a form of another page', (await fetch(at(0, 'jobs/1/abort'), { method: 'POST', headers: { 'Content-Type': 'text/plain' }, body: '{}' })).status, 415);
  // Many that drip headers in: others are still answered, and metrics even when every place is taken.
  const slow = Array.from({ length: 4200 }, () => net.connect(4200, cluster.address(0)).on('error', () => {}));
  let connected = 0;
  slow.forEach((socket, n) => socket.on('connect', () => { connected += 1; socket.write(n % 2 ? 'GET / HT' : 'PUT /v1/db/test/x/slow HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{'); }));
  await until('slow ones', () => connected, (count) => count >= 4096, 30000);
  await until('metrics beside slow ones', async () => (await fetch(`${cluster.url(0)}/metrics`)).status, (code) => code === 200, 30000);
  check('metrics beside 4200 slow ones', true, true);
  slow.forEach((socket) => socket.destroy());
  await until('served again', async () => (await json('GET', at(0, 'db/test/list/int:2'))).status, (code) => code === 200, 30000);
  const record = await door.end();
  console.log(`     the record door meanwhile: ${record.reads} reads, p50 ${record.p50} ms, p99 ${record.p99} ms, the longest ${record.max} ms`);
  check('the record door is unharmed', [record.wrong, record.reads > 20], [0, true]);
}

try {
  [0, 1, 2].forEach((number) => cluster.start(number));
  await until('three nodes', () => json('GET', at(0, 'cluster')), (now) => now.body.size === 3 && now.body.health.state === 'good');
  for (const part of [matrix, values, listings, strangers]) {
    await part();
    console.log(`ok   ${part.name}`);
  }
} catch (error) {
  failed += 1;
  console.log(`FAIL ${error.stack}`);
} finally {
  cluster.end();
}
console.log(`${done - failed} of ${done} checks hold`);
process.exit(failed ? 1 : 0);
