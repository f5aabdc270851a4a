//! Files below the one folder that may be copied from and to.

use crate::error::{Kind, Result, SqlError};
use crate::glob::is_like;
use crate::network::{Download, Ranges, Upload};
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream;
use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::task::spawn_blocking;

/// Bytes that are read at once.
const CHUNK: usize = 256 << 10;

fn failed(path: &Path, error: &io::Error) -> SqlError {
    SqlError::new(Kind::Validation, format!("{}: {error}", path.display()))
}

fn allowed(root: Option<&Path>) -> Result<PathBuf> {
    let Some(root) = root else {
        let message =
            "COPY with files is switched off; a node with --sql-files FOLDER allows it for that folder";
        return Err(SqlError::new(Kind::RelationOperation, message));
    };
    root.canonicalize().map_err(|error| failed(root, &error))
}

fn inside(root: &Path, path: &Path) -> Result<PathBuf> {
    let real = path.canonicalize().map_err(|error| failed(path, &error))?;
    if real.starts_with(root) {
        return Ok(real);
    }
    let message = format!("{} is not below {}", path.display(), root.display());
    Err(SqlError::new(Kind::RelationOperation, message))
}

/// The real path of a file.
///
/// # Errors
/// When there is no such file, or it may not be read.
pub(super) fn readable(root: Option<&Path>, path: &Path) -> Result<PathBuf> {
    inside(&allowed(root)?, path)
}

/// The files that a path names; `*` stands for any part of a file's name.
///
/// # Errors
/// When there is no such file, or it may not be read.
pub(super) fn find(root: Option<&Path>, path: &Path) -> Result<Vec<PathBuf>> {
    let root = allowed(root)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if !name.contains('*') {
        return inside(&root, path).map(|_| vec![path.to_path_buf()]);
    }
    let folder = path.parent().unwrap_or(&root);
    inside(&root, folder)?;
    let entries = std::fs::read_dir(folder).map_err(|error| failed(folder, &error))?;
    let mut paths: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| is_like(&entry.file_name().to_string_lossy(), &name))
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect();
    paths.sort();
    paths.iter().try_for_each(|path| inside(&root, path).map(drop))?;
    Ok(paths)
}

/// The folder of an address, made when it is not there.
///
/// # Errors
/// When it may not be, or can't be made.
pub(super) fn make(root: Option<&Path>, path: &Path) -> Result<PathBuf> {
    let root = allowed(root)?;
    let parent = path.parent().unwrap_or(&root);
    inside(&root, parent)?;
    if !path.exists() {
        std::fs::create_dir(path).map_err(|error| failed(path, &error))?;
    }
    inside(&root, path)
}

/// Begins to read a file.
///
/// # Errors
/// When it can't be read.
pub(super) fn open(path: &Path) -> Result<Download> {
    let wrong = |error| failed(path, &error);
    let file = File::open(path).map_err(wrong)?;
    let size = file.metadata().map_err(wrong)?.len();
    let shown = path.to_path_buf();
    let pieces = stream::try_unfold(file, move |file| {
        let shown = shown.clone();
        async move { piece(file).await.map_err(|error| failed(&shown, &error)) }
    });
    Ok(Download { size: Some(size), pieces: Box::pin(pieces) })
}

async fn piece(mut file: File) -> io::Result<Option<(Bytes, File)>> {
    let read = spawn_blocking(move || {
        let mut piece = vec![0; CHUNK];
        let size = file.read(&mut piece)?;
        piece.truncate(size);
        Ok::<_, io::Error>((file, piece))
    });
    let (file, piece) = read.await.map_err(io::Error::other)??;
    Ok((!piece.is_empty()).then(|| (piece.into(), file)))
}

/// A file that is read in parts.
pub(super) struct Parts {
    path: PathBuf,
    file: Arc<File>,
    size: u64,
}

impl Parts {
    /// Opens a file.
    ///
    /// # Errors
    /// When it can't be read.
    pub(super) fn open(path: &Path) -> Result<Parts> {
        let wrong = |error| failed(path, &error);
        let file = File::open(path).map_err(wrong)?;
        let size = file.metadata().map_err(wrong)?.len();
        Ok(Parts { path: path.to_path_buf(), file: Arc::new(file), size })
    }
}

