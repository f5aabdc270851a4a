// A history of reads and writes, and its checker. Each record counts up: version 1, 2, 3; one writer at a time. What is written
// down is when a write was known to be done, and when a read was asked for and what it showed. Readers do one thing at a time.
export class History {
  constructor() {
    this.events = [];
    this.ends = new Map(); // Record to the times at which its versions were known to be written; version n is at n.
  }

  wrote(key, version, reader = null, at = Date.now()) {
    if (!this.ends.has(key)) this.ends.set(key, [0]);
    this.ends.get(key)[version] = at;
    this.events.push({ wrote: true, reader, key, version });
  }

  read(reader, key, version, asked) { this.events.push({ reader, key, version, asked }); }

  // The next version of a record.
  next(key) { return this.ends.get(key)?.length ?? 1; }

  // What the reads of these readers were worth: none is older than `bound` ms, none is behind what its reader wrote or read before.
  judge(readers, bound) {
    const wanted = new Set(readers), floors = new Map();
    const found = { reads: 0, oldest: 0, beyond: 0, back: 0, own: 0, ownMissed: 0 };
    for (const { wrote, reader, key, version, asked } of this.events) {
      if (!wanted.has(reader)) continue;
      const place = `${reader} ${key}`;
      const floor = floors.get(place) ?? { read: 0, wrote: 0 };
      floors.set(place, floor);
      if (wrote) { floor.wrote = Math.max(floor.wrote, version); continue; }
      found.reads += 1;
      const overwritten = this.ends.get(key)[version + 1];
      if (overwritten !== undefined) {
        found.oldest = Math.max(found.oldest, asked - overwritten);
        if (asked - overwritten > bound) found.beyond += 1;
      }
      if (floor.wrote) found.own += 1;
      if (version < floor.wrote) found.ownMissed += 1;
      if (version < floor.read) found.back += 1;
      floor.read = Math.max(floor.read, version);
    }
    return found;
  }
}

// The checker finds what it is for: a history with one mistake of each kind.
export function selfTest() {
  const history = new History();
  [1, 2, 3].forEach((version) => history.wrote('a', version, version === 3 ? 'r' : null, version * 1000));
  history.read('r', 'a', 2, 3400);
  const behind = history.judge(['r'], 500);
  history.read('r', 'a', 3, 3500);
  history.read('r', 'a', 1, 3600);
  const all = history.judge(['r'], 500);
  return behind.beyond === 0 && behind.ownMissed === 1 && behind.back === 0
    && all.beyond === 1 && all.oldest === 1600 && all.back === 1 && all.ownMissed === 2 && history.judge(['s'], 0).reads === 0;
}
