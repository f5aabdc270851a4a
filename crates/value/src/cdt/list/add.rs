//! The operations that add elements: append, insert, set.

use super::choose::cut;
use super::modify::order_flags;
use super::{List, encode, stored};
use crate::Refusal;
use crate::cdt::nested::MAX_PADDING;
use crate::cdt::payload::Call;
use crate::cdt::sorting::{MANY, Ranked, Values, Wanted};
use crate::cdt::{Effect, reply, sorting};
use crate::order;
use std::cmp::Ordering;

const ADD_UNIQUE: u64 = 1;
const INSERT_BOUNDED: u64 = 2;
const NO_FAIL: u64 = 4;
const PARTIAL: u64 = 8;

/// Write flags as sent; unknown bits mean nothing.
#[derive(Clone, Copy)]
pub(super) struct Flags(pub(super) u64);

impl Flags {
    /// Elements must be different from all others.
    pub(super) fn unique(self) -> bool {
        self.0 & ADD_UNIQUE != 0
    }

    /// Nothing may be added behind the end but at it.
    pub(super) fn bounded(self) -> bool {
        self.0 & INSERT_BOUNDED != 0
    }

    /// What the flags forbid is not done, and that is no error.
    pub(super) fn no_fail(self) -> bool {
        self.0 & NO_FAIL != 0
    }

    /// Of several elements those are added that may be.
    fn partial(self) -> bool {
        self.no_fail() && self.0 & PARTIAL != 0
    }
}

/// Adds an element at the end, or where the order wants it.
pub(super) fn append(list: Option<List<'_>>, call: Call<'_>) -> Result<Effect, Refusal> {
    let mut args = call.args;
    let (value, order, flags) = (args.value()?, args.flags()?, Flags(args.flags()?));
    args.finish()?;
    let value = stored(value)?;
    let list = list.map_or_else(|| order_flags(order).map(List::empty), Ok)?;
    if flags.unique() && contains(&list, &value)? {
        return refused(&list, flags, Refusal::ElementExists);
    }
    if list.is_ordered() {
        return Ok(sized(list.inserted(&value)?, list.count().saturating_add(1)));
    }
    Ok(sized(list.appended(0, 1, &value), list.count().saturating_add(1)))
}

/// Adds several elements at the end, or where the order wants them.
pub(super) fn append_items(list: Option<List<'_>>, call: Call<'_>) -> Result<Effect, Refusal> {
    let mut args = call.args;
    let (items, order, flags) = (args.value()?, args.flags()?, Flags(args.flags()?));
    args.finish()?;
    let items = stored_items(items)?;
    let list = list.map_or_else(|| order_flags(order).map(List::empty), Ok)?;
    let new = match allowed(&list, &items, flags)? {
        Ok(new) => new,
        Err(refusal) => return refused(&list, flags, refusal),
    };
    let count = list.count().saturating_add(new.len());
    if !list.is_ordered() {
        return Ok(sized(list.appended(0, new.len(), &new.concat()), count));
    }
    let mut elements = list.elements()?;
    elements.extend(new);
    Ok(sized(encode(list.flags, &super::modify::in_order(&elements)), count))
}

/// Puts an element in front of the one at an index.
pub(super) fn insert(list: Option<List<'_>>, call: Call<'_>) -> Result<Effect, Refusal> {
    let mut args = call.args;
    let (index, value, flags) = (args.int()?, args.value()?, Flags(args.flags()?));
    args.finish()?;
    let value = stored(value)?;
    insert_at(list, index, &[value.as_slice()], flags)
}

/// Puts several elements in front of the one at an index.
pub(super) fn insert_items(list: Option<List<'_>>, call: Call<'_>) -> Result<Effect, Refusal> {
    let mut args = call.args;
    let (index, items, flags) = (args.int()?, args.value()?, Flags(args.flags()?));
    args.finish()?;
    let items = stored_items(items)?;
    let items: Vec<&[u8]> = items.iter().map(Vec::as_slice).collect();
    insert_at(list, index, &items, flags)
}

fn insert_at(list: Option<List<'_>>, index: i64, items: &[&[u8]], flags: Flags) -> Result<Effect, Refusal> {
    let list = list.unwrap_or_else(|| List::empty(0));
    if list.is_ordered() {
        return Err(Refusal::NotApplicable);
    }
    let at = place(index, list.count())?;
    if flags.bounded() && at > list.count() {
        return refused(&list, flags, Refusal::NotApplicable);
    }
    let owned: Vec<Vec<u8>> = items.iter().map(|item| item.to_vec()).collect();
    let new = match allowed(&list, &owned, flags)? {
        Ok(new) => new,
        Err(refusal) => return refused(&list, flags, refusal),
    };
    if at >= list.count() && !new.is_empty() {
        let padding = at.saturating_sub(list.count());
        let count = at.saturating_add(new.len());
        return Ok(sized(list.appended(padding, new.len(), &new.concat()), count));
    }
    let cut = list.cut()?;
    let at = at.min(cut.count());
    let count = cut.count().saturating_add(new.len());
    Ok(sized(list.replaced(&cut, at..at, new.len(), &new.concat()), count))
}

