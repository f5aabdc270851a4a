import { get, segment } from './api.js';
import { h, fill, dialog, table } from './dom.js';

export function show({ main, every }) {
  const list = h('section', { class: 'panel' });
  main.append(h('h1', {}, 'Functions'), h('p', { class: 'lead' }, 'Modules in Lua that run where the records are. Clients register them.'), list);
  every(5000, async () => {
    const { modules } = await get('modules');
    fill(list, table(['Module', 'Hash', ''], modules.map((one) => h('tr', {},
      h('td', { class: 'mono' }, one.name), h('td', { class: 'mono wrap muted' }, one.hash),
      h('td', { class: 'num' }, h('button', { type: 'button', onclick: async () => {
        const { source } = await get(`modules/${segment(one.name)}`);
        dialog(one.name, h('pre', { tabindex: '0' }, source));
      } }, 'Source')))),
    h('div', { class: 'empty' }, h('strong', {}, 'No module is registered'), 'Register one with your client, for instance udf_put of the Python client.'), true));
  });
}
