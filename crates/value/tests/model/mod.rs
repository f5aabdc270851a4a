//! A record, and the few rules of messages that the recorded operations need.

use shipload_value::{OwnedParticle, ParticleType, Refusal, admit, bits, cdt, hll, number, text};
use std::collections::HashMap;

/// The recorded server's default; the record's overhead is not counted here.
const MAX_RECORD_SIZE: usize = 1 << 20;

type Bins = Vec<(Vec<u8>, OwnedParticle)>;

/// Records by digest.
#[derive(Default)]
pub(crate) struct Model {
    records: HashMap<Vec<u8>, Bins>,
}

/// What is compared: the result code, and the reply operations.
#[derive(PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) code: u8,
    pub(crate) ops: Vec<Op>,
}

/// One operation of a request or reply.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Op {
    pub(crate) code: u8,
    pub(crate) kind: u8,
    pub(crate) name: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

impl std::fmt::Debug for Op {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hex: String = self.value.iter().map(|byte| format!("{byte:02x}")).collect();
        write!(f, "op{} {}={}:{hex}", self.code, String::from_utf8_lossy(&self.name), self.kind)
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "code {} {:?}", self.code, self.ops)
    }
}

struct Message {
    info1: u8,
    info2: u8,
    code: u8,
    digest: Vec<u8>,
    ops: Vec<Op>,
}

fn decode(frame: &[u8]) -> Message {
    let body = &frame[8..];
    let count = |at: usize| u16::from_be_bytes([body[at], body[at + 1]]);
    let size = |at: usize| u32::from_be_bytes(body[at..at + 4].try_into().unwrap()) as usize;
    let (mut at, mut digest) = (usize::from(body[0]), Vec::new());
    for _ in 0..count(18) {
        let length = size(at);
        if body[at + 4] == 4 {
            digest = body[at + 5..at + 4 + length].to_vec();
        }
        at += 4 + length;
    }
    let mut ops = Vec::new();
    for _ in 0..count(20) {
        let length = size(at);
        let name = at + 8 + usize::from(body[at + 7]);
        ops.push(Op {
            code: body[at + 4],
            kind: body[at + 5],
            name: body[at + 8..name].to_vec(),
            value: body[name..at + 4 + length].to_vec(),
        });
        at += 4 + length;
    }
    Message { info1: body[1], info2: body[2], code: body[5], digest, ops }
}

pub(crate) fn has_operation(frame: &[u8], codes: &[u8]) -> bool {
    decode(frame).ops.iter().any(|op| codes.contains(&op.code))
}

pub(crate) fn show(frame: &[u8]) -> String {
    format!("{:?}", decode(frame).ops)
}

impl Answer {
    pub(crate) fn decode(frame: &[u8]) -> Answer {
        let message = decode(frame);
        Answer { code: message.code, ops: message.ops }
    }

    fn error(code: u8) -> Answer {
        Answer { code, ops: Vec::new() }
    }
}

pub(crate) fn code(refusal: Refusal) -> u8 {
    match refusal {
        Refusal::Malformed => 1,
        Refusal::Parameter => 4,
        Refusal::BinExists => 6,
        Refusal::IncompatibleType => 12,
        Refusal::RecordTooBig => 13,
        Refusal::BinNotFound => 17,
        Refusal::BinName => 21,
        Refusal::ElementNotFound => 23,
        Refusal::ElementExists => 24,
        Refusal::NotApplicable => 26,
        Refusal::Encoding => 29,
        Refusal::GeoJson => 160,
    }
}

impl Model {
    /// The answer to a request; none when it holds something that this model does not know.
    pub(crate) fn serve(&mut self, frame: &[u8]) -> Option<Answer> {
        let message = decode(frame);
        if !message.ops.iter().all(|op| matches!(op.code, 1..=5 | 9..=16)) {
            return None;
        }
        let record = self.records.get(&message.digest).cloned();
        let writes = message.info2 & 1 != 0;
        if !writes && record.is_none() {
            return Some(Answer::error(2));
        }
        let existed = record.is_some();
        let mut bins = record.unwrap_or_default();
        let ops = match run(&message, &mut bins, existed) {
            Ok(ops) => ops,
            Err(refusal) => return Some(Answer::error(refusal)),
        };
        if bins.is_empty() && !existed && writes {
            return Some(Answer::error(2));
        }
        if writes {
            if bins.is_empty() {
                self.records.remove(&message.digest);
            } else {
                self.records.insert(message.digest, bins);
            }
        }
        Some(Answer { code: 0, ops })
    }
}

