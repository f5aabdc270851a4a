// The frame around the pages: navigation, health, theme, keys.
import { get } from './api.js';
import { h, fill, dialog } from './dom.js';
import * as overview from './page-overview.js';
import * as partitions from './page-partitions.js';
import * as nodes from './page-nodes.js';
import * as data from './page-data.js';
import * as live from './page-live.js';
import * as indexes from './page-indexes.js';
import * as modules from './page-modules.js';
import * as jobs from './page-jobs.js';
import * as slow from './page-slow.js';
import * as sql from './page-sql.js';
import * as start from './page-start.js';
import * as api from './page-api.js';

const pages = [
  { group: 'Cluster' },
  { path: 'overview', title: 'Overview', glyph: '◉', key: 'o', page: overview },
  { path: 'partitions', title: 'Partitions', glyph: '▦', key: 'p', page: partitions },
  { path: 'nodes', title: 'Nodes', glyph: '⬢', key: 'n', page: nodes },
  { path: 'jobs', title: 'Jobs', glyph: '⟳', key: 'j', page: jobs },
  { path: 'slow', title: 'Slow requests', glyph: '◷', key: 'w', page: slow },
  { group: 'Data' },
  { path: 'data', title: 'Records', glyph: '≡', key: 'd', page: data },
  { path: 'sql', title: 'SQL', glyph: '⌕', key: 'q', page: sql, needs: 'sql' },
  { path: 'live', title: 'Live', glyph: '≈', key: 'l', page: live },
  { path: 'indexes', title: 'Indexes', glyph: '#', key: 'i', page: indexes },
  { path: 'modules', title: 'Functions', glyph: 'ƒ', key: 'f', page: modules },
  { group: 'Use it' },
  { path: 'start', title: 'First steps', glyph: '→', key: 's', page: start },
  { path: 'api', title: 'API', glyph: '{}', key: 'a', page: api },
];
const known = pages.filter((page) => page.path);
const nav = document.getElementById('nav');
const main = document.getElementById('main');
const menu = document.getElementById('menu');
const badge = document.getElementById('health');

// What all pages share: the latest figures of the cluster, asked for once.
export const state = { cluster: null, failed: 0 };
let leave = () => {};
let listeners = [];

// Pages that this node's program has something for.
const offered = () => pages.filter((page) => !page.needs || state.cluster?.[page.needs]);
let drawn = '';

function drawNav(current) {
  drawn = current;
  fill(nav, h('ul', {}, offered().map((page) => page.group
    ? h('li', { class: 'group' }, page.group)
    : h('li', {}, h('a', { href: `#/${page.path}`, 'aria-current': page.path === current && 'page' },
      h('span', { class: 'glyph', 'aria-hidden': 'true' }, page.glyph), page.title)))));
}

function show() {
  const [path, ...rest] = location.hash.replace(/^#\/?/, '').split('/');
  const found = known.find((page) => page.path === path.split('?')[0]) || known[0];
  leave();
  listeners = [];
  drawNav(found.path);
  closeMenu();
  document.title = `${found.title} · Shipload`;
  main.replaceChildren();
  let live = true;
  const timers = [], ended = new AbortController();
  const context = {
    main, state, rest: rest.map(decodeURIComponent),
    isLive: () => live,
    signal: ended.signal,
    // Runs now and again and again, until the page is left; never twice at a time.
    every(ms, work) {
      const turn = async () => {
        if (!live) return;
        if (!document.hidden) await work().catch(() => {});
        if (live) timers.push(setTimeout(turn, ms));
      };
      return turn();
    },
    onCluster(listener) { listeners.push(listener); if (state.cluster) listener(state.cluster); },
  };
  leave = () => { live = false; ended.abort(); timers.forEach(clearTimeout); };
  found.page.show(context);
}

async function watch() {
  try {
    const first = !state.cluster;
    state.cluster = await get('cluster');
    state.failed = 0;
    if (first) drawNav(drawn);
    const { health, name, size } = state.cluster;
    badge.className = `badge ${health.state}`;
    badge.textContent = health.state;
    badge.title = health.reasons.join('; ');
    document.getElementById('cluster').textContent = `${name || 'unnamed cluster'} · ${size} node${size === 1 ? '' : 's'}`;
    listeners.forEach((listener) => listener(state.cluster));
  } catch {
    state.failed += 1;
    if (state.failed > 1) { badge.className = 'badge critical'; badge.textContent = 'offline'; }
  }
  setTimeout(watch, 2000);
}

function closeMenu() { nav.classList.remove('open'); menu.setAttribute('aria-expanded', 'false'); }
menu.addEventListener('click', () => menu.setAttribute('aria-expanded', String(nav.classList.toggle('open'))));

const themed = localStorage.getItem('shipload.theme');
if (themed) document.documentElement.dataset.theme = themed;
document.getElementById('theme').addEventListener('click', () => {
  const dark = matchMedia('(prefers-color-scheme: dark)').matches;
  const now = document.documentElement.dataset.theme || (dark ? 'dark' : 'light');
  const next = now === 'dark' ? 'light' : 'dark';
  document.documentElement.dataset.theme = next;
  localStorage.setItem('shipload.theme', next);
  dispatchEvent(new Event('shipload-theme'));
});

let prefix = false;
addEventListener('keydown', (event) => {
  if (event.target.closest('input, textarea, select, dialog') || event.ctrlKey || event.metaKey || event.altKey) return;
  if (prefix) {
    const page = known.find((one) => one.key === event.key);
    if (page) location.hash = `#/${page.path}`;
    prefix = false;
  } else if (event.key === 'g') {
    prefix = true;
  } else if (event.key === '/') {
    const search = main.querySelector('[data-search]');
    if (search) { event.preventDefault(); search.focus(); }
  } else if (event.key === '?') {
    dialog('Keys', h('dl', { class: 'facts' },
      known.flatMap((page) => [h('dt', {}, h('kbd', {}, 'g'), ' ', h('kbd', {}, page.key)), h('dd', {}, page.title)]),
      h('dt', {}, h('kbd', {}, '/')), h('dd', {}, 'Filter'), h('dt', {}, h('kbd', {}, '?')), h('dd', {}, 'This list')));
  }
});

addEventListener('hashchange', () => { show(); main.focus({ preventScroll: true }); });
show();
watch();
