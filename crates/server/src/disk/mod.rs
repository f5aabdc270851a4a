//! What the process keeps on disk: the data directory with its lock, small files, and the files and devices of namespaces.
//!
//! Guarantees: a file that is replaced is either wholly old or wholly new after a crash; two processes never share a
//! data directory or a device; nothing is overwritten that this program did not write itself. Refuses to know what the
//! bytes mean.

mod directory;
mod error;
mod file;
mod flush;
mod journal;
mod key;
mod load;
mod small;
mod snapshot;
mod storage;

pub use directory::{DataDirectory, DirectoryError};
pub use error::StorageError;
pub(crate) use flush::{flush_all, run as run_flush};
pub use small::{SmallFile, SmallFileError};
pub(crate) use storage::Storage;
