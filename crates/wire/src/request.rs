//! Requests as a client sends them: whole frames appended to a buffer, used by our own tools and tests.
//!
//! [`message`] writes anything; the others fill in header bits and fields the way official clients do.

use crate::bits::{field, info1, info2, info3, info4, op, row};
use crate::frame;
use crate::message::Header;
use crate::ops::Op;
use crate::reply;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use std::io::Write as _;

/// Names one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key<'a> {
    /// Namespace name.
    pub namespace: &'a str,
    /// Set name; empty for none.
    pub set: &'a str,
    /// Digest of set and user key.
    pub digest: &'a [u8; 20],
    /// User key to send along: particle type and bytes.
    pub user_key: Option<(u8, &'a [u8])>,
}

impl<'a> Key<'a> {
    /// A record by its digest, without sending the user key.
    #[must_use]
    pub fn new(namespace: &'a str, set: &'a str, digest: &'a [u8; 20]) -> Key<'a> {
        Key { namespace, set, digest, user_key: None }
    }
}

/// Appends a message frame. The header's two counts are taken from the slices, not from `header`.
///
/// # Panics
/// When there are more than 65535 fields or operations, or a field or operation of 4 GiB.
pub fn message(out: &mut Vec<u8>, header: &Header, fields: &[(u8, &[u8])], ops: &[Op<'_>]) {
    let mark = reply::begin_frame(out);
    let header = Header { field_count: count(fields.len()), op_count: count(ops.len()), ..*header };
    out.extend_from_slice(&header.bytes());
    append(out, fields, ops);
    reply::end_frame(out, mark);
}

fn append(out: &mut Vec<u8>, fields: &[(u8, &[u8])], ops: &[Op<'_>]) {
    for (id, data) in fields {
        reply::field(out, *id, data);
    }
    for operation in ops {
        reply::op(out, operation.code, operation.kind, operation.name, operation.value);
    }
}

/// Appends a single-record command with these header bits.
pub fn command(out: &mut Vec<u8>, header: &Header, key: &Key<'_>, ops: &[Op<'_>]) {
    let namespace = (field::NAMESPACE, key.namespace.as_bytes());
    let set = (field::SET, key.set.as_bytes());
    let digest = (field::DIGEST, key.digest.as_slice());
    match key.user_key {
        None => message(out, header, &[namespace, set, digest], ops),
        Some((kind, bytes)) => {
            let mut sent = Vec::with_capacity(bytes.len().saturating_add(1));
            sent.push(kind);
            sent.extend_from_slice(bytes);
            message(out, header, &[namespace, set, digest, (field::KEY, &sent)], ops);
        }
    }
}

/// Appends a read of all bins.
pub fn get(out: &mut Vec<u8>, key: &Key<'_>, timeout_ms: u32) {
    let header =
        Header { info1: info1::READ | info1::GET_ALL, transaction_ttl: timeout_ms, ..Header::default() };
    command(out, &header, key, &[]);
}

/// Appends a read of some bins.
pub fn get_bins(out: &mut Vec<u8>, key: &Key<'_>, bins: &[&[u8]], timeout_ms: u32) {
    let ops: Vec<Op<'_>> = bins.iter().map(|name| read_op(name)).collect();
    let header = Header { info1: info1::READ, transaction_ttl: timeout_ms, ..Header::default() };
    command(out, &header, key, &ops);
}

/// Appends a read of metadata only.
pub fn exists(out: &mut Vec<u8>, key: &Key<'_>, timeout_ms: u32) {
    let info1 = info1::READ | info1::GET_NOBINDATA;
    command(out, &Header { info1, transaction_ttl: timeout_ms, ..Header::default() }, key, &[]);
}

/// Appends a write; the policy bits, generation and time to live of `header` are kept.
pub fn put(out: &mut Vec<u8>, header: &Header, key: &Key<'_>, ops: &[Op<'_>]) {
    command(out, &Header { info2: header.info2 | info2::WRITE, ..*header }, key, ops);
}

/// Appends several operations on one record; read and write bits are set by what the operations do.
pub fn operate(out: &mut Vec<u8>, header: &Header, key: &Key<'_>, ops: &[Op<'_>]) {
    let mut header = *header;
    for operation in ops {
        match operation.code {
            op::READ | op::CDT_READ | op::EXP_READ | op::BIT_READ | op::HLL_READ => {
                header.info1 |= info1::READ;
            }
            _ => header.info2 |= info2::WRITE,
        }
    }
    command(out, &header, key, ops);
}

