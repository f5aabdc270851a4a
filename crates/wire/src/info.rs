//! Info: commands as lines of text, in frames and on the plain-text port.
//!
//! In a frame every command ends with a newline, and what follows the last newline is dropped, as a real server does.
//! Lines are bytes: whatever was sent is echoed as it was sent. Source: `guide/protocol.md` parts 2.1 and 12.1.

use crate::frame;
use crate::reply;

/// The commands of an info frame's body, without their newlines; at most `limit` of them.
///
/// An empty body yields nothing: the engine then answers its default set.
pub fn lines(body: &[u8], limit: usize) -> impl Iterator<Item = &[u8]> + Clone {
    body.split_inclusive(|&byte| byte == b'\n').filter_map(|line| line.strip_suffix(b"\n")).take(limit)
}

/// What stands at the front of the plain-text port's buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineCut<'a> {
    /// No newline yet.
    Incomplete,
    /// A line, without its newline and a carriage return before it.
    Line {
        /// The command.
        line: &'a [u8],
        /// Bytes of the buffer that it takes, newline included.
        consumed: usize,
    },
    /// Longer than the limit: the connection must be closed.
    TooLong,
}

/// Cuts one line off the plain-text port's buffer; `limit` is in bytes, newline included.
#[must_use]
pub fn cut_line(buffer: &[u8], limit: usize) -> LineCut<'_> {
    let window = buffer.get(..limit).unwrap_or(buffer);
    match window.split_inclusive(|&byte| byte == b'\n').next() {
        Some(whole) if whole.ends_with(b"\n") => {
            let line = whole.strip_suffix(b"\n").unwrap_or(whole);
            LineCut::Line { line: line.strip_suffix(b"\r").unwrap_or(line), consumed: whole.len() }
        }
        Some(_) | None if window.len() == limit => LineCut::TooLong,
        Some(_) | None => LineCut::Incomplete,
    }
}

/// One command: a name, then either a path (`sets/test/demo`) or parameters (`truncate:namespace=test;set=a`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Command<'a> {
    /// Everything before the first `:` or `/`. Case and blanks count.
    pub name: &'a str,
    tail: Tail<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tail<'a> {
    None,
    Path(&'a str),
    Params(&'a str),
}

impl<'a> Command<'a> {
    /// Takes a line apart. Every line is some command; whether it exists is the engine's to know.
    #[must_use]
    pub fn parse(line: &'a str) -> Command<'a> {
        let colon = line.split_once(':');
        let slash = line.split_once('/');
        match (colon, slash) {
            (Some((name, params)), Some((other, _))) if name.len() < other.len() => {
                Command { name, tail: Tail::Params(params) }
            }
            (_, Some((name, path))) => Command { name, tail: Tail::Path(path) },
            (Some((name, params)), None) => Command { name, tail: Tail::Params(params) },
            (None, None) => Command { name: line, tail: Tail::None },
        }
    }

    /// What follows a `/` after the name: `test/demo` of `sets/test/demo`. None without one.
    #[must_use]
    pub fn path(&self) -> Option<&'a str> {
        match self.tail {
            Tail::Path(path) => Some(path),
            Tail::Params(_) | Tail::None => None,
        }
    }

    /// The `key=value` parameters in order; parts without `=` are left out, a value may be empty or hold more `=`.
    pub fn params(&self) -> impl Iterator<Item = (&'a str, &'a str)> + Clone + use<'a> {
        let text = match self.tail {
            Tail::Params(text) => text,
            Tail::Path(_) | Tail::None => "",
        };
        text.split(';').filter_map(|part| part.split_once('='))
    }

    /// The value of a parameter; the first one counts.
    #[must_use]
    pub fn param(&self, key: &str) -> Option<&'a str> {
        self.params().find(|(name, _)| *name == key).map(|(_, value)| value)
    }
}

/// Opens an info answer frame; close it with [`reply::end_frame`].
pub fn begin_frame(out: &mut Vec<u8>) -> reply::Mark {
    reply::begin_frame_of(out, frame::INFO)
}

/// Appends one answer line: the command exactly as it was sent, a tab, the value, a newline.
///
/// The value must hold no tab and no newline: clients split on both.
pub fn answer(out: &mut Vec<u8>, line: &[u8], value: &str) {
    out.extend_from_slice(line);
    out.push(b'\t');
    out.extend_from_slice(value.as_bytes());
    out.push(b'\n');
}
