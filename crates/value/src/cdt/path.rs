//! Path expressions: operations on every child that a path selects.
//!
//! A path is a context whose steps may select several children: all, those for which an expression is true, those
//! with some keys. Reading answers the selected leaves as a tree of the bin's shape or as a flat list; modifying
//! puts what an expression says in the place of each leaf. Source: `guide/protocol.md` part 6.7 and recorded answers.
//!
//! The walk goes as deep as the path has steps, and a path has at most [`MAX_STEPS`] of them.

use super::context::{Found, Step, corrupt};
use super::payload::PathRequest;
use super::{Change, Modified, container, particle, sorting};
use crate::expr::{Clock, Element, Program, RecordView, Replacement, Truth};
use crate::msgpack::{FLAG_ORDERED, Item, Reader, writer};
use crate::order;
use crate::{OwnedParticle, Particle, ParticleType, Refusal};
use std::cmp::Ordering;

/// Most steps of a path: as deep as a stored container may be nested.
const MAX_STEPS: usize = crate::canonical::MAX_DEPTH;
/// Step: children for which an expression is true; the literal true means all.
const FILTER: i64 = 0x04;
/// Step: the children of a map with these keys.
const KEYS: i64 = 0x2a;
/// Step: another condition on what the step before selects.
const AND_FILTER: i64 = 0x0204;
/// Flag: elements for which an expression has no value are passed over.
const NO_FAIL: i64 = 0x10;

const TREE: i64 = 0;
const VALUES: i64 = 1;
const MAP_KEYS: i64 = 2;
const MAP_KEYS_AND_VALUES: i64 = 3;
const MODIFY: i64 = 4;

/// Where expressions look for what is not in the element.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    /// The record that the bin belongs to.
    pub(super) record: &'a dyn RecordView,
    /// The time of the operation.
    pub(super) now: Clock,
}

/// How a step selects children.
enum Select<'a> {
    /// All of them.
    All,
    /// Those for which this is true.
    Where(Program),
    /// Those with one of these keys, which are sorted.
    Keys(Vec<&'a [u8]>),
    /// The one of a classic step.
    One(Step<'a>),
}

/// A step with the conditions that follow it.
struct PathStep<'a> {
    select: Select<'a>,
    and: Vec<Program>,
}

/// A child of a container.
#[derive(Clone, Copy)]
struct Child<'a> {
    key: Option<&'a [u8]>,
    value: &'a [u8],
    index: usize,
    offset: usize,
}

/// A container cut into its children.
struct Children<'a> {
    is_map: bool,
    flags: u8,
    children: Vec<Child<'a>>,
}

/// A path on its way through a bin.
struct Walk<'a> {
    steps: Vec<PathStep<'a>>,
    around: Around<'a>,
    no_fail: bool,
}

/// Answers what a path selects.
pub(super) fn read(
    bin: Option<Particle<'_>>,
    request: &PathRequest<'_>,
    around: Around<'_>,
) -> Result<Option<OwnedParticle>, Refusal> {
    let mode = request.flags & !NO_FAIL;
    if !(TREE..=MAP_KEYS_AND_VALUES).contains(&mode) || request.expression.is_some() {
        return Err(Refusal::Parameter);
    }
    let walk = Walk::new(request, around)?;
    let Some(root) = container(bin)? else { return Ok(None) };
    if mode == TREE {
        return walk.tree(root, 0).map(|bytes| Some(particle(bytes)));
    }
    let (mut count, mut found) = (0, Vec::new());
    walk.flat(root, 0, mode, &mut count, &mut found)?;
    let mut bytes = Vec::with_capacity(found.len().saturating_add(5));
    writer::array_head(&mut bytes, count);
    bytes.extend_from_slice(&found);
    Ok(Some(OwnedParticle { kind: ParticleType::List, bytes }))
}

/// Changes what a path selects.
pub(super) fn modify(
    bin: Option<Particle<'_>>,
    request: &PathRequest<'_>,
    around: Around<'_>,
) -> Result<Modified, Refusal> {
    if request.flags & !NO_FAIL != MODIFY {
        return Err(Refusal::Parameter);
    }
    let walk = Walk::new(request, around)?;
    let replace = Program::compile(request.expression.ok_or(Refusal::Parameter)?)?;
    let root = container(bin)?.ok_or(Refusal::IncompatibleType)?;
    let changed = walk.replaced(root, 0, &replace)?;
    Ok(Modified { bin: Change::Set(particle(changed)), result: None })
}

