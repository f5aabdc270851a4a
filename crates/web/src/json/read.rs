//! From particles to JSON.

use super::{BYTES, DEPTH_MAX, DOUBLE, GEO, HLL, INT, LIST, MAP, MSGPACK, ORDER, SAFE_INTEGER, TEXT, TYPE};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Number, Value, json};
use shipload_value::ParticleType;
use shipload_value::msgpack::{FLAG_ORDERED, FLAG_VALUE_ORDERED, Item, Malformed, Reader};

/// A bin's value, of the particle type with this number, as JSON. Bytes that make no sense come as base64.
#[must_use]
pub fn particle(kind: u8, bytes: &[u8]) -> Value {
    let Some(known) = ParticleType::from_number(kind) else {
        return if kind == shipload_value::particle::NULL { Value::Null } else { typed_bytes(kind, bytes) };
    };
    let value = match known {
        ParticleType::Integer => bytes.try_into().ok().map(|bytes| integer(i64::from_be_bytes(bytes))),
        ParticleType::Double => bytes.try_into().ok().map(|bytes| double(f64::from_be_bytes(bytes))),
        ParticleType::Bool => bytes.first().map(|byte| Value::Bool(*byte != 0)),
        ParticleType::String => Some(text(bytes)),
        ParticleType::Blob => Some(json!({ BYTES: STANDARD.encode(bytes) })),
        ParticleType::Hll => Some(json!({ HLL: STANDARD.encode(bytes) })),
        ParticleType::GeoJson => stored_geo(bytes),
        ParticleType::List | ParticleType::Map => container(bytes),
        ParticleType::JavaBlob
        | ParticleType::CSharpBlob
        | ParticleType::PythonBlob
        | ParticleType::RubyBlob
        | ParticleType::PhpBlob
        | ParticleType::ErlangBlob
        | ParticleType::Vector => None,
    };
    value.unwrap_or_else(|| typed_bytes(kind, bytes))
}

/// A user key, of the particle type with this number, as JSON.
#[must_use]
pub fn user_key(kind: u8, bytes: &[u8]) -> Value {
    particle(kind, bytes)
}

fn typed_bytes(kind: u8, bytes: &[u8]) -> Value {
    json!({ BYTES: STANDARD.encode(bytes), TYPE: kind })
}

fn integer(value: i64) -> Value {
    if value.abs_diff(0) <= SAFE_INTEGER.unsigned_abs() {
        Value::Number(value.into())
    } else {
        json!({ INT: value.to_string() })
    }
}

fn double(value: f64) -> Value {
    Number::from_f64(value).map_or_else(
        || {
            let name = match value {
                value if value.is_nan() => "NaN",
                value if value > 0.0 => "Infinity",
                _ => "-Infinity",
            };
            json!({ DOUBLE: name })
        },
        Value::Number,
    )
}

fn text(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::String(text.to_owned()),
        Err(_) => json!({ TEXT: STANDARD.encode(bytes) }),
    }
}

/// Flags, cell count, cells, then the text.
fn stored_geo(bytes: &[u8]) -> Option<Value> {
    let (&[_, high, low], rest) = bytes.split_first_chunk()?;
    let cells = usize::from(u16::from_be_bytes([high, low])) * 8;
    geo(rest.get(cells..)?)
}

/// As an object where that gives the very same text back.
fn geo(bytes: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(bytes).ok()?;
    let parsed = serde_json::from_str::<Value>(text).ok();
    let again = parsed.filter(Value::is_object).map(|value| (value.to_string(), value));
    let same = again.filter(|(written, _)| written == text).map(|(_, value)| value);
    Some(json!({ GEO: same.unwrap_or_else(|| Value::String(text.to_owned())) }))
}

fn container(bytes: &[u8]) -> Option<Value> {
    let mut reader = Reader::new(bytes);
    let value = element(&mut reader, 0).ok()?;
    reader.at_end().then_some(value)
}

