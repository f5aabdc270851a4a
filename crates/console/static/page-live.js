import { address, get, segment } from './api.js';
import { h, fill, clock, field } from './dom.js';

const KEPT = 200;

export function show({ main, signal, onCluster }) {
  let source = null, namespace, set = '~', paused = false, rows = [], waiting = 0;
  const chooseNamespace = h('select', { onchange: () => { namespace = chooseNamespace.value; sets(); } });
  const chooseSet = h('select', { id: 'live-set', onchange: () => { set = chooseSet.value; open(); } });
  const filter = h('input', { type: 'search', 'data-search': true, placeholder: 'text in key or bins', oninput: draw });
  const pause = h('button', { type: 'button', 'aria-pressed': 'false', onclick: () => {
    paused = !paused;
    pause.setAttribute('aria-pressed', String(paused));
    waiting = 0;
    draw();
  } }, 'Pause');
  const status = h('span', { class: 'badge', role: 'status' }, 'connecting');
  const list = h('section', { class: 'panel' });
  main.append(h('h1', {}, 'Live'), h('p', { class: 'lead' }, 'What is written, as it happens, by whatever client. The same stream is at /v1/changes and in shipload tail.'),
    h('div', { class: 'form panel' }, field('Namespace', chooseNamespace), field('Set', chooseSet), field('Show only', filter, true), pause, status), list);
  signal.addEventListener('abort', () => source?.close());
  onCluster((cluster) => {
    if (chooseNamespace.options.length) return;
    fill(chooseNamespace, cluster.namespaces.map((one) => h('option', { value: one.name }, one.name)));
    namespace = chooseNamespace.value;
    sets();
  });

  async function sets() {
    const found = (await get(`namespaces/${segment(namespace)}/sets`)).sets;
    fill(chooseSet, h('option', { value: '~' }, 'all sets'), found.map((one) => h('option', { value: one.name }, one.name)));
    chooseSet.value = set = '~';
    open();
  }

  function open() {
    source?.close();
    rows = [];
    draw();
    if (signal.aborted) return;
    source = new EventSource(address(`changes/${segment(namespace)}/${segment(set)}`));
    source.onopen = () => { status.className = 'badge good'; status.textContent = 'listening'; };
    source.onerror = () => { status.className = 'badge warning'; status.textContent = 'connecting again'; };
    for (const kind of ['put', 'gone', 'missed']) {
      source.addEventListener(kind, (event) => {
        rows.unshift({ kind, time: Date.now(), ...JSON.parse(event.data) });
        rows.length = Math.min(rows.length, KEPT);
        if (paused) { waiting += 1; pause.textContent = `Go on (${waiting})`; } else draw();
      });
    }
  }

  function draw() {
    if (paused) return;
    pause.textContent = 'Pause';
    const wanted = rows.filter((row) => !filter.value || JSON.stringify([row.id, row.bins]).includes(filter.value));
    fill(list, wanted.length ? h('ul', { class: 'events', id: 'live', tabindex: '0', 'aria-label': 'Changes', style: { maxHeight: 'none' } },
      wanted.map((row) => h('li', {}, h('time', {}, clock(row.time)),
        h('span', { class: `badge ${{ put: 'good', gone: 'critical', missed: 'warning' }[row.kind]}` }, { put: row.generation === 1 ? 'new' : 'changed', gone: 'gone', missed: 'missed' }[row.kind]),
        row.kind === 'missed' ? h('span', {}, `Changes may be missing: ${row.reason}.`)
          : h('span', { class: 'wrap' }, h('a', { class: 'mono', href: `#/data/${segment(row.namespace)}/${segment(row.set || '~')}` }, [row.set, row.id].filter(Boolean).join(' / ')), ' ',
            h('span', { class: 'mono muted' }, row.bins ? JSON.stringify(row.bins).slice(0, 200) : ''))))
    ) : h('div', { class: 'empty' }, h('strong', {}, 'Nothing yet'), 'Write a record, here or with any client, and see it come.'));
  }
}