impl<'a> Walk<'a> {
    fn new(request: &PathRequest<'a>, around: Around<'a>) -> Result<Walk<'a>, Refusal> {
        let mut reader = Reader::new(request.context);
        let count = reader.array_head().map_err(|_| Refusal::Parameter)?;
        let mut steps: Vec<PathStep<'a>> = Vec::new();
        if count == 0 || count % 2 != 0 {
            return Err(Refusal::Parameter);
        }
        for _ in 0..count / 2 {
            let kind = reader.int().map_err(|_| Refusal::Parameter)?;
            let value = reader.take().map_err(|_| Refusal::Parameter)?;
            if kind == AND_FILTER {
                let step = steps.last_mut().ok_or(Refusal::Parameter)?;
                step.and.push(Program::compile_filter(value)?);
            } else if steps.len() < MAX_STEPS {
                steps.push(PathStep { select: Select::parse(kind, value)?, and: Vec::new() });
            } else {
                return Err(Refusal::Parameter);
            }
        }
        Ok(Walk { steps, around, no_fail: request.flags & NO_FAIL != 0 })
    }

    /// The selected children as a container of the same kind. Above the leaves, what is no container stays.
    fn tree(&self, container: &[u8], depth: usize) -> Result<Vec<u8>, Refusal> {
        let children = Children::cut(container)?;
        let mut kept = Vec::new();
        for child in self.selected(container, &children, depth)? {
            let value = match self.below(child.value, depth) {
                Some(next) => self.tree(child.value, next)?,
                None => child.value.to_vec(),
            };
            kept.push((child.key, value));
        }
        Ok(children.encode(kept))
    }

    /// Appends the selected leaves one after the other, and counts them.
    fn flat(
        &self,
        container: &[u8],
        depth: usize,
        mode: i64,
        count: &mut usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let children = Children::cut(container)?;
        for child in self.selected(container, &children, depth)? {
            if !self.is_last(depth) {
                if let Some(next) = self.below(child.value, depth) {
                    self.flat(child.value, next, mode, count, out)?;
                }
                continue;
            }
            if mode != VALUES {
                out.extend_from_slice(child.key.ok_or(Refusal::IncompatibleType)?);
                *count = count.saturating_add(1);
            }
            if mode != MAP_KEYS {
                out.extend_from_slice(child.value);
                *count = count.saturating_add(1);
            }
        }
        Ok(())
    }

    /// The container with something else in the place of each selected leaf.
    fn replaced(&self, container: &[u8], depth: usize, replace: &Program) -> Result<Vec<u8>, Refusal> {
        let children = Children::cut(container)?;
        let mut selected = self.selected(container, &children, depth)?.into_iter().peekable();
        let mut kept = Vec::with_capacity(children.children.len());
        for child in &children.children {
            if selected.next_if(|next| next.index == child.index).is_none() {
                kept.push((child.key, child.value.to_vec()));
            } else if !self.is_last(depth) {
                let value = match self.below(child.value, depth) {
                    Some(next) => self.replaced(child.value, next, replace)?,
                    None => child.value.to_vec(),
                };
                kept.push((child.key, value));
            } else if let Some(value) = self.replacement(&children, child, replace)? {
                kept.push((child.key, value));
            }
        }
        Ok(children.encode(kept))
    }

    /// What takes the place of a leaf; nothing when it is removed.
    fn replacement(
        &self,
        children: &Children<'_>,
        child: &Child<'_>,
        replace: &Program,
    ) -> Result<Option<Vec<u8>>, Refusal> {
        match replace.replace(self.around.record, self.around.now, children.element(child)) {
            Ok(Replacement::Removed) => Ok(None),
            Ok(Replacement::Value(value)) => super::list::stored(&value).map(Some),
            Err(_) if self.no_fail => Ok(Some(child.value.to_vec())),
            Err(_) => Err(Refusal::Parameter),
        }
    }

    /// The children that the step at a depth selects, in stored order.
    fn selected<'c>(
        &self,
        container: &[u8],
        children: &Children<'c>,
        depth: usize,
    ) -> Result<Vec<Child<'c>>, Refusal> {
        let Some(step) = self.steps.get(depth) else { return Ok(Vec::new()) };
        let all = children.children.iter().copied();
        let mut selected: Vec<Child<'c>> = match &step.select {
            Select::All => all.collect(),
            Select::Where(program) => self.passing(children, all.collect(), program)?,
            Select::Keys(_) if !children.is_map => return Err(Refusal::IncompatibleType),
            Select::Keys(keys) => all.filter(|child| child.has_key(keys)).collect(),
            Select::One(step) => match step.find(container) {
                Ok(Found::Child(place)) => all.filter(|child| child.offset == place.start).collect(),
                Ok(Found::Missing) | Err(Refusal::NotApplicable) => Vec::new(),
                Err(refusal) => return Err(refusal),
            },
        };
        for program in &step.and {
            selected = self.passing(children, selected, program)?;
        }
        Ok(selected)
    }

    /// Those of some children for which a filter is true.
    fn passing<'c>(
        &self,
        children: &Children<'c>,
        some: Vec<Child<'c>>,
        program: &Program,
    ) -> Result<Vec<Child<'c>>, Refusal> {
        let mut passing = Vec::with_capacity(some.len());
        for child in some {
            let element = Some(children.element(&child));
            match program.filter_element(self.around.record, self.around.now, element) {
                Truth::True => passing.push(child),
                Truth::Unknown if !self.no_fail => return Err(Refusal::Parameter),
                Truth::False | Truth::Unknown => {}
            }
        }
        Ok(passing)
    }

    fn is_last(&self, depth: usize) -> bool {
        depth.saturating_add(1) >= self.steps.len()
    }

    /// The depth below, when there is one and the child is a container.
    fn below(&self, child: &[u8], depth: usize) -> Option<usize> {
        let is_container = matches!(Reader::new(child).peek(), Ok(Item::Array(_) | Item::Map(_)));
        (is_container && !self.is_last(depth)).then_some(depth.saturating_add(1))
    }
}

