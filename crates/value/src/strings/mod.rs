//! Operations on strings, by code point.
//!
//! Guarantees: pure functions of the bin and the payload; work is linear in the text (patterns included), and a result
//! never passes [`MAX_BYTES`]. Texts that differ only in how accents are composed are found in each other.
//!
//! A string may lie inside containers: then the payload names the way to it. Source: the official clients' operations
//! and their tests, which say what a server of version 8.2 does.

mod base64;
mod inspect;
mod pattern;
mod points;
mod rewrite;
mod search;

#[cfg(test)]
mod strings_tests;

pub(crate) use base64::encode as base64_encode;

use crate::arguments::{Args, head};
use crate::cdt::{self, Change, Modified};
use crate::msgpack::{Reader, element, writer};
use crate::{OwnedParticle, Particle, ParticleType, Refusal};

/// Flag: only a missing bin may be written.
const CREATE_ONLY: u64 = 1;
/// Flag: only an existing bin may be written.
const UPDATE_ONLY: u64 = 2;
/// Flag: what can't be done is not done, and that is no error.
const NO_FAIL: u64 = 4;
/// The code that announces a context.
const WITH_CONTEXT: i64 = 0xff;
/// Most bytes of a result.
pub(crate) const MAX_BYTES: usize = 8 << 20;

/// Runs a reading operation. A missing bin answers nothing.
pub fn read(bin: Option<Particle<'_>>, payload: &[u8]) -> Result<Option<OwnedParticle>, Refusal> {
    let Request { context, code, args } = Request::cut(payload)?;
    let question = inspect::Question::parse(code, args)?;
    let leaf;
    let bin = match context {
        None => bin,
        Some(context) => {
            let Some(encoded) = cdt::leaf(bin, context)? else { return Ok(None) };
            leaf = element::to_particle(encoded).map_err(|_| Refusal::IncompatibleType)?;
            Some(leaf.as_ref().ok_or(Refusal::IncompatibleType)?.as_particle())
        }
    };
    let Some(text) = text(bin)? else { return Ok(None) };
    question.answer(utf8(text)?).map(Some)
}

/// Runs a modifying operation; it answers nothing.
pub fn modify(bin: Option<Particle<'_>>, payload: &[u8]) -> Result<Modified, Refusal> {
    let Request { context, code, args } = Request::cut(payload)?;
    let (edit, flags) = rewrite::Edit::parse(code, args)?;
    let known = CREATE_ONLY | UPDATE_ONLY | NO_FAIL;
    let both = CREATE_ONLY | UPDATE_ONLY;
    let may_create = edit.creates() && context.is_none();
    if flags & !known != 0 || flags & both == both || (flags & CREATE_ONLY != 0 && !may_create) {
        return Err(Refusal::Parameter);
    }
    let bin = match context {
        None => change(bin, &edit, flags)?.map_or(Change::Keep, |bytes| Change::Set(string(bytes))),
        Some(context) => cdt::modify_leaf(bin, context, &|encoded| nested(encoded, &edit, flags))?,
    };
    Ok(Modified { bin, result: None })
}

/// The text of a bin's value, as the operation without arguments gives it. A missing bin answers nothing.
pub fn to_string(bin: Option<Particle<'_>>) -> Result<Option<OwnedParticle>, Refusal> {
    let Some(bin) = bin else { return Ok(None) };
    let eight = || bin.bytes.try_into().map_err(|_| Refusal::IncompatibleType);
    let text = match bin.kind {
        ParticleType::Integer => i64::from_be_bytes(eight()?).to_string(),
        ParticleType::Double => double(f64::from_be_bytes(eight()?)),
        ParticleType::String | ParticleType::Blob => utf8(bin.bytes)?.to_owned(),
        ParticleType::JavaBlob
        | ParticleType::CSharpBlob
        | ParticleType::PythonBlob
        | ParticleType::RubyBlob
        | ParticleType::PhpBlob
        | ParticleType::ErlangBlob
        | ParticleType::Vector
        | ParticleType::Bool
        | ParticleType::Hll
        | ParticleType::Map
        | ParticleType::List
        | ParticleType::GeoJson => return Err(Refusal::IncompatibleType),
    };
    Ok(Some(string(text.into_bytes())))
}

