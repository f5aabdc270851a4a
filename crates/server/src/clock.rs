//! The only place that asks the operating system what time it is.
//!
//! A [`Clock`] gives both clocks of [`Now`] for the price of one: the wall clock is kept as an offset to the
//! monotonic one and read again only every few milliseconds, so that a request costs one clock read.

use shipload_node::Now;
use std::time::{Duration, Instant, SystemTime};

/// How old the offset between the two clocks may become.
const REFRESH_NS: u64 = 10_000_000;

/// The process's start on the monotonic clock; shared, so that all threads count from the same moment.
#[derive(Debug, Clone, Copy)]
pub struct Start(Instant);

impl Start {
    /// The present moment.
    #[must_use]
    pub fn now() -> Start {
        Start(Instant::now())
    }

    /// Nanoseconds since then; never 0.
    #[must_use]
    pub fn elapsed_ns(self) -> u64 {
        nanoseconds(self.0.elapsed()).saturating_add(1)
    }
}

/// A thread's own clock.
#[derive(Debug)]
pub struct Clock {
    start: Start,
    /// Wall clock minus monotonic clock.
    offset_ns: u64,
    refreshed_mono_ns: u64,
}

impl Clock {
    /// A clock whose monotonic side counts from `start`.
    #[must_use]
    pub fn new(start: Start) -> Clock {
        let mono_ns = start.elapsed_ns();
        Clock { start, offset_ns: wall_ns().saturating_sub(mono_ns), refreshed_mono_ns: mono_ns }
    }

    /// Both clocks.
    pub fn now(&mut self) -> Now {
        let mono_ns = self.start.elapsed_ns();
        if mono_ns.saturating_sub(self.refreshed_mono_ns) > REFRESH_NS {
            self.offset_ns = wall_ns().saturating_sub(mono_ns);
            self.refreshed_mono_ns = mono_ns;
        }
        Now { unix_ns: self.offset_ns.saturating_add(mono_ns), mono_ns }
    }
}

/// Nanoseconds of a duration, at most `u64::MAX` (584 years).
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Nanoseconds since the Unix epoch; 0 when the machine's clock stands before it.
fn wall_ns() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, nanoseconds)
}
