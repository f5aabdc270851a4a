//! A namespace whose records also lie on devices: attaching, loading, flushing, and what must be durable first.
//!
//! Guarantees: a set's name is on stable storage before a record of that set; a truncate is before it is acknowledged;
//! with `commit-to-device` a write is before its reply leaves, when the shell calls [`Node::commit`] in between.

use crate::cluster::Shard;
use crate::config::NamespaceKey;
use crate::namespace::{Namespace, log_config};
use crate::node::Node;
use parking_lot::Mutex;
use shipload_store::volume::Flushed;
use shipload_store::{
    DropMark, Fault, KeptValues, LoadReport, Mark, STRIPE_COUNT, SetId, SnapshotError, Stripe, Trouble,
    Volume, VolumeError, stripe_of,
};
use shipload_value::PartitionId;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// Rounds of rewriting blocks that one write waits for at most.
const SQUEEZES_MAX: usize = 256;
/// Stripes whose sparsest block is rewritten in one round.
const SQUEEZED_STRIPES: usize = 8;
/// Blocks of which less than so many percent are alive are worth rewriting when no room is left.
const SQUEEZE_PCT: u8 = 97;
/// Writes that are let through, to be refused, before room is looked for again.
const HOPELESS_WRITES: u32 = 64;

/// What a namespace on devices has beside its stripes.
#[derive(Debug, Default)]
pub(crate) struct Durable {
    volume: OnceLock<Arc<Volume>>,
    /// `commit-to-device`, and there is a device.
    commits: AtomicBool,
    /// How many set names are on stable storage.
    kept_sets: AtomicUsize,
    /// The marks of partitions that were dropped.
    drops: Mutex<BTreeMap<PartitionId, DropMark>>,
    /// Some of them are not on stable storage.
    drops_changed: AtomicBool,
    /// Writes that will not try to make room: it was tried a moment ago and there is none.
    hopeless: AtomicU32,
    /// Something was damaged when the records were loaded: the next start is to look again.
    damaged: AtomicBool,
    /// How long loading took, in milliseconds, and whether it began with a snapshot.
    pub(crate) started: (AtomicU64, AtomicBool),
}

impl Durable {
    /// The devices; none for a namespace in memory.
    pub(crate) fn volume(&self) -> Option<&Arc<Volume>> {
        self.volume.get()
    }

    /// Whether a reply to a write must wait for [`Node::commit`].
    pub(crate) fn commits(&self) -> bool {
        self.commits.load(Ordering::Relaxed)
    }
}

impl Namespace {
    /// The devices that the records also lie on; none for a namespace in memory.
    #[must_use]
    pub fn volume(&self) -> Option<&Arc<Volume>> {
        self.durable.volume()
    }

    /// Puts the namespace, which must be empty, on a volume. To be called once, before anything else is done with
    /// it; then [`Namespace::load`] for all slots, then [`Namespace::finish_load`].
    ///
    /// # Errors
    /// When what is kept on the volume can't be read.
    pub fn attach(&self, volume: Arc<Volume>) -> Result<(), VolumeError> {
        let kept = volume.kept()?;
        self.durable.kept_sets.store(kept.sets.len(), Ordering::Release);
        self.durable.drops.lock().clone_from(&kept.drops);
        self.restore(kept);
        volume.forget_blocks();
        // Digests are uniform, so the blocks of all stripes fill at about the same time: two rounds of them must fit.
        let two_rounds = (2 * STRIPE_COUNT * volume.slot_bytes()) as u64;
        volume.set_write_cache_bytes(self.config.number(NamespaceKey::MaxWriteCache).max(two_rounds));
        let log = log_config(&self.config);
        for (number, stripe) in (0..).zip(0..STRIPE_COUNT) {
            self.put_shard(stripe, Shard::new(Stripe::attached(number, log, Arc::clone(&volume))));
        }
        for (partition, mark) in self.durable.drops.lock().iter() {
            self.stripe_at(stripe_of(*partition)).heed(*partition, *mark);
        }
        self.config.keys.put_number(NamespaceKey::DataSize, volume.total_bytes());
        self.durable.commits.store(self.config.flag(NamespaceKey::CommitToDevice), Ordering::Relaxed);
        // Nobody else attaches: whoever did before has the namespace.
        let _ = self.durable.volume.set(volume);
        Ok(())
    }

    /// Loads the blocks in these slots of a device. Several threads may do so at once.
    ///
    /// # Errors
    /// When the device can't be read.
    pub fn load(&self, device: u16, slots: Range<u32>) -> Result<LoadReport, VolumeError> {
        let Some(volume) = self.volume() else { return Ok(LoadReport::default()) };
        volume.load(device, slots, |stripe, load| load(&mut self.stripe_at(stripe)))
    }

