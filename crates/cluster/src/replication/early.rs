//! Entries that are here before their view is.
//!
//! Nodes install a view one after the other. What the quicker ones write in it waits at the slower ones, so that those writes
//! are held the moment the view is there, instead of being refused and sent again.

use super::effect::{Effect, Effects};
use super::records::Records;
use super::streams::Replication;
use crate::fabric::{At, Item, Message};
use crate::identity::NodeId;
use std::collections::VecDeque;

/// Bytes of entries that wait; what has no room is refused, and comes again.
const BYTES_MAX: usize = 256 << 10;
/// Views that are over and remembered: their entries do not wait.
const OVER_MAX: usize = 8;

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Early {
    /// The views before, newest last.
    over: VecDeque<u64>,
    entries: Vec<(NodeId, At, u64, Item<'static>)>,
    bytes: usize,
}

impl Early {
    /// This view is over.
    pub(super) fn note_over(&mut self, view: u64) {
        self.over.push_back(view);
        if self.over.len() > OVER_MAX {
            self.over.pop_front();
        }
    }

    /// Whether there is room for an entry of that view and size, and any sense in keeping it.
    fn takes(&self, view: u64, size: usize) -> bool {
        !self.over.contains(&view) && self.bytes.saturating_add(size) <= BYTES_MAX
    }
}

impl Replication {
    /// A message of another view: an entry of one to come is kept, an entry of one that is over refused.
    pub(super) fn keep_or_refuse(
        &mut self,
        from: NodeId,
        at: At,
        message: Message<'_>,
        effects: &mut Effects,
    ) {
        let Message::Replica { seq, item, .. } = message else { return };
        let size = item.size();
        if self.early.takes(at.view, size) {
            self.early.bytes += size;
            self.early.entries.push((from, at, seq, item.into_owned()));
            return;
        }
        self.counters.wrong_view += 1;
        effects.push(Effect::Send { to: from, message: Message::WrongView { at, known: self.view } });
    }

    /// Entries that came before their view have their turn, and are acknowledged. Call it after [`Replication::on_view`].
    pub fn catch_up(&mut self, records: &mut dyn Records, effects: &mut Effects) {
        self.early.bytes = 0;
        for (from, at, seq, item) in std::mem::take(&mut self.early.entries) {
            if at.view == self.view {
                self.on_entry(at, from, seq, item, records, effects);
            }
        }
        self.flush(effects);
    }
}
