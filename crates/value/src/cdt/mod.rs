//! Operations on lists and maps.
//!
//! Guarantees: an operation is a pure function of the bin and its payload; it either answers the whole new value
//! or refuses and changes nothing; no bytes make it panic, and what it writes is canonical when its bin is.
//!
//! The idea: a container has no lengths inside, so a nested change is one splice of the encoded bytes, and an
//! operation works on a list of slices of them, never on a tree. `payload` cuts the request into context and call,
//! `context` walks to the container that is meant, `nested` puts what comes back into its place, `list` and `map`
//! hold the operations, `select` and `reply` hold what both have in common: which elements are meant, and how
//! the answer is shaped.
//!
//! Path expressions are in `path`. Source: `guide/protocol.md` part 5, and recorded answers.

mod context;
mod cut;
mod key;
mod list;
mod map;
mod nested;
mod path;
mod payload;
mod reply;
mod select;
mod sorting;
mod sum;

#[cfg(test)]
mod cdt_tests;
#[cfg(test)]
mod path_tests;

use crate::expr::{Clock, Meta, RecordView};
use crate::msgpack::{Item, Reader};
use crate::{OwnedParticle, Particle, ParticleType, Refusal};
use context::Steps;
use path::Around;
use payload::{Call, Payload};

/// What becomes of the bin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It stays as it is; a missing bin stays missing.
    Keep,
    /// It gets this value.
    Set(OwnedParticle),
    /// It is deleted.
    Remove,
}

/// The outcome of a modifying operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Modified {
    /// What becomes of the bin.
    pub bin: Change,
    /// What the client is answered; none is no result.
    pub result: Option<OwnedParticle>,
}

/// From the encoding of what is inside a bin to its new encoding; none leaves it alone.
pub(crate) type LeafChange<'a> = &'a dyn Fn(&[u8]) -> Result<Option<Vec<u8>>, Refusal>;

/// What an operation makes of the container that it works on.
struct Effect {
    /// The container's new encoding; none leaves it alone.
    container: Option<Vec<u8>>,
    /// What the client is answered.
    result: Option<OwnedParticle>,
}

impl Effect {
    /// Nothing changes, nothing is answered.
    fn nothing() -> Effect {
        Effect { container: None, result: None }
    }
}

/// A record of which nothing is known.
struct NoRecord;

impl RecordView for NoRecord {
    fn bin(&self, _: &[u8]) -> Option<Particle<'_>> {
        None
    }

    fn meta(&self) -> Option<Meta<'_>> {
        None
    }
}

/// Runs a reading operation. A missing bin answers nothing. Path expressions see nothing of the record: see
/// [`read_in`].
pub fn read(bin: Option<Particle<'_>>, payload: &[u8]) -> Result<Option<OwnedParticle>, Refusal> {
    read_in(bin, payload, &NoRecord, Clock { unix_ms: 0 })
}

/// Runs a modifying operation. Path expressions see nothing of the record: see [`modify_in`].
pub fn modify(bin: Option<Particle<'_>>, payload: &[u8]) -> Result<Modified, Refusal> {
    modify_in(bin, payload, &NoRecord, Clock { unix_ms: 0 })
}

/// Runs a reading operation; expressions in a path may ask about the record and the time.
pub fn read_in(
    bin: Option<Particle<'_>>,
    payload: &[u8],
    record: &dyn RecordView,
    now: Clock,
) -> Result<Option<OwnedParticle>, Refusal> {
    let (steps, call) = match payload::parse(payload)? {
        Payload::Call { steps, call } => (steps, call),
        Payload::Path(request) => return path::read(bin, &request, Around { record, now }),
    };
    if !call.is_read() {
        return Err(Refusal::Parameter);
    }
    let Some(root) = container(bin)? else { return Ok(None) };
    let target = context::descend(root, &steps)?;
    read_container(target, call)
}

/// Runs a modifying operation; expressions in a path may ask about the record and the time.
pub fn modify_in(
    bin: Option<Particle<'_>>,
    payload: &[u8],
    record: &dyn RecordView,
    now: Clock,
) -> Result<Modified, Refusal> {
    let (steps, call) = match payload::parse(payload)? {
        Payload::Call { steps, call } => (steps, call),
        Payload::Path(request) => return path::modify(bin, &request, Around { record, now }),
    };
    if !call.is_modify() {
        return Err(Refusal::Parameter);
    }
    let root = match container(bin) {
        // A context on a bin that is no container is a fault of the arguments, as recorded.
        Err(_) if !steps.is_empty() => return Err(Refusal::Parameter),
        root => root?,
    };
    let effect = nested::modify(root, &steps, call)?;
    let bin = effect.container.map_or(Change::Keep, |bytes| Change::Set(particle(bytes)));
    Ok(Modified { bin, result: effect.result })
}

/// Whether `context` leads somewhere: a whole list of steps that each select one child, without creating any.
#[must_use]
pub fn is_context(context: &[u8]) -> bool {
    let whole = Reader::new(context).take().is_ok_and(|taken| taken.len() == context.len());
    whole && context::parse(context).is_ok_and(|steps| steps.iter().all(context::Step::is_plain))
}

/// The encoding of what a context leads to inside a bin; none when it leads nowhere.
#[must_use]
pub fn find<'a>(bin: Particle<'a>, context: &[u8]) -> Option<&'a [u8]> {
    let root = container(Some(bin)).ok().flatten()?;
    context::descend(root, &context::parse(context).ok()?).ok()
}

/// The encoding of what a context leads to inside a bin, whatever it is; a missing bin has nothing inside.
pub(crate) fn leaf<'a>(bin: Option<Particle<'a>>, context: &[u8]) -> Result<Option<&'a [u8]>, Refusal> {
    let steps = context::parse(context)?;
    let Some(root) = container(bin)? else { return Ok(None) };
    context::descend(root, &steps).map(Some)
}

/// Changes what a context leads to inside a bin, whatever it is.
pub(crate) fn modify_leaf(
    bin: Option<Particle<'_>>,
    context: &[u8],
    change: LeafChange<'_>,
) -> Result<Change, Refusal> {
    let steps = context::parse(context)?;
    let root = container(bin)?.ok_or(Refusal::NotApplicable)?;
    let effect = nested::modify_leaf(root, &steps, change)?;
    Ok(effect.container.map_or(Change::Keep, |bytes| Change::Set(particle(bytes))))
}

/// The bin's encoding, which must be a container's.
fn container(bin: Option<Particle<'_>>) -> Result<Option<&[u8]>, Refusal> {
    match bin {
        None => Ok(None),
        Some(Particle { kind: ParticleType::List | ParticleType::Map, bytes }) => Ok(Some(bytes)),
        Some(_) => Err(Refusal::IncompatibleType),
    }
}

/// A container's encoding as a bin value.
fn particle(bytes: Vec<u8>) -> OwnedParticle {
    let is_map = matches!(Reader::new(&bytes).peek(), Ok(Item::Map(_)));
    OwnedParticle { kind: if is_map { ParticleType::Map } else { ParticleType::List }, bytes }
}

/// Runs a reading call on the container that the context leads to.
fn read_container(target: &[u8], call: Call<'_>) -> Result<Option<OwnedParticle>, Refusal> {
    if call.is_map() { map::read(target, call) } else { list::read(target, call) }
}

/// Runs a modifying call on the container that the context leads to; none when there is no such container yet.
fn modify_container(target: Option<&[u8]>, call: Call<'_>) -> Result<Effect, Refusal> {
    if call.is_map() { map::modify(target, call) } else { list::modify(target, call) }
}
