//! The cache sketch of a whole cluster: of which records caches may hold an older state, as a Bloom filter.
//!
//! Guarantees: a record that any node has told of is named, and so is every record of a partition that is tainted, or that nobody
//! who was heard is the master of. About 2 of 100 other records are named as well.
//!
//! Bit `i` of the filter is bit `i % 8` of byte `i / 8`. A record's bits are `(x + n * y) % m` for `n` from 0 to `h - 1`, where `x`
//! and `y` are bytes 4 to 7 and 8 to 11 of its digest as little-endian numbers, `y` made odd. Partitions are bits in the same order.

use crate::Digest;
use crate::digest::PARTITION_COUNT;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeSet;

/// Bits for a record; with [`HASHES`] about 2 of 100 records that are not in the filter look as if they were.
const BITS_EACH: usize = 8;
const HASHES: u32 = 5;
const BITS_MIN: usize = 64;
const BITS_MAX: usize = 1 << 21;
const BITMAP: usize = PARTITION_COUNT as usize / 8;
/// Bytes that name a record, and where they begin in its digest.
const MARK: usize = 8;
const MARK_AT: usize = 4;

/// What nodes have told, put together.
#[derive(Debug, Clone)]
pub struct Union {
    led: [u8; BITMAP],
    tainted: [u8; BITMAP],
    marks: BTreeSet<[u8; MARK]>,
}

/// A sketch that can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sketch {
    bits: Vec<u8>,
    hashes: u32,
    tainted: Vec<u8>,
}

impl Default for Union {
    fn default() -> Union {
        Union { led: [0; BITMAP], tainted: [0; BITMAP], marks: BTreeSet::new() }
    }
}

impl Union {
    /// Adds a node's answer to `shipload-sketch`; half an answer is none.
    pub fn add(&mut self, answer: &str) {
        let bytes = |name: &str| {
            let mut pairs = answer.split(';').filter_map(|pair| pair.split_once('='));
            STANDARD.decode(pairs.find(|(key, _)| *key == name)?.1).ok()
        };
        let (Some(leads), Some(taints), Some(stale)) = (bytes("leads"), bytes("tainted"), bytes("stale"))
        else {
            return;
        };
        self.led.iter_mut().zip(leads).for_each(|(all, byte)| *all |= byte);
        self.tainted.iter_mut().zip(taints).for_each(|(all, byte)| *all |= byte);
        self.marks.extend(stale.as_chunks::<MARK>().0);
    }

    /// Records that are named.
    #[must_use]
    pub fn len(&self) -> usize {
        self.marks.len()
    }

    /// Whether no record is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// All of it as a filter.
    #[must_use]
    pub fn sketch(&self) -> Sketch {
        let size = self
            .marks
            .len()
            .min(BITS_MAX)
            .saturating_mul(BITS_EACH)
            .next_power_of_two()
            .clamp(BITS_MIN, BITS_MAX);
        let mut bits = vec![0u8; size / 8];
        for bit in self.marks.iter().flat_map(|mark| places(mark, size as u64, HASHES)) {
            if let Some(byte) = byte_of(bit).and_then(|byte| bits.get_mut(byte)) {
                *byte |= bit_in_byte(bit);
            }
        }
        let tainted = self.tainted.iter().zip(self.led).map(|(tainted, led)| tainted | !led).collect();
        Sketch { bits, hashes: HASHES, tainted }
    }
}

impl Sketch {
    /// From the parts of the wire form; none when they make no sense. No bytes at all in `tainted` are no partition.
    #[must_use]
    pub fn of(size: u64, hashes: u64, bits: Vec<u8>, tainted: Vec<u8>) -> Option<Sketch> {
        let hashes = u32::try_from(hashes).ok().filter(|hashes| (1..=32).contains(hashes))?;
        (size > 0 && size == size_of(&bits)).then_some(Sketch { bits, hashes, tainted })
    }

    /// Whether caches may hold an older copy of the record.
    #[must_use]
    pub fn names(&self, digest: &Digest) -> bool {
        if is_set(&self.tainted, u64::from(digest.partition().number())) {
            return true;
        }
        let mut mark = [0; MARK];
        mark.iter_mut().zip(digest.0.iter().skip(MARK_AT)).for_each(|(byte, of)| *byte = *of);
        places(&mark, size_of(&self.bits), self.hashes).all(|bit| is_set(&self.bits, bit))
    }

    /// Until when a copy is known to have been the record, that was asked for at one moment, by a sketch that was made at
    /// another one.
    #[must_use]
    pub fn known(&self, digest: &Digest, asked: u64, made: u64) -> u64 {
        if made > asked && !self.names(digest) { made } else { asked }
    }

