//! Which pairs of a map an operation means.
//!
//! Found by key or index, pairs are a run of indexes; by rank, a run of ranks; by value, scattered.

use super::Map;
use crate::Refusal;
use crate::arguments::Args;
use crate::cdt::reply::{Elements, One, ReturnType};
use crate::cdt::select::{Ranks, Run, Selection, others, position};
use crate::cdt::sorting::{self, MANY, Ranked, Wanted};
use crate::msgpack::Reader;
use std::cmp::Ordering;

/// How pairs are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// One, by key.
    Key,
    /// One, by index.
    Index,
    /// One, by rank.
    Rank,
    /// All whose value equals this.
    Value,
    /// All whose key is one of some.
    KeyList,
    /// All whose value equals one of some.
    ValueList,
    /// All whose key lies between two.
    KeyInterval,
    /// A run of indexes.
    IndexRange,
    /// All whose value lies between two.
    ValueInterval,
    /// A run of ranks.
    RankRange,
    /// A run of indexes, counted from a key's.
    RelativeIndexRange,
    /// A run of ranks, counted from a value's.
    RelativeRankRange,
}

/// What was found.
pub(super) enum Chosen {
    /// No pair has the one key that was asked for.
    Absent,
    /// Exactly one pair.
    One(One),
    /// Any number.
    Many(Selection),
}

/// Finds what the arguments (those behind the return type) mean.
pub(super) fn choose(by: By, map: &Map<'_>, how: ReturnType, args: &mut Args<'_>) -> Result<Chosen, Refusal> {
    let (size, inverted) = (map.size(), how.inverted);
    let many = match by {
        By::Key | By::Index | By::Rank => return one(by, map, how, args),
        By::Value => {
            let value = args.value()?;
            args.finish()?;
            let wanted = Wanted::new(value);
            scattered(map, map.less_than(value), inverted, |value| wanted.against(value) == Ordering::Equal)
        }
        By::KeyList => {
            let keys = cut(args)?;
            any_key(map, &keys, inverted)
        }
        By::ValueList => {
            let values = cut(args)?;
            any_value(map, &values, inverted)
        }
        By::KeyInterval => {
            let (begin, end) = (args.value()?, args.optional()?);
            args.finish()?;
            key_interval(map, begin, end, inverted)
        }
        By::IndexRange => {
            let (start, count) = (args.int()?, args.optional_int()?);
            args.finish()?;
            index_run(Run::clip(start, count, size), size, inverted)
        }
        By::ValueInterval => {
            let (begin, end) = (args.value()?, args.optional()?);
            args.finish()?;
            let (from, to) = (Wanted::new(begin), end.map(Wanted::new));
            scattered(map, map.less_than(begin), inverted, |value| {
                !from.is_above(value) && to.is_none_or(|end| end.is_above(value))
            })
        }
        By::RankRange => {
            let (start, count) = (args.int()?, args.optional_int()?);
            args.finish()?;
            rank_run(map, Run::clip(start, count, size), inverted)
        }
        By::RelativeIndexRange => {
            let (key, offset, count) = (args.value()?, args.int()?, args.optional_int()?);
            args.finish()?;
            let run = Run::clip_relative(signed(place(map, key)).saturating_add(offset), count, size);
            index_run(run, size, inverted)
        }
        By::RelativeRankRange => {
            let (value, offset, count) = (args.value()?, args.int()?, args.optional_int()?);
            args.finish()?;
            let rank = signed(map.less_than(value));
            rank_run(map, Run::clip_relative(rank.saturating_add(offset), count, size), inverted)
        }
    };
    Ok(Chosen::Many(many))
}

fn one(by: By, map: &Map<'_>, how: ReturnType, args: &mut Args<'_>) -> Result<Chosen, Refusal> {
    let argument = args.value()?;
    args.finish()?;
    if how.inverted {
        return Err(Refusal::NotApplicable);
    }
    if by == By::Key {
        return Ok(map.find(argument).map_or(Chosen::Absent, |index| Chosen::One(One::AtIndex(index))));
    }
    let at = crate::arguments::int(argument)?;
    let at = position(at, map.size()).ok_or(Refusal::NotApplicable)?;
    if by == By::Index {
        return Ok(Chosen::One(One::AtIndex(at)));
    }
    let index = map.at_ranks(at..at.saturating_add(1)).first().copied().unwrap_or_default();
    Ok(Chosen::One(One::AtRank(index, at)))
}

