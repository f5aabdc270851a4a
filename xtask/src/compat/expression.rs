//! The codes in a packed expression.

use shipload_value::msgpack::{Item, Reader};

use super::recorded::{Seen, payload};

/// Bit of a call's system number: modify a copy.
const MODIFY: i64 = 0x40;

/// Notes the codes of the next expression, and moves past it.
pub(super) fn look(reader: &mut Reader<'_>, seen: &mut Seen) {
    let Ok(whole) = reader.take() else { return };
    // What is no expression was sent so on purpose, and holds nothing more.
    let _ = walk(&mut Reader::new(whole), seen);
}

fn walk(reader: &mut Reader<'_>, seen: &mut Seen) -> Option<()> {
    if !matches!(reader.peek().ok()?, Item::Array(_)) {
        return reader.skip().ok();
    }
    let operands = reader.array_head().ok()?.checked_sub(1)?;
    let code = reader.int().ok()?;
    seen.note("expression", code);
    match code {
        127 => call(reader, seen)?,
        // What is quoted is no expression.
        126 => reader.skip().ok()?,
        _ => {
            for _ in 0..operands {
                walk(reader, seen)?;
            }
        }
    }
    Some(())
}

/// Result type, system, payload, and what it works on.
fn call(reader: &mut Reader<'_>, seen: &mut Seen) -> Option<()> {
    reader.skip().ok()?;
    let system = reader.int().ok()? & !MODIFY;
    seen.note("call system", system);
    let table = match system {
        0 => "list operation",
        1 => "bit operation",
        2 => "hll operation",
        _ => "string operation",
    };
    let whole = reader.take().ok()?;
    payload(&mut Reader::new(whole), table, seen);
    if system == 0 {
        payload(&mut Reader::new(whole), "map operation", seen);
    }
    // Arguments that can't be read are not looked at.
    let _ = arguments(&mut Reader::new(whole), seen);
    walk(reader, seen)
}

/// Arguments that are expressions themselves.
fn arguments(reader: &mut Reader<'_>, seen: &mut Seen) -> Option<()> {
    let count = reader.array_head().ok()?;
    let code = reader.int().ok()?;
    // Contexts and paths are looked at with the payload.
    if matches!(code, 0xfe | 0xff) {
        return Some(());
    }
    for _ in 1..count {
        walk(reader, seen)?;
    }
    Some(())
}
