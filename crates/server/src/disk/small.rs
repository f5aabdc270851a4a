//! A small file that is always replaced as a whole: node id, metadata, partition versions.
//!
//! Guarantees: [`SmallFile::load`] gives exactly bytes that were once passed to [`SmallFile::store`], or says why it
//! can't; after `store` has returned, a crash can't bring an older content back.
//!
//! The way: the new content is written to a file beside it and synced, renamed over the old one, and the directory is
//! synced. Byte by byte: `docs/format/small-file.md`.

use rustix::io::Errno;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use thiserror::Error;

const MAGIC: [u8; 8] = *b"shipfile";
/// The version of the frame around the content.
const FRAME_VERSION: u16 = 1;
/// Bytes in front of the content.
const HEAD_SIZE: usize = 20;
/// The largest content, in bytes.
const CONTENT_MAX: usize = 64 << 20;

/// Why a small file can't be used.
#[derive(Debug, Error)]
pub enum SmallFileError {
    /// The operating system refuses.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What it says.
        error: io::Error,
    },
    /// The bytes are not what was written.
    #[error("{path}: damaged ({what}); restore it from a backup, or move it away to start without it")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How that shows.
        what: &'static str,
    },
    /// Written by a later version of this program.
    #[error(
        "{path}: has format version {found}, this program knows versions up to {known}; nothing was changed"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u16,
        /// The latest known one.
        known: u16,
    },
}

/// A named file in a directory whose content is replaced as a whole.
#[derive(Debug, Clone)]
pub struct SmallFile {
    path: PathBuf,
    version: u16,
}

impl SmallFile {
    /// The file `name` in `directory`; `version` is the version of its content that this program writes.
    #[must_use]
    pub fn new(directory: &Path, name: &str, version: u16) -> SmallFile {
        SmallFile { path: directory.join(name), version }
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The content and its version, which is at most that of [`SmallFile::new`]; none when there is no such file.
    ///
    /// # Errors
    /// When it can't be read, is damaged, or was written by a later version.
    pub fn load(&self) -> Result<Option<(u16, Vec<u8>)>, SmallFileError> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.io(error)),
        };
        let mut bytes = Vec::new();
        let limit = (HEAD_SIZE + CONTENT_MAX) as u64 + 1;
        file.take(limit).read_to_end(&mut bytes).map_err(|error| self.io(error))?;
        let (version, content) = self.unframe(&bytes)?;
        Ok(Some((version, content.to_vec())))
    }

    /// Replaces the content. When this returns, the new one is on stable storage.
    ///
    /// # Errors
    /// When it can't be written; the old content is still there then.
    pub fn store(&self, content: &[u8]) -> Result<(), SmallFileError> {
        if content.len() > CONTENT_MAX {
            return Err(self.io(io::Error::new(ErrorKind::FileTooLarge, "more than 64 MiB for a small file")));
        }
        replace(&self.path, |file| {
            file.write_all(&self.head(content))?;
            file.write_all(content)
        })
        .map_err(|error| self.io(error))
    }

    fn head(&self, content: &[u8]) -> [u8; HEAD_SIZE] {
        let mut head = [0; HEAD_SIZE];
        head[0..8].copy_from_slice(&MAGIC);
        head[8..10].copy_from_slice(&FRAME_VERSION.to_le_bytes());
        head[10..12].copy_from_slice(&self.version.to_le_bytes());
        head[12..16].copy_from_slice(&u32::try_from(content.len()).unwrap_or(u32::MAX).to_le_bytes());
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&head[..16]), content);
        head[16..].copy_from_slice(&checksum.to_le_bytes());
        head
    }

    fn unframe<'b>(&self, bytes: &'b [u8]) -> Result<(u16, &'b [u8]), SmallFileError> {
        let damaged = |what| SmallFileError::Damaged { path: self.path.clone(), what };
        let newer = |found, known| SmallFileError::Newer { path: self.path.clone(), found, known };
        let (head, content) = bytes.split_first_chunk::<HEAD_SIZE>().ok_or_else(|| damaged("too short"))?;
        if head[0..8] != MAGIC {
            return Err(damaged("not a file of Shipload's"));
        }
        let frame = u16::from_le_bytes([head[8], head[9]]);
        if frame > FRAME_VERSION {
            return Err(newer(frame, FRAME_VERSION));
        }
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&head[..16]), content);
        let length = u32::from_le_bytes([head[12], head[13], head[14], head[15]]) as usize;
        if length != content.len() {
            return Err(damaged("its length is wrong"));
        }
        if checksum != u32::from_le_bytes([head[16], head[17], head[18], head[19]]) {
            return Err(damaged("its checksum does not match"));
        }
        let version = u16::from_le_bytes([head[10], head[11]]);
        if version > self.version { Err(newer(version, self.version)) } else { Ok((version, content)) }
    }

    fn io(&self, error: io::Error) -> SmallFileError {
        SmallFileError::Io { path: self.path.clone(), error }
    }
}

/// Writes a new file beside `path`, syncs it, renames it over `path`, and syncs the directory.
pub(super) fn replace(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let beside = beside(path);
    let written = File::create(&beside).and_then(|mut file| {
        write(&mut file)?;
        file.sync_all()
    });
    if let Err(error) = written {
        // What is left of the attempt would only take room; a later attempt writes over it anyway.
        let _ = fs::remove_file(&beside);
        return Err(error);
    }
    fs::rename(&beside, path)?;
    sync_directory(path)
}

/// Where a file is made before it gets its name.
pub(super) fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

/// Makes the names in the directory of `path` durable.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match File::open(parent)?.sync_all() {
        // Some network file systems have no notion of syncing a directory.
        Err(error) if Errno::from_io_error(&error) == Some(Errno::INVAL) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_comes_back_and_any_damage_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let file = SmallFile::new(folder.path(), "node", 3);
        assert!(file.load().unwrap().is_none());
        for content in [&b""[..], b"one", &vec![7; 100_000], b"two"] {
            file.store(content).unwrap();
            assert_eq!(file.load().unwrap(), Some((3, content.to_vec())));
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
        let whole = fs::read(file.path()).unwrap();
        for bit in 0..whole.len() * 8 {
            let mut broken = whole.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            fs::write(file.path(), &broken).unwrap();
            assert!(file.load().is_err(), "bit {bit}");
        }
        for length in 0..whole.len() {
            fs::write(file.path(), &whole[..length]).unwrap();
            assert!(matches!(file.load(), Err(SmallFileError::Damaged { .. })), "{length} bytes");
        }
    }

    #[test]
    fn a_later_version_is_named_and_an_older_one_is_read() {
        let folder = tempfile::tempdir().unwrap();
        SmallFile::new(folder.path(), "node", 2).store(b"x").unwrap();
        let text = SmallFile::new(folder.path(), "node", 1).load().unwrap_err().to_string();
        assert!(text.contains("has format version 2, this program knows versions up to 1"), "{text}");
        assert_eq!(SmallFile::new(folder.path(), "node", 5).load().unwrap(), Some((2, b"x".to_vec())));
    }

    #[test]
    fn a_failed_store_leaves_the_old_content() {
        let folder = tempfile::tempdir().unwrap();
        let file = SmallFile::new(folder.path(), "node", 1);
        file.store(b"old").unwrap();
        // A directory stands where the new content would be written.
        fs::create_dir(folder.path().join("node.new")).unwrap();
        assert!(file.store(b"new").is_err());
        assert_eq!(file.load().unwrap(), Some((1, b"old".to_vec())));
    }
}
