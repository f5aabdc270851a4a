//! Answers of nodes, read into records.

use super::{Digest, Record, RecordError};
use crate::value::{Value, particle};
use shipload_wire::{Response, ResultCode};
use std::io;

/// What is wrong with an answer that can't be read.
pub(super) fn malformed(why: impl std::fmt::Display) -> RecordError {
    RecordError::Io(io::Error::new(io::ErrorKind::InvalidData, why.to_string()))
}

/// How a command ended; a number that the protocol does not know is a server error.
pub(super) fn code(response: &Response<'_>) -> ResultCode {
    response.result().unwrap_or(ResultCode::ServerError)
}

/// The record in a response. `digest` stands in when the response has none.
pub(super) fn record(response: &Response<'_>, digest: Option<&Digest>) -> Record {
    let named = response.fields.digest20().or(digest).copied().unwrap_or_default();
    let key = response.fields.user_key().map(|(kind, bytes)| particle::decode(kind, bytes));
    let bins = response.ops.clone().map(|op| (name(op.name), particle::decode(op.kind, op.value)));
    Record {
        digest: named,
        key: key.filter(|key| *key != Value::Null),
        bins: bins.collect(),
        generation: response.header.generation,
        void_time: response.header.record_ttl,
    }
}

fn name(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
