//! Map operations.
//!
//! A [`Map`] is a view of encoded bytes: flags, and the pairs in the order of their keys. Whatever its flags, a map
//! that an operation writes is stored in key order, so an index always is a position in it.

mod choose;
mod modify;
mod put;
mod read;

use super::context::corrupt;
use super::payload::Call;
use super::reply::Elements;
use super::{Effect, sorting};
use crate::canonical;
use crate::msgpack::{FLAG_ORDERED, FLAG_VALUE_ORDERED, Item, Reader, writer};
use crate::order;
use crate::{OwnedParticle, Refusal};
use std::cmp::Ordering;

/// One pair of a map.
#[derive(Clone, Copy)]
struct Pair<'a> {
    key: &'a [u8],
    value: &'a [u8],
}

/// A map cut into its pairs.
pub(super) struct Map<'a> {
    flags: u8,
    pairs: Vec<Pair<'a>>,
}

impl<'a> Map<'a> {
    /// The map in this encoding; anything but a map is a type error.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Map<'a>, Refusal> {
        let (flags, count, mut reader) = head(bytes)?;
        let mut pairs = Vec::with_capacity(count);
        // Only a map that a client wrote whole and unordered may be out of order.
        let (unsure, mut sorted) = (flags & FLAG_ORDERED == 0, true);
        for _ in 0..count {
            let pair = Pair { key: reader.take().map_err(corrupt)?, value: reader.take().map_err(corrupt)? };
            if unsure {
                sorted &= pairs.last().is_none_or(|last: &Pair<'_>| compare_keys(last.key, pair.key).is_le());
            }
            pairs.push(pair);
        }
        if !sorted {
            pairs = in_order(&pairs);
        }
        Ok(Map { flags, pairs })
    }

    /// A map without pairs.
    fn empty(flags: u8) -> Map<'static> {
        Map { flags, pairs: Vec::new() }
    }

    /// Where a key is, or where it belongs.
    fn find(&self, key: &[u8]) -> Result<usize, usize> {
        let at = self.pairs.partition_point(|pair| compare_keys(pair.key, key) == Ordering::Less);
        match self.pairs.get(at) {
            Some(pair) if compare_keys(pair.key, key) == Ordering::Equal => Ok(at),
            _ => Err(at),
        }
    }

    /// The values in key order.
    fn values(&self) -> Vec<&'a [u8]> {
        self.pairs.iter().map(|pair| pair.value).collect()
    }

    /// The index of each rank: in the order of the values, then of the keys.
    fn by_rank(&self) -> Vec<usize> {
        sorting::by_value(&self.values())
    }

    /// How many values are less than this.
    fn less_than(&self, value: &[u8]) -> usize {
        self.pairs.iter().filter(|pair| sorting::against(pair.value, value) == Ordering::Less).count()
    }

    /// The map with another pair, or with another value for its key.
    pub(super) fn with(mut self, key: &'a [u8], value: &'a [u8]) -> Vec<u8> {
        self.put(key, value);
        self.encode()
    }

    /// Adds a pair, or replaces the value of its key.
    fn put(&mut self, key: &'a [u8], value: &'a [u8]) {
        match self.find(key) {
            Ok(at) => {
                if let Some(pair) = self.pairs.get_mut(at) {
                    pair.value = value;
                }
            }
            Err(at) => self.pairs.insert(at, Pair { key, value }),
        }
    }

    /// Writes several pairs as [`Map::put`] does one after the other.
    fn put_all(&mut self, new: &[Pair<'a>]) {
        if new.len() <= sorting::MANY {
            return new.iter().for_each(|pair| self.put(pair.key, pair.value));
        }
        // Equal keys keep their order, so the last of them is what counts.
        let all = [self.pairs.as_slice(), new].concat();
        let mut pairs: Vec<Pair<'a>> = Vec::with_capacity(all.len());
        for pair in in_order(&all) {
            match pairs.last_mut() {
                Some(last) if compare_keys(last.key, pair.key) == Ordering::Equal => *last = pair,
                _ => pairs.push(pair),
            }
        }
        self.pairs = pairs;
    }

    /// The map's encoding.
    fn encode(&self) -> Vec<u8> {
        encode(self.flags, &self.pairs)
    }
}

impl Elements for Map<'_> {
    const KEYED: bool = true;

    fn size(&self) -> usize {
        self.pairs.len()
    }

    fn rank(&self, index: usize) -> usize {
        let value = self.value(index);
        let below = self.less_than(value);
        let before = self.pairs.iter().take(index);
        below.saturating_add(
            before.filter(|pair| order::compare(pair.value, value) == Ordering::Equal).count(),
        )
    }

    fn ranks(&self, indexes: &[usize]) -> Vec<usize> {
        if indexes.len() <= sorting::MANY {
            return indexes.iter().map(|index| self.rank(*index)).collect();
        }
        let mut ranks = vec![0; self.pairs.len()];
        for (rank, index) in self.by_rank().into_iter().enumerate() {
            if let Some(slot) = ranks.get_mut(index) {
                *slot = rank;
            }
        }
        indexes.iter().map(|index| ranks.get(*index).copied().unwrap_or_default()).collect()
    }

    fn value(&self, index: usize) -> &[u8] {
        self.pairs.get(index).map(|pair| pair.value).unwrap_or_default()
    }

    fn key(&self, index: usize) -> &[u8] {
        self.pairs.get(index).map(|pair| pair.key).unwrap_or_default()
    }
}

/// A map of these pairs.
fn encode(flags: u8, pairs: &[Pair<'_>]) -> Vec<u8> {
    let size = pairs.iter().map(|pair| pair.key.len().saturating_add(pair.value.len())).sum::<usize>();
    let mut out = Vec::with_capacity(size.saturating_add(8));
    writer::map_start(&mut out, flags, pairs.len());
    for pair in pairs {
        out.extend_from_slice(pair.key);
        out.extend_from_slice(pair.value);
    }
    out
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

/// The pairs in the order of their keys.
fn in_order<'a>(pairs: &[Pair<'a>]) -> Vec<Pair<'a>> {
    let key = |index: usize| pairs.get(index).map(|pair| pair.key).unwrap_or_default();
    let sorted = sorting::permutation(pairs.len(), |a, b| compare_keys(key(a), key(b)));
    sorted.into_iter().filter_map(|index| pairs.get(index).copied()).collect()
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
