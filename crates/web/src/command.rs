//! Commands on one record in the wire form, and their answers.

use crate::etag::{Condition, Version};
use crate::json;
use crate::key::RecordKey;
use crate::problem::Problem;
use crate::records::Trouble;
use serde_json::{Map, Value};
use shipload_wire::bits::{field, info1, info2, info3, op};
use shipload_wire::frame::{self, Cut};
use shipload_wire::message::Header;
use shipload_wire::{Limits, Op, Response, ResultCode, request};
use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds that the node gives a command.
pub const TIMEOUT_MS: u32 = 5_000;
/// An operation on a record that asks for its last-update time: the expression `last_update()` and no flags.
const LAST_UPDATE: &[u8] = &[0x92, 0x91, 66, 0x00];
/// The name under which the last-update time comes back; always the last operation.
const LAST_UPDATE_NAME: &[u8] = b"~";
const NS_PER_MS: u64 = 1_000_000;
/// Seconds from 1970 to 2010, where void times begin.
const EPOCH_2010_S: u64 = 1_262_304_000;

/// How a write treats what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Bins that are not named vanish.
    Replace,
    /// The record must be there; other bins stay.
    Change,
    /// The record must not be there.
    Create,
    /// Whatever is there, other bins stay.
    Merge,
}

/// An operation with its name and value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// The operation code.
    pub code: u8,
    /// The particle type number of the value.
    pub kind: u8,
    /// The bin's name.
    pub bin: String,
    /// The value.
    pub value: Vec<u8>,
}

impl Operation {
    fn op(&self) -> Op<'_> {
        Op { code: self.code, kind: self.kind, name: self.bin.as_bytes(), value: &self.value }
    }
}

/// What a read asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Projection {
    /// All bins.
    All,
    /// These bins.
    Bins(Vec<String>),
    /// The version alone.
    Nothing,
}

/// Ops of a read, and the bits that go with them.
#[must_use]
pub fn projection_ops(projection: &Projection) -> (u8, Vec<Op<'_>>) {
    let version = Op { code: op::EXP_READ, kind: 0, name: LAST_UPDATE_NAME, value: LAST_UPDATE };
    match projection {
        Projection::All => (info1::READ | info1::GET_ALL, vec![request::read_op(b""), version]),
        Projection::Nothing => (info1::READ, vec![version]),
        Projection::Bins(names) => {
            let reads = names.iter().map(|name| request::read_op(name.as_bytes()));
            (info1::READ, reads.chain([version]).collect())
        }
    }
}

/// Appends a read.
pub fn read(out: &mut Vec<u8>, key: &RecordKey, projection: &Projection) {
    let (info1, ops) = projection_ops(projection);
    append(out, key, Header { info1, ..Header::default() }, &[], &ops);
}

/// Appends a write under a condition. `ttl` is as in the protocol.
pub fn write(
    out: &mut Vec<u8>,
    key: &RecordKey,
    ops: &[Operation],
    (existing, condition): (Existing, Condition),
    ttl: u32,
) {
    let mut header = Header { info2: info2::WRITE, record_ttl: ttl, ..Header::default() };
    let must_exist = matches!(condition, Condition::Exists | Condition::Is(_));
    header.info3 = match existing {
        Existing::Replace if must_exist => info3::REPLACE_ONLY,
        Existing::Replace => info3::CREATE_OR_REPLACE,
        Existing::Change => info3::UPDATE_ONLY,
        Existing::Merge if must_exist => info3::UPDATE_ONLY,
        Existing::Merge | Existing::Create => 0,
    };
    if existing == Existing::Create || condition == Condition::Absent {
        header.info2 |= info2::CREATE_ONLY;
        header.info3 = 0;
    }
    let reads = |operation: &Operation| {
        matches!(operation.code, op::READ | op::CDT_READ | op::EXP_READ | op::BIT_READ | op::HLL_READ)
    };
    if ops.iter().any(reads) {
        header.info1 |= info1::READ;
        header.info2 |= info2::RESPOND_ALL_OPS;
    }
    if ops.iter().all(reads) {
        header.info2 &= !info2::WRITE;
        header.info3 = 0;
    }
    let ops: Vec<Op<'_>> = ops.iter().map(Operation::op).collect();
    conditional(out, key, header, condition, &ops);
}

