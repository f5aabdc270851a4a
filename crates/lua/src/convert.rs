//! Between particles and Lua values.
//!
//! Into Lua: integers, doubles, strings and booleans become Lua's own, everything else an object of the prelude.
//! Out of Lua: objects may hold anything that a script put there, themselves included, so depth and size are bounded.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "these enums are mlua's, and most of their kinds are no values of ours"
)]

use crate::api::Api;
use crate::buffer::{Allowance, Buffer};
use mlua::{AnyUserData, Lua, Table, Value};
use shipload_value::msgpack::{FLAG_ORDERED, Item, Malformed, Reader, element, writer};
use shipload_value::{OwnedParticle, Particle, ParticleType, hll_particle, order};
use std::sync::Arc;

/// Deepest nesting of containers that leaves Lua.
const DEPTH_MAX: usize = 256;
/// The largest value that leaves Lua, in bytes.
const SIZE_MAX: usize = 64 << 20;
/// Instructions that one element on its way out of Lua counts for.
const ELEMENT_COST: u64 = 10;
/// Bytes of a GeoJSON particle before the text: flags and cell count.
const GEO_HEAD: [u8; 3] = [0, 0, 0];

/// The Lua value of a particle.
pub(crate) fn to_lua(lua: &Lua, api: &Api, particle: Particle<'_>) -> mlua::Result<Value> {
    let mut encoded = Vec::new();
    match particle.kind {
        ParticleType::List | ParticleType::Map => {
            return read(lua, api, &mut Reader::new(particle.bytes), 0);
        }
        ParticleType::String => return string(lua, particle.bytes),
        ParticleType::GeoJson => return geo(lua, api, element::geo_text(particle.bytes)),
        ParticleType::Integer | ParticleType::Double | ParticleType::Bool => {
            element::from_particle(&mut encoded, particle);
        }
        ParticleType::Blob
        | ParticleType::JavaBlob
        | ParticleType::CSharpBlob
        | ParticleType::PythonBlob
        | ParticleType::RubyBlob
        | ParticleType::PhpBlob
        | ParticleType::ErlangBlob
        | ParticleType::Vector
        | ParticleType::Hll => return bytes(lua, api, particle.kind, particle.bytes),
    }
    read(lua, api, &mut Reader::new(&encoded), 0)
}

/// The Lua value of the next element of a msgpack value.
pub(crate) fn read(lua: &Lua, api: &Api, reader: &mut Reader<'_>, depth: usize) -> mlua::Result<Value> {
    if depth > DEPTH_MAX {
        return Err(malformed(Malformed));
    }
    match reader.peek().map_err(malformed)? {
        Item::Array(_) => return list(lua, api, reader, depth),
        Item::Map(_) => return map(lua, api, reader, depth),
        Item::Nil
        | Item::Bool(_)
        | Item::Int(_)
        | Item::Uint(_)
        | Item::Double(_)
        | Item::Bytes(_)
        | Item::Ext { .. } => {}
    }
    match reader.read().map_err(malformed)? {
        Item::Bool(value) => Ok(Value::Boolean(value)),
        Item::Int(value) => Ok(Value::Integer(value)),
        Item::Uint(value) => Ok(Value::Integer(value.cast_signed())),
        Item::Double(value) => Ok(Value::Number(value)),
        Item::Bytes(raw) => typed(lua, api, raw),
        Item::Nil | Item::Ext { .. } | Item::Array(_) | Item::Map(_) => Ok(Value::Nil),
    }
}

fn malformed(error: Malformed) -> mlua::Error {
    mlua::Error::runtime(error)
}

fn string(lua: &Lua, text: &[u8]) -> mlua::Result<Value> {
    Ok(Value::String(lua.create_string(text)?))
}

/// A string of msgpack, whose first byte is its particle type.
fn typed(lua: &Lua, api: &Api, raw: &[u8]) -> mlua::Result<Value> {
    let Some((kind, text)) = raw.split_first() else { return bytes(lua, api, ParticleType::Blob, raw) };
    match ParticleType::from_number(*kind) {
        Some(ParticleType::String) => string(lua, text),
        Some(ParticleType::GeoJson) => geo(lua, api, text),
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
        ) => bytes(lua, api, kind, text),
        Some(
            ParticleType::Integer
            | ParticleType::Double
            | ParticleType::Bool
            | ParticleType::Map
            | ParticleType::List,
        )
        | None => bytes(lua, api, ParticleType::Blob, raw),
    }
}

