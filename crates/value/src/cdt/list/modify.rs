//! The operations that change a list: dispatch, and those that remove or arrange elements.

use super::add;
use super::choose::{By, Chosen, choose};
use super::items::Items;
use super::{List, encode};
use crate::Refusal;
use crate::cdt::payload::Call;
use crate::cdt::reply::{self, One, ReturnType, Told};
use crate::cdt::select::Run;
use crate::cdt::{Effect, sorting};
use crate::msgpack::{FLAG_ORDERED, FLAG_PERSIST_INDEX};
use crate::order;
use std::cmp::Ordering;

const SORT_DESCENDING: u64 = 1;
const SORT_DROP_DUPLICATES: u64 = 2;

/// Runs a modifying call; none is a list that does not exist.
pub(super) fn run(list: Option<List<'_>>, call: Call<'_>) -> Result<Effect, Refusal> {
    match call.code {
        0 => return set_type(list, call),
        1 => return add::append(list, call),
        2 => return add::append_items(list, call),
        3 => return add::insert(list, call),
        4 => return add::insert_items(list, call),
        9 => return add::set(list, call),
        12 => return super::increment::run(list, call),
        13 => return sort(list, call),
        _ => {}
    }
    let Some(list) = list else { return remove_from_nothing(call) };
    match call.code {
        5 => remove_one(&list, call, Told::Value),
        6 => remove_run(&list, call, Told::Value),
        7 => remove_one(&list, call, Told::Count),
        8 => remove_run(&list, call, Told::Count),
        10 => trim(&list, call),
        11 => Ok(Effect { container: Some(encode(list.flags, &[])), result: None }),
        _ => remove(&list, call),
    }
}

/// How the removing operation with this number looks for elements.
fn remove_by(code: i64) -> Option<By> {
    Some(match code {
        32 => By::Index,
        34 => By::Rank,
        35 => By::Value,
        36 => By::ValueList,
        37 => By::IndexRange,
        38 => By::ValueInterval,
        39 => By::RankRange,
        40 => By::RelativeRankRange,
        _ => return None,
    })
}

/// Removing from a list that does not exist does nothing; the operation must exist, though.
fn remove_from_nothing(call: Call<'_>) -> Result<Effect, Refusal> {
    let known = matches!(call.code, 5..=8 | 10 | 11) || remove_by(call.code).is_some();
    if known { Ok(Effect::nothing()) } else { Err(Refusal::Parameter) }
}

/// Removes what a selection means, and answers as the return type says.
fn remove(list: &List<'_>, call: Call<'_>) -> Result<Effect, Refusal> {
    let by = remove_by(call.code).ok_or(Refusal::Parameter)?;
    let mut args = call.args;
    let number = args.int()?;
    let items = Items::of(list)?;
    let how = ReturnType::from_number(number)?;
    match choose(by, &items, how, &mut args)? {
        Chosen::One(one) => without_one(list, &items, one, how.told),
        Chosen::Many(selection) => {
            let result = reply::many(how.told, &selection, &items)?;
            let container = list.without(&items.values, selection.values);
            Ok(Effect { container: Some(container), result })
        }
    }
}

/// The list without one element.
fn without_one(list: &List<'_>, items: &Items<'_>, one: One, told: Told) -> Result<Effect, Refusal> {
    let result = reply::one(told, one, items)?;
    let (One::AtIndex(gone) | One::AtRank(gone, _)) = one;
    let container = list.replaced(&items.values, gone..gone.saturating_add(1), 0, &[]);
    Ok(Effect { container: Some(container), result })
}

/// The old removal of one element by index.
fn remove_one(list: &List<'_>, call: Call<'_>, told: Told) -> Result<Effect, Refusal> {
    let items = Items::of(list)?;
    let how = ReturnType { told, inverted: false };
    match choose(By::Index, &items, how, &mut call.args.clone())? {
        Chosen::One(one) => without_one(list, &items, one, told),
        Chosen::Many(_) => Err(Refusal::Parameter),
    }
}

/// The old removal of a run of indexes.
fn remove_run(list: &List<'_>, call: Call<'_>, told: Told) -> Result<Effect, Refusal> {
    let mut args = call.args;
    let (start, count) = (args.int()?, args.optional_int()?);
    args.finish()?;
    let run = Run::clip(start, count, list.count());
    let cut = list.cut()?;
    let gone = run.positions().map(|index| cut.at(index));
    let result = if told == Told::Count { reply::integer(run.count) } else { reply::list(gone) };
    Ok(Effect { container: Some(list.replaced(&cut, run.positions(), 0, &[])), result: Some(result) })
}

/// Keeps only a run of indexes; answers how many elements went.
fn trim(list: &List<'_>, call: Call<'_>) -> Result<Effect, Refusal> {
    let mut args = call.args;
    let (start, count) = (args.int()?, args.int()?);
    args.finish()?;
    let run = Run::clip(start, Some(count), list.count());
    let kept = list.run(run.start, run.count)?;
    let gone = list.count().saturating_sub(run.count);
    Ok(Effect { container: Some(encode(list.flags, &kept)), result: Some(reply::integer(gone)) })
}

/// Sorts, and drops duplicates if asked. An ordered list stays in order, whatever the direction.
fn sort(list: Option<List<'_>>, call: Call<'_>) -> Result<Effect, Refusal> {
    let mut args = call.args;
    let flags = args.flags()?;
    args.finish()?;
    let list = list.ok_or(Refusal::IncompatibleType)?;
    let (descending, unique) = (flags & SORT_DESCENDING != 0, flags & SORT_DROP_DUPLICATES != 0);
    if !list.is_ordered() && descending && unique {
        return Err(Refusal::Parameter);
    }
    let elements = list.elements()?;
    let mut sorted = in_order(&elements);
    if unique {
        sorted.dedup_by(|a, b| order::compare(a, b) == Ordering::Equal);
    }
    if descending && !list.is_ordered() {
        sorted.reverse();
    }
    Ok(Effect { container: Some(encode(list.flags, &sorted)), result: None })
}

/// Makes the list ordered or unordered, or creates it so.
fn set_type(list: Option<List<'_>>, call: Call<'_>) -> Result<Effect, Refusal> {
    let mut args = call.args;
    let order = args.int()?;
    args.optional()?;
    args.finish()?;
    let flags = order_flags(order.cast_unsigned())?;
    let Some(list) = list else {
        return Ok(Effect { container: Some(encode(flags, &[])), result: None });
    };
    let elements = list.elements()?;
    let elements = if flags == list.flags { elements } else { in_order(&elements) };
    Ok(Effect { container: Some(encode(flags, &elements)), result: None })
}

/// The flags that are stored for an order as clients send it.
pub(super) fn order_flags(order: u64) -> Result<u8, Refusal> {
    match order & !u64::from(FLAG_PERSIST_INDEX) {
        0 => Ok(0),
        1 => Ok(FLAG_ORDERED),
        _ => Err(Refusal::NotApplicable),
    }
}

/// The elements in the order of their values.
pub(super) fn in_order<'a>(elements: &Vec<&'a [u8]>) -> Vec<&'a [u8]> {
    let sorted = sorting::by_value(elements);
    sorted.into_iter().filter_map(|index| elements.get(index).copied()).collect()
}
