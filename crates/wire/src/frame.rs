//! Frames: the 8-byte proto header and what it delimits, cut out of a connection's buffer without copying.
//!
//! A header that no client sends ends the connection (version, kind, announced size); whatever is inside a
//! well-formed frame does not. Source: `guide/protocol.md` parts 1.1 and 12.2.

use crate::error::DecodeError;
use crate::limits::Limits;
use flate2::read::ZlibDecoder;
use std::io::Read as _;
use thiserror::Error;

/// Bytes of the proto header.
pub const HEADER_SIZE: usize = 8;
/// The protocol's version.
pub const VERSION: u8 = 2;

/// Kind of a frame that holds info commands as text.
pub const INFO: u8 = 1;
/// Kind of a frame that holds a security command.
pub const ADMIN: u8 = 2;
/// Kind of a frame that holds a message.
pub const MESSAGE: u8 = 3;
/// Kind of a frame that holds another frame, compressed.
pub const COMPRESSED: u8 = 4;
/// A kind that the protocol keeps without use: answered with result 4 in a message frame.
pub const RESERVED: u8 = 5;

/// One frame, borrowed from the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Version byte: 2, or 0 in admin frames of old tools.
    pub version: u8,
    /// One of [`INFO`], [`ADMIN`], [`MESSAGE`], [`COMPRESSED`], [`RESERVED`].
    pub kind: u8,
    /// What follows the proto header.
    pub body: &'a [u8],
}

/// What stands at the front of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut<'a> {
    /// Not a whole frame yet.
    Incomplete {
        /// Bytes that the buffer must hold, counted from its start, before it is worth trying again.
        need: usize,
    },
    /// A whole frame.
    Frame {
        /// The frame.
        frame: Frame<'a>,
        /// Bytes of the buffer that it takes, its header included.
        consumed: usize,
    },
    /// Not our protocol, or too much: the connection must be closed without an answer.
    Refuse(Refusal),
}

/// Why a connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The version byte is none that this kind of frame may have.
    #[error("protocol version {0} is not spoken here")]
    Version(u8),
    /// The kind is not a defined one.
    #[error("frame kind {0} is not defined")]
    Kind(u8),
    /// The announced size is over the limit.
    #[error("a frame of {0} bytes is over the limit")]
    TooLarge(u64),
}

/// Looks at the front of `buffer`. Costs the same however much is there.
#[must_use]
pub fn cut<'a>(buffer: &'a [u8], limits: &Limits) -> Cut<'a> {
    let Some((&[version, kind, s0, s1, s2, s3, s4, s5], rest)) = buffer.split_first_chunk() else {
        return Cut::Incomplete { need: HEADER_SIZE };
    };
    let announced = u64::from_be_bytes([0, 0, s0, s1, s2, s3, s4, s5]);
    let size = match accept(version, kind, announced, limits) {
        Ok(size) => size,
        Err(refusal) => return Cut::Refuse(refusal),
    };
    let consumed = HEADER_SIZE.saturating_add(size);
    match rest.get(..size) {
        Some(body) => Cut::Frame { frame: Frame { version, kind, body }, consumed },
        None => Cut::Incomplete { need: consumed },
    }
}

/// The size of the body when the header is an acceptable one.
fn accept(version: u8, kind: u8, announced: u64, limits: &Limits) -> Result<usize, Refusal> {
    let limit = match kind {
        INFO => limits.info_size,
        ADMIN | MESSAGE | COMPRESSED | RESERVED => limits.frame_size,
        _ => return Err(Refusal::Kind(kind)),
    };
    if version != VERSION && !(kind == ADMIN && version == 0) {
        return Err(Refusal::Version(version));
    }
    match usize::try_from(announced) {
        Ok(size) if size <= limit => Ok(size),
        Ok(_) | Err(_) => Err(Refusal::TooLarge(announced)),
    }
}

/// The proto header of a frame of this kind and body size.
///
/// # Panics
/// Never in practice: a body of 2^48 bytes cannot be in memory.
#[must_use]
pub fn header(kind: u8, size: usize) -> [u8; HEADER_SIZE] {
    let size = u64::try_from(size).expect("invariant: usize is at most 64 bits");
    let [a, b, s0, s1, s2, s3, s4, s5] = size.to_be_bytes();
    assert!(a == 0 && b == 0, "invariant: a frame in memory is smaller than 2^48 bytes");
    [VERSION, kind, s0, s1, s2, s3, s4, s5]
}

/// Unpacks the body of a compressed frame into `scratch` and returns the message frame inside.
///
/// The announced size is believed only as an upper bound: memory grows with what really comes out.
///
/// # Errors
/// A size over the limit, a stream that is broken or of another size, content that is not one message frame.
pub fn inflate<'s>(body: &[u8], limits: &Limits, scratch: &'s mut Vec<u8>) -> Result<Frame<'s>, DecodeError> {
    let (announced, stream) = body.split_first_chunk().ok_or(DecodeError::Truncated)?;
    let announced = u64::from_be_bytes(*announced);
    let size = usize::try_from(announced).map_err(|_| DecodeError::InflatedSize)?;
    if size > limits.inflated_size {
        return Err(DecodeError::InflatedSize);
    }
    scratch.clear();
    let one_more = announced.saturating_add(1);
    ZlibDecoder::new(stream).take(one_more).read_to_end(scratch).map_err(|_| DecodeError::Inflate)?;
    if scratch.len() != size {
        return Err(DecodeError::Inflate);
    }
    match cut(scratch, limits) {
        Cut::Frame { frame, consumed } if frame.kind == MESSAGE && consumed == size => Ok(frame),
        Cut::Frame { .. } | Cut::Incomplete { .. } | Cut::Refuse(_) => Err(DecodeError::InnerFrame),
    }
}
