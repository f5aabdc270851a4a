//! Arithmetic on integers and floats.
//!
//! Integers wrap; shift counts are taken modulo 64; dividing an integer by zero is unknown. Floats follow IEEE 754.
//! A float that does not fit an integer becomes the smallest one. Source: `guide/protocol.md` part 12.4.

use super::Unknown;
use super::node::NumberOp;
use super::value::Value;

/// Combines the result so far with the next integer.
type IntegerStep = fn(i64, i64) -> Result<i64, Unknown>;

/// The result of an operation on values; unknown when they do not have the types that it needs.
pub(super) fn apply<'r>(op: NumberOp, values: &[Value<'_>]) -> Result<Value<'r>, Unknown> {
    let (first, rest) = values.split_first().ok_or(Unknown)?;
    if let Value::Float(first) = first {
        return floats(op, *first, rest);
    }
    let first = first.int()?;
    if let [Value::Bool(bit)] = rest {
        scan(op, first, *bit).map(Value::Int)
    } else {
        integers(op, first, rest)
    }
}

fn integers<'r>(op: NumberOp, first: i64, rest: &[Value<'_>]) -> Result<Value<'r>, Unknown> {
    use NumberOp as N;
    let value = match (op, rest) {
        (N::Sub, []) => first.wrapping_neg(),
        (N::Div, []) => divide(1, first)?,
        (N::Abs, []) => first.wrapping_abs(),
        (N::Not, []) => !first,
        (N::Count, []) => i64::from(first.count_ones()),
        #[expect(clippy::cast_precision_loss, reason = "rounding to the nearest double is meant")]
        (N::ToFloat, []) => return Ok(Value::Float(first as f64)),
        (N::Mod, [by]) => modulo(first, by.int()?)?,
        (N::ShiftLeft, [by]) => first.wrapping_shl(shift(by.int()?)),
        (N::ShiftRight, [by]) => first.cast_unsigned().wrapping_shr(shift(by.int()?)).cast_signed(),
        (N::ShiftRightSigned, [by]) => first.wrapping_shr(shift(by.int()?)),
        _ => {
            let step = integer_step(op).ok_or(Unknown)?;
            rest.iter().try_fold(first, |sum, next| step(sum, next.int()?))?
        }
    };
    Ok(Value::Int(value))
}

/// What an operation with any number of operands does with the result so far and the next operand.
fn integer_step(op: NumberOp) -> Option<IntegerStep> {
    use NumberOp as N;
    Some(match op {
        N::Add => |sum, next| Ok(sum.wrapping_add(next)),
        N::Sub => |sum, next| Ok(sum.wrapping_sub(next)),
        N::Mul => |sum, next| Ok(sum.wrapping_mul(next)),
        N::Div => divide,
        N::Min => |sum, next| Ok(sum.min(next)),
        N::Max => |sum, next| Ok(sum.max(next)),
        N::And => |sum, next| Ok(sum & next),
        N::Or => |sum, next| Ok(sum | next),
        N::Xor => |sum, next| Ok(sum ^ next),
        N::Pow
        | N::Log
        | N::Mod
        | N::Abs
        | N::Floor
        | N::Ceil
        | N::ToInt
        | N::ToFloat
        | N::Not
        | N::ShiftLeft
        | N::ShiftRight
        | N::ShiftRightSigned
        | N::Count
        | N::ScanLeft
        | N::ScanRight => return None,
    })
}

/// Rounds toward zero; the one quotient that does not fit wraps to itself.
fn divide(dividend: i64, divisor: i64) -> Result<i64, Unknown> {
    if divisor == 0 { Err(Unknown) } else { Ok(dividend.checked_div(divisor).unwrap_or(dividend)) }
}

/// The remainder with the sign of the dividend.
fn modulo(dividend: i64, divisor: i64) -> Result<i64, Unknown> {
    if divisor == 0 { Err(Unknown) } else { Ok(dividend.checked_rem(divisor).unwrap_or_default()) }
}

/// The shift count modulo 64.
fn shift(by: i64) -> u32 {
    u32::try_from(by & 63).unwrap_or_default()
}

/// The position of the first bit with this value, counted from the most significant one; -1 without any.
fn scan(op: NumberOp, value: i64, bit: bool) -> Result<i64, Unknown> {
    let wanted = if bit { value } else { !value };
    if wanted == 0 {
        return Ok(-1);
    }
    if op == NumberOp::ScanLeft {
        Ok(i64::from(wanted.leading_zeros()))
    } else {
        Ok(63_i64.saturating_sub(i64::from(wanted.trailing_zeros())))
    }
}

fn floats<'r>(op: NumberOp, first: f64, rest: &[Value<'_>]) -> Result<Value<'r>, Unknown> {
    use NumberOp as N;
    let value = match (op, rest) {
        (N::Sub, []) => -first,
        (N::Div, []) => 1.0 / first,
        (N::Abs, []) => first.abs(),
        (N::Floor, []) => first.floor(),
        (N::Ceil, []) => first.ceil(),
        (N::ToInt, []) => return Ok(Value::Int(to_int(first))),
        (N::Pow, [by]) => first.powf(by.float()?),
        (N::Log, [base]) => first.ln() / base.float()?.ln(),
        _ => {
            let step = float_step(op).ok_or(Unknown)?;
            rest.iter().try_fold(first, |sum, next| Ok(step(sum, next.float()?)))?
        }
    };
    Ok(Value::Float(value))
}

fn float_step(op: NumberOp) -> Option<fn(f64, f64) -> f64> {
    use NumberOp as N;
    Some(match op {
        N::Add => |sum, next| sum + next,
        N::Sub => |sum, next| sum - next,
        N::Mul => |sum, next| sum * next,
        N::Div => |sum, next| sum / next,
        N::Min => |sum, next| if next < sum { next } else { sum },
        N::Max => |sum, next| if next > sum { next } else { sum },
        N::Pow
        | N::Log
        | N::Mod
        | N::Abs
        | N::Floor
        | N::Ceil
        | N::ToInt
        | N::ToFloat
        | N::And
        | N::Or
        | N::Xor
        | N::Not
        | N::ShiftLeft
        | N::ShiftRight
        | N::ShiftRightSigned
        | N::Count
        | N::ScanLeft
        | N::ScanRight => return None,
    })
}

/// Rounds toward zero; whatever does not fit becomes the smallest integer.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked first")]
fn to_int(value: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&value) { value as i64 } else { i64::MIN }
}
