//! Msgpack as the protocol uses it inside list and map bins, operation payloads and expressions.
//!
//! Guarantees: reading borrows and never trusts a length or a count; skipping a value of any nesting uses constant
//! stack; writing always picks the shortest form. Strings carry their particle type as first byte, an ordered
//! container carries an ext as its first element (see `guide/protocol.md` part 5.1).
//!
//! It does not check that a container is in order or that its keys are unique: that is [`crate::canonical`].

pub mod element;
mod reader;
pub mod writer;

#[cfg(test)]
mod msgpack_tests;

pub use reader::{ListHead, MapHead, Reader};

use crate::Refusal;
use thiserror::Error;

/// Ext type byte of the two values that only occur in arguments: [`WILDCARD`] and [`INFINITY`].
pub const EXT_SPECIAL: u8 = 0xff;
/// Data byte of the ext that equals everything.
pub const WILDCARD: u8 = 0;
/// Data byte of the ext that is larger than everything.
pub const INFINITY: u8 = 1;
/// Container flag: a list is ordered, a map is ordered by key.
pub const FLAG_ORDERED: u8 = 0x01;
/// Container flag: a map is ordered by value as well (clients use it together with [`FLAG_ORDERED`]).
pub const FLAG_VALUE_ORDERED: u8 = 0x02;
/// Container flag: a map keeps the order of its pairs; only in results.
pub const FLAG_PRESERVE_ORDER: u8 = 0x08;
/// Container flag: keep an index with the container; accepted, never stored.
pub const FLAG_PERSIST_INDEX: u8 = 0x10;

/// The bytes are not well-formed msgpack, or not of the form that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("malformed msgpack")]
pub struct Malformed;

impl From<Malformed> for Refusal {
    fn from(_: Malformed) -> Refusal {
        Refusal::Malformed
    }
}

/// One value's head: a whole scalar, or the start of a container whose elements follow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Item<'a> {
    /// No value.
    Nil,
    /// A boolean.
    Bool(bool),
    /// Every integer up to 2^63 - 1.
    Int(i64),
    /// Only integers above 2^63 - 1.
    Uint(u64),
    /// A float of either width.
    Double(f64),
    /// A string or blob of either header family, the leading particle type byte included.
    Bytes(&'a [u8]),
    /// The start of an array of so many elements (an ext that carries flags included).
    Array(u32),
    /// The start of a map of so many pairs (a pair that carries flags included).
    Map(u32),
    /// An extension value.
    Ext {
        /// The ext type byte; for a container's flags this *is* the flags.
        kind: u8,
        /// The payload.
        data: &'a [u8],
    },
}

impl Item<'_> {
    /// The integer as 64 bits; values above 2^63 - 1 wrap, as they do when they leave a container.
    #[must_use]
    pub fn as_int(self) -> Option<i64> {
        match self {
            Item::Int(value) => Some(value),
            Item::Uint(value) => Some(value.cast_signed()),
            Item::Nil
            | Item::Bool(_)
            | Item::Double(_)
            | Item::Bytes(_)
            | Item::Array(_)
            | Item::Map(_)
            | Item::Ext { .. } => None,
        }
    }

    /// Whether this is the wildcard.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        matches!(self, Item::Ext { kind: EXT_SPECIAL, data: [WILDCARD] })
    }

    /// Whether this is infinity.
    #[must_use]
    pub fn is_infinity(&self) -> bool {
        matches!(self, Item::Ext { kind: EXT_SPECIAL, data: [INFINITY] })
    }

    /// How many values follow that belong to this one, not counting their own children.
    #[must_use]
    pub fn children(&self) -> u64 {
        match self {
            Item::Array(count) => u64::from(*count),
            Item::Map(count) => u64::from(*count).saturating_mul(2),
            Item::Nil
            | Item::Bool(_)
            | Item::Int(_)
            | Item::Uint(_)
            | Item::Double(_)
            | Item::Bytes(_)
            | Item::Ext { .. } => 0,
        }
    }
}
