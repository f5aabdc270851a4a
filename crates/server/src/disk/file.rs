//! A file or raw device as the store sees it.

use super::StorageError;
use super::directory::try_lock;
use super::small::beside;
use crate::exit;
use rustix::fs::OFlags;
use rustix::io::Errno;
use shipload_store::volume::{DEVICE_HEADER_SIZE, SLOTS_AT};
use shipload_store::{Disk, DiskError};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Seek as _, SeekFrom};
use std::os::unix::fs::{FileExt as _, FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

/// A raw device counts as empty when its first bytes and so many places spread over it are zero.
const SAMPLES: u64 = 4096;

/// An open file or device that no other process may use.
#[derive(Debug)]
pub(super) struct FileDisk {
    name: String,
    file: File,
    /// The same without the page cache, for whole pages.
    direct: Option<File>,
    size: u64,
}

/// What is read and written without the page cache comes in multiples of this, in memory as well.
const PAGE: usize = 4096;

impl FileDisk {
    /// Opens what is there.
    pub(super) fn open(path: &Path, direct: bool) -> Result<FileDisk, StorageError> {
        let file = OpenOptions::new().read(true).write(true).open(path);
        FileDisk::locked(path, path, file.map_err(|error| io_error(path, error))?, direct)
    }

    /// Makes a file of so many bytes that goes by the name of `path` once [`place_beside`] has been renamed to it.
    pub(super) fn create(path: &Path, size: u64, direct: bool) -> Result<FileDisk, StorageError> {
        let beside = beside(path);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&beside);
        let file = file.and_then(|file| file.set_len(size).map(|()| file));
        FileDisk::locked(path, &beside, file.map_err(|error| io_error(&beside, error))?, direct)
    }

    /// Locks a file that lies at `at` for now.
    fn locked(path: &Path, at: &Path, mut file: File, direct: bool) -> Result<FileDisk, StorageError> {
        match try_lock(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StorageError::Taken(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(io_error(path, error)),
        }
        let size = file.seek(SeekFrom::End(0)).map_err(|error| io_error(path, error))?;
        let open = || {
            let flags = i32::try_from(OFlags::DIRECT.bits()).unwrap_or(0);
            let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(at);
            file.map_err(|error| match Errno::from_io_error(&error) {
                Some(Errno::INVAL) => StorageError::NoDirect(path.to_owned()),
                _ => io_error(path, error),
            })
        };
        let direct = direct.then(open).transpose()?;
        Ok(FileDisk { name: path.display().to_string(), file, direct, size })
    }

    /// The file without the page cache, when these bytes are whole pages.
    fn direct_for(&self, offset: u64, length: usize) -> Option<&File> {
        let whole = offset.is_multiple_of(PAGE as u64) && length.is_multiple_of(PAGE);
        self.direct.as_ref().filter(|_| whole)
    }

    /// Whether nothing but zeros is found in the places that are looked at.
    pub(super) fn is_blank(&self, path: &Path) -> Result<bool, StorageError> {
        let mut start = vec![0; usize::try_from(SLOTS_AT.min(self.size)).unwrap_or(0)];
        let mut sample = [0; DEVICE_HEADER_SIZE];
        let step = (self.size / SAMPLES).max(1 << 20);
        let zero = |bytes: &[u8]| bytes.iter().all(|&byte| byte == 0);
        self.file.read_exact_at(&mut start, 0).map_err(|error| io_error(path, error))?;
        let mut blank = zero(&start);
        let mut at = step;
        while blank && at + DEVICE_HEADER_SIZE as u64 <= self.size {
            self.file.read_exact_at(&mut sample, at).map_err(|error| io_error(path, error))?;
            blank = zero(&sample);
            at += step;
        }
        Ok(blank)
    }
}

/// So many bytes of this memory from its first whole page on.
fn in_pages(memory: &mut [u8], length: usize) -> &mut [u8] {
    let from = memory.as_ptr().align_offset(PAGE);
    memory.get_mut(from..from + length).unwrap_or_default()
}

/// What is found under a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing, or an empty file.
    Nothing,
    /// A file with something in it.
    File,
    /// A raw device.
    Device,
}

/// Looks what is there.
pub(super) fn kind(path: &Path) -> Result<Kind, StorageError> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.file_type().is_block_device() => Ok(Kind::Device),
        Ok(metadata) if metadata.is_file() && metadata.len() == 0 => Ok(Kind::Nothing),
        Ok(metadata) if metadata.is_file() => Ok(Kind::File),
        Ok(_) => {
            Err(io_error(path, io::Error::new(ErrorKind::InvalidInput, "neither a file nor a block device")))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Kind::Nothing),
        Err(error) => Err(io_error(path, error)),
    }
}

pub(super) fn io_error(path: &Path, error: io::Error) -> StorageError {
    StorageError::Io { path: path.to_owned(), error }
}

impl Disk for FileDisk {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn align(&self) -> usize {
        if self.direct.is_some() { PAGE } else { 1 }
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), DiskError> {
        let Some(direct) = self.direct_for(offset, buffer.len()) else {
            return self.file.read_exact_at(buffer, offset).map_err(failed);
        };
        let mut memory = vec![0; buffer.len() + PAGE];
        let pages = in_pages(&mut memory, buffer.len());
        direct.read_exact_at(pages, offset).map_err(failed)?;
        buffer.copy_from_slice(pages);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        let Some(direct) = self.direct_for(offset, bytes.len()) else {
            return self.file.write_all_at(bytes, offset).map_err(failed);
        };
        let mut memory = vec![0; bytes.len() + PAGE];
        let pages = in_pages(&mut memory, bytes.len());
        pages.copy_from_slice(bytes);
        direct.write_all_at(pages, offset).map_err(failed)
    }

    fn sync(&self) -> Result<(), DiskError> {
        self.file.sync_data().map_err(failed)
    }

    fn give_up(&self, why: &str) -> ! {
        exit::environment("a record can't be read back", &why)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is the shape that map_err wants")]
fn failed(error: io::Error) -> DiskError {
    match Errno::from_io_error(&error) {
        Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => DiskError::Full,
        _ => DiskError::Failed(error.to_string()),
    }
}
