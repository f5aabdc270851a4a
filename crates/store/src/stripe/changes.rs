//! How often the records of each partition have changed, so that whoever keeps what was read can tell whether it still is
//! what a reader would see.
//!
//! Guarantees: between two equal answers nobody has written, touched or removed a record of the set in that partition. The
//! reverse is not promised: sets share counters.

use super::{STRIPE_COUNT, Stripe, TABLE_COUNT};
use crate::index::Entry;
use crate::meta::SetId;
use shipload_value::PartitionId;

/// Counters of a partition. Sets whose numbers are equal modulo this share one.
const SLOTS: usize = 16;

/// The counters of a stripe.
#[derive(Debug)]
pub(super) struct Changes {
    counts: Box<[[u32; SLOTS]; TABLE_COUNT]>,
    /// A bit a counter: records of it may expire, or could once.
    fleeting: [u16; TABLE_COUNT],
}

impl Default for Changes {
    fn default() -> Changes {
        Changes { counts: Box::new([[0; SLOTS]; TABLE_COUNT]), fleeting: [0; TABLE_COUNT] }
    }
}

fn slot(set: SetId) -> usize {
    set.index() % SLOTS
}

impl Changes {
    /// A record of the partition is no longer what it was.
    #[inline]
    pub(super) fn note(&mut self, partition: PartitionId, set: SetId, void_time: u32) {
        let (place, slot) = (partition.index() / STRIPE_COUNT, slot(set));
        if let Some(count) = self.counts.get_mut(place).and_then(|counts| counts.get_mut(slot)) {
            *count = count.wrapping_add(1);
        }
        if void_time != 0
            && let Some(bits) = self.fleeting.get_mut(place)
        {
            *bits |= 1 << slot;
        }
    }

    /// The same for entries that arrive with a whole table.
    pub(super) fn note_table<'e>(&mut self, place: usize, entries: impl Iterator<Item = &'e Entry>) {
        let Some(bits) = self.fleeting.get_mut(place) else { return };
        *bits = entries
            .filter(|entry| entry.void_time() != 0)
            .fold(*bits, |bits, entry| bits | 1 << slot(entry.set()));
    }
}

impl Stripe {
    /// A number that moves with every change to a record of this set in this partition, since the stripe was made; none while
    /// a record may expire by itself.
    #[must_use]
    pub fn changes(&self, partition: PartitionId, set: SetId) -> Option<u32> {
        let (place, slot) = (partition.index() / STRIPE_COUNT, slot(set));
        let fleeting = self.changes.fleeting.get(place)? & 1 << slot != 0;
        self.changes.counts.get(place)?.get(slot).copied().filter(|_| !fleeting)
    }
}
