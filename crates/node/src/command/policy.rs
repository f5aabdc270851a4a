//! The conditions under which a write may happen: existence, generation, stored key.
//!
//! Source: `guide/protocol.md` part 3.2. The order is the real server's: existence, generation, filter, key.

use super::Command;
use shipload_store::{KeyRef, Meta};
use shipload_wire::bits::{info2, info3};
use shipload_wire::code::ResultCode;

/// Whether a write may create the record.
pub(crate) fn may_create(command: &Command<'_>) -> Result<(), ResultCode> {
    if command.has3(info3::UPDATE_ONLY | info3::REPLACE_ONLY) {
        return Err(ResultCode::NotFound);
    }
    check_generation(command, 0)
}

/// Whether a write may change the record with this metadata.
pub(crate) fn may_change(command: &Command<'_>, meta: &Meta) -> Result<(), ResultCode> {
    if command.has2(info2::CREATE_ONLY) {
        return Err(ResultCode::RecordExists);
    }
    check_generation(command, meta.generation)
}

/// Whether the generation is the expected one; a missing record counts as generation 0. With both bits set either
/// condition is enough.
pub(crate) fn check_generation(command: &Command<'_>, generation: u16) -> Result<(), ResultCode> {
    let stored = u32::from(generation);
    let equal = command.has2(info2::GENERATION);
    let newer = command.has2(info2::GENERATION_GT);
    let fits = (!equal && !newer)
        || (equal && command.generation == stored)
        || (newer && command.generation > stored);
    if fits { Ok(()) } else { Err(ResultCode::Generation) }
}

/// Whether the key that came with the command is the stored one, when both are there.
pub(crate) fn check_key(command: &Command<'_>, stored: Option<KeyRef<'_>>) -> Result<(), ResultCode> {
    match (command.fields.user_key(), stored) {
        (Some((kind, bytes)), Some(stored)) if stored.kind != kind || stored.bytes != bytes => {
            Err(ResultCode::KeyMismatch)
        }
        (Some(_), Some(_)) | (None, _) | (_, None) => Ok(()),
    }
}
