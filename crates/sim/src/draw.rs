//! Chance: everything random in a life comes out of its seed, through here.

use rand::rngs::SmallRng;
use rand::{Rng, RngExt, SeedableRng};

/// Draws from a seed.
#[derive(Debug)]
pub struct Draw(SmallRng);

impl Draw {
    /// All draws follow from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Draw {
        Draw(SmallRng::seed_from_u64(seed))
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `end`; 0 when `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.0.random_range(0..end) }
    }

    /// A number from `from` to `to`, both included.
    pub fn between(&mut self, (from, to): (u64, u64)) -> u64 {
        self.0.random_range(from..=to.max(from))
    }

    /// True so many times of a thousand.
    pub fn chance(&mut self, permille: u64) -> bool {
        permille > 0 && self.below(1000) < permille
    }

    /// One of them.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        let index = self.below(from.len() as u64);
        from.get(usize::try_from(index).unwrap_or(0)).copied()
    }
}
