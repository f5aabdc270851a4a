//! Dropping a partition that belongs to others now: one durable mark instead of a tombstone for each record.
//!
//! Guarantees: what lies before the mark of its partition never comes back, once the mark is kept; what is written to the
//! partition later does. In memory there are no marks.
//!
//! The idea: a stripe's log has one order, so "all until here" is a place in it.

use super::{STRIPE_COUNT, Stripe};
use crate::index::Location;
use shipload_value::PartitionId;

/// A place in a stripe's log: everything that was written before it is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct DropMark {
    /// Sequence of a block.
    pub sequence: u64,
    /// Where in that block.
    pub offset: u32,
}

impl Stripe {
    /// Removes all records of a partition, and its tombstones. The mark, if there is one, must be kept before anything
    /// that is written after this.
    pub fn drop_partition(&mut self, partition: PartitionId) -> Option<DropMark> {
        let is_here = |digest: &shipload_value::Digest| digest.partition() == partition;
        let tombs = self.tombs.as_mut().map(|tombs| tombs.take(is_here)).unwrap_or_default();
        let mut anything = !tombs.is_empty();
        tombs.into_iter().for_each(|tomb| self.release_tomb(tomb.location));
        let last = |stripe: &Stripe| stripe.table(partition).descend(usize::MAX).next().map(|(slot, _)| slot);
        while let Some(slot) = last(self) {
            anything = true;
            self.remove_slot(partition, slot);
        }
        if !anything || self.tombs.is_none() {
            return None;
        }
        let (sequence, offset) = self.log.end();
        let mark = DropMark { sequence, offset };
        self.heed(partition, mark);
        Some(mark)
    }

    /// What lies before this mark in the log is not loaded for this partition.
    pub fn heed(&mut self, partition: PartitionId, mark: DropMark) {
        if let Some(place) = self.drops.get_mut(partition.index() / STRIPE_COUNT) {
            *place = (*place).max(mark);
        }
        // Whatever is written next lies behind the mark, even when no block is left.
        self.log.skip_to(mark.sequence);
    }

    pub(super) fn is_dropped(&self, partition: PartitionId, location: Location) -> bool {
        let (sequence, offset) = self.log.order(location);
        let mark = self.drops.get(partition.index() / STRIPE_COUNT);
        mark.is_some_and(|mark| DropMark { sequence, offset } < *mark)
    }
}
