//! From JSON to particles.

use super::{BYTES, DOUBLE, GEO, HLL, INT, LIST, MAP, MSGPACK, ORDER, TEXT, TYPE};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use shipload_value::ParticleType;
use shipload_value::msgpack::{FLAG_ORDERED, FLAG_VALUE_ORDERED, Reader, writer};
use shipload_value::particle::NULL;
use thiserror::Error;

/// A JSON value that is no value of a bin.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct BadValue(String);

impl BadValue {
    fn new(text: impl Into<String>) -> BadValue {
        BadValue(text.into())
    }
}

/// A value as a bin takes it: particle type number and wire bytes; type 0 removes the bin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bin {
    /// The particle type's number.
    pub kind: u8,
    /// The wire bytes.
    pub bytes: Vec<u8>,
}

fn made(kind: ParticleType, bytes: impl Into<Vec<u8>>) -> Bin {
    Bin { kind: kind.number(), bytes: bytes.into() }
}

/// The value of a bin.
///
/// # Errors
/// Numbers out of range, unknown tags, text in a tag that is not what the tag wants.
pub fn bin(value: &Value) -> Result<Bin, BadValue> {
    Ok(match value {
        Value::Null => Bin { kind: NULL, bytes: Vec::new() },
        Value::Bool(value) => made(ParticleType::Bool, [u8::from(*value)]),
        Value::String(text) => made(ParticleType::String, text.as_bytes()),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => made(ParticleType::Integer, integer.to_be_bytes()),
            (None, Some(double)) if number.is_f64() => made(ParticleType::Double, double.to_be_bytes()),
            (None, _) => {
                return Err(BadValue::new(format!("{number} does not fit into 64 bits with a sign")));
            }
        },
        Value::Array(_) => made(ParticleType::List, encoded(value)?),
        Value::Object(object) => match tag(object)? {
            None => made(ParticleType::Map, encoded(value)?),
            Some(tag) => tagged_bin(tag, object, value)?,
        },
    })
}

/// A value inside of a list or map, or a constant of an expression, as msgpack.
///
/// # Errors
/// As [`bin`].
pub fn element(value: &Value, out: &mut Vec<u8>) -> Result<(), BadValue> {
    match value {
        Value::Null => writer::nil(out),
        Value::Bool(value) => writer::bool(out, *value),
        Value::String(text) => writer::typed(out, ParticleType::String.number(), text.as_bytes()),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(integer), ..) => writer::int(out, integer),
            (None, Some(integer), _) => writer::uint(out, integer),
            (None, None, Some(double)) => writer::double(out, double),
            (None, None, None) => return Err(BadValue::new(format!("{number} is out of range"))),
        },
        Value::Array(items) => {
            writer::list_start(out, 0, items.len());
            items.iter().try_for_each(|item| element(item, out))?;
        }
        Value::Object(object) => match tag(object)? {
            None => pairs(object, 0, out)?,
            Some(tag) => tagged_element(tag, object, out)?,
        },
    }
    Ok(())
}

fn encoded(value: &Value) -> Result<Vec<u8>, BadValue> {
    let mut out = Vec::new();
    element(value, &mut out)?;
    Ok(out)
}

fn pairs(object: &Map<String, Value>, flags: u8, out: &mut Vec<u8>) -> Result<(), BadValue> {
    writer::map_start(out, flags, object.len());
    object.iter().try_for_each(|(key, value)| {
        writer::typed(out, ParticleType::String.number(), key.as_bytes());
        element(value, out)
    })
}

/// The tag of an object: its first key that begins with `$`, after checking that the others go with it.
fn tag(object: &Map<String, Value>) -> Result<Option<&'static str>, BadValue> {
    const TAGS: [&str; 9] = [INT, DOUBLE, BYTES, TEXT, GEO, HLL, LIST, MAP, MSGPACK];
    let Some(first) = object.keys().find(|key| key.starts_with('$')) else { return Ok(None) };
    let Some(tag) = TAGS.into_iter().find(|tag| object.contains_key(*tag)) else {
        return Err(BadValue::new(format!(
            "'{first}' is no tag; a map with such a key is {{\"$map\": [[..]]}}"
        )));
    };
    let companion = match tag {
        LIST | MAP => ORDER,
        BYTES => TYPE,
        _ => tag,
    };
    match object.keys().find(|key| *key != tag && *key != companion) {
        Some(stray) => Err(BadValue::new(format!("'{stray}' has no place beside '{tag}'"))),
        None => Ok(Some(tag)),
    }
}

fn tagged_bin(tag: &str, object: &Map<String, Value>, value: &Value) -> Result<Bin, BadValue> {
    Ok(match tag {
        INT => made(ParticleType::Integer, wide_integer(object)?.to_be_bytes()),
        DOUBLE => made(ParticleType::Double, special_double(object)?.to_be_bytes()),
        BYTES => Bin { kind: blob_kind(object)?, bytes: base64(object, BYTES)? },
        TEXT => made(ParticleType::String, base64(object, TEXT)?),
        HLL => made(ParticleType::Hll, base64(object, HLL)?),
        GEO => made(ParticleType::GeoJson, [&[0, 0, 0], geo_text(object)?.as_bytes()].concat()),
        LIST => made(ParticleType::List, encoded(value)?),
        MAP => made(ParticleType::Map, encoded(value)?),
        _ => {
            let bytes = encoded(value)?;
            match Reader::new(&bytes).peek() {
                Ok(shipload_value::msgpack::Item::Array(_)) => made(ParticleType::List, bytes),
                Ok(shipload_value::msgpack::Item::Map(_)) => made(ParticleType::Map, bytes),
                Ok(_) | Err(_) => return Err(BadValue::new("'$msgpack' of a bin must hold a list or a map")),
            }
        }
    })
}

