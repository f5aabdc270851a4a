//! Checks lists and maps that clients send, and rewrites them into the one form that is stored.
//!
//! Guarantees: what comes out is well formed, nested at most [`MAX_DEPTH`] deep, with shortest encodings; ordered
//! containers are in order; map keys are integers, strings or blobs, and unique; no persisted index, no flag but
//! the order. Canonicalising again changes nothing. Source: `guide/protocol.md` parts 3.5 and 12.2.
//!
//! The pairs of an unordered map are put into key order, as readers of a real server see them; an ordered container
//! out of order is refused.

use crate::Refusal;
use crate::msgpack::{FLAG_ORDERED, FLAG_PRESERVE_ORDER, FLAG_VALUE_ORDERED, Item, Reader, writer};

use crate::order;
use std::cmp::Ordering;
use std::ops::Range;

#[cfg(test)]
mod canonical_tests;

/// Deepest nesting of containers that is accepted.
pub const MAX_DEPTH: usize = 256;

const GEOJSON: u8 = 23;

/// Appends the canonical form of a whole list.
pub fn list(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
    match Reader::new(bytes).peek() {
        Ok(Item::Array(_)) => element(bytes, out),
        _ => Err(Refusal::Malformed),
    }
}

/// Appends the canonical form of a whole map.
pub fn map(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
    match Reader::new(bytes).peek() {
        Ok(Item::Map(_)) => element(bytes, out),
        _ => Err(Refusal::Malformed),
    }
}

/// Appends the canonical form of one value of any type that a container can hold; nothing may follow it.
pub fn element(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
    let mut reader = Reader::new(bytes);
    value(&mut reader, out, MAX_DEPTH)?;
    if reader.at_end() { Ok(()) } else { Err(Refusal::Malformed) }
}

/// Whether one encoded value may be a map key.
#[must_use]
pub fn is_key(encoded: &[u8]) -> bool {
    Reader::new(encoded).read().is_ok_and(|item| key_item(&item))
}

fn key_item(item: &Item<'_>) -> bool {
    match item {
        Item::Int(_) | Item::Uint(_) => true,
        Item::Bytes(raw) => raw.first() != Some(&GEOJSON),
        Item::Nil | Item::Bool(_) | Item::Double(_) | Item::Array(_) | Item::Map(_) | Item::Ext { .. } => {
            false
        }
    }
}

/// One value; `depth` is how many containers may still be opened.
fn value(reader: &mut Reader<'_>, out: &mut Vec<u8>, depth: usize) -> Result<(), Refusal> {
    let item = reader.peek()?;
    match item {
        Item::Array(_) => return list_value(reader, out, depth.checked_sub(1).ok_or(Refusal::Malformed)?),
        Item::Map(_) => return map_value(reader, out, depth.checked_sub(1).ok_or(Refusal::Malformed)?),
        Item::Nil => writer::nil(out),
        Item::Bool(value) => writer::bool(out, value),
        Item::Int(value) => writer::int(out, value),
        Item::Uint(value) => writer::uint(out, value),
        Item::Double(value) => writer::double(out, value),
        Item::Bytes(raw) => writer::bytes(out, raw),
        Item::Ext { .. } if item.is_wildcard() || item.is_infinity() => return Err(Refusal::Malformed),
        // Stored as a string: an ext that came to stand first in a list would read as the list's flags.
        Item::Ext { data, .. } => writer::bytes(out, data),
    }
    reader.read()?;
    Ok(())
}

fn list_value(reader: &mut Reader<'_>, out: &mut Vec<u8>, depth: usize) -> Result<(), Refusal> {
    let head = reader.list_head()?;
    let flags = head.flags & FLAG_ORDERED;
    let count = usize::try_from(head.count).map_err(|_| Refusal::Malformed)?;
    writer::list_start(out, flags, count);
    let mut previous: Option<usize> = None;
    for _ in 0..count {
        let start = out.len();
        // An ext behind the flags would read as flags once the flags are dropped.
        if previous.is_none() && matches!(reader.peek()?, Item::Ext { .. }) {
            return Err(Refusal::Malformed);
        }
        value(reader, out, depth)?;
        if flags != 0 && previous.is_some_and(|previous| spans(out, previous, start) == Ordering::Greater) {
            return Err(Refusal::Malformed);
        }
        previous = Some(start);
    }
    Ok(())
}

fn map_value(reader: &mut Reader<'_>, out: &mut Vec<u8>, depth: usize) -> Result<(), Refusal> {
    let head = reader.map_head()?;
    // The mark of a result that keeps its order stays: an expression may store such a result.
    let flags = head.flags & (FLAG_ORDERED | FLAG_VALUE_ORDERED | FLAG_PRESERVE_ORDER);
    let ordered = flags & (FLAG_ORDERED | FLAG_VALUE_ORDERED) != 0;
    let count = usize::try_from(head.count).map_err(|_| Refusal::Malformed)?;
    writer::map_start(out, flags, count);
    let mut ascending = true;
    // Where each pair starts; an unsorted map needs them to be sorted, and a sorted one to be checked.
    let mut pairs: Vec<usize> = Vec::new();
    let mut previous: Option<usize> = None;
    for _ in 0..count {
        let start = out.len();
        if !key_item(&reader.peek()?) {
            return Err(Refusal::Malformed);
        }
        value(reader, out, depth)?;
        if previous.is_some_and(|previous| spans(out, previous, start) != Ordering::Less) {
            ascending = false;
        }
        value(reader, out, depth)?;
        previous = Some(start);
        if !ordered {
            pairs.push(start);
        }
    }
    match (ascending, ordered) {
        // Keys in ascending order are unique; others must be sorted to see it.
        (true, _) => Ok(()),
        (false, true) => Err(Refusal::Malformed),
        (false, false) => sort_pairs(out, &pairs, flags == 0),
    }
}

/// Refuses equal keys among the pairs that start at these offsets, up to the end of `out`; puts the pairs into key
/// order when `arrange` says so.
fn sort_pairs(out: &mut Vec<u8>, starts: &[usize], arrange: bool) -> Result<(), Refusal> {
    let ends = starts.iter().skip(1).copied().chain([out.len()]);
    let mut pairs: Vec<Range<usize>> =
        starts.iter().copied().zip(ends).map(|(start, end)| start..end).collect();
    pairs.sort_unstable_by(|a, b| spans(out, a.start, b.start));
    let distinct = |pair: &[Range<usize>]| match pair {
        [a, b] => spans(out, a.start, b.start) != Ordering::Equal,
        _ => true,
    };
    if !pairs.windows(2).all(distinct) {
        return Err(Refusal::Malformed);
    }
    if arrange && let Some(&first) = starts.first() {
        let sorted = pairs.iter().flat_map(|pair| out.get(pair.clone()).unwrap_or_default());
        let sorted: Vec<u8> = sorted.copied().collect();
        out.truncate(first);
        out.extend_from_slice(&sorted);
    }
    Ok(())
}

/// Compares the values that start at two offsets of what is written.
fn spans(out: &[u8], a: usize, b: usize) -> Ordering {
    order::compare(out.get(a..).unwrap_or_default(), out.get(b..).unwrap_or_default())
}
