//! Answers of nodes, read into records.

use super::{Digest, Record, RecordError};
use crate::value::{Value, particle};
use shipload_value::ParticleType;
use shipload_value::msgpack::writer;
use shipload_wire::bits::op;
use shipload_wire::{Op, Response, ResultCode};
use std::io;

const BLOB: u8 = ParticleType::Blob as u8;

/// What is wrong with an answer that can't be read.
pub(super) fn malformed(why: impl std::fmt::Display) -> RecordError {
    RecordError::Io(io::Error::new(io::ErrorKind::InvalidData, why.to_string()))
}

/// What the moment of the last write is answered as: no column is called so.
const LAST_UPDATE: &[u8] = b"\x01last-update";
/// The protocol's expression that gives it, in nanoseconds.
const LAST_UPDATE_CODE: i64 = 66;
const NS_PER_MS: i64 = 1_000_000;

/// The value of an operation that reads when the record was written last.
pub(super) fn last_update() -> Vec<u8> {
    let mut value = Vec::new();
    writer::array_head(&mut value, 2);
    writer::array_head(&mut value, 1);
    writer::int(&mut value, LAST_UPDATE_CODE);
    writer::int(&mut value, 0);
    value
}

/// The same as an operation.
pub(super) fn last_update_op(value: &[u8]) -> Op<'_> {
    Op { code: op::EXP_READ, kind: BLOB, name: LAST_UPDATE, value }
}

/// How a command ended; a number that the protocol does not know is a server error.
pub(super) fn code(response: &Response<'_>) -> ResultCode {
    response.result().unwrap_or(ResultCode::ServerError)
}

/// The record in a response. `digest` stands in when the response has none.
pub(super) fn record(response: &Response<'_>, digest: Option<&Digest>) -> Record {
    let named = response.fields.digest20().or(digest).copied().unwrap_or_default();
    let key = response.fields.user_key().map(|(kind, bytes)| particle::decode(kind, bytes));
    let is_time = |op: &Op<'_>| op.name == LAST_UPDATE;
    let time = response.ops.clone().find(is_time).and_then(|op| particle::decode(op.kind, op.value).as_int());
    let bins = response.ops.clone().filter(|op| !is_time(op));
    let bins = bins.map(|op| (name(op.name), particle::decode(op.kind, op.value)));
    Record {
        digest: named,
        key: key.filter(|key| *key != Value::Null),
        bins: bins.collect(),
        generation: response.header.generation,
        void_time: response.header.record_ttl,
        last_update_ms: time.map(|ns| ns / NS_PER_MS),
    }
}

fn name(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