/// A double as the shortest text that reads back as the same.
pub(crate) fn double(value: f64) -> String {
    format!("{value:?}")
}

/// All elements of an encoded list of strings behind one another, with a separator between them.
pub(crate) fn join<'a>(
    elements: impl Iterator<Item = &'a [u8]>,
    separator: &[u8],
) -> Result<OwnedParticle, Refusal> {
    let mut bytes = Vec::new();
    for (index, element) in elements.enumerate() {
        if index > 0 {
            bytes.extend_from_slice(separator);
        }
        bytes.extend_from_slice(string_bytes(element)?);
        if bytes.len() > MAX_BYTES {
            return Err(Refusal::Parameter);
        }
    }
    Ok(string(bytes))
}

/// The bytes of an encoded string.
pub(crate) fn string_bytes(encoded: &[u8]) -> Result<&[u8], Refusal> {
    match Reader::new(encoded).bytes() {
        Ok([kind, bytes @ ..]) if *kind == ParticleType::String.number() => Ok(bytes),
        _ => Err(Refusal::Parameter),
    }
}

/// A payload in pieces.
struct Request<'a> {
    context: Option<&'a [u8]>,
    code: i64,
    args: Args<'a>,
}

impl Request<'_> {
    fn cut(payload: &[u8]) -> Result<Request<'_>, Refusal> {
        let (code, mut args) = head(payload)?;
        if code != WITH_CONTEXT {
            return Ok(Request { context: None, code, args });
        }
        let context = args.value()?;
        let (code, inner) = head(args.value()?)?;
        args.finish()?;
        Ok(Request { context: Some(context), code, args: inner })
    }
}

/// The new text of a bin; none leaves it alone.
fn change(
    bin: Option<Particle<'_>>,
    edit: &rewrite::Edit<'_>,
    flags: u64,
) -> Result<Option<Vec<u8>>, Refusal> {
    let old = match text(bin)? {
        Some(_) if flags & CREATE_ONLY != 0 => return failed(Refusal::BinExists, flags),
        Some(text) => utf8(text)?,
        None if flags & UPDATE_ONLY != 0 || !edit.creates() => return Ok(None),
        None => "",
    };
    match edit.apply(old) {
        Ok(new) => Ok(Some(new.into_bytes())),
        Err(refusal) => failed(refusal, flags),
    }
}

/// The new encoding of a string inside containers; none leaves it alone.
fn nested(encoded: &[u8], edit: &rewrite::Edit<'_>, flags: u64) -> Result<Option<Vec<u8>>, Refusal> {
    let bytes = string_bytes(encoded).map_err(|_| Refusal::IncompatibleType)?;
    let new = change(Some(Particle { kind: ParticleType::String, bytes }), edit, flags)?;
    Ok(new.map(|bytes| {
        let mut out = Vec::with_capacity(bytes.len().saturating_add(6));
        writer::typed(&mut out, ParticleType::String.number(), &bytes);
        out
    }))
}

fn failed(refusal: Refusal, flags: u64) -> Result<Option<Vec<u8>>, Refusal> {
    if flags & NO_FAIL != 0 { Ok(None) } else { Err(refusal) }
}

/// The bin's bytes, which must be a string's.
fn text(bin: Option<Particle<'_>>) -> Result<Option<&[u8]>, Refusal> {
    match bin {
        None => Ok(None),
        Some(Particle { kind: ParticleType::String, bytes }) => Ok(Some(bytes)),
        Some(_) => Err(Refusal::IncompatibleType),
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, Refusal> {
    std::str::from_utf8(bytes).map_err(|_| Refusal::Encoding)
}

/// The next argument as a text.
fn text_argument<'a>(args: &mut Args<'a>) -> Result<&'a str, Refusal> {
    utf8(string_bytes(args.value()?)?)
}

fn string(bytes: Vec<u8>) -> OwnedParticle {
    OwnedParticle { kind: ParticleType::String, bytes }
}
