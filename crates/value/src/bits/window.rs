//! Runs of bits: taken out, put back, moved, counted.
//!
//! A run that is taken out is left-aligned: its first bit is the most significant one of its first byte, and what
//! is left of the last byte is zero.

use super::Window;

/// The bits of a window, left-aligned.
pub(super) fn extract(blob: &[u8], window: Window) -> Vec<u8> {
    let (first, shift) = (window.offset / 8, window.offset % 8);
    let bytes = window.size.div_ceil(8);
    let at = |index: usize| u16::from(blob.get(index).copied().unwrap_or(0));
    let mut bits: Vec<u8> = (first..first.saturating_add(bytes))
        .map(|index| high_byte((at(index) << 8 | at(index.saturating_add(1))) << shift))
        .collect();
    mask_tail(&mut bits, window.size);
    bits
}

/// Puts left-aligned bits into a window.
pub(super) fn deposit(blob: &mut [u8], window: Window, bits: &[u8]) {
    let (first, shift) = (window.offset / 8, window.offset % 8);
    let mut masks = vec![0xff; window.size.div_ceil(8)];
    mask_tail(&mut masks, window.size);
    for (number, (new, mask)) in bits.iter().zip(masks).enumerate() {
        let (new, mask) = ((u16::from(*new) << 8) >> shift, (u16::from(mask) << 8) >> shift);
        let index = first.saturating_add(number);
        blend(blob.get_mut(index), high_byte(new), high_byte(mask));
        blend(blob.get_mut(index.saturating_add(1)), low_byte(new), low_byte(mask));
    }
}

/// Left-aligned bits moved inside their run; what comes in is zero.
pub(super) fn shift(bits: &[u8], size: usize, left: bool, by: usize) -> Vec<u8> {
    let mut shifted = vec![0; bits.len()];
    if by < size {
        let kept = size.saturating_sub(by);
        let (from, to) = if left { (by, 0) } else { (0, by) };
        let moved = extract(bits, Window { offset: from, size: kept });
        deposit(&mut shifted, Window { offset: to, size: kept }, &moved);
    }
    shifted
}

/// How many left-aligned bits are set.
pub(super) fn count(bits: &[u8]) -> i64 {
    bits.iter().map(|byte| i64::from(byte.count_ones())).sum()
}

/// The position of the first bit of this value, or -1.
pub(super) fn first(bits: &[u8], size: usize, wanted: bool) -> i64 {
    let sought = |byte: &u8| if wanted { *byte } else { !*byte };
    let found = bits.iter().map(sought).enumerate().find(|(_, byte)| *byte != 0);
    let position = found.map(|(index, byte)| position(index, byte.leading_zeros()));
    position.filter(|position| *position < size).map_or(-1, signed)
}

/// The position of the last bit of this value, or -1.
pub(super) fn last(bits: &[u8], size: usize, wanted: bool) -> i64 {
    let mut masks = vec![0xff; bits.len()];
    mask_tail(&mut masks, size);
    let sought = |(byte, mask): (&u8, &u8)| (if wanted { *byte } else { !*byte }) & mask;
    let found = bits.iter().zip(&masks).map(sought).enumerate().rfind(|(_, byte)| *byte != 0);
    let position = found.map(|(index, byte)| position(index, 7_u32.saturating_sub(byte.trailing_zeros())));
    position.map_or(-1, signed)
}

/// Clears what is behind the last bit of the run.
fn mask_tail(bits: &mut [u8], size: usize) {
    let used = size % 8;
    if let Some(last) = bits.last_mut().filter(|_| used != 0) {
        *last &= !(0xff >> used);
    }
}

/// Replaces the masked bits of a byte, if there is one.
fn blend(byte: Option<&mut u8>, new: u8, mask: u8) {
    if let Some(byte) = byte {
        *byte = *byte & !mask | new & mask;
    }
}

fn position(index: usize, bit: u32) -> usize {
    index.saturating_mul(8).saturating_add(usize::try_from(bit).unwrap_or(0))
}

fn signed(position: usize) -> i64 {
    i64::try_from(position).unwrap_or(i64::MAX)
}

fn high_byte(value: u16) -> u8 {
    let [high, _] = value.to_be_bytes();
    high
}

fn low_byte(value: u16) -> u8 {
    let [_, low] = value.to_be_bytes();
    low
}
