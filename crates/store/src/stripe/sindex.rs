//! The stripe's secondary indexes: installing them, filling them, reading them.

use super::{STRIPE_COUNT, Stripe};
use crate::index::Location;
use crate::record::RecordRef;
use crate::sindex::{IndexSeek, IndexUsage, Indexes, KeySource, RetiredIndex};
use crate::stripe::stripe_of;
use shipload_value::{Digest, PartitionId};
use std::sync::Arc;

impl Stripe {
    /// Asks this source for the keys of records from now on. Indexes that it does not know should be retired.
    pub fn set_key_source(&mut self, source: Option<Arc<dyn KeySource>>) {
        match (source, &mut self.indexes) {
            (None, indexes) => *indexes = None,
            (Some(source), Some(indexes)) => indexes.set_source(source),
            (Some(source), indexes @ None) => *indexes = Some(Box::new(Indexes::new(source))),
        }
    }

    /// Takes all entries of an index out of the stripe.
    pub fn retire_index(&mut self, index: u16) -> RetiredIndex {
        self.indexes.as_mut().map(|indexes| indexes.retire(index)).unwrap_or_default()
    }

    /// Enters at most `budget` records of a partition into an index, in descending digest order below `after`; tells
    /// where to go on, or none when the partition is done.
    pub fn fill_index(
        &mut self,
        index: u16,
        partition: PartitionId,
        after: Option<&Digest>,
        budget: usize,
    ) -> Option<Digest> {
        let mut indexes = self.indexes.take()?;
        let mut records = self.scan(partition, after);
        let mut last = None;
        for record in records.by_ref().take(budget.max(1)) {
            indexes.fill(index, &record);
            last = Some(record.digest());
        }
        let next = records.next().and(last);
        drop(records);
        self.indexes = Some(indexes);
        next
    }

    /// The entries of an index as key and digest, from a place on, as far as the keys do not exceed `last`: by key,
    /// then by partition, then by digest.
    pub fn index_range(
        &self,
        index: u16,
        from: IndexSeek,
        last: i64,
    ) -> impl Iterator<Item = (i64, Digest)> + use<'_> {
        let stripe = self.log.stripe();
        self.indexes.iter().flat_map(move |indexes| indexes.range(stripe, index, from, last))
    }

    /// The records of a partition that are entered with this key, in descending digest order below `after`.
    pub fn index_descending(
        &self,
        index: u16,
        key: i64,
        partition: PartitionId,
        after: Option<&Digest>,
    ) -> impl Iterator<Item = RecordRef<'_>> {
        let stripe = self.log.stripe();
        let indexes = self.indexes.as_ref();
        let digests = indexes.map(|indexes| indexes.descending(stripe, index, key, partition, after));
        digests.into_iter().flatten().filter_map(|digest| self.get(&digest))
    }

    /// What an index holds in this stripe.
    #[must_use]
    pub fn index_usage(&self, index: u16) -> IndexUsage {
        self.indexes.as_ref().map(|indexes| indexes.usage(index)).unwrap_or_default()
    }

    /// Bytes that all secondary indexes of the stripe take, about.
    #[must_use]
    pub fn sindex_bytes(&self) -> u64 {
        self.indexes.as_ref().map_or(0, |indexes| indexes.bytes())
    }

    /// Checks that an index holds exactly the keys of the stripe's records. Slow; for tests.
    ///
    /// # Panics
    /// When it does not.
    pub fn assert_index(&self, index: u16) {
        let stripe = self.log.stripe();
        assert!(stripe < STRIPE_COUNT);
        let partitions = PartitionId::all().filter(|&partition| stripe_of(partition) == stripe);
        let records = partitions.flat_map(|partition| self.scan(partition, None));
        match &self.indexes {
            Some(indexes) => indexes.assert_holds(stripe, index, records),
            None => assert_eq!(self.index_usage(index), IndexUsage::default()),
        }
    }

    /// Notes the keys of the record at a location before it changes; none for a new record.
    #[inline]
    pub(super) fn keys_before(&mut self, location: Option<Location>) {
        if let Some(indexes) = &mut self.indexes {
            let record = location.map(|location| self.log.record(location));
            indexes.note_old(record.as_ref());
        }
    }

    /// Puts the indexes right after a change; none for a record that is gone.
    #[inline]
    pub(super) fn keys_after(&mut self, digest: &Digest, location: Option<Location>) {
        if let Some(indexes) = &mut self.indexes {
            let record = location.map(|location| self.log.record(location));
            indexes.follow(digest, record.as_ref());
        }
    }
}
