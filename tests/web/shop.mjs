// How long the demo shop takes to show its hundred records in Chromium, through added network delay, with and without caches and
// the sketch. No time is checked: only that it shows what it should, and whence it came.
//
//   node shop.mjs BINARY PICTURES [DOCUMENTS]      with DOCUMENTS, a table and a plot are written there
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { check, run } from './checks.mjs';
import { Cluster, json, until } from './cluster.mjs';
import { delayed } from './delay.mjs';
import { serve } from '../../examples/shop/server.mjs';

const [binary, pictures, documents] = process.argv.slice(2);
const require = createRequire(join(process.env.WEB_MODULES, 'node_modules/'));
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
// A copy lives for ten seconds at most: what nodes don't know after their start is over after 22.
const cluster = new Cluster(binary, 90, 'test:replication-factor=2:cache-max-ttl=10:cache-write-chance-pct=90');
const ROUND_TRIPS_MS = [50, 150], ROUNDS = Number(process.env.SHOP_ROUNDS ?? 3);
const [ADDRESS, PORT] = ['127.0.90.9', 8090];
const WAYS = [
  ['no cache, one by one', 'plain', false],
  ['no cache, one listing', 'listing', false],
  ['first visit, cache and sketch', 'sketch', false],
  ['again, cache that asks each time', 'ask', true],
  ['again, cache and sketch', 'sketch', true],
  ['again, 5 of them written meanwhile', 'sketch', true, 5],
];
const ended = [];
let browser;

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

async function visit(page, port, how) {
  await page.goto(`http://${ADDRESS}:${port}/?how=${how}`);
  await page.waitForFunction(() => window.shop, null, { timeout: 60000 });
  const shown = await page.evaluate(() => ({ ...window.shop, cards: document.querySelectorAll('#shelf .price').length,
    requests: performance.getEntriesByType('resource').filter(({ name, transferSize }) => name.includes('/v1/') && transferSize > 0).length }));
  if (shown.cards !== 100) throw new Error(`${shown.cards} cards`);
  return shown;
}

async function measure(port, [name, how, again, writes = 0]) {
  const seen = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const context = await browser.newContext();
    const page = await context.newPage();
    // On a busy machine a node may have been missed for a moment.
    await untainted();
    if (again) await visit(page, port, how);
    for (let n = 0; n < writes; n += 1) {
      await json('PATCH', `${cluster.url(1)}/v1/db/test/shop/item-00${n}`, { bins: { stock: 1000 + round } });
    }
    if (writes) await sketched(writes);
    const shown = await visit(page, port, how);
    if (writes) shown.current = await page.evaluate(() => [...document.querySelectorAll('#shelf li')].slice(0, 5).map((card) => parseInt(card.querySelector('.row span + span').textContent, 10)));
    if (writes && shown.current.some((stock) => stock !== 1000 + round)) throw new Error(`shows ${shown.current}`);
    seen.push(shown);
    await context.close();
  }
  return { name, ms: median(seen.map(({ ms }) => ms)), trusted: median(seen.map(({ trusted }) => trusted)), requests: median(seen.map(({ requests }) => requests)) };
}

const sketch = async () => (await json('GET', `${cluster.url(0)}/v1/sketch/test`)).body;
const untainted = () => until('no taint', sketch, ({ tainted }) => tainted === undefined, 90000);
const sketched = (writes) => until('the sketch names what was written', sketch, ({ n }) => n >= writes);

function table(results) {
  const lines = ['| | ' + ROUND_TRIPS_MS.map((ms) => `${ms} ms away`).join(' | ') + ' | trusted | requests |', `|---|${'--:|'.repeat(ROUND_TRIPS_MS.length + 2)}`];
  WAYS.forEach(([name], at) => {
    const all = results.map((of) => of[at]);
    lines.push(`| ${name} | ${all.map(({ ms }) => `${ms} ms`).join(' | ')} | ${all[0].trusted} | ${all[0].requests} |`);
  });
  return lines.join('\n');
}

