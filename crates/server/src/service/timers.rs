//! Moments at which a connection wants to be looked at again, earliest first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Who set a timer: a slot, and the serial number of the connection that sat there then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Owner {
    /// Slot in the thread's table of connections.
    pub(super) slot: usize,
    /// Number of the connection; slots are used again, these never.
    pub(super) serial: u64,
}

/// Timers of one thread. A timer whose owner is gone fires and is ignored.
#[derive(Debug, Default)]
pub(super) struct Timers(BinaryHeap<Reverse<(u64, Owner)>>);

impl Timers {
    /// Fires once the monotonic clock has reached `mono_ns`.
    pub(super) fn set(&mut self, mono_ns: u64, owner: Owner) {
        self.0.push(Reverse((mono_ns, owner)));
    }

    /// When the earliest fires.
    pub(super) fn next_mono_ns(&self) -> Option<u64> {
        self.0.peek().map(|Reverse((mono_ns, _))| *mono_ns)
    }

    /// The earliest whose time has come.
    pub(super) fn due(&mut self, mono_ns: u64) -> Option<Owner> {
        if self.next_mono_ns()? > mono_ns {
            return None;
        }
        self.0.pop().map(|Reverse((_, owner))| owner)
    }
}
