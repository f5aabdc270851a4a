//! Host functions for patterns: `string.find`, `string.match`, and what `gmatch` and `gsub` of the prelude stand on.

use crate::budget::Budget;
use crate::pattern::{self, Capture, Match, PatternError};
use mlua::{Lua, LuaString, MultiValue, Table, Value};
use std::sync::Arc;

/// Steps of the matcher that count as one instruction.
const STEPS: u64 = 4;
/// The most steps of one search.
const STEPS_MAX: u64 = 1 << 32;
/// Steps after which the budget is asked.
const SLICE: u64 = 1 << 16;

pub(super) fn install(lua: &Lua, host: &Table, budget: &Arc<Budget>) -> mlua::Result<()> {
    let own = Arc::clone(budget);
    host.set(
        "find",
        lua.create_function(
            move |lua, (subject, pattern, init, plain): (LuaString, LuaString, Option<i64>, Option<Value>)| {
                let (subject, pattern) = (subject.as_bytes(), pattern.as_bytes());
                let Some(from) = start(init, subject.len()) else { return Ok(nothing()) };
                let plain = plain.is_some_and(|plain| !matches!(plain, Value::Nil | Value::Boolean(false)));
                if plain || !pattern.iter().any(|byte| b"^$*+?.([%-".contains(byte)) {
                    own.spend((subject.len() / 8) as u64)?;
                    return Ok(find_plain(&subject, &pattern, from));
                }
                let found = search(&own, &subject, &pattern, from, None, true)?;
                let Some(found) = found else { return Ok(nothing()) };
                let mut values = MultiValue::new();
                values.push_back(integer(found.start + 1));
                values.push_back(integer(found.end));
                captured(lua, &subject, &found, &mut values)?;
                Ok(values)
            },
        )?,
    )?;
    let own = Arc::clone(budget);
    host.set(
        "match",
        lua.create_function(move |lua, (subject, pattern, init): (LuaString, LuaString, Option<i64>)| {
            let (subject, pattern) = (subject.as_bytes(), pattern.as_bytes());
            let Some(from) = start(init, subject.len()) else { return Ok(nothing()) };
            let Some(found) = search(&own, &subject, &pattern, from, None, true)? else {
                return Ok(nothing());
            };
            let mut values = MultiValue::new();
            captured(lua, &subject, &found, &mut values)?;
            if values.is_empty() {
                let whole = subject.get(found.start..found.end).unwrap_or_default();
                values.push_back(Value::String(lua.create_string(whole)?));
            }
            Ok(values)
        })?,
    )?;
    next_match(lua, host, budget)?;
    expand(lua, host)
}

type NextMatch = (LuaString, LuaString, i64, i64, Option<bool>);

/// The next match at `from` (1-based) or later that does not end at `last`, with its captures.
fn next_match(lua: &Lua, host: &Table, budget: &Arc<Budget>) -> mlua::Result<()> {
    let own = Arc::clone(budget);
    host.set(
        "next_match",
        lua.create_function(move |lua, (subject, pattern, from, last, literal): NextMatch| {
            let (subject, pattern) = (subject.as_bytes(), pattern.as_bytes());
            let Some(from) = start(Some(from), subject.len()) else { return Ok(nothing()) };
            let last = usize::try_from(last).ok();
            let anchors = !literal.unwrap_or(false);
            let found = search(&own, &subject, &pattern, from, last, anchors)?;
            let Some(found) = found else { return Ok(nothing()) };
            let mut values = MultiValue::new();
            values.push_back(integer(found.start + 1));
            values.push_back(integer(found.end));
            captured(lua, &subject, &found, &mut values)?;
            Ok(values)
        })?,
    )
}

