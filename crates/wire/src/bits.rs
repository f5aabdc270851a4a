//! The protocol's numbers: header bits, field ids, operation codes, batch flags. Names are the protocol's own.
//!
//! Source: `guide/protocol.md` parts 1.2 to 1.5 and 4.1.

/// Bits of the first info byte of a message header.
pub mod info1 {
    /// The command reads.
    pub const READ: u8 = 0x01;
    /// All bins are returned.
    pub const GET_ALL: u8 = 0x02;
    /// A query that is expected to be short, and is not tracked as a job.
    pub const SHORT_QUERY: u8 = 0x04;
    /// A batch command.
    pub const BATCH_INDEX: u8 = 0x08;
    /// Sent by cross-datacenter replication.
    pub const XDR: u8 = 0x10;
    /// No bins are returned, metadata only.
    pub const GET_NOBINDATA: u8 = 0x20;
    /// A read of an available namespace consults all replicas.
    pub const READ_MODE_AP_ALL: u8 = 0x40;
    /// The answer may be compressed.
    pub const COMPRESS_RESPONSE: u8 = 0x80;
}

/// Bits of the second info byte.
pub mod info2 {
    /// The command writes.
    pub const WRITE: u8 = 0x01;
    /// The record is deleted.
    pub const DELETE: u8 = 0x02;
    /// Only if the generation equals the header's.
    pub const GENERATION: u8 = 0x04;
    /// Only if the header's generation is newer than the stored one.
    pub const GENERATION_GT: u8 = 0x08;
    /// A delete leaves a tombstone.
    pub const DURABLE_DELETE: u8 = 0x10;
    /// Only if the record does not exist.
    pub const CREATE_ONLY: u8 = 0x20;
    /// A long query with relaxed consistency.
    pub const RELAX_AP_LONG_QUERY: u8 = 0x40;
    /// One result for each operation, nil included.
    pub const RESPOND_ALL_OPS: u8 = 0x80;
}

/// Bits of the third info byte.
pub mod info3 {
    /// The last message of an answer of several messages.
    pub const LAST: u8 = 0x01;
    /// The answer need not wait for replicas.
    pub const COMMIT_MASTER: u8 = 0x02;
    /// Asked: tell about partitions; answered: this partition is finished.
    pub const PARTITION_DONE: u8 = 0x04;
    /// Only if the record exists; bins are merged.
    pub const UPDATE_ONLY: u8 = 0x08;
    /// Bins that are not in the command vanish.
    pub const CREATE_OR_REPLACE: u8 = 0x10;
    /// As above, and only if the record exists.
    pub const REPLACE_ONLY: u8 = 0x20;
    /// Low bit of the consistent read mode.
    pub const SC_READ_TYPE: u8 = 0x40;
    /// High bit of the consistent read mode.
    pub const SC_READ_RELAX: u8 = 0x80;
}

/// Bits of the fourth info byte.
pub mod info4 {
    /// Compare the record version with the stored one.
    pub const TXN_VERIFY_READ: u8 = 0x01;
    /// Make a provisional write final.
    pub const TXN_ROLL_FORWARD: u8 = 0x02;
    /// Discard a provisional write.
    pub const TXN_ROLL_BACK: u8 = 0x04;
    /// Succeed only if this command newly locks the record.
    pub const TXN_ON_LOCKING_ONLY: u8 = 0x10;
    /// Two bits: how much error detail is wanted.
    pub const ERROR_DETAIL: u8 = 0x60;
    /// This project's own: a query wants rows, see [`crate::rows`].
    pub const ROWS: u8 = 0x80;
}