/// An object of the prelude around what it holds.
fn object(lua: &Lua, api: &Api, meta: &Table, inside: Value) -> mlua::Result<Table> {
    let object = lua.create_table_with_capacity(0, 1)?;
    object.raw_set(&api.data, inside)?;
    object.set_metatable(Some(meta.clone()))?;
    Ok(object)
}

fn geo(lua: &Lua, api: &Api, text: &[u8]) -> mlua::Result<Value> {
    Ok(Value::Table(object(lua, api, &api.geo, string(lua, text)?)?))
}

/// A value of type bytes.
pub(crate) fn bytes(lua: &Lua, api: &Api, kind: ParticleType, content: &[u8]) -> mlua::Result<Value> {
    let allowance = lua.app_data_ref::<Arc<Allowance>>().map(|allowance| Arc::clone(&allowance));
    let mut buffer = Buffer::new(&allowance.ok_or_else(|| mlua::Error::runtime("no allowance"))?);
    if !buffer.append(content) {
        return Err(mlua::Error::MemoryError("not enough memory".to_owned()));
    }
    buffer.set_kind(i64::from(kind.number()));
    let inside = Value::UserData(lua.create_userdata(buffer)?);
    Ok(Value::Table(object(lua, api, &api.bytes, inside)?))
}

fn list(lua: &Lua, api: &Api, reader: &mut Reader<'_>, depth: usize) -> mlua::Result<Value> {
    let head = reader.list_head().map_err(malformed)?;
    let items = lua.create_table_with_capacity(usize::try_from(head.count).unwrap_or(0), 2)?;
    for place in 1..=head.count {
        let value = read(lua, api, reader, depth + 1)?;
        if !value.is_nil() {
            items.raw_set(place, value)?;
        }
    }
    items.raw_set("n", head.count)?;
    items.raw_set("flags", head.flags)?;
    Ok(Value::Table(object(lua, api, &api.list, Value::Table(items))?))
}

fn map(lua: &Lua, api: &Api, reader: &mut Reader<'_>, depth: usize) -> mlua::Result<Value> {
    let head = reader.map_head().map_err(malformed)?;
    let data = lua.create_table_with_capacity(0, 3)?;
    data.raw_set("v", lua.create_table_with_capacity(0, usize::try_from(head.count).unwrap_or(0))?)?;
    data.raw_set("n", 0)?;
    data.raw_set("flags", head.flags)?;
    let map = object(lua, api, &api.map, Value::Table(data))?;
    for _ in 0..head.count {
        let key = read(lua, api, reader, depth + 1)?;
        let value = read(lua, api, reader, depth + 1)?;
        api.map_set.call::<()>((&map, key, value))?;
    }
    Ok(Value::Table(map))
}

/// The particle of a value; none for nil and for what has no particle at all, like a function.
///
/// # Errors
/// What keeps a list or map from being a value: an unsuitable element, too deep, too large.
pub(crate) fn to_particle(api: &Api, value: &Value) -> Result<Option<OwnedParticle>, String> {
    let owned = |kind, bytes: &[u8]| OwnedParticle { kind, bytes: bytes.to_vec() };
    Ok(Some(match value {
        Value::Boolean(value) => owned(ParticleType::Bool, &[u8::from(*value)]),
        Value::Integer(value) => OwnedParticle::integer(*value),
        Value::Number(value) => owned(ParticleType::Double, &value.to_be_bytes()),
        Value::String(text) => owned(ParticleType::String, &text.as_bytes()),
        Value::Table(table) => match class(api, table) {
            Some(Class::Bytes(buffer)) => {
                let buffer = buffer.borrow::<Buffer>().map_err(|error| error.to_string())?;
                owned(blob_kind(&buffer), buffer.bytes())
            }
            Some(Class::Geo(text)) => owned(ParticleType::GeoJson, &geo_particle(&text)),
            Some(Class::List(_)) => {
                let mut bytes = Vec::new();
                write(api, value, &mut bytes, 0)?;
                OwnedParticle { kind: ParticleType::List, bytes }
            }
            Some(Class::Map(_)) => {
                let mut bytes = Vec::new();
                write(api, value, &mut bytes, 0)?;
                OwnedParticle { kind: ParticleType::Map, bytes }
            }
            None => return Ok(None),
        },
        _ => return Ok(None),
    }))
}

/// A GeoJSON value that is on its way has no cells; it gets them when it is stored.
fn geo_particle(text: &[u8]) -> Vec<u8> {
    [&GEO_HEAD[..], text].concat()
}