/// Appends a delete under a condition.
pub fn delete(out: &mut Vec<u8>, key: &RecordKey, condition: Condition) {
    let header = Header { info2: info2::WRITE | info2::DELETE, ..Header::default() };
    conditional(out, key, header, condition, &[]);
}

fn conditional(out: &mut Vec<u8>, key: &RecordKey, mut header: Header, condition: Condition, ops: &[Op<'_>]) {
    let Condition::Is(version) = condition else { return append(out, key, header, &[], ops) };
    header.info2 |= info2::GENERATION;
    header.generation = version.generation;
    append(out, key, header, &written_at(version.last_update_ms), ops);
}

/// The expression `last_update() == time`.
fn written_at(last_update_ms: u64) -> Vec<u8> {
    let mut packed = vec![0x93, 1, 0x91, 66];
    shipload_value::msgpack::writer::uint(&mut packed, last_update_ms.saturating_mul(NS_PER_MS));
    packed
}

fn append(out: &mut Vec<u8>, key: &RecordKey, header: Header, filter: &[u8], ops: &[Op<'_>]) {
    let header = Header { transaction_ttl: TIMEOUT_MS, ..header };
    let user_key = key.user_key.as_ref().map(|(kind, bytes)| [&[*kind], bytes.as_slice()].concat());
    let mut fields: Vec<(u8, &[u8])> = vec![
        (field::NAMESPACE, key.namespace.as_bytes()),
        (field::SET, key.set.as_bytes()),
        (field::DIGEST, &key.digest.0),
    ];
    fields.extend(user_key.as_deref().map(|bytes| (field::KEY, bytes)));
    if !filter.is_empty() {
        fields.push((field::FILTER, filter));
    }
    request::message(out, &header, &fields, ops);
}

/// Bodies of the frames of an answer.
///
/// # Errors
/// When there are fewer than `count`.
pub fn bodies(answer: &[u8], count: usize) -> Result<Vec<&[u8]>, Trouble> {
    let limits = Limits::default();
    let mut rest = answer;
    (0..count)
        .map(|_| match frame::cut(rest, &limits) {
            Cut::Frame { frame, consumed } => {
                rest = rest.get(consumed..).unwrap_or_default();
                Ok(frame.body)
            }
            Cut::Incomplete { .. } | Cut::Refuse(_) => Err(Trouble::Garbled),
        })
        .collect()
}

/// A record as an answer tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its version.
    pub version: Version,
    /// When it expires, milliseconds since 1970; none for never.
    pub expires_ms: Option<u64>,
    /// Its bins.
    pub bins: Map<String, Value>,
}

impl Record {
    /// The record of a message that answers [`projection_ops`].
    ///
    /// # Errors
    /// When the message does not end with the last-update time.
    pub fn of(message: &Response<'_>) -> Result<Record, Trouble> {
        let mut bins = Map::new();
        let mut last_update = None;
        let count = message.ops.len();
        for (place, op) in (1..).zip(message.ops.clone()) {
            if place == count && op.name == LAST_UPDATE_NAME {
                last_update = <[u8; 8]>::try_from(op.value).ok().map(u64::from_be_bytes);
            } else {
                bins.insert(String::from_utf8_lossy(op.name).into_owned(), json::particle(op.kind, op.value));
            }
        }
        let last_update_ms = last_update.ok_or(Trouble::Garbled)? / NS_PER_MS;
        let generation = message.header.generation;
        let expires_ms = expires_ms(message.header.record_ttl);
        Ok(Record { version: Version { last_update_ms, generation }, expires_ms, bins })
    }

    /// Whole seconds that it has left; none for ever.
    #[must_use]
    pub fn ttl_s(&self) -> Option<u64> {
        self.expires_ms.map(|at| at.saturating_sub(now_ms()) / 1000)
    }
}

fn expires_ms(void_time: u32) -> Option<u64> {
    (void_time != 0).then(|| (u64::from(void_time) + EPOCH_2010_S) * 1000)
}

/// Milliseconds since 1970.
#[must_use]
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Decodes a message and checks how its command ended.
///
/// # Errors
/// The problem that the result code stands for.
pub fn decoded(body: &[u8]) -> Result<Response<'_>, Problem> {
    let message = Response::decode(body).map_err(|_| Trouble::Garbled)?;
    match message.result() {
        Some(ResultCode::Ok) => Ok(message),
        Some(code) => Err(Problem::from(code)),
        None => Err(Trouble::Garbled.into()),
    }
}
