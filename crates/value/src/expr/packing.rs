//! For tests: writes packed expressions, and a record to run them on.

use super::{Clock, Meta, Program, RecordView, Unknown};
use crate::msgpack::writer;
use crate::{Digest, OwnedParticle, Particle, ParticleType, Refusal};

/// An operation with its operands.
pub(super) fn op(code: i64, operands: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    writer::array_head(&mut out, operands.len() + 1);
    writer::int(&mut out, code);
    out.extend(operands.concat());
    out
}

pub(super) fn int(value: i64) -> Vec<u8> {
    let mut out = Vec::new();
    writer::int(&mut out, value);
    out
}

pub(super) fn float(value: f64) -> Vec<u8> {
    let mut out = Vec::new();
    writer::double(&mut out, value);
    out
}

pub(super) fn truth(value: bool) -> Vec<u8> {
    vec![if value { 0xc3 } else { 0xc2 }]
}

/// A string constant.
pub(super) fn text(value: &str) -> Vec<u8> {
    let mut out = Vec::new();
    writer::typed(&mut out, 3, value.as_bytes());
    out
}

/// A name or a pattern.
pub(super) fn raw(value: &str) -> Vec<u8> {
    let mut out = Vec::new();
    writer::bytes(&mut out, value.as_bytes());
    out
}

/// An array of encoded values.
pub(super) fn array(values: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    writer::array_head(&mut out, values.len());
    out.extend(values.concat());
    out
}

/// A list constant.
pub(super) fn quote(values: &[Vec<u8>]) -> Vec<u8> {
    op(126, &[array(values)])
}

/// A bin of a type.
pub(super) fn bin(kind: i64, name: &str) -> Vec<u8> {
    op(81, &[int(kind), raw(name)])
}

/// Something that is true, false or unknown for the record.
pub(super) fn known(value: Option<bool>) -> Vec<u8> {
    match value {
        Some(true) => op(1, &[bin(2, "i"), int(7)]),
        Some(false) => op(1, &[bin(2, "i"), int(8)]),
        None => op(1, &[bin(2, "missing"), int(1)]),
    }
}

/// An HLL of four index bits that counts nothing.
const EMPTY_HLL: [u8; 23] = [0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// A record with a bin of most types, named by its first letter.
pub(super) struct Sample;

impl RecordView for Sample {
    fn bin(&self, name: &[u8]) -> Option<Particle<'_>> {
        let (kind, bytes): (ParticleType, &[u8]) = match name {
            b"i" => (ParticleType::Integer, &[0, 0, 0, 0, 0, 0, 0, 7]),
            b"n" => (ParticleType::Integer, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfd]),
            b"f" => (ParticleType::Double, &[0x40, 4, 0, 0, 0, 0, 0, 0]),
            b"s" => (ParticleType::String, b"hello"),
            b"y" => (ParticleType::Blob, &[0x0f, 0xf0]),
            b"l" => (ParticleType::List, &[0x93, 3, 1, 2]),
            b"m" => (ParticleType::Map, &[0x82, 0xa2, 3, b'a', 1, 0xa2, 3, b'b', 0x92, 5, 6]),
            b"o" => (ParticleType::Map, &[0x82, 0xc7, 0, 1, 0xc0, 1, 2]),
            b"h" => (ParticleType::Hll, &EMPTY_HLL),
            b"t" => (ParticleType::Bool, &[1]),
            b"g" => (ParticleType::GeoJson, b"\0\0\0{\"type\":\"Point\",\"coordinates\":[1,2]}"),
            _ => return None,
        };
        Some(Particle { kind, bytes })
    }

    fn meta(&self) -> Option<Meta<'_>> {
        let mut digest = [0; 20];
        digest[16] = 13;
        Some(Meta {
            digest: Digest(digest),
            set_name: b"set",
            key: Some((3, b"user key")),
            void_time: 1000,
            last_update_ms: 1_262_304_000_123,
            record_size: 208,
        })
    }
}

pub(super) const NOW: Clock = Clock { unix_ms: 1_262_304_002_123 };

/// The value of an expression on the sample record.
pub(super) fn value(packed: &[u8]) -> Result<Option<OwnedParticle>, Unknown> {
    Program::compile(packed).expect("compiles").evaluate(&Sample, NOW)
}

pub(super) fn int_of(packed: &[u8]) -> Option<i64> {
    let particle = value(packed).ok().flatten()?;
    (particle.kind == ParticleType::Integer).then(|| i64::from_be_bytes(particle.bytes.try_into().unwrap()))
}

pub(super) fn float_of(packed: &[u8]) -> Option<f64> {
    let particle = value(packed).ok().flatten()?;
    (particle.kind == ParticleType::Double).then(|| f64::from_be_bytes(particle.bytes.try_into().unwrap()))
}

pub(super) fn bool_of(packed: &[u8]) -> Option<bool> {
    let particle = value(packed).ok().flatten()?;
    (particle.kind == ParticleType::Bool).then(|| particle.bytes == [1])
}

pub(super) fn is_refused(packed: &[u8]) -> bool {
    matches!(Program::compile(packed), Err(Refusal::Parameter))
}
