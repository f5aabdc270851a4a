//! Reads `aerospike.conf` text: stanzas in braces, settings of a key and its values, comments after `#`.
//!
//! Guarantees: any bytes give either a tree in which every item knows its line, or one error of the form
//! `file:line: key: what is wrong`. Reading knows no key; [`apply`] asks the
//! engine's table what a setting means.

mod apply;
mod tokens;
mod tree;

pub use apply::apply;

use std::fs::File;
use std::io::Read;
use std::path::Path;
use thiserror::Error;

/// Bytes that a configuration file may have; real ones have a few thousand.
const SIZE_MAX: u64 = 1 << 20;

/// Something in a configuration file that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct ConfError {
    file: String,
    /// 0 when the error is about the file as a whole.
    line: u32,
    key: String,
    what: String,
}

impl std::fmt::Display for ConfError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:", self.file)?;
        if self.line > 0 {
            write!(f, "{}:", self.line)?;
        }
        if !self.key.is_empty() {
            write!(f, " {}:", self.key)?;
        }
        write!(f, " {}", self.what)
    }
}

impl ConfError {
    /// An error about `key` in a line of a file; line 0 and an empty key leave those out.
    #[must_use]
    pub fn new(file: &str, line: u32, key: &str, what: impl Into<String>) -> ConfError {
        ConfError { file: file.to_owned(), line, key: key.to_owned(), what: what.into() }
    }
}

/// One item of a stanza, or of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// `key value ...`
    Setting(Setting),
    /// `name argument { ... }`
    Stanza(Stanza),
}

/// `key value ...` on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The first word.
    pub key: String,
    /// The words after it; may be empty.
    pub values: Vec<String>,
    /// Line, counted from 1.
    pub line: u32,
}

/// `name argument { ... }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stanza {
    /// The first word.
    pub name: String,
    /// The second word: a namespace's or set's name, a storage engine, a file path.
    pub argument: Option<String>,
    /// The line that it opens on, counted from 1.
    pub line: u32,
    /// What stands between its braces, in order.
    pub items: Vec<Item>,
}

/// Reads a file of configuration text.
///
/// # Errors
/// When the file can't be read, is larger than 1 MiB, is no UTF-8 text, or does not follow the grammar.
pub fn read(path: &Path) -> Result<Vec<Item>, ConfError> {
    let file = path.display().to_string();
    let whole = |what: String| ConfError::new(&file, 0, "", what);
    let open = File::open(path).map_err(|error| whole(format!("can't be read: {error}")))?;
    let mut bytes = Vec::new();
    // Reading is bounded rather than trusting the announced size: a pipe or a device has none.
    open.take(SIZE_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| whole(format!("can't be read: {error}")))?;
    if bytes.len() as u64 > SIZE_MAX {
        return Err(whole(format!("is too large; allowed: at most {SIZE_MAX} bytes")));
    }
    parse(&file, &bytes)
}

/// Reads configuration text; `file` is only named in errors.
///
/// # Errors
/// When the bytes are no UTF-8 text or do not follow the grammar.
pub fn parse(file: &str, bytes: &[u8]) -> Result<Vec<Item>, ConfError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let lines = bytes.iter().take(error.valid_up_to()).filter(|byte| **byte == b'\n').count();
        let line = u32::try_from(lines).unwrap_or(u32::MAX).saturating_add(1);
        ConfError::new(file, line, "", "is not UTF-8 text; is this a text file?")
    })?;
    tree::build(file, &tokens::split(file, text)?)
}

#[cfg(test)]
#[path = "conf_tests.rs"]
mod tests;
