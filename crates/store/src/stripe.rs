//! A stripe: the records of the partitions whose numbers are equal modulo 64.
//!
//! Guarantees: index, block log and counts agree after every call, and a call that fails has changed nothing. A
//! record that has expired or was truncated is still here until a sweep removes it: [`Stripe::live`] judges.
//!
//! The idea: the index finds a record's entry, the entry its bytes. A write of unchanged size goes over the old
//! bytes, any other is appended and the old bytes become garbage. The owner keeps each stripe behind one lock.

mod changes;
mod check;
mod defrag;
mod drops;
mod load;
mod raid;
mod sindex;
mod snapshot;
mod tombs;
mod write;

use crate::block::Identity;
use crate::counts::{Counts, Ledger, SetCounts};
use crate::cutoffs::Cutoffs;
use crate::index::{Entry, Key, Table};
use crate::log::{BlockLog, LogConfig};
use crate::meta::{Meta, SetId};
use crate::record::RecordRef;
use crate::sindex::Indexes;
use shipload_value::{Digest, PartitionId, digest::PARTITION_COUNT};
use std::collections::HashMap;

pub use check::Verified;
pub use defrag::Defragged;
pub use drops::DropMark;
pub use load::Loaded;
pub use raid::Raided;
pub use write::{Put, Removed, Touch};

/// Stripes of a namespace.
pub const STRIPE_COUNT: usize = 64;
/// Records of a scan whose memory is asked for at once.
const BUNCH: usize = 16;
/// Entries of other sets that a scan steps over before it tells: about what one record costs.
pub const STEPPED_OVER: usize = 32;
/// Partitions of a stripe.
const TABLE_COUNT: usize = PARTITION_COUNT as usize / STRIPE_COUNT;

/// The stripe, 0 to 63, that a partition belongs to.
#[inline]
#[must_use]
pub fn stripe_of(partition: PartitionId) -> usize {
    partition.index() % STRIPE_COUNT
}

/// The records of 64 partitions.
#[derive(Debug)]
pub struct Stripe {
    tables: [Table; TABLE_COUNT],
    log: BlockLog,
    ledger: Ledger,
    index_bytes: u64,
    changes: changes::Changes,
    defrag: defrag::Progress,
    /// None while there is no secondary index.
    indexes: Option<Box<Indexes>>,
    scratch: Vec<u8>,
    /// None in memory.
    tombs: Option<Box<tombs::Tombs>>,
    raid: raid::Progress,
    /// For each partition the place in the log before which nothing of it counts.
    drops: [DropMark; TABLE_COUNT],
    /// Blocks below this number are in memory again after a start from a snapshot.
    warmed: u32,
    /// Bytes of all records that were put, and of those that defragmentation moved.
    put_bytes: u64,
    /// Bytes of records before they were compressed, and after.
    packable_bytes: u64,
    packed_bytes: u64,
    moved_bytes: u64,
    /// Sizes of records by block and offset, while blocks are loaded that do not stay in memory.
    loading: HashMap<u32, Box<[(u32, u32)]>>,
}

impl Stripe {
    /// An empty stripe.
    #[must_use]
    pub fn new(identity: Identity, config: LogConfig) -> Stripe {
        Stripe {
            tables: std::array::from_fn(|_| Table::default()),
            log: BlockLog::new(identity, config),
            ledger: Ledger::default(),
            index_bytes: (TABLE_COUNT * size_of::<Table>()) as u64,
            changes: changes::Changes::default(),
            defrag: defrag::Progress::default(),
            indexes: None,
            scratch: Vec::new(),
            tombs: None,
            raid: raid::Progress::default(),
            drops: [DropMark::default(); TABLE_COUNT],
            warmed: 0,
            put_bytes: 0,
            packable_bytes: 0,
            packed_bytes: 0,
            moved_bytes: 0,
            loading: HashMap::new(),
        }
    }

    /// The block log's settings.
    #[must_use]
    pub fn config(&self) -> &LogConfig {
        self.log.config()
    }

    /// Changes the block log's settings; the block size stays what it was.
    pub fn set_config(&mut self, config: LogConfig) {
        self.log.set_config(config);
    }

