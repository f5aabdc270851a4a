import { call, get, segment } from './api.js';
import { h, fill, toast, confirmed, table, field } from './dom.js';

export function show({ main, state, onCluster, every }) {
  let namespace;
  const choose = h('select', { onchange: () => { namespace = choose.value; load(); } });
  const list = h('section', { class: 'panel' });
  const input = (id, props) => h('input', { id, autocomplete: 'off', ...props });
  const name = input('index-name', { required: true }), set = input('index-set'), bin = input('index-bin', { required: true, maxlength: '15' });
  const option = (value) => h('option', { value }, value || 'the value');
  const kind = h('select', {}, ['numeric', 'string', 'blob', 'geo2dsphere'].map(option));
  const inside = h('select', {}, ['', 'list', 'mapkeys', 'mapvalues'].map(option));
  const told = h('div', { role: 'alert' });
  main.append(h('h1', {}, 'Indexes'), h('p', { class: 'lead' }, 'An index finds records by the value of a bin. Queries use it by "range".'),
    h('div', { class: 'form', style: { marginBottom: '18px' } }, field('Namespace', choose)), list,
    h('section', { class: 'panel' }, h('h2', {}, 'New index'),
      h('form', { class: 'form', onsubmit: async (event) => {
        event.preventDefault();
        try {
          await call('POST', `namespaces/${segment(namespace)}/indexes`,
            { name: name.value, set: set.value, bin: bin.value, type: kind.value, in: inside.value });
          fill(told);
          toast('The index is being made.');
          load();
        } catch (error) { fill(told, h('div', { class: 'notice critical' }, error.message)); }
      } }, field('Name', name), field('Set (empty: all)', set), field('Bin', bin), field('Type', kind), field('Of', inside),
      h('button', { class: 'primary', type: 'submit' }, 'Make it')), told));
  onCluster((cluster) => {
    if (choose.options.length) return;
    fill(choose, cluster.namespaces.map((one) => h('option', { value: one.name }, one.name)));
    namespace = choose.value;
    load();
  });
  async function load() {
    if (!namespace) return;
    const { indexes } = await get(`namespaces/${segment(namespace)}/indexes`);
    fill(list, h('h2', {}, 'Indexes'), table(['Name', 'Set', 'Bin', 'Type', 'Of', 'State', ''], indexes.map((one) => h('tr', {},
      h('td', {}, one.name), h('td', {}, one.set || 'all'), h('td', { class: 'mono' }, one.bin), h('td', {}, one.type), h('td', {}, one.in),
      h('td', {}, h('span', { class: `badge ${one.state === 'RW' ? 'good' : 'warning'}` }, one.state === 'RW' ? 'ready' : 'being made')),
      h('td', { class: 'num' }, h('button', { type: 'button', class: 'danger', onclick: () => drop(one.name) }, 'Delete')))),
    h('div', { class: 'empty' }, h('strong', {}, 'No index yet'), 'Records are found by key, by listing and by filter without one.'), true));
  }
  async function drop(index) {
    if (!await confirmed('Delete this index?', `${index} is removed from all nodes. Records stay.`, 'Delete')) return;
    await call('DELETE', `namespaces/${segment(namespace)}/indexes/${segment(index)}`).catch((error) => toast(error.message));
    load();
  }
  every(3000, load);
}
