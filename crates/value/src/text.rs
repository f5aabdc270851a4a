//! APPEND and PREPEND: joining bytes to a string or a blob in a bin.
//!
//! A string joins a string, a blob joins a blob of the same type. A missing bin takes the operand as its value, of
//! whatever type it is. Source: `guide/protocol.md` parts 3.5 and 12.3.

use crate::number::mismatch;
use crate::particle::NULL;
use crate::{OwnedParticle, Particle, ParticleType, Refusal, admit};

/// The new value of a bin with the operand, a particle of type number `kind`, behind it.
pub fn append(bin: Option<Particle<'_>>, kind: u8, operand: &[u8]) -> Result<OwnedParticle, Refusal> {
    join(bin, kind, operand, |bin, operand| [bin, operand].concat())
}

/// The new value of a bin with the operand, a particle of type number `kind`, before it.
pub fn prepend(bin: Option<Particle<'_>>, kind: u8, operand: &[u8]) -> Result<OwnedParticle, Refusal> {
    join(bin, kind, operand, |bin, operand| [operand, bin].concat())
}

fn join(
    bin: Option<Particle<'_>>,
    kind: u8,
    operand: &[u8],
    combine: fn(&[u8], &[u8]) -> Vec<u8>,
) -> Result<OwnedParticle, Refusal> {
    if kind == NULL {
        return Err(Refusal::Parameter);
    }
    let Some(bin) = bin else { return initial(kind, operand) };
    if bin.kind.number() != kind || !joinable(bin.kind) {
        return Err(mismatch(bin));
    }
    Ok(OwnedParticle { kind: bin.kind, bytes: combine(bin.bytes, operand) })
}

/// The value that an operation gives to a missing bin: the operand as it is.
pub(crate) fn initial(kind: u8, operand: &[u8]) -> Result<OwnedParticle, Refusal> {
    let mut bytes = Vec::with_capacity(operand.len());
    let kind = admit(kind, operand, &mut bytes)?.ok_or(Refusal::Parameter)?;
    Ok(OwnedParticle { kind, bytes })
}

fn joinable(kind: ParticleType) -> bool {
    match kind {
        ParticleType::String
        | ParticleType::Blob
        | ParticleType::JavaBlob
        | ParticleType::CSharpBlob
        | ParticleType::PythonBlob
        | ParticleType::RubyBlob
        | ParticleType::PhpBlob
        | ParticleType::ErlangBlob => true,
        ParticleType::Integer
        | ParticleType::Double
        | ParticleType::Vector
        | ParticleType::Bool
        | ParticleType::Hll
        | ParticleType::Map
        | ParticleType::List
        | ParticleType::GeoJson => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{append, prepend};
    use crate::{OwnedParticle, Particle, ParticleType, Refusal};

    fn owned(kind: ParticleType, bytes: &[u8]) -> OwnedParticle {
        OwnedParticle { kind, bytes: bytes.to_vec() }
    }

    #[test]
    fn same_types_join() {
        for kind in [ParticleType::String, ParticleType::Blob, ParticleType::PythonBlob] {
            let bin = Particle { kind, bytes: b"bin" };
            assert_eq!(append(Some(bin), kind.number(), b"+"), Ok(owned(kind, b"bin+")));
            assert_eq!(prepend(Some(bin), kind.number(), b"+"), Ok(owned(kind, b"+bin")));
            assert_eq!(append(Some(bin), kind.number(), b""), Ok(owned(kind, b"bin")));
        }
    }

    #[test]
    fn a_missing_bin_takes_any_operand() {
        assert_eq!(append(None, 3, b"text"), Ok(owned(ParticleType::String, b"text")));
        assert_eq!(prepend(None, 4, b""), Ok(owned(ParticleType::Blob, b"")));
        assert_eq!(append(None, 1, &5i64.to_be_bytes()), Ok(OwnedParticle::integer(5)));
        assert_eq!(append(None, 1, &[1, 2]), Err(Refusal::Parameter));
    }

    #[test]
    fn other_pairs_are_refused() {
        let bin = |kind, bytes| Some(Particle { kind, bytes });
        assert_eq!(append(bin(ParticleType::String, b"q"), 4, b"x"), Err(Refusal::IncompatibleType));
        assert_eq!(append(bin(ParticleType::Blob, b"q"), 3, b"x"), Err(Refusal::IncompatibleType));
        assert_eq!(append(bin(ParticleType::String, b"q"), 1, &[0; 8]), Err(Refusal::IncompatibleType));
        assert_eq!(append(bin(ParticleType::List, &[0x90]), 20, &[0x90]), Err(Refusal::IncompatibleType));
        assert_eq!(prepend(bin(ParticleType::Integer, &[0; 8]), 3, b"x"), Err(Refusal::IncompatibleType));
        assert_eq!(prepend(bin(ParticleType::GeoJson, b"\0\0\0{}"), 3, b"x"), Err(Refusal::Malformed));
        for bin in [None, bin(ParticleType::String, b"q")] {
            assert_eq!(append(bin, 0, b""), Err(Refusal::Parameter));
        }
    }
}
