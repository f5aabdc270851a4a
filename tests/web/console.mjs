// The console in a browser, on three real nodes: it is green, counts move, a node dies and the copies come back, a stale
// edit is refused, a query runs, every page is free of serious accessibility findings and is photographed in both themes.
//
//   node console.mjs BINARY DIRECTORY-FOR-PICTURES     (NODE_PATH with playwright-core and axe-core)
import { createRequire } from 'node:module';
import { mkdirSync, readFileSync } from 'node:fs';
import { check, run } from './checks.mjs';
import { Cluster, json, until } from './cluster.mjs';
import { info } from './door.mjs';

const require = createRequire(`${process.env.WEB_MODULES}/`);
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const [binary, pictures] = process.argv.slice(2);
mkdirSync(pictures, { recursive: true });

let PAGES = ['overview', 'partitions', 'nodes', 'jobs', 'slow', 'data', 'live', 'indexes', 'modules', 'start', 'api'];
const cluster = new Cluster(binary, 61);

async function main(browser) {
  [0, 1, 2].forEach((number) => cluster.start(number));
  const figures = async () => (await json('GET', `${cluster.url(0)}/v1/cluster`)).body;
  await until('three nodes', figures, (now) => now.size === 3 && now.health.state === 'good');

  const page = await browser.newPage({ viewport: { width: 1360, height: 900 } });
  const errors = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => { if (message.type() === 'error' && !/412|_sql|400/.test(message.text())) errors.push(message.text()); });
  const outside = [];
  page.on('request', (request) => { if (!request.url().startsWith(cluster.url(0)) && !request.url().startsWith('data:')) outside.push(request.url()); });
  const text = (selector) => page.textContent(selector);

  // 1. Green.
  await page.goto(`${cluster.url(0)}/`);
  await until('green', () => text('#health-word'), (word) => word === 'good');
  check('the console says', true, await text('#health-word'));

  // 2. Counts move.
  const rows = Array.from({ length: 2000 }, (_, n) => ({ method: 'put', set: 'users', key: `user-${n}`, bins: { age: 18 + n % 60, city: n % 3 ? 'Hamburg' : 'Wien', score: n / 8 } }));
  const written = await json('POST', `${cluster.url(1)}/v1/batch/test`, { rows });
  check('a batch through another node', written.status === 200 && written.body.rows.every((row) => row.status === 200), `${rows.length} rows`);
  await until('the count', () => text('#tile-records'), (count) => count === '2,000');
  check('the count moves to', true, await text('#tile-records'));

  // 3. A query.
  await page.goto(`${cluster.url(0)}/#/data/test/users`);
  await page.waitForSelector('tbody tr');
  await page.fill('#filter', '{"age": {"$gte": 70}, "city": "Wien"}');
  await page.fill('#sort', '-age');
  await page.press('#filter', 'Enter');
  const wanted = rows.filter((row) => row.bins.age >= 70 && row.bins.city === 'Wien').length;
  await until('the query', () => text('#shown'), (shown) => shown.startsWith(`${Math.min(wanted, 50)} `));
  check('a query finds', true, `${await text('#shown')} of ${wanted}`);

  // 4. A stale edit is refused, and what is there can be seen.
  await page.goto(`${cluster.url(0)}/#/overview`);
  await page.goto(`${cluster.url(0)}/#/data/test/users`);
  await page.waitForSelector('tbody tr');
  const id = await text('tbody tr td button');
  await page.click('tbody tr td button');
  await page.waitForSelector('#editor');
  await json('PATCH', `${cluster.url(2)}/v1/db/test/users/${id}`, { bins: { age: 99 } });
  await page.fill('#editor', '{"age": 1}');
  await page.click('#save');
  await page.waitForSelector('#told .notice');
  const refusal = await text('#told');
  check('a stale edit is refused', refusal.includes('Nothing was written'), refusal.slice(0, 80));
  const kept = await json('GET', `${cluster.url(1)}/v1/db/test/users/${id}`);
  check('and changes nothing', kept.body.bins.age === 99, JSON.stringify(kept.body.bins));
  await page.screenshot({ path: `${pictures}/refused.png` });
  await page.click('#told button');
  await until('what is there', () => page.inputValue('#editor'), (value) => value.includes('99'));
  await page.fill('#editor', '{"age": 100, "whole": 1.0}');
  await page.click('#save');
  await until('the fresh edit', async () => (await json('GET', `${cluster.url(1)}/v1/db/test/users/${id}`)).body.bins.age, (age) => age === 100);
  const raw = await (await fetch(`${cluster.url(1)}/v1/db/test/users/${id}`)).text();
  check('a fresh edit is written, and a whole double stays one', raw.includes('"whole":1.0'));
  await page.keyboard.press('Escape');

  // SQL, where the program has it.
  if ((await figures()).sql) {
    PAGES = [...PAGES, 'sql'];
    await page.goto(`${cluster.url(0)}/#/sql`);
    await page.fill('#statement', 'select city, count(*) as n from users group by city order by n desc');
    await page.press('#statement', 'Control+Enter');
    await until('an answer', () => text('main'), (seen) => seen.includes('3 rows'));
    check('SQL answers', (await text('main table')).includes('Hamburg'), await text('#told'));
    await page.click('.tabs button:last-child');
    await page.waitForSelector('.bars .meter');
    await page.screenshot({ path: `${pictures}/sql-chart.png` });
    await page.fill('#statement', 'select ci');
    await page.press('#statement', 'Control+ ');
    check('a column is completed', await page.inputValue('#statement') === 'select city ', await page.inputValue('#statement'));
    await page.fill('#statement', 'selec');
    await page.press('#statement', 'Control+Enter');
    await page.waitForSelector('#told .notice');
    check('a wrong statement is explained', (await text('#told')).includes('SQL'), (await text('#told')).slice(0, 80));
    await page.fill('#statement', 'select city, count(*) as n from users group by city order by n desc');
    await page.press('#statement', 'Control+Enter');
    await until('an answer', () => text('main'), (seen) => seen.includes('3 rows'));
  }

  // So much that coming back takes a moment.
  for (let part = 0; part < 12; part += 1) {
    const bulk = Array.from({ length: 5000 }, (_, n) => ({ method: 'put', set: 'bulk', key: `int:${part * 5000 + n}`, bins: { filler: 'x'.repeat(300) } }));
    await json('POST', `${cluster.url(part % 3)}/v1/batch/test`, { rows: bulk });
  }

  // 5. A node dies: health, picture and percentage. Nothing is copied until all of it was seen; then the copies come back.
  const threads = (number) => Promise.all([0, 1].map((node) => info(cluster.address(node), `set-config:context=service;migrate-threads=${number}`)));
  const paused = await threads(0);
  check('copying can be paused', paused.every((answer) => answer === 'ok'), paused.join(' '));
  await page.goto(`${cluster.url(0)}/#/partitions/test`);
  // The colours that the picture has, cell by cell, as they are on the screen.
  const pixels = () => page.evaluate(() => {
    const canvas = document.querySelector('canvas'), side = canvas.width / 64, seen = {};
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    for (let cell = 0; cell < 4096; cell += 1) {
      const at = 4 * (Math.floor((Math.floor(cell / 64) + 0.4) * side) * canvas.width + Math.floor((cell % 64 + 0.4) * side));
      const color = data.slice(at, at + 3).join();
      seen[color] = (seen[color] ?? 0) + 1;
    }
    return seen;
  });
  const before = await until('the picture', pixels, (seen) => Object.keys(seen).length === 3);
  cluster.kill(2);
  await until('a node less', figures, (now) => now.size === 2);
  const after = await until('the picture changes', pixels, (seen) => Object.keys(seen).length === 2);
  const gone = Object.keys(before).filter((color) => !after[color]);
  check('the picture changes', gone.length === 1 && Object.values(after).reduce((sum, count) => sum + count) === 4096, `${JSON.stringify(before)} to ${JSON.stringify(after)}`);
  const ill = await until('health changes', () => text('#health'), (word) => word !== 'good');
  check('health changes to', true, ill);
  await page.screenshot({ path: `${pictures}/two-nodes.png` });
  await page.goto(`${cluster.url(0)}/#/overview`);
  const least = Number.parseFloat(await until('the percentage falls', () => text('#tile-replicated'), (shown) => Number.parseFloat(shown) < 100));
  await page.screenshot({ path: `${pictures}/ill.png` });
  const lost = await json('GET', `${cluster.url(0)}/v1/db/test/users?limit=1000`);
  const rest = await json('GET', `${cluster.url(0)}/v1/db/test/users?limit=1000&cursor=${lost.body.cursor}`);
  check('no record is lost', lost.body.records.length + rest.body.records.length === 2000, lost.body.records.length + rest.body.records.length);
  // The setting counts from the next view on: the one in which the node is back.
  await threads(1);
  cluster.start(2);
  const climbing = [];
  await until('it climbs back', async () => { climbing.push(Number.parseFloat(await text('#tile-replicated'))); return climbing.at(-1); }, (percent) => percent === 100);
  check('the percentage climbs back', least < 100, [...new Set([least, ...climbing])].join(' '));
  await until('three nodes again', figures, (now) => now.size === 3 && now.health.state === 'good');
  await until('green again', () => text('#health-word'), (word) => word === 'good');
  await page.goto(`${cluster.url(0)}/#/overview`);
  await until('events', () => text('.events'), (events) => events.includes('is gone') && events.includes('has joined'));
  check('both are among the events', true);

  // 6. Every page in both themes, on a phone, without serious findings.
  for (const [theme, width, height] of [['light', 1360, 900], ['dark', 1360, 900], ['light', 390, 800]]) {
    const other = await browser.newPage({ colorScheme: theme, viewport: { width, height } });
    other.on('pageerror', (error) => errors.push(error.message));
    for (const path of PAGES) {
      await other.goto(`${cluster.url(0)}/#/${path}`);
      await other.waitForSelector('main h1');
      await other.waitForFunction(() => document.querySelector('canvas') ? document.querySelector('canvas').dataset.tally
        : [...document.querySelectorAll('main .panel')].some((panel) => panel.textContent.length > 0));
      await other.evaluate(axe);
      const { violations } = await other.evaluate(() => globalThis.axe.run({ resultTypes: ['violations'] }));
      const serious = violations.filter((one) => ['serious', 'critical'].includes(one.impact));
      check(`${path} ${theme} ${width}: axe`, serious.length === 0, serious.map((one) => `${one.id} ${one.nodes[0].html.slice(0, 120)}`).join('; ') || 'no serious finding');
      await other.screenshot({ path: `${pictures}/${path}-${theme}-${width}.png`, fullPage: width < 500 });
    }
    await other.close();
  }
  check('no error in the console', errors.length === 0, errors.slice(0, 3).join(' | '));
  check('nothing from elsewhere', outside.length === 0, outside.slice(0, 3).join(' '));
}

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'] });
await run(() => main(browser), async () => {
  await browser.close();
  cluster.end();
});
