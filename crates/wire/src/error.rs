//! Why bytes are not a request. Every error here is the client's fault and leaves the connection usable.

use crate::code::ResultCode;
use thiserror::Error;

/// A message body, a batch, a query or a compressed frame that cannot be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The bytes end before what a length or count announces.
    #[error("the message ends before what it announces")]
    Truncated,
    /// Bytes are left over after everything that was announced.
    #[error("bytes are left over at the end of the message")]
    Trailing,
    /// A field's size is 0: it must count at least the id byte.
    #[error("a field has size 0")]
    FieldSize,
    /// An op's size is below 4: it must count its own fixed part.
    #[error("an operation is smaller than its fixed part")]
    OpSize,
    /// An op's name is longer than the op.
    #[error("a bin name is longer than its operation")]
    NameSize,
    /// The field with this id has a length or content that its meaning does not allow.
    #[error("field {0} is malformed")]
    Field(u8),
    /// The field with this id is needed and missing.
    #[error("field {0} is missing")]
    MissingField(u8),
    /// A batch announces no rows.
    #[error("a batch without rows")]
    EmptyBatch,
    /// The first row of a batch asks to repeat the row before it.
    #[error("the first row of a batch cannot repeat another")]
    RepeatFirst,
    /// A batch row has a type byte with bits that nobody defined.
    #[error("batch row type {0:#04x} is not defined")]
    RowType(u8),
    /// A compressed frame's content is no zlib stream, or not of the announced size.
    #[error("a compressed frame does not unpack to the announced size")]
    Inflate,
    /// A compressed frame announces more than the limit.
    #[error("a compressed frame would unpack to more than the limit")]
    InflatedSize,
    /// A compressed frame holds something else than one whole message frame.
    #[error("a compressed frame does not hold one message frame")]
    InnerFrame,
}

impl DecodeError {
    /// The result code that a real server answers; the connection stays open.
    #[must_use]
    pub fn result_code(self) -> ResultCode {
        ResultCode::Parameter
    }
}
