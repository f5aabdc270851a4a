//! Host functions on the record under work. A record of an earlier call, which a script kept, looks empty.

use super::Shared;
use crate::convert;
use crate::record::Cell;
use mlua::{Lua, LuaString, Table, Value};
use shipload_value::msgpack::element;
use shipload_value::{OwnedParticle, Particle, ParticleType};
use std::sync::Arc;

pub(super) fn install(lua: &Lua, host: &Table, session: &Shared) -> mlua::Result<()> {
    bins(lua, host, session)?;
    changes(lua, host, session)?;
    save(lua, host, session)?;
    metadata(lua, host, session)
}

/// Runs something on the record with this number, if it is the one under work.
fn with<T>(session: &Shared, id: i64, run: impl FnOnce(&mut Cell) -> T) -> Option<T> {
    match &mut session.lock().cell {
        Some((present, cell)) if *present == id => Some(run(cell)),
        Some(_) | None => None,
    }
}

fn bins(lua: &Lua, host: &Table, session: &Shared) -> mlua::Result<()> {
    let own = Arc::clone(session);
    host.set(
        "bin",
        lua.create_function(move |lua, (id, name): (i64, LuaString)| {
            let value = with(&own, id, |cell| cell.bin(&name.as_bytes()).cloned()).flatten();
            match value {
                Some(value) => convert::to_lua(lua, &super::api(lua)?, value.as_particle()),
                None => Ok(Value::Nil),
            }
        })?,
    )?;
    let own = Arc::clone(session);
    host.set(
        "bin_names",
        lua.create_function(move |lua, id: i64| {
            let names = with(&own, id, |cell| {
                cell.record.bins.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>()
            });
            let names = names.unwrap_or_default();
            lua.create_sequence_from(
                names.iter().map(|name| lua.create_string(name)).collect::<mlua::Result<Vec<_>>>()?,
            )
        })?,
    )
}

fn changes(lua: &Lua, host: &Table, session: &Shared) -> mlua::Result<()> {
    let own = Arc::clone(session);
    host.set(
        "remove",
        lua.create_function(move |_, id: i64| Ok(with(&own, id, Cell::remove).unwrap_or(1)))?,
    )?;
    let own = Arc::clone(session);
    host.set(
        "exists",
        lua.create_function(
            move |_, id: i64| Ok(with(&own, id, |cell| cell.record.exists).unwrap_or(false)),
        )?,
    )?;
    let own = Arc::clone(session);
    host.set(
        "set_ttl",
        lua.create_function(move |_, (id, ttl): (i64, i64)| {
            with(&own, id, |cell| cell.change.ttl = Some(ttl));
            Ok(())
        })?,
    )?;
    let own = Arc::clone(session);
    host.set(
        "drop_key",
        lua.create_function(move |_, id: i64| {
            with(&own, id, |cell| {
                cell.change.drop_key = true;
                cell.record.key = None;
            });
            Ok(())
        })?,
    )
}

/// `save(id, "create" or "update", names, values)`: the values lie at the places of their names.
fn save(lua: &Lua, host: &Table, session: &Shared) -> mlua::Result<()> {
    let own = Arc::clone(session);
    host.set(
        "save",
        lua.create_function(move |lua, (id, how, names, values): (i64, String, Table, Table)| {
            let api = super::api(lua)?;
            let mut bins = Vec::new();
            for place in 1..=names.raw_len() {
                let name = names.raw_get::<LuaString>(place)?.as_bytes().to_vec();
                let value = convert::to_particle(&api, &values.raw_get::<Value>(place)?);
                let value = value.and_then(|value| value.map(|value| stored(&value)).transpose());
                let value = value.map_err(|problem| {
                    mlua::Error::runtime(format!("bin '{}': {problem}", String::from_utf8_lossy(&name)))
                })?;
                bins.push((name, value));
            }
            Ok(with(&own, id, |cell| cell.save(how == "create", bins)).unwrap_or(-2))
        })?,
    )
}

/// The form in which a value is stored, as after a write of a client.
fn stored(value: &OwnedParticle) -> Result<OwnedParticle, String> {
    let mut bytes = Vec::with_capacity(value.bytes.len());
    let admitted = shipload_value::admit(value.kind.number(), &value.bytes, &mut bytes);
    match admitted {
        Ok(Some(kind)) => Ok(OwnedParticle { kind, bytes }),
        Ok(None) | Err(_) => Err("this value cannot be stored".to_owned()),
    }
}

/// The functions `record.<name>` that only tell something.
fn metadata(lua: &Lua, host: &Table, session: &Shared) -> mlua::Result<()> {
    let record = lua.create_table()?;
    numbers(lua, &record, session)?;
    let own = Arc::clone(session);
    record.set(
        "key",
        lua.create_function(move |lua, id: i64| {
            let key = with(&own, id, |cell| cell.record.key.clone()).flatten();
            let particle = key.and_then(|key| Some((ParticleType::from_number(key.kind)?, key.bytes)));
            match particle {
                Some((kind, bytes)) if is_whole(kind, &bytes) => {
                    convert::to_lua(lua, &super::api(lua)?, Particle { kind, bytes: &bytes })
                }
                Some(_) | None => Ok(Value::Nil),
            }
        })?,
    )?;
    let own = Arc::clone(session);
    record.set(
        "setname",
        lua.create_function(move |lua, id: i64| {
            let set = with(&own, id, |cell| cell.record.set.clone()).unwrap_or_default();
            lua.create_string(set)
        })?,
    )?;
    let own = Arc::clone(session);
    record.set(
        "digest",
        lua.create_function(move |lua, id: i64| match with(&own, id, |cell| cell.record.digest) {
            Some(digest) => convert::bytes(lua, &super::api(lua)?, ParticleType::Blob, &digest.0),
            None => Ok(Value::Nil),
        })?,
    )?;
    host.set("record", record)
}

/// Keys come as the client sent them, unchecked.
fn is_whole(kind: ParticleType, bytes: &[u8]) -> bool {
    let mut encoded = Vec::new();
    element::from_particle(&mut encoded, Particle { kind, bytes });
    let mut checked = Vec::new();
    let fits = match kind {
        ParticleType::List | ParticleType::Map => false,
        ParticleType::Integer | ParticleType::Double => bytes.len() == 8,
        ParticleType::String
        | ParticleType::Bool
        | ParticleType::Blob
        | ParticleType::JavaBlob
        | ParticleType::CSharpBlob
        | ParticleType::PythonBlob
        | ParticleType::RubyBlob
        | ParticleType::PhpBlob
        | ParticleType::ErlangBlob
        | ParticleType::Vector
        | ParticleType::Hll
        | ParticleType::GeoJson => true,
    };
    fits && shipload_value::canonical::element(&encoded, &mut checked).is_ok()
}

fn numbers(lua: &Lua, record: &Table, session: &Shared) -> mlua::Result<()> {
    type Tell = fn(&Cell) -> u64;
    let tells: [(&str, Tell); 6] = [
        ("ttl", |cell| u64::from(cell.record.ttl_s)),
        ("gen", |cell| u64::from(cell.record.generation)),
        ("size", |cell| cell.record.size as u64),
        ("memory_size", |cell| cell.record.size as u64),
        // Records of a namespace in memory take nothing on a device.
        ("device_size", |_| 0),
        ("last_update_time", |cell| cell.record.last_update_ms),
    ];
    for (name, tell) in tells {
        let own = Arc::clone(session);
        record.set(
            name,
            lua.create_function(move |_, id: i64| Ok(with(&own, id, |cell| tell(cell)).unwrap_or(0)))?,
        )?;
    }
    Ok(())
}