#[async_trait]
impl Ranges for Parts {
    fn size(&self) -> u64 {
        self.size
    }

    async fn range(&self, range: Range<u64>) -> Result<Bytes> {
        let file = Arc::clone(&self.file);
        let read = spawn_blocking(move || {
            if range.end > file.metadata()?.len() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let size = range.end.saturating_sub(range.start);
            let mut part = vec![0; usize::try_from(size).map_err(io::Error::other)?];
            file.read_exact_at(&mut part, range.start)?;
            Ok::<_, io::Error>(part.into())
        });
        let read = read.await.map_err(io::Error::other).and_then(|read| read);
        read.map_err(|error| failed(&self.path, &error))
    }
}

/// A file that is being written. It has another name until it is whole.
pub(super) struct Writing {
    file: Option<File>,
    while_written: PathBuf,
    path: PathBuf,
}

impl Writing {
    /// Begins a file of this name in a folder.
    ///
    /// # Errors
    /// When it can't be written.
    pub(super) fn begin(folder: &Path, name: &str) -> Result<Writing> {
        let while_written = folder.join(format!(".{name}.{}.part", uuid::Uuid::new_v4().simple()));
        let file = File::create(&while_written).map_err(|error| failed(&while_written, &error))?;
        Ok(Writing { file: Some(file), while_written, path: folder.join(name) })
    }
}

#[async_trait]
impl Upload for Writing {
    async fn put(&mut self, bytes: Bytes) -> Result<()> {
        let Some(mut file) = self.file.take() else { return Ok(()) };
        let written = spawn_blocking(move || file.write_all(&bytes).map(|()| file));
        let written = written.await.map_err(io::Error::other).and_then(|written| written);
        self.file = Some(written.map_err(|error| failed(&self.path, &error))?);
        Ok(())
    }

    async fn finish(&mut self) -> Result<()> {
        self.file = None;
        std::fs::rename(&self.while_written, &self.path).map_err(|error| failed(&self.path, &error))
    }

    async fn abandon(&mut self) {}
}

impl Drop for Writing {
    fn drop(&mut self) {
        // It is gone when it has got its name.
        let _ = std::fs::remove_file(&self.while_written);
    }
}

#[cfg(test)]
mod tests {
    use super::{Path, Ranges as _, Upload as _, Writing, find, make, open};
    use futures::TryStreamExt as _;

    #[test]
    fn only_the_folder_is_open() {
        let folder = std::env::temp_dir();
        let passwd = Path::new("/etc/passwd");
        assert!(find(None, passwd).is_err());
        assert!(find(Some(&folder), passwd).is_err());
        assert!(find(Some(&folder), &folder.join("../etc/passwd")).is_err());
        assert!(make(Some(&folder), Path::new("/etc/shipload")).is_err());
    }

    #[tokio::test]
    async fn files_are_written_and_read() {
        let name = format!("shipload-copy-{}", uuid::Uuid::new_v4().simple());
        let folder = make(Some(&std::env::temp_dir()), &std::env::temp_dir().join(name)).expect("a folder");
        for name in ["b.json", "a.json", "c.csv"] {
            let mut writing = Writing::begin(&folder, name).expect("a file");
            writing.put("0123456789".into()).await.expect("space");
            writing.put("more".into()).await.expect("space");
            writing.finish().await.expect("an end");
        }
        let mut left = Writing::begin(&folder, "d.json").expect("a file");
        left.put("0123456789".into()).await.expect("space");
        drop(left);
        let found = find(Some(&folder), &folder.join("*")).expect("files");
        let names: Vec<_> = found.iter().filter_map(|path| path.file_name()?.to_str()).collect();
        assert_eq!(names, ["a.json", "b.json", "c.csv"]);
        let download = open(&folder.join("a.json")).expect("a file");
        assert_eq!(download.size, Some(14));
        let pieces: Vec<bytes::Bytes> = download.pieces.try_collect().await.expect("pieces");
        assert_eq!(pieces.concat(), b"0123456789more");
        let parts = super::Parts::open(&folder.join("a.json")).expect("a file");
        assert_eq!(parts.range(8..12).await.expect("a part"), "89mo");
        assert!(parts.range(13..30).await.is_err());
        std::fs::remove_dir_all(&folder).expect("it goes");
    }
}
