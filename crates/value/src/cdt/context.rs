//! Contexts: the way from a bin to the nested container that an operation works on.
//!
//! A context is a list of steps; a step selects one child of a list or map by index, rank, key or value. A step of
//! the other container's kind, or into a scalar, does not apply.

use super::sorting;
use crate::Refusal;
use crate::arguments::int;
use crate::msgpack::{Item, Malformed, Reader};
use smallvec::SmallVec;
use std::ops::Range;

const BY_INDEX: u8 = 0x00;
const BY_RANK: u8 = 0x01;
const BY_KEY: u8 = 0x02;
const BY_VALUE: u8 = 0x03;
const LIST: u8 = 0x10;
const MAP: u8 = 0x20;
/// The part of a step's type that says how a missing container is created.
const CREATE_MASK: u8 = 0xc0;

/// The steps of a context, outermost first.
pub(super) type Steps<'a> = SmallVec<[Step<'a>; 4]>;

/// One step.
#[derive(Clone, Copy)]
pub(super) struct Step<'a> {
    kind: u8,
    value: &'a [u8],
}

/// How a missing container is created.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Create {
    /// Unordered; a list is not padded.
    Unordered,
    /// A list is padded with nil up to the index; a map is ordered by key.
    Middle,
    /// An ordered list; a map ordered by key and value.
    Ordered,
}

/// What a step finds in a container.
pub(super) enum Found {
    /// The child's place inside the container's encoding.
    Child(Range<usize>),
    /// No such child.
    Missing,
}

impl<'a> Step<'a> {
    /// The step of this type and value; types of more than a byte are none.
    pub(super) fn new(kind: i64, value: &'a [u8]) -> Result<Step<'a>, Refusal> {
        Ok(Step { kind: u8::try_from(kind).map_err(|_| Refusal::Parameter)?, value })
    }

    /// What the step selects by: an index, a key and so on, encoded.
    pub(super) fn value(&self) -> &'a [u8] {
        self.value
    }

    /// Whether a missing child may be created, and how; only for list indexes and map keys.
    pub(super) fn create(&self) -> Option<Create> {
        if !self.is_list_index() && !self.is_map_key() {
            return None;
        }
        match self.kind & CREATE_MASK {
            0x40 => Some(Create::Unordered),
            0x80 => Some(Create::Middle),
            0xc0 => Some(Create::Ordered),
            _ => None,
        }
    }

    /// Whether the step selects a list's element by index.
    pub(super) fn is_list_index(&self) -> bool {
        self.kind & !CREATE_MASK == LIST | BY_INDEX
    }

    /// Whether the step selects a map's pair by key.
    pub(super) fn is_map_key(&self) -> bool {
        self.kind & !CREATE_MASK == MAP | BY_KEY
    }

    /// Whether the step is a known one without create flags, and its value is what such a step selects by.
    pub(super) fn is_plain(&self) -> bool {
        match self.kind & 0x0f {
            _ if !matches!(self.kind & 0xf0, LIST | MAP) => false,
            BY_INDEX | BY_RANK => int(self.value).is_ok(),
            BY_KEY => self.kind & 0xf0 == MAP,
            BY_VALUE => true,
            _ => false,
        }
    }

    /// Looks for the child in a container's encoding.
    pub(super) fn find(&self, container: &[u8]) -> Result<Found, Refusal> {
        let mut reader = Reader::new(container);
        let (is_map, count) = match reader.peek().map_err(corrupt)? {
            Item::Array(_) => (false, reader.list_head().map_err(corrupt)?.count),
            Item::Map(_) => (true, reader.map_head().map_err(corrupt)?.count),
            Item::Nil
            | Item::Bool(_)
            | Item::Int(_)
            | Item::Uint(_)
            | Item::Double(_)
            | Item::Bytes(_)
            | Item::Ext { .. } => return Err(Refusal::NotApplicable),
        };
        let family = if is_map { MAP } else { LIST };
        if self.kind & !CREATE_MASK & 0xf0 != family {
            return Err(Refusal::NotApplicable);
        }
        let count = usize::try_from(count).unwrap_or(0);
        let children = Children { reader, is_map, count };
        let found = match self.kind & 0x0f {
            BY_INDEX => self.position(count)?.map_or(Ok(None), |index| children.at(index)),
            BY_RANK => self.position(count)?.map_or(Ok(None), |rank| children.ranked(rank)),
            BY_KEY if is_map => children.first(self.value, true),
            BY_VALUE => children.first(self.value, false),
            _ => return Err(Refusal::NotApplicable),
        };
        Ok(found.map_err(corrupt)?.map_or(Found::Missing, Found::Child))
    }

