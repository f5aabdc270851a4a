//! What kind of command a request is, and whether its bits and operations fit together.
//!
//! Everything here is decided without looking at a record. Source: `guide/protocol.md` parts 3.1, 3.2 and 12.2.

use super::Command;
use super::draft::is_bin_name;
use shipload_wire::bits::{info1, info2, info3, info4, op};
use shipload_wire::code::ResultCode;
use shipload_wire::{Op, Ops};

/// The longest set name.
pub(crate) const SET_NAME_MAX: usize = 63;

/// What a command does, as statistics and histograms tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Reads only.
    Read,
    /// Writes, perhaps with reads among the operations.
    Write,
    /// Deletes the record.
    Delete,
    /// Calls a function.
    Udf,
}

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Read,
    /// Sets a bin whatever was there.
    Write,
    /// Works on the old bin or record.
    Modify,
}

fn effect(op: &Op<'_>) -> Option<Effect> {
    Some(match op.code {
        op::READ
        | op::CDT_READ
        | op::EXP_READ
        | op::BIT_READ
        | op::HLL_READ
        | op::STRING_READ
        | op::TO_STRING => Effect::Read,
        op::WRITE if op.kind == 0 => Effect::Modify,
        op::WRITE | op::EXP_MODIFY => Effect::Write,
        op::CDT_MODIFY
        | op::INCR
        | op::APPEND
        | op::PREPEND
        | op::TOUCH
        | op::BIT_MODIFY
        | op::DELETE
        | op::HLL_MODIFY
        | op::STRING_MODIFY => Effect::Modify,
        _ => return None,
    })
}

/// The kind that a refused command is counted as.
pub(crate) fn presumed(command: &Command<'_>) -> Kind {
    if command.has2(info2::DELETE) {
        Kind::Delete
    } else if command.has2(info2::WRITE) {
        Kind::Write
    } else {
        Kind::Read
    }
}

/// The kind of a command whose parts fit together.
///
/// # Errors
/// The result code that the real server answers, whatever record is meant.
pub(crate) fn classify(command: &Command<'_>) -> Result<Kind, ResultCode> {
    let read = command.has1(info1::READ);
    let write = command.has2(info2::WRITE);
    if command.set.len() > SET_NAME_MAX {
        return Err(if write { ResultCode::Parameter } else { ResultCode::NotFound });
    }
    if command.fields.key == Some(&[]) {
        return Err(ResultCode::UnsupportedFeature);
    }
    let stray_read_bits = command.has1(info1::GET_ALL | info1::GET_NOBINDATA) && !read;
    if (!read && !write) || stray_read_bits || (command.has2(info2::DELETE) && !write) {
        return Err(ResultCode::Parameter);
    }
    refuse_enterprise(command, write)?;
    if write && command.has2(info2::DELETE) {
        return Ok(Kind::Delete);
    }
    if write && command.fields.udf_package.is_some() {
        let whole = command.fields.udf_function.is_some() && command.fields.udf_args.is_some();
        return if whole { Ok(Kind::Udf) } else { Err(ResultCode::Parameter) };
    }
    let wanted = check_ops(command.ops.clone(), read, write)?;
    if write { classify_write(command, &wanted) } else { Ok(Kind::Read) }
}

/// Transactions, linearized reads and tombstones belong to consistent namespaces, which this node doesn't have.
fn refuse_enterprise(command: &Command<'_>, write: bool) -> Result<(), ResultCode> {
    let txn_bits = info4::TXN_VERIFY_READ | info4::TXN_ROLL_FORWARD | info4::TXN_ROLL_BACK;
    let linearize = command.has3(info3::SC_READ_TYPE) && !command.has3(info3::SC_READ_RELAX) && !write;
    let durable_delete = command.has2(info2::DELETE) && command.has2(info2::DURABLE_DELETE);
    if command.fields.in_transaction() || command.info4 & txn_bits != 0 || linearize || durable_delete {
        return Err(ResultCode::EnterpriseOnly);
    }
    Ok(())
}

/// What the operations of a command ask for, taken together.
#[derive(Debug, Default)]
struct Wanted {
    reads: bool,
    modifies: bool,
}

fn check_ops(ops: Ops<'_>, read: bool, write: bool) -> Result<Wanted, ResultCode> {
    let mut wanted = Wanted::default();
    for op in ops {
        let effect = effect(&op).ok_or(ResultCode::Parameter)?;
        let allowed = match effect {
            Effect::Read => read,
            Effect::Write | Effect::Modify => write,
        };
        if !allowed {
            return Err(ResultCode::Parameter);
        }
        if !is_bin_name(op.name) {
            return Err(ResultCode::BinName);
        }
        wanted.reads |= effect == Effect::Read;
        wanted.modifies |= effect == Effect::Modify;
    }
    Ok(wanted)
}

fn classify_write(command: &Command<'_>, wanted: &Wanted) -> Result<Kind, ResultCode> {
    let all_bins = command.has1(info1::GET_ALL);
    let replaces = command.has3(info3::CREATE_OR_REPLACE | info3::REPLACE_ONLY);
    let refused = command.ops.is_empty()
        || (all_bins && (command.has2(info2::RESPOND_ALL_OPS) || !wanted.reads))
        || (replaces && wanted.modifies);
    if refused { Err(ResultCode::Parameter) } else { Ok(Kind::Write) }
}

/// Whether a command's operations are all writes, as a background query needs them.
pub(crate) fn only_writes(ops: Ops<'_>) -> bool {
    !ops.is_empty() && ops.into_iter().all(|op| !matches!(effect(&op), None | Some(Effect::Read)))
}

/// Whether a query's operations are all reads with fitting names.
///
/// # Errors
/// 4 for anything that writes or is unknown, 21 for a bad bin name.
pub(crate) fn check_projection(ops: Ops<'_>) -> Result<(), ResultCode> {
    check_ops(ops, true, false).map(|_| ())
}
