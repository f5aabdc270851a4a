//! Registers: records that hold one number or are not there. They are put, deleted, and written many at a time, and a
//! secondary index is over them; chains know none of that.
//!
//! A register is written by one client only, one write at a time, and rests after a write in doubt. So what it may hold is the
//! last acknowledged write, or one that was tried after it. Some fade: they expire after a second or two by clocks that don't
//! agree, so from then on they may be gone at any time; but nothing older may come back.

use crate::client::answered;
use crate::host::NAMESPACE;
use crate::ledger::Fate;
use shipload_value::Digest;
use shipload_wire::bits::{batch, field, info1, info2, op, row};
use shipload_wire::code::ResultCode;
use shipload_wire::request::{self, Key};
use shipload_wire::response::messages_with_bytes;
use shipload_wire::{Cut, Header, Limits, Op, frame, reply};

/// How many there are.
pub const REGISTERS: usize = 36;
/// What fades lives so many seconds.
const FADING_S: u32 = 2;
/// The set that they are in.
pub const SET: &str = "registers";

/// One write.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// The number; none for a delete.
    pub value: Option<u64>,
    /// It expires soon.
    pub fades: bool,
    /// What became of it.
    pub fate: Fate,
}

/// What is known of a register since all copies were last seen to be equal.
#[derive(Debug, Clone, Default)]
pub struct Register {
    /// What it held then.
    pub base: Option<u64>,
    /// That expires soon.
    pub base_fades: bool,
    /// The writes since then, in order.
    pub steps: Vec<Step>,
    /// No write before this moment.
    pub rests_until_us: u64,
}

impl Register {
    /// A write begins.
    pub fn begin(&mut self, value: Option<u64>, fades: bool) {
        self.steps.push(Step { value, fades, fate: Fate::Pending });
    }

    /// The last write ends.
    pub fn end(&mut self, fate: Fate) {
        if let Some(step) = self.steps.last_mut() {
            step.fate = fate;
        }
    }

    /// Checks what a client saw or a copy holds. `since_us` is when the look began; `lossy`: acknowledged writes may be gone.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self, seen: Option<u64>, since_us: u64, lossy: bool) -> Result<(), String> {
        let done = |step: &Step| matches!(step.fate, Fate::Acknowledged { at_us, .. } if at_us < since_us);
        let last = if lossy { None } else { self.steps.iter().rposition(done) };
        let tried = self.steps.iter().skip(last.unwrap_or(0)).filter(|step| step.fate != Fate::Refused);
        let base = last.is_none().then_some((self.base, self.base_fades));
        let mut allowed = tried.map(|step| (step.value, step.fades)).chain(base);
        // A part of a cluster may hold no copy at all.
        if lossy && seen.is_none() || allowed.any(|(value, fades)| value == seen || fades && seen.is_none()) {
            return Ok(());
        }
        Err(format!("it holds {seen:?}, base {:?}, writes {:?}", self.base, self.steps))
    }

    /// All copies hold this: it is what counts from now on.
    pub fn settle(&mut self, held: Option<u64>) {
        let of_held = self.steps.iter().filter(|step| step.value == held && step.fate != Fate::Refused);
        let fades = of_held.map(|step| step.fades).next_back();
        self.base_fades = fades.unwrap_or(self.base_fades && self.base == held);
        self.base = held;
        self.steps.clear();
    }
}

/// The digest of a register.
#[must_use]
pub fn digest(register: usize) -> Digest {
    Digest::of(SET.as_bytes(), 1, &(register as u64).to_be_bytes())
}

/// The info command that makes an index over all registers.
#[must_use]
pub fn index_command() -> String {
    format!("sindex-create:namespace={NAMESPACE};set={SET};indexname=numbers;bin=n;type=numeric")
}

/// The info command that truncates all registers.
#[must_use]
pub fn truncate_command() -> String {
    format!("truncate:namespace={NAMESPACE};set={SET}")
}

/// Writes one register, or deletes it. What `fades` expires after a second or two.
#[must_use]
pub fn write(register: usize, value: Option<u64>, fades: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let Digest(bytes) = digest(register);
    let key = Key::new(NAMESPACE, SET, &bytes);
    let record_ttl = if fades { FADING_S } else { u32::MAX };
    let header = Header { record_ttl, transaction_ttl: 1000, ..Header::default() };
    match value {
        Some(value) => {
            let number = value.to_be_bytes();
            let ops = [Op { code: op::WRITE, kind: 1, name: b"n", value: &number }];
            request::put(&mut out, &header, &key, &ops);
        }
        None => request::delete(&mut out, &header, &key),
    }
    out
}

/// Reads one register.
#[must_use]
pub fn read(register: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let Digest(bytes) = digest(register);
    request::get(&mut out, &Key::new(NAMESPACE, SET, &bytes), 1000);
    out
}

