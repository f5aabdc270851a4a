//! Bit operations on blobs.
//!
//! Guarantees: pure functions of the bin and the payload; offsets and sizes are checked before a byte is touched;
//! work is proportional to the bytes that are touched, not to their bits. A blob is a row of bits, the most
//! significant one of the first byte first; an offset below zero counts from the end.
//!
//! It refuses contexts (blobs inside containers). Source: `guide/protocol.md` part 5.7.

mod number;
mod resize;
mod window;

#[cfg(test)]
mod bits_tests;

use crate::arguments::{Args, head};
use crate::cdt::{Change, Modified};
use crate::msgpack::{Item, Reader};
use crate::{OwnedParticle, Particle, ParticleType, Refusal, strings};

/// Flag: only a missing bin may be written.
const CREATE_ONLY: u64 = 1;
/// Flag: only an existing bin may be written.
const UPDATE_ONLY: u64 = 2;
/// Flag: what can't be done is not done, and that is no error.
const NO_FAIL: u64 = 4;
/// Flag: what lies behind the end is left out.
const PARTIAL: u64 = 8;
/// Most bits of a number.
const MAX_NUMBER_BITS: usize = 64;
/// Most bytes that a blob may grow to here; the record's own limit is lower and not known here.
const MAX_BYTES: usize = 64 << 20;

/// A run of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Window {
    /// The first bit.
    offset: usize,
    /// How many.
    size: usize,
}

/// Runs a reading operation. A missing bin answers nothing.
pub fn read(bin: Option<Particle<'_>>, payload: &[u8]) -> Result<Option<OwnedParticle>, Refusal> {
    let (code, mut args) = head(payload)?;
    if !(50..=55).contains(&code) {
        return Err(Refusal::Parameter);
    }
    let Some(blob) = blob(bin)? else { return Ok(None) };
    if code == 55 {
        return base64(blob, args).map(Some);
    }
    let (offset, size) = (args.int()?, args.int()?);
    let flag = match code {
        52 | 53 => Some(boolean(&mut args)?),
        54 => Some(args.optional_int()?.unwrap_or(0) & 1 == 1),
        _ => None,
    };
    args.finish()?;
    let window = window(offset, size, blob.len(), false)?;
    if code == 54 && window.size > MAX_NUMBER_BITS {
        return Err(Refusal::Parameter);
    }
    let bits = window::extract(blob, window);
    let wanted = flag.unwrap_or(false);
    Ok(Some(match code {
        50 => return Ok(Some(OwnedParticle { kind: ParticleType::Blob, bytes: bits })),
        51 => OwnedParticle::integer(window::count(&bits)),
        52 => OwnedParticle::integer(window::first(&bits, window.size, wanted)),
        53 => OwnedParticle::integer(window::last(&bits, window.size, wanted)),
        _ => OwnedParticle::integer(number::value(&bits, window.size, wanted)),
    }))
}

/// The base64 text of all bytes, or of some: offset, size, and a flag by which the size counts from the end.
fn base64(blob: &[u8], mut args: Args<'_>) -> Result<OwnedParticle, Refusal> {
    if args.left() == 0 {
        return strings::base64_encode(blob);
    }
    let (offset, size, flags) = (args.int()?, args.int()?, args.flags()?);
    args.finish()?;
    let offset = place(offset, blob.len())?;
    let size = usize::try_from(size).map_err(|_| Refusal::Parameter)?;
    let end = match flags {
        0 => offset.checked_add(size),
        1 => blob.len().checked_sub(size),
        _ => return Err(Refusal::Parameter),
    };
    let bytes = end.and_then(|end| blob.get(offset..end)).ok_or(Refusal::NotApplicable)?;
    strings::base64_encode(bytes)
}

