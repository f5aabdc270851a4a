//! The functions that the prelude gets from the host: the record under work, buffers, patterns, dates, the log.

mod buffers;
mod records;
mod strings;

use crate::api::Api;
use crate::budget::Budget;
use crate::calendar::{self, Civil};
use crate::record::Cell;
use mlua::{Lua, LuaString, Table, Value};
use parking_lot::Mutex;
use std::sync::Arc;

/// The most lines that one call may log; later ones are dropped.
const LOG_LINES: usize = 64;

/// How important a script finds a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// For following every step.
    Trace,
    /// For finding errors.
    Debug,
    /// Worth knowing.
    Info,
    /// Something is wrong.
    Warn,
}

/// A line that a script logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// How important the script finds it.
    pub level: LogLevel,
    /// The text, cut to a kilobyte.
    pub text: String,
}

/// What the host knows during a call.
#[derive(Debug, Default)]
pub(crate) struct Session {
    /// The record under work with its number; records of earlier numbers are gone.
    pub(crate) cell: Option<(i64, Cell)>,
    /// Milliseconds since 1970.
    pub(crate) now_ms: u64,
    pub(crate) log: Vec<LogLine>,
}

/// The session of a state.
pub(crate) type Shared = Arc<Mutex<Session>>;

/// Finds the source of a registered module.
pub(crate) type Find = Arc<dyn Fn(&str) -> Option<Arc<[u8]>> + Send + Sync>;

/// What every host function may need.
#[derive(Clone)]
pub(crate) struct Host {
    pub(crate) session: Shared,
    pub(crate) budget: Arc<Budget>,
    pub(crate) find: Find,
}

impl Host {
    /// The table of host functions for the prelude.
    pub(crate) fn table(&self, lua: &Lua) -> mlua::Result<Table> {
        let host = lua.create_table()?;
        self.limits(lua, &host)?;
        self.times(lua, &host)?;
        self.modules(lua, &host)?;
        self.logging(lua, &host)?;
        buffers::install(lua, &host)?;
        strings::install(lua, &host, &self.budget)?;
        records::install(lua, &host, &self.session)?;
        Ok(host)
    }

    fn limits(&self, lua: &Lua, host: &Table) -> mlua::Result<()> {
        let budget = Arc::clone(&self.budget);
        host.set(
            "charge",
            lua.create_function(move |_, work: i64| budget.spend(u64::try_from(work).unwrap_or(0)))?,
        )?;
        let budget = Arc::clone(&self.budget);
        host.set("is_over", lua.create_function(move |_, ()| Ok(budget.is_over()))?)?;
        let budget = Arc::clone(&self.budget);
        host.set("over_text", lua.create_function(move |_, ()| Ok(budget.text()))?)?;
        let budget = Arc::clone(&self.budget);
        host.set(
            "out_of_memory",
            lua.create_function(move |_, ()| {
                budget.out_of_memory();
                Ok(())
            })?,
        )
    }

    fn times(&self, lua: &Lua, host: &Table) -> mlua::Result<()> {
        let session = Arc::clone(&self.session);
        host.set("now_ms", lua.create_function(move |_, ()| Ok(session.lock().now_ms))?)?;
        let session = Arc::clone(&self.session);
        host.set(
            "time",
            lua.create_function(move |_, date: Option<Table>| match date {
                None => Ok(i64::try_from(session.lock().now_ms / 1000).unwrap_or(0)),
                Some(date) => time_of(&date),
            })?,
        )?;
        let session = Arc::clone(&self.session);
        host.set(
            "date",
            lua.create_function(move |lua, (format, at): (Option<LuaString>, Option<Value>)| {
                let now = i64::try_from(session.lock().now_ms / 1000).unwrap_or(0);
                date(lua, format, at, now)
            })?,
        )?;
        // The processor's time would tell a script how fast the machine is; instructions are as good for comparing.
        let budget = Arc::clone(&self.budget);
        #[allow(clippy::cast_precision_loss, reason = "seconds with a fraction")]
        host.set("clock", lua.create_function(move |_, ()| Ok(budget.used() as f64 / 1e8))?)
    }

    fn modules(&self, lua: &Lua, host: &Table) -> mlua::Result<()> {
        let find = Arc::clone(&self.find);
        host.set(
            "module",
            lua.create_function(move |lua, name: String| {
                let Some(source) = find(&name) else {
                    return Ok((None, Some(format!("module '{name}' not found"))));
                };
                let chunk = crate::instance::chunk(lua, &name, &source);
                Ok(match chunk {
                    Ok(chunk) => (Some(chunk), None),
                    Err(error) => (None, Some(crate::text::of_error(&error))),
                })
            })?,
        )
    }

    fn logging(&self, lua: &Lua, host: &Table) -> mlua::Result<()> {
        let session = Arc::clone(&self.session);
        host.set(
            "log",
            lua.create_function(move |_, (level, text): (String, LuaString)| {
                let mut session = session.lock();
                if session.log.len() < LOG_LINES {
                    let level = match level.as_str() {
                        "trace" => LogLevel::Trace,
                        "debug" => LogLevel::Debug,
                        "warn" => LogLevel::Warn,
                        _ => LogLevel::Info,
                    };
                    let text = crate::text::short(&text.to_string_lossy());
                    session.log.push(LogLine { level, text });
                }
                Ok(())
            })?,
        )
    }
}

/// The handles into this state.
pub(crate) fn api(lua: &Lua) -> mlua::Result<Api> {
    let api = lua.app_data_ref::<Api>().map(|api| api.clone());
    api.ok_or_else(|| mlua::Error::runtime("the prelude is not installed"))
}

/// The seconds that a table of date fields names; hours default to noon, as in Lua.
fn time_of(date: &Table) -> mlua::Result<i64> {
    let field = |name: &str, default: Option<i64>| {
        let value = date.get::<Option<i64>>(name)?.or(default);
        value.ok_or_else(|| mlua::Error::runtime(format!("field '{name}' missing in date table")))
    };
    let civil = Civil {
        year: field("year", None)?,
        month: field("month", None)?,
        day: field("day", None)?,
        hour: field("hour", Some(12))?,
        minute: field("min", Some(0))?,
        second: field("sec", Some(0))?,
    };
    calendar::seconds(civil).ok_or_else(|| mlua::Error::runtime("time result cannot be represented"))
}

fn date(lua: &Lua, format: Option<LuaString>, at: Option<Value>, now: i64) -> mlua::Result<Value> {
    let at = match at {
        None => now,
        Some(value) => {
            lua.coerce_integer(value)?.ok_or_else(|| mlua::Error::runtime("a time is expected"))?
        }
    };
    let format = format.map_or_else(|| "%c".to_owned(), |format| format.to_string_lossy());
    // Everything is UTC, so that the mark for it changes nothing.
    let format = format.strip_prefix('!').unwrap_or(&format);
    let civil =
        calendar::civil(at).ok_or_else(|| mlua::Error::runtime("date result cannot be represented"))?;
    if !format.starts_with("*t") {
        let text = calendar::format(&civil, format).map_err(mlua::Error::runtime)?;
        return Ok(Value::String(lua.create_string(text)?));
    }
    let table = lua.create_table()?;
    table.set("year", civil.year)?;
    table.set("month", civil.month)?;
    table.set("day", civil.day)?;
    table.set("hour", civil.hour)?;
    table.set("min", civil.minute)?;
    table.set("sec", civil.second)?;
    table.set("wday", civil.weekday() + 1)?;
    table.set("yday", civil.day_of_year())?;
    table.set("isdst", false)?;
    Ok(Value::Table(table))
}
