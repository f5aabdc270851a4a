//! Base64 with the usual alphabet.

use super::{MAX_BYTES, string};
use crate::{OwnedParticle, ParticleType, Refusal};
use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Reads with and without padding, writes with it.
const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The text of some bytes.
pub(crate) fn encode(bytes: &[u8]) -> Result<OwnedParticle, Refusal> {
    if bytes.len() > MAX_BYTES {
        return Err(Refusal::Parameter);
    }
    Ok(string(ENGINE.encode(bytes).into_bytes()))
}

/// The bytes of a text.
pub(super) fn decode(text: &str) -> Result<OwnedParticle, Refusal> {
    let bytes = ENGINE.decode(text).map_err(|_| Refusal::Parameter)?;
    Ok(OwnedParticle { kind: ParticleType::Blob, bytes })
}
