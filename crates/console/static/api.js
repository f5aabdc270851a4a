// The same API that everybody has; addresses are relative, so that any path prefix works.
const base = new URL('../v1/', import.meta.url);

export class Refused extends Error {
  constructor(problem, status) {
    super(problem.detail || problem.title || `status ${status}`);
    this.code = problem.code || 'unknown';
    this.status = status;
  }
}

export const address = (path) => new URL(path, base);

export async function call(method, path, body, headers = {}) {
  const init = { method, headers: { Accept: 'application/json', ...headers }, cache: 'no-store' };
  if (body !== undefined) {
    init.body = typeof body === 'string' ? body : JSON.stringify(body);
    init.headers['Content-Type'] = 'application/json';
  }
  let response;
  try {
    response = await fetch(address(path), init);
  } catch {
    throw new Refused({ code: 'offline', detail: 'This node does not answer.' }, 0);
  }
  const text = await response.text();
  if (!response.ok) {
    let problem = {};
    try { problem = JSON.parse(text); } catch { /* a proxy's own words */ }
    throw new Refused(problem, response.status);
  }
  return { text, etag: response.headers.get('ETag'), status: response.status };
}

export async function get(path) {
  return JSON.parse((await call('GET', path)).text);
}

export const segment = (text) => encodeURIComponent(text);
export const recordPath = (namespace, set, id) => `db/${segment(namespace)}/${segment(set || '~')}/${segment(id)}`;

// JSON with line breaks, number by number as it was sent: 1.0 stays 1.0.
export function pretty(text) {
  let out = '', depth = 0, place = 0;
  const line = () => { out += `\n${'  '.repeat(depth)}`; };
  while (place < text.length) {
    const c = text[place];
    if (c === '"') {
      let end = place + 1;
      while (text[end] !== '"') end += text[end] === '\\' ? 2 : 1;
      out += text.slice(place, end + 1);
      place = end + 1;
      continue;
    }
    if (c === '{' || c === '[') {
      const close = c === '{' ? '}' : ']';
      if (text[place + 1] === close) { out += c + close; place += 2; continue; }
      depth += 1; out += c; line();
    } else if (c === '}' || c === ']') {
      depth -= 1; line(); out += c;
    } else if (c === ',') {
      out += c; line();
    } else if (c === ':') {
      out += ': ';
    } else if (!/\s/.test(c)) {
      out += c;
    }
    place += 1;
  }
  return out;
}
