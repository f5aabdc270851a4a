//! Secondary indexes of a stripe: ordered sets of (key, partition, digest), one for each index.
//!
//! Guarantees: an index holds exactly the keys that the [`KeySource`] finds in the stripe's records (once it is
//! filled), after every put, touch, removal and sweep, because the stripe itself asks for the keys before and after
//! each change. Costs nothing while there is no key source.
//!
//! The idea: what a record's keys *are* is the owner's business; here a key is a number. All partitions of a stripe
//! share one ordered set, so that a query that finds little looks 64 times and not 4096 times; within a key the
//! partitions follow each other, so that a query can step over those that it does not want.

use crate::record::RecordRef;
use crate::stripe::{STRIPE_COUNT, stripe_of};
use shipload_value::{Digest, PartitionId};
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::ops::Bound;
use std::sync::Arc;

/// What an entry costs in a tree whose nodes are filled as far as random inserts fill them, in bytes.
const ENTRY_COST: u64 = 44;
/// Scratch memory that is kept from one change to the next, in keys.
const SCRATCH_KEYS: usize = 1024;

/// A record's key in one index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct IndexKey {
    /// The index's number.
    pub index: u16,
    /// The key.
    pub key: i64,
}

/// Tells which keys a record has. The answer may depend on nothing but the record.
pub trait KeySource: Debug + Send + Sync {
    /// Appends the record's keys in all indexes, or only those in one; double ones are fine.
    fn keys(&self, record: &RecordRef<'_>, only: Option<u16>, out: &mut Vec<IndexKey>);
}

/// Where to begin reading an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexSeek {
    /// At the first entry with this key or a larger one.
    Key(i64),
    /// At the first entry of this partition with this key, or what comes after it.
    Partition(i64, PartitionId),
    /// Behind the entry with this key and digest, which need not be there.
    After(i64, Digest),
}

/// An index that is no longer part of a stripe; dropping it takes its time.
#[derive(Debug, Default)]
pub struct RetiredIndex {
    _tree: Tree,
}

/// What an index holds in a stripe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IndexUsage {
    /// Entries.
    pub entries: u64,
    /// Memory that they take, about.
    pub bytes: u64,
}

/// The indexes of a stripe.
#[derive(Debug)]
pub(crate) struct Indexes {
    source: Arc<dyn KeySource>,
    /// By number.
    trees: Vec<Tree>,
    /// The keys of the record that is about to change.
    old: Vec<IndexKey>,
    new: Vec<IndexKey>,
}

#[derive(Debug, Default)]
struct Tree(BTreeSet<Entry>);

/// Key (with its sign flipped, big endian), place of the partition in the stripe, digest without its first byte,
/// which stripe and place tell. So bytes compare as entries should.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry([u8; ENTRY_SIZE]);

const ENTRY_SIZE: usize = 28;
const SIGN: u64 = 1 << 63;

impl Debug for Entry {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}@{:02x?}", self.key(), &self.0[8..])
    }
}

/// The place of a partition among those of its stripe.
fn place(partition: PartitionId) -> u8 {
    u8::try_from(partition.index() / STRIPE_COUNT).expect("invariant: a stripe has 64 partitions")
}

impl Entry {
    fn new(key: i64, digest: &Digest) -> Entry {
        let mut entry = Entry::first(key, place(digest.partition()));
        entry.0[9..].copy_from_slice(&digest.0[1..]);
        entry
    }

    /// The smallest entry of a partition with this key.
    fn first(key: i64, place: u8) -> Entry {
        let mut bytes = [0; ENTRY_SIZE];
        bytes[..8].copy_from_slice(&(key.cast_unsigned() ^ SIGN).to_be_bytes());
        bytes[8] = place;
        Entry(bytes)
    }

    /// The largest entry of a partition with this key.
    fn largest(key: i64, place: u8) -> Entry {
        let mut entry = Entry::first(key, place);
        entry.0[9..].fill(0xff);
        entry
    }

    fn key(&self) -> i64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        (u64::from_be_bytes([a, b, c, d, e, f, g, h]) ^ SIGN).cast_signed()
    }

    fn digest(&self, stripe: usize) -> Digest {
        let mut digest = [0; 20];
        // The lower six bits of the first byte are the stripe, the upper two the lower ones of the place.
        digest[0] = (self.0[8] << 6) | u8::try_from(stripe).expect("invariant: there are 64 stripes");
        digest[1..].copy_from_slice(&self.0[9..]);
        Digest(digest)
    }
}

impl Indexes {
    pub(crate) fn new(source: Arc<dyn KeySource>) -> Indexes {
        Indexes { source, trees: Vec::new(), old: Vec::new(), new: Vec::new() }
    }

    pub(crate) fn set_source(&mut self, source: Arc<dyn KeySource>) {
        self.source = source;
    }

    /// Removes all entries of an index.
    pub(crate) fn retire(&mut self, index: u16) -> RetiredIndex {
        let tree = self.trees.get_mut(usize::from(index)).map(std::mem::take).unwrap_or_default();
        RetiredIndex { _tree: tree }
    }

