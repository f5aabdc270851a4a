//! How fast a query may read.

use crate::now::Now;

/// The pace of a query: records a second since its start.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pace {
    rps: u64,
    started_mono_ns: Option<u64>,
    records: u64,
}

impl Pace {
    /// At most `rps` records a second; 0 for no limit.
    pub(crate) fn new(rps: u32) -> Pace {
        Pace { rps: u64::from(rps), ..Pace::default() }
    }

    /// Whether records are counted at all.
    pub(crate) fn is_limited(&self) -> bool {
        self.rps != 0
    }

    /// When the next record may be read, if not now.
    pub(crate) fn wait_until(&mut self, now: Now) -> Option<u64> {
        let started = *self.started_mono_ns.get_or_insert(now.mono_ns);
        let due_ns = u128::from(self.records) * 1_000_000_000 / u128::from(self.rps.max(1));
        let due = started.saturating_add(u64::try_from(due_ns).unwrap_or(u64::MAX));
        (self.rps != 0 && due > now.mono_ns).then_some(due)
    }

    /// Counts a record.
    pub(crate) fn count(&mut self) {
        self.records += 1;
    }
}
