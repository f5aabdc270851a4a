//! From registers to counts.
//!
//! The estimator is Otmar Ertl's ("New cardinality estimation algorithms for `HyperLogLog` sketches", 2017), with the
//! correction factors of the first `HyperLogLog` paper for small register counts; the expected number of chance
//! matches between minhashes is that of Yu and Weber ("`HyperMinHash`: `MinHash` in `LogLog` space", 2017). Both agree with
//! the recorded server.

use super::sketch::{Shape, Sketch};

/// The largest rank plus one: ranks are 1 to 63, 0 is an untouched register.
const RANKS: usize = 64;

/// How many different values were added, about.
pub(super) fn count(sketch: &Sketch) -> i64 {
    let mut histogram = [0.0_f64; RANKS];
    for rank in sketch.ranks() {
        if let Some(slot) = usize::try_from(rank).ok().and_then(|rank| histogram.get_mut(rank)) {
            *slot += 1.0;
        }
    }
    let registers = float(sketch.shape().registers());
    let [untouched, ranked @ ..] = histogram;
    let mut sum = 0.0;
    for number in ranked.iter().rev() {
        sum = (sum + number) * 0.5;
    }
    sum += registers * sigma(untouched / registers);
    rounded(alpha(registers) * registers * registers / sum)
}

/// The correction factor for a number of registers.
fn alpha(registers: f64) -> f64 {
    if registers <= 16.0 {
        0.673
    } else if registers <= 32.0 {
        0.697
    } else if registers <= 64.0 {
        0.709
    } else {
        0.7213 / (1.0 + 1.079 / registers)
    }
}

/// What untouched registers add; infinite when there are no others.
fn sigma(mut x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut sum) = (1.0, x);
    loop {
        x *= x;
        let before = sum;
        sum += x * y;
        y += y;
        if sum <= before {
            return sum;
        }
    }
}

/// How many registers of two sets of these sizes hold the same minhash by chance, about.
pub(super) fn chance_matches(a: i64, b: i64, shape: Shape) -> f64 {
    let (more, less) = (signed(a.max(b)), signed(a.min(b)));
    let registers = float(shape.registers());
    let minhashes = 2.0_f64.powi(i32::from(shape.minhash_bits));
    if more > registers * 32.0 {
        let ratio = more / less.max(1.0);
        return 0.169_919_487_159_739_1 * registers / minhashes * 4.0 * ratio / (1.0 + ratio).powi(2);
    }
    let mut sum = 0.0;
    let mut share = 1.0 / registers;
    for _ in 1..RANKS {
        let (low, high) = (1.0 - share, 1.0 - share * 0.5);
        sum += (high.powf(more) - low.powf(more)) * (high.powf(less) - low.powf(less));
        share *= 0.5;
    }
    sum * registers / minhashes
}

/// The nearest integer; none for what is not a number.
#[allow(clippy::cast_possible_truncation)]
pub(super) fn rounded(value: f64) -> i64 {
    value.round() as i64
}

/// A count as a float.
#[allow(clippy::cast_precision_loss)]
pub(super) fn signed(value: i64) -> f64 {
    value as f64
}

/// A number of registers as a float.
#[allow(clippy::cast_precision_loss)]
pub(super) fn float(value: usize) -> f64 {
    value as f64
}
