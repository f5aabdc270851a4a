//! Changing a container inside containers.
//!
//! The encoding of a container holds no byte lengths, so a change deep inside is one splice of the root's bytes.
//! Two things need more: a list that is kept in order gets its changed element moved to where it belongs, and a
//! step with create flags builds what is missing on the way.

use super::context::{Create, Found, Step, corrupt};
use super::list::List;
use super::map::Map;
use super::payload::Call;
use super::{Effect, LeafChange, modify_container};
use crate::Refusal;
use crate::arguments::int;
use crate::msgpack::{FLAG_ORDERED, FLAG_VALUE_ORDERED, Item, Reader, writer};
use std::ops::Range;

/// Most elements that an index may leave to be filled with nil.
pub(super) const MAX_PADDING: usize = 16 << 20;

/// An ordered list on the way, and the place of the child that the way goes through.
struct OrderedFrame {
    list: Range<usize>,
    child: Range<usize>,
}

/// How far the steps lead into a root.
struct Way {
    /// What they lead to, or the last container on the way to what is missing.
    place: Range<usize>,
    /// The ordered lists on the way.
    frames: Vec<OrderedFrame>,
    /// The step that finds nothing.
    missing: Option<usize>,
}

/// Follows the steps.
fn walk(root: &[u8], steps: &[Step<'_>]) -> Result<Way, Refusal> {
    let mut way = Way { place: 0..root.len(), frames: Vec::new(), missing: None };
    for (depth, step) in steps.iter().enumerate() {
        let container = root.get(way.place.clone()).unwrap_or_default();
        match step.find(container)? {
            Found::Child(child) => {
                let child = shift(child, way.place.start);
                if is_ordered_list(container) {
                    way.frames.push(OrderedFrame { list: way.place.clone(), child: child.clone() });
                }
                way.place = child;
            }
            Found::Missing => {
                way.missing = Some(depth);
                return Ok(way);
            }
        }
    }
    Ok(way)
}

/// Runs a call at the end of the steps; none as root is a bin that does not exist.
pub(super) fn modify(root: Option<&[u8]>, steps: &[Step<'_>], call: Call<'_>) -> Result<Effect, Refusal> {
    let Some(root) = root else { return create(steps, call) };
    let way = walk(root, steps)?;
    let container = root.get(way.place.clone()).unwrap_or_default();
    let effect = match way.missing.and_then(|depth| Some((steps.get(depth)?, depth))) {
        None => modify_container(Some(container), call)?,
        Some((step, depth)) => {
            let rest = steps.get(depth.saturating_add(1)..).unwrap_or_default();
            grow(container, step, rest, call)?
        }
    };
    finish(root, way.place, &way.frames, effect)
}

/// Changes what is at the end of the steps, which must be there.
pub(super) fn modify_leaf(
    root: &[u8],
    steps: &[Step<'_>],
    change: LeafChange<'_>,
) -> Result<Effect, Refusal> {
    let way = walk(root, steps)?;
    if way.missing.is_some() {
        return Err(Refusal::NotApplicable);
    }
    let container = change(root.get(way.place.clone()).unwrap_or_default())?;
    finish(root, way.place, &way.frames, Effect { container, result: None })
}

/// Puts a container's new encoding into the root.
fn finish(
    root: &[u8],
    place: Range<usize>,
    frames: &[OrderedFrame],
    effect: Effect,
) -> Result<Effect, Refusal> {
    let Some(mut bytes) = effect.container else { return Ok(effect) };
    let mut place = place;
    for frame in frames.iter().rev() {
        let list = splice(root, frame.list.clone(), &place, &bytes);
        let child = frame.child.start.saturating_sub(frame.list.start);
        bytes = List::parse(&list)?.moved(child)?;
        place = frame.list.clone();
    }
    let container =
        if place == (0..root.len()) { bytes } else { splice(root, 0..root.len(), &place, &bytes) };
    Ok(Effect { container: Some(container), result: effect.result })
}

/// The bytes of `within`, with those of `place` replaced.
fn splice(root: &[u8], within: Range<usize>, place: &Range<usize>, bytes: &[u8]) -> Vec<u8> {
    let before = root.get(within.start..place.start).unwrap_or_default();
    let after = root.get(place.end..within.end).unwrap_or_default();
    [before, bytes, after].concat()
}

fn shift(range: Range<usize>, by: usize) -> Range<usize> {
    range.start.saturating_add(by)..range.end.saturating_add(by)
}

fn is_ordered_list(container: &[u8]) -> bool {
    Reader::new(container).list_head().is_ok_and(|head| head.flags & FLAG_ORDERED != 0)
}

/// Builds what the steps name, and runs the call in it.
fn create(steps: &[Step<'_>], call: Call<'_>) -> Result<Effect, Refusal> {
    let Some((step, rest)) = steps.split_first() else { return modify_container(None, call) };
    let empty = empty(step).ok_or(Refusal::NotApplicable)?;
    grow(&empty, step, rest, call)
}

/// The empty container that a step with create flags wants around its child.
fn empty(step: &Step<'_>) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let create = step.create()?;
    if step.is_list_index() {
        writer::list_start(&mut out, if create == Create::Ordered { FLAG_ORDERED } else { 0 }, 0);
    } else {
        let flags = match create {
            Create::Unordered => 0,
            Create::Middle => FLAG_ORDERED,
            Create::Ordered => FLAG_ORDERED | FLAG_VALUE_ORDERED,
        };
        writer::map_start(&mut out, flags, 0);
    }
    Some(out)
}

/// Adds the child that a step misses in this container, made by the rest of the steps and the call.
fn grow(container: &[u8], step: &Step<'_>, rest: &[Step<'_>], call: Call<'_>) -> Result<Effect, Refusal> {
    let create_as = step.create().ok_or(Refusal::NotApplicable)?;
    if matches!(Reader::new(container).peek().map_err(corrupt)?, Item::Map(_)) {
        let effect = create(rest, call)?;
        let Some(child) = effect.container else { return Ok(effect) };
        let mut key = Vec::new();
        super::map::key(step.value(), &mut key)?;
        let grown = Map::parse(container)?.with(&key, &child);
        return Ok(Effect { container: Some(grown), result: effect.result });
    }
    let list = List::parse(container)?;
    let padding = padding(&list, step.value(), create_as)?;
    let effect = create(rest, call)?;
    let Some(child) = effect.container else { return Ok(effect) };
    let grown = if list.is_ordered() { list.inserted(&child)? } else { list.appended(padding, 1, &child) };
    Ok(Effect { container: Some(grown), result: effect.result })
}

/// How many nils go between a list's end and a new element at this index. In an empty list the last index is the
/// first as well; an ordered list has its own place for the element.
fn padding(list: &List<'_>, index: &[u8], create: Create) -> Result<usize, Refusal> {
    let index = match int(index)? {
        -1 if list.count() == 0 => 0,
        index => usize::try_from(index).map_err(|_| Refusal::NotApplicable)?,
    };
    if list.is_ordered() {
        return Ok(0);
    }
    let padding = index.checked_sub(list.count()).ok_or(Refusal::NotApplicable)?;
    if padding > MAX_PADDING {
        return Err(Refusal::RecordTooBig);
    }
    if padding > 0 && create != Create::Middle { Err(Refusal::NotApplicable) } else { Ok(padding) }
}
