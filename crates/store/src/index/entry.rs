//! An index entry: 32 bytes as four 64-bit words.
//!
//! ```text
//! word 0   digest bits 0..64, most significant first
//! word 1   digest bits 64..128
//! word 2   digest bits 128..148 (20 bits) | location (44 bits; 0: the slot is empty)
//! word 3   void time (32 bits) | generation (16) | set (12) | flags (4, none used yet)
//! ```
//!
//! A digest has 160 bits, but the partition's twelve are the same in all its entries and not kept. The rest keeps
//! its order: comparing the words compares the digests as bytes.

use crate::meta::SetId;
use shipload_value::{Digest, PartitionId};
use std::cmp::Ordering;

const LOCATION_BITS: u32 = 44;
const LOCATION_MASK: u64 = (1 << LOCATION_BITS) - 1;
/// The low bits of a location: the byte offset in the block.
const OFFSET_BITS: u32 = 20;

/// Where a record lies in its stripe's block log: block number and byte offset in the block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Location(u64);

impl Location {
    /// Block numbers are below this.
    pub(crate) const BLOCK_LIMIT: u32 = 1 << (LOCATION_BITS - OFFSET_BITS);

    /// A place behind a block's header, so never 0.
    #[inline]
    pub(crate) fn new(block: u32, offset: u32) -> Location {
        debug_assert!(block < Location::BLOCK_LIMIT && offset > 0 && offset < 1 << OFFSET_BITS);
        Location((u64::from(block) << OFFSET_BITS) | u64::from(offset))
    }

    /// The location as a number, for a snapshot.
    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    /// The location with this number, if there is one.
    pub(crate) fn of_bits(bits: u64) -> Option<Location> {
        (bits != 0 && bits <= LOCATION_MASK).then_some(Location(bits))
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "a location has 44 bits, 24 of them the block")]
    pub(crate) fn block(self) -> u32 {
        (self.0 >> OFFSET_BITS) as u32
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "twenty bits are kept")]
    pub(crate) fn offset(self) -> u32 {
        self.0 as u32 & ((1 << OFFSET_BITS) - 1)
    }
}

/// The digest bits that the partition does not imply, in the order of the digest's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    high: u64,
    middle: u64,
    low: u64,
}

impl Key {
    /// The key of a digest in its own partition.
    #[inline]
    pub(crate) fn of(digest: &Digest) -> Key {
        let [_, b1, b2, b3, b4, b5, b6, b7, b8, b9, rest @ ..] = digest.0;
        let [c0, c1, c2, c3, c4, c5, c6, c7, c8, c9] = rest;
        let first = u64::from_be_bytes([b2, b3, b4, b5, b6, b7, b8, b9]);
        let second = u64::from_be_bytes([b9, c0, c1, c2, c3, c4, c5, c6]);
        Key {
            high: (u64::from(b1 >> 4) << 60) | (first >> 4),
            middle: (second << 4) | u64::from(c7 >> 4),
            low: (u64::from(c7 & 15) << 16) | (u64::from(c8) << 8) | u64::from(c9),
        }
    }

    /// The slot where the key would lie in a table of `capacity` slots without any crowding.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the product's upper half is below the capacity")]
    pub(crate) fn home(&self, capacity: usize) -> usize {
        ((u128::from(self.high) * capacity as u128) >> 64) as usize
    }

    /// The digest that this is the key of, in `partition`.
    #[expect(clippy::cast_possible_truncation, reason = "bytes are cut out of words on purpose")]
    pub(crate) fn digest(&self, partition: PartitionId) -> Digest {
        let [p0, p1] = partition.number().to_le_bytes();
        let mut bytes = [0u8; 20];
        bytes[0] = p0;
        bytes[1] = ((self.high >> 56) as u8 & 0xf0) | p1;
        bytes[2..10].copy_from_slice(&((self.high << 4) | (self.middle >> 60)).to_be_bytes());
        bytes[10..18].copy_from_slice(&((self.middle << 4) | (self.low >> 16)).to_be_bytes());
        bytes[18..].copy_from_slice(&(self.low as u16).to_be_bytes());
        Digest(bytes)
    }
}

/// What the index knows of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry([u64; 4]);

impl Entry {
    /// An empty slot.
    pub(crate) const EMPTY: Entry = Entry([0; 4]);

    #[inline]
    pub(crate) fn new(key: &Key, location: Location, void_time: u32, generation: u16, set: SetId) -> Entry {
        let tail =
            (u64::from(void_time) << 32) | (u64::from(generation) << 16) | (u64::from(set.number()) << 4);
        Entry([key.high, key.middle, (key.low << LOCATION_BITS) | location.0, tail])
    }

    /// The four words, for a snapshot.
    pub(crate) fn words(&self) -> [u64; 4] {
        self.0
    }

    /// The entry with these words.
    pub(crate) fn of_words(words: [u64; 4]) -> Entry {
        Entry(words)
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0[2] & LOCATION_MASK == 0
    }

    #[inline]
    pub(crate) fn key(&self) -> Key {
        Key { high: self.0[0], middle: self.0[1], low: self.0[2] >> LOCATION_BITS }
    }

    /// How the entry's digest compares with `key`. The first word decides but for one pair in 2^64.
    #[inline]
    pub(crate) fn compare(&self, key: &Key) -> Ordering {
        if self.0[0] == key.high { self.key().cmp(key) } else { self.0[0].cmp(&key.high) }
    }

    #[inline]
    pub(crate) fn location(&self) -> Location {
        Location(self.0[2] & LOCATION_MASK)
    }

    #[inline]
    pub(crate) fn set_location(&mut self, location: Location) {
        self.0[2] = (self.0[2] & !LOCATION_MASK) | location.0;
    }

    #[inline]
    pub(crate) fn void_time(&self) -> u32 {
        (self.0[3] >> 32) as u32
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "sixteen bits are kept")]
    pub(crate) fn generation(&self) -> u16 {
        (self.0[3] >> 16) as u16
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "twelve bits are kept")]
    pub(crate) fn set(&self) -> SetId {
        SetId::new((self.0[3] >> 4) as u16 & SetId::MAX).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn a_key_gives_its_digest_back_and_keeps_the_order(a in any::<[u8; 20]>(), mut b in any::<[u8; 20]>()) {
            b[0] = a[0];
            b[1] = (b[1] & 0xf0) | (a[1] & 0x0f);
            let (a, b) = (Digest(a), Digest(b));
            prop_assert_eq!(Key::of(&a).digest(a.partition()), a);
            prop_assert_eq!(Key::of(&a).cmp(&Key::of(&b)), a.cmp(&b));
        }

        #[test]
        fn an_entry_keeps_its_parts(
            digest in any::<[u8; 20]>(), block in 0u32..Location::BLOCK_LIMIT, offset in 1u32..1 << 20,
            void_time in any::<u32>(), generation in any::<u16>(), set in 0u16..=SetId::MAX,
        ) {
            let key = Key::of(&Digest(digest));
            let set = SetId::new(set).unwrap();
            let mut entry = Entry::new(&key, Location::new(1, 1), void_time, generation, set);
            entry.set_location(Location::new(block, offset));
            prop_assert_eq!(entry.key(), key);
            prop_assert_eq!((entry.location().block(), entry.location().offset()), (block, offset));
            prop_assert_eq!((entry.void_time(), entry.generation(), entry.set()), (void_time, generation, set));
            prop_assert_eq!(entry.compare(&key), Ordering::Equal);
        }
    }
}
