//! Values as bins hold them: particles and msgpack.

use super::Value;
use shipload_value::ParticleType;
use shipload_value::msgpack::{FLAG_ORDERED, Item, Malformed, Reader, element, writer};

/// Objects and arrays nest at most so deep; deeper ones read as null.
const DEPTH_MAX: usize = 64;
/// Before a GeoJSON text stand flags and the number of cells, none of which a client sends.
const GEO_HEAD: [u8; 3] = [0; 3];

/// The value of a bin: particle type number and bytes. What SQL has no word for is a blob.
#[must_use]
pub fn decode(kind: u8, bytes: &[u8]) -> Value {
    match ParticleType::from_number(kind) {
        None => Value::Null,
        Some(ParticleType::Integer) => {
            bytes.try_into().map_or(Value::Null, |raw| Value::Int(i64::from_be_bytes(raw)))
        }
        Some(ParticleType::Double) => {
            bytes.try_into().map_or(Value::Null, |raw| Value::Double(f64::from_be_bytes(raw)))
        }
        Some(ParticleType::Bool) => Value::Bool(bytes.first().is_some_and(|byte| *byte != 0)),
        Some(ParticleType::String) => Value::Text(String::from_utf8_lossy(bytes).into_owned()),
        Some(ParticleType::GeoJson) => {
            Value::Geo(String::from_utf8_lossy(element::geo_text(bytes)).into_owned())
        }
        Some(ParticleType::List | ParticleType::Map) => {
            container(&mut Reader::new(bytes), DEPTH_MAX).unwrap_or_default()
        }
        Some(_) => Value::Blob(bytes.to_vec()),
    }
}

fn container(reader: &mut Reader<'_>, depth: usize) -> Result<Value, Malformed> {
    let depth = depth.checked_sub(1).ok_or(Malformed)?;
    match reader.peek()? {
        Item::Array(_) => {
            let count = reader.list_head()?.count;
            (0..count).map(|_| container(reader, depth)).collect::<Result<_, _>>().map(Value::List)
        }
        Item::Map(_) => {
            let count = reader.map_head()?.count;
            let mut pairs = Vec::new();
            for _ in 0..count {
                let name = match container(reader, depth)? {
                    Value::Text(name) => name,
                    other => super::json::to_json(&other).to_string(),
                };
                pairs.push((name, container(reader, depth)?));
            }
            Ok(Value::Map(pairs))
        }
        Item::Ext { .. } => {
            reader.skip()?;
            Ok(Value::Null)
        }
        _ => scalar(reader.read()?),
    }
}

fn scalar(item: Item<'_>) -> Result<Value, Malformed> {
    Ok(match item {
        Item::Nil => Value::Null,
        Item::Bool(value) => Value::Bool(value),
        Item::Int(number) => Value::Int(number),
        Item::Uint(number) => Value::Int(number.cast_signed()),
        Item::Double(number) => Value::Double(number),
        Item::Bytes(bytes) => match bytes.split_first() {
            Some((&kind, rest)) => decode(kind, rest),
            None => Value::text(""),
        },
        Item::Array(_) | Item::Map(_) | Item::Ext { .. } => return Err(Malformed),
    })
}

/// The particle of a value: type number and bytes; the type is 0 for null, which deletes a bin.
#[must_use]
pub fn encode(value: &Value) -> (u8, Vec<u8>) {
    match value {
        Value::Null => (0, Vec::new()),
        Value::Bool(value) => (ParticleType::Bool.number(), vec![u8::from(*value)]),
        Value::Int(number) => (ParticleType::Integer.number(), number.to_be_bytes().to_vec()),
        Value::Double(number) => (ParticleType::Double.number(), number.to_be_bytes().to_vec()),
        Value::Text(text) => (ParticleType::String.number(), text.as_bytes().to_vec()),
        Value::Blob(bytes) => (ParticleType::Blob.number(), bytes.clone()),
        Value::Geo(text) => (ParticleType::GeoJson.number(), [&GEO_HEAD, text.as_bytes()].concat()),
        Value::List(_) => (ParticleType::List.number(), packed(value)),
        Value::Map(_) => (ParticleType::Map.number(), packed(value)),
    }
}

/// A value in msgpack, as it stands in lists, maps and expressions.
#[must_use]
pub fn packed(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    pack(&mut out, value);
    out
}

fn pack(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => writer::nil(out),
        Value::Bool(value) => writer::bool(out, *value),
        Value::Int(number) => writer::int(out, *number),
        Value::Double(number) => writer::double(out, *number),
        Value::Text(text) => writer::typed(out, ParticleType::String.number(), text.as_bytes()),
        Value::Blob(bytes) => writer::typed(out, ParticleType::Blob.number(), bytes),
        Value::Geo(text) => writer::typed(out, ParticleType::GeoJson.number(), text.as_bytes()),
        Value::List(items) => {
            writer::array_head(out, items.len());
            items.iter().for_each(|item| pack(out, item));
        }
        Value::Map(pairs) => {
            let mut sorted: Vec<_> = pairs.iter().map(|(name, value)| (name.as_bytes(), value)).collect();
            sorted.sort_by_key(|(name, _)| *name);
            sorted.dedup_by_key(|(name, _)| *name);
            writer::map_start(out, FLAG_ORDERED, sorted.len());
            for (name, value) in sorted {
                writer::typed(out, ParticleType::String.number(), name);
                pack(out, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};
    use crate::value::Value;

    #[test]
    fn values_round_trip() {
        let object = Value::Map(vec![
            ("a".to_owned(), Value::List(vec![Value::Int(-5), Value::Null, Value::Bool(true)])),
            ("b".to_owned(), Value::Map(vec![("c".to_owned(), Value::Double(1.5))])),
        ]);
        let all =
            [object, Value::Int(i64::MIN), Value::text("x"), Value::Blob(vec![1, 2]), Value::List(vec![])];
        for value in all {
            let (kind, bytes) = encode(&value);
            assert_eq!(decode(kind, &bytes), value);
        }
        assert_eq!(decode(20, &[0xdd, 0xff, 0xff, 0xff, 0xff]), Value::Null);
    }
}
