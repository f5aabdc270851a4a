//! Fabric: what nodes say to each other over TCP, as bytes.
//!
//! Guarantees: [`decode`] reads any bytes without panicking and without copying; what [`Message::encode`] wrote is
//! read back equal; lengths are bounded before anything is believed. Message bodies of the other machines
//! (agreement, metadata, client requests) pass through as they are.
//!
//! The idea: a frame is a length (4 bytes, of what follows), a kind, fixed fields, and at most one payload that
//! takes the rest. All numbers are little endian. Refuses to know links, threads or who may say what.

mod decode;
mod encode;
mod message;
mod payload;
mod stamps;

pub use decode::{Cut, DecodeError, cut, decode};
pub use message::{At, Hello, Item, Message, NamespaceId};
pub use payload::Payload;
pub use stamps::{Pulled, digests, encode_digests, encode_pulled, encode_stamps, pulled, stamps};

/// The largest frame, length included, in bytes: a record of 8 MiB with room around it.
pub const FRAME_MAX: usize = 16 << 20;
/// What a hello begins with.
pub const MAGIC: u32 = 0x5348_5046;
/// The version of the messages.
pub const PROTOCOL_VERSION: u16 = 1;

#[cfg(test)]
#[path = "fabric/fabric_tests.rs"]
mod tests;
