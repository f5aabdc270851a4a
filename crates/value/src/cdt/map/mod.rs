//! Map operations.
//!
//! A [`Map`] is a view of encoded bytes: flags, and the pairs in the order of their keys. Whatever its flags, a map
//! that an operation writes is stored in key order, so an index always is a position in it.

mod choose;
mod modify;
mod put;
mod read;

use super::context::corrupt;
use super::cut::{Cut, partition_point};
use super::payload::Call;
use super::reply::Elements;
use super::sorting::{Values, Wanted};
use super::{Effect, sorting};
use crate::canonical;
use crate::msgpack::{FLAG_ORDERED, FLAG_VALUE_ORDERED, Item, Reader, writer};
use crate::order;
use crate::{OwnedParticle, Refusal};
use std::cmp::Ordering;
use std::ops::Range;

/// One pair of a map.
#[derive(Clone, Copy)]
struct Pair<'a> {
    key: &'a [u8],
    value: &'a [u8],
}

/// A map cut into its pairs.
pub(super) struct Map<'a> {
    flags: u8,
    /// Keys and values in turn, as they are stored.
    cut: Cut<'a>,
    /// Where the pairs are stored, in the order of their keys; none when they are stored so.
    arranged: Option<Vec<usize>>,
}

impl<'a> Map<'a> {
    /// The map in this encoding; anything but a map is a type error.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Map<'a>, Refusal> {
        let (flags, count, reader) = head(bytes)?;
        let cut = Cut::of(&reader, count.saturating_mul(2)).map_err(corrupt)?;
        let mut map = Map { flags, cut, arranged: None };
        // Only a map that a client wrote whole and unordered may be out of order.
        if flags & FLAG_ORDERED == 0 && !map.is_sorted() {
            let key = |index: usize| map.pair(index).key;
            map.arranged = Some(sorting::permutation(count, |a, b| compare_keys(key(a), key(b))));
        }
        Ok(map)
    }

    /// A map without pairs.
    fn empty(flags: u8) -> Map<'static> {
        Map { flags, cut: Cut::empty(), arranged: None }
    }

    /// Whether the pairs are stored in the order of their keys.
    fn is_sorted(&self) -> bool {
        let mut keys = (0..self.size()).map(|index| self.pair(index).key);
        let Some(mut last) = keys.next() else { return true };
        keys.all(|key| {
            let ascending = Wanted::new(key).is_not_below(last);
            last = key;
            ascending
        })
    }

    /// The pair at an index.
    fn pair(&self, index: usize) -> Pair<'a> {
        let place = match &self.arranged {
            None => index,
            Some(arranged) => arranged.get(index).copied().unwrap_or(usize::MAX / 4),
        };
        let key = place.saturating_mul(2);
        Pair { key: self.cut.at(key), value: self.cut.at(key.saturating_add(1)) }
    }

    /// Where a key is, or where it belongs.
    fn find(&self, key: &[u8]) -> Result<usize, usize> {
        let wanted = Wanted::new(key);
        let at = partition_point(self.size(), |index| wanted.is_above(self.pair(index).key));
        if at < self.size() && wanted.equals(self.pair(at).key) { Ok(at) } else { Err(at) }
    }

    /// The indexes of the pairs at these ranks: in the order of the values, then of the keys.
    fn at_ranks(&self, ranks: Range<usize>) -> Vec<usize> {
        sorting::at_ranks(self, ranks)
    }

    /// How many values are less than this.
    fn less_than(&self, value: &[u8]) -> usize {
        sorting::less_than(self, value)
    }

    /// The map with another pair, or with another value for its key.
    pub(super) fn with(&self, key: &'a [u8], value: &'a [u8]) -> Vec<u8> {
        let (bytes, _) = self.with_all(&[Pair { key, value }]);
        bytes
    }

    /// The map with these pairs written one after the other, and its size then.
    fn with_all(&self, new: &[Pair<'_>]) -> (Vec<u8>, usize) {
        let key = |index: usize| new.get(index).map(|pair| pair.key).unwrap_or_default();
        let sorted = sorting::permutation(new.len(), |a, b| compare_keys(key(a), key(b)));
        // Equal keys keep their order, so the last of them is what counts.
        let mut places: Vec<(Result<usize, usize>, Pair<'_>)> = Vec::with_capacity(sorted.len());
        for pair in sorted.iter().filter_map(|index| new.get(*index)) {
            match places.last_mut() {
                Some((_, last)) if compare_keys(last.key, pair.key) == Ordering::Equal => *last = *pair,
                _ => places.push((self.find(pair.key), *pair)),
            }
        }
        let added = places.iter().filter(|(place, _)| place.is_err()).count();
        let size = self.size().saturating_add(added);
        let own = |(_, pair): &(_, Pair<'_>)| pair.key.len().saturating_add(pair.value.len());
        let bytes = places.iter().map(own).sum::<usize>().saturating_add(self.cut.bytes_all().len());
        let mut out = Vec::with_capacity(bytes.saturating_add(16));
        writer::map_start(&mut out, self.flags, size);
        let mut from = 0;
        for (place, pair) in places {
            let (Ok(at) | Err(at)) = place;
            self.append(from..at, &mut out);
            from = at.saturating_add(usize::from(place.is_ok()));
            // A key that is there keeps its bytes.
            out.extend_from_slice(if place.is_ok() { self.pair(at).key } else { pair.key });
            out.extend_from_slice(pair.value);
        }
        self.append(from..self.size(), &mut out);
        (out, size)
    }

    /// The map without the pairs at these indexes.
    fn without(&self, mut gone: Vec<usize>) -> Vec<u8> {
        gone.sort_unstable();
        gone.dedup();
        let mut out = Vec::with_capacity(self.cut.bytes_all().len().saturating_add(16));
        writer::map_start(&mut out, self.flags, self.size().saturating_sub(gone.len()));
        let mut from = 0;
        for index in gone {
            self.append(from..index, &mut out);
            from = index.saturating_add(1);
        }
        self.append(from..self.size(), &mut out);
        out
    }

    /// Appends a run of pairs in the order of their keys.
    fn append(&self, run: Range<usize>, out: &mut Vec<u8>) {
        if self.arranged.is_none() {
            let double = |index: usize| index.saturating_mul(2);
            return out.extend_from_slice(self.cut.bytes(double(run.start)..double(run.end)));
        }
        for index in run {
            let pair = self.pair(index);
            out.extend_from_slice(pair.key);
            out.extend_from_slice(pair.value);
        }
    }

    /// The map's encoding.
    fn encode(&self) -> Vec<u8> {
        self.without(Vec::new())
    }
}

impl Values for Map<'_> {
    fn count(&self) -> usize {
        self.size()
    }

    fn at(&self, position: usize) -> &[u8] {
        self.pair(position).value
    }
}

impl Elements for Map<'_> {
    const KEYED: bool = true;

    fn size(&self) -> usize {
        self.cut.count() / 2
    }

    fn rank(&self, index: usize) -> usize {
        let value = self.value(index);
        let wanted = Wanted::new(value);
        let before = (0..index).filter(|before| wanted.equals(self.value(*before))).count();
        self.less_than(value).saturating_add(before)
    }

    fn ranks(&self, indexes: &[usize]) -> Vec<usize> {
        if indexes.len() <= sorting::MANY {
            return indexes.iter().map(|index| self.rank(*index)).collect();
        }
        let mut ranks = vec![0; self.size()];
        for (rank, index) in sorting::by_value(self).into_iter().enumerate() {
            if let Some(slot) = ranks.get_mut(index) {
                *slot = rank;
            }
        }
        indexes.iter().map(|index| ranks.get(*index).copied().unwrap_or_default()).collect()
    }

    fn value(&self, index: usize) -> &[u8] {
        self.pair(index).value
    }

    fn key(&self, index: usize) -> &[u8] {
        self.pair(index).key
    }
}

