// An HTTP cache as browsers have one, for clients that run in Node.js: keeps what `Cache-Control` lets it keep, revalidates by
// `ETag`, and heeds the cache modes of fetch. Several of them in a row stand for a browser behind a proxy.
export class HttpCache {
  constructor(next = fetch) {
    this.next = next;
    this.kept = new Map();
    this.figures = { hits: 0, misses: 0, revalidated: 0, unchanged: 0 };
  }

  fetch = async (url, init = {}) => {
    const method = init.method ?? 'GET';
    if (method !== 'GET' || init.cache === 'no-store') return this.next(url, init);
    const kept = this.kept.get(url);
    const age = kept && (Date.now() - kept.time) / 1000;
    if (kept && (init.cache ?? 'default') === 'default' && age < kept.life) {
      this.figures.hits += 1;
      return answer(kept, age);
    }
    const headers = { ...init.headers };
    if (kept?.etag && init.cache !== 'reload') headers['If-None-Match'] = kept.etag;
    this.figures[kept ? 'revalidated' : 'misses'] += 1;
    const asked = Date.now();
    const response = await this.next(url, { ...init, headers });
    const life = Number(/max-age=(\d+)/.exec(response.headers.get('cache-control') ?? '')?.[1] ?? 0);
    const entry = { time: asked - Number(response.headers.get('age') ?? 0) * 1000, life,
      etag: response.headers.get('etag'), control: response.headers.get('cache-control') };
    if (response.status === 304 && kept) {
      this.figures.unchanged += 1;
      Object.assign(kept, entry);
      return answer(kept, 0);
    }
    if (response.status !== 200) return response;
    const stored = { ...entry, body: await response.text() };
    if (life > 0 || stored.etag) this.kept.set(url, stored);
    return answer(stored, (Date.now() - stored.time) / 1000);
  };
}

function answer(kept, age) {
  const headers = { 'Content-Type': 'application/json', Age: String(Math.floor(age)) };
  if (kept.etag) headers.ETag = kept.etag;
  if (kept.control) headers['Cache-Control'] = kept.control;
  return new Response(kept.body, { status: 200, headers });
}
