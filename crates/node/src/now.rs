//! Time as it is handed in: the engine never asks a clock.

/// Seconds from the Unix epoch to 2010-01-01T00:00:00Z, where the protocol's void times start.
pub const EPOCH_2010_S: u64 = 1_262_304_000;

/// One moment on two clocks. The shell reads both once per turn of its event loop and hands them in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Wall clock: nanoseconds since the Unix epoch. Stamps records; may jump.
    pub unix_ns: u64,
    /// Monotonic clock: nanoseconds since any fixed moment of this process. Paces work; never goes back.
    pub mono_ns: u64,
}

impl Now {
    /// Whole seconds since 2010-01-01, the unit of void times; 0 for earlier moments.
    #[must_use]
    pub fn since_2010_s(self) -> u32 {
        let seconds = (self.unix_ns / 1_000_000_000).saturating_sub(EPOCH_2010_S);
        u32::try_from(seconds).unwrap_or(u32::MAX)
    }

    /// Whole milliseconds on the monotonic clock: the time that the cluster's machines reckon with.
    #[must_use]
    pub fn mono_ms(self) -> u64 {
        self.mono_ns / 1_000_000
    }

    /// Whole milliseconds since 2010-01-01, the unit of last-update times.
    #[must_use]
    pub fn since_2010_ms(self) -> u64 {
        (self.unix_ns / 1_000_000).saturating_sub(EPOCH_2010_S * 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::{EPOCH_2010_S, Now};

    #[test]
    fn epochs() {
        let now = Now { unix_ns: (EPOCH_2010_S + 5) * 1_000_000_000 + 7_999_999, mono_ns: 0 };
        assert_eq!(now.since_2010_s(), 5);
        assert_eq!(now.since_2010_ms(), 5007);
        assert_eq!(Now { unix_ns: 0, mono_ns: 0 }.since_2010_ms(), 0);
    }
}
