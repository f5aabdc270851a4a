//! What the prelude hands to the host: the tables and functions by which values are made and taken apart.

use crate::budget::Budget;
use mlua::{Function, Lua, Table};
use std::sync::Arc;

/// The prelude's files, in the order in which they run.
const PRELUDE: [(&str, &str); 6] = [
    ("@sandbox.lua", include_str!("prelude/sandbox.lua")),
    ("@bytes.lua", include_str!("prelude/bytes.lua")),
    ("@list.lua", include_str!("prelude/list.lua")),
    ("@map.lua", include_str!("prelude/map.lua")),
    ("@record.lua", include_str!("prelude/record.lua")),
    ("@stream.lua", include_str!("prelude/stream.lua")),
];

/// Handles into one state.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    /// The key under which our objects keep what they hold.
    pub(crate) data: Table,
    /// Stands for nil inside maps.
    pub(crate) nil: Table,
    pub(crate) list: Table,
    pub(crate) map: Table,
    pub(crate) bytes: Table,
    pub(crate) geo: Table,
    pub(crate) map_set: Function,
    pub(crate) map_order: Function,
    pub(crate) wrap_record: Function,
    pub(crate) new_stream: Function,
    pub(crate) pipeline: Function,
    pub(crate) call: Function,
    /// Taking values apart is paid from here.
    pub(crate) budget: Arc<Budget>,
}

impl Api {
    /// Runs the prelude in a new state.
    pub(crate) fn install(lua: &Lua, host: &Table, budget: &Arc<Budget>) -> mlua::Result<Api> {
        let shared = lua.create_table()?;
        for (name, source) in PRELUDE {
            lua.load(source).set_name(name).call::<()>((host, &shared))?;
        }
        Ok(Api {
            data: shared.get("DATA")?,
            nil: shared.get("NIL")?,
            list: shared.get("list_meta")?,
            map: shared.get("map_meta")?,
            bytes: shared.get("bytes_meta")?,
            geo: shared.get("geo_meta")?,
            map_set: shared.get("map_set")?,
            map_order: shared.get("map_order")?,
            wrap_record: shared.get("wrap_record")?,
            new_stream: shared.get("new_stream")?,
            pipeline: shared.get("pipeline")?,
            call: shared.get("call")?,
            budget: Arc::clone(budget),
        })
    }
}
