//! What expressions can know about a record as a whole.

use super::evaluate::key_particle;
use super::node::Metadata;
use super::value::Value;
use super::{Clock, Kind, Meta, RecordView, Unknown};
use crate::{Digest, Particle};
use std::borrow::Cow;

/// Seconds from the Unix epoch to 2010-01-01, from which void times count.
const EPOCH_2010_S: u64 = 1_262_304_000;
const NS_PER_S: u64 = 1_000_000_000;
const NS_PER_MS: u64 = 1_000_000;
const MS_PER_S: u64 = 1000;

/// The answer to a question about a record; unknown when there is no record.
pub(super) fn answer<'r>(
    question: Metadata,
    record: &'r dyn RecordView,
    now: Clock,
) -> Result<Value<'r>, Unknown> {
    let meta = record.meta().ok_or(Unknown)?;
    Ok(match question {
        Metadata::DigestModulo(modulus) => Value::Int(digest_modulo(&meta.digest, modulus)),
        // Records live in memory; what they would take on a device is not counted.
        Metadata::DeviceSize => Value::Int(0),
        Metadata::LastUpdate => int(meta.last_update_ms.saturating_mul(NS_PER_MS)),
        Metadata::SinceUpdate => int(now.unix_ms.saturating_sub(meta.last_update_ms)),
        Metadata::VoidTime => expiry(&meta, |seconds| int(seconds.saturating_mul(NS_PER_S))),
        Metadata::Ttl => expiry(&meta, |seconds| int(seconds.saturating_sub(now.unix_ms / MS_PER_S))),
        Metadata::SetName => Value::Text(Cow::Borrowed(meta.set_name)),
        Metadata::KeyExists => Value::Bool(meta.key.is_some()),
        Metadata::IsTombstone => Value::Bool(false),
        Metadata::MemorySize | Metadata::RecordSize => int(meta.record_size),
    })
}

/// The stored key, if it has this type.
pub(super) fn key<'r>(kind: Kind, record: &'r dyn RecordView) -> Result<Value<'r>, Unknown> {
    let (number, bytes) = record.meta().and_then(|meta| meta.key).ok_or(Unknown)?;
    match key_particle(kind) {
        Some(particle) if particle.number() == number => {
            Ok(Value::of_particle(Particle { kind: particle, bytes }))
        }
        Some(_) | None => Err(Unknown),
    }
}

/// The last four bytes of the digest, little endian, modulo a number (whose sign does not matter).
fn digest_modulo(digest: &Digest, modulus: i64) -> i64 {
    let [.., a, b, c, d] = digest.0;
    i64::from(u32::from_le_bytes([a, b, c, d])).checked_rem(modulus).unwrap_or_default()
}

/// What `of` makes of the void time in seconds since the Unix epoch, or -1 when the record never expires.
fn expiry<'r>(meta: &Meta<'_>, of: impl Fn(u64) -> Value<'r>) -> Value<'r> {
    match meta.void_time {
        0 => Value::Int(-1),
        void_time => of(EPOCH_2010_S.saturating_add(u64::from(void_time))),
    }
}

fn int<'r>(value: u64) -> Value<'r> {
    Value::Int(i64::try_from(value).unwrap_or(i64::MAX))
}
