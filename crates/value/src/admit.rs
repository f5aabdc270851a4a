//! What a plain write may store, and in which form.
//!
//! Guarantees: whatever is admitted has the one stored form of its type, so that later readers need no checks:
//! integers and doubles take eight bytes, lists and maps are canonical, HLLs have the size that they announce.
//! Refusals are those of a real server. Source: `guide/protocol.md` parts 1.5, 3.5, 12.2 and 12.3.

use crate::particle::NULL;
use crate::{ParticleType, Refusal, canonical, geojson, hll_particle};

#[cfg(test)]
mod admit_tests;

/// Checks a particle of a write and appends its stored form to `out`. None is nil: nothing is appended, and the
/// bin is to be deleted. After a refusal `out` may hold a partial value.
pub fn admit(kind: u8, bytes: &[u8], out: &mut Vec<u8>) -> Result<Option<ParticleType>, Refusal> {
    if kind == NULL {
        return Ok(None);
    }
    let kind = ParticleType::from_number(kind).ok_or(Refusal::Parameter)?;
    match kind {
        ParticleType::Integer => out.extend_from_slice(&integer(bytes)?.to_be_bytes()),
        ParticleType::Double => out.extend_from_slice(&double(bytes)?.to_be_bytes()),
        ParticleType::String
        | ParticleType::Blob
        | ParticleType::JavaBlob
        | ParticleType::CSharpBlob
        | ParticleType::PythonBlob
        | ParticleType::RubyBlob
        | ParticleType::PhpBlob
        | ParticleType::ErlangBlob
        | ParticleType::Vector => out.extend_from_slice(bytes),
        ParticleType::Bool => match bytes {
            [0 | 1] => out.extend_from_slice(bytes),
            _ => return Err(Refusal::Parameter),
        },
        ParticleType::Hll => {
            hll_particle::check(bytes)?;
            out.extend_from_slice(bytes);
        }
        ParticleType::Map => canonical::map(bytes, out)?,
        ParticleType::List => canonical::list(bytes, out)?,
        ParticleType::GeoJson => geojson::admit(bytes, out)?,
    }
    Ok(Some(kind))
}

/// An integer operand of one, four or eight bytes, signed.
pub fn integer(bytes: &[u8]) -> Result<i64, Refusal> {
    if let Ok(bytes) = bytes.try_into() {
        Ok(i64::from_be_bytes(bytes))
    } else if let Ok(bytes) = bytes.try_into() {
        Ok(i64::from(i32::from_be_bytes(bytes)))
    } else if let Ok(bytes) = bytes.try_into() {
        Ok(i64::from(i8::from_be_bytes(bytes)))
    } else {
        Err(Refusal::Parameter)
    }
}

/// A double operand: eight bytes, any bit pattern.
pub fn double(bytes: &[u8]) -> Result<f64, Refusal> {
    bytes.try_into().map(f64::from_be_bytes).map_err(|_| Refusal::Parameter)
}
