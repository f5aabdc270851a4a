//! Which elements of a list an operation means.
//!
//! Reading and removing share their arguments and their answers; only the numbers of the operations differ. In an
//! ordered list everything found by value is a run of indexes; in an unordered one it is scattered, and the answers
//! come in an order of their own (see the functions below; all of it was seen on the recorded server).

use super::items::Items;
use crate::Refusal;
use crate::arguments::Args;
use crate::cdt::cut::partition_point;
use crate::cdt::reply::{Elements, One, ReturnType};
use crate::cdt::select::{Ranks, Run, Selection, others, position};
use crate::cdt::sorting::{MANY, Ranked, Wanted, against};
use crate::msgpack::Reader;
use crate::order;
use std::cmp::Ordering;

/// How elements are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// One, by index.
    Index,
    /// One, by rank.
    Rank,
    /// All that equal a value.
    Value,
    /// All that equal one of some values.
    ValueList,
    /// A run of indexes.
    IndexRange,
    /// All between two values.
    ValueInterval,
    /// A run of ranks.
    RankRange,
    /// A run of ranks, counted from a value's.
    RelativeRankRange,
}

/// What was found.
pub(super) enum Chosen {
    /// Exactly one element.
    One(One),
    /// Any number.
    Many(Selection),
}

/// Finds what the arguments (those behind the return type) mean.
pub(super) fn choose(
    by: By,
    items: &Items<'_>,
    how: ReturnType,
    args: &mut Args<'_>,
) -> Result<Chosen, Refusal> {
    let inverted = how.inverted;
    let many = match by {
        By::Index | By::Rank => return one(by, items, how, args),
        By::Value => {
            let value = args.value()?;
            args.finish()?;
            equal(items, value, inverted)
        }
        By::ValueList => {
            let values = args.value()?;
            args.finish()?;
            equal_any(items, &cut(values)?, inverted)
        }
        By::IndexRange => {
            let (start, count) = (args.int()?, args.optional_int()?);
            args.finish()?;
            index_run(items, Run::clip(start, count, items.size()), inverted)
        }
        By::ValueInterval => {
            let (begin, end) = (args.value()?, args.optional()?);
            args.finish()?;
            interval(items, begin, end, inverted)
        }
        By::RankRange => {
            let (start, count) = (args.int()?, args.optional_int()?);
            args.finish()?;
            rank_run(items, Run::clip(start, count, items.size()), inverted)
        }
        By::RelativeRankRange => {
            let (value, offset, count) = (args.value()?, args.int()?, args.optional_int()?);
            args.finish()?;
            let rank = i64::try_from(items.less_than(value)).unwrap_or(i64::MAX);
            let run = Run::clip_relative(rank.saturating_add(offset), count, items.size());
            rank_run(items, run, inverted)
        }
    };
    Ok(Chosen::Many(many))
}

/// One element by index or rank.
fn one(by: By, items: &Items<'_>, how: ReturnType, args: &mut Args<'_>) -> Result<Chosen, Refusal> {
    let at = args.int()?;
    args.finish()?;
    if how.inverted {
        return Err(Refusal::NotApplicable);
    }
    let at = position(at, items.size()).ok_or(Refusal::NotApplicable)?;
    if by == By::Index {
        return Ok(Chosen::One(One::AtIndex(at)));
    }
    let index = items.at_ranks(at..at.saturating_add(1)).first().copied().unwrap_or_default();
    Ok(Chosen::One(One::AtRank(index, at)))
}

/// The elements of an encoded list of values.
pub(super) fn cut(list: &[u8]) -> Result<Vec<&[u8]>, Refusal> {
    let mut reader = Reader::new(list);
    let head = reader.list_head().map_err(|_| Refusal::Parameter)?;
    (0..head.count).map(|_| reader.take().map_err(|_| Refusal::Parameter)).collect()
}

