//! Which records caches may hold, and which of those have changed since: a machine with virtual time.
//!
//! Guarantees: a record that changed while a copy of what it was may live is stale, until the longest of the copies that
//! were allowed before the change has ended; nothing else is. What is kept is bounded: beyond [`LEASES_MAX`] no copy is
//! allowed. Property-tested against a list of all copies.
//!
//! Beside that it remembers how long writes of these records lie apart, because that tells how long a copy should live.

use shipload_value::Digest;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// Records of one stripe that caches may hold.
pub(super) const LEASES_MAX: usize = 1 << 14;
/// How long a record is remembered after its last copy has ended, for its rate of writes.
const REMEMBERED_MS: u64 = 600_000;
/// The weight of the latest gap between writes, in eighths.
const LATEST_EIGHTHS: u64 = 3;

#[derive(Debug, Clone, Copy, Default)]
struct Known {
    /// No copy that was allowed lives beyond this.
    until_ms: u64,
    /// The last write that was seen; none before the first.
    written_ms: Option<u64>,
    /// The mean time between writes; 0 before the second one.
    gap_ms: u64,
}

/// What is known of the writes of a record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Writes {
    /// Milliseconds since the last write that was seen.
    pub(super) age_ms: Option<u64>,
    /// The mean time between writes in milliseconds, once two were seen.
    pub(super) gap_ms: Option<u64>,
}

/// The records of one stripe.
#[derive(Debug, Default)]
pub(super) struct Leases {
    known: BTreeMap<Digest, Known>,
    /// Changed records, with the end of the last copy of what they were.
    stale: BTreeMap<Digest, u64>,
    /// When to look whether a record can be forgotten: one entry for each that is known.
    queue: BinaryHeap<Reverse<(u64, Digest)>>,
}

impl Leases {
    /// Records that are remembered.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// What was seen of a record's writes.
    pub(super) fn writes(&self, digest: &Digest, now_ms: u64) -> Writes {
        let Some(known) = self.known.get(digest) else { return Writes::default() };
        let age_ms = known.written_ms.map(|at| now_ms.saturating_sub(at));
        Writes { age_ms, gap_ms: (known.gap_ms > 0).then_some(known.gap_ms) }
    }

    /// Allows copies of the record as it is now, until then. False when there are too many.
    pub(super) fn lease(&mut self, digest: &Digest, now_ms: u64, until_ms: u64) -> bool {
        self.forget(now_ms);
        if let Some(known) = self.known.get_mut(digest) {
            // Never earlier: somewhere lives the longest copy that was ever allowed.
            known.until_ms = known.until_ms.max(until_ms);
            return true;
        }
        if self.known.len() >= LEASES_MAX {
            return false;
        }
        self.known.insert(*digest, Known { until_ms, ..Known::default() });
        self.queue.push(Reverse((until_ms + REMEMBERED_MS, *digest)));
        true
    }

    /// A command has changed the record.
    pub(super) fn written(&mut self, digest: &Digest, now_ms: u64) {
        self.forget(now_ms);
        self.changed(digest);
        let Some(known) = self.known.get_mut(digest) else { return };
        if let Some(before) = known.written_ms.replace(now_ms) {
            let gap = now_ms.saturating_sub(before).max(1);
            let mean = if known.gap_ms == 0 { gap } else { known.gap_ms };
            known.gap_ms = (mean * (8 - LATEST_EIGHTHS) + gap * LATEST_EIGHTHS) / 8;
        }
    }

    /// The record is another one than before, whatever the reason.
    pub(super) fn changed(&mut self, digest: &Digest) {
        if let Some(known) = self.known.get(digest) {
            let until = self.stale.entry(*digest).or_default();
            *until = known.until_ms.max(*until);
        }
    }

    /// The records of which caches may hold an older state.
    pub(super) fn stale(&mut self, now_ms: u64) -> impl Iterator<Item = &Digest> {
        self.stale.retain(|_, until| *until > now_ms);
        self.stale.keys()
    }

