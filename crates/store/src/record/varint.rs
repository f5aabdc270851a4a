//! Lengths in one to four bytes: seven bits a byte, low bits first, the top bit says that more follow.
//!
//! Four bytes reach 256 MiB, far above the largest record, so a fifth byte is refused.

use crate::error::CorruptRecord;

/// The largest value.
pub(crate) const MAX: usize = (1 << 28) - 1;

/// How many bytes `value` takes.
#[inline]
pub(crate) fn size(value: usize) -> usize {
    match value {
        0..=0x7f => 1,
        0x80..=0x3fff => 2,
        0x4000..=0x1f_ffff => 3,
        _ => 4,
    }
}

/// Writes `value`, at most [`MAX`], and tells how many bytes of the result are used.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "each byte takes seven bits on purpose")]
pub(crate) fn encode(value: usize) -> ([u8; 4], usize) {
    debug_assert!(value <= MAX);
    let length = size(value);
    let mut bytes = [value as u8, (value >> 7) as u8, (value >> 14) as u8, (value >> 21) as u8];
    for (index, byte) in bytes.iter_mut().enumerate() {
        let more = index.saturating_add(1) < length;
        *byte = if more { *byte | 0x80 } else { *byte & 0x7f };
    }
    (bytes, length)
}

/// Reads a value from the front of `rest`.
#[inline]
pub(crate) fn take(rest: &mut &[u8]) -> Result<u32, CorruptRecord> {
    let mut value = 0u32;
    for shift in [0u32, 7, 14, 21] {
        let (&byte, tail) = rest.split_first().ok_or(CorruptRecord::Truncated)?;
        *rest = tail;
        value |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(CorruptRecord::Field)
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests may fail loudly")]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_at_their_announced_size() {
        for value in [0, 1, 127, 128, 16383, 16384, (1 << 21) - 1, 1 << 21, MAX] {
            let (bytes, length) = encode(value);
            assert_eq!(length, size(value));
            let mut rest = &bytes[..length];
            assert_eq!(take(&mut rest), Ok(u32::try_from(value).unwrap()));
            assert!(rest.is_empty());
            assert_eq!(take(&mut &bytes[..length - 1]), Err(CorruptRecord::Truncated));
        }
        assert_eq!(take(&mut &[0xff; 5][..]), Err(CorruptRecord::Field));
    }
}
