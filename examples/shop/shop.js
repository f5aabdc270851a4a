// The shop: a hundred records, each read on its own by client.js through the browser's cache, or in other ways to compare with.
import { connect } from './v1/client.js';

const SET = 'shop', COUNT = 100;
const key = (number) => `item-${String(number).padStart(3, '0')}`;
const how = new URLSearchParams(location.search).get('how') ?? 'sketch';
const staleness = Number(new URLSearchParams(location.search).get('staleness') ?? 10000);
const base = new URL('.', location.href).href;
const db = connect(base, 'test', { staleness });
const shelf = document.getElementById('shelf'), told = document.getElementById('told');
const money = new Intl.NumberFormat('en', { style: 'currency', currency: 'EUR' });

const PICTURES = {
  anchor: 'M12 7v14M12 3a2 2 0 1 0 0 4 2 2 0 1 0 0-4M7 10h10M4 14c0 5 4 7 8 7s8-2 8-7M4 14l-1 3M4 14l3 1M20 14l1 3M20 14l-3 1',
  rope: 'M12 4a8 8 0 1 0 0 16 8 8 0 1 0 0-16M12 8a4 4 0 1 0 0 8 4 4 0 1 0 0-8M12 4c2 1 2 3 0 4M20 12c-1 2-3 2-4 0M12 20c-2-1-2-3 0-4M4 12c1-2 3-2 4 0',
  lantern: 'M9 3h6M12 3v3M8 6h8l1 3v9l-2 3H9l-2-3V9zM7 9h10M7 18h10M12 16c-2-1-2-3 0-5 2 2 2 4 0 5',
  compass: 'M12 3a9 9 0 1 0 0 18 9 9 0 1 0 0-18M15 9l-2 4-4 2 2-4zM12 3v2M12 19v2M3 12h2M19 12h2',
  wheel: 'M12 6a6 6 0 1 0 0 12 6 6 0 1 0 0-12M12 2v20M2 12h20M5 5l14 14M19 5L5 19',
  buoy: 'M12 3v4M10 7h4l3 9H7zM5 16h14l-2 4H7zM8.5 11h7M2 21c2-1 3-1 5 0s3 1 5 0 3-1 5 0 3 1 5 0',
  sail: 'M11 3v14M11 4L4 15h7M13 5c4 3 6 7 6 10h-6zM3 18h18l-3 3H6z',
  barrel: 'M7 3h10c2 6 2 12 0 18H7C5 15 5 9 7 3M6 7h12M6 17h12M10 3c-1 6-1 12 0 18M14 3c1 6 1 12 0 18',
  pennant: 'M5 3v18M5 4l14 4-14 5M9 5v7',
  bell: 'M12 3v2M6 17c1-2 1-4 1-6a5 5 0 0 1 10 0c0 2 0 4 1 6zM10 17a2 2 0 0 0 4 0M4 17h16',
};

// Ways to read one record; each gives what REST answers.
const url = (name) => `${base}v1/db/test/${SET}/${name}`;
const fetched = async (name, cache) => (await fetch(url(name), { cache })).json();
const ways = {
  async sketch() {
    await db.refresh();
    return (number) => db.get(SET, key(number));
  },
  ask: async () => (number) => fetched(key(number), 'no-cache'),
  plain: async () => (number) => fetched(key(number), 'no-store'),
  async listing() {
    const { records } = await (await fetch(`${base}v1/db/test/${SET}?limit=${COUNT}`, { cache: 'no-store' })).json();
    const found = new Map(records.map((record) => [record.key, record]));
    return async (number) => found.get(key(number));
  },
};

function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function show(number, { bins, etag }, kept) {
  const picture = make('div', { className: 'picture' });
  picture.style.setProperty('--hue', bins.hue);
  picture.innerHTML = `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="${PICTURES[bins.thing] ?? ''}"/></svg>`;
  const buy = make('button', { type: 'button', className: 'buy', textContent: bins.stock > 0 ? 'Buy' : 'Sold out', disabled: bins.stock <= 0 });
  buy.setAttribute('aria-label', `${buy.textContent}: ${bins.name}`);
  buy.onclick = () => sell(number, bins.stock, etag, buy);
  const dot = make('span', { className: kept ? 'dot kept' : 'dot', title: kept ? 'trusted to the cache' : 'asked the cluster', role: 'img' });
  dot.setAttribute('aria-label', dot.title);
  shelf.children[number].replaceChildren(picture, make('h2', { textContent: bins.name }),
    make('p', { className: 'row' }, make('span', { className: 'price', textContent: money.format(bins.cents / 100) }),
      make('span', {}, `${bins.stock} left `, dot)), buy);
}

// Only if nobody else has bought meanwhile; then the page shows what there is.
async function sell(number, stock, match, button) {
  button.disabled = true;
  let outcome = 'Bought: your own write is read at once.';
  try {
    await db.patch(SET, key(number), { stock: stock - 1 }, { match });
  } catch (error) {
    outcome = error.code === 'precondition-failed' ? 'Somebody was faster; this is what is left.' : error.message;
  }
  show(number, await db.get(SET, key(number)), false);
  told.textContent = outcome;
  shelf.children[number].querySelector('.buy').focus();
}

async function open(began) {
  shelf.replaceChildren(...Array.from({ length: COUNT }, () => make('li', {})));
  const before = db.stats.trusted;
  performance.clearResourceTimings();
  performance.setResourceTimingBufferSize(500);
  const read = await ways[how]();
  await Promise.all(Array.from({ length: COUNT }, async (_, number) => {
    const trusted = db.stats.trusted;
    const coming = read(number);
    const kept = db.stats.trusted > trusted;
    show(number, await coming, kept);
  }));
  const ms = Math.round(performance.now() - began);
  const trusted = db.stats.trusted - before;
  told.replaceChildren(make('b', { textContent: `${ms} ms` }), ` for ${COUNT} records, ${trusted} of them trusted to the cache`);
  window.shop = { ms, trusted };
}

const select = document.getElementById('how');
select.value = how;
select.onchange = () => { location.search = new URLSearchParams({ how: select.value }); };
document.getElementById('again').onclick = () => open(performance.now());
open(0).catch((error) => { told.textContent = `The shop is closed: ${error.message}`; });
