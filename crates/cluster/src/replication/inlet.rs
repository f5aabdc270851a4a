//! The receiving end of a stream.

use crate::fabric::Item;
use crate::identity::NodeId;
use std::collections::BTreeMap;

/// Entries that may wait for those before them. What comes even earlier is dropped and will be sent again.
const AHEAD_MAX: u64 = 4096;

/// The receiving end of a stream: how far it is applied, and what came too early.
#[derive(Debug)]
pub(super) struct Inlet {
    pub(super) from: NodeId,
    applied: u64,
    early: BTreeMap<u64, Item<'static>>,
    /// An acknowledgement is owed.
    pub(super) owes_ack: bool,
}

impl Inlet {
    pub(super) fn new(from: NodeId) -> Inlet {
        Inlet { from, applied: 0, early: BTreeMap::new(), owes_ack: false }
    }

    /// Everything up to here is applied.
    pub(super) fn applied(&self) -> u64 {
        self.applied
    }

    /// Whether the entry is the next one, and nothing waits.
    pub(super) fn is_next(&self, seq: u64) -> bool {
        seq == self.applied + 1 && self.early.is_empty()
    }

    /// Keeps an entry for its turn.
    pub(super) fn keep(&mut self, seq: u64, item: Item<'_>) {
        if seq > self.applied && seq <= self.applied + AHEAD_MAX {
            self.early.entry(seq).or_insert_with(|| item.into_owned());
        }
    }

    /// The entry whose turn it is, if it is here.
    pub(super) fn peek(&self) -> Option<&Item<'static>> {
        self.early.get(&(self.applied + 1))
    }

    /// The entry whose turn it is has been applied.
    pub(super) fn advance(&mut self) -> Option<Item<'static>> {
        self.applied += 1;
        self.early.remove(&self.applied)
    }

    pub(super) fn assert_invariants(&self) {
        assert!(self.early.keys().all(|&seq| seq > self.applied), "what is applied does not wait");
        assert!(self.early.len() as u64 <= AHEAD_MAX, "the entries that wait are bounded");
    }
}
