//! One operation after the other, on a draft.

use super::draft::Draft;
use super::view::{DraftView, Header, clock};
use super::{Answer, Command, cdt, refuse};
use crate::now::Now;
use crate::worker::Scratch;
use shipload_value::expr::operation::{ExpModify, ExpRead};
use shipload_value::{Refusal, number, text};
use shipload_wire::Op;
use shipload_wire::bits::{info1, op};
use shipload_wire::code::ResultCode;

/// A draft with what its operations need to know about the record and the command.
pub(super) struct Work<'w> {
    draft: &'w mut Draft,
    header: &'w Header<'w>,
    key: Option<shipload_store::KeyRef<'w>>,
    all_bins: bool,
    now: Now,
}

impl<'w> Work<'w> {
    /// Work on the bins that `scratch` holds.
    pub(super) fn new(
        command: &Command<'_>,
        scratch: &'w mut Scratch,
        header: &'w Header<'w>,
        now: Now,
    ) -> Work<'w> {
        let all_bins = command.has1(info1::GET_ALL);
        let (draft, key) = scratch.parts();
        Work { draft, header, key, all_bins, now }
    }

    /// Applies one operation and appends what it answers.
    ///
    /// # Errors
    /// The result code of the whole command.
    pub(super) fn apply(&mut self, op: &Op<'_>, answer: &mut Answer<'_>) -> Result<(), ResultCode> {
        match op.code {
            op::READ if self.all_bins && op.name.is_empty() => self.read_all(answer),
            op::READ => answer.maybe(op.code, op.name, self.draft.get(op.name)),
            op::WRITE => self.change(op, answer, |draft| draft.write(op.name, op.kind, op.value)),
            op::INCR => self.change(op, answer, |draft| {
                let sum = number::increment(draft.get(op.name), op.kind, op.value)?;
                draft.set(op.name, &sum)
            }),
            op::APPEND => self.change(op, answer, |draft| {
                let joined = text::append(draft.get(op.name), op.kind, op.value)?;
                draft.set(op.name, &joined)
            }),
            op::PREPEND => self.change(op, answer, |draft| {
                let joined = text::prepend(draft.get(op.name), op.kind, op.value)?;
                draft.set(op.name, &joined)
            }),
            // A touch has no result, not even when the client asks for one per operation.
            op::TOUCH => Ok(()),
            op::DELETE => self.change(op, answer, |draft| {
                draft.clear_bins();
                Ok(())
            }),
            op::EXP_READ | op::EXP_MODIFY => self.evaluate(op, answer),
            _ => self.inside(op, answer),
        }
    }

    fn change(
        &mut self,
        op: &Op<'_>,
        answer: &mut Answer<'_>,
        change: impl FnOnce(&mut Draft) -> Result<(), Refusal>,
    ) -> Result<(), ResultCode> {
        change(self.draft).map_err(refuse::value)?;
        answer.maybe(op.code, op.name, None)
    }

    fn read_all(&self, answer: &mut Answer<'_>) -> Result<(), ResultCode> {
        self.draft.iter().try_for_each(|bin| answer.value(op::READ, bin.name, bin.particle()))
    }

    /// Works inside the value of one bin.
    fn inside(&mut self, op: &Op<'_>, answer: &mut Answer<'_>) -> Result<(), ResultCode> {
        let view = DraftView { draft: self.draft, header: self.header, key: self.key };
        let clock = clock(self.now);
        if let Some(value) = cdt::read(op, &view, clock) {
            let value = value.map_err(refuse::value)?;
            return answer.maybe(op.code, op.name, value.as_ref().map(|value| value.as_particle()));
        }
        let modified = cdt::modify(op, &view, clock).ok_or(ResultCode::Parameter)?.map_err(refuse::value)?;
        self.draft.apply(op.name, &modified.bin).map_err(refuse::value)?;
        answer.maybe(op.code, op.name, modified.result.as_ref().map(|value| value.as_particle()))
    }

    fn evaluate(&mut self, op: &Op<'_>, answer: &mut Answer<'_>) -> Result<(), ResultCode> {
        let view = DraftView { draft: self.draft, header: self.header, key: self.key };
        let clock = clock(self.now);
        if op.code == op::EXP_READ {
            let value = ExpRead::compile(op.value).and_then(|read| read.run(&view, clock));
            let value = value.map_err(refuse::value)?;
            return answer.maybe(op.code, op.name, value.as_ref().map(|value| value.as_particle()));
        }
        let exists = self.draft.get(op.name).is_some();
        let change = ExpModify::compile(op.value).and_then(|modify| modify.run(&view, clock, exists));
        let change = change.map_err(refuse::value)?;
        self.draft.apply(op.name, &change).map_err(refuse::value)?;
        answer.maybe(op.code, op.name, None)
    }
}
