//! The two operations that carry an expression: reading its value, and writing it to a bin.
//!
//! Their payload is an array of the expression and flags; the flags may be missing. Source: `guide/protocol.md` parts
//! 6.6 and 12.4.

#[cfg(test)]
mod operation_tests;

use super::{Clock, Program, RecordView, Unknown};
use crate::cdt::Change;
use crate::msgpack::Reader;
use crate::{OwnedParticle, Refusal};

/// Write flag: the bin must not exist.
const CREATE_ONLY: i64 = 1;
/// Write flag: the bin must exist.
const UPDATE_ONLY: i64 = 2;
/// Write flag: nil deletes the bin.
const ALLOW_DELETE: i64 = 4;
/// Write flag: what the flags above forbid is not done, without an error.
const POLICY_NO_FAIL: i64 = 8;
/// Read and write flag: an unknown value is not an error.
const EVAL_NO_FAIL: i64 = 16;

const READ_FLAGS: i64 = EVAL_NO_FAIL;
const WRITE_FLAGS: i64 = CREATE_ONLY | UPDATE_ONLY | ALLOW_DELETE | POLICY_NO_FAIL | EVAL_NO_FAIL;

/// An operation that answers the value of an expression.
#[derive(Debug)]
pub struct ExpRead {
    program: Program,
    flags: i64,
}

/// An operation that stores the value of an expression in a bin.
#[derive(Debug)]
pub struct ExpModify {
    program: Program,
    flags: i64,
}

impl ExpRead {
    /// Compiles the payload of an operation.
    pub fn compile(payload: &[u8]) -> Result<ExpRead, Refusal> {
        let (program, flags) = parse(payload, READ_FLAGS)?;
        Ok(ExpRead { program, flags })
    }

    /// The answer for a record; none is nil.
    pub fn run(&self, record: &dyn RecordView, now: Clock) -> Result<Option<OwnedParticle>, Refusal> {
        match self.program.evaluate(record, now) {
            Ok(value) => Ok(value),
            Err(Unknown) if self.flags & EVAL_NO_FAIL != 0 => Ok(None),
            Err(Unknown) => Err(Refusal::NotApplicable),
        }
    }
}

impl ExpModify {
    /// Compiles the payload of an operation.
    pub fn compile(payload: &[u8]) -> Result<ExpModify, Refusal> {
        let (program, flags) = parse(payload, WRITE_FLAGS)?;
        Ok(ExpModify { program, flags })
    }

    /// What becomes of the bin, which now exists or not.
    pub fn run(&self, record: &dyn RecordView, now: Clock, exists: bool) -> Result<Change, Refusal> {
        if exists && self.has(CREATE_ONLY) {
            return self.forbidden(Refusal::BinExists);
        }
        if !exists && self.has(UPDATE_ONLY) {
            return self.forbidden(Refusal::BinNotFound);
        }
        match self.program.evaluate(record, now) {
            Ok(Some(value)) => Ok(Change::Set(value)),
            Ok(None) if !exists => Ok(Change::Keep),
            Ok(None) if self.has(ALLOW_DELETE) => Ok(Change::Remove),
            Ok(None) if self.has(EVAL_NO_FAIL) => Ok(Change::Keep),
            Ok(None) => self.forbidden(Refusal::NotApplicable),
            Err(Unknown) if self.has(EVAL_NO_FAIL) => Ok(Change::Keep),
            Err(Unknown) => Err(Refusal::NotApplicable),
        }
    }

    fn has(&self, flag: i64) -> bool {
        self.flags & flag != 0
    }

    fn forbidden(&self, refusal: Refusal) -> Result<Change, Refusal> {
        if self.has(POLICY_NO_FAIL) { Ok(Change::Keep) } else { Err(refusal) }
    }
}

/// The expression and the flags of a payload.
fn parse(payload: &[u8], known_flags: i64) -> Result<(Program, i64), Refusal> {
    let bad = |_| Refusal::Parameter;
    let mut reader = Reader::new(payload);
    let count = reader.array_head().map_err(bad)?;
    let flags_follow = match count {
        1 => false,
        2 => true,
        _ => return Err(Refusal::Parameter),
    };
    let program = Program::compile(reader.take().map_err(bad)?)?;
    let flags = if flags_follow { reader.int().map_err(bad)? } else { 0 };
    if flags & !known_flags != 0 { Err(Refusal::Parameter) } else { Ok((program, flags)) }
}