/// An HLL whose bytes are none is a plain blob, as on the real server.
fn blob_kind(buffer: &Buffer) -> ParticleType {
    if buffer.kind() == ParticleType::Hll && hll_particle::check(buffer.bytes()).is_err() {
        return ParticleType::Blob;
    }
    buffer.kind()
}

/// What an object of the prelude holds.
enum Class {
    List(Table),
    Map(Table),
    Bytes(AnyUserData),
    Geo(Vec<u8>),
}

fn class(api: &Api, table: &Table) -> Option<Class> {
    let meta = table.metatable()?;
    let inside = table.raw_get::<Value>(&api.data).ok()?;
    match inside {
        Value::Table(data) if meta == api.list => Some(Class::List(data)),
        Value::Table(data) if meta == api.map => Some(Class::Map(data)),
        Value::UserData(buffer) if meta == api.bytes => Some(Class::Bytes(buffer)),
        Value::String(text) if meta == api.geo => Some(Class::Geo(text.as_bytes().to_vec())),
        _ => None,
    }
}

/// Appends a value as an element of a msgpack value.
///
/// # Errors
/// As [`to_particle`].
pub(crate) fn write(api: &Api, value: &Value, out: &mut Vec<u8>, depth: usize) -> Result<(), String> {
    if depth > DEPTH_MAX {
        return Err("lists and maps are nested too deep".to_owned());
    }
    if out.len() > SIZE_MAX {
        return Err("a value is too large".to_owned());
    }
    api.budget.spend(ELEMENT_COST).map_err(failed)?;
    match value {
        Value::Nil => writer::nil(out),
        Value::Table(table) => match class(api, table) {
            Some(Class::List(data)) => return write_list(api, &data, out, depth),
            Some(Class::Map(data)) => return write_map(api, table, &data, out, depth),
            Some(Class::Bytes(_) | Class::Geo(_)) => scalar(api, value, out)?,
            None => return Err("a table cannot be part of a value".to_owned()),
        },
        _ => scalar(api, value, out)?,
    }
    Ok(())
}

fn scalar(api: &Api, value: &Value, out: &mut Vec<u8>) -> Result<(), String> {
    match to_particle(api, value)? {
        Some(particle) => element::from_particle(out, particle.as_particle()),
        None => return Err(format!("a {} cannot be part of a value", value.type_name())),
    }
    Ok(())
}

fn flags(data: &Table) -> u8 {
    data.raw_get::<Option<u8>>("flags").ok().flatten().unwrap_or(0)
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn failed(error: mlua::Error) -> String {
    crate::text::of_error(&error)
}

fn write_list(api: &Api, data: &Table, out: &mut Vec<u8>, depth: usize) -> Result<(), String> {
    let count = data.raw_get::<i64>("n").map_err(failed)?;
    let count = usize::try_from(count).unwrap_or(0);
    if count > SIZE_MAX {
        return Err("a value is too large".to_owned());
    }
    let flags = flags(data);
    writer::list_start(out, flags, count);
    if flags & FLAG_ORDERED == 0 {
        for place in 1..=count {
            write(api, &data.raw_get::<Value>(place).map_err(failed)?, out, depth + 1)?;
        }
        return Ok(());
    }
    // The script may have changed an ordered list anywhere.
    let mut items = Vec::new();
    for place in 1..=count {
        let mut item = Vec::new();
        write(api, &data.raw_get::<Value>(place).map_err(failed)?, &mut item, depth + 1)?;
        items.push(item);
    }
    items.sort_by(|a, b| order::compare(a, b));
    items.iter().for_each(|item| out.extend_from_slice(item));
    Ok(())
}

fn write_map(api: &Api, map: &Table, data: &Table, out: &mut Vec<u8>, depth: usize) -> Result<(), String> {
    let keys = api.map_order.call::<Table>(map).map_err(failed)?;
    let values = data.raw_get::<Table>("v").map_err(failed)?;
    let count = keys.raw_len();
    writer::map_start(out, flags(data), count);
    for place in 1..=count {
        let key = keys.raw_get::<Value>(place).map_err(failed)?;
        write(api, &key, out, depth + 1)?;
        match values.raw_get::<Value>(key).map_err(failed)? {
            Value::Table(none) if none == api.nil => writer::nil(out),
            value => write(api, &value, out, depth + 1)?,
        }
    }
    Ok(())
}