    fn forget(&mut self, now_ms: u64) {
        while let Some(Reverse((at, digest))) = self.queue.peek().copied().filter(|due| due.0.0 <= now_ms) {
            self.queue.pop();
            let until_ms = self.known.get(&digest).map_or(0, |known| known.until_ms);
            if until_ms + REMEMBERED_MS > at {
                self.queue.push(Reverse((until_ms + REMEMBERED_MS, digest)));
                continue;
            }
            self.known.remove(&digest);
            self.stale.remove(&digest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LEASES_MAX, Leases, REMEMBERED_MS, Writes};
    use proptest::prelude::*;
    use shipload_value::Digest;
    use std::collections::BTreeMap;

    fn key(number: u64) -> Digest {
        let mut digest = [0; 20];
        digest[..8].copy_from_slice(&number.to_be_bytes());
        Digest(digest)
    }

    #[derive(Debug, Clone)]
    enum Event {
        Read { key: u64, ttl_ms: u64 },
        Write { key: u64 },
        Pass { ms: u64 },
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            (0u64..6, prop_oneof![1u64..50, 1u64..5000])
                .prop_map(|(key, ttl_ms)| Event::Read { key, ttl_ms }),
            (0u64..6).prop_map(|key| Event::Write { key }),
            prop_oneof![0u64..30, 0u64..3000, Just(REMEMBERED_MS + 10)].prop_map(|ms| Event::Pass { ms }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// Caches keep every copy that they ever get as long as they may; a record is stale exactly while one of them holds an
        /// older version.
        #[test]
        fn exactly_the_records_with_old_copies_are_stale(events in proptest::collection::vec(event(), 0..60)) {
            let mut leases = Leases::default();
            let mut now = 1u64;
            let mut versions: BTreeMap<u64, u64> = BTreeMap::new();
            let mut copies: Vec<(u64, u64, u64)> = Vec::new();
            for event in events {
                match event {
                    Event::Read { key: number, ttl_ms } => {
                        prop_assert!(leases.lease(&key(number), now, now + ttl_ms));
                        copies.push((number, versions.get(&number).copied().unwrap_or(0), now + ttl_ms));
                    }
                    Event::Write { key: number } => {
                        leases.written(&key(number), now);
                        *versions.entry(number).or_default() += 1;
                    }
                    Event::Pass { ms } => now += ms,
                }
                copies.retain(|(_, _, until)| *until > now);
                let stale: Vec<Digest> = leases.stale(now).copied().collect();
                for number in 0..6 {
                    let version = versions.get(&number).copied().unwrap_or(0);
                    let old = copies.iter().any(|(of, seen, _)| *of == number && *seen < version);
                    prop_assert_eq!(stale.contains(&key(number)), old, "record {} at {}", number, now);
                }
                prop_assert_eq!(leases.queue.len(), leases.known.len());
            }
        }
    }

    #[test]
    fn what_is_kept_is_bounded_and_forgotten() {
        let mut leases = Leases::default();
        for number in 0..LEASES_MAX as u64 {
            assert!(leases.lease(&key(number), 0, 1000));
        }
        assert!(!leases.lease(&key(u64::MAX), 0, 1000), "one too many");
        assert!(leases.lease(&key(0), 0, 2000), "a known one still");
        assert!(leases.lease(&key(u64::MAX), 1000 + REMEMBERED_MS, 3000 + REMEMBERED_MS));
        assert_eq!(leases.len(), 2);
    }

    #[test]
    fn gaps_between_writes_are_averaged() {
        let mut leases = Leases::default();
        assert_eq!(leases.writes(&key(1), 5), Writes::default());
        assert!(leases.lease(&key(1), 0, 100_000));
        leases.written(&key(1), 1000);
        assert_eq!(leases.writes(&key(1), 1500), Writes { age_ms: Some(500), gap_ms: None });
        leases.written(&key(1), 2000);
        assert_eq!(leases.writes(&key(1), 2000).gap_ms, Some(1000));
        leases.written(&key(1), 10_000);
        assert_eq!(leases.writes(&key(1), 10_000).gap_ms, Some((1000 * 5 + 8000 * 3) / 8));
    }
}
