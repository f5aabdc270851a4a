//! Fields of one line: apart and together.

use super::format::wrong;
use crate::error::Result;

/// Appends a field of CSV.
pub(super) fn quoted(out: &mut String, field: Option<&str>, [delimiter, quote, escape]: [u8; 3], null: &str) {
    let Some(field) = field else {
        out.push_str(null);
        return;
    };
    let needs = field == null
        || field == "\\."
        || field.bytes().any(|byte| byte == delimiter || byte == quote || matches!(byte, b'\n' | b'\r'));
    if !needs {
        out.push_str(field);
        return;
    }
    out.push(char::from(quote));
    for c in field.chars() {
        if c == char::from(quote) || c == char::from(escape) {
            out.push(char::from(escape));
        }
        out.push(c);
    }
    out.push(char::from(quote));
}

/// Appends a field of PostgreSQL's text.
pub(super) fn escaped(out: &mut String, field: &str, delimiter: u8) {
    for c in field.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == char::from(delimiter) => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
}

/// The fields of a line of CSV.
pub(super) fn csv_fields(
    line: &str,
    [delimiter, quote, escape]: [char; 3],
    null: &str,
) -> Result<Vec<Option<String>>> {
    let mut fields = Vec::new();
    let mut chars = line.chars().peekable();
    loop {
        let (mut field, mut was_quoted, mut open) = (String::new(), false, false);
        let ended = loop {
            match chars.next() {
                None if open => return Err(wrong("a quote is never closed")),
                None => break true,
                Some(c)
                    if open
                        && c == escape
                        && chars.peek().is_some_and(|next| *next == quote || *next == escape) =>
                {
                    field.extend(chars.next());
                }
                Some(c) if c == quote => {
                    open = !open;
                    was_quoted = true;
                }
                Some(c) if c == delimiter && !open => break false,
                Some(c) => field.push(c),
            }
        };
        fields.push(if !was_quoted && field == null { None } else { Some(field) });
        if ended {
            return Ok(fields);
        }
    }
}

/// The fields of a line of PostgreSQL's text.
pub(super) fn text_fields(line: &str, delimiter: char, null: &str) -> Vec<Option<String>> {
    let mut fields = Vec::new();
    let (mut field, mut raw) = (String::new(), String::new());
    let mut chars = line.chars().peekable();
    loop {
        match chars.next() {
            Some('\\') => {
                let Some(c) = chars.next() else { continue };
                raw.extend(['\\', c]);
                field.push(match c {
                    'b' => '\u{8}',
                    'f' => '\u{c}',
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'v' => '\u{b}',
                    other => other,
                });
            }
            Some(c) if c != delimiter => {
                raw.push(c);
                field.push(c);
            }
            end => {
                let value = std::mem::take(&mut field);
                fields.push(if std::mem::take(&mut raw) == null { None } else { Some(value) });
                if end.is_none() {
                    return fields;
                }
            }
        }
    }
}
