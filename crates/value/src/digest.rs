//! The digest that names a record, and the partition that it belongs to.
//!
//! A digest is RIPEMD-160 over set name, key type and key bytes; clients compute it, the server only checks
//! its length. Source: `guide/protocol.md` part 1.8; test vectors from part 1.9.

use ripemd::{Digest as _, Ripemd160};
use std::fmt;

/// Bytes in a digest.
pub const DIGEST_SIZE: usize = 20;
/// Partitions that every namespace is split into.
pub const PARTITION_COUNT: u16 = 4096;

/// The 20-byte name of a record inside its namespace. Ordered as bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; DIGEST_SIZE]);

impl Digest {
    /// The digest of a user key: `set` may be empty, `key_type` is the key's particle type number.
    #[must_use]
    pub fn of(set: &[u8], key_type: u8, key: &[u8]) -> Digest {
        let mut hash = Ripemd160::new();
        hash.update(set);
        hash.update([key_type]);
        hash.update(key);
        Digest(hash.finalize().into())
    }

    /// The digest in `bytes`; none when there are not exactly 20 of them.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Digest> {
        bytes.try_into().ok().map(Digest)
    }

    /// The digest in 40 hexadecimal digits; none in any other text.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Digest> {
        let digits: Vec<u8> = text
            .chars()
            .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
            .collect::<Option<_>>()?;
        let (pairs, []) = digits.as_chunks::<2>() else { return None };
        let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
        Digest::from_slice(&bytes)
    }

    /// The partition that this digest belongs to: the low 12 bits of its first two bytes, little endian.
    #[must_use]
    pub fn partition(&self) -> PartitionId {
        PartitionId(u16::from_le_bytes([self.0[0], self.0[1]]) & (PARTITION_COUNT - 1))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A partition number, always below [`PARTITION_COUNT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId(u16);

impl PartitionId {
    /// The partition with this number; none when it is 4096 or more.
    #[must_use]
    pub fn new(number: u16) -> Option<PartitionId> {
        (number < PARTITION_COUNT).then_some(PartitionId(number))
    }

    /// The number, 0 to 4095.
    #[must_use]
    pub fn number(self) -> u16 {
        self.0
    }

    /// The number as an index into an array of 4096.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// Every partition, ascending.
    pub fn all() -> impl DoubleEndedIterator<Item = PartitionId> {
        (0..PARTITION_COUNT).map(PartitionId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_digests_and_partitions() {
        type Vector = (&'static [u8], u8, &'static [u8], &'static str, u16);
        let vectors: [Vector; 5] = [
            (b"demo", 1, &[0, 0, 0, 0, 0, 0, 0, 1], "b7f4b83889e2da67de683e1df6919a1eacc446c8", 1207),
            (b"demo", 3, b"key", "3bd475bd0c73f210b67ea83793300eeae576285d", 1083),
            (b"", 3, b"key", "c4a24d9f0ef5584b4278994e75637f54dc564283", 708),
            (b"demo", 4, &[1, 2], "41721215fd2e56087e4f962047729a972784f317", 577),
            (b"set", 1, &[0, 0, 0, 0, 0, 0, 0, 1], "82d7213b469812947c109a6d341e3b5b1dedec1f", 1922),
        ];
        for (set, key_type, key, hex, partition) in vectors {
            let digest = Digest::of(set, key_type, key);
            assert_eq!(format!("{digest:?}"), hex);
            assert_eq!(digest.partition().number(), partition);
            assert_eq!(Digest::from_hex(hex), Some(digest));
            assert_eq!(Digest::from_hex(&hex[2..]), None);
            assert_eq!(Digest::from_hex(&format!("+{}", &hex[1..])), None);
        }
    }
}