    /// All slots are loaded, and this is what they brought.
    pub fn finish_load(&self, report: &mut LoadReport) {
        if let Some(volume) = self.volume() {
            report.settle(volume);
        }
        self.durable.damaged.store(!report.skipped.is_empty(), Ordering::Release);
        if let Some(volume) = self.volume() {
            volume.counts().damaged_blocks.fetch_add(report.skipped.len() as u64, Ordering::Relaxed);
        }
        self.note_update(report.latest_ms);
        (0..STRIPE_COUNT).for_each(|stripe| self.stripe_at(stripe).finish_load(true));
    }

    /// Takes over a stripe's section of a snapshot. Several threads may do so at once. After an error the namespace
    /// must be attached again.
    ///
    /// # Errors
    /// When what it says does not fit together.
    pub fn load_snapshot(&self, stripe: usize, section: &[u8]) -> Result<(), SnapshotError> {
        let Some(volume) = self.volume() else { return Err(SnapshotError::OtherState) };
        self.stripe_at(stripe).load_snapshot(section, volume)
    }

    /// The latest last-update time that any record was stamped with, in milliseconds since 2010-01-01.
    #[must_use]
    pub fn latest_update_ms(&self) -> u64 {
        self.latest_stamp_ms()
    }

    /// All sections are taken over.
    pub fn finish_snapshot(&self, latest_ms: u64) {
        self.note_update(latest_ms);
        self.durable.damaged.store(false, Ordering::Release);
    }

    /// How long loading took, for statistics.
    pub fn note_start(&self, took_ms: u64, from_snapshot: bool) {
        let (ms, snapshot) = &self.durable.started;
        ms.store(took_ms, Ordering::Relaxed);
        snapshot.store(from_snapshot, Ordering::Relaxed);
    }

    /// Whether the namespace may be described by a snapshot when it stops: not when a device failed, nor when damage was
    /// found that the next start should look at again.
    #[must_use]
    pub fn may_be_described(&self) -> bool {
        let healthy = self.volume().is_some_and(|volume| !volume.is_faulty());
        healthy && !self.durable.damaged.load(Ordering::Acquire)
    }

    /// Damage that was met since the last call while blocks were read back, as text.
    pub(crate) fn take_damage(&self) -> Vec<String> {
        let Some(volume) = self.volume() else { return Vec::new() };
        let troubles = volume.take_troubles();
        if troubles.iter().any(|slot| matches!(slot.trouble, Trouble::Unreadable { .. })) {
            self.durable.damaged.store(true, Ordering::Release);
        }
        troubles.iter().map(ToString::to_string).collect()
    }

    /// The section of a stripe, when nobody writes any more and everything is flushed.
    #[must_use]
    pub fn snapshot(&self, stripe: usize) -> Vec<u8> {
        self.stripe_at(stripe).snapshot()
    }

    /// Says that the devices are as a snapshot with this mark describes them.
    ///
    /// # Errors
    /// When a device is out of service.
    pub fn set_mark(&self, mark: &Mark) -> Result<(), Fault> {
        self.volume().map_or(Ok(()), |volume| volume.set_mark(mark))
    }

    /// Removes all records of a partition that belongs to other nodes. They stay away whatever happens: their mark is on
    /// stable storage before anything that is written later.
    pub(crate) fn drop_partition(&self, partition: PartitionId) {
        let mut stripe = self.stripe_of(partition);
        if let Some(mark) = stripe.drop_partition(partition) {
            // Under the stripe's lock: whoever flushes what comes later sees the mark.
            self.durable.drops.lock().insert(partition, mark);
            self.durable.drops_changed.store(true, Ordering::Release);
        }
    }

    /// To be called before `bytes` are written: when the devices are short of room or time, whoever writes waits here and
    /// helps to make some. A write is refused only when nothing is left that could be made free.
    #[inline]
    pub(crate) fn make_room(&self, bytes: usize) {
        if let Some(volume) = self.volume()
            && volume.is_short(bytes)
        {
            self.make_room_now(volume, bytes);
        }
    }

    #[cold]
    fn make_room_now(&self, volume: &Volume, bytes: usize) {
        let hopeless = &self.durable.hopeless;
        let waits = hopeless.try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if waits.is_ok() {
            return;
        }
        for _ in 0..SQUEEZES_MAX {
            // What was freed is free after a flush.
            if self.flush().is_err() || !volume.is_short(bytes) {
                return;
            }
            if !self.squeeze() {
                break;
            }
        }
        if volume.is_short(bytes) {
            hopeless.store(HOPELESS_WRITES, Ordering::Relaxed);
        }
    }