/// Runs a modifying operation; it answers nothing.
pub fn modify(bin: Option<Particle<'_>>, payload: &[u8]) -> Result<Modified, Refusal> {
    let (code, args) = head(payload)?;
    let operation = parse(code, args)?;
    let may_create = matches!(operation.kind, Kind::Resize { .. } | Kind::Insert { .. });
    let allowed =
        if may_create { CREATE_ONLY | UPDATE_ONLY | NO_FAIL } else { UPDATE_ONLY | NO_FAIL | PARTIAL };
    let flags = operation.flags;
    if flags & !allowed != 0 || flags & CREATE_ONLY != 0 && flags & UPDATE_ONLY != 0 {
        return Err(Refusal::Parameter);
    }
    let blob = blob(bin)?;
    let changed = match blob {
        Some(_) if flags & CREATE_ONLY != 0 => Err(Refusal::BinExists),
        None if flags & UPDATE_ONLY != 0 || !may_create => Err(Refusal::BinNotFound),
        _ => run(&operation, blob.unwrap_or_default()),
    };
    let bin = match changed {
        Ok(bytes) => Change::Set(OwnedParticle { kind: ParticleType::Blob, bytes }),
        Err(_) if flags & NO_FAIL != 0 => Change::Keep,
        Err(refusal) => return Err(refusal),
    };
    Ok(Modified { bin, result: None })
}

/// A modifying operation with its arguments.
struct Operation<'a> {
    kind: Kind<'a>,
    flags: u64,
}

