//! Patterns in the syntax of ICU, as far as they can be matched in linear time: no back references, no look-around.

use super::MAX_BYTES;
use crate::Refusal;
use regex::{Captures, Regex, RegexBuilder};

/// Letters match in either case.
const IGNORE_CASE: u64 = 1;
/// `^` and `$` match at the ends of lines.
const MULTI_LINE: u64 = 2;
/// `.` matches the ends of lines.
const DOT_ALL: u64 = 4;
/// Only a line feed ends a line.
const UNIX_LINES: u64 = 8;
/// Every match is replaced.
const GLOBAL: u64 = 16;
/// Largest compiled pattern, in bytes.
const SIZE_LIMIT: usize = 256 << 10;

/// Compiles a pattern.
pub(super) fn compile(pattern: &str, flags: u64) -> Result<Regex, Refusal> {
    if flags & !(IGNORE_CASE | MULTI_LINE | DOT_ALL | UNIX_LINES | GLOBAL) != 0 {
        return Err(Refusal::Parameter);
    }
    RegexBuilder::new(pattern)
        .case_insensitive(flags & IGNORE_CASE != 0)
        .multi_line(flags & MULTI_LINE != 0)
        .dot_matches_new_line(flags & DOT_ALL != 0)
        .crlf(flags & UNIX_LINES == 0)
        .size_limit(SIZE_LIMIT)
        .dfa_size_limit(SIZE_LIMIT)
        .build()
        .map_err(|_| Refusal::Parameter)
}

/// The text with the first match of a pattern, or every one, replaced.
pub(super) fn replace(text: &str, pattern: &Regex, by: &str, flags: u64) -> Result<String, Refusal> {
    let pieces = template(by)?;
    let most = if flags & GLOBAL != 0 { usize::MAX } else { 1 };
    let (mut out, mut last) = (String::new(), 0);
    for found in pattern.captures_iter(text).take(most) {
        let Some(whole) = found.get(0) else { continue };
        out.push_str(text.get(last..whole.start()).unwrap_or_default());
        for piece in &pieces {
            piece.push(&found, &mut out)?;
            if out.len() > MAX_BYTES {
                return Err(Refusal::Parameter);
            }
        }
        last = whole.end();
    }
    out.push_str(text.get(last..).unwrap_or_default());
    Ok(out)
}

/// A piece of a replacement.
enum Piece<'a> {
    Text(&'a str),
    Number(usize),
    Name(&'a str),
}

impl Piece<'_> {
    /// Appends what it stands for; a group that is not in the pattern is a bad parameter.
    fn push(&self, found: &Captures<'_>, out: &mut String) -> Result<(), Refusal> {
        let group = match self {
            Piece::Text(text) => {
                out.push_str(text);
                return Ok(());
            }
            Piece::Number(number) if *number < found.len() => found.get(*number),
            Piece::Name(name) => found.name(name),
            Piece::Number(_) => return Err(Refusal::Parameter),
        };
        out.push_str(group.map_or("", |group| group.as_str()));
        Ok(())
    }
}

/// Cuts a replacement: `$1` and `${name}` are groups, a backslash takes the meaning from what follows.
fn template(by: &str) -> Result<Vec<Piece<'_>>, Refusal> {
    let mut pieces = Vec::new();
    let mut rest = by;
    while let Some(at) = rest.find(['$', '\\']) {
        let (before, special) = rest.split_at(at);
        pieces.push(Piece::Text(before));
        let mut after = special.chars();
        let is_group = after.next() == Some('$');
        let tail = after.as_str();
        rest = if !is_group {
            let escaped = after.next().ok_or(Refusal::Parameter)?;
            let (escaped, rest) = tail.split_at(escaped.len_utf8());
            pieces.push(Piece::Text(escaped));
            rest
        } else if let Some(named) = tail.strip_prefix('{') {
            let (name, rest) = named.split_once('}').ok_or(Refusal::Parameter)?;
            pieces.push(Piece::Name(name));
            rest
        } else {
            let digits = tail.bytes().take_while(u8::is_ascii_digit).count();
            let (number, rest) = tail.split_at(digits);
            pieces.push(Piece::Number(number.parse().map_err(|_| Refusal::Parameter)?));
            rest
        };
    }
    pieces.push(Piece::Text(rest));
    Ok(pieces)
}
