//! Between an element of a container and a bin's value.
//!
//! A bin knows its type from the particle; inside a container the type is in the encoding. Scalars change their
//! form, containers don't.

use super::{Item, Malformed, Reader, writer};
use crate::{OwnedParticle, Particle, ParticleType};

/// Bytes of a GeoJSON particle before the text when it has no cells: flags and cell count.
const GEO_HEAD: [u8; 3] = [0, 0, 0];

/// The bin value of one encoded element; none for nil, and for what no bin can hold (wildcard, infinity).
pub fn to_particle(encoded: &[u8]) -> Result<Option<OwnedParticle>, Malformed> {
    let mut reader = Reader::new(encoded);
    let particle = match reader.read()? {
        Item::Nil | Item::Ext { .. } => return Ok(None),
        Item::Bool(value) => OwnedParticle { kind: ParticleType::Bool, bytes: vec![u8::from(value)] },
        Item::Int(value) => OwnedParticle::integer(value),
        Item::Uint(value) => OwnedParticle::integer(value.cast_signed()),
        Item::Double(value) => {
            OwnedParticle { kind: ParticleType::Double, bytes: value.to_be_bytes().to_vec() }
        }
        Item::Bytes(raw) => typed(raw),
        Item::Array(_) => OwnedParticle { kind: ParticleType::List, bytes: encoded.to_vec() },
        Item::Map(_) => OwnedParticle { kind: ParticleType::Map, bytes: encoded.to_vec() },
    };
    Ok(Some(particle))
}

/// Appends a bin's value as an element.
pub fn from_particle(out: &mut Vec<u8>, particle: Particle<'_>) {
    match particle.kind {
        ParticleType::Integer => writer::int(out, i64::from_be_bytes(eight(particle.bytes))),
        ParticleType::Double => writer::double(out, f64::from_be_bytes(eight(particle.bytes))),
        ParticleType::Bool => writer::bool(out, particle.bytes.first().is_some_and(|byte| *byte != 0)),
        ParticleType::List | ParticleType::Map => out.extend_from_slice(particle.bytes),
        ParticleType::GeoJson => writer::typed(out, particle.kind.number(), geo_text(particle.bytes)),
        ParticleType::String
        | ParticleType::Blob
        | ParticleType::JavaBlob
        | ParticleType::CSharpBlob
        | ParticleType::PythonBlob
        | ParticleType::RubyBlob
        | ParticleType::PhpBlob
        | ParticleType::ErlangBlob
        | ParticleType::Vector
        | ParticleType::Hll => writer::typed(out, particle.kind.number(), particle.bytes),
    }
}

/// The JSON text of a GeoJSON particle, after its flags and cells.
#[must_use]
pub fn geo_text(bytes: &[u8]) -> &[u8] {
    let [_, high, low, rest @ ..] = bytes else { return &[] };
    let cells = usize::from(u16::from_be_bytes([*high, *low]));
    rest.get(cells.saturating_mul(8)..).unwrap_or_default()
}

/// A string's particle; an unknown or missing type byte makes it a blob of everything that there is.
fn typed(raw: &[u8]) -> OwnedParticle {
    let Some((kind, bytes)) = raw.split_first() else {
        return OwnedParticle { kind: ParticleType::Blob, bytes: Vec::new() };
    };
    match ParticleType::from_number(*kind) {
        Some(ParticleType::GeoJson) => {
            OwnedParticle { kind: ParticleType::GeoJson, bytes: [&GEO_HEAD[..], bytes].concat() }
        }
        Some(
            kind @ (ParticleType::String
            | ParticleType::Blob
            | ParticleType::JavaBlob
            | ParticleType::CSharpBlob
            | ParticleType::PythonBlob
            | ParticleType::RubyBlob
            | ParticleType::PhpBlob
            | ParticleType::ErlangBlob
            | ParticleType::Vector
            | ParticleType::Hll),
        ) => OwnedParticle { kind, bytes: bytes.to_vec() },
        Some(
            ParticleType::Integer
            | ParticleType::Double
            | ParticleType::Bool
            | ParticleType::Map
            | ParticleType::List,
        )
        | None => OwnedParticle { kind: ParticleType::Blob, bytes: raw.to_vec() },
    }
}

/// Eight bytes of a fixed-size particle; admission keeps any other size out, so zero is never seen.
fn eight(bytes: &[u8]) -> [u8; 8] {
    bytes.try_into().unwrap_or_default()
}
