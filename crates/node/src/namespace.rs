//! One namespace: 64 stripes of records, its sets, its cut-off times and its state.
//!
//! Guarantees: a record is looked at and changed under its stripe's one lock; no two stripes are ever locked at the
//! same time; a write that begins after a truncate has taken effect gets a last-update time that survives it.

use crate::changes::Changes;
use crate::cluster::{Holdings, Shard};
use crate::command::draft::Draft;
use crate::config::{NamespaceConfig, NamespaceKey};
use crate::durable::{self, Durable};
use crate::now::Now;
use crate::quota::Quotas;
use crate::sindex::Registry;
use crate::sketch::Sketch;
use parking_lot::{Mutex, MutexGuard, RwLock, RwLockReadGuard};
use shipload_cluster::fabric::NamespaceId;
use shipload_cluster::migration::Migration;
use shipload_store::{
    Compression, Counts, Cutoffs, Identity, KeptValues, KeyRef, LogConfig, Meta, RecordRef, STRIPE_COUNT,
    SetCounts, SetId, SetTable, Stripe, Touch, stripe_of,
};
use shipload_value::{Digest, PartitionId};
use shipload_wire::code::ResultCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// A namespace of this node.
#[derive(Debug)]
pub struct Namespace {
    /// Its name, at most 31 bytes.
    pub name: String,
    /// Its place in [`crate::Node::namespaces`].
    pub index: usize,
    /// Its configuration; shared with [`crate::Node::config`].
    pub config: Arc<NamespaceConfig>,
    /// What maintenance found out.
    pub state: State,
    /// Its secondary indexes.
    pub(crate) sindexes: Registry,
    stripes: Box<[Mutex<Shard>]>,
    /// Its name in messages between nodes.
    pub(crate) fabric_id: NamespaceId,
    /// Moves partitions to where they belong; none before the node joined a cluster.
    pub(crate) migration: Mutex<Option<Migration>>,
    /// Who masters and holds what.
    pub(crate) holdings: Holdings,
    /// What was written lately, while somebody listens.
    pub(crate) changes: Changes,
    /// What caches hold of it.
    pub(crate) sketch: Sketch,
    /// Who may ask how much.
    pub(crate) quotas: Quotas,
    /// Its devices.
    pub(crate) durable: Durable,
    sets: Arc<RwLock<SetTable>>,
    sets_len: AtomicU32,
    cutoffs: RwLock<Cutoffs>,
    truncated: AtomicBool,
    /// No record is stamped with an earlier last-update time than this (ms since 2010).
    floor_ms: AtomicU64,
    /// The latest last-update time that any record was stamped with.
    latest_ms: AtomicU64,
    /// Truncates whose sweep is not finished: none for the whole namespace.
    truncating: Mutex<Vec<Option<SetId>>>,
}

/// What maintenance found out about a namespace, for commands and for info.
#[derive(Debug, Default)]
pub struct State {
    /// Writes are refused with result code 8.
    pub stop_writes: AtomicBool,
    /// A high-water mark is passed: records are evicted.
    pub hwm_breached: AtomicBool,
    /// Void time (seconds since 2010) below which records were last evicted.
    pub evict_void_time: AtomicU32,
    /// Remaining seconds to live below which records were last evicted.
    pub evict_ttl_s: AtomicU32,
    /// How long the last expiry pass took, in seconds.
    pub nsup_cycle_duration_s: AtomicU32,
    /// Percent (times 100) of the records that the last expiry pass removed.
    pub nsup_cycle_deleted_pct_x100: AtomicU32,
    /// Records without a void time that the last expiry pass met.
    pub non_expirable_objects: AtomicU64,
    /// Live records that defragmentation has moved.
    pub defrag_moved_records: AtomicU64,
}

/// How a namespace's memory is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// What its stripes hold.
    pub counts: Counts,
    /// `data-size`: bytes that records may take; 0 for no limit.
    pub data_size: u64,
    /// `indexes-memory-budget` in bytes; 0 for no limit.
    pub index_budget: u64,
}

impl Usage {
    /// Percent of `data-size` that live records take; 0 without a limit.
    #[must_use]
    pub fn data_used_pct(&self) -> u64 {
        percent(self.counts.record_bytes, self.data_size)
    }

