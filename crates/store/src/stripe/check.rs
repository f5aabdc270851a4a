//! Looking for damage: checksums of live records, and the stripe's own invariants.

use super::{STRIPE_COUNT, Stripe};
use crate::counts::SetCounts;
use crate::record::verify;
use crate::stripe::stripe_of;
use shipload_value::{Digest, PartitionId};
use std::collections::HashMap;

/// What a slice of verification found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Verified {
    /// Records whose checksum was computed.
    pub records: u64,
    /// Of those, records that are damaged.
    pub damaged: u64,
    /// Where to go on; none when the partition is done.
    pub next: Option<Digest>,
}

impl Stripe {
    /// Computes the checksums of at most `budget` records of a partition, in descending digest order below `after`.
    #[must_use]
    pub fn verify(&self, partition: PartitionId, after: Option<&Digest>, budget: usize) -> Verified {
        let table = self.table(partition);
        let below = table.ceiling(after.map(super::Key::of).as_ref());
        let mut found = Verified::default();
        for (_, entry) in table.descend(below).take(budget) {
            let location = entry.location();
            let bytes = self.log.bytes(location);
            let digest = entry.key().digest(partition);
            let whole = verify(bytes, self.log.seed(location)).is_ok_and(|record| record.digest() == digest);
            found.records += 1;
            found.damaged += u64::from(!whole);
            found.next = Some(digest);
        }
        if found.records < budget as u64 {
            found.next = None;
        }
        found
    }

    /// Checks everything that this stripe promises about itself. Slow; for tests.
    ///
    /// # Panics
    /// When an invariant does not hold.
    pub fn assert_invariants(&self) {
        let mut live_bytes: HashMap<u32, usize> = HashMap::new();
        let mut by_set: HashMap<u16, SetCounts> = HashMap::new();
        let mut total = SetCounts::default();
        let stripe = self.log.stripe();
        for partition in PartitionId::all().filter(|&partition| stripe_of(partition) == stripe) {
            self.table(partition).assert_invariants();
            for (_, entry) in self.table(partition).descend(usize::MAX) {
                let location = entry.location();
                let record = verify(self.log.bytes(location), self.log.seed(location));
                let record = record.expect("a live record is whole");
                let meta = record.meta();
                assert_eq!(record.digest(), entry.key().digest(partition), "entry and record agree");
                assert_eq!((meta.generation, meta.void_time), (entry.generation(), entry.void_time()));
                assert_eq!(meta.set, entry.set(), "entry and record agree on the set");
                let (oldest_ms, newest_ms) = self.log.times(location);
                assert!((oldest_ms..=newest_ms).contains(&meta.last_update_ms), "the block knows its times");
                let one = SetCounts { objects: 1, record_bytes: record.size() as u64 };
                *live_bytes.entry(location.block()).or_default() += record.size();
                by_set.entry(meta.set.number()).or_default().add(one);
                total.add(one);
            }
        }
        for (digest, tomb) in self.tombs.iter().flat_map(|tombs| tombs.iter()) {
            let record = verify(self.log.bytes(tomb.location), self.log.seed(tomb.location));
            let record = record.expect("a tombstone is whole");
            assert_eq!((record.digest(), record.is_tombstone()), (*digest, true), "a tombstone is one");
            assert!(self.get(digest).is_none(), "what lives has no tombstone");
            *live_bytes.entry(tomb.location.block()).or_default() += record.size();
        }
        assert_eq!(total, self.ledger.total(), "the totals are exact");
        for (set, counts) in self.sets() {
            assert_eq!(counts, by_set.get(&set.number()).copied().unwrap_or_default(), "{set:?} is exact");
        }
        let tables = self.tables.iter().map(|table| table.bytes() + size_of_val(table)).sum::<usize>();
        assert_eq!(tables as u64, self.index_bytes, "index bytes are exact");
        assert_eq!(self.tables.len() * STRIPE_COUNT, 4096);
        self.log.assert_invariants(|number| live_bytes.get(&number).copied().unwrap_or(0));
    }
}
