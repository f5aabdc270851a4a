//! Exact counters of a stripe.

use crate::meta::SetId;

/// What a set (or a whole stripe) holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SetCounts {
    /// Records, dead ones that no sweep has met yet included.
    pub objects: u64,
    /// Their encoded bytes in the block log.
    pub record_bytes: u64,
}

impl SetCounts {
    /// Adds another count to this one, for sums over stripes.
    pub fn add(&mut self, other: SetCounts) {
        self.objects += other.objects;
        self.record_bytes += other.record_bytes;
    }
}

/// What a stripe holds and what it costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Records, dead ones that no sweep has met yet included.
    pub objects: u64,
    /// Their encoded bytes in the block log.
    pub record_bytes: u64,
    /// Bytes allocated for index tables.
    pub index_bytes: u64,
    /// Bytes that secondary indexes take, about.
    pub sindex_bytes: u64,
    /// Bytes of blocks that hold or can take records, pooled blocks included.
    pub log_allocated_bytes: u64,
    /// Bytes of those blocks that have been written: live records, garbage and headers.
    pub log_used_bytes: u64,
    /// Bytes of all records that were ever put, since the start.
    pub put_bytes: u64,
    /// Of those, what was to be compressed, before and after that.
    pub packable_bytes: u64,
    /// See `packable_bytes`.
    pub packed_bytes: u64,
    /// Bytes of records that defragmentation has moved, since the start.
    pub moved_bytes: u64,
}

impl Counts {
    /// Bytes that all indexes take together.
    #[must_use]
    pub fn all_index_bytes(&self) -> u64 {
        self.index_bytes.saturating_add(self.sindex_bytes)
    }

    /// Adds another stripe's counts to this one.
    pub fn add(&mut self, other: Counts) {
        self.objects += other.objects;
        self.record_bytes += other.record_bytes;
        self.index_bytes += other.index_bytes;
        self.sindex_bytes += other.sindex_bytes;
        self.log_allocated_bytes += other.log_allocated_bytes;
        self.log_used_bytes += other.log_used_bytes;
        self.put_bytes += other.put_bytes;
        self.packable_bytes += other.packable_bytes;
        self.packed_bytes += other.packed_bytes;
        self.moved_bytes += other.moved_bytes;
    }
}

/// Objects and record bytes by set.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger {
    total: SetCounts,
    by_set: Vec<SetCounts>,
}

impl Ledger {
    pub(crate) fn total(&self) -> SetCounts {
        self.total
    }

    pub(crate) fn of(&self, set: SetId) -> SetCounts {
        self.by_set.get(set.index()).copied().unwrap_or_default()
    }

    /// A ledger of these sets, in the order of their numbers; none when they are more than there can be.
    pub(crate) fn of_sets(by_set: Vec<SetCounts>) -> Option<Ledger> {
        let sum = |total: SetCounts, counts: &SetCounts| {
            let objects = total.objects.checked_add(counts.objects)?;
            let record_bytes = total.record_bytes.checked_add(counts.record_bytes)?;
            Some(SetCounts { objects, record_bytes })
        };
        let total = by_set.iter().try_fold(SetCounts::default(), sum)?;
        Some(Ledger { total, by_set })
    }

    pub(crate) fn enter(&mut self, set: SetId, bytes: usize) {
        if self.by_set.len() <= set.index() {
            self.by_set.resize(set.index() + 1, SetCounts::default());
        }
        for counts in [&mut self.total, &mut self.by_set[set.index()]] {
            counts.objects += 1;
            counts.record_bytes += bytes as u64;
        }
    }

    pub(crate) fn leave(&mut self, set: SetId, bytes: usize) {
        for counts in [&mut self.total, &mut self.by_set[set.index()]] {
            counts.objects -= 1;
            counts.record_bytes -= bytes as u64;
        }
    }

    /// Every set that a record was ever entered for.
    pub(crate) fn sets(&self) -> impl Iterator<Item = (SetId, SetCounts)> {
        (0..=SetId::MAX).filter_map(SetId::new).zip(self.by_set.iter().copied())
    }
}
