//! What one state of one record is recognised and compared by.

use shipload_value::Digest;
use std::cmp::Ordering;

/// One state of a record: two copies with equal stamps are taken to be equal byte by byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The record.
    pub digest: Digest,
    /// When it was last written, in milliseconds since 2010-01-01.
    pub last_update_ms: u64,
    /// How often it was written; 16 bits, wraps.
    pub generation: u16,
    /// A checksum of the rest of its content, so that two writes on two sides in the same millisecond are told
    /// apart. The same content must give the same number on every node.
    pub check: u32,
}

/// Which of two copies wins when parts of a cluster meet again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConflictPolicy {
    /// The one that was written more often.
    #[default]
    Generation,
    /// The one that was written later.
    LastUpdateTime,
}

impl Stamp {
    /// A hash of the whole stamp.
    #[must_use]
    pub fn hash(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t] = self.digest.0;
        let words = [
            u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            u64::from_le_bytes([i, j, k, l, m, n, o, p]),
            u64::from(u32::from_le_bytes([q, r, s, t])) << 32 | u64::from(self.check),
            self.last_update_ms << 16 | u64::from(self.generation),
        ];
        words.iter().fold(0x9e37_79b9_7f4a_7c15, |hash, word| mix(hash ^ word))
    }

    /// Whether this copy wins over `other`, a copy of the same record. Total: of two that differ exactly one wins.
    #[must_use]
    pub fn wins(&self, other: &Stamp, policy: ConflictPolicy) -> bool {
        let time = self.last_update_ms.cmp(&other.last_update_ms);
        let generation = later_generation(self.generation, other.generation);
        let order = match policy {
            ConflictPolicy::Generation => generation.then(time),
            ConflictPolicy::LastUpdateTime => time.then(generation),
        };
        order.then(self.check.cmp(&other.check)) == Ordering::Greater
    }
}

/// Generations wrap, so that a small one comes after a very large one.
fn later_generation(a: u16, b: u16) -> Ordering {
    match a.wrapping_sub(b) {
        0 => Ordering::Equal,
        ahead if ahead < 0x8000 => Ordering::Greater,
        // Exactly half way round neither is ahead: the larger number shall win, for both.
        0x8000 => a.cmp(&b),
        _ => Ordering::Less,
    }
}

fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(last_update_ms: u64, generation: u16) -> Stamp {
        Stamp { digest: Digest::of(b"", 1, b"a"), last_update_ms, generation, check: 0 }
    }

    #[test]
    fn policies_disagree_where_they_should() {
        let (often, late) = (stamp(5, 9), stamp(6, 2));
        assert!(often.wins(&late, ConflictPolicy::Generation));
        assert!(late.wins(&often, ConflictPolicy::LastUpdateTime));
        assert!(stamp(5, 1).wins(&stamp(5, 65535), ConflictPolicy::Generation));
        for (a, b) in [(0, 0x8000), (7, 0x8007), (1, 2), (65535, 3)] {
            let (a, b) = (stamp(5, a), stamp(5, b));
            assert_ne!(a.wins(&b, ConflictPolicy::Generation), b.wins(&a, ConflictPolicy::Generation));
            assert_ne!(a.hash(), b.hash());
        }
    }
}
