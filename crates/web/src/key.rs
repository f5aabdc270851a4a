//! Records as they are named in paths.
//!
//! A key is text unless it begins with `int:`, `blob:` (base64 for addresses, without padding) or `digest:` (40
//! hexadecimal digits); text that begins like that is written after `str:`. The set `~` is none.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use shipload_value::{Digest, ParticleType};
use thiserror::Error;

/// What stands for "no set" in paths.
pub const NO_SET: &str = "~";
const INT: &str = "int:";
const BLOB: &str = "blob:";
const DIGEST: &str = "digest:";
const STR: &str = "str:";

/// A path names no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct BadKey(&'static str);

/// A user key: particle type number and bytes.
pub type UserKey = (u8, Vec<u8>);

/// One record of one namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordKey {
    /// The namespace's name.
    pub namespace: String,
    /// The set's name; empty for none.
    pub set: String,
    /// The record's digest.
    pub digest: Digest,
    /// The key, where it is known.
    pub user_key: Option<UserKey>,
}

/// The set that a path names.
#[must_use]
pub fn set_name(segment: &str) -> &str {
    if segment == NO_SET { "" } else { segment }
}

impl RecordKey {
    /// The record that three segments of a path name, already decoded.
    ///
    /// # Errors
    /// A typed key whose text is not of its type.
    pub fn parse(namespace: &str, set: &str, key: &str) -> Result<RecordKey, BadKey> {
        let set = set_name(set);
        let (digest, user_key) = if let Some(hex) = key.strip_prefix(DIGEST) {
            (digest(hex)?, None)
        } else {
            let (kind, bytes) = user_key(key)?;
            (Digest::of(set.as_bytes(), kind, &bytes), Some((kind, bytes)))
        };
        Ok(RecordKey { namespace: namespace.to_owned(), set: set.to_owned(), digest, user_key })
    }
}

fn user_key(text: &str) -> Result<UserKey, BadKey> {
    if let Some(number) = text.strip_prefix(INT) {
        let number: i64 = number.parse().map_err(|_| BadKey("'int:' needs an integer of 64 bits"))?;
        return Ok((ParticleType::Integer.number(), number.to_be_bytes().to_vec()));
    }
    if let Some(coded) = text.strip_prefix(BLOB) {
        let bytes = URL_SAFE_NO_PAD.decode(coded.trim_end_matches('='));
        let bytes = bytes.map_err(|_| BadKey("'blob:' needs base64 for addresses"))?;
        return Ok((ParticleType::Blob.number(), bytes));
    }
    let text = text.strip_prefix(STR).unwrap_or(text);
    Ok((ParticleType::String.number(), text.as_bytes().to_vec()))
}

fn digest(hex: &str) -> Result<Digest, BadKey> {
    const WRONG: BadKey = BadKey("'digest:' needs 40 hexadecimal digits");
    let hex = hex.as_bytes();
    if hex.len() != 40 {
        return Err(WRONG);
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes: Option<Vec<u8>> =
        hex.chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect();
    bytes.as_deref().and_then(Digest::from_slice).ok_or(WRONG)
}

/// The path segment (before percent coding) that names a record with this key, or without one this digest.
#[must_use]
pub fn segment(user_key: Option<(u8, &[u8])>, digest: &[u8]) -> String {
    match user_key {
        Some((kind, bytes)) if kind == ParticleType::Integer.number() => {
            if let Ok(bytes) = bytes.try_into() {
                return format!("{INT}{}", i64::from_be_bytes(bytes));
            }
        }
        Some((kind, bytes)) if kind == ParticleType::Blob.number() => {
            return format!("{BLOB}{}", URL_SAFE_NO_PAD.encode(bytes));
        }
        Some((kind, bytes)) if kind == ParticleType::String.number() => {
            if let Ok(text) = std::str::from_utf8(bytes) {
                let typed = [INT, BLOB, DIGEST, STR].iter().any(|prefix| text.starts_with(prefix));
                return if typed { format!("{STR}{text}") } else { text.to_owned() };
            }
        }
        Some(_) | None => {}
    }
    digest.iter().fold(DIGEST.to_owned(), |mut text, byte| {
        use std::fmt::Write as _;
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::{RecordKey, segment};

    #[test]
    fn segments_and_keys_are_the_same_names() {
        for (text, kind) in [
            ("plain", Some(3)),
            ("with space/and slash", Some(3)),
            ("str:int:5", Some(3)),
            ("int:-5", Some(1)),
            ("blob:AP8", Some(4)),
            ("digest:3bd475bd0c73f210b67ea83793300eeae576285d", None),
        ] {
            let key = RecordKey::parse("test", "demo", text).expect("a key");
            assert_eq!(key.user_key.as_ref().map(|(kind, _)| *kind), kind, "{text}");
            let user_key = key.user_key.as_ref().map(|(kind, bytes)| (*kind, bytes.as_slice()));
            assert_eq!(segment(user_key, &key.digest.0), text);
        }
        let key = RecordKey::parse("test", "demo", "key").expect("a key");
        assert_eq!(format!("{:?}", key.digest), "3bd475bd0c73f210b67ea83793300eeae576285d");
        let none = RecordKey::parse("test", "~", "key").expect("a key");
        assert_eq!(format!("{:?}", none.digest), "c4a24d9f0ef5584b4278994e75637f54dc564283");
    }

    #[test]
    fn typed_keys_must_be_of_their_type() {
        for text in ["int:x", "int:9223372036854775808", "blob:%", "digest:00", "digest:\u{e9}"] {
            assert!(RecordKey::parse("test", "demo", text).is_err(), "{text}");
        }
    }
}
