import { get, segment } from './api.js';
import { h, fill, shortId, count, nodeColor } from './dom.js';

const SIDE = 64, CELL = 12;
const VIEWS = [['master', 'Master'], ['replica', 'Replica'], ['state', 'Copies']];

export function show({ main, every, rest, state, onCluster, signal }) {
  let namespace = rest[0], view = 'master', data = null, lit = null;
  const canvas = h('canvas', { width: SIDE * CELL, height: SIDE * CELL, role: 'img', tabindex: '0' });
  const legend = h('div', {});
  const detail = h('div', { class: 'panel', 'aria-live': 'polite' });
  const choose = h('select', { 'aria-label': 'Namespace', onchange: () => { namespace = choose.value; refresh(); } });
  const tabs = h('div', { class: 'tabs', role: 'group', 'aria-label': 'Colour by' }, VIEWS.map(([id, name]) =>
    h('button', { type: 'button', 'aria-pressed': String(id === view), 'data-view': id, onclick: () => {
      view = id;
      for (const tab of tabs.children) tab.setAttribute('aria-pressed', String(tab.dataset.view === id));
      draw();
    } }, name)));
  main.append(h('h1', {}, 'Partitions'),
    h('p', { class: 'lead' }, 'Every namespace is split into 4096 parts. A cell is one of them; its colour says where it lives.'),
    h('div', { class: 'form', style: { marginBottom: '18px' } }, choose, tabs),
    h('div', { class: 'map' }, h('div', { class: 'panel' }, canvas), h('div', {}, h('section', { class: 'panel' }, legend), detail)));

  onCluster((cluster) => {
    const names = cluster.namespaces.map((one) => one.name);
    if (choose.options.length !== names.length) {
      fill(choose, names.map((name) => h('option', { value: name }, name)));
      namespace = names.includes(namespace) ? namespace : names[0];
      choose.value = namespace;
      refresh();
    }
  });

  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const placeColor = (place) => (place < 0 ? '--none' : nodeColor(data.nodes[place]));
  const fullCopies = (partition) => data.held.filter((text) => 'MF'.includes(text[partition] || '.')).length;
  const wanted = () => state.cluster?.namespaces.find((one) => one.name === namespace)?.replicationFactor ?? 2;

  function colorOf(partition) {
    if (view === 'master') return placeColor(data.masters[partition]);
    if (view === 'replica') {
      const replica = data.owners[partition].find((node) => node !== data.masters[partition]);
      return placeColor(replica ?? -1);
    }
    const copies = fullCopies(partition);
    if (copies >= wanted()) return '--c1';
    return copies ? '--c2' : '--c7';
  }

  function draw() {
    if (!data) return;
    const context = canvas.getContext('2d');
    context.clearRect(0, 0, canvas.width, canvas.height);
    const palette = {}, tally = {};
    for (let partition = 0; partition < 4096; partition += 1) {
      const name = colorOf(partition);
      tally[name] = (tally[name] || 0) + 1;
      context.fillStyle = palette[name] ??= color(name);
      context.fillRect((partition % SIDE) * CELL, Math.floor(partition / SIDE) * CELL, CELL - 1, CELL - 1);
    }
    if (lit !== null) {
      context.strokeStyle = color('--text');
      context.lineWidth = 2;
      context.strokeRect((lit % SIDE) * CELL, Math.floor(lit / SIDE) * CELL, CELL - 1, CELL - 1);
    }
    const rows = view === 'state'
      ? [['--c1', 'all copies in place'], ['--c2', 'copies missing'], ['--c7', 'no full copy']]
      : [...data.nodes.map((id, place) => [placeColor(place), `node ${shortId(id)}`]), ['--none', view === 'master' ? 'nobody' : 'no replica']];
    fill(legend, h('h2', {}, `${data.replicatedPct} % of the copies in place`), h('dl', { class: 'facts', id: 'legend' }, rows.flatMap(([name, text]) => [
      h('dt', {}, h('span', { class: 'key', style: { background: `var(${name})` } }), text), h('dd', { class: 'num' }, count(tally[name] || 0))])));
    const words = rows.map(([name, text]) => `${text} ${tally[name] || 0}`).join(', ');
    canvas.setAttribute('aria-label', `4096 partitions of ${namespace}: ${words}`);
    canvas.dataset.tally = JSON.stringify(tally);
    tell();
  }

  function tell() {
    if (lit === null) return fill(detail, h('p', { class: 'muted', style: { margin: 0 } }, 'Point at a cell, or walk with the arrow keys.'));
    const name = (place) => (place < 0 ? 'nobody' : data.nodes[place]);
    const words = { M: 'serves it', F: 'full copy', p: 'old or partial copy', '.': 'nothing' };
    fill(detail, h('h2', {}, `Partition ${lit}`), h('dl', { class: 'facts' },
      h('dt', {}, 'Master'), h('dd', { class: 'mono' }, name(data.masters[lit])),
      h('dt', {}, 'Owners'), h('dd', { class: 'mono' }, data.owners[lit].map(name).join(', ')),
      data.nodes.flatMap((id, place) => [h('dt', {}, shortId(id)), h('dd', {}, data.held[place] ? words[data.held[place][lit]] : 'does not answer')])));
  }

  canvas.addEventListener('mousemove', (event) => {
    const scale = SIDE / canvas.clientWidth;
    const at = (offset) => Math.max(0, Math.min(SIDE - 1, Math.floor(offset * scale)));
    const next = at(event.offsetY) * SIDE + at(event.offsetX);
    if (next !== lit) { lit = next; draw(); }
  });
  canvas.addEventListener('keydown', (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -SIDE, ArrowDown: SIDE }[event.key];
    if (!step) return;
    event.preventDefault();
    lit = ((lit ?? 0) + step + 4096) % 4096;
    draw();
  });
  addEventListener('shipload-theme', draw, { signal });

  async function refresh() {
    if (!namespace) return;
    data = await get(`partitions/${segment(namespace)}`);
    draw();
  }
  every(1000, refresh);
}
