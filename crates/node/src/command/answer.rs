//! The operations of an answer, appended while the command runs.

use super::Command;
use shipload_value::Particle;
use shipload_wire::bits::{info2, op};
use shipload_wire::code::ResultCode;
use shipload_wire::reply;

/// An answer may not grow above this: clients give up above 120 MiB.
const ANSWER_MAX: usize = 100 << 20;

/// The part of an answer after its header.
#[derive(Debug)]
pub(crate) struct Answer<'o> {
    out: &'o mut Vec<u8>,
    start: usize,
    count: u16,
    all_ops: bool,
    /// Operation code of every value, instead of the request's.
    code: Option<u8>,
}

impl<'o> Answer<'o> {
    /// An answer to `command` whose header has just been appended to `out`.
    pub(crate) fn new(out: &'o mut Vec<u8>, command: &Command<'_>) -> Answer<'o> {
        let start = out.len();
        Answer { out, start, count: 0, all_ops: command.has2(info2::RESPOND_ALL_OPS), code: None }
    }

    /// The same, but every value is answered as a plain read: so do read rows of batches, and queries.
    pub(crate) fn into_reads(self) -> Answer<'o> {
        Answer { code: Some(op::READ), ..self }
    }

    /// How many operations it holds.
    pub(crate) fn count(&self) -> u16 {
        self.count
    }

    /// Takes all operations back.
    pub(crate) fn clear(&mut self) {
        self.out.truncate(self.start);
        self.count = 0;
    }

    /// Appends a value.
    ///
    /// # Errors
    /// 13 when the answer would become too large for any client.
    pub(crate) fn value(&mut self, code: u8, name: &[u8], value: Particle<'_>) -> Result<(), ResultCode> {
        if self.out.len() - self.start + value.bytes.len() > ANSWER_MAX || self.count == u16::MAX {
            return Err(ResultCode::RecordTooBig);
        }
        reply::op(self.out, self.code.unwrap_or(code), value.kind.number(), name, value.bytes);
        self.count += 1;
        Ok(())
    }

    /// Appends a result of a function, which may be nil.
    ///
    /// # Errors
    /// As [`Answer::value`].
    pub(crate) fn result(&mut self, name: &[u8], value: Option<Particle<'_>>) -> Result<(), ResultCode> {
        if let Some(value) = value {
            return self.value(op::READ, name, value);
        }
        reply::op(self.out, op::READ, 0, name, b"");
        self.count += 1;
        Ok(())
    }

    /// Appends a value, or what stands for no value: nil when the client wants one result per operation.
    ///
    /// # Errors
    /// As [`Answer::value`].
    pub(crate) fn maybe(
        &mut self,
        code: u8,
        name: &[u8],
        value: Option<Particle<'_>>,
    ) -> Result<(), ResultCode> {
        match value {
            Some(value) => self.value(code, name, value),
            None if self.all_ops && self.count < u16::MAX => {
                reply::op(self.out, self.code.unwrap_or(code), 0, name, b"");
                self.count += 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}
