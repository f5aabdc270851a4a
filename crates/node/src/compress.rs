//! Compressed frames: requests are unpacked and executed, answers packed where the client permits and it pays.
//!
//! The real community server refuses compressed requests (25) and never compresses answers; both are supported here
//! because clients have the option. Streamed answers are sent as they are.

use crate::peer::Executed;
use crate::worker::Worker;
use shipload_wire::bits::info1;
use shipload_wire::error::DecodeError;
use shipload_wire::{Frame, Limits, frame, request};

/// Memory for unpacked requests that a worker keeps.
const INFLATED_KEPT: usize = 1 << 20;
/// Smaller answers are not worth the work.
const ANSWER_MIN: usize = 512;
/// Offset of the first info byte in a message's body.
const INFO1_OFFSET: usize = 1;

/// Unpacks a compressed frame and executes what it holds.
///
/// # Errors
/// A stream that is broken, too large, or holds something else than one message frame.
pub(crate) fn unpacked(
    worker: &mut Worker,
    body: &[u8],
    execute: impl FnOnce(&mut Worker, &Frame<'_>) -> Executed,
) -> Result<Executed, DecodeError> {
    let mut inflated = std::mem::take(&mut worker.inflated);
    let executed =
        frame::inflate(body, &Limits::default(), &mut inflated).map(|inner| execute(worker, &inner));
    inflated.clear();
    inflated.shrink_to(INFLATED_KEPT);
    worker.inflated = inflated;
    executed
}

/// Whether the client permits a compressed answer to the message with this body.
pub(crate) fn is_permitted(body: &[u8]) -> bool {
    body.get(INFO1_OFFSET).is_some_and(|bits| bits & info1::COMPRESS_RESPONSE != 0)
}

/// Packs the frame that begins at `start` and ends the buffer, if that makes it smaller.
pub(crate) fn pack(out: &mut Vec<u8>, start: usize) {
    let plain = out.get(start..).unwrap_or_default();
    if plain.len() < ANSWER_MIN {
        return;
    }
    let mut packed = Vec::with_capacity(plain.len() / 2);
    request::compressed(&mut packed, plain);
    if packed.len() < plain.len() {
        out.truncate(start);
        out.extend_from_slice(&packed);
    }
}
