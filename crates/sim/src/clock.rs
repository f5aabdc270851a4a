//! Clocks of a node: both may be wrong, each in its own way.

use shipload_node::Now;

/// 2026-09-21, when all lives begin, as Unix nanoseconds.
const START_UNIX_NS: u64 = 1_790_000_000_000_000_000;

/// The two clocks of a node, as functions of the simulator's time.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// What the monotonic clock showed when the world began, nanoseconds.
    pub mono_base_ns: u64,
    /// By how much the monotonic clock runs too fast, in millionths.
    pub fast_ppm: u64,
    /// By how much the wall clock is ahead, nanoseconds; may be below zero.
    pub skew_ns: i64,
}

impl Clock {
    /// What the node reads at this moment of the world, in microseconds.
    #[must_use]
    pub fn now(&self, world_us: u64) -> Now {
        let passed_ns = world_us * 1000 + world_us * self.fast_ppm / 1000;
        Now {
            unix_ns: (START_UNIX_NS + world_us * 1000).saturating_add_signed(self.skew_ns),
            mono_ns: self.mono_base_ns + passed_ns,
        }
    }

    /// When the monotonic clock will show this, in the world's microseconds.
    #[must_use]
    pub fn world_us(&self, mono_ns: u64) -> u64 {
        let passed_ns = mono_ns.saturating_sub(self.mono_base_ns);
        let passed = u128::from(passed_ns) * 1_000_000 / u128::from(1_000_000 + self.fast_ppm);
        u64::try_from(passed.div_ceil(1000)).unwrap_or(u64::MAX).saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::Clock;

    #[test]
    fn waking_up_is_never_too_early() {
        let clock = Clock { mono_base_ns: 77, fast_ppm: 300, skew_ns: -5 };
        for mono_ns in [77, 1_000_000, 5_000_000_123, 900_000_000_001] {
            assert!(clock.now(clock.world_us(mono_ns)).mono_ns >= mono_ns);
        }
    }
}