fn tagged_element(tag: &str, object: &Map<String, Value>, out: &mut Vec<u8>) -> Result<(), BadValue> {
    match tag {
        INT => match text_of(object, INT)?.parse::<u64>() {
            Ok(value) => writer::uint(out, value),
            Err(_) => writer::int(out, wide_integer(object)?),
        },
        DOUBLE => writer::double(out, special_double(object)?),
        BYTES => writer::typed(out, blob_kind(object)?, &base64(object, BYTES)?),
        TEXT => writer::typed(out, ParticleType::String.number(), &base64(object, TEXT)?),
        HLL => writer::typed(out, ParticleType::Hll.number(), &base64(object, HLL)?),
        GEO => writer::typed(out, ParticleType::GeoJson.number(), geo_text(object)?.as_bytes()),
        LIST => {
            let items = object.get(LIST).and_then(Value::as_array);
            let items = items.ok_or_else(|| BadValue::new("'$list' must hold an array"))?;
            let flags = match order(object)? {
                None => 0,
                Some("ordered") => FLAG_ORDERED,
                Some(other) => return Err(BadValue::new(format!("'$order' of a list can't be '{other}'"))),
            };
            writer::list_start(out, flags, items.len());
            items.iter().try_for_each(|item| element(item, out))?;
        }
        MAP => tagged_map(object, out)?,
        _ => {
            let bytes = base64(object, MSGPACK)?;
            let mut reader = Reader::new(&bytes);
            if reader.skip().is_err() || !reader.at_end() {
                return Err(BadValue::new("'$msgpack' must hold one whole value"));
            }
            out.extend_from_slice(&bytes);
        }
    }
    Ok(())
}

fn tagged_map(object: &Map<String, Value>, out: &mut Vec<u8>) -> Result<(), BadValue> {
    let flags = match order(object)? {
        None => 0,
        Some("key") => FLAG_ORDERED,
        Some("key-value") => FLAG_ORDERED | FLAG_VALUE_ORDERED,
        Some(other) => return Err(BadValue::new(format!("'$order' of a map can't be '{other}'"))),
    };
    match object.get(MAP) {
        Some(Value::Object(content)) => pairs(content, flags, out),
        Some(Value::Array(content)) => {
            writer::map_start(out, flags, content.len());
            content.iter().try_for_each(|pair| match pair.as_array().map(Vec::as_slice) {
                Some([key, value]) => element(key, out).and_then(|()| element(value, out)),
                Some(_) | None => Err(BadValue::new("'$map' must hold pairs [key, value]")),
            })
        }
        Some(_) | None => Err(BadValue::new("'$map' must hold an object or an array of pairs")),
    }
}

fn order(object: &Map<String, Value>) -> Result<Option<&str>, BadValue> {
    match object.get(ORDER) {
        None => Ok(None),
        Some(Value::String(order)) => Ok(Some(order)),
        Some(_) => Err(BadValue::new("'$order' must be text")),
    }
}

fn text_of<'o>(object: &'o Map<String, Value>, tag: &str) -> Result<&'o str, BadValue> {
    object.get(tag).and_then(Value::as_str).ok_or_else(|| BadValue::new(format!("'{tag}' must hold text")))
}

fn base64(object: &Map<String, Value>, tag: &str) -> Result<Vec<u8>, BadValue> {
    STANDARD.decode(text_of(object, tag)?).map_err(|_| BadValue::new(format!("'{tag}' must hold base64")))
}

fn wide_integer(object: &Map<String, Value>) -> Result<i64, BadValue> {
    text_of(object, INT)?.parse().map_err(|_| BadValue::new("'$int' must hold an integer of 64 bits as text"))
}

fn special_double(object: &Map<String, Value>) -> Result<f64, BadValue> {
    text_of(object, DOUBLE)?.parse().map_err(|_| BadValue::new("'$double' must hold a number as text"))
}

fn blob_kind(object: &Map<String, Value>) -> Result<u8, BadValue> {
    let Some(kind) = object.get(TYPE) else { return Ok(ParticleType::Blob.number()) };
    let kind = kind.as_u64().and_then(|kind| u8::try_from(kind).ok()).and_then(ParticleType::from_number);
    match kind {
        Some(
            kind @ (ParticleType::Blob
            | ParticleType::JavaBlob
            | ParticleType::CSharpBlob
            | ParticleType::PythonBlob
            | ParticleType::RubyBlob
            | ParticleType::PhpBlob
            | ParticleType::ErlangBlob
            | ParticleType::Vector
            | ParticleType::Hll),
        ) => Ok(kind.number()),
        Some(_) | None => {
            Err(BadValue::new("'$type' must be the number of a particle type that holds bytes"))
        }
    }
}

fn geo_text(object: &Map<String, Value>) -> Result<String, BadValue> {
    match object.get(GEO) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(value @ Value::Object(_)) => Ok(value.to_string()),
        Some(_) | None => Err(BadValue::new("'$geo' must hold GeoJSON, as an object or as text")),
    }
}
