//! The operations that change a string.

use super::{MAX_BYTES, pattern, points, search, string_bytes, text_argument, utf8};
use crate::Refusal;
use crate::arguments::Args;
use crate::msgpack::Reader;
use unicode_normalization::UnicodeNormalization as _;

/// A modifying operation with its arguments.
pub(super) enum Edit<'a> {
    Insert { index: i64, text: &'a str },
    Overwrite { index: i64, text: &'a str },
    Concat(Vec<&'a str>),
    Snip { start: i64, end: Option<i64> },
    Replace { from: &'a str, to: &'a str, all: bool },
    Upper,
    Lower,
    Fold,
    Compose,
    Trim { start: bool, end: bool },
    Pad { length: i64, with: &'a str, front: bool },
    Repeat(i64),
    Pattern { pattern: &'a str, by: &'a str, flags: u64 },
    Append(&'a str),
    Prepend(&'a str),
}

impl<'a> Edit<'a> {
    /// Reads the arguments of an operation, and the write flags behind them.
    pub(super) fn parse(code: i64, mut args: Args<'a>) -> Result<(Edit<'a>, u64), Refusal> {
        let edit = match code {
            50 => Edit::Insert { index: args.int()?, text: text_argument(&mut args)? },
            51 => Edit::Overwrite { index: args.int()?, text: text_argument(&mut args)? },
            52 => Edit::Concat(texts(args.value()?)?),
            53 => Edit::Snip { start: args.int()?, end: args.optional_int()? },
            54 | 55 => {
                let (from, to) = pair(args.value()?)?;
                Edit::Replace { from, to, all: code == 55 }
            }
            56 => Edit::Upper,
            57 => Edit::Lower,
            58 => Edit::Fold,
            59 => Edit::Compose,
            60 => Edit::Trim { start: true, end: false },
            61 => Edit::Trim { start: false, end: true },
            62 => Edit::Trim { start: true, end: true },
            63 | 64 => Edit::Pad { length: args.int()?, with: text_argument(&mut args)?, front: code == 63 },
            65 => Edit::Repeat(args.int()?),
            66 => {
                let (pattern, by) = pair(args.value()?)?;
                Edit::Pattern { pattern, by, flags: args.flags()? }
            }
            67 => Edit::Append(text_argument(&mut args)?),
            68 => Edit::Prepend(text_argument(&mut args)?),
            _ => return Err(Refusal::Parameter),
        };
        let flags = args.flags()?;
        args.finish()?;
        Ok((edit, flags))
    }

    /// Whether the operation makes a missing bin from an empty string.
    pub(super) fn creates(&self) -> bool {
        matches!(
            self,
            Edit::Insert { .. }
                | Edit::Overwrite { .. }
                | Edit::Concat(_)
                | Edit::Pad { .. }
                | Edit::Repeat(_)
                | Edit::Append(_)
                | Edit::Prepend(_)
        )
    }

    /// The new text.
    pub(super) fn apply(&self, old: &str) -> Result<String, Refusal> {
        let new = match self {
            Edit::Insert { index, text } => {
                let at = points::byte(old, *index);
                put(old, at..at, text)?
            }
            Edit::Overwrite { index, text } => {
                let at = points::byte(old, *index);
                let tail = old.get(at..).unwrap_or_default();
                let covered = points::byte(tail, points::count(text));
                put(old, at..at.saturating_add(covered), text)?
            }
            Edit::Concat(texts) => {
                bounded(texts.iter().fold(old.len(), |sum, text| sum.saturating_add(text.len())))?;
                [&[old], texts.as_slice()].concat().concat()
            }
            Edit::Snip { start, end } => put(old, points::range(old, *start, *end), "")?,
            Edit::Replace { from, to, all } => replace(old, from, to, *all)?,
            Edit::Upper => old.to_uppercase(),
            Edit::Lower => old.to_lowercase(),
            Edit::Fold => fold(old),
            Edit::Compose => old.nfc().collect(),
            Edit::Trim { start, end } => {
                let text = if *start { old.trim_start() } else { old };
                (if *end { text.trim_end() } else { text }).to_owned()
            }
            Edit::Pad { length, with, front } => pad(old, *length, with, *front)?,
            Edit::Repeat(times) => {
                let times = usize::try_from(*times).map_err(|_| Refusal::Parameter)?;
                bounded(old.len().saturating_mul(times))?;
                old.repeat(times)
            }
            Edit::Pattern { pattern, by, flags } => {
                pattern::replace(old, &pattern::compile(pattern, *flags)?, by, *flags)?
            }
            Edit::Append(text) => put(old, old.len()..old.len(), text)?,
            Edit::Prepend(text) => put(old, 0..0, text)?,
        };
        bounded(new.len())?;
        Ok(new)
    }
}

fn bounded(size: usize) -> Result<(), Refusal> {
    if size > MAX_BYTES { Err(Refusal::Parameter) } else { Ok(()) }
}

/// The text with some of its bytes replaced.
fn put(old: &str, place: std::ops::Range<usize>, text: &str) -> Result<String, Refusal> {
    bounded(old.len().saturating_add(text.len()))?;
    let before = old.get(..place.start).unwrap_or_default();
    let after = old.get(place.end..).unwrap_or_default();
    Ok([before, text, after].concat())
}

fn replace(old: &str, from: &str, to: &str, all: bool) -> Result<String, Refusal> {
    if from.is_empty() {
        return Ok(old.to_owned());
    }
    let (mut new, mut last) = (String::new(), 0);
    for place in search::places(old, from).take(if all { usize::MAX } else { 1 }) {
        new.push_str(old.get(last..place.start).unwrap_or_default());
        new.push_str(to);
        bounded(new.len())?;
        last = place.end;
    }
    new.push_str(old.get(last..).unwrap_or_default());
    Ok(new)
}

fn pad(old: &str, length: i64, with: &str, front: bool) -> Result<String, Refusal> {
    let length = usize::try_from(length).map_err(|_| Refusal::Parameter)?;
    // Each code point may take four bytes.
    bounded(length.saturating_mul(4))?;
    if with.is_empty() {
        return Err(Refusal::Parameter);
    }
    let missing = length.saturating_sub(old.chars().count());
    let padding: String = with.chars().cycle().take(missing).collect();
    Ok(if front { padding + old } else { [old, &padding].concat() })
}

/// Full case folding: letters that differ only in case become the same.
fn fold(old: &str) -> String {
    let mut new = String::with_capacity(old.len());
    for point in old.chars() {
        match point {
            // Has a capital letter that it shares with `i`, but is another letter.
            '\u{131}' => new.push(point),
            '\u{1e9e}' => new.push_str("ss"),
            // Cherokee folds to capital letters.
            '\u{13a0}'..='\u{13f5}' => new.push(point),
            '\u{13f8}'..='\u{13fd}' | '\u{ab70}'..='\u{abbf}' => new.extend(point.to_uppercase()),
            _ => new.extend(point.to_uppercase().flat_map(char::to_lowercase)),
        }
    }
    new
}

/// An encoded list of texts.
fn texts(encoded: &[u8]) -> Result<Vec<&str>, Refusal> {
    let mut reader = Reader::new(encoded);
    let head = reader.list_head().map_err(|_| Refusal::Parameter)?;
    let text = |_| utf8(string_bytes(reader.take().map_err(|_| Refusal::Parameter)?)?);
    (0..head.count).map(text).collect()
}

/// An encoded list of two texts.
fn pair(encoded: &[u8]) -> Result<(&str, &str), Refusal> {
    match texts(encoded)?.as_slice() {
        [a, b] => Ok((a, b)),
        _ => Err(Refusal::Parameter),
    }
}
