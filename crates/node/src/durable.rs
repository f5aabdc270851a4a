//! A namespace whose records also lie on devices: attaching, loading, flushing, and what must be durable first.
//!
//! Guarantees: a set's name is on stable storage before a record of that set; a truncate is before it is acknowledged;
//! with `commit-to-device` a write is before its reply leaves, when the shell calls [`Node::commit`] in between.

use crate::cluster::Shard;
use crate::config::NamespaceKey;
use crate::namespace::{Namespace, log_config};
use crate::node::Node;
use shipload_store::volume::Flushed;
use shipload_store::{Fault, KeptValues, LoadReport, STRIPE_COUNT, SetId, Stripe, Volume, VolumeError};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// What a namespace on devices has beside its stripes.
#[derive(Debug, Default)]
pub(crate) struct Durable {
    volume: OnceLock<Arc<Volume>>,
    /// `commit-to-device`, and there is a device.
    commits: AtomicBool,
    /// How many set names are on stable storage.
    kept_sets: AtomicUsize,
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
        self.restore(kept);
        // Digests are uniform, so the blocks of all stripes fill at about the same time: two rounds of them must fit.
        let two_rounds = (2 * STRIPE_COUNT * volume.slot_bytes()) as u64;
        volume.set_write_cache_bytes(self.config.number(NamespaceKey::MaxWriteCache).max(two_rounds));
        let log = log_config(&self.config);
        for (number, stripe) in (0..).zip(0..STRIPE_COUNT) {
            self.put_shard(stripe, Shard::new(Stripe::attached(number, log, Arc::clone(&volume))));
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
        self.note_update(report.latest_ms);
        (0..STRIPE_COUNT).for_each(|stripe| self.stripe_at(stripe).finish_load(true));
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

    /// Puts all that was written so far on stable storage.
    ///
    /// # Errors
    /// When a device is full or out of service; writes are refused from then on.
    pub fn flush(&self) -> Result<Flushed, Fault> {
        let Some(volume) = self.volume() else { return Ok(Flushed::default()) };
        let flushed = volume.flush(|stripe, take| take(&mut self.stripe_at(stripe)), || self.keep_new_sets());
        if flushed.is_err() {
            self.state.stop_writes.store(true, Ordering::Relaxed);
        }
        flushed
    }

    /// Puts set names and cut-offs on stable storage.
    pub(crate) fn keep(&self) -> Result<(), Fault> {
        let Some(volume) = self.volume() else { return Ok(()) };
        let mut sets = 0;
        volume.keep(|| {
            let values = KeptValues { sets: self.sets().clone(), cutoffs: self.cutoffs().clone() };
            sets = values.sets.len();
            values
        })?;
        self.durable.kept_sets.fetch_max(sets, Ordering::AcqRel);
        Ok(())
    }

    fn keep_new_sets(&self) -> Result<(), Fault> {
        if self.sets_len() > self.durable.kept_sets.load(Ordering::Acquire) { self.keep() } else { Ok(()) }
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
        committing.into_iter().try_for_each(|namespace| namespace.flush().map(|_| ()))
    }
}