function plot(results) {
  const most = Math.max(...results.flat().map(({ ms }) => ms)), [left, wide, high] = [250, 430, 46];
  const bars = WAYS.map(([name], at) => {
    const y = 44 + at * high;
    const one = results.map((of, n) => {
      const width = Math.max(1, of[at].ms / most * wide).toFixed(1);
      return `<rect x="${left}" y="${y + n * 16}" width="${width}" height="13" rx="2" class="b${n}"/><text x="${left + Number(width) + 6}" y="${y + n * 16 + 11}" class="v">${of[at].ms} ms</text>`;
    });
    return `<text x="${left - 10}" y="${y + 19}" text-anchor="end">${name}</text>${one.join('')}`;
  });
  const legend = ROUND_TRIPS_MS.map((ms, n) => `<rect x="${left + n * 150}" y="14" width="13" height="13" rx="2" class="b${n}"/><text x="${left + 20 + n * 150}" y="25">${ms} ms away</text>`);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${left + wide + 80} ${54 + WAYS.length * high}" role="img" aria-label="Time until the shop shows a hundred records">
<style>svg { background: #fff; font: 13px system-ui, sans-serif; } text { fill: #14213a; } .v { fill: #5a6780; font-size: 12px; } .b0 { fill: #74aeff; } .b1 { fill: #1557b0; }</style>
${[...legend, ...bars].join('\n')}
</svg>
`;
}

async function looks() {
  for (const [scheme, width] of [['light', 1280], ['dark', 1280], ['light', 390]]) {
    const context = await browser.newContext({ colorScheme: scheme, viewport: { width, height: 860 } });
    const page = await context.newPage();
    const errors = [];
    page.on('pageerror', (error) => errors.push(error.message)).on('console', (said) => said.type() === 'error' && errors.push(said.text()));
    await visit(page, PORT, 'sketch');
    const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    await page.screenshot({ path: join(pictures, `shop-${scheme}-${width}.png`) });
    check(`the page is whole, ${scheme}, ${width} pixels wide`, errors.length === 0 && wider <= 0, errors.join('; '));
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => window.axe.run());
    const serious = violations.filter(({ impact }) => ['serious', 'critical'].includes(impact));
    check('    everybody can use it', serious.length === 0, serious.map(({ id, nodes }) => `${id}: ${nodes[0].html.slice(0, 80)}`).join('; '));
    if (width === 390) await buy(page);
    await context.close();
  }
}

// One customer buys, and sees it; another one has an old page and is told so.
async function buy(page) {
  const left = (card) => card.locator('.row span').nth(1).innerText().then(parseInt);
  const card = page.locator('#shelf li').nth(42);
  const before = await left(card);
  await json('PATCH', `${cluster.url(2)}/v1/db/test/shop/item-042`, { bins: { stock: before - 5 } });
  await card.locator('.buy').click();
  await page.waitForFunction(() => /faster/.test(document.getElementById('told').textContent));
  check('who has an old page does not buy', await left(card) === before - 5, await left(card));
  await card.locator('.buy').click();
  await page.waitForFunction(() => /Bought/.test(document.getElementById('told').textContent));
  check('who buys sees it', await left(card) === before - 6, await left(card));
}

async function main() {
  mkdirSync(pictures, { recursive: true });
  [0, 1, 2].forEach((number) => cluster.start(number));
  const figures = async () => (await json('GET', `${cluster.url(0)}/v1/cluster`)).body;
  await until('three nodes', figures, (now) => now.size === 3 && now.health.state === 'good');
  await sketch();
  const shop = await serve({ node: cluster.url(0), address: ADDRESS, port: PORT });
  ended.push(() => shop.close());
  for (const [at, ms] of ROUND_TRIPS_MS.entries()) {
    const proxy = await delayed(ADDRESS, PORT + 1 + at, { host: ADDRESS, port: PORT }, ms);
    ended.push(() => proxy.close());
  }
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
  const results = [];
  for (const at of ROUND_TRIPS_MS.keys()) {
    const of = [];
    for (const way of WAYS) of.push(await measure(PORT + 1 + at, way));
    results.push(of);
  }
  const text = table(results);
  console.log(`\nmilliseconds until 100 records are shown, median of ${ROUNDS}; the delay is of a round trip, half each way\n${text}\n`);
  const [, , , , again, written] = results[0];
  check('who comes again asks for the sketch only', again.trusted >= 95, `${again.trusted} trusted, ${again.requests} requests`);
  check('what was written is asked for, and shown', written.trusted >= 85 && written.trusted <= 95, `${written.trusted} trusted`);
  await looks();
  if (documents) {
    writeFileSync(join(documents, 'shop.svg'), plot(results));
    writeFileSync(join(documents, 'shop.md'), document(text));
  }
}

const document = (text) => `# The demo shop, far away

Written by \`cargo xtask web --only shop --write docs\`: [the shop](../examples/shop/README.md) in Chromium, three nodes on the same machine, and a proxy that adds
50 and 150 ms to each round trip (half each way; a new connection takes one more). It counts from the beginning of the visit until all hundred records are shown,
each of them a request of its own but in the second row; median of ${ROUNDS}. *Trusted* are records that came from the browser's cache without a question,
because the sketch did not name them; *requests* are those below \`/v1\` that went to the network.

${text}

![The same as bars](shop.svg)

Without a sketch a browser must ask for each record whether its copy still holds, six at a time. With it, one request tells for all of them, and what was
written meanwhile is asked for: no record that is shown is older than the bound.
`;

await run(main, async () => {
  await browser?.close();
  ended.forEach((end) => end());
  cluster.end();
});