    /// The filter; its size in bits is a power of two.
    #[must_use]
    pub fn bits(&self) -> &[u8] {
        &self.bits
    }

    /// Hashes of a record.
    #[must_use]
    pub fn hashes(&self) -> u32 {
        self.hashes
    }

    /// A bit for each partition of which caches may hold anything; none when there is no such partition.
    #[must_use]
    pub fn tainted(&self) -> Option<&[u8]> {
        self.tainted.iter().any(|byte| *byte != 0).then_some(&self.tainted)
    }
}

fn places(mark: &[u8; MARK], size: u64, hashes: u32) -> impl Iterator<Item = u64> {
    let [a, b, c, d, e, f, g, h] = *mark;
    let (x, y) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]) | 1);
    (0..u64::from(hashes)).map(move |n| {
        let place = u64::from(x).wrapping_add(n.wrapping_mul(u64::from(y)));
        place.checked_rem(size).unwrap_or(0)
    })
}

fn size_of(bits: &[u8]) -> u64 {
    (bits.len() as u64).saturating_mul(8)
}

fn bit_in_byte(bit: u64) -> u8 {
    1u8.rotate_left(u32::try_from(bit % 8).unwrap_or(0))
}

fn byte_of(bit: u64) -> Option<usize> {
    usize::try_from(bit / 8).ok()
}

fn is_set(bits: &[u8], bit: u64) -> bool {
    byte_of(bit).and_then(|byte| bits.get(byte)).is_some_and(|byte| byte & bit_in_byte(bit) != 0)
}

#[cfg(test)]
mod tests {
    use super::{BITMAP, STANDARD, Sketch, Union};
    use crate::Digest;
    use base64::Engine as _;

    fn answer(leads: [u8; BITMAP], tainted: [u8; BITMAP], stale: &[[u8; 8]]) -> String {
        let stale = STANDARD.encode(stale.concat());
        format!("leads={};tainted={};stale={stale}", STANDARD.encode(leads), STANDARD.encode(tainted))
    }

    fn union(answers: &[&str]) -> Sketch {
        let mut union = Union::default();
        answers.iter().for_each(|answer| union.add(answer));
        union.sketch()
    }

    #[test]
    fn what_nobody_answers_for_is_tainted() {
        let mut half = [0; BITMAP];
        half[..BITMAP / 2].fill(0xff);
        let other = half.map(|byte| !byte);
        let mut taint = [0; BITMAP];
        taint[3] = 4;
        let all = [answer(half, taint, &[]), answer(other, [0; BITMAP], &[])];
        assert_eq!(union(&[&all[0], &all[1]]).tainted(), Some(taint.as_slice()));
        assert_eq!(union(&[&all[1], "ERROR:4:no"]).tainted(), Some(half.as_slice()));
        let calm = [answer(half, [0; BITMAP], &[]), answer(other, [0; BITMAP], &[])];
        assert_eq!(union(&[&calm[0], &calm[1]]).tainted(), None);
        assert_eq!(union(&[]).tainted(), Some([0xff; BITMAP].as_slice()));
        let digest = Digest([0; 20]);
        assert!(union(&[&all[1]]).names(&digest) && !union(&[&calm[0]]).names(&digest));
    }

    #[test]
    fn every_stale_record_is_named_and_few_others() {
        let digest = |number: u64| {
            let mut bytes = [0; 20];
            bytes[4..12].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
            Digest(bytes)
        };
        let stale: Vec<[u8; 8]> =
            (0..5000).map(|number| digest(number).0[4..12].try_into().expect("eight bytes")).collect();
        let sketch = union(&[&answer([0xff; BITMAP], [0; BITMAP], &stale)]);
        assert_eq!(sketch.bits().len(), 65536 / 8);
        assert!((0..5000).all(|number| sketch.names(&digest(number))));
        let wrong = (5000..25_000).filter(|number| sketch.names(&digest(*number))).count();
        assert!(wrong < 20_000 * 4 / 100, "{wrong} of 20,000");
    }

    #[test]
    fn parts_must_fit() {
        assert!(Sketch::of(64, 5, vec![0; 8], Vec::new()).is_some());
        assert!(Sketch::of(8, 5, vec![0; 8], Vec::new()).is_none());
        assert!(Sketch::of(0, 5, Vec::new(), Vec::new()).is_none());
        assert!(Sketch::of(64, 33, vec![0; 8], Vec::new()).is_none());
    }
}
