//! How long a copy of a record should live, from how its writes lie apart.
//!
//! Writes are taken for a Poisson process: with a mean gap `g` between them, a copy that lives `-ln(1 - p) g` meets a
//! write with the chance `p`. Of a record whose writes were not seen the time since its last one is all that is known; and
//! for one that was written often and then no more, that time says more than the old mean.

use super::leases::Writes;

/// What the configuration says about copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    /// A copy that should live shorter is not worth it.
    pub(super) min_ms: u64,
    /// No copy lives longer; 0 is none at all.
    pub(super) max_ms: u64,
    /// The chance in percent that a write comes while a copy lives; 1 to 99.
    pub(super) chance_pct: u64,
}

/// Milliseconds that a copy should live; 0 for none. `age_ms` is the time since the record's last write.
pub(super) fn estimate(bounds: Bounds, writes: Writes, age_ms: u64) -> u64 {
    let age_ms = writes.age_ms.unwrap_or(age_ms);
    let mean_ms = writes.gap_ms.map_or(age_ms, |gap| gap.max(age_ms));
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate"
    )]
    let life_ms = (-(1.0 - bounds.chance_pct as f64 / 100.0).ln() * mean_ms as f64) as u64;
    let life_ms = life_ms.min(bounds.max_ms);
    if life_ms < bounds.min_ms { 0 } else { life_ms }
}

#[cfg(test)]
mod tests {
    use super::{Bounds, estimate};
    use crate::sketch::leases::Writes;

    const BOUNDS: Bounds = Bounds { min_ms: 1000, max_ms: 3_600_000, chance_pct: 20 };

    #[test]
    fn lives_are_quantiles_within_bounds() {
        let seen = |gap_s: u64, age_s: u64| Writes { age_ms: Some(age_s * 1000), gap_ms: Some(gap_s * 1000) };
        // The guide's figures: a write every 600 s.
        assert_eq!(estimate(BOUNDS, seen(600, 0), 0) / 1000, 133);
        assert_eq!(estimate(Bounds { chance_pct: 50, ..BOUNDS }, seen(600, 0), 0) / 1000, 415);
        assert_eq!(estimate(Bounds { chance_pct: 10, ..BOUNDS }, seen(600, 0), 0) / 1000, 63);
        assert_eq!(estimate(BOUNDS, seen(1, 0), 0), 0, "not worth it");
        assert_eq!(estimate(BOUNDS, seen(1, 600), 0) / 1000, 133, "it has become calm");
        assert_eq!(estimate(BOUNDS, Writes::default(), 600_000) / 1000, 133);
        assert_eq!(estimate(BOUNDS, Writes::default(), u64::MAX / 2), 3_600_000);
        assert_eq!(estimate(Bounds { max_ms: 0, ..BOUNDS }, Writes::default(), 600_000), 0);
    }
}