    /// The record with this digest, dead or alive.
    #[inline]
    #[must_use]
    pub fn get(&self, digest: &Digest) -> Option<RecordRef<'_>> {
        let table = self.table(digest.partition());
        let slot = table.find(&Key::of(digest)).ok()?;
        Some(self.record(table.entry(slot)))
    }

    /// Whether the record can be read at `now_s` (since 2010-01-01): readable while the second of its void time
    /// lasts, dead at once when a cut-off kills it.
    #[inline]
    #[must_use]
    pub fn live(record: &RecordRef<'_>, now_s: u32, cutoffs: &Cutoffs) -> bool {
        let Meta { void_time, last_update_ms, set, .. } = record.meta();
        !(expired(void_time, now_s) || cutoffs.kills(set, last_update_ms))
    }

    /// The records of a partition in descending digest order, from the largest digest below `after` on.
    ///
    /// The caller chooses the stripe with [`stripe_of`]; another one would answer for a partition of its own. Of
    /// `after`, only the bits that the partition does not imply count.
    pub fn scan(
        &self,
        partition: PartitionId,
        after: Option<&Digest>,
    ) -> impl Iterator<Item = RecordRef<'_>> {
        self.scan_set(partition, after, None)
    }

    /// The same records of one set, without reading those of others, which the index knows. Of these one comes now and then
    /// as well, after [`STEPPED_OVER`] others in a row: whoever counts what comes then knows about how much was looked at.
    pub fn scan_set(
        &self,
        partition: PartitionId,
        after: Option<&Digest>,
        set: Option<SetId>,
    ) -> impl Iterator<Item = RecordRef<'_>> {
        let table = self.table(partition);
        let below = table.ceiling(after.map(Key::of).as_ref());
        let mut stepped_over = 0usize;
        let entries = table.descend(below).map(|(_, entry)| entry).filter(move |entry| {
            if set.is_none_or(|set| entry.set() == set) {
                stepped_over = 0;
                return true;
            }
            stepped_over += 1;
            stepped_over.is_multiple_of(STEPPED_OVER)
        });
        let mut entries = entries.fuse();
        let mut bunch: [Option<&Entry>; BUNCH] = [None; BUNCH];
        let mut at = BUNCH;
        std::iter::from_fn(move || {
            if at == BUNCH {
                bunch.fill_with(|| entries.next());
                at = 0;
                // Records lie where chance has put them. Memory is asked for all of a bunch before any of it is waited for.
                let seen =
                    bunch.iter().flatten().fold(0, |seen, entry| seen ^ self.log.glance(entry.location()));
                std::hint::black_box(seen);
            }
            let entry = bunch.get(at).copied().flatten()?;
            at += 1;
            Some(self.record(entry))
        })
    }

    /// How many records a partition has, dead ones that no sweep has met yet included.
    #[must_use]
    pub fn partition_objects(&self, partition: PartitionId) -> u64 {
        self.table(partition).len() as u64
    }

    /// Bytes allocated for a partition's index table, the table's own head included.
    #[must_use]
    pub fn partition_index_bytes(&self, partition: PartitionId) -> u64 {
        let table = self.table(partition);
        (table.bytes() + size_of_val(table)) as u64
    }

    /// To be called now and then between commands: forgets records that were read back from a volume.
    #[inline]
    pub fn settle_reads(&mut self) {
        self.log.settle_reads();
    }

    /// What the stripe holds and what it costs.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let SetCounts { objects, record_bytes } = self.ledger.total();
        Counts {
            objects,
            record_bytes,
            index_bytes: self.index_bytes,
            sindex_bytes: self.sindex_bytes(),
            log_allocated_bytes: self.log.allocated_bytes(),
            log_used_bytes: self.log.used_bytes(),
            put_bytes: self.put_bytes,
            packable_bytes: self.packable_bytes,
            packed_bytes: self.packed_bytes,
            moved_bytes: self.moved_bytes,
        }
    }

    /// What one set holds in this stripe.
    #[must_use]
    pub fn set_counts(&self, set: SetId) -> SetCounts {
        self.ledger.of(set)
    }

    /// Every set that ever had a record here, with what it holds now.
    pub fn sets(&self) -> impl Iterator<Item = (SetId, SetCounts)> {
        self.ledger.sets()
    }

    pub(crate) fn log(&self) -> &BlockLog {
        &self.log
    }

    #[inline]
    pub(crate) fn table(&self, partition: PartitionId) -> &Table {
        &self.tables[partition.index() / STRIPE_COUNT]
    }

    #[inline]
    fn table_mut(&mut self, partition: PartitionId) -> &mut Table {
        &mut self.tables[partition.index() / STRIPE_COUNT]
    }

    /// The record that an entry leads to.
    #[inline]
    pub(crate) fn record(&self, entry: &Entry) -> RecordRef<'_> {
        self.log.record(entry.location())
    }
}

/// Whether the second of the void time is over.
#[inline]
pub(crate) fn expired(void_time: u32, now_s: u32) -> bool {
    void_time != 0 && void_time < now_s
}

#[cfg(test)]
#[path = "stripe_tests.rs"]
mod tests;
