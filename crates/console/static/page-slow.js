import { get } from './api.js';
import { h, fill, clock, count, shortId, table } from './dom.js';

const num = (text) => ({ text, num: true });
const percent = (value) => (value === undefined ? '' : `${value < 10 ? value.toFixed(2) : value.toFixed(0)} %`);

export function show({ main, every }) {
  const kinds = h('section', { class: 'panel' }), requests = h('section', { class: 'panel' });
  main.append(h('h1', {}, 'Slow requests'),
    h('p', { class: 'lead' }, 'How long commands take on each node, whatever client sends them, and what this node answered slowly over HTTP.'), kinds, requests);
  every(2000, async () => {
    const { latencies, requests: slow, slowMs } = await get('slow');
    const rows = latencies.sort((a, b) => (b.overPct[0] ?? 0) - (a.overPct[0] ?? 0)).map((one) => h('tr', {},
      h('td', {}, [one.namespace, one.kind].filter(Boolean).join(' / ')), h('td', { class: 'mono' }, shortId(one.node)), h('td', { class: 'num' }, count(one.perSecond)),
      [0, 3, 6].map((at) => h('td', { class: 'num' }, percent(one.overPct[at])))));
    fill(kinds, h('h2', {}, 'Commands of the last seconds'), table(['What', 'Node', num('A second'), num('Over 1 ms'), num('Over 8 ms'), num('Over 64 ms')], rows,
      h('div', { class: 'empty' }, h('strong', {}, 'Nothing is asked just now'), 'Reads, writes and queries are listed here as soon as there are some.'), true));
    fill(requests, h('h2', {}, `HTTP requests of more than ${slowMs} ms`), table(['When', 'What', 'Status', num('Took')], slow.map((one) => h('tr', {},
      h('td', {}, clock(one.time)), h('td', { class: 'mono wrap' }, `${one.method} ${one.path}`),
      h('td', {}, h('span', { class: `badge ${one.status < 400 ? 'good' : one.status < 500 ? 'warning' : 'critical'}` }, one.status)),
      h('td', { class: 'num' }, `${count(one.tookMs)} ms`))),
    h('div', { class: 'empty' }, h('strong', {}, 'None'), 'The latest hundred since this node started would be here.'), true));
  });
}
