//! The key of an encrypted namespace, from `encryption-key-file`.
//!
//! The file's bytes, whatever they are, become a key by SHA-512: a file of 32 random bytes or more is as good as the
//! cipher. Nothing of the key is ever logged.

use super::StorageError;
use super::file::io_error;
use sha2::{Digest as _, Sha512};
use shipload_store::Key;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// The least bytes of a file that can be a key.
const BYTES_MIN: usize = 16;
/// The most bytes that are read.
const BYTES_MAX: u64 = 1 << 20;

/// Reads a key.
pub(super) fn read(path: &Path) -> Result<Key, StorageError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(BYTES_MAX).read_to_end(&mut bytes));
    read.map_err(|error| io_error(path, error))?;
    if bytes.len() < BYTES_MIN {
        return Err(StorageError::ShortKey(path.to_owned()));
    }
    Ok(Sha512::digest(&bytes).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_bytes_are_another_key_and_a_few_are_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let one = read(&file("one", &[1; 32])).unwrap();
        assert_ne!(one, read(&file("other", &[2; 32])).unwrap());
        assert_eq!(one, read(&file("again", &[1; 32])).unwrap());
        assert!(matches!(read(&file("short", &[1; 15])), Err(StorageError::ShortKey(_))));
        assert!(matches!(read(&folder.path().join("missing")), Err(StorageError::Io { .. })));
    }
}
