import { address, get } from './api.js';
import { h, fill, field } from './dom.js';

const VERBS = ['get', 'put', 'post', 'patch', 'delete'];
const EXAMPLES = {
  RecordBody: '{\n  "bins": { "name": "Ada", "visits": 1 },\n  "ttl": "default"\n}',
  OperateBody: '{\n  "ops": [\n    { "op": "add", "bin": "visits", "value": 1 },\n    { "op": "get", "bin": "visits" }\n  ]\n}',
  BatchBody: '{\n  "rows": [\n    { "method": "get", "set": "users", "key": "ada" }\n  ]\n}',
  QueryBody: '{\n  "filter": { "visits": { "$gte": 1 } },\n  "sort": ["-visits"],\n  "limit": 10\n}',
  NewIndex: '{\n  "name": "by-visits",\n  "set": "users",\n  "bin": "visits",\n  "type": "numeric"\n}',
  Quiesce: '{ "quiesced": false }',
};

export async function show({ main }) {
  const body = h('div', {});
  main.append(h('h1', {}, 'API'), h('p', { class: 'lead' }, 'Everything that can be asked over HTTP, made from the code, to be tried here. ',
    h('a', { href: address('openapi.json').href }, 'openapi.json')), body);
  const document_ = await get('openapi.json');
  const operations = Object.entries(document_.paths).flatMap(([path, verbs]) =>
    VERBS.filter((verb) => verbs[verb]).map((verb) => ({ path, verb, ...verbs[verb] })));
  fill(body, document_.tags.map((tag) => h('section', { class: 'panel' }, h('h2', {}, tag.description),
    operations.filter((one) => one.tags?.includes(tag.name)).map(operation))));
}

function operation(one) {
  const inputs = (one.parameters || []).map((parameter) => ({ parameter, input: h('input', { autocomplete: 'off', value: parameter.name === 'namespace' ? 'test' : '' }) }));
  const reference = one.requestBody?.content?.['application/json']?.schema?.$ref?.split('/').at(-1);
  const body = one.requestBody && h('textarea', { rows: 6, spellcheck: 'false', 'aria-label': 'Body', value: EXAMPLES[reference] || '{}' });
  const answer = h('div', { 'aria-live': 'polite' });
  const send = async (event) => {
    event.preventDefault();
    let path = one.path.replace(/^\/v1\//, '');
    const query = new URLSearchParams(), headers = { Accept: 'application/json' };
    for (const { parameter, input } of inputs) {
      if (parameter.in === 'path') path = path.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
      else if (input.value && parameter.in === 'query') query.set(parameter.name, input.value);
      else if (input.value) headers[parameter.name] = input.value;
    }
    if (body) headers['Content-Type'] = 'application/json';
    const url = address(path + (query.size ? `?${query}` : ''));
    try {
      const began = performance.now();
      const response = await fetch(url, { method: one.verb.toUpperCase(), headers, body: body?.value, cache: 'no-store' });
      const text = await response.text();
      const took = (performance.now() - began).toFixed(1);
      let shown = text;
      try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* no JSON */ }
      const etag = response.headers.get('ETag');
      fill(answer, h('p', { class: 'small' }, h('strong', {}, `${response.status} ${response.statusText}`), ` in ${took} ms`, etag && ` · ETag ${etag}`), h('pre', { tabindex: '0' }, shown || '(no body)'));
    } catch { fill(answer, h('p', {}, 'No answer.')); }
  };
  return h('details', { class: 'op' }, h('summary', {}, h('span', { class: 'verb' }, one.verb.toUpperCase()), h('code', {}, one.path),
    h('span', { class: 'muted small' }, (one.summary || '').split('. ')[0].replaceAll('`', ''))),
  h('form', { onsubmit: send }, one.description && h('p', { class: 'small muted' }, one.description.replaceAll('`', '')),
    h('div', { class: 'form' }, inputs.map(({ parameter, input }) => field(`${parameter.name}${parameter.required ? '' : ' (optional)'}`, input))),
    body && h('div', { style: { marginTop: '10px' } }, body),
    h('div', { class: 'actions' }, h('button', { class: 'primary', type: 'submit' }, 'Send')), answer));
}
