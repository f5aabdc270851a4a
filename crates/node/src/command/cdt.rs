//! Operations inside values: lists and maps, bits, HLLs, strings.

use super::view::DraftView;
use shipload_value::cdt::{self, Modified};
use shipload_value::expr::{Clock, RecordView as _};
use shipload_value::{OwnedParticle, Refusal, bits, hll, strings};
use shipload_wire::Op;
use shipload_wire::bits::op;

/// Runs a reading operation; none for an operation that is no such one.
pub(super) fn read(
    op: &Op<'_>,
    view: &DraftView<'_>,
    clock: Clock,
) -> Option<Result<Option<OwnedParticle>, Refusal>> {
    let bin = view.bin(op.name);
    Some(match op.code {
        op::CDT_READ => cdt::read_in(bin, op.value, view, clock),
        op::BIT_READ => bits::read(bin, op.value),
        op::HLL_READ => hll::read(bin, op.value),
        op::STRING_READ => strings::read(bin, op.value),
        op::TO_STRING => strings::to_string(bin),
        _ => return None,
    })
}

/// Runs a modifying operation; none for an operation that is no such one.
pub(super) fn modify(op: &Op<'_>, view: &DraftView<'_>, clock: Clock) -> Option<Result<Modified, Refusal>> {
    let bin = view.bin(op.name);
    Some(match op.code {
        op::CDT_MODIFY => cdt::modify_in(bin, op.value, view, clock),
        op::BIT_MODIFY => bits::modify(bin, op.value),
        op::HLL_MODIFY => hll::modify(bin, op.value),
        op::STRING_MODIFY => strings::modify(bin, op.value),
        _ => return None,
    })
}
