//! A partition cut into 256 buckets, and one hash for each: what two copies are compared by.

use super::stamp::Stamp;
use shipload_value::Digest;
use std::fmt;

/// Buckets of a partition.
pub const BUCKETS: usize = 256;

/// The bucket of a record: the eight digest bits that follow the partition's, so that a bucket's records are
/// neighbours in digest order.
#[must_use]
pub fn bucket_of(digest: &Digest) -> u8 {
    let [_, second, third, ..] = digest.0;
    (second & 0xf0) | (third >> 4)
}

/// A set of buckets.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Buckets([u64; 4]);

impl Buckets {
    /// All of them.
    pub const ALL: Buckets = Buckets([u64::MAX; 4]);

    /// Adds one.
    pub fn insert(&mut self, bucket: u8) {
        if let Some(word) = self.0.get_mut(usize::from(bucket >> 6)) {
            *word |= 1 << (bucket & 63);
        }
    }

    /// Whether it is in the set.
    #[must_use]
    pub fn contains(&self, bucket: u8) -> bool {
        self.0.get(usize::from(bucket >> 6)).is_some_and(|word| word & (1 << (bucket & 63)) != 0)
    }

    /// The set without the members of another.
    #[must_use]
    pub fn without(&self, other: &Buckets) -> Buckets {
        let mut words = self.0;
        words.iter_mut().zip(other.0).for_each(|(word, other)| *word &= !other);
        Buckets(words)
    }

    /// What is in both.
    #[must_use]
    pub fn both(&self, other: &Buckets) -> Buckets {
        let mut words = self.0;
        words.iter_mut().zip(other.0).for_each(|(word, other)| *word &= other);
        Buckets(words)
    }

    /// Takes out the first `count` members.
    pub fn take(&mut self, count: usize) -> Buckets {
        let mut taken = Buckets::default();
        self.iter().take(count).for_each(|bucket| taken.insert(bucket));
        *self = self.without(&taken);
        taken
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// True when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0 == [0; 4]
    }

    /// Ascending.
    pub fn iter(&self) -> impl Iterator<Item = u8> + use<> {
        let set = *self;
        (0..=u8::MAX).filter(move |&bucket| set.contains(bucket))
    }

    /// As 32 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (chunk, word) in bytes.chunks_exact_mut(8).zip(self.0) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// From 32 bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Buckets {
        let mut words = [0; 4];
        for (word, chunk) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*chunk);
        }
        Buckets(words)
    }
}

impl fmt::Debug for Buckets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} buckets", self.len())
    }
}

/// One hash for each bucket: the XOR over its records, so that it can be kept up to date by adding and taking away.
#[derive(Clone, PartialEq, Eq)]
pub struct Summary([u64; BUCKETS]);

impl Default for Summary {
    fn default() -> Self {
        Summary([0; BUCKETS])
    }
}

impl Summary {
    /// Adds a record, or takes away one that was added.
    pub fn toggle(&mut self, stamp: &Stamp) {
        if let Some(hash) = self.0.get_mut(usize::from(bucket_of(&stamp.digest))) {
            *hash ^= stamp.hash();
        }
    }

    /// A bucket's hash; 0 when it is empty.
    #[must_use]
    pub fn get(&self, bucket: u8) -> u64 {
        self.0.get(usize::from(bucket)).copied().unwrap_or(0)
    }

    /// Sets a bucket's hash.
    pub fn set(&mut self, bucket: u8, hash: u64) {
        if let Some(place) = self.0.get_mut(usize::from(bucket)) {
            *place = hash;
        }
    }

    /// The buckets whose hashes differ.
    #[must_use]
    pub fn differing(&self, other: &Summary) -> Buckets {
        self.picked(|bucket, hash| hash != other.get(bucket))
    }

    /// The buckets that hold anything.
    #[must_use]
    pub fn filled(&self) -> Buckets {
        self.picked(|_, hash| hash != 0)
    }

    fn picked(&self, pick: impl Fn(u8, u64) -> bool) -> Buckets {
        let mut buckets = Buckets::default();
        (0..=u8::MAX).zip(self.0).filter(|&(bucket, hash)| pick(bucket, hash)).for_each(|(bucket, _)| {
            buckets.insert(bucket);
        });
        buckets
    }

    /// Appends which buckets are filled and their hashes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.filled().to_bytes());
        self.0.iter().filter(|&&hash| hash != 0).for_each(|hash| out.extend_from_slice(&hash.to_le_bytes()));
    }
}

impl fmt::Debug for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a summary of {:?}", self.filled())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_digest_order_and_sets_keep_their_members() {
        let mut digests: Vec<_> = (0..500u16).map(|n| Digest::of(b"", 1, &n.to_le_bytes())).collect();
        digests.iter_mut().for_each(|digest| {
            digest.0[0] = 0;
            digest.0[1] &= 0xf0;
        });
        digests.sort();
        assert!(digests.iter().map(bucket_of).is_sorted());
        let mut set = Buckets::default();
        [3, 64, 255].into_iter().for_each(|bucket| set.insert(bucket));
        assert_eq!(Buckets::from_bytes(set.to_bytes()), set);
        assert_eq!(set.take(2).iter().collect::<Vec<_>>(), [3, 64]);
        assert_eq!(set.iter().collect::<Vec<_>>(), [255]);
        assert_eq!(Buckets::ALL.without(&set).len(), 255);
    }

    #[test]
    fn a_summary_forgets_what_was_taken_away() {
        let stamp =
            |n: u8| Stamp { digest: Digest::of(b"", 1, &[n]), last_update_ms: 7, generation: 1, check: 0 };
        let mut summary = Summary::default();
        (0..50).for_each(|n| summary.toggle(&stamp(n)));
        let before = summary.clone();
        summary.toggle(&stamp(50));
        assert_eq!(summary.differing(&before).len(), 1);
        summary.toggle(&stamp(50));
        assert_eq!(summary, before);
    }
}
