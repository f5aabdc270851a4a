//! Records of a stripe of partitions: primary index, block log, expiry.
//!
//! Guarantees: no socket, file, thread, clock or randomness; time comes in as an argument. Object and byte counts
//! are exact after every call. Bytes that come from outside (one day: a disk) are decoded without panicking.
//!
//! The idea: a [`Stripe`] is plain data behind its owner's one lock. Its index tables hold 32 bytes a record in
//! digest order and say where in the block log the record lies; the log's bytes are the format that also goes
//! to disk (`docs/format/`). Refuses to know result codes, policies or what a bin's value means.

pub mod block;
pub mod counts;
pub mod cutoffs;
pub mod disk;
pub mod error;
pub mod index;
pub mod log;
pub mod meta;
pub mod record;
pub mod sets;
pub mod sindex;
pub mod snapshot;
pub mod stripe;
pub mod sweep;
pub mod ttl;
pub mod volume;

pub use block::Identity;
pub use counts::{Counts, SetCounts};
pub use cutoffs::Cutoffs;
pub use disk::{Disk, DiskError};
pub use error::{CorruptRecord, StoreError};
pub use log::LogConfig;
pub use meta::{BinRef, KeyRef, Meta, SetId};
pub use record::{Compression, RecordRef};
pub use sets::SetTable;
pub use sindex::{IndexKey, IndexSeek, IndexUsage, KeySource, RetiredIndex};
pub use snapshot::{SNAPSHOT_HEAD_SIZE, SectionPlace, SnapshotError, SnapshotHead};
pub use stripe::{
    Defragged, DropMark, Loaded, Put, Removed, STEPPED_OVER, STRIPE_COUNT, Stripe, Touch, Verified, stripe_of,
};
pub use sweep::{Budget, Candidate, Decision, Swept};
pub use ttl::{Eviction, TtlHistogram};
pub use volume::{
    Fault, JournalError, JournalGiven, KeptValues, Key, LoadReport, Mark, Owner, Place, Replayed, Scanned,
    SkippedSlot, Trouble, Volume, VolumeError,
};
