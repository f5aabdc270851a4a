//! INCR: adding to a number in a bin.
//!
//! Integers wrap at 64 bits. An integer and a double never mix. A missing bin takes the operand as its value, of
//! whatever type it is.
//! Source: `guide/protocol.md` parts 3.5 and 12.3.

use crate::particle::NULL;
use crate::{OwnedParticle, Particle, ParticleType, Refusal, admit, text};

/// The new value of a bin after adding the operand, a particle of type number `kind`.
pub fn increment(bin: Option<Particle<'_>>, kind: u8, operand: &[u8]) -> Result<OwnedParticle, Refusal> {
    if kind == NULL {
        return Err(Refusal::Parameter);
    }
    let Some(bin) = bin else { return text::initial(kind, operand) };
    let (kind, bytes) = match ParticleType::from_number(kind) {
        Some(kind @ ParticleType::Integer) => (kind, integer(bin, admit::integer(operand)?)?),
        Some(kind @ ParticleType::Double) => (kind, double(bin, admit::double(operand)?)?),
        _ => return Err(mismatch(bin)),
    };
    Ok(OwnedParticle { kind, bytes: bytes.to_vec() })
}

fn integer(bin: Particle<'_>, operand: i64) -> Result<[u8; 8], Refusal> {
    if bin.kind != ParticleType::Integer {
        return Err(mismatch(bin));
    }
    Ok(admit::integer(bin.bytes)?.wrapping_add(operand).to_be_bytes())
}

fn double(bin: Particle<'_>, operand: f64) -> Result<[u8; 8], Refusal> {
    if bin.kind != ParticleType::Double {
        return Err(mismatch(bin));
    }
    Ok((admit::double(bin.bytes)? + operand).to_be_bytes())
}

/// A real server answers with an unspecified error when the bin holds GeoJSON.
pub(crate) fn mismatch(bin: Particle<'_>) -> Refusal {
    if bin.kind == ParticleType::GeoJson { Refusal::Malformed } else { Refusal::IncompatibleType }
}

#[cfg(test)]
mod tests {
    use super::increment;
    use crate::{OwnedParticle, Particle, ParticleType, Refusal};

    fn double(value: f64) -> OwnedParticle {
        OwnedParticle { kind: ParticleType::Double, bytes: value.to_be_bytes().to_vec() }
    }

    #[test]
    fn integers_wrap() {
        for (bin, operand, sum) in [
            (1, -1, 0),
            (i64::MAX, 1, i64::MIN),
            (i64::MIN, -1, i64::MAX),
            (i64::MIN, i64::MIN, 0),
            (i64::MAX, i64::MAX, -2),
        ] {
            let bin = OwnedParticle::integer(bin);
            let result = increment(Some(bin.as_particle()), 1, &i64::to_be_bytes(operand));
            assert_eq!(result, Ok(OwnedParticle::integer(sum)));
        }
    }

    #[test]
    fn doubles_follow_ieee() {
        let bin = double(1.5);
        assert_eq!(increment(Some(bin.as_particle()), 2, &2.25f64.to_be_bytes()), Ok(double(3.75)));
        let infinite = increment(Some(bin.as_particle()), 2, &f64::INFINITY.to_be_bytes());
        assert_eq!(infinite, Ok(double(f64::INFINITY)));
    }

    #[test]
    fn a_missing_bin_takes_the_operand() {
        assert_eq!(increment(None, 1, &5i64.to_be_bytes()), Ok(OwnedParticle::integer(5)));
        assert_eq!(increment(None, 2, &1.5f64.to_be_bytes()), Ok(double(1.5)));
        let text = OwnedParticle { kind: ParticleType::String, bytes: b"test".to_vec() };
        assert_eq!(increment(None, 3, b"test"), Ok(text));
    }

    #[test]
    fn types_never_mix() {
        let (one, half) = (1i64.to_be_bytes(), 0.5f64.to_be_bytes());
        let refused = |kind, operand: &[u8], bin_kind, bin: &[u8]| {
            increment(Some(Particle { kind: bin_kind, bytes: bin }), kind, operand).unwrap_err()
        };
        assert_eq!(refused(1, &one, ParticleType::Double, &half), Refusal::IncompatibleType);
        assert_eq!(refused(2, &half, ParticleType::Integer, &one), Refusal::IncompatibleType);
        for kind in [
            ParticleType::String,
            ParticleType::Blob,
            ParticleType::List,
            ParticleType::Map,
            ParticleType::Bool,
        ] {
            assert_eq!(refused(1, &one, kind, &[1]), Refusal::IncompatibleType);
        }
        assert_eq!(refused(1, &one, ParticleType::GeoJson, b"\0\0\0{}"), Refusal::Malformed);
        assert_eq!(refused(0, &[], ParticleType::Integer, &one), Refusal::Parameter);
        for kind in [3, 4, 17, 20] {
            assert_eq!(refused(kind, &[1], ParticleType::Integer, &one), Refusal::IncompatibleType);
        }
        assert_eq!(refused(1, &[1, 2], ParticleType::Integer, &one), Refusal::Parameter);
    }
}
