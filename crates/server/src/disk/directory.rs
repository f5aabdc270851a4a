//! The data directory of a node, and the lock that keeps a second process out of it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;
use thiserror::Error;

/// The file that is locked while a process uses the directory.
const LOCK: &str = "lock";
/// How often a lock is tried, and the time in between.
const TRIES: u32 = 40;
const BETWEEN_TRIES: Duration = Duration::from_millis(25);

/// Why a data directory can't be used.
#[derive(Debug, Error)]
pub enum DirectoryError {
    /// The operating system refuses.
    #[error("data directory {path}: {error}")]
    Io {
        /// The directory or its lock file.
        path: PathBuf,
        /// What it says.
        error: io::Error,
    },
    /// Another process has it.
    #[error("data directory {0}: in use by another process")]
    Taken(PathBuf),
}

/// A directory that this process alone may change, until the value is dropped or the process ends.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    /// Held open: the lock goes with it, however the process ends.
    _lock: File,
}

impl DataDirectory {
    /// Takes a directory, which is made when it does not exist.
    ///
    /// # Errors
    /// When it can't be made or written, or another process has it.
    pub fn take(path: &Path) -> Result<DataDirectory, DirectoryError> {
        let io = |error| DirectoryError::Io { path: path.to_owned(), error };
        fs::create_dir_all(path).map_err(io)?;
        let file = path.join(LOCK);
        // Not truncated: before the lock is ours, the file is another's.
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&file);
        let lock = lock.map_err(|error| DirectoryError::Io { path: file, error })?;
        match try_lock(&lock) {
            Ok(()) => Ok(DataDirectory { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(DirectoryError::Taken(path.to_owned())),
            Err(TryLockError::Error(error)) => Err(io(error)),
        }
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Locks a file. A process that was just killed may hold it for a moment longer, so this is patient for a second.
pub(super) fn try_lock(file: &File) -> Result<(), TryLockError> {
    for _ in 0..TRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => thread::sleep(BETWEEN_TRIES),
            other => return other,
        }
    }
    file.try_lock()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        let first = DataDirectory::take(&path).unwrap();
        let text = DataDirectory::take(&path).unwrap_err().to_string();
        assert!(text.ends_with("a/b: in use by another process"), "{text}");
        drop(first);
        DataDirectory::take(&path).unwrap();
    }

    #[test]
    fn a_file_in_its_place_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "x").unwrap();
        assert!(matches!(DataDirectory::take(&path), Err(DirectoryError::Io { .. })));
    }
}
