//! What the recorded cases hold: operations and the operations inside them, fields, types, result codes.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use shipload_value::msgpack::{Item, Reader};
use shipload_wire::bits::op;
use shipload_wire::{Cut, Limits, Op, Request, frame, response};

use super::expression;
use crate::golden::corpus;

/// The code that announces a context.
const WITH_CONTEXT: i64 = 0xff;
/// The code of a path expression.
const PATH: i64 = 0xfe;
/// A context step's create flags.
const CREATE: i64 = 0xc0;

/// Numbers that were seen, by table, each with the files and how often they hold it.
#[derive(Debug, Default)]
pub(super) struct Seen {
    numbers: BTreeMap<&'static str, BTreeMap<i64, BTreeMap<String, u64>>>,
    /// The file that is looked at.
    area: String,
}

impl Seen {
    /// Whether this number of this table was seen.
    pub(super) fn holds(&self, table: &str, number: i64) -> bool {
        self.areas(table, number).is_some()
    }

    /// The files that hold a number of a table, each with how often.
    pub(super) fn areas(&self, table: &str, number: i64) -> Option<&BTreeMap<String, u64>> {
        self.numbers.get(table)?.get(&number)
    }

    pub(super) fn note(&mut self, table: &'static str, number: i64) {
        let areas = self.numbers.entry(table).or_default().entry(number).or_default();
        *areas.entry(self.area.clone()).or_default() += 1;
    }
}

/// Looks through all cases.
///
/// A case counts when the real server answered it with success: what it refused as unknown proves nothing.
pub(super) fn look(folder: &Path) -> Result<Seen> {
    let mut seen = Seen::default();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "gz") {
            continue;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        seen.area = name.trim_end_matches(".jsonl.gz").to_owned();
        for case in corpus::load(&path).map_err(|text| anyhow!(text))? {
            for step in case.steps {
                let mut succeeded = false;
                for body in bodies(&step.response) {
                    for message in response::messages(body).flatten() {
                        let code = i64::from(message.header.result);
                        seen.note("result code", code);
                        succeeded |= code == 0;
                    }
                }
                let requests = bodies(&step.request).into_iter().filter(|_| succeeded);
                requests.for_each(|body| request(body, &mut seen));
            }
        }
    }
    Ok(seen)
}

fn bodies(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut bodies = Vec::new();
    while let Cut::Frame { frame, consumed } = frame::cut(bytes, &Limits::default()) {
        bodies.push(frame.body);
        bytes = bytes.get(consumed..).unwrap_or_default();
    }
    bodies
}

fn request(body: &[u8], seen: &mut Seen) {
    field_ids(body, seen);
    let Ok(request) = Request::decode(body) else { return };
    if let Some(filter) = request.fields.filter {
        expression::look(&mut Reader::new(filter), seen);
    }
    request.ops.clone().for_each(|op| operation(&op, seen));
}

/// The ids of all fields, known or not.
fn field_ids(body: &[u8], seen: &mut Seen) {
    let Some(&[high, low]) = body.get(18..20) else { return };
    let mut rest = body.get(22..).unwrap_or_default();
    for _ in 0..u16::from_be_bytes([high, low]) {
        let [a, b, c, d, id, tail @ ..] = rest else { return };
        seen.note("field", i64::from(*id));
        let size = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        rest = tail.get(size.saturating_sub(1)..).unwrap_or_default();
    }
}

fn operation(op: &Op<'_>, seen: &mut Seen) {
    seen.note("operation", i64::from(op.code));
    seen.note("particle", i64::from(op.kind));
    let mut reader = Reader::new(op.value);
    match op.code {
        op::EXP_READ | op::EXP_MODIFY if reader.array_head().is_ok() => expression::look(&mut reader, seen),
        op::CDT_READ | op::CDT_MODIFY => {
            payload(&mut reader, "list operation", seen);
            payload(&mut Reader::new(op.value), "map operation", seen);
        }
        op::BIT_READ | op::BIT_MODIFY => payload(&mut reader, "bit operation", seen),
        op::HLL_READ | op::HLL_MODIFY => payload(&mut reader, "hll operation", seen),
        op::STRING_READ | op::STRING_MODIFY => payload(&mut reader, "string operation", seen),
        _ => {}
    }
}

/// Notes the code of a payload, behind its context if it has one.
pub(super) fn payload(reader: &mut Reader<'_>, table: &'static str, seen: &mut Seen) {
    // What is cut short in the middle was sent so on purpose, and holds nothing more.
    let _ = cut(reader, table, seen);
}

fn cut(reader: &mut Reader<'_>, table: &'static str, seen: &mut Seen) -> Option<()> {
    reader.array_head().ok()?;
    match reader.int().ok()? {
        WITH_CONTEXT => {
            context(reader, seen)?;
            reader.array_head().ok()?;
            seen.note(table, reader.int().ok()?);
        }
        PATH => {
            context(reader, seen)?;
            reader.int().ok()?;
            // A modifying path has an expression behind its flags.
            if reader.peek().is_ok() {
                expression::look(reader, seen);
            }
        }
        code => seen.note(table, code),
    }
    Some(())
}

fn context(reader: &mut Reader<'_>, seen: &mut Seen) -> Option<()> {
    for _ in 0..reader.array_head().ok()? / 2 {
        let step = reader.int().ok()?;
        // The kinds of expressions are no flags.
        let is_filter = matches!(step, 0x04 | 0x204);
        seen.note("context step", if is_filter { step } else { step & !CREATE });
        if is_filter && matches!(reader.peek(), Ok(Item::Array(_))) {
            expression::look(reader, seen);
        } else {
            reader.skip().ok()?;
        }
    }
    Some(())
}
