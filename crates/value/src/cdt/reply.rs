//! Answers: from a selection and a return type to what the client gets.

use super::context::corrupt;
use super::select::{Ranks, Run, Selection};
use crate::msgpack::{FLAG_ORDERED, FLAG_PRESERVE_ORDER, element, writer};
use crate::{OwnedParticle, ParticleType, Refusal};

/// The bit of a return type that asks for everything else.
const INVERTED: i64 = 0x10000;

/// What is answered of the chosen elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// Nothing.
    None,
    /// Their indexes.
    Index,
    /// Their indexes counted from the end.
    ReverseIndex,
    /// Their ranks.
    Rank,
    /// Their ranks counted from the end.
    ReverseRank,
    /// How many they are.
    Count,
    /// Their keys.
    Key,
    /// Their values.
    Value,
    /// Their keys and values, as a map that keeps the order of the answer.
    KeyValue,
    /// The first index and the count.
    IndexRun,
    /// The first index counted from the end, and the count.
    ReverseIndexRun,
    /// The first rank and the count.
    RankRun,
    /// The first rank counted from the end, and the count.
    ReverseRankRun,
    /// Whether there are any.
    Exists,
    /// Their keys and values as an unordered map.
    UnorderedMap,
    /// Their keys and values as an ordered map.
    OrderedMap,
}

/// A return type as sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReturnType {
    /// What is answered.
    pub(super) told: Told,
    /// Whether the operation means everything else.
    pub(super) inverted: bool,
}

impl ReturnType {
    /// The return type with this number.
    pub(super) fn from_number(number: i64) -> Result<ReturnType, Refusal> {
        let told = match number & !INVERTED {
            0 => Told::None,
            1 => Told::Index,
            2 => Told::ReverseIndex,
            3 => Told::Rank,
            4 => Told::ReverseRank,
            5 => Told::Count,
            6 => Told::Key,
            7 => Told::Value,
            8 => Told::KeyValue,
            9 => Told::IndexRun,
            10 => Told::ReverseIndexRun,
            11 => Told::RankRun,
            12 => Told::ReverseRankRun,
            13 => Told::Exists,
            16 => Told::UnorderedMap,
            17 => Told::OrderedMap,
            _ => return Err(Refusal::NotApplicable),
        };
        Ok(ReturnType { told, inverted: number & INVERTED != 0 })
    }
}

/// A container's elements, as far as answers need them.
pub(super) trait Elements {
    /// Whether elements have keys.
    const KEYED: bool;
    /// How many there are.
    fn size(&self) -> usize;
    /// The rank of the element at an index.
    fn rank(&self, index: usize) -> usize;
    /// The ranks of the elements at some indexes.
    fn ranks(&self, indexes: &[usize]) -> Vec<usize>;
    /// The encoded value at an index.
    fn value(&self, index: usize) -> &[u8];
    /// The encoded key at an index; nothing in lists.
    fn key(&self, index: usize) -> &[u8];
}

/// A single element, and what it was found by.
#[derive(Debug, Clone, Copy)]
pub(super) enum One {
    /// By index or key.
    AtIndex(usize),
    /// By rank: index, then rank.
    AtRank(usize, usize),
}

/// The answer for one element.
pub(super) fn one(told: Told, one: One, of: &impl Elements) -> Result<Option<OwnedParticle>, Refusal> {
    let (index, rank) = match one {
        One::AtIndex(index) => (index, None),
        One::AtRank(index, rank) => (index, Some(rank)),
    };
    let size = of.size();
    let run = |position: usize| Run { start: position, count: 1 };
    let answer = match told {
        Told::None => return Ok(None),
        Told::Index => integer(index),
        Told::ReverseIndex => integer(from_end(index, size)),
        Told::Rank => integer(rank.unwrap_or_else(|| of.rank(index))),
        Told::ReverseRank => integer(from_end(rank.unwrap_or_else(|| of.rank(index)), size)),
        Told::Count => integer(1),
        Told::Exists => boolean(true),
        Told::Value => return element::to_particle(of.value(index)).map_err(corrupt),
        Told::Key => {
            keyed(of)?;
            return element::to_particle(of.key(index)).map_err(corrupt);
        }
        Told::KeyValue => map(FLAG_PRESERVE_ORDER, &[index], of)?,
        Told::UnorderedMap => map(0, &[index], of)?,
        Told::OrderedMap => map(FLAG_ORDERED, &[index], of)?,
        Told::IndexRun if rank.is_none() => span(run(index)),
        Told::ReverseIndexRun if rank.is_none() => span(run(index).reversed(size)),
        Told::RankRun => span(run(rank.ok_or(Refusal::NotApplicable)?)),
        Told::ReverseRankRun => span(run(rank.ok_or(Refusal::NotApplicable)?).reversed(size)),
        Told::IndexRun | Told::ReverseIndexRun => return Err(Refusal::NotApplicable),
    };
    Ok(Some(answer))
}