/// Appends a delete.
pub fn delete(out: &mut Vec<u8>, header: &Header, key: &Key<'_>) {
    let info2 = header.info2 | info2::WRITE | info2::DELETE;
    command(out, &Header { info2, ..*header }, key, &[]);
}

/// Appends a touch: the write of nothing but a new time to live.
pub fn touch(out: &mut Vec<u8>, header: &Header, key: &Key<'_>) {
    put(out, header, key, &[Op { code: op::TOUCH, kind: 0, name: b"", value: b"" }]);
}

/// An operation that reads one bin.
#[must_use]
pub fn read_op(name: &[u8]) -> Op<'_> {
    Op { code: op::READ, kind: 0, name, value: b"" }
}

/// An operation that writes one bin.
#[must_use]
pub fn write_op<'a>(name: &'a [u8], kind: u8, value: &'a [u8]) -> Op<'a> {
    Op { code: op::WRITE, kind, name, value }
}

/// One row of a batch.
#[derive(Debug, Clone, Copy)]
pub struct BatchRow<'a> {
    /// The record; namespace, set and user key are sent in every row that does not repeat.
    pub key: Key<'a>,
    /// Info bits 1 to 4, generation and time to live; the counts are ignored.
    pub header: Header,
    /// The row's operations.
    pub ops: &'a [Op<'a>],
    /// Send only index and digest: all else is as in the row before.
    pub repeat: bool,
}

/// Appends a batch; rows are numbered from 0. `flags` are bits of [`crate::bits::batch`].
///
/// # Panics
/// When there are more than 2^32 rows, or a row of more than 65535 operations.
pub fn batch(out: &mut Vec<u8>, flags: u8, rows: &[BatchRow<'_>], timeout_ms: u32) {
    let row_count = u32::try_from(rows.len()).expect("invariant: a batch has fewer than 2^32 rows");
    let mut data = row_count.to_be_bytes().to_vec();
    data.push(flags);
    for (index, row) in (0u32..).zip(rows) {
        batch_row(&mut data, index, row);
    }
    let header = Header { info1: info1::BATCH_INDEX, transaction_ttl: timeout_ms, ..Header::default() };
    message(out, &header, &[(field::BATCH, &data)], &[]);
}

fn batch_row(data: &mut Vec<u8>, index: u32, batch_row: &BatchRow<'_>) {
    let BatchRow { key, header, ops, repeat } = batch_row;
    data.extend_from_slice(&index.to_be_bytes());
    data.extend_from_slice(key.digest);
    if *repeat {
        data.push(row::REPEAT);
        return;
    }
    let writes = header.info2 & info2::WRITE != 0;
    let mut kind = row::INFO | row::TTL;
    kind |= if writes { row::GENERATION } else { 0 };
    kind |= if header.info4 == 0 { 0 } else { row::INFO4 };
    data.extend_from_slice(&[kind, header.info1, header.info2, header.info3]);
    if header.info4 != 0 {
        data.push(header.info4);
    }
    if writes {
        let [_, _, high, low] = header.generation.to_be_bytes();
        data.extend_from_slice(&[high, low]);
    }
    data.extend_from_slice(&header.record_ttl.to_be_bytes());
    let user_key = key.user_key.map(|(kind, bytes)| [&[kind], bytes].concat());
    let mut fields = vec![(field::NAMESPACE, key.namespace.as_bytes()), (field::SET, key.set.as_bytes())];
    fields.extend(user_key.as_deref().map(|bytes| (field::KEY, bytes)));
    data.extend_from_slice(&count(fields.len()).to_be_bytes());
    data.extend_from_slice(&count(ops.len()).to_be_bytes());
    append(data, &fields, ops);
}

/// A scan or query in the foreground.
#[derive(Debug, Clone, Copy, Default)]
pub struct Query<'a> {
    /// Namespace name.
    pub namespace: &'a str,
    /// Set name; empty for all sets.
    pub set: &'a str,
    /// Partitions to read from their start.
    pub partitions: &'a [u16],
    /// Digests after which to go on.
    pub digests: &'a [[u8; 20]],
    /// Bins wanted; all when empty.
    pub bins: &'a [&'a [u8]],
    /// Operations that read, beside the bins.
    pub reads: &'a [Op<'a>],
    /// Metadata only.
    pub no_bin_data: bool,
    /// Rows of the bins instead of records, with these bits of [`crate::rows`].
    pub rows: Option<u32>,
    /// Most records wanted; 0 for all.
    pub max_records: u64,
    /// Pace; 0 for none.
    pub records_per_second: u32,
    /// Task id.
    pub task_id: u64,
    /// Socket timeout in ms.
    pub socket_timeout_ms: u32,
    /// Filter expression, packed; empty for none.
    pub filter: &'a [u8],
    /// What is measured instead of giving rows, see [`crate::groups`]; empty for nothing.
    pub groups: &'a [u8],
    /// The range of a secondary index to go along, as [`crate::query::IndexRange::encode`] has it; empty for none.
    pub along: &'a [u8],
}

