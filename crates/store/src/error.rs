//! Expected outcomes other than success.

use thiserror::Error;

/// Why a record can't be stored. Nothing has changed when one of these is returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum StoreError {
    /// A bin name is longer than 15 bytes.
    #[error("a bin name is longer than 15 bytes")]
    BinName,
    /// The record has more than 32767 bins.
    #[error("more than 32767 bins")]
    TooManyBins,
    /// The encoded record would be larger than the store can hold (8 MiB).
    #[error("the record is larger than 8 MiB")]
    RecordTooBig,
    /// The block log has reached its configured size, or its last addressable block.
    #[error("the block log is full")]
    Full,
    /// More waits to be written to the devices than may.
    #[error("the devices are slower than the writes")]
    Overload,
    /// The devices are out of service.
    #[error("the devices are out of service")]
    Device,
}

/// Why bytes are not a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CorruptRecord {
    /// The bytes end before the record does, or a length inside points beyond its end.
    #[error("a length points beyond the end of the record")]
    Truncated,
    /// The zero length that marks the end of a block's records.
    #[error("no record here: the end of the block's records")]
    End,
    /// The checksum does not match the bytes.
    #[error("the checksum does not match")]
    Checksum,
    /// A field holds a value that no encoder writes.
    #[error("a field holds an impossible value")]
    Field,
}
