import { call, get } from './api.js';
import { h, fill, bytes, count, span, toast, confirmed, dialog, table, nodeColor } from './dom.js';
import { meter } from './page-overview.js';

export function show({ main, onCluster }) {
  const list = h('div', { class: 'grid' });
  main.append(h('h1', {}, 'Nodes'), h('p', { class: 'lead' }, 'Each is the same small program. A quiesced node hands over what it masters, and can then be stopped.'), list);
  onCluster((cluster) => {
    const most = Math.max(1, ...cluster.nodes.map((node) => node.masterObjects));
    fill(list, cluster.nodes.map((node) => card(node, most)));
  });
}

function card(node, most) {
  const fact = (name, ...value) => [h('dt', {}, name), h('dd', {}, value)];
  return h('section', { class: 'panel', 'aria-label': `Node ${node.id}` },
    h('h2', {}, h('span', { class: 'key', style: { background: `var(${nodeColor(node.id)})` } }), h('span', { class: 'mono' }, node.id)),
    h('div', { class: 'legend', style: { marginBottom: '12px' } },
      node.here && h('span', { class: 'badge accent' }, 'answers you'),
      h('span', { class: `badge ${node.reachable ? 'good' : 'critical'}` }, node.reachable ? 'up' : 'does not answer'),
      node.quiesced && h('span', { class: 'badge warning' }, 'quiesced'),
      node.migrating > 0 && h('span', { class: 'badge warning' }, `${count(node.migrating)} partitions to move`)),
    h('dl', { class: 'facts' },
      fact('Records', meter(node.masterObjects / most * 100), h('span', {}, `${count(node.masterObjects)} of its own, ${count(node.objects - node.masterObjects)} for others`)),
      fact('Address', h('span', { class: 'mono' }, node.service.join(', ') || '—')),
      fact('Up for', span(node.uptimeS)),
      fact('Memory', `${bytes(node.memoryBytes)}, ${node.memoryFreePct} % free`),
      fact('Data', `${bytes(node.dataBytes)}, index ${bytes(node.indexBytes)}`),
      fact('Processor', `${node.cpuPct} % of a core`),
      fact('Connections', count(node.connections)),
      fact('Rack', node.rack || 'none'),
      fact('Speaks', node.build)),
    h('div', { class: 'actions' },
      h('button', { type: 'button', onclick: () => details(node.id) }, 'All figures'),
      h('button', { type: 'button', class: node.quiesced ? '' : 'danger', onclick: () => quiesce(node) },
        node.quiesced ? 'Take part again' : 'Quiesce')));
}

async function quiesce(node) {
  const text = node.quiesced ? 'The node takes its share of partitions again.'
    : 'The node hands over every partition that it masters. Clients go on without a gap. Nothing is lost, and it can be undone.';
  if (!await confirmed(node.quiesced ? 'Take part again?' : `Quiesce ${node.id}?`, text, node.quiesced ? 'Take part' : 'Quiesce')) return;
  try {
    await call('POST', `nodes/${node.id}/quiesce`, { quiesced: !node.quiesced });
    toast(node.quiesced ? 'It takes its share again.' : 'It hands over what it masters.');
  } catch (error) { toast(error.message); }
}

async function details(id) {
  const { statistics, namespaces } = await get(`nodes/${id}`);
  const body = h('div', {});
  const search = h('input', { type: 'search', placeholder: 'Filter', 'aria-label': 'Filter figures', oninput: draw, style: { width: '100%', marginBottom: '10px' } });
  const all = [...Object.entries(statistics).map(([key, value]) => ['', key, value]),
    ...Object.entries(namespaces).flatMap(([name, values]) => Object.entries(values).map(([key, value]) => [name, key, value]))];
  function draw() {
    const rows = all.filter(([, key]) => key.includes(search.value));
    fill(body, table(['Namespace', 'Name', { text: 'Value', num: true }], rows.map(([name, key, value]) =>
      h('tr', {}, h('td', {}, name), h('td', { class: 'mono' }, key), h('td', { class: 'num mono wrap' }, value)))));
  }
  draw();
  dialog(`Figures of ${id}`, search, body);
}
