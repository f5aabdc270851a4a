//! The numbers under which strings and blobs are entered.
//!
//! They leave the node as index values with which clients resume queries, so this function must never change. Texts
//! with equal numbers are told apart by the record itself.

/// Odd constants without a pattern; the fractional parts of square roots.
const SEEDS: [u64; 2] = [0x6a09_e667_f3bc_c909, 0xbb67_ae85_84ca_a73b];

/// The number of some bytes.
pub(crate) fn of(bytes: &[u8]) -> i64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    let mut state = SEEDS[0] ^ bytes.len() as u64;
    for word in words.iter().chain([&last]) {
        state = fold(state ^ u64::from_le_bytes(*word), SEEDS[1]);
    }
    fold(state, SEEDS[0]).cast_signed()
}

/// Both halves of a product, one over the other.
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a).wrapping_mul(u128::from(b)).to_le_bytes();
    let [low, high] = [0, 8].map(|from| {
        let half = product.get(from..).and_then(<[u8]>::first_chunk::<8>);
        u64::from_le_bytes(*half.unwrap_or(&[0; 8]))
    });
    low ^ high ^ a.rotate_left(32)
}

#[cfg(test)]
mod tests {
    use super::of;
    use std::collections::BTreeSet;

    #[test]
    fn numbers_stay_what_they_were_and_differ() {
        assert_eq!(of(b""), 3_612_747_160_586_104_936);
        assert_eq!(of(b"s0").to_le_bytes(), [0xee, 0xf2, 0xdd, 0x78, 0x8c, 0x38, 0x1d, 0xeb]);
        let texts = (0..100_000u32).map(|number| number.to_string());
        assert_eq!(texts.map(|text| of(text.as_bytes())).collect::<BTreeSet<_>>().len(), 100_000);
        let zeros = (0..64).map(|length| of(&vec![0; length]));
        assert_eq!(zeros.collect::<BTreeSet<_>>().len(), 64);
    }
}
