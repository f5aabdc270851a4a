//! Damage that is met while blocks are read back, until somebody asks for it.
//!
//! Guarantees: each block is counted once; once damaged records are known of, no index snapshot of this state counts
//! any more, so that the next start reads all blocks.

use super::{Place, SkippedSlot, Trouble, Volume, lock};
use std::sync::atomic::Ordering;

/// What is remembered at most until it is asked for; the count goes on.
const KEPT_MAX: usize = 20;

impl Volume {
    /// Notes that something is wrong with the block at `place`.
    pub(crate) fn note_trouble(&self, place: Place, trouble: Trouble) {
        self.counts.damaged_blocks.fetch_add(1, Ordering::Relaxed);
        if matches!(trouble, Trouble::Unreadable { .. }) {
            // A device that can't be written to says so itself.
            let _ = self.unmark();
        }
        let mut troubles = lock(&self.troubles);
        if troubles.len() < KEPT_MAX {
            troubles.push(self.skipped(place, trouble));
        }
    }

    /// The damage that was met since the last call.
    pub fn take_troubles(&self) -> Vec<SkippedSlot> {
        std::mem::take(&mut *lock(&self.troubles))
    }
}
