import { call, get, pretty, recordPath, segment } from './api.js';
import { h, fill, bytes, count, span, toast, confirmed, dialog, table, field } from './dom.js';

const LIMIT = 50;

export function show({ main, rest, state, onCluster, isLive }) {
  let [namespace, set] = rest, cursors = [], page = null, sequence = 0;
  const chooseNamespace = h('select', { id: 'namespace', onchange: () => { namespace = chooseNamespace.value; set = undefined; loadSets(); } });
  const chooseSet = h('select', { id: 'set', onchange: () => { set = chooseSet.value; first(); } });
  const filter = h('input', { id: 'filter', class: 'mono', 'data-search': true, placeholder: '{"age": {"$gte": 18}}', spellcheck: 'false', autocomplete: 'off' });
  const sort = h('input', { id: 'sort', placeholder: '-age', size: '8', autocomplete: 'off' });
  const body = h('section', { class: 'panel' });
  const form = h('form', { class: 'form panel', onsubmit: (event) => { event.preventDefault(); first(); } },
    field('Namespace', chooseNamespace), field('Set', chooseSet), field('Filter', filter, true), field('Sort by', sort),
    h('button', { class: 'primary', type: 'submit' }, 'Find'),
    h('button', { type: 'button', onclick: create }, 'New record'));
  main.append(h('h1', {}, 'Records'), h('p', { class: 'lead' }, 'Browse, find and edit. A record that somebody else has changed meanwhile is never written over.'), form, body);

  onCluster((cluster) => {
    if (chooseNamespace.options.length) return;
    const names = cluster.namespaces.map((one) => one.name);
    fill(chooseNamespace, names.map((name) => h('option', { value: name }, name)));
    namespace = names.includes(namespace) ? namespace : names[0];
    chooseNamespace.value = namespace;
    loadSets();
  });

  async function loadSets() {
    const { sets } = await get(`namespaces/${segment(namespace)}/sets`);
    fill(chooseSet, h('option', { value: '~' }, 'all sets'), sets.map((one) => h('option', { value: one.name }, one.name)));
    set = set && [...chooseSet.options].some((option) => option.value === set) ? set : ([...sets].sort((a, b) => b.copies - a.copies)[0]?.name ?? '~');
    chooseSet.value = set;
    first();
  }

  function first() { cursors = []; load(); }

  async function load() {
    const mine = ++sequence;
    const sorted = sort.value.trim();
    const query = new URLSearchParams({ limit: LIMIT });
    if (filter.value.trim()) query.set('filter', filter.value.trim());
    if (sorted) query.set('sort', sorted);
    if (cursors.length) query.set('cursor', cursors.at(-1));
    try {
      page = await get(`db/${segment(namespace)}/${segment(set)}?${query}`);
      if (mine === sequence && isLive()) draw();
    } catch (error) {
      if (mine === sequence) fill(body, h('div', { class: 'notice critical', role: 'alert' }, error.message));
    }
  }

  function draw() {
    const names = [...new Set(page.records.flatMap((record) => Object.keys(record.bins)))].slice(0, 6);
    const rows = page.records.map((record) => h('tr', { class: 'link', onclick: () => edit(record.set, record.id) },
      h('td', {}, h('button', { class: 'plain mono wrap', type: 'button', onclick: (event) => { event.stopPropagation(); edit(record.set, record.id); } }, record.id)),
      names.map((name) => h('td', { class: `mono wrap ${typeof record.bins[name] === 'number' ? 'num' : ''}` }, preview(record.bins[name]))),
      h('td', { class: 'num' }, record.generation), h('td', { class: 'num' }, record.ttl === 'never' ? '∞' : span(record.ttl))));
    const heads = ['Key', ...names.map((name) => ({ text: name, num: page.records.some((record) => typeof record.bins[name] === 'number') })),
      { text: 'Generation', num: true }, { text: 'Lives', num: true }];
    const empty = h('div', { class: 'empty' }, h('strong', {}, filter.value ? 'Nothing passes this filter' : 'No records yet'),
      filter.value ? 'A bin is compared with values of its own type only.' : 'Make one here, or see First steps for your language.');
    fill(body, table(heads, rows, empty), h('div', { class: 'actions' },
      h('button', { type: 'button', disabled: !cursors.length, onclick: () => { cursors.pop(); load(); } }, 'Back'),
      h('button', { type: 'button', disabled: !page.cursor, onclick: () => { cursors.push(page.cursor); load(); } }, 'Next'),
      h('span', { class: 'muted', id: 'shown' }, `${count(page.records.length)} shown`)));
  }

  async function edit(inSet, id) {
    const path = recordPath(namespace, inSet, id);
    const content = h('div', {});
    const node = dialog(id, content);
    node.addEventListener('close', () => isLive() && load());
    open();

    async function open() {
      let record, etag, text;
      try {
        ({ text, etag } = await call('GET', path));
        record = JSON.parse(text);
      } catch (error) {
        return fill(content, h('div', { class: 'notice critical' }, error.message));
      }
      // The bins as they were sent, so that 1.0 does not become 1.
      const raw = text.slice(text.indexOf(',"bins":') + 8, -1);
      const editor = h('textarea', { id: 'editor', rows: Math.min(20, Math.max(8, pretty(raw).split('\n').length + 1)), spellcheck: 'false', 'aria-label': 'Bins as JSON', value: pretty(raw) });
      const ttl = h('input', { value: record.ttl, size: '10', id: 'ttl' });
      const told = h('div', { role: 'alert', id: 'told' });
      fill(content,
        h('dl', { class: 'facts' }, h('dt', {}, 'Set'), h('dd', {}, record.set || 'none'),
          h('dt', {}, 'Generation'), h('dd', {}, record.generation),
          h('dt', {}, 'Written'), h('dd', {}, new Date(record.lastUpdate).toLocaleString('en-GB')),
          h('dt', {}, 'Version'), h('dd', { class: 'mono' }, record.etag),
          h('dt', {}, 'Size'), h('dd', {}, `${bytes(raw.length)} as JSON`)),
        editor, h('div', { class: 'form', style: { marginTop: '10px' } }, field('Seconds to live, or never', ttl)), told,
        h('div', { class: 'actions' },
          h('button', { class: 'primary', type: 'button', id: 'save', onclick: save }, 'Save'),
          h('button', { type: 'button', onclick: () => node.close() }, 'Close'), h('span', { class: 'grow' }),
          h('button', { class: 'danger', type: 'button', onclick: remove }, 'Delete')));

      async function save() {
        try {
          JSON.parse(editor.value);
        } catch (error) {
          return fill(told, h('div', { class: 'notice critical' }, `This is no JSON: ${error.message}`));
        }
        const lives = ttl.value === String(record.ttl) ? 'keep' : ttl.value.trim();
        const wanted = /^\d+$/.test(lives) ? lives : JSON.stringify(lives);
        await attempt(() => call('PUT', path, `{"bins":${editor.value},"ttl":${wanted}}`, { 'If-Match': etag }), () => { toast('Saved.'); open(); });
      }

      async function remove() {
        if (!await confirmed('Delete this record?', `${id} and all its copies vanish.`, 'Delete')) return;
        await attempt(() => call('DELETE', path, undefined, { 'If-Match': etag }), () => { toast('Deleted.'); node.close(); });
      }

      async function attempt(work, then) {
        try {
          await work();
          then();
        } catch (error) {
          const stale = error.code === 'precondition-failed';
          fill(told, h('div', { class: `notice ${stale ? 'warning' : 'critical'}` },
            stale ? 'Somebody has changed this record since you opened it. Nothing was written. ' : error.message,
            stale && h('button', { type: 'button', onclick: open }, 'Show what is there now')));
        }
      }
    }
  }

  function create() {
    const key = h('input', { id: 'new-key', required: true, autocomplete: 'off' });
    const inSet = h('input', { id: 'new-set', value: set === '~' ? '' : set, autocomplete: 'off' });
    const editor = h('textarea', { rows: 8, id: 'new-bins', spellcheck: 'false', 'aria-label': 'Bins as JSON', value: '{\n  "name": "Ada",\n  "visits": 1\n}' });
    const ttl = h('input', { value: 'default', size: '10' });
    const told = h('div', { role: 'alert' });
    const node = dialog('New record', h('form', { onsubmit: async (event) => {
      event.preventDefault();
      try {
        JSON.parse(editor.value);
        const lives = /^\d+$/.test(ttl.value) ? ttl.value : JSON.stringify(ttl.value);
        await call('POST', recordPath(namespace, inSet.value, key.value), `{"bins":${editor.value},"ttl":${lives}}`);
        toast('Made.');
        node.close();
        set = inSet.value || '~';
        loadSets();
      } catch (error) { fill(told, h('div', { class: 'notice critical' }, error.message)); }
    } }, h('div', { class: 'form', style: { marginBottom: '12px' } }, field('Key (text, or int:5)', key, true), field('Set', inSet), field('Seconds to live', ttl)),
    editor, told, h('div', { class: 'actions' }, h('button', { class: 'primary', type: 'submit' }, 'Make it'))));
    key.focus();
  }
}

function preview(value) {
  if (value === undefined) return '';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
