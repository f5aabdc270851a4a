//! Records as text.

use std::fmt::Write as _;

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::entry::{Bin, Entry, kind};
use super::globals::{IndexLine, Module};

/// The first lines of a file.
pub(super) fn head(namespace: &str, is_first: bool) -> Vec<u8> {
    let mut out = b"Version 3.1\n# namespace ".to_vec();
    escape(&mut out, namespace.as_bytes());
    out.push(b'\n');
    if is_first {
        out.extend_from_slice(b"# first-file\n");
    }
    out
}

/// Appends a record.
///
/// # Errors
/// When a bin holds what the format has no letter for.
pub(super) fn record(out: &mut Vec<u8>, entry: &Entry) -> Result<()> {
    if let Some((kind, bytes)) = &entry.key {
        out.extend_from_slice(b"+ k ");
        value(out, *kind, None, bytes).context("a stored key")?;
    }
    line(out, "+ n", |out| escape(out, &entry.namespace));
    line(out, "+ d", |out| out.extend_from_slice(STANDARD.encode(entry.digest).as_bytes()));
    if !entry.set.is_empty() {
        line(out, "+ s", |out| escape(out, &entry.set));
    }
    for (letter, number) in [
        ("+ g", u64::from(entry.generation)),
        ("+ t", u64::from(entry.void_time)),
        ("+ b", entry.bins.len() as u64),
    ] {
        line(out, letter, |out| out.extend_from_slice(number.to_string().as_bytes()));
    }
    entry.bins.iter().try_for_each(|bin| {
        out.extend_from_slice(b"- ");
        let Bin { name, kind, value: bytes } = bin;
        value(out, *kind, Some(name), bytes).with_context(|| format!("bin {}", String::from_utf8_lossy(name)))
    })
}

/// Appends the definition of an index.
pub(super) fn index(out: &mut Vec<u8>, index: &IndexLine) {
    out.extend_from_slice(b"* i");
    for word in
        [&index.namespace, &index.set, &index.name, &vec![index.collection], &b"1".to_vec(), &index.bin]
    {
        out.push(b' ');
        escape(out, word);
    }
    out.extend_from_slice(&[b' ', index.value_type]);
    if !index.context.is_empty() {
        out.push(b' ');
        out.extend_from_slice(&index.context);
    }
    out.push(b'\n');
}

/// Appends a module.
pub(super) fn module(out: &mut Vec<u8>, module: &Module) {
    out.extend_from_slice(b"* u L ");
    escape(out, &module.name);
    out.push(b' ');
    counted(out, &module.content);
    out.push(b'\n');
}

fn line(out: &mut Vec<u8>, start: &str, rest: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(start.as_bytes());
    out.push(b' ');
    rest(out);
    out.push(b'\n');
}

/// Letter, name if there is one, value, line end.
fn value(out: &mut Vec<u8>, kind: u8, name: Option<&[u8]>, bytes: &[u8]) -> Result<()> {
    let mut start = |letter: u8| {
        out.push(letter);
        out.push(b' ');
        if let Some(name) = name {
            escape(out, name);
            out.push(b' ');
        }
    };
    match kind {
        kind::INTEGER => {
            start(b'I');
            let number = i64::from_be_bytes(bytes.try_into().context("an integer has 8 bytes")?);
            out.extend_from_slice(number.to_string().as_bytes());
        }
        kind::DOUBLE => {
            start(b'D');
            let number = f64::from_be_bytes(bytes.try_into().context("a double has 8 bytes")?);
            out.extend_from_slice(double(number).as_bytes());
        }
        kind::BOOL => {
            start(b'Z');
            out.push(if bytes == [0] { b'F' } else { b'T' });
        }
        kind::STRING => {
            start(b'S');
            counted(out, bytes);
        }
        kind::GEO_JSON => {
            start(b'G');
            counted(out, geo_text(bytes).context("a region without text")?);
        }
        _ => {
            let known = kind::AS_BYTES.iter().find(|(known, _)| *known == kind);
            let Some((_, letter)) = known else { bail!("particle type {kind} has no letter in a backup") };
            start(*letter);
            counted(out, STANDARD.encode(bytes).as_bytes());
        }
    }
    out.push(b'\n');
    Ok(())
}

fn counted(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(bytes.len().to_string().as_bytes());
    out.push(b' ');
    out.extend_from_slice(bytes);
}

fn double(number: f64) -> String {
    let mut text = String::new();
    if number.is_nan() {
        text.push_str("nan");
    } else if number.is_infinite() {
        text.push_str(if number > 0.0 { "+inf" } else { "-inf" });
    } else {
        // The shortest text that reads back as the same number. Writing into a string can't fail.
        let _ = write!(text, "{number}");
    }
    text
}

/// The text of a region: behind its flags, its number of cells, and its cells.
fn geo_text(bytes: &[u8]) -> Option<&[u8]> {
    let [_, high, low, rest @ ..] = bytes else { return None };
    rest.get(8 * usize::from(u16::from_be_bytes([*high, *low]))..)
}

fn escape(out: &mut Vec<u8>, bytes: &[u8]) {
    for &byte in bytes {
        if matches!(byte, b' ' | b'\n' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
}
