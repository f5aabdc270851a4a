// Reads Shipload's records over HTTP through whatever caches there are, fresh enough: an ES module that stands alone.
//
//   import { connect } from 'http://NODE:4200/v1/client.js';
//   const db = connect('http://NODE:4200', 'test', { staleness: 10000 });
//   await db.put('users', 'ada', { name: 'Ada' });
//   const { bins } = await db.get('users', 'ada');
//
// A read is never older than `staleness` milliseconds (the default of `connect`, or of the read); it shows this client's
// own writes, and never something older than this client has read before. `staleness: 0` asks the cluster.
//
// How: the node's cache sketch names every record that changed while caches may hold older copies. What it does not name
// may come from a cache; the rest is revalidated, once for each sketch. docs/web.md tells the rules.

const AHEAD = 250; // A node answers with a sketch that is at most so many milliseconds old.

export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `status ${status}`);
    this.status = status;
    this.code = problem.code;
  }
}

export function connect(url, namespace, options = {}) {
  return new Client(url.replace(/\/$/, ''), namespace, options);
}

class Client {
  #url; #namespace; #fetch; #staleness; #sketch = null; #coming = null;
  #fresh = new Map(); // Path to the time until which its own copy is as of the sketch.
  #own = new Map(); // Path to when this client wrote it, or found it gone.
  #seen = new Map(); // Path to the highest version that this client knows.
  stats = { reads: 0, trusted: 0, revalidated: 0, again: 0, sketches: 0 };

  constructor(url, namespace, { staleness = 30000, fetch: ask = (...words) => fetch(...words) }) {
    this.#url = url;
    this.#namespace = namespace;
    this.#fetch = ask;
    this.#staleness = staleness;
  }

