//! Values as they are typed and shown: `1`, `2.5`, `'text'`, `x'0aff'`, `[1, 'a']`, `{"a": 1}`, `true`, `null`,
//! `geojson('{...}')`; what is shown can be typed again.

use std::fmt::Write;

use aerospike::{IndexMap, Value};
use shipload_value::Digest;

use super::lexer::{self, SyntaxError, TokenKind};
use super::parser::Parser;
use super::statement::Operand;

/// Deepest nesting of lists and maps that is read or shown.
const DEPTH_MAX: usize = 64;

/// Reads one value.
pub(crate) fn value(parser: &mut Parser<'_>) -> Result<Value, SyntaxError> {
    nested(parser, 0)
}

fn nested(parser: &mut Parser<'_>, depth: usize) -> Result<Value, SyntaxError> {
    let wanted = "a value";
    let token = parser.next(wanted)?;
    if depth > DEPTH_MAX {
        return Err(SyntaxError::new(format!("nested deeper than {DEPTH_MAX}"), token.place.clone()));
    }
    match &token.kind {
        TokenKind::Integer(number) => Ok(Value::Int(*number)),
        TokenKind::Float(number) => Ok(Value::from(*number)),
        TokenKind::Text(text) => Ok(Value::String(text.clone())),
        TokenKind::Blob(bytes) => Ok(Value::Blob(bytes.clone())),
        TokenKind::Sign("[") => list(parser, depth),
        TokenKind::Sign("{") => map(parser, depth),
        TokenKind::Sign(_) => Err(parser.unexpected(wanted, token)),
        TokenKind::Word(word) => match word.to_ascii_lowercase().as_str() {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            "null" | "nil" => Ok(Value::Nil),
            "json" | "list" | "map" => from_json_text(parser),
            "geojson" | "geo" => Ok(Value::GeoJson(argument(parser)?.0)),
            _ => Err(parser.unexpected("a value (texts stand in quotes)", token)),
        },
    }
}

fn list(parser: &mut Parser<'_>, depth: usize) -> Result<Value, SyntaxError> {
    let mut items = Vec::new();
    if parser.take_sign("]") {
        return Ok(Value::List(items));
    }
    loop {
        items.push(nested(parser, depth + 1)?);
        if !parser.take_sign(",") {
            parser.sign("]")?;
            return Ok(Value::List(items));
        }
    }
}

fn map(parser: &mut Parser<'_>, depth: usize) -> Result<Value, SyntaxError> {
    let mut entries = IndexMap::new();
    if parser.take_sign("}") {
        return Ok(Value::OrderedMap(entries));
    }
    loop {
        let place = parser.peek().map(|token| token.place.clone()).unwrap_or_default();
        let key = nested(parser, depth + 1)?;
        if !matches!(key, Value::Int(_) | Value::String(_) | Value::Blob(_)) {
            return Err(SyntaxError::new("a map's key is an integer, a text or a blob", place));
        }
        parser.sign(":")?;
        let value = nested(parser, depth + 1)?;
        if entries.insert(key, value).is_some() {
            return Err(SyntaxError::new("this key stands twice in the map", place));
        }
        if !parser.take_sign(",") {
            parser.sign("}")?;
            return Ok(Value::OrderedMap(entries));
        }
    }
}

/// `('text')`, and the place of the text.
fn argument(parser: &mut Parser<'_>) -> Result<(String, std::ops::Range<usize>), SyntaxError> {
    parser.sign("(")?;
    let token = parser.next("a text")?;
    let TokenKind::Text(text) = &token.kind else { return Err(parser.unexpected("a text", token)) };
    parser.sign(")")?;
    Ok((text.clone(), token.place.clone()))
}

/// `list('[1, 2]')`: the text is read as a value of its own.
fn from_json_text(parser: &mut Parser<'_>) -> Result<Value, SyntaxError> {
    let (text, place) = argument(parser)?;
    let wrong = |error: SyntaxError| SyntaxError::new(format!("in this text: {}", error.text), place.clone());
    let tokens = lexer::tokens(&text).map_err(wrong)?;
    // `json(...)` is not read again inside, so that a text in a text in a text ends.
    if let Some(token) = tokens.iter().find(|token| token.kind == TokenKind::Sign("(")) {
        let found = &text[token.place.clone()];
        return Err(wrong(SyntaxError::new(format!("`{found}` is not JSON"), token.place.clone())));
    }
    let mut inner = Parser::new(&tokens, text.len());
    let value = value(&mut inner).map_err(wrong)?;
    match inner.peek() {
        None => Ok(value),
        Some(token) => Err(wrong(inner.unexpected("the end", token))),
    }
}

