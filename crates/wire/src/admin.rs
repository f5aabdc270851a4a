//! Security commands: just enough to answer them while security is not built.
//!
//! Source: `guide/protocol.md` part 8.1.

use crate::code::ResultCode;
use crate::frame;
use crate::reply;

/// Bytes of an admin body's header.
pub const HEADER_SIZE: usize = 16;

/// Appends a whole admin answer without fields.
pub fn simple(out: &mut Vec<u8>, result: ResultCode) {
    let mark = reply::begin_frame_of(out, frame::ADMIN);
    out.extend_from_slice(&[0, result.number()]);
    out.extend_from_slice(&[0; HEADER_SIZE - 2]);
    reply::end_frame(out, mark);
}
