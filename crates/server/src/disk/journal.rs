//! The file of a namespace's commit journal, in the data directory.
//!
//! Guarantees: a journal is whole under its name or not there; all of its bytes were written, so that a commit changes
//! nothing but bytes. Where there is no room for one, commits go without: that is slower, not less safe.

use super::StorageError;
use super::file::{self, FileDisk, Kind};
use super::small::{beside, sync_directory};
use shipload_store::{JournalGiven, Volume};
use std::fs;
use std::path::{Path, PathBuf};

/// Bytes of a journal. What was committed is put in its place once a second anyway, so that few megabytes are in use.
const JOURNAL_BYTES: u64 = 16 << 20;

/// Where the journal of a namespace lies.
pub(super) fn path(directory: &Path, namespace: &str) -> PathBuf {
    directory.join(format!("{namespace}.journal"))
}

/// A file of this name beside the journal: whoever makes it wants to go on without a journal that is lost.
fn waiver(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".lost");
    path.with_file_name(name)
}

/// What there is of a journal.
pub(super) fn given(path: Option<&Path>) -> Result<JournalGiven, StorageError> {
    let Some(path) = path else { return Ok(JournalGiven::None) };
    if waiver(path).exists() {
        return Ok(JournalGiven::Lost);
    }
    match file::kind(path)? {
        Kind::Nothing => Ok(JournalGiven::None),
        Kind::File | Kind::Device => Ok(JournalGiven::Disk(Box::new(FileDisk::open(path, false)?))),
    }
}

/// The devices are open: says what the journal brought, and makes one where commits are to go to one.
pub(super) fn settle(
    volume: &Volume,
    namespace: &str,
    path: &Path,
    commits: bool,
) -> Result<(), StorageError> {
    if let Some(replayed) = volume.replayed() {
        let (commits, kb) = (replayed.commits, replayed.bytes >> 10);
        tracing::info!(namespace, commits, kb, "last commits put in their place");
        if replayed.damaged > 0 {
            let path = path.display();
            let damaged = replayed.damaged;
            tracing::error!(namespace, damaged, "{path}: commits are damaged; what they held may be missing");
        }
    }
    let waiver = waiver(path);
    if waiver.exists() {
        tracing::error!(namespace, "started without the journal, as {} says", waiver.display());
        set_aside(path)
            .and_then(|()| fs::remove_file(&waiver))
            .map_err(|error| file::io_error(path, error))?;
    }
    if !commits || volume.has_journal() {
        return Ok(());
    }
    match make(volume, path) {
        Ok(()) => {
            tracing::info!(namespace, mb = JOURNAL_BYTES >> 20, "commit journal made");
            Ok(())
        }
        Err(error) => {
            // What is left of the attempt would only take room.
            let _ = fs::remove_file(beside(path));
            tracing::warn!(namespace, "no commit journal: {error}; each commit goes to its places");
            Ok(())
        }
    }
}

/// A journal that is not used any more stays under another name, whosever it is.
fn set_aside(path: &Path) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".unused");
    if path.exists() { fs::rename(path, path.with_file_name(name)) } else { Ok(()) }
}

fn make(volume: &Volume, path: &Path) -> Result<(), StorageError> {
    let disk = FileDisk::create(path, JOURNAL_BYTES, false)?;
    volume.format_journal(&disk).map_err(|error| file::io_error(path, std::io::Error::other(error)))?;
    let named = fs::rename(beside(path), path).and_then(|()| sync_directory(path));
    named.map_err(|error| file::io_error(path, error))?;
    Ok(volume.use_journal(Box::new(disk))?)
}