/// The elements of the last argument, a list.
fn cut<'a>(args: &mut Args<'a>) -> Result<Vec<&'a [u8]>, Refusal> {
    let mut reader = Reader::new(args.value()?);
    args.finish()?;
    let head = reader.list_head().map_err(|_| Refusal::Parameter)?;
    (0..head.count).map(|_| reader.take().map_err(|_| Refusal::Parameter)).collect()
}

/// Where a key is or belongs.
fn place(map: &Map<'_>, key: &[u8]) -> usize {
    map.find(key).unwrap_or_else(|at| at)
}

fn signed(position: usize) -> i64 {
    i64::try_from(position).unwrap_or(i64::MAX)
}

fn index_run(run: Run, size: usize, inverted: bool) -> Selection {
    if inverted { Selection::not_indexes(run, size) } else { Selection::indexes(run, size) }
}

fn rank_run(map: &Map<'_>, run: Run, inverted: bool) -> Selection {
    let at_ranks = |run: Run| map.at_ranks(run.positions());
    if inverted { Selection::not_ranks(run, map.size(), at_ranks) } else { Selection::ranks(run, at_ranks) }
}

/// All keys from `begin` up to, not including, `end`; no end is open.
fn key_interval(map: &Map<'_>, begin: &[u8], end: Option<&[u8]>, inverted: bool) -> Selection {
    let (from, to) = (place(map, begin), end.map_or(map.size(), |end| place(map, end)));
    let selection = index_run(Run::between(from, to), map.size(), inverted);
    if inverted && to < from {
        // What a reversed interval leaves is everything, but not answered as a run.
        return Selection { ranks: Ranks::Own, ..selection };
    }
    selection
}

/// Pairs whose value `wanted` says yes to; `below` of the values are less than all of theirs.
fn scattered(map: &Map<'_>, below: usize, inverted: bool, wanted: impl Fn(&[u8]) -> bool) -> Selection {
    let found: Vec<usize> = (0..map.size()).filter(|index| wanted(map.value(*index))).collect();
    let run = Run { start: below, count: found.len() };
    if !inverted {
        return Selection::scattered(found, Ranks::Run(run));
    }
    let ranks = Selection::not_listed(&run.positions().collect::<Vec<_>>(), map.size());
    Selection::scattered(others(&found, map.size()), ranks)
}

/// All whose key is one of these. Indexes come in the order of the list; ranks are not told.
fn any_key(map: &Map<'_>, keys: &[&[u8]], inverted: bool) -> Selection {
    let mut indexes: Vec<usize> = Vec::with_capacity(keys.len());
    let mut taken = vec![false; map.size()];
    for index in keys.iter().filter_map(|key| map.find(key).ok()) {
        if let Some(taken) = taken.get_mut(index).filter(|taken| !**taken) {
            *taken = true;
            indexes.push(index);
        }
    }
    if inverted {
        return Selection::scattered(others(&indexes, map.size()), Ranks::Untold);
    }
    let mut values = indexes.clone();
    values.sort_unstable();
    Selection { indexes, ..Selection::scattered(values, Ranks::Untold) }
}

/// All whose value equals one of these. Ranks come in the order of the list.
fn any_value(map: &Map<'_>, values: &[&[u8]], inverted: bool) -> Selection {
    let size = map.size();
    let ranked = (values.len() > MANY).then(|| Ranked::of(map));
    let mut taken = vec![false; size];
    let (mut found, mut ranks) = (Vec::new(), Vec::new());
    for value in values {
        let (below, equal) = match &ranked {
            Some(ranked) => {
                let equal = ranked.equal(value);
                (equal.start, ranked.positions(equal).to_vec())
            }
            None => (map.less_than(value), sorting::equal_to(map, value)),
        };
        let before = found.len();
        for index in equal {
            if let Some(taken) = taken.get_mut(index).filter(|taken| !**taken) {
                *taken = true;
                found.push(index);
            }
        }
        ranks.extend(Run { start: below, count: found.len().saturating_sub(before) }.positions());
    }
    if inverted {
        return Selection::scattered(others(&found, size), Selection::not_listed(&ranks, size));
    }
    found.sort_unstable();
    Selection::scattered(found, Ranks::Listed(ranks))
}