fn run(message: &Message, bins: &mut Bins, existed: bool) -> Result<Vec<Op>, u8> {
    let respond_all = message.info2 & 0x80 != 0;
    let mut replies = Vec::new();
    if message.info1 & 0x03 == 0x03 && message.ops.is_empty() {
        let all = bins.iter().map(|(name, value)| reply(1, name, Some(value.clone())));
        return Ok(all.collect());
    }
    let mut alive = existed;
    for op in &message.ops {
        if op.code == 14 {
            if !alive {
                return Err(2);
            }
            bins.clear();
        }
        if op.code == 11 && !alive {
            return Err(2);
        }
        let (result, answers) = apply(op, bins).map_err(code)?;
        alive |= !bins.is_empty();
        let omitted = result.is_none() && !respond_all;
        if !omitted && (answers || respond_all) && op.code != 11 {
            replies.push(reply(op.code, &op.name, result));
        }
    }
    Ok(replies)
}

fn reply(code: u8, name: &[u8], value: Option<OwnedParticle>) -> Op {
    let (kind, value) = value.map_or((0, Vec::new()), |value| (value.kind.number(), value.bytes));
    Op { code, kind, name: name.to_vec(), value }
}

/// Runs one operation: its result, and whether it is one that has results.
fn apply(op: &Op, bins: &mut Bins) -> Result<(Option<OwnedParticle>, bool), Refusal> {
    let at = bins.iter().position(|(name, _)| *name == op.name);
    let bin = at.map(|at| bins[at].1.clone());
    let bin = bin.as_ref().map(OwnedParticle::as_particle);
    let changed = match op.code {
        1 => return Ok((bin.map(|bin| OwnedParticle { kind: bin.kind, bytes: bin.bytes.to_vec() }), true)),
        3 => return Ok((cdt::read(bin, &op.value)?, true)),
        4 => cdt::modify(bin, &op.value)?,
        2 => {
            let mut bytes = Vec::new();
            let kind: Option<ParticleType> = admit(op.kind, &op.value, &mut bytes)?;
            let change =
                kind.map_or(cdt::Change::Remove, |kind| cdt::Change::Set(OwnedParticle { kind, bytes }));
            cdt::Modified { bin: change, result: None }
        }
        12 => return Ok((bits::read(bin, &op.value)?, true)),
        13 => bits::modify(bin, &op.value)?,
        15 => return Ok((hll::read(bin, &op.value)?, true)),
        16 => hll::modify(bin, &op.value)?,
        5 => set(number::increment(bin, op.kind, &op.value)?),
        9 => set(text::append(bin, op.kind, &op.value)?),
        10 => set(text::prepend(bin, op.kind, &op.value)?),
        _ => cdt::Modified { bin: cdt::Change::Keep, result: None },
    };
    // The recorded server moves the last bin to the place of a deleted one.
    if matches!(&changed.bin, cdt::Change::Set(value) if value.bytes.len() > MAX_RECORD_SIZE) {
        return Err(Refusal::RecordTooBig);
    }
    match (changed.bin, at) {
        (cdt::Change::Keep, _) | (cdt::Change::Remove, None) => {}
        (cdt::Change::Set(value), Some(at)) => bins[at].1 = value,
        (cdt::Change::Set(value), None) => bins.push((op.name.clone(), value)),
        (cdt::Change::Remove, Some(at)) => drop(bins.swap_remove(at)),
    }
    Ok((changed.result, matches!(op.code, 4 | 13 | 16)))
}

fn set(value: OwnedParticle) -> cdt::Modified {
    cdt::Modified { bin: cdt::Change::Set(value), result: None }
}
