//! The copies that the cache holds: a machine with virtual time, bounded in bytes.
//!
//! Guarantees: a copy is called fresh only if it was the record's state at some moment at most `staleness` ago, as far as the
//! sketch is right: it was fetched since, or the sketch of such a moment does not name it and its life is not over.

use super::sketch::Sketch;
use axum::body::Bytes;
use shipload_value::Digest;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What a copy takes beside its content, about.
const OVERHEAD: usize = 256;
/// Records whose purges are remembered, so that an answer from before one is not kept after it.
const PURGED_MAX: usize = 1 << 16;

/// An answer as the origin gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Copy {
    /// The record's version.
    pub(super) etag: String,
    /// JSON.
    pub(super) body: Bytes,
    /// When it was asked for: it is the record as it was then or later.
    pub(super) as_of_ms: u64,
    /// The end of its life.
    pub(super) until_ms: u64,
}

#[derive(Debug)]
struct Held {
    copy: Arc<Copy>,
    digest: Digest,
    used: u64,
}

/// Copies by path and query.
#[derive(Debug)]
pub(super) struct Store {
    held: HashMap<String, Held>,
    /// Paths by last use.
    order: BTreeMap<u64, String>,
    uses: u64,
    bytes: usize,
    bytes_max: usize,
    /// Where the copies of a record are.
    places: HashMap<Digest, Vec<String>>,
    /// When records were purged; what was asked for before is not kept.
    purged: HashMap<Digest, u64>,
    /// The same for all records.
    floor_ms: u64,
}

impl Store {
    pub(super) fn new(bytes_max: usize) -> Store {
        Store {
            held: HashMap::new(),
            order: BTreeMap::new(),
            uses: 0,
            bytes: 0,
            bytes_max,
            places: HashMap::new(),
            purged: HashMap::new(),
            floor_ms: 0,
        }
    }

    /// The copy, if there is one, whatever its age.
    pub(super) fn get(&mut self, address: &str) -> Option<Arc<Copy>> {
        let held = self.held.get_mut(address)?;
        self.uses += 1;
        if let Some(name) = self.order.remove(&held.used) {
            self.order.insert(self.uses, name);
        }
        held.used = self.uses;
        Some(Arc::clone(&held.copy))
    }

    /// Keeps a copy, unless its record was purged after it was asked for; the ones that were not used for longest go.
    pub(super) fn put(&mut self, address: &str, digest: &Digest, copy: Arc<Copy>) {
        let purged_ms = self.purged.get(digest).copied().unwrap_or(0).max(self.floor_ms);
        if purged_ms > 0 && copy.as_of_ms <= purged_ms {
            return;
        }
        self.remove(address);
        self.uses += 1;
        self.bytes += size(address, &copy);
        self.order.insert(self.uses, address.to_owned());
        self.places.entry(*digest).or_default().push(address.to_owned());
        self.held.insert(address.to_owned(), Held { copy, digest: *digest, used: self.uses });
        while self.bytes > self.bytes_max {
            let Some((_, oldest)) = self.order.pop_first() else { break };
            self.remove(&oldest);
        }
    }

    /// Forgets a copy.
    pub(super) fn remove(&mut self, address: &str) {
        let Some(held) = self.held.remove(address) else { return };
        self.order.remove(&held.used);
        self.bytes = self.bytes.saturating_sub(size(address, &held.copy));
        if let Some(places) = self.places.get_mut(&held.digest) {
            places.retain(|place| place != address);
            if places.is_empty() {
                self.places.remove(&held.digest);
            }
        }
    }

    /// Forgets all copies of a record that were asked for until now; how many there were.
    pub(super) fn purge(&mut self, digest: &Digest, now_ms: u64) -> usize {
        if self.purged.len() >= PURGED_MAX {
            self.purged.clear();
            self.floor_ms = now_ms;
        }
        self.purged.insert(*digest, now_ms);
        let places = self.places.get(digest).cloned().unwrap_or_default();
        places.iter().for_each(|address| self.remove(address));
        places.len()
    }

    /// Copies, and their bytes.
    pub(super) fn usage(&self) -> (usize, usize) {
        (self.held.len(), self.bytes)
    }
}

fn size(address: &str, copy: &Copy) -> usize {
    OVERHEAD + 2 * address.len() + copy.etag.len() + copy.body.len()
}

impl Copy {
    /// Whether it may be answered without asking.
    pub(super) fn is_fresh(
        &self,
        digest: &Digest,
        sketch: Option<&Sketch>,
        now_ms: u64,
        staleness_ms: u64,
    ) -> bool {
        let known_ms = sketch.map_or(self.as_of_ms, |sketch| sketch.known_ms(digest, self.as_of_ms));
        now_ms < self.until_ms && now_ms.saturating_sub(known_ms) <= staleness_ms
    }
}

#[cfg(test)]
mod tests {
    use super::{Copy, Sketch, Store};
    use axum::body::Bytes;
    use shipload_value::Digest;
    use std::sync::Arc;

    const KEY: Digest = Digest([1; 20]);

    fn copy(size: usize) -> Arc<Copy> {
        Arc::new(Copy {
            etag: String::new(),
            body: Bytes::from(vec![0; size]),
            as_of_ms: 1000,
            until_ms: 60_000,
        })
    }

    #[test]
    fn what_was_not_used_for_longest_goes() {
        let mut store = Store::new(3000);
        for address in ["/a", "/b", "/c"] {
            store.put(address, &KEY, copy(600));
        }
        assert!(store.get("/a").is_some());
        store.put("/d", &KEY, copy(600));
        assert!(store.get("/b").is_none() && store.get("/a").is_some() && store.get("/d").is_some());
        store.put("/huge", &KEY, copy(10_000));
        assert_eq!(store.usage(), (0, 0), "it has no room, nor has anything else beside it");
        assert!(store.places.is_empty() && store.order.is_empty());
    }

    #[test]
    fn what_was_asked_for_before_a_purge_is_not_kept_after_it() {
        let mut store = Store::new(10_000);
        store.put("/a", &KEY, copy(1));
        store.put("/a?bins=x", &KEY, copy(1));
        assert_eq!(store.purge(&KEY, 1000), 2);
        store.put("/a", &KEY, copy(1));
        assert!(store.get("/a").is_none());
        store.put("/a", &KEY, Arc::new(Copy { as_of_ms: 1001, ..(*copy(1)).clone() }));
        assert!(store.get("/a").is_some());
    }

    #[test]
    fn a_copy_is_fresh_by_itself_or_by_the_sketch() {
        let digest = Digest([9; 20]);
        let calm = |time_ms| Sketch::read(br#"{"m": 64, "h": 5, "b": "AAAAAAAAAAA="}"#, time_ms);
        let full = |time_ms| Sketch::read(br#"{"m": 64, "h": 5, "b": "//////////8="}"#, time_ms);
        let fresh = |sketch: Option<Sketch>, now_ms| copy(1).is_fresh(&digest, sketch.as_ref(), now_ms, 500);
        assert!(fresh(None, 1500) && !fresh(None, 1501), "as it was fetched");
        assert!(fresh(calm(2000), 2500) && !fresh(calm(2000), 2501), "as the sketch says");
        assert!(!fresh(full(2000), 2100), "the sketch names it");
        assert!(fresh(full(900), 1100), "it was fetched after the sketch");
        assert!(!fresh(calm(60_000), 60_000), "its life is over");
    }
}