    /// Percent of `data-size` that is free for new blocks; 100 without a limit.
    #[must_use]
    pub fn data_avail_pct(&self) -> u64 {
        100 - percent(self.counts.log_used_bytes, self.data_size)
    }

    /// Percent of `indexes-memory-budget` that indexes take; 0 without a limit.
    #[must_use]
    pub fn index_used_pct(&self) -> u64 {
        percent(self.counts.all_index_bytes(), self.index_budget)
    }
}

fn percent(part: u64, whole: u64) -> u64 {
    (part.saturating_mul(100)).checked_div(whole).unwrap_or(0).min(100)
}

impl Namespace {
    pub(crate) fn new(config: Arc<NamespaceConfig>, index: usize) -> Namespace {
        let name = config.name().to_owned();
        let fabric_id = NamespaceId::of(&name);
        let log = log_config(&config);
        let Digest(hash) = Digest::of(name.as_bytes(), 0, b"namespace");
        let mut identity = [0; 16];
        identity.copy_from_slice(&hash[..16]);
        let stripe =
            |stripe| Mutex::new(Shard::new(Stripe::new(Identity { namespace: identity, stripe }, log)));
        let stripes = (0..).take(STRIPE_COUNT).map(stripe).collect();
        Namespace {
            name,
            index,
            config,
            state: State::default(),
            sindexes: Registry::default(),
            stripes,
            fabric_id,
            migration: Mutex::new(None),
            holdings: Holdings::default(),
            durable: Durable::default(),
            sets: Arc::default(),
            sets_len: AtomicU32::new(0),
            cutoffs: RwLock::default(),
            truncated: AtomicBool::new(false),
            floor_ms: AtomicU64::new(0),
            latest_ms: AtomicU64::new(0),
            changes: Changes::default(),
            sketch: Sketch::default(),
            quotas: Quotas::default(),
            truncating: Mutex::default(),
        }
    }