/// What a modifying operation does.
enum Kind<'a> {
    /// Another size in bytes.
    Resize { size: i64, how: u64 },
    /// Bytes put in front of a byte.
    Insert { offset: i64, bytes: &'a [u8] },
    /// Bytes taken out.
    Remove { offset: i64, size: i64 },
    /// Bits replaced by, or combined with, those of some bytes.
    Combine { offset: i64, size: i64, bytes: &'a [u8], how: fn(u8, u8) -> u8 },
    /// Bits flipped.
    Not { offset: i64, size: i64 },
    /// Bits moved to the left or right.
    Shift { offset: i64, size: i64, left: bool, by: i64 },
    /// A number added to, or taken from, the bits.
    Add { offset: i64, size: i64, value: i64, negative: bool, action: u64 },
    /// Bits replaced by a number.
    SetInt { offset: i64, size: i64, value: i64 },
}

/// Reads the arguments of a modifying operation.
fn parse(code: i64, mut args: Args<'_>) -> Result<Operation<'_>, Refusal> {
    let offset = args.int()?;
    let (kind, flags) = match code {
        0 => {
            let flags = args.flags()?;
            (Kind::Resize { size: offset, how: args.flags()? }, flags)
        }
        1 => (Kind::Insert { offset, bytes: blob_argument(&mut args)? }, args.flags()?),
        2 => (Kind::Remove { offset, size: args.int()? }, args.flags()?),
        3..=6 => {
            let (size, bytes) = (args.int()?, blob_argument(&mut args)?);
            (Kind::Combine { offset, size, bytes, how: combination(code) }, args.flags()?)
        }
        7 => (Kind::Not { offset, size: args.int()? }, args.flags()?),
        8 | 9 => {
            let (size, by) = (args.int()?, args.int()?);
            (Kind::Shift { offset, size, left: code == 8, by }, args.flags()?)
        }
        10 | 11 => {
            let (size, value, flags) = (args.int()?, args.int()?, args.flags()?);
            (Kind::Add { offset, size, value, negative: code == 11, action: args.flags()? }, flags)
        }
        12 => (Kind::SetInt { offset, size: args.int()?, value: args.int()? }, args.flags()?),
        _ => return Err(Refusal::Parameter),
    };
    args.finish()?;
    Ok(Operation { kind, flags })
}

/// How the bits of two bytes are combined.
fn combination(code: i64) -> fn(u8, u8) -> u8 {
    match code {
        4 => |old, new| old | new,
        5 => |old, new| old ^ new,
        6 => |old, new| old & new,
        _ => |_, new| new,
    }
}

/// The blob after a modifying operation.
fn run(operation: &Operation<'_>, blob: &[u8]) -> Result<Vec<u8>, Refusal> {
    let partial = operation.flags & PARTIAL != 0;
    let at = |offset: i64, size: i64| window(offset, size, blob.len(), partial);
    let change = |window: Window, with: &dyn Fn(&[u8]) -> Vec<u8>| {
        let mut changed = blob.to_vec();
        let new = with(&window::extract(blob, window));
        window::deposit(&mut changed, window, &new);
        changed
    };
    Ok(match operation.kind {
        Kind::Resize { size, how } => resize::resize(blob, size, how)?,
        Kind::Insert { offset, bytes } => resize::insert(blob, offset, bytes)?,
        Kind::Remove { offset, size } => resize::remove(blob, offset, size, partial)?,
        Kind::Combine { offset, size, bytes, how } => {
            if usize::try_from(size).is_ok_and(|size| size > bytes.len().saturating_mul(8)) {
                return Err(Refusal::Parameter);
            }
            let combine = |old: &[u8]| old.iter().zip(bytes).map(|(old, new)| how(*old, *new)).collect();
            change(at(offset, size)?, &combine)
        }
        Kind::Not { offset, size } => {
            change(at(offset, size)?, &|old| old.iter().map(|byte| !byte).collect())
        }
        Kind::Shift { offset, size, left, by } => {
            let by = usize::try_from(by).map_err(|_| Refusal::Parameter)?;
            let window = at(offset, size)?;
            change(window, &|old| window::shift(old, window.size, left, by))
        }
        Kind::Add { offset, size, value, negative, action } => {
            let window = at(offset, number_size(size)?)?;
            let old = window::extract(blob, window);
            let sum = number::sum(&old, window.size, value, negative, action)?;
            change(window, &|_| number::bits(sum, window.size))
        }
        Kind::SetInt { offset, size, value } => {
            let window = at(offset, number_size(size)?)?;
            change(window, &|_| number::bits(value.cast_unsigned(), window.size))
        }
    })
}

/// A number's size in bits, which must be one that a number can have.
fn number_size(size: i64) -> Result<i64, Refusal> {
    if usize::try_from(size).is_ok_and(|size| size <= MAX_NUMBER_BITS) {
        Ok(size)
    } else {
        Err(Refusal::Parameter)
    }
}

/// The bits that an offset and a size mean in a blob of so many bytes.
fn window(offset: i64, size: i64, bytes: usize, partial: bool) -> Result<Window, Refusal> {
    let bits = bytes.saturating_mul(8);
    let offset = place(offset, bits)?;
    let size = usize::try_from(size).ok().filter(|size| *size > 0).ok_or(Refusal::Parameter)?;
    if offset >= bits {
        return Err(Refusal::NotApplicable);
    }
    let left = bits.saturating_sub(offset);
    if size <= left {
        return Ok(Window { offset, size });
    }
    if partial { Ok(Window { offset, size: left }) } else { Err(Refusal::NotApplicable) }
}

/// An offset from the start; one below zero counts from the end and must not lie before the start.
fn place(offset: i64, size: usize) -> Result<usize, Refusal> {
    let size = i64::try_from(size).unwrap_or(i64::MAX);
    let offset = if offset < 0 { offset.saturating_add(size) } else { offset };
    usize::try_from(offset).map_err(|_| Refusal::Parameter)
}

/// The bin's bytes, which must be a blob's.
fn blob(bin: Option<Particle<'_>>) -> Result<Option<&[u8]>, Refusal> {
    match bin {
        None => Ok(None),
        Some(Particle { kind: ParticleType::Blob, bytes }) => Ok(Some(bytes)),
        Some(_) => Err(Refusal::IncompatibleType),
    }
}

/// The next argument as the bytes of a blob.
fn blob_argument<'a>(args: &mut Args<'a>) -> Result<&'a [u8], Refusal> {
    let raw = Reader::new(args.value()?).bytes().map_err(|_| Refusal::Parameter)?;
    match raw.split_first() {
        Some((kind, bytes)) if *kind == ParticleType::Blob.number() => Ok(bytes),
        _ => Err(Refusal::Parameter),
    }
}

/// The next argument as a boolean.
fn boolean(args: &mut Args<'_>) -> Result<bool, Refusal> {
    match Reader::new(args.value()?).read() {
        Ok(Item::Bool(value)) => Ok(value),
        _ => Err(Refusal::Parameter),
    }
}
