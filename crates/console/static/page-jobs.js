import { call, get } from './api.js';
import { h, fill, count, span, toast, confirmed, table, shortId } from './dom.js';
import { meter } from './page-overview.js';

export function show({ main, every }) {
  const list = h('section', { class: 'panel' });
  main.append(h('h1', {}, 'Jobs'), h('p', { class: 'lead' }, 'Queries and scans that run, and the latest that ended, on every node.'), list);
  every(1500, load);
  async function load() {
    const { jobs } = await get('jobs');
    fill(list, table(['Job', 'Node', 'What', 'Where', 'Progress', { text: 'Records', num: true }, { text: 'Took', num: true }, 'State', ''],
      jobs.slice(0, 200).map((job) => h('tr', {}, h('td', { class: 'mono' }, job.id), h('td', { class: 'mono' }, shortId(job.node)), h('td', {}, job.kind),
        h('td', {}, [job.namespace, job.set].filter(Boolean).join(' / ')), h('td', {}, meter(job.progressPct)),
        h('td', { class: 'num' }, count(job.succeeded)), h('td', { class: 'num' }, job.runTimeMs < 1000 ? `${job.runTimeMs} ms` : span(job.runTimeMs / 1000)),
        h('td', {}, h('span', { class: `badge ${job.active ? 'accent' : job.status === 'done(ok)' ? 'good' : 'warning'}` }, job.active ? 'runs' : job.status.slice(5, -1))),
        h('td', { class: 'num' }, job.active && h('button', { class: 'danger', type: 'button', onclick: () => abort(job.id) }, 'Abort')))),
      h('div', { class: 'empty' }, h('strong', {}, 'Nothing runs'), 'Queries that take a while are listed here, with a way to end them.'), true));
  }
  async function abort(id) {
    if (!await confirmed('End this job?', `Job ${id} ends on all nodes. What a background job has changed stays changed.`, 'End it')) return;
    await call('POST', `jobs/${id}/abort`, {}).then(() => toast('It is told to end.'), (error) => toast(error.message));
    load();
  }
}
