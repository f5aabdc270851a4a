//! Which operands an arithmetic operation takes, and what it gives.

use super::Kind;
use super::node::NumberOp;
use crate::Refusal;

/// The operation with this code, if it is one.
pub(super) fn number_op(code: i64) -> Option<NumberOp> {
    use NumberOp as N;
    Some(match code {
        20 => N::Add,
        21 => N::Sub,
        22 => N::Mul,
        23 => N::Div,
        24 => N::Pow,
        25 => N::Log,
        26 => N::Mod,
        27 => N::Abs,
        28 => N::Floor,
        29 => N::Ceil,
        30 => N::ToInt,
        31 => N::ToFloat,
        32 => N::And,
        33 => N::Or,
        34 => N::Xor,
        35 => N::Not,
        36 => N::ShiftLeft,
        37 => N::ShiftRight,
        38 => N::ShiftRightSigned,
        39 => N::Count,
        40 => N::ScanLeft,
        41 => N::ScanRight,
        50 => N::Min,
        51 => N::Max,
        _ => return None,
    })
}

/// Checks the operands' types and gives the result's.
pub(super) fn result(op: NumberOp, operands: &[Kind]) -> Result<Kind, Refusal> {
    use NumberOp as N;
    match op {
        N::Add | N::Sub | N::Mul | N::Div | N::Min | N::Max => same_number(operands),
        N::Abs => match operands {
            [_] => same_number(operands),
            _ => Err(Refusal::Parameter),
        },
        N::Pow | N::Log => exactly(operands, &[Kind::Float, Kind::Float], Kind::Float),
        N::Mod | N::ShiftLeft | N::ShiftRight | N::ShiftRightSigned => {
            exactly(operands, &[Kind::Int, Kind::Int], Kind::Int)
        }
        N::Floor | N::Ceil => exactly(operands, &[Kind::Float], Kind::Float),
        N::ToInt => exactly(operands, &[Kind::Float], Kind::Int),
        N::ToFloat => exactly(operands, &[Kind::Int], Kind::Float),
        N::Not | N::Count => exactly(operands, &[Kind::Int], Kind::Int),
        N::ScanLeft | N::ScanRight => exactly(operands, &[Kind::Int, Kind::Bool], Kind::Int),
        N::And | N::Or | N::Xor => match same_number(operands)? {
            kind if kind.fits(Kind::Int) => Ok(Kind::Int),
            _ => Err(Refusal::Parameter),
        },
    }
}

/// At least one operand, all integers or all floats.
fn same_number(operands: &[Kind]) -> Result<Kind, Refusal> {
    let (first, rest) = operands.split_first().ok_or(Refusal::Parameter)?;
    let kind = rest.iter().try_fold(*first, |kind, next| kind.common(*next)).ok_or(Refusal::Parameter)?;
    if kind.fits(Kind::Int) || kind.fits(Kind::Float) { Ok(kind) } else { Err(Refusal::Parameter) }
}

fn exactly(operands: &[Kind], wanted: &[Kind], result: Kind) -> Result<Kind, Refusal> {
    let fits =
        operands.len() == wanted.len() && operands.iter().zip(wanted).all(|(kind, want)| kind.fits(*want));
    if fits { Ok(result) } else { Err(Refusal::Parameter) }
}