    /// The index or rank as a position below `count`; negative ones count from the end.
    fn position(&self, count: usize) -> Result<Option<usize>, Refusal> {
        let index = int(self.value)?;
        let size = i64::try_from(count).unwrap_or(i64::MAX);
        let index = if index < 0 { index.saturating_add(size) } else { index };
        Ok(usize::try_from(index).ok().filter(|index| *index < count))
    }
}

/// One child: its key (empty in lists), value and place.
struct Child<'a> {
    key: &'a [u8],
    value: &'a [u8],
    place: Range<usize>,
}

/// A container's children, from its first on.
#[derive(Clone, Copy)]
struct Children<'a> {
    reader: Reader<'a>,
    is_map: bool,
    count: usize,
}

impl<'a> Children<'a> {
    /// The next child.
    fn next(&mut self) -> Result<Child<'a>, Malformed> {
        let key = if self.is_map { self.reader.take()? } else { &[] };
        let start = self.reader.position();
        let value = self.reader.take()?;
        Ok(Child { key, value, place: start..self.reader.position() })
    }

    /// The child at an index.
    fn at(mut self, index: usize) -> Result<Option<Range<usize>>, Malformed> {
        self.reader.skip_many(if self.is_map { index.saturating_mul(2) } else { index })?;
        Ok(Some(self.next()?.place))
    }

    /// The child at a rank of the values.
    fn ranked(mut self, rank: usize) -> Result<Option<Range<usize>>, Malformed> {
        let (mut values, mut places) = (Vec::with_capacity(self.count), Vec::with_capacity(self.count));
        for _ in 0..self.count {
            let child = self.next()?;
            values.push(child.value);
            places.push(child.place);
        }
        let found = sorting::at_ranks(&values, rank..rank.saturating_add(1));
        Ok(found.first().and_then(|index| places.get(*index).cloned()))
    }

    /// The first child whose key or value equals this.
    fn first(mut self, wanted: &[u8], by_key: bool) -> Result<Option<Range<usize>>, Malformed> {
        let wanted = sorting::Wanted::new(wanted);
        for _ in 0..self.count {
            let child = self.next()?;
            let candidate = if by_key { child.key } else { child.value };
            if wanted.equals(candidate) {
                return Ok(Some(child.place));
            }
        }
        Ok(None)
    }
}

/// A stored container that can't be read: nothing that admission lets in.
pub(super) fn corrupt(_: Malformed) -> Refusal {
    Refusal::IncompatibleType
}

/// Reads the steps of a context list.
pub(super) fn parse(encoded: &[u8]) -> Result<Steps<'_>, Refusal> {
    let mut reader = Reader::new(encoded);
    let count = reader.array_head().map_err(|_| Refusal::Parameter)?;
    if count == 0 || count % 2 != 0 {
        return Err(Refusal::Parameter);
    }
    let mut steps = Steps::new();
    for _ in 0..count / 2 {
        let kind = reader.int().map_err(|_| Refusal::Parameter)?;
        let value = reader.take().map_err(|_| Refusal::Parameter)?;
        steps.push(Step::new(kind, value)?);
    }
    Ok(steps)
}

/// Walks down to the container that a reading operation works on.
pub(super) fn descend<'a>(root: &'a [u8], steps: &Steps<'_>) -> Result<&'a [u8], Refusal> {
    let mut container = root;
    for step in steps {
        match step.find(container)? {
            Found::Child(place) => container = container.get(place).unwrap_or_default(),
            Found::Missing => return Err(Refusal::NotApplicable),
        }
    }
    Ok(container)
}
