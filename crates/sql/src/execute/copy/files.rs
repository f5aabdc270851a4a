//! Files below the one folder that may be copied from and to.

use super::Format;
use crate::error::{Kind, Result, SqlError};
use crate::execute::RowSet;
use crate::value::Value;
use crate::value::cast::text;
use crate::value::json::to_json_as;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Map, Value as Json};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};
use tokio::task::spawn_blocking;

/// Bytes that are read at once.
const CHUNK: usize = 256 << 10;

fn failed(path: &Path, error: &io::Error) -> SqlError {
    SqlError::new(Kind::Validation, format!("{}: {error}", path.display()))
}

/// The path in `file:///path` or `/path`.
fn path_of(uri: &str) -> Result<PathBuf> {
    let path = uri.strip_prefix("file://").unwrap_or(uri);
    if path.contains("://") {
        return Err(SqlError::unsupported(format!("{uri}: only files can be copied")));
    }
    let path = PathBuf::from(path);
    let plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if !path.is_absolute() || !plain {
        return Err(SqlError::new(Kind::Validation, format!("{uri}: a path must be absolute, without '..'")));
    }
    Ok(path)
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

/// The files that addresses name; `*` stands for any part of a file's name.
///
/// # Errors
/// When there is no such file, or it may not be read.
pub(super) fn find(root: Option<&Path>, uris: &[String]) -> Result<Vec<PathBuf>> {
    let root = allowed(root)?;
    let mut found = Vec::new();
    for uri in uris {
        let path = path_of(uri)?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if !name.contains('*') {
            found.push(inside(&root, &path)?);
            continue;
        }
        let folder = inside(&root, path.parent().unwrap_or(&root))?;
        let entries = std::fs::read_dir(&folder).map_err(|error| failed(&folder, &error))?;
        let mut names: Vec<PathBuf> = entries
            .flatten()
            .filter(|entry| is_like(&entry.file_name().to_string_lossy(), &name))
            .map(|entry| entry.path())
            .filter(|path| path.is_file())
            .collect();
        names.sort();
        for path in names {
            found.push(inside(&root, &path)?);
        }
    }
    Ok(found)
}

/// Whether a name fits a pattern with stars.
fn is_like(name: &str, pattern: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return name == pattern };
    let Some(mut left) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = left.find(part) else { return false };
        left = left.get(at + part.len()..).unwrap_or_default();
    }
    left.len() >= last.len() && left.ends_with(last)
}

/// The folder of an address, made when it is not there.
///
/// # Errors
/// When it may not be, or can't be made.
pub(super) fn make(root: Option<&Path>, uri: &str) -> Result<PathBuf> {
    let root = allowed(root)?;
    let path = path_of(uri)?;
    let parent = path.parent().unwrap_or(&root);
    inside(&root, parent)?;
    if !path.exists() {
        std::fs::create_dir(&path).map_err(|error| failed(&path, &error))?;
    }
    inside(&root, &path)
}

/// A file, piece by piece.
pub(super) struct Chunks {
    path: PathBuf,
    file: Option<Box<dyn Read + Send>>,
}

impl Chunks {
    pub(super) fn open(path: &Path, gzip: Option<bool>) -> Result<Chunks> {
        let file = File::open(path).map_err(|error| failed(path, &error))?;
        let file: Box<dyn Read + Send> =
            if gzip == Some(true) { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
        Ok(Chunks { path: path.to_path_buf(), file: Some(file) })
    }

    /// The next piece; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let Some(mut file) = self.file.take() else { return Ok(None) };
        let read = spawn_blocking(move || {
            let mut piece = vec![0; CHUNK];
            let size = file.read(&mut piece)?;
            piece.truncate(size);
            Ok::<_, io::Error>((file, piece))
        });
        let read = read.await.map_err(|error| SqlError::new(Kind::Internal, error.to_string()))?;
        let (file, piece) = read.map_err(|error| failed(&self.path, &error))?;
        if piece.is_empty() {
            return Ok(None);
        }
        self.file = Some(file);
        Ok(Some(piece))
    }
}

/// Writes rows to a new file, or over an old one.
pub(super) async fn write(path: &Path, format: &Format, set: &RowSet, gzip: bool) -> Result<()> {
    let content = content(format, set);
    let path = path.to_path_buf();
    let written = spawn_blocking(move || {
        let wrong = |error| failed(&path, &error);
        let mut file = File::create(&path).map_err(wrong)?;
        if gzip {
            let mut packed = GzEncoder::new(file, Compression::fast());
            packed.write_all(content.as_bytes()).and_then(|()| packed.finish().map(drop)).map_err(wrong)
        } else {
            file.write_all(content.as_bytes()).map_err(wrong)
        }
    });
    written.await.map_err(|error| SqlError::new(Kind::Internal, error.to_string()))?
}

fn content(format: &Format, set: &RowSet) -> String {
    let mut out = String::new();
    if matches!(format, Format::Csv { header: true, .. }) {
        format.write(&mut out, &set.columns.iter().map(|(name, _)| Some(name.clone())).collect::<Vec<_>>());
    }
    for row in &set.rows {
        if *format == Format::Json {
            let members = row.iter().zip(&set.columns).filter(|(value, _)| !value.is_null());
            let object: Map<String, Json> =
                members.map(|(value, (name, ty))| (name.clone(), to_json_as(value, ty))).collect();
            out.push_str(&Json::Object(object).to_string());
            out.push('\n');
        } else {
            let field = |value: &Value| if value.is_null() { None } else { Some(text(value)) };
            format.write(&mut out, &row.iter().map(field).collect::<Vec<_>>());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{find, is_like, make};

    #[test]
    fn stars_stand_for_anything() {
        for (name, pattern, like) in [
            ("a.csv", "*.csv", true),
            ("a.csv", "a*", true),
            ("a.csv", "a*v*", true),
            ("a.csv", "*b*", false),
            ("aa", "aa*a", false),
            ("x", "x", true),
        ] {
            assert_eq!(is_like(name, pattern), like, "{name} {pattern}");
        }
    }

    #[test]
    fn only_the_folder_is_open() {
        let folder = std::env::temp_dir();
        let uri = |text: &str| vec![text.to_owned()];
        assert!(find(None, &uri("/etc/passwd")).is_err());
        assert!(find(Some(&folder), &uri("/etc/passwd")).is_err());
        assert!(find(Some(&folder), &uri("etc/passwd")).is_err());
        assert!(find(Some(&folder), &uri(&format!("{}/../etc/passwd", folder.display()))).is_err());
        assert!(find(Some(&folder), &uri("http://x/y")).is_err());
        assert!(make(Some(&folder), "/etc/shipload").is_err());
    }
}