/// Field ids.
pub mod field {
    /// Namespace name.
    pub const NAMESPACE: u8 = 0;
    /// Set name, maybe empty.
    pub const SET: u8 = 1;
    /// User key: particle type byte, then the key's bytes.
    pub const KEY: u8 = 2;
    /// Record version of a transaction.
    pub const RECORD_VERSION: u8 = 3;
    /// Digest of the record, 20 bytes.
    pub const DIGEST: u8 = 4;
    /// Transaction id.
    pub const TXN_ID: u8 = 5;
    /// Transaction deadline.
    pub const TXN_DEADLINE: u8 = 6;
    /// Task id of a query.
    pub const TASK_ID: u8 = 7;
    /// How long the server waits when it cannot write, ms.
    pub const SOCKET_TIMEOUT: u8 = 9;
    /// Pace of a query.
    pub const RECORDS_PER_SECOND: u8 = 10;
    /// Partitions to read from their start.
    pub const PARTITIONS: u8 = 11;
    /// Digests after which to go on.
    pub const DIGESTS: u8 = 12;
    /// Most records that a query returns.
    pub const MAX_RECORDS: u8 = 13;
    /// Index values after which to go on; in answers the record's index value.
    pub const BVALS: u8 = 15;
    /// Secondary index name.
    pub const INDEX_NAME: u8 = 21;
    /// Secondary index range.
    pub const INDEX_RANGE: u8 = 22;
    /// Secondary index context.
    pub const INDEX_CONTEXT: u8 = 23;
    /// Secondary index expression.
    pub const INDEX_EXPRESSION: u8 = 24;
    /// Secondary index collection type.
    pub const INDEX_TYPE: u8 = 26;
    /// UDF package.
    pub const UDF_PACKAGE: u8 = 30;
    /// UDF function.
    pub const UDF_FUNCTION: u8 = 31;
    /// UDF arguments, a msgpack list.
    pub const UDF_ARGS: u8 = 32;
    /// UDF operation of a query: 1 aggregate, 2 background.
    pub const UDF_OP: u8 = 33;
    /// Bins that an old-style query wants.
    pub const QUERY_BINS: u8 = 40;
    /// The rows of a batch.
    pub const BATCH: u8 = 41;
    /// Filter expression.
    pub const FILTER: u8 = 43;
    /// Error details in answers.
    pub const ERROR_DETAILS: u8 = 45;
    /// This project's own: what a query measures, see [`crate::groups`].
    pub const GROUPS: u8 = 240;
}

/// Operation codes.
pub mod op {
    /// Read a bin.
    pub const READ: u8 = 1;
    /// Write a bin, or delete it when the value is nil.
    pub const WRITE: u8 = 2;
    /// Read from a list or map.
    pub const CDT_READ: u8 = 3;
    /// Change a list or map.
    pub const CDT_MODIFY: u8 = 4;
    /// Add to a number.
    pub const INCR: u8 = 5;
    /// Evaluate an expression.
    pub const EXP_READ: u8 = 7;
    /// Evaluate an expression into a bin.
    pub const EXP_MODIFY: u8 = 8;
    /// Append to a string or blob.
    pub const APPEND: u8 = 9;
    /// Prepend to a string or blob.
    pub const PREPEND: u8 = 10;
    /// Count a write and set the time to live.
    pub const TOUCH: u8 = 11;
    /// Read bits of a blob.
    pub const BIT_READ: u8 = 12;
    /// Change bits of a blob.
    pub const BIT_MODIFY: u8 = 13;
    /// Delete the record.
    pub const DELETE: u8 = 14;
    /// Read from a `HyperLogLog`.
    pub const HLL_READ: u8 = 15;
    /// Change a `HyperLogLog`.
    pub const HLL_MODIFY: u8 = 16;
    /// Read from a string.
    pub const STRING_READ: u8 = 17;
    /// Change a string.
    pub const STRING_MODIFY: u8 = 18;
    /// Read a value as a string.
    pub const TO_STRING: u8 = 19;
}

/// Type bits of a batch row.
pub mod row {
    /// The row takes over everything but index and digest from the row before it.
    pub const REPEAT: u8 = 0x01;
    /// Three info bytes follow.
    pub const INFO: u8 = 0x02;
    /// A generation follows.
    pub const GENERATION: u8 = 0x04;
    /// A time to live follows.
    pub const TTL: u8 = 0x08;
    /// A fourth info byte follows.
    pub const INFO4: u8 = 0x10;
}

/// Flags of a whole batch.
pub mod batch {
    /// Rows may be executed in order on the thread that read the batch.
    pub const INLINE: u8 = 0x01;
    /// The same for namespaces on disk.
    pub const INLINE_SSD: u8 = 0x02;
    /// Every row is answered, also after errors.
    pub const RESPOND_ALL_KEYS: u8 = 0x04;
    /// Rows are answered, and the last message carries the last bad code.
    pub const ERROR_ACTION: u8 = 0x08;
}
