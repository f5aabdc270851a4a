import { h, fill, count, table } from './dom.js';

const address = new URL('../_sql', import.meta.url);
const SHOWN = 500, BARS = 40, REMEMBERED = 30;
const WORDS = ['select', 'from', 'where', 'group by', 'order by', 'limit', 'count(*)', 'insert into', 'update', 'delete from', 'values', 'create table', 'show tables',
  'explain', 'between', 'like', 'distinct', 'having', 'join', 'information_schema.tables', 'sys.nodes', 'sys.cluster'];

async function run(stmt) {
  const response = await fetch(`${address}?types`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ stmt }), cache: 'no-store' });
  const answer = await response.json();
  if (answer.error) throw new Error(answer.error.message);
  return answer;
}

// Names of tables and columns, for completion.
async function names() {
  const { rows } = await run("select table_schema, table_name, column_name from information_schema.columns where table_schema not in ('information_schema', 'pg_catalog', 'sys') limit 5000");
  const plain = (name) => (/^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`);
  return [...new Set(rows.flatMap(([schema, one, column]) => [schema === 'doc' ? plain(one) : `${plain(schema)}.${plain(one)}`, plain(column)]))].sort();
}

const remembered = () => { try { return JSON.parse(localStorage.getItem('shipload.sql')) || []; } catch { return []; } };
const text = (value) => (value === null ? 'null' : typeof value === 'object' ? JSON.stringify(value) : String(value));

export function show({ main, isLive, rest }) {
  let known = WORDS, answer = null, charted = false;
  const editor = h('textarea', { id: 'statement', rows: 5, spellcheck: 'false', 'aria-label': 'Statement', 'data-search': true,
    value: rest[0] || remembered()[0] || 'select * from sys.nodes' });
  const offers = h('div', { class: 'actions offers', role: 'group', 'aria-label': 'Completions' });
  const told = h('div', { id: 'told', role: 'status', 'aria-live': 'polite' });
  const result = h('section', { class: 'panel', hidden: true });
  const before = h('section', { class: 'panel' });
  const go = h('button', { class: 'primary', type: 'button', onclick: () => execute() }, 'Run');
  main.append(h('h1', {}, 'SQL'), h('p', { class: 'lead' }, 'Ask all nodes at once. Sets are tables, bins are columns. ', h('kbd', {}, 'Ctrl'), ' ', h('kbd', {}, 'Enter'), ' runs, ',
    h('kbd', {}, 'Ctrl'), ' ', h('kbd', {}, 'Space'), ' takes the first completion.'),
  h('section', { class: 'panel' }, editor, offers, h('div', { class: 'actions' }, go, told)), result, before);

  const word = () => /[\w."]*$/.exec(editor.value.slice(0, editor.selectionStart))[0];
  const fitting = () => {
    const part = word().toLowerCase();
    return part.length < 2 ? [] : known.filter((name) => name.toLowerCase().startsWith(part) && name.toLowerCase() !== part).slice(0, 8);
  };
  const take = (name) => {
    const end = editor.selectionStart;
    editor.setRangeText(`${name} `, end - word().length, end, 'end');
    editor.focus();
    offer();
  };
  const offer = () => fill(offers, fitting().map((name) => h('button', { type: 'button', class: 'mono', onclick: () => take(name) }, name)));
  editor.addEventListener('input', offer);
  editor.addEventListener('keydown', (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    if (event.key === 'Enter') { event.preventDefault(); execute(); }
    if (event.key === ' ') { event.preventDefault(); const [first] = fitting(); if (first) take(first); }
  });

  async function execute() {
    const stmt = editor.value.trim().replace(/;\s*$/, '');
    if (!stmt) return;
    go.disabled = true;
    fill(told, h('span', { class: 'muted' }, 'running'));
    try {
      answer = await run(stmt);
      if (!isLive()) return;
      localStorage.setItem('shipload.sql', JSON.stringify([stmt, ...remembered().filter((one) => one !== stmt)].slice(0, REMEMBERED)));
      fill(told, h('span', { class: 'muted' }, `${count(Math.max(answer.rowcount, 0))} row${answer.rowcount === 1 ? '' : 's'} in ${answer.duration.toFixed(1)} ms`));
      if (/^(create|drop|alter|insert|copy)/i.test(stmt)) learn();
    } catch (error) {
      answer = null;
      fill(told, h('div', { class: 'notice critical' }, error.message));
    }
    go.disabled = false;
    draw();
    drawBefore();
  }

  function draw() {
    result.hidden = !answer?.cols.length;
    if (result.hidden) return;
    const { cols, rows } = answer;
    const numeric = cols.map((_, at) => rows.length > 0 && rows.every((row) => row[at] === null || typeof row[at] === 'number'));
    const measure = numeric.lastIndexOf(true);
    const views = h('div', { class: 'tabs', role: 'group', 'aria-label': 'Shown as' }, [['Table', false], ['Chart', true]].map(([name, value]) =>
      h('button', { type: 'button', 'aria-pressed': String(charted === value), disabled: value && measure < 0, onclick: () => { charted = value; draw(); } }, name)));
    fill(result, h('div', { class: 'actions', style: { margin: '0 0 12px' } }, views), charted && measure >= 0
      ? bars(rows, measure)
      : table(cols.map((name, at) => ({ text: name, num: numeric[at] })), rows.slice(0, SHOWN).map((row) => h('tr', {}, row.map((value, at) =>
        h('td', { class: `mono wrap ${numeric[at] ? 'num' : ''}` }, text(value)))))), rows.length > SHOWN && !charted && h('p', { class: 'muted' }, `The first ${SHOWN} of ${count(rows.length)} rows.`));
  }

  function bars(rows, measure) {
    const most = Math.max(1e-9, ...rows.map((row) => Math.abs(row[measure] ?? 0)));
    const named = (row) => row.filter((_, at) => at !== measure).map(text).join(' · ') || '\u00a0';
    return h('dl', { class: 'bars' }, rows.slice(0, BARS).flatMap((row) => [h('dt', { class: 'wrap' }, named(row)),
      h('dd', {}, h('div', { class: 'meter' }, h('span', { style: { width: `${Math.abs(row[measure] ?? 0) / most * 100}%` } })), h('span', { class: 'num' }, text(row[measure])))]),
    rows.length > BARS && h('dt', { class: 'muted' }, `and ${count(rows.length - BARS)} more`));
  }

  function drawBefore() {
    const list = remembered();
    before.hidden = !list.length;
    fill(before, h('h2', {}, 'Before'), h('ul', { class: 'before' }, list.slice(0, 12).map((one) => h('li', {},
      h('button', { class: 'plain mono wrap', type: 'button', onclick: () => { editor.value = one; editor.focus(); offer(); } }, one)))));
  }

  const learn = () => names().then((all) => { known = [...all, ...WORDS]; }, () => {});
  learn();
  drawBefore();
}
