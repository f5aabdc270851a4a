//! Sorting and searching encoded values.
//!
//! Guarantees: stable, and no comparison, however contradictory, makes it panic: wildcards equal everything, so
//! bytes that never went through admission may have no order at all. (The standard sort may panic then.)

use crate::msgpack::{Item, Reader};
use crate::order;
use std::cmp::Ordering;
use std::ops::Range;

/// The numbers below `count`, sorted by what `compare` says of two of them; equals keep their order.
pub(super) fn permutation(count: usize, compare: impl Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut sorted: Vec<usize> = (0..count).collect();
    let mut other = sorted.clone();
    let mut width = 1;
    while width < count {
        other.clear();
        for run in sorted.chunks(width.saturating_mul(2)) {
            let (left, right) = run.split_at(width.min(run.len()));
            merge(left, right, &compare, &mut other);
        }
        std::mem::swap(&mut sorted, &mut other);
        width = width.saturating_mul(2);
    }
    sorted
}

/// Appends two sorted runs as one.
fn merge(left: &[usize], right: &[usize], compare: &impl Fn(usize, usize) -> Ordering, out: &mut Vec<usize>) {
    let (mut left, mut right) = (left.iter().copied().peekable(), right.iter().copied().peekable());
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        let next = if compare(*a, *b) == Ordering::Greater { right.next() } else { left.next() };
        out.extend(next);
    }
    out.extend(left);
    out.extend(right);
}

/// The positions of encoded values, in the order of the values.
pub(super) fn by_value(values: &[&[u8]]) -> Vec<usize> {
    let at = |index: usize| values.get(index).copied().unwrap_or_default();
    permutation(values.len(), |a, b| order::compare(at(a), at(b)))
}

/// Compares a stored value with one that is looked for: as the order says, but looking for not-a-number finds every
/// double, as recorded.
pub(super) fn against(stored: &[u8], wanted: &[u8]) -> Ordering {
    let order = order::compare(stored, wanted);
    let double = |bytes: &[u8]| match Reader::new(bytes).read() {
        Ok(Item::Double(value)) => Some(value),
        _ => None,
    };
    if order == Ordering::Greater && double(wanted).is_some_and(f64::is_nan) && double(stored).is_some() {
        return Ordering::Equal;
    }
    order
}

/// From how many values that are looked for it pays to sort those that are searched.
pub(super) const MANY: usize = 16;

/// Values with their ranks.
pub(super) struct Ranked<'a> {
    /// The position of each rank's value.
    pub(super) by_rank: Vec<usize>,
    sorted: Vec<&'a [u8]>,
}

impl<'a> Ranked<'a> {
    /// Ranks these values.
    pub(super) fn of(values: &[&'a [u8]]) -> Ranked<'a> {
        let by_rank = by_value(values);
        let sorted = by_rank.iter().filter_map(|index| values.get(*index).copied()).collect();
        Ranked { by_rank, sorted }
    }

    /// The ranks of the values that equal this; empty ranks stand where it would be.
    pub(super) fn equal(&self, value: &[u8]) -> Range<usize> {
        let below = lower_bound(&self.sorted, value);
        let end = self.sorted.partition_point(|other| against(other, value) != Ordering::Greater);
        below..end.max(below)
    }

    /// The positions of the values at these ranks.
    pub(super) fn positions(&self, ranks: Range<usize>) -> &[usize] {
        self.by_rank.get(ranks).unwrap_or_default()
    }
}

/// How many of the sorted `values` are less than `value`.
pub(super) fn lower_bound(values: &[&[u8]], value: &[u8]) -> usize {
    values.partition_point(|other| against(other, value) == Ordering::Less)
}
