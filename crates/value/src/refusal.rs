//! Why an operation on a value was refused.
//!
//! A refusal is an expected outcome: the caller sent something that the protocol does not allow on what is
//! stored. The engine maps each refusal to exactly one result code of the wire protocol; this room does not
//! know the codes' numbers.

use thiserror::Error;

/// An expected outcome other than success of an operation on values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    /// A serialized list or map is not well formed (result code 1).
    #[error("malformed container")]
    Malformed,
    /// An argument is missing, superfluous or out of its range (result code 4).
    #[error("invalid parameter")]
    Parameter,
    /// A create-only operation met an existing bin (result code 6).
    #[error("bin exists")]
    BinExists,
    /// The stored value has another type than the operation works on (result code 12).
    #[error("incompatible type")]
    IncompatibleType,
    /// The result would be larger than a record may be (result code 13).
    #[error("record too big")]
    RecordTooBig,
    /// The operation needs an existing bin (result code 17).
    #[error("bin not found")]
    BinNotFound,
    /// A bin name is longer than 15 bytes or holds a NUL (result code 21).
    #[error("invalid bin name")]
    BinName,
    /// An update-only operation met a missing element (result code 23).
    #[error("element not found")]
    ElementNotFound,
    /// A create-only or add-unique operation met an existing element (result code 24).
    #[error("element exists")]
    ElementExists,
    /// The operation does not apply: out of bounds, wrong return type, unknown result (result code 26).
    #[error("operation not applicable")]
    NotApplicable,
    /// A string is not valid UTF-8 where it must be (result code 29).
    #[error("invalid encoding")]
    Encoding,
    /// GeoJSON text is not valid (result code 160).
    #[error("invalid GeoJSON")]
    GeoJson,
}