/// Replaces the element at an index, or adds one behind the end.
pub(super) fn set(list: Option<List<'_>>, call: Call<'_>) -> Result<Effect, Refusal> {
    let mut args = call.args;
    let (index, value, flags) = (args.int()?, args.value()?, Flags(args.flags()?));
    args.finish()?;
    let value = stored(value)?;
    let list = list.unwrap_or_else(|| List::empty(0));
    if list.is_ordered() {
        return Err(Refusal::NotApplicable);
    }
    let at = place(index, list.count())?;
    let cut = list.cut()?;
    let untold = |effect: Effect| Effect { result: None, ..effect };
    if flags.bounded() && at > list.count() {
        return refused(&list, flags, Refusal::NotApplicable).map(untold);
    }
    if flags.unique() && contains_but(&cut, &value, at) {
        return refused(&list, flags, Refusal::ElementExists).map(untold);
    }
    if at < cut.count() {
        let run = at..at.saturating_add(1);
        return Ok(Effect { container: Some(list.replaced(&cut, run, 1, &value)), result: None });
    }
    let padding = at.saturating_sub(list.count());
    Ok(Effect { container: Some(list.appended(padding, 1, &value)), result: None })
}

/// An index to write at: negative ones count from the end, none may lie absurdly far behind it.
pub(super) fn place(index: i64, count: usize) -> Result<usize, Refusal> {
    let size = i64::try_from(count).unwrap_or(i64::MAX);
    let index = if index < 0 { index.saturating_add(size) } else { index };
    let at = usize::try_from(index).map_err(|_| Refusal::NotApplicable)?;
    if at.saturating_sub(count) > MAX_PADDING { Err(Refusal::RecordTooBig) } else { Ok(at) }
}

/// Whether the list has an element that equals this.
fn contains(list: &List<'_>, value: &[u8]) -> Result<bool, Refusal> {
    let cut = list.cut()?;
    if list.is_ordered() {
        let at = sorting::lower_bound(&cut, value);
        return Ok(at < cut.count() && order::compare(cut.at(at), value) == Ordering::Equal);
    }
    Ok(contains_but(&cut, value, usize::MAX))
}

/// Whether an element other than the one at `but` equals this.
pub(super) fn contains_but(elements: &impl Values, value: &[u8], but: usize) -> bool {
    let wanted = Wanted::new(value);
    (0..elements.count()).any(|index| index != but && wanted.equals(elements.at(index)))
}

/// Those of the new elements that the flags let in; inside, the refusal when none may be added.
fn allowed<'a>(
    list: &List<'_>,
    items: &'a [Vec<u8>],
    flags: Flags,
) -> Result<Result<Vec<&'a [u8]>, Refusal>, Refusal> {
    let items = items.iter().map(Vec::as_slice);
    if !flags.unique() {
        return Ok(Ok(items.collect()));
    }
    let elements = list.elements()?;
    let items: Vec<&[u8]> = items.collect();
    let ranked = (items.len() > MANY).then(|| (Ranked::of(&elements), Ranked::of(&items)));
    let (mut new, mut existing, mut repeated) = (Vec::with_capacity(items.len()), false, false);
    for (position, item) in items.iter().copied().enumerate() {
        let (exists, repeats) = match &ranked {
            Some((elements, items)) => {
                let same = items.positions(items.equal(item));
                (!elements.equal(item).is_empty(), same.first() != Some(&position))
            }
            None => (contains_but(&elements, item, usize::MAX), contains_but(&new, item, usize::MAX)),
        };
        if exists {
            existing = true;
        } else if repeats {
            repeated = true;
        } else {
            new.push(item);
        }
    }
    if flags.partial() || !existing && !repeated {
        return Ok(Ok(new));
    }
    // An ordered list looks at the new elements among themselves first.
    let among = repeated && (list.is_ordered() || !existing);
    Ok(Err(if among { Refusal::NotApplicable } else { Refusal::ElementExists }))
}

/// The elements of an argument that must be a list.
fn stored_items(argument: &[u8]) -> Result<Vec<Vec<u8>>, Refusal> {
    cut(argument)?.into_iter().map(stored).collect()
}

/// Flags forbid the change: an error, or no change and the size as answer. A missing list is created, though.
fn refused(list: &List<'_>, flags: Flags, refusal: Refusal) -> Result<Effect, Refusal> {
    if flags.no_fail() { Ok(sized(list.appended(0, 0, &[]), list.count())) } else { Err(refusal) }
}

/// A new list, and its size as answer.
fn sized(container: Vec<u8>, count: usize) -> Effect {
    Effect { container: Some(container), result: Some(reply::integer(count)) }
}
