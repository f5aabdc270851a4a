//! Checks the particle of a `HyperLogLog` that a client writes.
//!
//! Layout: flags (0), index bits, minhash bits, eight bytes that the HLL operations keep for themselves, then
//! 2^index registers of 6 + minhash bits each, packed. Sizes as published: 11 bytes plus the registers, rounded
//! up. The content of the registers is any.

use crate::Refusal;

/// Bytes before the registers.
pub const HEAD_SIZE: usize = 11;
/// Bits of a register that count leading zeros.
const RANK_BITS: u32 = 6;

/// Accepts a well-formed HLL particle, refuses anything else as a bad parameter.
pub fn check(bytes: &[u8]) -> Result<(), Refusal> {
    let [0, index_bits, minhash_bits, ..] = bytes else { return Err(Refusal::Parameter) };
    let size = size(*index_bits, *minhash_bits).ok_or(Refusal::Parameter)?;
    if size == bytes.len() { Ok(()) } else { Err(Refusal::Parameter) }
}

/// Bytes of an HLL with these many bits; none when the bits are out of range.
#[must_use]
pub fn size(index_bits: u8, minhash_bits: u8) -> Option<usize> {
    let minhash_fits = minhash_bits == 0 || (4..=51).contains(&minhash_bits);
    if !(4..=16).contains(&index_bits) || !minhash_fits || index_bits.checked_add(minhash_bits)? > 64 {
        return None;
    }
    let register_bits = RANK_BITS.checked_add(u32::from(minhash_bits))?;
    let bits = 1u32.checked_shl(u32::from(index_bits))?.checked_mul(register_bits)?;
    HEAD_SIZE.checked_add(usize::try_from(bits.div_ceil(8)).ok()?)
}

#[cfg(test)]
mod tests {
    use super::{check, size};
    use crate::Refusal;

    #[test]
    fn sizes_as_seen_on_a_real_server() {
        for (index, minhash, bytes) in
            [(4, 0, 23), (4, 51, 125), (8, 0, 203), (8, 51, 1835), (10, 4, 1291), (10, 51, 7307)]
        {
            assert_eq!(size(index, minhash), Some(bytes));
        }
        for (index, minhash) in [(3, 0), (17, 0), (4, 3), (4, 52), (16, 51), (255, 255)] {
            assert_eq!(size(index, minhash), None);
        }
    }

    #[test]
    fn only_whole_particles_pass() {
        let mut bytes = vec![0, 4, 0];
        assert_eq!(check(&bytes), Err(Refusal::Parameter));
        bytes.resize(23, 0);
        assert_eq!(check(&bytes), Ok(()));
        bytes.push(0);
        assert_eq!(check(&bytes), Err(Refusal::Parameter));
        assert_eq!(check(&[]), Err(Refusal::Parameter));
    }
}