    /// Locks the stripe that holds this record.
    pub(crate) fn stripe(&self, digest: &Digest) -> MutexGuard<'_, Shard> {
        self.stripe_at(stripe_of(digest.partition()))
    }

    /// Locks the stripe that holds this partition.
    pub(crate) fn stripe_of(&self, partition: PartitionId) -> MutexGuard<'_, Shard> {
        self.stripe_at(stripe_of(partition))
    }

    /// Begins a stripe anew, with other records.
    pub(crate) fn put_shard(&self, stripe: usize, shard: Shard) {
        *self.stripes[stripe].lock() = shard;
    }

    /// Takes over sets and cut-offs of an earlier life.
    pub(crate) fn restore(&self, kept: KeptValues) {
        let cut = durable::cut_sets(&kept);
        let latest_ms =
            cut.iter().map(|set| set.map_or(kept.cutoffs.namespace_ms(), |set| kept.cutoffs.set_ms(set)));
        self.floor_ms.fetch_max(latest_ms.max().unwrap_or(0), Ordering::AcqRel);
        self.truncated.store(!cut.is_empty(), Ordering::Release);
        *self.truncating.lock() = cut;
        self.sets_len.store(u32::try_from(kept.sets.len()).unwrap_or(u32::MAX), Ordering::Release);
        *self.sets.write() = kept.sets;
        *self.cutoffs.write() = kept.cutoffs;
    }

    /// Locks the stripe with this number.
    pub(crate) fn stripe_at(&self, stripe: usize) -> MutexGuard<'_, Shard> {
        let mut shard = self.stripes[stripe].lock();
        shard.settle_reads();
        shard
    }

    /// The record with this digest, if it is alive.
    pub(crate) fn find<'s>(&self, stripe: &'s Stripe, digest: &Digest, now: Now) -> Option<RecordRef<'s>> {
        stripe.get(digest).filter(|record| self.is_live(record, now))
    }

    /// Whether a record can be read: not expired, not truncated.
    pub(crate) fn is_live(&self, record: &RecordRef<'_>, now: Now) -> bool {
        if self.truncated.load(Ordering::Acquire) {
            return Stripe::live(record, now.since_2010_s(), &self.cutoffs.read());
        }
        Stripe::live(record, now.since_2010_s(), &Cutoffs::default())
    }

    /// The cut-off times of truncates.
    pub fn cutoffs(&self) -> RwLockReadGuard<'_, Cutoffs> {
        self.cutoffs.read()
    }

    /// The names of the sets. Don't hold the guard while calling into the node.
    pub fn sets(&self) -> RwLockReadGuard<'_, SetTable> {
        self.sets.read()
    }

    /// The names of the sets, for those that outlive a call.
    pub(crate) fn shared_sets(&self) -> &Arc<RwLock<SetTable>> {
        &self.sets
    }

    /// How many sets have a number; it only grows.
    pub(crate) fn sets_len(&self) -> usize {
        self.sets_len.load(Ordering::Acquire) as usize
    }

    /// The number of a set, which is given one if it has none. None when there are too many sets.
    pub(crate) fn add_set(&self, name: &[u8]) -> Option<SetId> {
        let mut sets = self.sets.write();
        let set = sets.find_or_add(name).ok()?;
        self.sets_len.store(u32::try_from(sets.len()).unwrap_or(u32::MAX), Ordering::Release);
        Some(set)
    }

    /// The last-update time of a record that is written now, in ms since 2010.
    pub(crate) fn last_update_ms(&self, now: Now) -> u64 {
        let stamp = now.since_2010_ms().max(self.floor_ms.load(Ordering::Acquire));
        let latest_ms = self.latest_ms.load(Ordering::Relaxed);
        if latest_ms < stamp {
            self.latest_ms.fetch_max(stamp, Ordering::AcqRel);
        }
        // Never earlier than an older copy on a device, even when the clock stepped back: a truncate that kills this
        // record must kill that copy too.
        if self.volume().is_some() { stamp.max(latest_ms) } else { stamp }
    }

    /// The latest last-update time that any record was stamped with, in ms since 2010.
    pub(crate) fn latest_stamp_ms(&self) -> u64 {
        self.latest_ms.load(Ordering::Acquire)
    }

    /// A record came from another node that was written then.
    pub(crate) fn note_update(&self, last_update_ms: u64) {
        if self.latest_ms.load(Ordering::Relaxed) < last_update_ms {
            self.latest_ms.fetch_max(last_update_ms, Ordering::AcqRel);
        }
    }

    /// The latest moment that a record may be stamped with already, in ms since 2010. Threads read the clock at
    /// different moments, so it may lie a little after `now`.
    pub(crate) fn latest_ms(&self, now: Now) -> u64 {
        let floor = self.floor_ms.load(Ordering::Acquire);
        now.since_2010_ms().max(floor).max(self.latest_ms.load(Ordering::Acquire))
    }

    /// Gives a record a new void time and leaves the rest of it alone. False when that was impossible.
    pub(crate) fn renew(&self, stripe: &mut Stripe, digest: &Digest, void_time: u32, now: Now) -> bool {
        let Some(meta) = stripe.get(digest).map(|record| record.meta()) else { return false };
        let meta = Meta { void_time, last_update_ms: self.last_update_ms(now), ..meta };
        !matches!(stripe.touch(digest, &meta), Err(_) | Ok(Touch::Absent))
    }

    /// `max-record-size` in bytes.
    pub(crate) fn max_record_size(&self) -> u64 {
        match self.config.number(NamespaceKey::MaxRecordSize) {
            0 => 8 << 20,
            max => max,
        }
    }

    /// Refuses records above `max-record-size`.
    pub(crate) fn check_size(&self, draft: &Draft, key: Option<KeyRef<'_>>) -> Result<(), ResultCode> {
        let max = self.max_record_size();
        let key = key.map_or(0, |key| key.bytes.len() + 2);
        let bins: usize = draft.iter().map(|bin| bin.name.len() + bin.value.len() + 6).sum();
        let size = (RECORD_OVERHEAD + key + bins) as u64;
        if size > max { Err(ResultCode::RecordTooBig) } else { Ok(()) }
    }

    /// Sums over all stripes, locking one after the other.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let mut counts = Counts::default();
        self.stripes.iter().for_each(|stripe| counts.add(stripe.lock().counts()));
        if let Some(volume) = self.volume() {
            // On devices whole slots are taken, and freed ones are free only after the next flush.
            counts.log_used_bytes = volume.total_bytes() - volume.available_bytes();
        }
        Usage {
            counts,
            data_size: self.config.number(NamespaceKey::DataSize),
            index_budget: self.config.number(NamespaceKey::IndexesMemoryBudget),
        }
    }

    /// What one set holds, summed over all stripes.
    #[must_use]
    pub fn set_usage(&self, set: SetId) -> SetCounts {
        let mut counts = SetCounts::default();
        self.stripes.iter().for_each(|stripe| counts.add(stripe.lock().set_counts(set)));
        counts
    }

    /// Records in one partition, dead ones that no sweep has met yet included.
    #[must_use]
    pub fn partition_objects(&self, partition: PartitionId) -> u64 {
        self.stripe_of(partition).partition_objects(partition)
    }

    pub(crate) fn cut(&self, set: Option<SetId>, cut_ms: u64) {
        // Before and after, so that no look at the sketch falls between the truncate and the doubt.
        self.sketch.doubt();
        self.cut_now(set, cut_ms);
        self.sketch.doubt();
    }

    fn cut_now(&self, set: Option<SetId>, cut_ms: u64) {
        // The floor comes first: whoever sees the cut-off already stamps above it.
        self.floor_ms.fetch_max(cut_ms, Ordering::AcqRel);
        let mut cutoffs = self.cutoffs.write();
        match set {
            Some(set) => cutoffs.truncate_set(set, cut_ms),
            None => cutoffs.truncate_namespace(cut_ms),
        }
        self.truncated.store(true, Ordering::Release);
        let mut truncating = self.truncating.lock();
        if !truncating.contains(&set) {
            truncating.push(set);
        }
    }

    /// Whether the sweep of a truncate of this set (none: of the namespace) is not finished.
    #[must_use]
    pub fn is_truncating(&self, set: Option<SetId>) -> bool {
        self.truncating.lock().contains(&set)
    }

    /// The truncates whose sweep is not finished.
    pub(crate) fn pending_truncates(&self) -> Vec<Option<SetId>> {
        self.truncating.lock().clone()
    }

    /// A sweep over everything has ended that began when these were pending, with these cut-offs.
    pub(crate) fn truncates_swept(&self, swept: &[Option<SetId>], cutoffs: &Cutoffs) {
        let now = self.cutoffs.read();
        let unchanged = |set: &Option<SetId>| match set {
            Some(set) => now.set_ms(*set) == cutoffs.set_ms(*set),
            None => now.namespace_ms() == cutoffs.namespace_ms(),
        };
        self.truncating.lock().retain(|set| !swept.contains(set) || !unchanged(set));
    }

    pub(crate) fn uncut(&self, set: Option<SetId>) {
        self.sketch.doubt();
        let mut cutoffs = self.cutoffs.write();
        match set {
            Some(set) => cutoffs.undo_set(set),
            None => cutoffs.undo_namespace(),
        }
    }
}