/// A digest given as a blob or as 40 hexadecimal digits.
pub(crate) fn digest(value: &Value) -> Option<[u8; 20]> {
    if let Value::Blob(bytes) = value {
        return bytes.as_slice().try_into().ok();
    }
    let Value::String(text) = value else { return None };
    Digest::from_hex(text).map(|Digest(bytes)| bytes)
}

/// The values that a bin can be compared with.
pub(crate) fn operand(value: Value) -> Option<Operand> {
    if let Value::Int(number) = value {
        return Some(Operand::Integer(number));
    }
    if let Value::Float(number) = value {
        return Some(Operand::Double(number.into()));
    }
    if let Value::Bool(flag) = value {
        return Some(Operand::Bool(flag));
    }
    if let Value::Blob(bytes) = value {
        return Some(Operand::Blob(bytes));
    }
    if let Value::String(text) = value { Some(Operand::Text(text)) } else { None }
}

/// Writes a value as it could be typed.
pub(crate) fn show(value: &Value) -> String {
    let mut text = String::new();
    write_value(&mut text, value);
    text
}

fn write_value(out: &mut String, value: &Value) {
    // Writing into a String can't fail, so the results are not looked at.
    let _ = match value {
        Value::Nil => out.write_str("null"),
        Value::Bool(flag) => write!(out, "{flag}"),
        Value::Int(number) => write!(out, "{number}"),
        Value::Float(number) => write!(out, "{:?}", f64::from(number)),
        Value::String(text) => write!(out, "{}", serde_json::Value::from(text.as_str())),
        Value::Blob(bytes) => {
            let _ = out.write_str("x'");
            write_hex(out, bytes);
            out.write_char('\'')
        }
        Value::GeoJson(text) => write!(out, "geojson('{}')", text.replace('\'', "''")),
        Value::Hll(bytes) => write!(out, "hll({} bytes)", bytes.len()),
        Value::List(items) | Value::MultiResult(items) => {
            write_all(out, '[', ']', items.iter(), write_value);
            Ok(())
        }
        Value::HashMap(entries) => {
            write_all(out, '{', '}', entries.iter(), write_entry);
            Ok(())
        }
        Value::OrderedMap(entries) => {
            write_all(out, '{', '}', entries.iter(), write_entry);
            Ok(())
        }
        Value::SortedMap(entries) => {
            write_all(out, '{', '}', entries.iter(), write_entry);
            Ok(())
        }
        Value::KeyValueList(entries) => {
            write_all(out, '{', '}', entries.iter().map(|(key, value)| (key, value)), write_entry);
            Ok(())
        }
        // The rest can't be in a stored bin that this client understands: show what the client says.
        other @ (Value::Infinity | Value::Wildcard | _) => write!(out, "{other}"),
    };
}

fn write_entry(out: &mut String, (key, value): (&Value, &Value)) {
    write_value(out, key);
    out.push_str(": ");
    write_value(out, value);
}

fn write_all<T>(
    out: &mut String,
    open: char,
    close: char,
    items: impl Iterator<Item = T>,
    mut write_item: impl FnMut(&mut String, T),
) {
    out.push(open);
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        write_item(out, item);
    }
    out.push(close);
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn write_hex(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
}

/// A value as JSON: blobs become hexadecimal texts, GeoJSON becomes its object, keys of maps become texts.
pub(crate) fn to_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Nil => serde_json::Value::Null,
        Value::Bool(flag) => (*flag).into(),
        Value::Int(number) => (*number).into(),
        Value::Float(number) => f64::from(number).into(),
        Value::String(text) => text.as_str().into(),
        Value::Blob(bytes) | Value::Hll(bytes) => {
            let mut text = String::new();
            write_hex(&mut text, bytes);
            text.into()
        }
        Value::GeoJson(text) => serde_json::from_str(text).unwrap_or_else(|_| text.as_str().into()),
        Value::List(items) | Value::MultiResult(items) => items.iter().map(to_json).collect(),
        Value::HashMap(entries) => entries.iter().map(json_entry).collect(),
        Value::OrderedMap(entries) => entries.iter().map(json_entry).collect(),
        Value::SortedMap(entries) => entries.iter().map(json_entry).collect(),
        Value::KeyValueList(entries) => entries.iter().map(|(key, value)| json_entry((key, value))).collect(),
        other @ (Value::Infinity | Value::Wildcard | _) => other.to_string().into(),
    }
}

fn json_entry((key, value): (&Value, &Value)) -> (String, serde_json::Value) {
    let key = if let Value::String(text) = key { text.clone() } else { show(key) };
    (key, to_json(value))
}
