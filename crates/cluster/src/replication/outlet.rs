//! The sending end of a stream.

use super::effect::WriteId;
use crate::fabric::Item;
use std::collections::VecDeque;

/// An entry that is not acknowledged yet.
#[derive(Debug, Clone)]
pub(super) struct Queued {
    pub(super) seq: u64,
    pub(super) item: Item<'static>,
    /// The client's write that it belongs to; none for what migration sends.
    pub(super) write: Option<WriteId>,
}

/// The sending end of a stream: what was sent and is not acknowledged.
#[derive(Debug, Default)]
pub(super) struct Outlet {
    last: u64,
    queue: VecDeque<Queued>,
    bytes: usize,
    /// When something was last sent or acknowledged.
    moved_ms: u64,
}

impl Outlet {
    /// Appends an entry and tells its sequence.
    pub(super) fn push(&mut self, now_ms: u64, item: Item<'static>, write: Option<WriteId>) -> u64 {
        self.last += 1;
        if self.queue.is_empty() {
            self.moved_ms = now_ms;
        }
        self.bytes += item.size();
        self.queue.push_back(Queued { seq: self.last, item, write });
        self.last
    }

    /// Takes off what is acknowledged up to `seq`.
    pub(super) fn acked(&mut self, now_ms: u64, seq: u64, mut each: impl FnMut(Queued)) {
        while self.queue.front().is_some_and(|queued| queued.seq <= seq) {
            let Some(queued) = self.queue.pop_front() else { return };
            self.bytes -= queued.item.size();
            self.moved_ms = now_ms;
            each(queued);
        }
    }

    /// What has to be sent again, when nothing has moved for `patience_ms`; at most `count` entries.
    pub(super) fn overdue(
        &mut self,
        now_ms: u64,
        patience_ms: u64,
        count: usize,
    ) -> Vec<(u64, Item<'static>)> {
        if self.queue.is_empty() || now_ms < self.moved_ms + patience_ms {
            return Vec::new();
        }
        self.moved_ms = now_ms;
        self.queue.iter().take(count).map(|queued| (queued.seq, queued.item.clone())).collect()
    }

    /// Makes the next look find it overdue after `delay_ms`, given the same patience.
    pub(super) fn hurry(&mut self, now_ms: u64, patience_ms: u64, delay_ms: u64) {
        self.moved_ms = (now_ms + delay_ms).saturating_sub(patience_ms);
    }

    pub(super) fn queue(&self) -> &VecDeque<Queued> {
        &self.queue
    }

    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Everything up to here is acknowledged.
    pub(super) fn acked_seq(&self) -> u64 {
        self.queue.front().map_or(self.last, |queued| queued.seq - 1)
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn assert_invariants(&self) {
        let mut expected = self.acked_seq();
        for queued in &self.queue {
            expected += 1;
            assert_eq!(queued.seq, expected, "the queue of a stream has no gap");
        }
        assert_eq!(expected, self.last, "the queue of a stream ends at its last entry");
        assert_eq!(
            self.bytes,
            self.queue.iter().map(|queued| queued.item.size()).sum::<usize>(),
            "bytes of a stream"
        );
    }
}