/// The answer for a selection of any number of elements.
pub(super) fn many(
    told: Told,
    chosen: &Selection,
    of: &impl Elements,
) -> Result<Option<OwnedParticle>, Refusal> {
    let size = of.size();
    let answer = match told {
        Told::None => return Ok(None),
        Told::Index => numbers(chosen.indexes.iter().copied()),
        Told::ReverseIndex => match chosen.index_run {
            Some(run) => numbers(run.reversed(size).positions()),
            None => numbers(chosen.indexes.iter().map(|index| from_end(*index, size))),
        },
        Told::Rank => match &chosen.ranks {
            Ranks::Run(run) => numbers(run.positions()),
            Ranks::Listed(ranks) => numbers(ranks.iter().copied()),
            Ranks::Own => numbers(of.ranks(&chosen.values).into_iter()),
            Ranks::Untold => return Err(Refusal::NotApplicable),
        },
        Told::ReverseRank => match &chosen.ranks {
            Ranks::Run(run) => numbers(run.reversed(size).positions()),
            Ranks::Listed(ranks) => numbers(ranks.iter().map(|rank| from_end(*rank, size))),
            Ranks::Own => numbers(of.ranks(&chosen.values).into_iter().map(|rank| from_end(rank, size))),
            Ranks::Untold => return Err(Refusal::NotApplicable),
        },
        Told::Count => integer(chosen.values.len()),
        Told::Exists => boolean(chosen.exists),
        Told::Value => list(chosen.values.iter().map(|index| of.value(*index))),
        Told::Key => {
            keyed(of)?;
            list(chosen.values.iter().map(|index| of.key(*index)))
        }
        Told::KeyValue => map(FLAG_PRESERVE_ORDER, &chosen.values, of)?,
        Told::UnorderedMap => map(0, &chosen.values, of)?,
        Told::OrderedMap => {
            let mut sorted = chosen.values.clone();
            sorted.sort_unstable();
            map(FLAG_ORDERED, &sorted, of)?
        }
        Told::IndexRun => span(chosen.index_run.ok_or(Refusal::NotApplicable)?),
        Told::ReverseIndexRun => span(chosen.index_run.ok_or(Refusal::NotApplicable)?.reversed(size)),
        Told::RankRun => span(rank_run(chosen)?),
        Told::ReverseRankRun => span(rank_run(chosen)?.reversed(size)),
    };
    Ok(Some(answer))
}

/// The answer when a single element is looked for by its key, and is not there.
pub(super) fn absent(told: Told) -> Result<Option<OwnedParticle>, Refusal> {
    Ok(match told {
        Told::None | Told::Key | Told::Value => None,
        Told::Index | Told::ReverseIndex | Told::Rank | Told::ReverseRank => Some(OwnedParticle::integer(-1)),
        Told::Count => Some(integer(0)),
        Told::Exists => Some(boolean(false)),
        Told::KeyValue => Some(empty_map(FLAG_PRESERVE_ORDER)),
        Told::UnorderedMap => Some(empty_map(0)),
        Told::OrderedMap => Some(empty_map(FLAG_ORDERED)),
        Told::IndexRun | Told::ReverseIndexRun | Told::RankRun | Told::ReverseRankRun => {
            return Err(Refusal::NotApplicable);
        }
    })
}

/// A number as an answer.
pub(super) fn integer(number: usize) -> OwnedParticle {
    OwnedParticle::integer(i64::try_from(number).unwrap_or(i64::MAX))
}

/// Encoded elements as a list.
pub(super) fn list<'a>(elements: impl ExactSizeIterator<Item = &'a [u8]>) -> OwnedParticle {
    let mut bytes = Vec::new();
    writer::array_head(&mut bytes, elements.len());
    elements.for_each(|element| bytes.extend_from_slice(element));
    OwnedParticle { kind: ParticleType::List, bytes }
}

/// Only maps have keys to tell.
fn keyed<E: Elements>(_: &E) -> Result<(), Refusal> {
    if E::KEYED { Ok(()) } else { Err(Refusal::NotApplicable) }
}

/// Pairs as a map with these flags.
fn map<E: Elements>(flags: u8, indexes: &[usize], of: &E) -> Result<OwnedParticle, Refusal> {
    keyed(of)?;
    let mut bytes = Vec::new();
    writer::map_start(&mut bytes, flags, indexes.len());
    for index in indexes {
        bytes.extend_from_slice(of.key(*index));
        bytes.extend_from_slice(of.value(*index));
    }
    Ok(OwnedParticle { kind: ParticleType::Map, bytes })
}

fn empty_map(flags: u8) -> OwnedParticle {
    let mut bytes = Vec::new();
    writer::map_start(&mut bytes, flags, 0);
    OwnedParticle { kind: ParticleType::Map, bytes }
}

fn boolean(value: bool) -> OwnedParticle {
    OwnedParticle { kind: ParticleType::Bool, bytes: vec![u8::from(value)] }
}

/// A list of numbers.
fn numbers(numbers: impl ExactSizeIterator<Item = usize>) -> OwnedParticle {
    let mut bytes = Vec::new();
    writer::array_head(&mut bytes, numbers.len());
    numbers.for_each(|number| writer::uint(&mut bytes, u64::try_from(number).unwrap_or(u64::MAX)));
    OwnedParticle { kind: ParticleType::List, bytes }
}

/// A run as a list of its start and count.
fn span(run: Run) -> OwnedParticle {
    numbers([run.start, run.count].into_iter())
}

fn rank_run(chosen: &Selection) -> Result<Run, Refusal> {
    match chosen.ranks {
        Ranks::Run(run) => Ok(run),
        Ranks::Own | Ranks::Listed(_) | Ranks::Untold => Err(Refusal::NotApplicable),
    }
}

/// A position counted from the end.
fn from_end(position: usize, size: usize) -> usize {
    size.saturating_sub(position).saturating_sub(1)
}
