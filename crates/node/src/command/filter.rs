//! Filter expressions: whether a command may happen on a record.

use super::refuse;
use super::view::{StoredView, clock};
use crate::now::Now;
use shipload_value::expr::{Program, Truth};
use shipload_wire::code::ResultCode;

/// Checks a filter against a stored record.
///
/// # Errors
/// 4 when the expression is malformed, 27 when it is not true.
pub(super) fn check(filter: Option<&[u8]>, view: &StoredView<'_, '_>, now: Now) -> Result<(), ResultCode> {
    let Some(packed) = filter else { return Ok(()) };
    match compile(packed)?.filter(view, clock(now)) {
        Truth::True => Ok(()),
        Truth::False | Truth::Unknown => Err(ResultCode::FilteredOut),
    }
}

/// Compiles a filter.
///
/// # Errors
/// 4 when the expression is malformed.
pub(crate) fn compile(packed: &[u8]) -> Result<Program, ResultCode> {
    Program::compile_filter(packed).map_err(refuse::value)
}
