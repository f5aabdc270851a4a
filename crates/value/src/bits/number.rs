//! Runs of at most 64 bits as numbers.

use super::{MAX_NUMBER_BITS, Window, window};
use crate::Refusal;

const SIGNED: u64 = 1;
const SATURATE: u64 = 2;
const WRAP: u64 = 4;

/// Left-aligned bits as a number.
pub(super) fn value(bits: &[u8], size: usize, signed: bool) -> i64 {
    let value = raw(bits, size);
    if signed { sign_extended(value, size) } else { value.cast_signed() }
}

/// The lowest bits of a number, left-aligned.
pub(super) fn bits(value: u64, size: usize) -> Vec<u8> {
    let offset = MAX_NUMBER_BITS.saturating_sub(size);
    window::extract(&value.to_be_bytes(), Window { offset, size })
}

/// The sum of left-aligned bits and a number of the same width. Taking away is adding the negative number.
pub(super) fn sum(bits: &[u8], size: usize, value: i64, negative: bool, action: u64) -> Result<u64, Refusal> {
    let on_overflow = action & !SIGNED;
    if on_overflow & !(SATURATE | WRAP) != 0 || on_overflow == SATURATE | WRAP {
        return Err(Refusal::Parameter);
    }
    let (old, mask) = (raw(bits, size), mask(size));
    let signed = action & SIGNED != 0;
    let (sum, least, most) = if signed {
        let delta = if negative { value.wrapping_neg() } else { value };
        let delta = sign_extended(delta.cast_unsigned() & mask, size);
        let most = i128::from(mask >> 1);
        let sum = i128::from(sign_extended(old, size)).saturating_add(i128::from(delta));
        (sum, most.saturating_neg().saturating_sub(1), most)
    } else {
        let delta = i128::from(value.cast_unsigned() & mask);
        let delta = if negative { delta.saturating_neg() } else { delta };
        (i128::from(old).saturating_add(delta), 0, i128::from(mask))
    };
    let sum = match on_overflow {
        SATURATE => sum.clamp(least, most),
        WRAP => sum,
        _ if sum < least || sum > most => return Err(Refusal::NotApplicable),
        _ => sum,
    };
    Ok(low_bits(sum) & mask)
}

/// Left-aligned bits as a number without a sign.
fn raw(bits: &[u8], size: usize) -> u64 {
    let mut bytes = [0; 8];
    for (byte, bits) in bytes.iter_mut().zip(bits) {
        *byte = *bits;
    }
    let unused = u32::try_from(MAX_NUMBER_BITS.saturating_sub(size)).unwrap_or(0);
    u64::from_be_bytes(bytes).checked_shr(unused).unwrap_or(0)
}

/// A number of this many bits whose first bit is the sign.
fn sign_extended(value: u64, size: usize) -> i64 {
    let unused = u32::try_from(MAX_NUMBER_BITS.saturating_sub(size)).unwrap_or(0);
    value.checked_shl(unused).unwrap_or(0).cast_signed().checked_shr(unused).unwrap_or(0)
}

/// All bits of a number of this size.
fn mask(size: usize) -> u64 {
    let unused = u32::try_from(MAX_NUMBER_BITS.saturating_sub(size)).unwrap_or(0);
    u64::MAX.checked_shr(unused).unwrap_or(0)
}

/// The lowest 64 bits.
fn low_bits(value: i128) -> u64 {
    let [_, _, _, _, _, _, _, _, low @ ..] = value.to_be_bytes();
    u64::from_be_bytes(low)
}
