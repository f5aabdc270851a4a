//! Sorting and searching encoded values.
//!
//! Guarantees: stable, and no comparison, however contradictory, makes it panic: wildcards equal everything, so
//! bytes that never went through admission may have no order at all. (The standard sort may panic then.)
//!
//! Scalars are ordered by a number that is made of each of them once (`Key`): most pairs are told apart by it, and
//! the encodings are compared for the rest only. Where only some ranks are asked for, only these are sorted.

use super::cut::{Cut, partition_point};
use super::key::Key;
use crate::order;
use std::cmp::Ordering;
use std::ops::Range;

/// Values that have positions.
pub(super) trait Values {
    /// How many there are.
    fn count(&self) -> usize;
    /// The encoding of the value at a position.
    fn at(&self, position: usize) -> &[u8];
}

impl Values for Cut<'_> {
    fn count(&self) -> usize {
        self.count()
    }

    fn at(&self, position: usize) -> &[u8] {
        self.at(position)
    }
}

impl Values for Vec<&[u8]> {
    fn count(&self) -> usize {
        self.len()
    }

    fn at(&self, position: usize) -> &[u8] {
        self.get(position).copied().unwrap_or_default()
    }
}

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
pub(super) fn by_value(values: &impl Values) -> Vec<usize> {
    at_ranks(values, 0..values.count())
}

/// The positions of the values at these ranks, in the order of the values; equal values are ranked by position.
pub(super) fn at_ranks(values: &impl Values, ranks: Range<usize>) -> Vec<usize> {
    let count = values.count();
    let ranks = ranks.start.min(count)..ranks.end.min(count);
    let all = 0..count;
    if ranks.is_empty() {
        return Vec::new();
    }
    let numbers: Option<Vec<(i64, usize)>> =
        all.clone().map(|position| Some((integer(values.at(position))?, position))).collect();
    if let Some(mut numbers) = numbers {
        return select(&mut numbers, ranks, Ord::cmp).iter().map(|(_, position)| *position).collect();
    }
    let keys: Option<Vec<(Key, usize)>> =
        all.map(|position| Some((Key::of(values.at(position))?, position))).collect();
    if let Some(mut keys) = keys {
        // Keys stand for scalars only, and these have a total order.
        let compare = |a: &(Key, usize), b: &(Key, usize)| {
            let order = a.0.compare(b.0).unwrap_or_else(|| order::compare(values.at(a.1), values.at(b.1)));
            order.then(a.1.cmp(&b.1))
        };
        return select(&mut keys, ranks, compare).iter().map(|(_, position)| *position).collect();
    }
    let sorted = permutation(count, |a, b| order::compare(values.at(a), values.at(b)));
    sorted.get(ranks).unwrap_or_default().to_vec()
}

/// The entries at these ranks, sorted; the others are not sorted. `compare` is a total order without equals.
fn select<T>(entries: &mut [T], ranks: Range<usize>, compare: impl Fn(&T, &T) -> Ordering) -> &[T] {
    let Range { start, end } = ranks;
    let mut wanted = entries;
    if end < wanted.len() {
        (wanted, _, _) = wanted.select_nth_unstable_by(end, &compare);
    }
    if start > 0 && start < wanted.len() {
        wanted.select_nth_unstable_by(start, &compare);
    }
    let wanted = wanted.get_mut(start..).unwrap_or_default();
    wanted.sort_unstable_by(compare);
    wanted
}

/// The value of an integer that is not above 2^63 - 1.
fn integer(encoded: &[u8]) -> Option<i64> {
    Some(match *encoded {
        [code @ 0..=0x7f] => i64::from(code),
        [code @ 0xe0..=0xff] => i64::from(code.cast_signed()),
        [0xcc, a] => i64::from(a),
        [0xcd, a, b] => i64::from(u16::from_be_bytes([a, b])),
        [0xce, a, b, c, d] => i64::from(u32::from_be_bytes([a, b, c, d])),
        [0xd0, a] => i64::from(a.cast_signed()),
        [0xd1, a, b] => i64::from(i16::from_be_bytes([a, b])),
        [0xd2, a, b, c, d] => i64::from(i32::from_be_bytes([a, b, c, d])),
        [0xcf, a, b, c, d, e, f, g, h] => i64::try_from(u64::from_be_bytes([a, b, c, d, e, f, g, h])).ok()?,
        [0xd3, a, b, c, d, e, f, g, h] => i64::from_be_bytes([a, b, c, d, e, f, g, h]),
        _ => return None,
    })
}