    /// Notes the keys of a record before it changes; none when there is no such record yet.
    pub(crate) fn note_old(&mut self, record: Option<&RecordRef<'_>>) {
        self.old.clear();
        if let Some(record) = record {
            self.source.keys(record, None, &mut self.old);
            sort(&mut self.old);
        }
    }

    /// Puts the entries of a record right that has just changed; none when it is gone.
    pub(crate) fn follow(&mut self, digest: &Digest, record: Option<&RecordRef<'_>>) {
        self.new.clear();
        if let Some(record) = record {
            self.source.keys(record, None, &mut self.new);
            sort(&mut self.new);
        }
        let (old, new) = (std::mem::take(&mut self.old), std::mem::take(&mut self.new));
        for key in old.iter().filter(|key| new.binary_search(key).is_err()) {
            self.tree_mut(key.index).0.remove(&Entry::new(key.key, digest));
        }
        for key in new.iter().filter(|key| old.binary_search(key).is_err()) {
            self.tree_mut(key.index).0.insert(Entry::new(key.key, digest));
        }
        (self.old, self.new) = (tidy(old), tidy(new));
    }

    /// Enters a record into one index.
    pub(crate) fn fill(&mut self, index: u16, record: &RecordRef<'_>) {
        let mut keys = std::mem::take(&mut self.new);
        keys.clear();
        self.source.keys(record, Some(index), &mut keys);
        for key in &keys {
            self.tree_mut(index).0.insert(Entry::new(key.key, &record.digest()));
        }
        self.new = tidy(keys);
    }

    pub(crate) fn usage(&self, index: u16) -> IndexUsage {
        let entries = self.trees.get(usize::from(index)).map_or(0, |tree| tree.0.len() as u64);
        IndexUsage { entries, bytes: entries * ENTRY_COST }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.trees.iter().map(|tree| tree.0.len() as u64 * ENTRY_COST).sum()
    }

    /// The entries of an index from a place on, as far as the keys do not exceed `last`.
    pub(crate) fn range(
        &self,
        stripe: usize,
        index: u16,
        from: IndexSeek,
        last: i64,
    ) -> impl Iterator<Item = (i64, Digest)> + use<'_> {
        let from = match from {
            IndexSeek::Key(key) => Bound::Included(Entry::first(key, 0)),
            IndexSeek::Partition(key, partition) => Bound::Included(Entry::first(key, place(partition))),
            IndexSeek::After(key, digest) => Bound::Excluded(Entry::new(key, &digest)),
        };
        let start = match from {
            Bound::Included(entry) | Bound::Excluded(entry) => entry.key(),
            Bound::Unbounded => i64::MIN,
        };
        // A range that ends before it begins would be a panic.
        let tree = self.trees.get(usize::from(index)).filter(|_| start <= last);
        let entries = tree.map(|tree| tree.0.range((from, Bound::Included(Entry::largest(last, u8::MAX)))));
        entries.into_iter().flatten().map(move |entry| (entry.key(), entry.digest(stripe)))
    }

    /// The digests of a partition that are entered with this key, in descending order below `after`.
    pub(crate) fn descending(
        &self,
        stripe: usize,
        index: u16,
        key: i64,
        partition: PartitionId,
        after: Option<&Digest>,
    ) -> impl Iterator<Item = Digest> + use<'_> {
        let first = Entry::first(key, place(partition));
        let last = match after {
            Some(after) => Bound::Excluded(Entry::new(key, after)),
            None => Bound::Included(Entry::largest(key, place(partition))),
        };
        // A digest of another partition would make a range that ends before it begins, which would be a panic.
        let fits = after.is_none_or(|after| after.partition() == partition);
        let tree = self.trees.get(usize::from(index)).filter(|_| fits);
        let entries = tree.map(|tree| tree.0.range((Bound::Included(first), last)).rev());
        entries.into_iter().flatten().map(move |entry| entry.digest(stripe))
    }

    fn tree_mut(&mut self, index: u16) -> &mut Tree {
        let index = usize::from(index);
        if self.trees.len() <= index {
            self.trees.resize_with(index + 1, Tree::default);
        }
        &mut self.trees[index]
    }

    /// Checks that a complete index holds exactly the keys of these records. Slow; for tests.
    pub(crate) fn assert_holds<'r>(
        &self,
        stripe: usize,
        index: u16,
        records: impl Iterator<Item = RecordRef<'r>>,
    ) {
        let mut wanted = BTreeSet::new();
        let mut keys = Vec::new();
        for record in records {
            keys.clear();
            self.source.keys(&record, Some(index), &mut keys);
            assert_eq!(stripe_of(record.digest().partition()), stripe);
            wanted.extend(keys.iter().map(|key| Entry::new(key.key, &record.digest())));
        }
        let held = self.trees.get(usize::from(index)).map(|tree| tree.0.clone()).unwrap_or_default();
        assert_eq!(held, wanted, "index {index} holds the keys of all records");
    }
}

fn sort(keys: &mut Vec<IndexKey>) {
    keys.sort_unstable();
    keys.dedup();
}

/// Gives memory back that one large record has taken.
fn tidy(keys: Vec<IndexKey>) -> Vec<IndexKey> {
    if keys.capacity() > SCRATCH_KEYS { Vec::new() } else { keys }
}
