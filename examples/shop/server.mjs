// The shop's server: its files, and everything below /v1 from a node, so that a browser sees one origin. Fills the shelves when they
// are empty. Node.js 20, no packages.
//
//   NODE_URL=http://127.0.0.1:4200 LISTEN_PORT=8090 node server.mjs
import { createServer, request } from 'node:http';
import { readFileSync } from 'node:fs';
import { goods } from './goods.mjs';

const here = (name) => new URL(name, import.meta.url);
const files = {
  '/': ['index.html', 'text/html; charset=utf-8', 'no-cache'],
  '/shop.js': ['shop.js', 'text/javascript; charset=utf-8', 'public, max-age=3600'],
  '/shop.css': ['shop.css', 'text/css; charset=utf-8', 'public, max-age=3600'],
};

// Answers on this address; ends with what it returns.
export async function serve({ node = 'http://127.0.0.1:4200', address = '127.0.0.1', port = 8090 } = {}) {
  await fill(node);
  const target = new URL(node);
  const server = createServer((ask, answer) => {
    if (ask.url.startsWith('/v1/')) return handOn(target, ask, answer);
    const [name, type, life] = files[new URL(ask.url, 'http://shop').pathname] ?? [];
    if (!name) return answer.writeHead(404).end();
    answer.writeHead(200, { 'Content-Type': type, 'Cache-Control': life }).end(readFileSync(here(name)));
  });
  server.keepAliveTimeout = 60000;
  await new Promise((resolve, reject) => server.listen(port, address, resolve).on('error', reject));
  return server;
}

function handOn(target, ask, answer) {
  const away = request({ host: target.hostname, port: target.port, method: ask.method, path: ask.url, headers: ask.headers }, (came) => {
    answer.writeHead(came.statusCode, came.headers);
    came.pipe(answer);
  });
  away.on('error', () => (answer.headersSent ? answer.destroy() : answer.writeHead(502).end()));
  ask.pipe(away);
}

// A hundred records, unless they are there.
async function fill(node) {
  const url = (key) => `${node}/v1/db/test/shop/${key}`;
  await Promise.all(goods().map(async ({ key, ...bins }) => {
    const answer = await fetch(url(key), { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ bins }) });
    if (answer.status !== 201 && answer.status !== 409) throw new Error(`${url(key)}: ${answer.status}`);
  }));
}

if (process.argv[1] === here('').pathname || process.argv[1]?.endsWith('server.mjs')) {
  const { NODE_URL: node, LISTEN_ADDRESS: address, LISTEN_PORT: port = '8090' } = process.env;
  await serve({ node, address, port: Number(port) });
  console.log(`the shop is open: http://${address ?? '127.0.0.1'}:${port}/`);
}
