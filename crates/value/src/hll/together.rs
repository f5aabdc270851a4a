//! Several HLLs at once: unions, intersections, similarity.
//!
//! HLLs of different shapes meet in the smallest: the fewest index bits, and minhashes only when all have the same.

use super::estimate::{chance_matches, count, float, rounded, signed};
use super::sketch::{Shape, Sketch};
use crate::Refusal;

/// Most HLLs whose intersection can be told without minhashes, the bin's counted.
const MAX_WITHOUT_MINHASH: usize = 3;

/// The union. There is at least one HLL.
pub(super) fn union(sketches: &[Sketch]) -> Sketch {
    let mut union = Sketch::empty(meeting_shape(sketches));
    sketches.iter().for_each(|sketch| union.take_in(sketch));
    union
}

/// How many values are in all of them, about.
pub(super) fn intersect_count(sketches: &[Sketch]) -> Result<i64, Refusal> {
    if meeting_shape(sketches).minhash_bits == 0 {
        return intersect_by_counting(sketches);
    }
    let all = count(&union(sketches));
    Ok(rounded(similarity(sketches)? * signed(all)))
}

/// The share of values that are in all of them, among those that are in any.
pub(super) fn similarity(sketches: &[Sketch]) -> Result<f64, Refusal> {
    let shape = meeting_shape(sketches);
    if shape.minhash_bits == 0 {
        let (both, all) = (intersect_by_counting(sketches)?, count(&union(sketches)));
        return Ok(if all == 0 { 0.0 } else { signed(both) / signed(all) });
    }
    let (mut same, mut touched) = (0_usize, 0_usize);
    let mut registers: Vec<_> = sketches.iter().map(Sketch::registers).collect();
    for _ in 0..shape.registers() {
        let mut row = registers.iter_mut().filter_map(Iterator::next);
        let first = row.next().unwrap_or(0);
        let (mut equal, mut any) = (true, first != 0);
        for register in row {
            equal &= register == first;
            any |= register != 0;
        }
        same = same.saturating_add(usize::from(equal && any));
        touched = touched.saturating_add(usize::from(any));
    }
    if touched == 0 {
        return Ok(0.0);
    }
    let chance = match sketches {
        [a, b] => chance_matches(count(a), count(b), shape),
        _ => 0.0,
    };
    Ok(((float(same) - chance) / float(touched)).max(0.0))
}

/// The intersection of two or three by adding and taking away the counts of unions.
fn intersect_by_counting(sketches: &[Sketch]) -> Result<i64, Refusal> {
    if sketches.len() > MAX_WITHOUT_MINHASH {
        return Err(Refusal::NotApplicable);
    }
    let pair = |a: &Sketch, b: &Sketch| count(&union(&[a.clone(), b.clone()]));
    let total = match sketches {
        [a] => count(a),
        [a, b] => count(a).saturating_add(count(b)).saturating_sub(pair(a, b)),
        [a, b, c] => {
            let single = count(a).saturating_add(count(b)).saturating_add(count(c));
            let pairs = pair(a, b).saturating_add(pair(a, c)).saturating_add(pair(b, c));
            single.saturating_sub(pairs).saturating_add(count(&union(sketches)))
        }
        _ => 0,
    };
    Ok(total.max(0))
}

/// The shape in which all of them can meet.
fn meeting_shape(sketches: &[Sketch]) -> Shape {
    let shapes = || sketches.iter().map(Sketch::shape);
    let first = shapes().next().unwrap_or(Shape { index_bits: 4, minhash_bits: 0 });
    if shapes().all(|shape| shape == first) {
        return first;
    }
    let index_bits = shapes().map(|shape| shape.index_bits).min().unwrap_or(first.index_bits);
    Shape { index_bits, minhash_bits: 0 }
}