/// What a replacement string stands for: `%0` is the match, `%1` its first capture, `%%` a per cent sign.
fn expand(lua: &Lua, host: &Table) -> mlua::Result<()> {
    host.set(
        "expand",
        lua.create_function(|lua, mut values: MultiValue| {
            let template = text_of(lua, values.pop_front())?;
            let parts =
                values.into_iter().filter(|value| !value.is_nil()).map(|value| text_of(lua, Some(value)));
            let parts = parts.collect::<mlua::Result<Vec<_>>>()?;
            let mut out = Vec::new();
            let mut bytes = template.iter().copied();
            while let Some(byte) = bytes.next() {
                if byte != b'%' {
                    out.push(byte);
                    continue;
                }
                match bytes.next() {
                    Some(b'%') => out.push(b'%'),
                    Some(digit @ b'0'..=b'9') => {
                        let index = usize::from(digit - b'0');
                        // Without captures the whole match counts as the first.
                        let index = if index == 1 && parts.len() == 1 { 0 } else { index };
                        let part = parts.get(index);
                        let text = part.ok_or_else(|| {
                            mlua::Error::runtime(format!(
                                "invalid capture index %{index} in replacement string"
                            ))
                        })?;
                        out.extend_from_slice(text);
                    }
                    Some(_) | None => {
                        return Err(mlua::Error::runtime("invalid use of '%' in replacement string"));
                    }
                }
            }
            lua.create_string(out)
        })?,
    )
}

fn text_of(lua: &Lua, value: Option<Value>) -> mlua::Result<Vec<u8>> {
    let text = lua.coerce_string(value.unwrap_or(Value::Nil))?;
    Ok(text.map(|text| text.as_bytes().to_vec()).unwrap_or_default())
}

fn nothing() -> MultiValue {
    MultiValue::from_iter([Value::Nil])
}

fn integer(place: usize) -> Value {
    Value::Integer(i64::try_from(place).unwrap_or(i64::MAX))
}

/// A place counted from 0; none when it lies behind the end. Negative ones count from the end.
fn start(init: Option<i64>, size: usize) -> Option<usize> {
    let init = init.unwrap_or(1);
    let place = match usize::try_from(init) {
        Ok(0) => 0,
        Ok(place) => place - 1,
        Err(_) => size.saturating_sub(usize::try_from(init.unsigned_abs()).unwrap_or(usize::MAX)),
    };
    (place <= size).then_some(place)
}

fn find_plain(subject: &[u8], text: &[u8], from: usize) -> MultiValue {
    let rest = subject.get(from..).unwrap_or_default();
    let at =
        if text.is_empty() { Some(0) } else { rest.windows(text.len()).position(|window| window == text) };
    match at {
        Some(at) => MultiValue::from_iter([integer(from + at + 1), integer(from + at + text.len())]),
        None => nothing(),
    }
}

/// Searches, and pays for it.
fn search(
    budget: &Budget,
    subject: &[u8],
    pattern: &[u8],
    from: usize,
    not_end: Option<usize>,
    anchors: bool,
) -> mlua::Result<Option<Match>> {
    // A search cannot be interrupted and resumed, so a long one begins again with a larger share, already paid for.
    let mut share = SLICE;
    loop {
        let mut steps = share;
        let found = pattern::find(subject, pattern, from, not_end, anchors, &mut steps);
        budget.spend((share - steps) / STEPS)?;
        match found {
            Err(PatternError::Steps) if share < STEPS_MAX => share *= 4,
            Err(PatternError::Steps) => return Err(mlua::Error::runtime(PatternError::TooComplex)),
            Err(error) => return Err(mlua::Error::runtime(error)),
            Ok(found) => return Ok(found),
        }
    }
}

fn captured(lua: &Lua, subject: &[u8], found: &Match, values: &mut MultiValue) -> mlua::Result<()> {
    for capture in &found.captures {
        values.push_back(match *capture {
            Capture::Position(place) => integer(place + 1),
            Capture::Text(start, end) => {
                Value::String(lua.create_string(subject.get(start..end).unwrap_or_default())?)
            }
            Capture::Open(_) => Value::Nil,
        });
    }
    Ok(())
}