  // The record, with `bins`, `etag` and what else REST tells; null when there is none.
  async get(set, key, { bins, staleness = this.#staleness } = {}) {
    const path = this.#path(set, key);
    const address = bins ? `${path}?bins=${bins.map(encodeURIComponent).join(',')}` : path;
    this.stats.reads += 1;
    const trusted = staleness > 0 && this.#isTrusted(path, address, set, key, staleness);
    if (staleness > 0 && !(this.#age() <= staleness / 2)) this.refresh();
    this.stats[trusted ? 'trusted' : 'revalidated'] += 1;
    let record = await this.#read(address, trusted ? 'default' : 'no-cache', path);
    // A cache on the way has kept something older than this client has seen: past all caches, then.
    if (older(record?.etag, this.#seen.get(path))) {
      this.stats.again += 1;
      record = await this.#read(address, 'reload', path);
    }
    if (record) this.#seen.set(path, record.etag);
    return record;
  }

  // Writes answer with the new `etag`. `match` is the tag that the record must have.
  put(set, key, bins, options) { return this.#write('PUT', set, key, bins, options); }
  create(set, key, bins, options) { return this.#write('POST', set, key, bins, options); }
  patch(set, key, bins, options) { return this.#write('PATCH', set, key, bins, options); }
  remove(set, key, options) { return this.#write('DELETE', set, key, undefined, options); }

  // Follows a query: `onEvent(name, data)` gets `result`, then every `match`. Gives what ends it.
  live(set, { filter, sort, limit, offset } = {}, onEvent) {
    const query = new URLSearchParams(Object.entries({ filter: filter && JSON.stringify(filter), sort, limit, offset })
      .filter(([, value]) => value !== undefined));
    const source = new EventSource(`${this.#url}/v1/live/${this.#namespace}/${segment(set || '~')}?${query}`);
    for (const name of ['result', 'match', 'error']) source.addEventListener(name, (event) => event.data && onEvent(name, JSON.parse(event.data)));
    return () => source.close();
  }

  // Gets a new sketch; while it is on its way the old one counts, as far as it is young enough.
  refresh() {
    this.#coming ??= this.#load().catch(() => {}).finally(() => { this.#coming = null; });
    return this.#coming;
  }

  async #load() {
    const sent = Date.now();
    const response = await this.#fetch(`${this.#url}/v1/sketch/${encodeURIComponent(this.#namespace)}`, { cache: 'no-store' });
    if (!response.ok) throw new Refused(response.status, {});
    const { m, h, b, tainted } = await response.json();
    // A cache on the way says how long it had the sketch, in whole seconds.
    const kept = response.headers.get('age');
    const time = sent - AHEAD - (kept === null ? 0 : (Number(kept) + 1) * 1000);
    if (this.#sketch && time < this.#sketch.time) return;
    this.#sketch = { m, h, bits: bytes(b), tainted: tainted ? bytes(tainted) : null, time };
    this.stats.sketches += 1;
    for (const [path, entry] of this.#fresh) if (entry.since < time) this.#fresh.delete(path);
    for (const [path, written] of this.#own) if (written <= time) this.#own.delete(path);
  }

  #age() { return this.#sketch ? Date.now() - this.#sketch.time : Infinity; }

  #isTrusted(path, address, set, key, staleness) {
    if (!(this.#age() <= staleness)) return false;
    const fresh = this.#fresh.get(address);
    if (fresh && Date.now() < fresh.until && !(this.#own.get(path) >= fresh.since)) return true;
    if (this.#own.has(path)) return false;
    const { m, h, bits, tainted } = this.#sketch;
    const hash = digest(set, key), view = new DataView(hash.buffer);
    const partition = view.getUint16(0, true) % 4096;
    if (tainted && tainted[partition >> 3] & (1 << (partition & 7))) return false;
    const x = view.getUint32(4, true), y = (view.getUint32(8, true) | 1) >>> 0;
    for (let n = 0; n < h; n += 1) {
      const bit = (x + n * y) % m;
      if (!(bits[bit >> 3] & (1 << (bit & 7)))) return true;
    }
    return false;
  }

  async #read(address, cache, path) {
    const sent = Date.now();
    const response = await this.#fetch(this.#url + address, { cache });
    if (cache !== 'default' && response.ok) {
      const life = /max-age=(\d+)/.exec(response.headers.get('cache-control'));
      const kept = Number(response.headers.get('age') ?? -1) + 1;
      if (life) this.#fresh.set(address, { since: sent, until: sent + (life[1] - kept) * 1000 });
    }
    if (response.status === 404) {
      // A cache may still have it: until a later sketch nothing but the cluster is asked.
      this.#seen.delete(path);
      this.#own.set(path, Date.now());
      return null;
    }
    if (!response.ok) throw new Refused(response.status, await problem(response));
    return response.json();
  }

  async #write(method, set, key, bins, { ttl, match } = {}) {
    const path = this.#path(set, key);
    const headers = { ...(bins && { 'Content-Type': 'application/json' }), ...(match && { 'If-Match': match }) };
    // From before the write on nobody's copy counts, and until a sketch that is later than its end.
    this.#own.set(path, Infinity);
    try {
      const response = await this.#fetch(this.#url + path, { method, headers, body: bins && JSON.stringify({ bins, ttl }), cache: 'no-store' });
      if (!response.ok) throw new Refused(response.status, await problem(response));
      const etag = response.headers.get('etag');
      if (etag) this.#seen.set(path, etag); else this.#seen.delete(path);
      return { etag };
    } finally {
      this.#own.set(path, Date.now());
    }
  }

  #path(set, key) {
    return `/v1/db/${encodeURIComponent(this.#namespace)}/${segment(set || '~')}/${segment(named(key))}`;
  }
}

const segment = encodeURIComponent;
const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const problem = (response) => response.json().catch(() => ({}));

// A key is text, a whole number (or bigint), or bytes.
function named(key) {
  if (typeof key === 'number' || typeof key === 'bigint') return `int:${BigInt(key)}`;
  if (key instanceof Uint8Array) return `blob:${btoa(String.fromCharCode(...key)).replace(/\+/g, '-').replace(/\//g, '_').replace(/=/g, '')}`;
  return /^(int|blob|digest|str):/.test(key) ? `str:${key}` : key;
}

// Versions are `"milliseconds in hexadecimal digits-generation"`.
function older(tag, than) {
  if (!tag || !than) return false;
  const [a, b] = [tag, than].map((text) => text.replaceAll('"', '').split('-'));
  const time = parseInt(a[0], 16) - parseInt(b[0], 16);
  // Generations go on from 1 after 65535.
  const behind = (b[1] - a[1] + 65536) % 65536;
  return time < 0 || (time === 0 && behind > 0 && behind < 32768);
}

// A record's digest: RIPEMD-160 of set, a byte for the key's type, and key.
export function digest(set, key) {
  const text = new TextEncoder();
  let [kind, part] = [3, null];
  if (typeof key === 'number' || typeof key === 'bigint') {
    [kind, part] = [1, new Uint8Array(8)];
    new DataView(part.buffer).setBigInt64(0, BigInt(key));
  } else if (key instanceof Uint8Array) [kind, part] = [4, key];
  else part = text.encode(key);
  return ripemd160(Uint8Array.from([...text.encode(set || ''), kind, ...part]));
}

const rows = (text) => text.split(' ').map((row) => [...row].map((letter) => parseInt(letter, 16)));
const LEFT = [rows('0123456789abcdef 74d1a6f3c0952eb8 3ae49f812706db5c 19ba08c4d37fe562 40597c2ae138b6fd'),
  rows('befc5879bdef6798 768db97f7cf9b7dc bd67e9dfe8d65c75 bcefef989e56865c 9f5b68dc5cdeb856'),
  [0, 0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xa953fd4e]];
const RIGHT = [rows('5e7092b4d6f81a3c 6b370d5aef8c4912 f5137e69b8c2a04d 86413bf05c2d97ae cfa4158762de039b'),
  rows('899bdff5778beec6 9df7c89b77c76fdb 97fb866ecd5edd75 f58bee6e69c9c5f8 85c9c5e68d65fdbb'),
  [0x50a28be6, 0x5c4dd124, 0x6d703ef3, 0x7a6d76e9, 0]];
const MIX = [(x, y, z) => x ^ y ^ z, (x, y, z) => (x & y) | (~x & z), (x, y, z) => (x | ~y) ^ z,
  (x, y, z) => (x & z) | (y & ~z), (x, y, z) => x ^ (y | ~z)];
const roll = (x, by) => (x << by) | (x >>> (32 - by));

function ripemd160(message) {
  const blocks = ((message.length + 8) >> 6) + 1;
  const view = new DataView(new ArrayBuffer(blocks * 64));
  message.forEach((byte, at) => view.setUint8(at, byte));
  view.setUint8(message.length, 0x80);
  view.setUint32(blocks * 64 - 8, message.length * 8, true);
  let state = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0];
  for (let block = 0; block < blocks; block += 1) {
    const line = ([order, shift, add], flip) => {
      let [a, b, c, d, e] = state;
      for (let step = 0; step < 80; step += 1) {
        const round = step >> 4, place = step & 15;
        const word = view.getUint32(block * 64 + order[round][place] * 4, true);
        const mixed = (a + MIX[flip ? 4 - round : round](b, c, d) + word + add[round]) | 0;
        [a, e, d, c, b] = [e, d, roll(c, 10), b, (roll(mixed, shift[round][place]) + e) | 0];
      }
      return [a, b, c, d, e];
    };
    const left = line(LEFT, false), right = line(RIGHT, true);
    state = state.map((_, at) => (state[(at + 1) % 5] + left[(at + 2) % 5] + right[(at + 3) % 5]) | 0);
  }
  const out = new DataView(new ArrayBuffer(20));
  state.forEach((word, at) => out.setInt32(at * 4, word, true));
  return new Uint8Array(out.buffer);
}
