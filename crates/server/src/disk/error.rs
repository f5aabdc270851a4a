//! Why a node does not start on its storage.

use super::{DirectoryError, SmallFileError};
use shipload_store::VolumeError;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// Why the storage of a node can't be used. Nothing was changed, unless it says so.
#[derive(Debug, Error)]
pub enum StorageError {
    /// The data directory can't be used.
    #[error("{0}")]
    Directory(#[from] DirectoryError),
    /// A small file in it can't be used.
    #[error("{0}")]
    Small(#[from] SmallFileError),
    /// The operating system refuses.
    #[error("{path}: {error}; nothing was changed")]
    Io {
        /// The file or device.
        path: PathBuf,
        /// What it says.
        error: io::Error,
    },
    /// Another process has it.
    #[error("{0}: in use by another process; nothing was changed")]
    Taken(PathBuf),
    /// Some files of a namespace are there and others are not.
    #[error("{missing}: is not there, but {there} of the same namespace is; nothing was changed")]
    Missing {
        /// One that is not there.
        missing: PathBuf,
        /// One that is.
        there: PathBuf,
    },
    /// `storage-engine device`, and nothing says where.
    #[error(
        "namespace {0}: storage-engine device needs a file, a device or a data directory; nothing was changed"
    )]
    NoDevice(String),
    /// The file system has no direct input and output.
    #[error(
        "{0}: its file system can't do without its page cache; leave out direct-files; nothing was changed"
    )]
    NoDirect(PathBuf),
    /// A file that is too short for a key.
    #[error("{0}: has less than 16 bytes, too few for a key; nothing was changed")]
    ShortKey(PathBuf),
    /// A raw device with something on it.
    #[error("{0}: is not empty and not a device of Shipload's; nothing was changed")]
    Used(PathBuf),
    /// The devices are not this namespace's, or damaged.
    #[error("{0}")]
    Volume(#[from] VolumeError),
}