/// A map's flags and pair count, and a reader at its first pair.
fn head(bytes: &[u8]) -> Result<(u8, usize, Reader<'_>), Refusal> {
    let mut reader = Reader::new(bytes);
    if !matches!(reader.peek(), Ok(Item::Map(_))) {
        return Err(Refusal::IncompatibleType);
    }
    let head = reader.map_head().map_err(corrupt)?;
    let flags = head.flags & (FLAG_ORDERED | FLAG_VALUE_ORDERED);
    Ok((flags, usize::try_from(head.count).unwrap_or(0), reader))
}

/// The order of two keys.
fn compare_keys(a: &[u8], b: &[u8]) -> Ordering {
    order::compare(a, b)
}

/// Appends an argument as a key that may be stored.
pub(super) fn key(argument: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
    if !canonical::is_key(argument) {
        return Err(Refusal::Parameter);
    }
    canonical::element(argument, out).map_err(|_| Refusal::Parameter)
}

/// Runs a reading call on the map.
pub(super) fn read(target: &[u8], call: Call<'_>) -> Result<Option<OwnedParticle>, Refusal> {
    read::run(target, call)
}

/// Runs a modifying call on the map, or on none.
pub(super) fn modify(target: Option<&[u8]>, call: Call<'_>) -> Result<Effect, Refusal> {
    modify::run(target, call)
}
