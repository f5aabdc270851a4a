//! Operations on `HyperLogLog` bins.
//!
//! Guarantees: pure functions of the bin and the payload; registers, counts, intersections and similarities are the
//! recorded server's to the last bit, so values that its clients stored go on working. Adding touches only the
//! registers it needs.
//!
//! The parts: `hash` (which register a value goes to, and what it leaves there), `sketch` (packed registers),
//! `estimate` (from registers to counts), `together` (several HLLs at once).
//!
//! It refuses contexts (HLLs inside containers). Source: `guide/protocol.md` parts 5.8 and 7.2, and recorded answers.

mod estimate;
mod hash;
mod sketch;
mod together;

#[cfg(test)]
mod hll_tests;

use crate::arguments::{Args, head};
use crate::cdt::{Change, Modified};
use crate::msgpack::{Item, Reader, writer};
use crate::{OwnedParticle, Particle, ParticleType, Refusal};
use sketch::{Shape, Sketch};

/// Flag: only a missing bin may be written.
const CREATE_ONLY: u64 = 1;
/// Flag: only an existing bin may be written.
const UPDATE_ONLY: u64 = 2;
/// Flag: what the two flags above forbid is not done, and that is no error.
const NO_FAIL: u64 = 4;
/// Flag: a union may have less index bits or no minhash bits any more.
const ALLOW_FOLD: u64 = 8;

/// Runs a reading operation. A missing bin answers nothing.
pub fn read(bin: Option<Particle<'_>>, payload: &[u8]) -> Result<Option<OwnedParticle>, Refusal> {
    let (code, mut args) = head(payload)?;
    if !(50..=56).contains(&code) {
        return Err(Refusal::Parameter);
    }
    let Some(sketch) = sketch(bin)? else { return Ok(None) };
    if matches!(code, 50 | 55) {
        args.finish()?;
        return Ok(Some(if code == 50 { OwnedParticle::integer(count(&sketch)) } else { describe(&sketch) }));
    }
    let argument = args.value()?;
    args.finish()?;
    if code == 56 {
        return may_contain(&sketch, argument).map(Some);
    }
    let mut sketches = sketches(argument)?;
    sketches.insert(0, sketch);
    Ok(Some(match code {
        51 => together::union(&sketches).into_particle(),
        52 => OwnedParticle::integer(count(&together::union(&sketches))),
        53 => OwnedParticle::integer(together::intersect_count(&sketches)?),
        _ => double(together::similarity(&sketches)?),
    }))
}

/// Runs a modifying operation.
pub fn modify(bin: Option<Particle<'_>>, payload: &[u8]) -> Result<Modified, Refusal> {
    let (code, args) = head(payload)?;
    match code {
        0 => init(bin, args),
        1 => add(bin, args),
        2 => set_union(bin, args),
        3 => refresh_count(bin, args),
        4 => fold(bin, args),
        _ => Err(Refusal::Parameter),
    }
}

/// Makes the bin an HLL without values.
fn init(bin: Option<Particle<'_>>, mut args: Args<'_>) -> Result<Modified, Refusal> {
    let (index, minhash) = (args.int()?, args.optional_int()?.unwrap_or(-1));
    let flags = flags(&mut args, CREATE_ONLY | UPDATE_ONLY | NO_FAIL)?;
    let asked = Asked::new(index, minhash)?;
    let old = sketch(bin)?;
    if let Some(forbidden) = forbidden(flags, old.is_some()) {
        return forbidden;
    }
    let shape = asked.or(old.as_ref()).ok_or(Refusal::NotApplicable)?;
    Ok(set(Sketch::empty(shape), None))
}

/// Adds values; answers how many registers changed. The bits only matter when there is no HLL yet.
fn add(bin: Option<Particle<'_>>, mut args: Args<'_>) -> Result<Modified, Refusal> {
    let values = args.value()?;
    let (index, minhash) = (args.optional_int()?.unwrap_or(-1), args.optional_int()?.unwrap_or(-1));
    let flags = flags(&mut args, CREATE_ONLY | NO_FAIL)?;
    let asked = Asked::new(index, minhash)?;
    let values = elements(values)?;
    let old = sketch(bin)?;
    if let Some(forbidden) = forbidden(flags, old.is_some()) {
        return forbidden;
    }
    let mut sketch = match old {
        Some(sketch) => sketch,
        None => Sketch::empty(asked.or(None).ok_or(Refusal::NotApplicable)?),
    };
    let mut changed = 0_i64;
    for value in values {
        changed = changed.saturating_add(i64::from(sketch.add(value)));
    }
    Ok(set(sketch, Some(OwnedParticle::integer(changed))))
}

/// Makes the bin the union of itself and other HLLs.
fn set_union(bin: Option<Particle<'_>>, mut args: Args<'_>) -> Result<Modified, Refusal> {
    let argument = args.value()?;
    let flags = flags(&mut args, CREATE_ONLY | UPDATE_ONLY | NO_FAIL | ALLOW_FOLD)?;
    let mut sketches = sketches(argument)?;
    let old = sketch(bin)?;
    if let Some(forbidden) = forbidden(flags, old.is_some()) {
        return forbidden;
    }
    let before = old.as_ref().map(Sketch::shape);
    sketches.extend(old);
    let union = together::union(&sketches);
    if flags & ALLOW_FOLD == 0 && before.is_some_and(|before| before != union.shape()) {
        return Err(Refusal::NotApplicable);
    }
    Ok(set(union, None))
}

/// Counts, and keeps the count with the HLL.
fn refresh_count(bin: Option<Particle<'_>>, args: Args<'_>) -> Result<Modified, Refusal> {
    args.finish()?;
    let mut sketch = sketch(bin)?.ok_or(Refusal::BinNotFound)?;
    let count = count(&sketch);
    sketch.keep_count(count);
    Ok(set(sketch, Some(OwnedParticle::integer(count))))
}

