//! How the store reaches files and devices: the one trait behind which the outside lies.
//!
//! The shell implements it with files, tests with a disk that tears, loses, flips and fills up.

use std::fmt::Debug;
use thiserror::Error;

/// Why a disk did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DiskError {
    /// No room is left. What was to be written may be tried again once there is some.
    #[error("no space left")]
    Full,
    /// Anything else; what became of the bytes is unknown.
    #[error("{0}")]
    Failed(String),
}

/// A file or device of fixed size. Calls may come from several threads at once, never two writes to the same bytes.
pub trait Disk: Debug + Send + Sync {
    /// What it is called in messages: a path.
    fn name(&self) -> &str;

    /// What offsets and lengths of large reads and writes should be multiples of: a power of two up to 4096.
    fn align(&self) -> usize {
        1
    }

    /// Its size in bytes.
    fn size(&self) -> u64;

    /// Fills `buffer` with the bytes at `offset`; bytes that were never written are zero.
    ///
    /// # Errors
    /// When they can't be read, or lie beyond the end.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), DiskError>;

    /// Writes bytes at `offset`. A crash before the next [`Disk::sync`] may leave any part of them, or none.
    ///
    /// # Errors
    /// When not all of them were taken.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError>;

    /// Puts all that was written before on stable storage.
    ///
    /// # Errors
    /// When that failed: then nothing is known of any write since the last success.
    fn sync(&self) -> Result<(), DiskError>;

    /// A record that must be there can't be read: whoever asked for it can't be told anything true. Ends the process,
    /// or in a test the test.
    fn give_up(&self, why: &str) -> !;
}