fn element(reader: &mut Reader<'_>, depth: usize) -> Result<Value, Malformed> {
    let start = *reader;
    let item = reader.peek()?;
    if depth >= DEPTH_MAX && item.children() > 0 {
        return raw(start, reader);
    }
    match item {
        Item::Array(_) => list(reader, depth),
        Item::Map(_) => map(reader, depth),
        Item::Nil
        | Item::Bool(_)
        | Item::Int(_)
        | Item::Uint(_)
        | Item::Double(_)
        | Item::Bytes(_)
        | Item::Ext { .. } => scalar(start, reader),
    }
}

/// A whole value as it is encoded.
fn raw<'a>(mut start: Reader<'a>, reader: &mut Reader<'a>) -> Result<Value, Malformed> {
    let encoded = start.take()?;
    *reader = start;
    Ok(json!({ MSGPACK: STANDARD.encode(encoded) }))
}

fn scalar<'a>(start: Reader<'a>, reader: &mut Reader<'a>) -> Result<Value, Malformed> {
    Ok(match reader.read()? {
        Item::Nil => Value::Null,
        Item::Bool(value) => Value::Bool(value),
        Item::Int(value) => integer(value),
        Item::Uint(value) => json!({ INT: value.to_string() }),
        Item::Double(value) => double(value),
        Item::Bytes(bytes) => match bytes.split_first() {
            Some((&kind, rest)) => inner_bytes(kind, rest),
            None => return raw(start, reader),
        },
        Item::Array(_) | Item::Map(_) | Item::Ext { .. } => return raw(start, reader),
    })
}

/// Text or bytes inside of a container, after their particle type byte.
fn inner_bytes(kind: u8, rest: &[u8]) -> Value {
    match ParticleType::from_number(kind) {
        Some(ParticleType::String) => text(rest),
        Some(ParticleType::Blob) => json!({ BYTES: STANDARD.encode(rest) }),
        Some(ParticleType::GeoJson) => geo(rest).unwrap_or_else(|| typed_bytes(kind, rest)),
        Some(_) | None => typed_bytes(kind, rest),
    }
}

fn list(reader: &mut Reader<'_>, depth: usize) -> Result<Value, Malformed> {
    let head = reader.list_head()?;
    let items: Result<Vec<Value>, Malformed> = (0..head.count).map(|_| element(reader, depth + 1)).collect();
    let items = Value::Array(items?);
    Ok(match head.flags & FLAG_ORDERED {
        0 => items,
        _ => json!({ LIST: items, ORDER: "ordered" }),
    })
}

fn map(reader: &mut Reader<'_>, depth: usize) -> Result<Value, Malformed> {
    let head = reader.map_head()?;
    let pairs: Result<Vec<(Value, Value)>, Malformed> =
        (0..head.count).map(|_| Ok((element(reader, depth + 1)?, element(reader, depth + 1)?))).collect();
    let pairs = pairs?;
    let is_plain = |key: &Value| key.as_str().is_some_and(|text| !text.starts_with('$'));
    let plain = pairs.iter().all(|(key, _)| is_plain(key));
    let content = if plain {
        let named = |(key, value): (Value, Value)| key.as_str().map(|name| (name.to_owned(), value));
        Value::Object(pairs.into_iter().filter_map(named).collect())
    } else {
        Value::Array(pairs.into_iter().map(|(key, value)| Value::Array(vec![key, value])).collect())
    };
    let order = match head.flags & (FLAG_ORDERED | FLAG_VALUE_ORDERED) {
        0 if plain => return Ok(content),
        0 => None,
        FLAG_ORDERED => Some("key"),
        _ => Some("key-value"),
    };
    let mut tagged = Map::from_iter([(MAP.to_owned(), content)]);
    if let Some(order) = order {
        tagged.insert(ORDER.to_owned(), Value::String(order.to_owned()));
    }
    Ok(Value::Object(tagged))
}
