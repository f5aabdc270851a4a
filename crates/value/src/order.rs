//! The order of encoded values, across all types.
//!
//! Guarantees: a total order over values without wildcards, and no recursion, so nesting costs no stack.
//! Type order: nil < bool < integer < string < list < map < blob < double < GeoJSON < other ext < infinity; the
//! wildcard equals anything, and inside a list it ends that list's comparison as equal. Source:
//! `guide/protocol.md` part 5.6.
//!
//! How: two readers walk both values in step. Up to the first difference both have the same shape, so the stack
//! only holds, for each open container, how many elements each side has left.

use crate::msgpack::{Item, Malformed, Reader};
use smallvec::SmallVec;
use std::cmp::Ordering;

#[cfg(test)]
mod order_tests;

const STRING: u8 = 3;
const GEOJSON: u8 = 23;

/// Compares two encoded values. Bytes that are not a value compare as equal to everything.
#[must_use]
pub fn compare(a: &[u8], b: &[u8]) -> Ordering {
    compare_next(&mut Reader::new(a), &mut Reader::new(b)).unwrap_or(Ordering::Equal)
}

/// Compares the next value of two readers. When they are equal (and neither holds a wildcard), both readers have
/// moved past the value; otherwise they stand somewhere inside.
pub fn compare_next(a: &mut Reader<'_>, b: &mut Reader<'_>) -> Result<Ordering, Malformed> {
    let mut open: SmallVec<[Level; 8]> = SmallVec::new();
    let mut order = step(a, b, &mut open)?;
    while order == Ordering::Equal {
        let Some(level) = open.last_mut() else { break };
        if level.left_a == 0 || level.left_b == 0 {
            order = level.left_a.cmp(&level.left_b);
            open.pop();
            continue;
        }
        let wild = level.list && (a.peek()?.is_wildcard() || b.peek()?.is_wildcard());
        if wild {
            skip_many(a, level.left_a)?;
            skip_many(b, level.left_b)?;
            open.pop();
            continue;
        }
        level.left_a = level.left_a.saturating_sub(1);
        level.left_b = level.left_b.saturating_sub(1);
        order = step(a, b, &mut open)?;
    }
    Ok(order)
}

/// An open container: values left on each side.
struct Level {
    list: bool,
    left_a: u64,
    left_b: u64,
}

/// Compares two heads; when both are containers of the same kind, opens a level for their elements.
fn step(
    a: &mut Reader<'_>,
    b: &mut Reader<'_>,
    open: &mut SmallVec<[Level; 8]>,
) -> Result<Ordering, Malformed> {
    let (peek_a, peek_b) = (a.peek()?, b.peek()?);
    if peek_a.is_wildcard() || peek_b.is_wildcard() {
        a.skip()?;
        b.skip()?;
        return Ok(Ordering::Equal);
    }
    let order = rank(&peek_a).cmp(&rank(&peek_b));
    if order != Ordering::Equal {
        return Ok(order);
    }
    match (peek_a, peek_b) {
        (Item::Array(_), Item::Array(_)) => {
            let (head_a, head_b) = (a.list_head()?, b.list_head()?);
            open.push(Level { list: true, left_a: u64::from(head_a.count), left_b: u64::from(head_b.count) });
            Ok(Ordering::Equal)
        }
        (Item::Map(_), Item::Map(_)) => {
            let (head_a, head_b) = (a.map_head()?, b.map_head()?);
            let pairs = u64::from(head_a.count);
            open.push(Level {
                list: false,
                left_a: pairs.saturating_mul(2),
                left_b: u64::from(head_b.count).saturating_mul(2),
            });
            // The pair count decides first, then the flags, then the pairs.
            Ok(head_a.count.cmp(&head_b.count).then((head_a.flags & 3).cmp(&(head_b.flags & 3))))
        }
        _ => {
            a.read()?;
            b.read()?;
            Ok(scalars(&peek_a, &peek_b))
        }
    }
}

/// Moves past `count` values.
fn skip_many(reader: &mut Reader<'_>, count: u64) -> Result<(), Malformed> {
    (0..count).try_for_each(|_| reader.skip())
}

/// Where a type stands in the type order.
fn rank(item: &Item<'_>) -> u8 {
    match item {
        Item::Nil => 0,
        Item::Bool(_) => 1,
        Item::Int(_) | Item::Uint(_) => 2,
        Item::Bytes([STRING, ..]) => 3,
        Item::Array(_) => 4,
        Item::Map(_) => 5,
        Item::Bytes([GEOJSON, ..]) => 8,
        Item::Bytes(_) => 6,
        Item::Double(_) => 7,
        Item::Ext { .. } if item.is_infinity() => 10,
        Item::Ext { .. } => 9,
    }
}

/// Compares two scalars of the same rank.
fn scalars(a: &Item<'_>, b: &Item<'_>) -> Ordering {
    match (a, b) {
        (Item::Bool(a), Item::Bool(b)) => a.cmp(b),
        (Item::Int(a), Item::Int(b)) => a.cmp(b),
        (Item::Uint(a), Item::Uint(b)) => a.cmp(b),
        (Item::Int(_), Item::Uint(_)) => Ordering::Less,
        (Item::Uint(_), Item::Int(_)) => Ordering::Greater,
        (Item::Double(a), Item::Double(b)) => doubles(*a, *b),
        (Item::Bytes(a), Item::Bytes(b)) => strings(a, b),
        (Item::Ext { kind: kind_a, data: a }, Item::Ext { kind: kind_b, data: b }) => {
            kind_a.cmp(kind_b).then_with(|| a.cmp(b))
        }
        _ => Ordering::Equal,
    }
}

/// Numeric, zeros equal; not-a-number stands below every number and equals itself.
fn doubles(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
}

/// The type byte first, so that blobs of different languages stay together, then the content.
fn strings(a: &[u8], b: &[u8]) -> Ordering {
    a.cmp(b)
}