/// Appends a foreground query over partitions.
pub fn query(out: &mut Vec<u8>, query: &Query<'_>) {
    let partitions: Vec<u8> = query.partitions.iter().flat_map(|id| id.to_le_bytes()).collect();
    let task_id = query.task_id.to_be_bytes();
    let socket_timeout = query.socket_timeout_ms.to_be_bytes();
    let records_per_second = query.records_per_second.to_be_bytes();
    let max_records = query.max_records.to_be_bytes();
    let candidates: [(bool, u8, &[u8]); 11] = [
        (true, field::NAMESPACE, query.namespace.as_bytes()),
        (!query.set.is_empty(), field::SET, query.set.as_bytes()),
        (true, field::TASK_ID, &task_id),
        (true, field::SOCKET_TIMEOUT, &socket_timeout),
        (query.records_per_second > 0, field::RECORDS_PER_SECOND, &records_per_second),
        (query.max_records > 0, field::MAX_RECORDS, &max_records),
        (!partitions.is_empty(), field::PARTITIONS, &partitions),
        (!query.digests.is_empty(), field::DIGESTS, query.digests.as_flattened()),
        (!query.filter.is_empty(), field::FILTER, query.filter),
        (!query.along.is_empty(), field::INDEX_RANGE, query.along),
        (!query.groups.is_empty(), field::GROUPS, query.groups),
    ];
    let fields: Vec<(u8, &[u8])> =
        candidates.iter().filter(|(sent, ..)| *sent).map(|(_, id, data)| (*id, *data)).collect();
    let bins = query.bins.iter().map(|name| read_op(name));
    let ops: Vec<Op<'_>> = bins.chain(query.reads.iter().copied()).collect();
    let no_bin_data = if query.no_bin_data { info1::GET_NOBINDATA } else { 0 };
    // A read of a bin without a name is one of all bins.
    let all = if query.reads.iter().any(|op| op.name.is_empty()) { info1::GET_ALL } else { 0 };
    let header = Header {
        info1: info1::READ | no_bin_data | all,
        info3: info3::PARTITION_DONE,
        info4: if query.rows.is_some() { info4::ROWS } else { 0 },
        generation: query.rows.unwrap_or(0),
        record_ttl: u32::MAX,
        ..Header::default()
    };
    message(out, &header, &fields, &ops);
}

/// Appends an info request, one line for each command; none asks for the default set.
pub fn info(out: &mut Vec<u8>, commands: &[&str]) {
    let mark = reply::begin_frame_of(out, frame::INFO);
    for command in commands {
        out.extend_from_slice(command.as_bytes());
        out.push(b'\n');
    }
    reply::end_frame(out, mark);
}

/// Appends a whole frame in compressed form.
///
/// # Panics
/// Never: compressing into memory does not fail.
pub fn compressed(out: &mut Vec<u8>, whole_frame: &[u8]) {
    let mark = reply::begin_frame_of(out, frame::COMPRESSED);
    out.extend_from_slice(&(whole_frame.len() as u64).to_be_bytes());
    let mut encoder = ZlibEncoder::new(&mut *out, Compression::fast());
    encoder
        .write_all(whole_frame)
        .and_then(|()| encoder.try_finish())
        .expect("invariant: writing into memory does not fail");
    drop(encoder);
    reply::end_frame(out, mark);
}

fn count(items: usize) -> u16 {
    u16::try_from(items).expect("invariant: a message has at most 65535 fields and operations")
}