impl<'a> Select<'a> {
    fn parse(kind: i64, value: &'a [u8]) -> Result<Select<'a>, Refusal> {
        match kind {
            FILTER => match Reader::new(value).peek() {
                Ok(Item::Bool(true)) => Ok(Select::All),
                Ok(Item::Bool(false)) => Err(Refusal::Parameter),
                _ => Program::compile_filter(value).map(Select::Where),
            },
            KEYS => {
                let mut reader = Reader::new(value);
                let head = reader.list_head().map_err(|_| Refusal::Parameter)?;
                let keys = (0..head.count).map(|_| reader.take().map_err(|_| Refusal::Parameter));
                let keys: Vec<&[u8]> = keys.collect::<Result<_, _>>()?;
                let sorted = sorting::by_value(&keys);
                Ok(Select::Keys(sorted.iter().filter_map(|index| keys.get(*index).copied()).collect()))
            }
            _ => Step::new(kind, value).map(Select::One),
        }
    }
}

impl Child<'_> {
    /// Whether the child's key is among these sorted ones.
    fn has_key(&self, keys: &Vec<&[u8]>) -> bool {
        let Some(key) = self.key else { return false };
        let at = sorting::lower_bound(keys, key);
        keys.get(at).is_some_and(|wanted| order::compare(key, wanted) == Ordering::Equal)
    }
}

impl<'a> Children<'a> {
    fn cut(container: &'a [u8]) -> Result<Children<'a>, Refusal> {
        let mut reader = Reader::new(container);
        let is_map = matches!(reader.peek(), Ok(Item::Map(_)));
        let (flags, count) = if is_map {
            let head = reader.map_head().map_err(corrupt)?;
            (head.flags, head.count)
        } else {
            let head = reader.list_head().map_err(corrupt)?;
            (head.flags, head.count)
        };
        let mut children = Vec::new();
        for index in 0..usize::try_from(count).unwrap_or(0) {
            let key = if is_map { Some(reader.take().map_err(corrupt)?) } else { None };
            let offset = reader.position();
            let value = reader.take().map_err(corrupt)?;
            children.push(Child { key, value, index, offset });
        }
        Ok(Children { is_map, flags, children })
    }

    /// What loop variables see of a child.
    fn element<'c>(&self, child: &Child<'c>) -> Element<'c> {
        let index = i64::try_from(child.index).ok().filter(|_| !self.is_map);
        Element { key: child.key, value: Some(child.value), index }
    }

    /// A container of the same kind with these children; a list that is kept in order is put in order.
    fn encode(&self, children: Vec<(Option<&[u8]>, Vec<u8>)>) -> Vec<u8> {
        let mut out = Vec::new();
        if self.is_map {
            writer::map_start(&mut out, self.flags, children.len());
            for (key, value) in children {
                out.extend_from_slice(key.unwrap_or_default());
                out.extend_from_slice(&value);
            }
            return out;
        }
        writer::list_start(&mut out, self.flags, children.len());
        let values: Vec<&[u8]> = children.iter().map(|(_, value)| value.as_slice()).collect();
        let order = if self.flags & FLAG_ORDERED == 0 {
            (0..values.len()).collect()
        } else {
            sorting::by_value(&values)
        };
        order.iter().filter_map(|index| values.get(*index)).for_each(|value| out.extend_from_slice(value));
        out
    }
}
