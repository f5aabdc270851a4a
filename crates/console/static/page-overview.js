import { get } from './api.js';
import { h, fill, bytes, count, clock, table } from './dom.js';
import { chart } from './chart.js';

const MARKS = { good: '✓', warning: '!', critical: '✕' };
const WORDS = { good: 'Every record has its copies.', warning: '', critical: '' };

export function show({ main, onCluster, every }) {
  const health = h('section', { class: 'panel' });
  const tiles = h('div', { class: 'tiles' });
  const charts = h('div', { class: 'grid charts' });
  const spaces = h('section', { class: 'panel' });
  const events = h('section', { class: 'panel' });
  main.append(h('h1', {}, 'Overview'), h('p', { class: 'lead' }, 'How the cluster is, right now.'),
    health, tiles, charts, spaces, events);

  onCluster((cluster) => {
    const { state, reasons } = cluster.health;
    fill(health, h('div', { class: 'healthcard' },
      h('div', { class: `mark ${state}`, 'aria-hidden': 'true' }, MARKS[state]),
      h('div', {}, h('div', { class: `word ${state}`, id: 'health-word' }, state),
        reasons.length ? h('ul', {}, reasons.map((reason) => h('li', {}, reason))) : h('div', { class: 'muted' }, WORDS[state]))));
    const sum = (name) => cluster.namespaces.reduce((total, one) => total + one[name], 0);
    const replicated = Math.min(...cluster.namespaces.map((one) => one.replicatedPct));
    const migrating = sum('migrating');
    const memory = cluster.nodes.reduce((total, node) => total + node.memoryBytes, 0);
    fill(tiles,
      tile('Nodes', cluster.size, cluster.nodes.some((node) => !node.reachable) ? 'not all answer' : 'all answer'),
      tile('Records', count(sum('objects')), `${count(sum('copies'))} copies`, 'records'),
      tile('Copies in place', `${replicated} %`, migrating ? `${count(migrating)} partitions to move` : 'nothing to move', 'replicated'),
      tile('Data', bytes(sum('dataBytes')), `of ${bytes(sum('dataLimitBytes'))}`),
      tile('Memory', bytes(memory), 'of all processes'));
    fill(spaces, h('h2', {}, 'Namespaces'), table(
      ['Name', num('Records'), num('Copies wanted'), 'In place', num('Data'), ''],
      cluster.namespaces.map((one) => h('tr', {},
        h('td', {}, h('a', { href: `#/data/${encodeURIComponent(one.name)}` }, one.name)),
        h('td', { class: 'num' }, count(one.objects)),
        h('td', { class: 'num' }, one.replicationFactor),
        h('td', {}, meter(one.replicatedPct), h('span', { class: 'small muted' }, `${one.replicatedPct} %`)),
        h('td', { class: 'num' }, bytes(one.dataBytes)),
        h('td', {}, one.stopWrites && h('span', { class: 'badge critical' }, 'refuses writes')))), null, true));
  });

  every(2000, async () => {
    const { samples, events: happened } = await get('history');
    const of = (name) => samples.map((sample) => sample[name]);
    const times = of('time');
    fill(charts,
      chart('Operations a second', times, [
        { name: 'reads', color: '--c0', values: of('reads') }, { name: 'writes', color: '--c1', values: of('writes') },
        { name: 'queries', color: '--c3', values: of('queries') }, { name: 'failed', color: '--c7', values: of('errors'), rare: true }]),
      chart('99 of 100 took at most', times, [
        { name: 'reads', color: '--c0', values: of('readP99Ms') }, { name: 'writes', color: '--c1', values: of('writeP99Ms') }], { unit: ' ms' }),
      chart('Copies in place', times, [{ name: 'replicated', color: '--c1', values: of('replicatedPct') }], { unit: ' %', max: 100 }),
      chart('Records', times, [{ name: 'records', color: '--c5', values: of('objects') }]));
    fill(events, h('h2', {}, 'What happened'), happened.length
      ? h('ul', { class: 'events', tabindex: '0', 'aria-label': 'Events' }, [...happened].reverse().map((event) => h('li', {}, h('time', {}, clock(event.time)),
        h('span', { class: `badge ${event.level}` }, event.level), h('span', {}, event.text))))
      : h('p', { class: 'muted' }, 'Nothing since this node started. Nodes that come and go are listed here, and every change of health.'));
  });
}

const num = (text) => ({ text, num: true });

function tile(label, value, note, id) {
  return h('div', { class: 'tile' }, h('div', { class: 'label' }, label),
    h('div', { class: 'value', id: id && `tile-${id}` }, value), h('div', { class: 'note' }, note));
}

export function meter(percent) {
  return h('div', { class: 'meter' }, h('span', { style: { width: `${Math.max(0, Math.min(100, percent))}%` } }));
}
