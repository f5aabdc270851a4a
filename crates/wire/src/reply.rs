//! Answers, appended to a buffer that the caller keeps: no allocation into a warm `Vec`.
//!
//! ```text
//!  begin_frame  header  field*  op*  [header field* op*]*  end_frame
//! ```
//! Sizes and counts that are known only later are patched through the marks; several messages may share a frame.

use crate::code::ResultCode;
use crate::frame;
use crate::message::{self, Header};

/// Where a frame began; give it back to [`end_frame`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Mark {
    start: usize,
}

impl Mark {
    /// Offset of the frame's first byte; truncating to it takes the frame back.
    #[must_use]
    pub fn start(self) -> usize {
        self.start
    }
}

/// Where a message header stands, so that it can be corrected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderMark {
    start: usize,
}

impl HeaderMark {
    /// Offset of the message's first byte; truncating to it takes the message back.
    #[must_use]
    pub fn start(self) -> usize {
        self.start
    }
}

/// Where an operation began whose value is still being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct OpMark {
    start: usize,
}

impl OpMark {
    /// Offset of the operation's first byte; truncating to it takes the operation back.
    #[must_use]
    pub fn start(self) -> usize {
        self.start
    }
}

/// What an answer's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReplyHeader {
    /// [`crate::bits::info3::LAST`] and [`crate::bits::info3::PARTITION_DONE`], or 0.
    pub info3: u8,
    /// How the command ended.
    pub result: ResultCode,
    /// The record's generation; the partition's number when that is done.
    pub generation: u32,
    /// Seconds since 2010, 0 for never.
    pub void_time: u32,
    /// Index of a batch row, else 0.
    pub index: u32,
    /// Fields that follow.
    pub field_count: u16,
    /// Operations that follow.
    pub op_count: u16,
}

impl ReplyHeader {
    fn bytes(&self) -> [u8; message::HEADER_SIZE] {
        let header = Header {
            info3: self.info3,
            result: self.result.number(),
            generation: self.generation,
            record_ttl: self.void_time,
            transaction_ttl: self.index,
            field_count: self.field_count,
            op_count: self.op_count,
            ..Header::default()
        };
        header.bytes()
    }
}

/// Opens a message frame.
pub fn begin_frame(out: &mut Vec<u8>) -> Mark {
    begin_frame_of(out, frame::MESSAGE)
}

/// Opens a frame of the given kind.
pub fn begin_frame_of(out: &mut Vec<u8>, kind: u8) -> Mark {
    let start = out.len();
    out.extend_from_slice(&frame::header(kind, 0));
    Mark { start }
}

/// Closes a frame: writes its size, all that was appended since [`begin_frame`].
///
/// # Panics
/// When the buffer was cut back before the mark: a bug of the caller.
pub fn end_frame(out: &mut [u8], mark: Mark) {
    let frame =
        out.get_mut(mark.start..).and_then(|rest| rest.split_first_chunk_mut::<{ frame::HEADER_SIZE }>());
    let (head, body) = frame.expect("invariant: the frame's header is still in the buffer");
    let [_, kind, ..] = *head;
    *head = frame::header(kind, body.len());
}

/// Appends a message header.
pub fn header(out: &mut Vec<u8>, header: &ReplyHeader) -> HeaderMark {
    let start = out.len();
    out.extend_from_slice(&header.bytes());
    HeaderMark { start }
}

/// Writes a header over an earlier one.
///
/// # Panics
/// When the buffer was cut back before the mark: a bug of the caller.
pub fn patch_header(out: &mut [u8], mark: HeaderMark, header: &ReplyHeader) {
    let head = out.get_mut(mark.start..).and_then(|rest| rest.first_chunk_mut());
    *head.expect("invariant: the message's header is still in the buffer") = header.bytes();
}

/// Corrects the count of operations in an earlier header.
///
/// # Panics
/// When the buffer was cut back before the mark: a bug of the caller.
pub fn patch_ops(out: &mut [u8], mark: HeaderMark, op_count: u16) {
    let head = out.get_mut(mark.start..).and_then(|rest| rest.first_chunk_mut::<{ message::HEADER_SIZE }>());
    let head = head.expect("invariant: the message's header is still in the buffer");
    let [.., high, low] = head;
    [*high, *low] = op_count.to_be_bytes();
}

/// Appends a field.
///
/// # Panics
/// When the data has 4 GiB: a bug of the caller, records are far smaller.
pub fn field(out: &mut Vec<u8>, id: u8, data: &[u8]) {
    out.extend_from_slice(&counted(data.len().saturating_add(1)));
    out.push(id);
    out.extend_from_slice(data);
}

/// Appends an operation.
///
/// # Panics
/// When the name has more than 255 bytes or the value 4 GiB: a bug of the caller.
pub fn op(out: &mut Vec<u8>, code: u8, kind: u8, name: &[u8], value: &[u8]) {
    let size = value.len().saturating_add(name.len()).saturating_add(4);
    out.extend_from_slice(&counted(size));
    out.extend_from_slice(&op_head(code, kind, name));
    out.extend_from_slice(name);
    out.extend_from_slice(value);
}

/// Opens an operation whose value the caller then appends; [`end_op`] closes it.
///
/// # Panics
/// When the name has more than 255 bytes: a bug of the caller.
pub fn begin_op(out: &mut Vec<u8>, code: u8, kind: u8, name: &[u8]) -> OpMark {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&op_head(code, kind, name));
    out.extend_from_slice(name);
    OpMark { start }
}

/// Closes an operation: writes its size, all that was appended since [`begin_op`].
///
/// # Panics
/// When the buffer was cut back before the mark: a bug of the caller.
pub fn end_op(out: &mut [u8], mark: OpMark) {
    let op = out.get_mut(mark.start..).and_then(|rest| rest.split_first_chunk_mut());
    let (size, body) = op.expect("invariant: the operation's head is still in the buffer");
    *size = counted(body.len());
}

/// Appends a whole answer of one frame without fields and operations.
pub fn simple(out: &mut Vec<u8>, result: ResultCode, generation: u32, void_time: u32) {
    out.extend_from_slice(&frame::header(frame::MESSAGE, message::HEADER_SIZE));
    header(out, &ReplyHeader { result, generation, void_time, ..ReplyHeader::default() });
}

/// Appends a whole frame with one final message: the end of a stream, or its refusal.
pub fn last(out: &mut Vec<u8>, result: ResultCode) {
    out.extend_from_slice(&frame::header(frame::MESSAGE, message::HEADER_SIZE));
    let info3 = crate::bits::info3::LAST;
    header(out, &ReplyHeader { info3, result, ..ReplyHeader::default() });
}

fn counted(size: usize) -> [u8; 4] {
    u32::try_from(size).expect("invariant: fields and operations are smaller than 4 GiB").to_be_bytes()
}

fn op_head(code: u8, kind: u8, name: &[u8]) -> [u8; 4] {
    let size = u8::try_from(name.len()).expect("invariant: a bin name has at most 255 bytes");
    [code, kind, 0, size]
}