/// Writes several registers, or deletes them, in one request.
#[must_use]
pub fn write_many(writes: &[(usize, Option<u64>)]) -> Vec<u8> {
    let mut data = u32::try_from(writes.len()).unwrap_or(0).to_be_bytes().to_vec();
    data.push(batch::RESPOND_ALL_KEYS);
    for (index, (register, value)) in (0_u32..).zip(writes) {
        data.extend_from_slice(&index.to_be_bytes());
        data.extend_from_slice(&digest(*register).0);
        let bits = if value.is_some() { info2::WRITE } else { info2::WRITE | info2::DELETE };
        data.extend_from_slice(&[row::INFO | row::INFO4, 0, bits, 0, 0]);
        data.extend_from_slice(&2_u16.to_be_bytes());
        data.extend_from_slice(&u16::from(value.is_some()).to_be_bytes());
        reply::field(&mut data, field::NAMESPACE, NAMESPACE.as_bytes());
        reply::field(&mut data, field::SET, SET.as_bytes());
        if let Some(value) = value {
            reply::op(&mut data, op::WRITE, 1, b"n", &value.to_be_bytes());
        }
    }
    let header = Header { info1: info1::BATCH_INDEX, transaction_ttl: 1000, ..Header::default() };
    let mut out = Vec::new();
    request::message(&mut out, &header, &[(field::BATCH, &data)], &[]);
    out
}

/// What a client was told of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Nothing in time, or nothing that could be read.
    Nothing,
    /// Nobody was there.
    Nobody,
    /// This result; none when its number is unknown.
    Code(Option<ResultCode>),
}

/// What was told of so many writes by the answer to [`write_many`], or to [`write`].
#[must_use]
pub fn told(frames: Option<&[u8]>, count: usize) -> Vec<Told> {
    let mut told = vec![Told::Nothing; count];
    let Some(frames) = frames else { return told };
    if frames.is_empty() {
        return vec![Told::Nobody; count];
    }
    if count == 1 {
        return vec![answered(frames).map_or(Told::Nothing, |answer| Told::Code(answer.code))];
    }
    let mut rest = frames;
    while let Cut::Frame { frame, consumed } = frame::cut(rest, &Limits::default()) {
        for (message, _) in messages_with_bytes(frame.body).map_while(Result::ok) {
            let index = usize::try_from(message.header.transaction_ttl).unwrap_or(usize::MAX);
            if let Some(place) = told.get_mut(index).filter(|_| !message.is_last()) {
                *place = Told::Code(message.result());
            }
        }
        rest = rest.get(consumed..).unwrap_or_default();
    }
    told
}

/// The number in an answer to [`read`]; an error when there is no answer to learn from.
#[allow(clippy::result_unit_err, reason = "there is nothing to say")]
pub fn number(frames: &[u8]) -> Result<Option<u64>, ()> {
    let Cut::Frame { frame, .. } = frame::cut(frames, &Limits::default()) else { return Err(()) };
    let response = shipload_wire::Response::decode(frame.body).map_err(drop)?;
    match response.result() {
        Some(ResultCode::NotFound) => Ok(None),
        Some(ResultCode::Ok) => {
            let bin = response.ops.clone().find(|op| op.name == b"n").ok_or(())?;
            Ok(Some(u64::from_be_bytes(bin.value.try_into().map_err(drop)?)))
        }
        _ => Err(()),
    }
}

/// The number in a register's image as it travels between nodes.
#[must_use]
pub fn number_of_image(image: &[u8]) -> Option<u64> {
    let set = usize::from(*image.get(15)?);
    let [0, 1, 0, 1, b'n', 1, rest @ ..] = image.get(16 + set..)? else { return None };
    Some(u64::from_be_bytes(rest.get(4..)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::Register;
    use crate::ledger::Fate;

    #[test]
    fn a_register_holds_the_last_acknowledged_write_or_a_later_one() {
        let mut register = Register { base: Some(1), ..Register::default() };
        assert!(register.check(Some(1), 9, false).is_ok() && register.check(None, 9, false).is_err());
        register.begin(None, false);
        assert!(register.check(Some(1), 9, false).is_ok() && register.check(None, 9, false).is_ok());
        register.end(Fate::Acknowledged { at_us: 5, generation: 0 });
        assert!(register.check(Some(1), 9, false).is_err() && register.check(None, 9, false).is_ok());
        assert!(register.check(Some(1), 9, true).is_ok());
        register.begin(Some(2), false);
        register.end(Fate::Doubtful);
        assert!(register.check(Some(2), 9, false).is_ok() && register.check(None, 9, false).is_ok());
        register.begin(Some(3), false);
        register.end(Fate::Refused);
        assert!(register.check(Some(3), 9, true).is_err());
    }

    #[test]
    fn what_fades_may_be_gone_and_brings_nothing_older_back() {
        let mut register = Register { base: Some(1), ..Register::default() };
        register.begin(Some(2), true);
        register.end(Fate::Acknowledged { at_us: 5, generation: 0 });
        assert!(register.check(Some(2), 9, false).is_ok() && register.check(None, 9, false).is_ok());
        assert!(register.check(Some(1), 9, false).is_err());
        register.settle(Some(2));
        assert!(register.check(None, 9, false).is_ok());
        register.settle(None);
        assert!(register.check(Some(2), 9, false).is_err());
    }
}