/// Compares a stored value with one that is looked for: as the order says, but looking for not-a-number finds every
/// double, as recorded.
pub(super) fn against(stored: &[u8], wanted: &[u8]) -> Ordering {
    Wanted::new(wanted).against(stored)
}

/// A value that is looked for, to be compared with many.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    bytes: &'a [u8],
    key: Option<Key>,
    number: Option<i64>,
    is_nan: bool,
}

impl<'a> Wanted<'a> {
    /// The value with this encoding.
    pub(super) fn new(bytes: &'a [u8]) -> Wanted<'a> {
        let key = Key::of(bytes);
        Wanted { bytes, key, number: integer(bytes), is_nan: key.is_some_and(Key::is_nan) }
    }

    /// How a stored value stands to this one, as the order says.
    fn order(&self, stored: &[u8]) -> Ordering {
        if let (Some(wanted), Some(stored)) = (self.number, integer(stored)) {
            return stored.cmp(&wanted);
        }
        let keys = self.key.and_then(|wanted| Some((Key::of(stored)?, wanted)));
        let order = keys.and_then(|(stored, wanted)| stored.compare(wanted));
        order.unwrap_or_else(|| order::compare(stored, self.bytes))
    }

    /// Whether a stored value equals this one.
    pub(super) fn equals(&self, stored: &[u8]) -> bool {
        self.order(stored) == Ordering::Equal
    }

    /// Whether this one is greater than a stored value.
    pub(super) fn is_above(&self, stored: &[u8]) -> bool {
        self.order(stored) == Ordering::Less
    }

    /// Whether this one is at least a stored value.
    pub(super) fn is_not_below(&self, stored: &[u8]) -> bool {
        self.order(stored) != Ordering::Greater
    }

    /// The same in the sense of [`against`].
    pub(super) fn against(&self, stored: &[u8]) -> Ordering {
        if self.is_nan && Key::of(stored).is_some_and(Key::is_double) {
            return Ordering::Equal;
        }
        self.order(stored)
    }
}

/// How many values are less than this.
pub(super) fn less_than(values: &impl Values, value: &[u8]) -> usize {
    let wanted = Wanted::new(value);
    (0..values.count()).filter(|position| wanted.against(values.at(*position)) == Ordering::Less).count()
}

/// The positions of the values that equal this.
pub(super) fn equal_to(values: &impl Values, value: &[u8]) -> Vec<usize> {
    let wanted = Wanted::new(value);
    (0..values.count()).filter(|position| wanted.against(values.at(*position)) == Ordering::Equal).collect()
}

/// From how many values that are looked for it pays to sort those that are searched.
pub(super) const MANY: usize = 16;

/// Values with their ranks.
pub(super) struct Ranked<'a, V> {
    values: &'a V,
    /// The position of each rank's value.
    by_rank: Vec<usize>,
}

impl<'a, V: Values> Ranked<'a, V> {
    /// Ranks these values.
    pub(super) fn of(values: &'a V) -> Ranked<'a, V> {
        Ranked { values, by_rank: by_value(values) }
    }

    /// The ranks of the values that equal this; empty ranks stand where it would be.
    pub(super) fn equal(&self, value: &[u8]) -> Range<usize> {
        let wanted = Wanted::new(value);
        let order = |rank: usize| {
            let position = self.by_rank.get(rank).copied().unwrap_or_default();
            wanted.against(self.values.at(position))
        };
        let below = partition_point(self.by_rank.len(), |rank| order(rank) == Ordering::Less);
        let end = partition_point(self.by_rank.len(), |rank| order(rank) != Ordering::Greater);
        below..end.max(below)
    }

    /// The positions of the values at these ranks.
    pub(super) fn positions(&self, ranks: Range<usize>) -> &[usize] {
        self.by_rank.get(ranks).unwrap_or_default()
    }
}

/// How many of the sorted `values` are less than `value`.
pub(super) fn lower_bound(values: &impl Values, value: &[u8]) -> usize {
    let wanted = Wanted::new(value);
    partition_point(values.count(), |position| wanted.against(values.at(position)) == Ordering::Less)
}
