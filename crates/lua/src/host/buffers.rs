//! Host functions on the buffers of values of type bytes.

use crate::buffer::{Allowance, Buffer};
use mlua::{AnyUserData, Lua, LuaString, Table};
use std::fmt::Write as _;
use std::sync::Arc;

pub(super) fn install(lua: &Lua, host: &Table) -> mlua::Result<()> {
    host.set(
        "buffer_new",
        lua.create_function(|lua, ()| {
            let allowance = lua.app_data_ref::<Arc<Allowance>>().map(|allowance| Arc::clone(&allowance));
            let allowance = allowance.ok_or_else(|| mlua::Error::runtime("no allowance"))?;
            lua.create_userdata(Buffer::new(&allowance))
        })?,
    )?;
    host.set(
        "buffer_size",
        lua.create_function(|_, b: AnyUserData| Ok(b.borrow::<Buffer>()?.bytes().len()))?,
    )?;
    host.set(
        "buffer_text",
        lua.create_function(|lua, b: AnyUserData| lua.create_string(b.borrow::<Buffer>()?.bytes()))?,
    )?;
    host.set(
        "buffer_kind",
        lua.create_function(|_, b: AnyUserData| Ok(b.borrow::<Buffer>()?.kind().number()))?,
    )?;
    host.set("hex", lua.create_function(|_, b: AnyUserData| Ok(hex(b.borrow::<Buffer>()?.bytes())))?)?;
    parts(lua, host)?;
    changes(lua, host)
}

fn parts(lua: &Lua, host: &Table) -> mlua::Result<()> {
    host.set(
        "buffer_get",
        lua.create_function(|lua, (b, index, size): (AnyUserData, i64, usize)| {
            let buffer = b.borrow::<Buffer>()?;
            buffer.get(index, size).map(|part| lua.create_string(part)).transpose()
        })?,
    )?;
    host.set(
        "buffer_some",
        lua.create_function(|lua, (b, index, size): (AnyUserData, i64, i64)| {
            let buffer = b.borrow::<Buffer>()?;
            buffer.some(index, size).map(|part| lua.create_string(part)).transpose()
        })?,
    )
}

fn changes(lua: &Lua, host: &Table) -> mlua::Result<()> {
    host.set(
        "buffer_set_kind",
        lua.create_function(|_, (b, kind): (AnyUserData, i64)| Ok(b.borrow_mut::<Buffer>()?.set_kind(kind)))?,
    )?;
    host.set(
        "buffer_resize",
        lua.create_function(|_, (b, size): (AnyUserData, i64)| {
            Ok(usize::try_from(size)
                .is_ok_and(|size| b.borrow_mut::<Buffer>().is_ok_and(|mut b| b.resize(size))))
        })?,
    )?;
    host.set(
        "buffer_set",
        lua.create_function(|_, (b, index, text): (AnyUserData, i64, LuaString)| {
            Ok(b.borrow_mut::<Buffer>()?.set(index, &text.as_bytes()))
        })?,
    )?;
    host.set(
        "buffer_append",
        lua.create_function(|_, (b, text): (AnyUserData, LuaString)| {
            Ok(b.borrow_mut::<Buffer>()?.append(&text.as_bytes()))
        })?,
    )?;
    host.set(
        "nbytes",
        lua.create_function(|lua, value: mlua::Value| {
            let mut out = Vec::new();
            crate::convert::write(&super::api(lua)?, &value, &mut out, 0).map_err(mlua::Error::runtime)?;
            Ok(out.len())
        })?,
    )?;
    host.set(
        "same",
        lua.create_function(|lua, (a, b): (mlua::Value, mlua::Value)| {
            let api = super::api(lua)?;
            let particle = |value| crate::convert::to_particle(&api, value).ok().flatten();
            let (Some(a), Some(b)) = (particle(&a), particle(&b)) else { return Ok(false) };
            Ok(a.kind == b.kind && a.bytes == b.bytes)
        })?,
    )
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02X}");
        text
    })
}