    /// Rewrites the sparsest blocks of all; whether there was one worth it.
    fn squeeze(&self) -> bool {
        let pct = |stripe: usize| Some((self.stripe_at(stripe).sparsest_pct()?, stripe));
        let mut stripes: Vec<(u8, usize)> =
            (0..STRIPE_COUNT).filter_map(pct).filter(|(pct, _)| *pct < SQUEEZE_PCT).collect();
        stripes.sort_unstable();
        let mut moved = false;
        for (_, stripe) in stripes.into_iter().take(SQUEEZED_STRIPES) {
            let mut stripe = self.stripe_at(stripe);
            if stripe.defrag_backlog() == 0 {
                stripe.defrag_sparsest(SQUEEZE_PCT);
            }
            let done = stripe.defrag(self.volume().map_or(0, |volume| volume.slot_bytes()));
            self.state.defrag_moved_records.fetch_add(done.moved_records, Ordering::Relaxed);
            moved |= done.blocks > 0 || done.moved_records > 0;
        }
        moved
    }

    /// Whether room could not be made when it was tried last.
    pub(crate) fn is_hopeless(&self) -> bool {
        self.durable.hopeless.load(Ordering::Relaxed) > 0
    }

    /// Whether less than an eighth of the devices is left for new blocks.
    pub(crate) fn is_tight(&self) -> bool {
        self.volume().is_some_and(|volume| volume.available_bytes() < volume.total_bytes() / 8)
    }

    /// How many tombstones keep removed records from coming back; none in memory.
    #[must_use]
    pub fn tombstones(&self) -> u64 {
        (0..STRIPE_COUNT).map(|stripe| self.stripe_at(stripe).tombstones()).sum()
    }

    /// Puts all that was written so far on stable storage, in its place.
    ///
    /// # Errors
    /// When a device is full or out of service; writes are refused from then on.
    pub fn flush(&self) -> Result<Flushed, Fault> {
        self.put_down(false)
    }

    /// Puts all that was written so far on stable storage, in the commit journal if there is one.
    ///
    /// # Errors
    /// As [`Namespace::flush`].
    pub fn commit(&self) -> Result<Flushed, Fault> {
        self.put_down(true)
    }

    fn put_down(&self, commit: bool) -> Result<Flushed, Fault> {
        let Some(volume) = self.volume() else { return Ok(Flushed::default()) };
        let take = |stripe: usize, take: &mut dyn FnMut(&mut Stripe)| take(&mut self.stripe_at(stripe));
        let flushed = if commit {
            volume.commit(take, || self.keep_news())
        } else {
            volume.flush(take, || self.keep_news())
        };
        // Dropping a partition may leave nothing to write.
        let flushed = flushed.and_then(|flushed| self.keep_news().map(|()| flushed));
        if flushed.is_err() {
            self.state.stop_writes.store(true, Ordering::Relaxed);
        }
        flushed
    }

    /// Puts set names and cut-offs on stable storage.
    pub(crate) fn keep(&self) -> Result<(), Fault> {
        let Some(volume) = self.volume() else { return Ok(()) };
        let mut sets = 0;
        let dropped = self.durable.drops_changed.swap(false, Ordering::AcqRel);
        let kept = volume.keep(|| {
            let drops = self.durable.drops.lock().clone();
            let values = KeptValues { sets: self.sets().clone(), cutoffs: self.cutoffs().clone(), drops };
            sets = values.sets.len();
            values
        });
        if kept.is_err() && dropped {
            self.durable.drops_changed.store(true, Ordering::Release);
        }
        kept?;
        self.durable.kept_sets.fetch_max(sets, Ordering::AcqRel);
        Ok(())
    }

    /// Puts new set names and dropped partitions on stable storage, if there are any.
    pub(crate) fn keep_news(&self) -> Result<(), Fault> {
        let news = self.sets_len() > self.durable.kept_sets.load(Ordering::Acquire)
            || self.durable.drops_changed.load(Ordering::Acquire);
        if news { self.keep() } else { Ok(()) }
    }
}

/// The sets that these cut-offs are about; none for the whole namespace.
pub(crate) fn cut_sets(kept: &KeptValues) -> Vec<Option<SetId>> {
    let sets = std::iter::once(SetId::NONE).chain(kept.sets.iter().map(|(set, _)| set));
    let cut = sets.filter(|set| kept.cutoffs.set_ms(*set) > 0).map(Some);
    cut.chain((kept.cutoffs.namespace_ms() > 0).then_some(None)).collect()
}

impl Node {
    /// Puts on stable storage what was written to namespaces with `commit-to-device`.
    ///
    /// # Errors
    /// When a device is full or out of service: what became of the writes is unknown, so their replies must not leave.
    pub fn commit(&self) -> Result<(), Fault> {
        let committing = self.namespaces().iter().filter(|namespace| namespace.durable.commits());
        committing.into_iter().try_for_each(|namespace| namespace.commit().map(|_| ()))
    }
}