/// A run of indexes, or what it leaves. In an ordered list it is a run of ranks as well.
fn index_run(items: &Items<'_>, run: Run, inverted: bool) -> Selection {
    let size = items.size();
    let mut chosen = if inverted { Selection::not_indexes(run, size) } else { Selection::indexes(run, size) };
    if let Some(run) = chosen.index_run.filter(|_| items.ordered) {
        chosen.ranks = Ranks::Run(run);
    }
    chosen
}

/// A run of ranks. An unordered list answers the values of the half that is nearer to the smallest downwards and of
/// the other half upwards, and tells of what a run leaves, whether the run was empty.
fn rank_run(items: &Items<'_>, run: Run, inverted: bool) -> Selection {
    if items.ordered {
        return index_run(items, run, inverted);
    }
    let mut values = items.at_ranks(run.positions());
    let found = !values.is_empty();
    if inverted {
        let ranks = Selection::not_listed(&run.positions().collect::<Vec<_>>(), items.size());
        return Selection { exists: !found, ..Selection::scattered(others(&values, items.size()), ranks) };
    }
    let behind = items.size().saturating_sub(run.start.saturating_add(run.count));
    if run.start <= behind {
        values.reverse();
    }
    let mut indexes = values.clone();
    indexes.sort_unstable();
    Selection { indexes, ..Selection::scattered(values, Ranks::Run(run)) }
}

/// Elements that `wanted` says yes to; `below` of the list are less than all of them.
fn scattered(items: &Items<'_>, below: usize, inverted: bool, wanted: impl Fn(&[u8]) -> bool) -> Selection {
    let found: Vec<usize> = (0..items.size()).filter(|index| wanted(items.value(*index))).collect();
    let run = Run { start: below, count: found.len() };
    if !inverted {
        return Selection::scattered(found, Ranks::Run(run));
    }
    let ranks = Selection::not_listed(&run.positions().collect::<Vec<_>>(), items.size());
    Selection { exists: found.is_empty(), ..Selection::scattered(others(&found, items.size()), ranks) }
}

fn equal(items: &Items<'_>, value: &[u8], inverted: bool) -> Selection {
    let below = items.less_than(value);
    if items.ordered {
        let at_most = |index| against(items.value(index), value) != Ordering::Greater;
        let end = partition_point(items.size(), at_most);
        return index_run(items, Run::between(below, end), inverted);
    }
    let wanted = Wanted::new(value);
    scattered(items, below, inverted, |other| wanted.against(other) == Ordering::Equal)
}

/// All from `begin` up to, not including, `end`; no end is open.
fn interval(items: &Items<'_>, begin: &[u8], end: Option<&[u8]>, inverted: bool) -> Selection {
    let below = items.less_than(begin);
    if items.ordered {
        let wild = Reader::new(begin).peek().is_ok_and(|item| item.is_wildcard());
        let end = if wild { below } else { end.map_or(items.size(), |end| items.less_than(end)) };
        return index_run(items, Run::between(below, end), inverted);
    }
    scattered(items, below, inverted, |other| {
        order::compare(other, begin) != Ordering::Less
            && end.is_none_or(|end| order::compare(other, end) == Ordering::Less)
    })
}

/// All that equal one of these values. Ranks come in the order of the values; in an ordered list everything does.
fn equal_any(items: &Items<'_>, values: &[&[u8]], inverted: bool) -> Selection {
    let size = items.size();
    let ranked = (values.len() > MANY && !items.ordered).then(|| Ranked::of(&items.values));
    let mut taken = vec![false; size];
    let (mut found, mut ranks) = (Vec::new(), Vec::new());
    for value in values {
        let (below, equal) = match &ranked {
            Some(ranked) => {
                let equal = ranked.equal(value);
                (equal.start, ranked.positions(equal).to_vec())
            }
            None => (items.less_than(value), equal(items, value, false).values),
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
    if !items.ordered {
        found.sort_unstable();
    }
    Selection::scattered(found, Ranks::Listed(ranks))
}