/// What a record takes beside key and bins, about; for `max-record-size`.
const RECORD_OVERHEAD: usize = 48;

/// The block log's settings, from the namespace's.
pub(crate) fn log_config(config: &NamespaceConfig) -> LogConfig {
    let default = LogConfig::default();
    let capacity_bytes = match config.number(NamespaceKey::DataSize) {
        0 => u64::MAX,
        // Digests spread evenly but not exactly: each stripe gets an eighth more than its share.
        size => size / STRIPE_COUNT as u64 / 8 * 9,
    };
    let low_water_pct = config.number(NamespaceKey::DefragLwmPct);
    // Without a copy in memory only the blocks that were written last stay there.
    let on_device = config.keys.text(NamespaceKey::StorageEngine) == "device";
    let cache = config.number(NamespaceKey::PostWriteCache) / STRIPE_COUNT as u64;
    let resident_bytes = on_device.then_some(cache);
    let low_water_pct = u8::try_from(low_water_pct).unwrap_or(50);
    let pooled_blocks = if on_device { 0 } else { default.pooled_blocks };
    let compression = match config.keys.text(NamespaceKey::Compression).as_str() {
        "lz4" | "snappy" => Some(Compression::Lz4),
        "zstd" => {
            let level = config.number(NamespaceKey::CompressionLevel).clamp(1, 9);
            Some(Compression::Zstd(u8::try_from(level).unwrap_or(1)))
        }
        _ => None,
    };
    LogConfig { capacity_bytes, low_water_pct, resident_bytes, pooled_blocks, compression, ..default }
}
