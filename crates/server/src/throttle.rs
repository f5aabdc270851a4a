//! Warnings that strangers can cause, at most one a second of each kind.
//!
//! Whoever sends nonsense must not fill the disk with log lines. What was left out is counted and told with the
//! next line that passes.

use std::sync::atomic::{AtomicU64, Ordering};

const INTERVAL_NS: u64 = 1_000_000_000;

/// Lets one event a second pass and counts the others.
#[derive(Debug, Default)]
pub struct Throttle {
    next_mono_ns: AtomicU64,
    left_out: AtomicU64,
}

impl Throttle {
    /// Whether an event may be logged now, and how many were left out since the last one.
    pub fn pass(&self, mono_ns: u64) -> Option<u64> {
        let next = self.next_mono_ns.load(Ordering::Relaxed);
        let taken = mono_ns >= next
            && self
                .next_mono_ns
                .compare_exchange(next, mono_ns + INTERVAL_NS, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if taken {
            return Some(self.left_out.swap(0, Ordering::Relaxed));
        }
        self.left_out.fetch_add(1, Ordering::Relaxed);
        None
    }
}

/// One throttle for each kind of warning.
#[derive(Debug, Default)]
pub struct Throttles {
    /// A frame that the protocol does not allow.
    pub bad_frame: Throttle,
    /// A connection over the limit.
    pub too_many: Throttle,
    /// Accepting failed.
    pub accept: Throttle,
    /// A client that does not read its replies.
    pub stalled: Throttle,
    /// A link between nodes was refused.
    pub fabric: Throttle,
}

#[cfg(test)]
mod tests {
    use super::Throttle;

    #[test]
    fn one_a_second_passes_and_the_rest_is_counted() {
        let throttle = Throttle::default();
        assert_eq!(throttle.pass(5), Some(0));
        assert_eq!(throttle.pass(6), None);
        assert_eq!(throttle.pass(7), None);
        assert_eq!(throttle.pass(1_000_000_005), Some(2));
    }
}