/// Takes away index bits.
fn fold(bin: Option<Particle<'_>>, mut args: Args<'_>) -> Result<Modified, Refusal> {
    let index = args.int()?;
    args.finish()?;
    let shape = Asked::new(index, 0)?.or(None).ok_or(Refusal::Parameter)?;
    let sketch = sketch(bin)?.ok_or(Refusal::BinNotFound)?;
    let old = sketch.shape();
    if old.minhash_bits != 0 || shape.index_bits > old.index_bits {
        return Err(Refusal::NotApplicable);
    }
    let folded = if shape == old { sketch } else { sketch.reduced(shape) };
    Ok(set(folded, None))
}

/// The bits that an argument asks for.
struct Asked(Option<Shape>);

impl Asked {
    /// Bits as sent: -1 index bits are those that there are, -1 minhash bits are none.
    fn new(index: i64, minhash: i64) -> Result<Asked, Refusal> {
        let minhash = if minhash == -1 { 0 } else { minhash };
        let minhash_bits = u8::try_from(minhash).map_err(|_| Refusal::Parameter)?;
        if index == -1 {
            return Ok(Asked(None));
        }
        let index_bits = u8::try_from(index).map_err(|_| Refusal::Parameter)?;
        Shape::new(index_bits, minhash_bits).map(|shape| Asked(Some(shape))).ok_or(Refusal::Parameter)
    }

    /// The bits, or those of an HLL that there is.
    fn or(&self, old: Option<&Sketch>) -> Option<Shape> {
        self.0.or_else(|| old.map(Sketch::shape))
    }
}

/// The last argument as flags, of which only some are allowed.
fn flags(args: &mut Args<'_>, allowed: u64) -> Result<u64, Refusal> {
    let flags = args.flags()?;
    args.finish()?;
    let both = CREATE_ONLY | UPDATE_ONLY;
    if flags & !allowed != 0 || flags & both == both { Err(Refusal::Parameter) } else { Ok(flags) }
}

/// What the flags answer when they forbid the operation.
fn forbidden(flags: u64, exists: bool) -> Option<Result<Modified, Refusal>> {
    let refusal = match exists {
        true if flags & CREATE_ONLY != 0 => Refusal::BinExists,
        false if flags & UPDATE_ONLY != 0 => Refusal::BinNotFound,
        _ => return None,
    };
    let kept = Modified { bin: Change::Keep, result: None };
    Some(if flags & NO_FAIL != 0 { Ok(kept) } else { Err(refusal) })
}

/// Whether all of some values may have been added: 1, or 0.
fn may_contain(sketch: &Sketch, values: &[u8]) -> Result<OwnedParticle, Refusal> {
    let all = elements(values)?.into_iter().all(|value| sketch.may_contain(value));
    Ok(OwnedParticle::integer(i64::from(all)))
}

/// How many different values were added, about.
fn count(sketch: &Sketch) -> i64 {
    estimate::count(sketch)
}

/// The index and minhash bits as a list.
fn describe(sketch: &Sketch) -> OwnedParticle {
    let shape = sketch.shape();
    let mut bytes = Vec::new();
    writer::array_head(&mut bytes, 2);
    writer::uint(&mut bytes, u64::from(shape.index_bits));
    writer::uint(&mut bytes, u64::from(shape.minhash_bits));
    OwnedParticle { kind: ParticleType::List, bytes }
}

fn double(value: f64) -> OwnedParticle {
    OwnedParticle { kind: ParticleType::Double, bytes: value.to_be_bytes().to_vec() }
}

/// The bin gets this HLL.
fn set(sketch: Sketch, result: Option<OwnedParticle>) -> Modified {
    Modified { bin: Change::Set(sketch.into_particle()), result }
}

/// The bin as an HLL.
fn sketch(bin: Option<Particle<'_>>) -> Result<Option<Sketch>, Refusal> {
    match bin {
        None => Ok(None),
        Some(Particle { kind: ParticleType::Hll, bytes }) => {
            Sketch::parse(bytes).map(Some).ok_or(Refusal::IncompatibleType)
        }
        Some(_) => Err(Refusal::IncompatibleType),
    }
}

/// The values of an argument: the encoded elements of a list, none of them a container.
fn elements(argument: &[u8]) -> Result<Vec<&[u8]>, Refusal> {
    let mut reader = Reader::new(argument);
    let head = reader.list_head().map_err(|_| Refusal::Parameter)?;
    let mut values = Vec::new();
    for _ in 0..head.count {
        if matches!(reader.peek(), Ok(Item::Array(_) | Item::Map(_) | Item::Ext { .. })) {
            return Err(Refusal::Parameter);
        }
        values.push(reader.take().map_err(|_| Refusal::Parameter)?);
    }
    Ok(values)
}

/// The HLLs of an argument: a list that is not empty.
fn sketches(argument: &[u8]) -> Result<Vec<Sketch>, Refusal> {
    let elements = elements(argument)?;
    if elements.is_empty() {
        return Err(Refusal::Parameter);
    }
    let parse = |element: &[u8]| {
        let raw = Reader::new(element).bytes().ok()?;
        let (kind, bytes) = raw.split_first()?;
        // The C client lists an HLL that it read as plain bytes.
        let listed = *kind == ParticleType::Hll.number() || *kind == ParticleType::Blob.number();
        if listed { Sketch::parse(bytes) } else { None }
    };
    elements.into_iter().map(|element| parse(element).ok_or(Refusal::Parameter)).collect()
}
