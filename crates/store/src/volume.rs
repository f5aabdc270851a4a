//! The devices of one namespace: whose they are, which of their slots are free, and the way from blocks to disk.
//!
//! Guarantees: a device that is not this namespace's is never written to. A slot is used again only when whatever
//! replaced the records in it is on stable storage. After a write or sync has failed, nothing is written any more.
//!
//! ```text
//! device    | header | kept A | kept B | slot 0 | slot 1 | ...      a slot holds a block; a long block takes several
//! flush     stripes' new bytes -> slots -> sync -> slots of blocks freed meanwhile are wiped -> free
//! commit    stripes' new bytes -> journal -> sync; where there is one, and good until the next flush
//! ```
//!
//! Byte by byte: `docs/format/device.md`. Refuses to know what is in a block.

mod cipher;
mod commit;
mod device_header;
mod error;
mod flush;
mod journal;
mod keep;
mod kept_values;
mod mark;
mod opening;
mod scan;
mod slots;
mod troubles;

use crate::disk::{Disk, DiskError};
use cipher::Cipher;
use keep::Kept;
use slots::Slots;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub use cipher::Key;
pub(crate) use commit::COMMIT_BYTES_MAX;
pub use commit::JournalGiven;
pub use device_header::{DEVICE_HEADER_SIZE, DEVICE_MAGIC, DEVICE_VERSION, DeviceHeader, DeviceHeaderError};
pub use error::{Fault, JournalError, VolumeError};
pub(crate) use flush::Batch;
pub use flush::{Flushed, VolumeCounts};
pub use journal::{JOURNAL_VERSION, Replayed};
pub use kept_values::KeptValues;
pub use mark::Mark;
pub use scan::{LoadReport, Scanned, SkippedSlot, Trouble};

/// The least bytes of a slot.
pub const SLOT_BYTES_MIN: u32 = 16 << 10;
/// The most bytes of a slot.
pub const SLOT_BYTES_MAX: u32 = 1 << 20;
/// Where the first slot of a device begins.
pub const SLOTS_AT: u64 = 1 << 20;
/// The least slots of a volume: an open block for each stripe, and as many again to work with.
const SLOTS_MIN: u64 = 160;
/// Slots that a volume should have at least, so that open blocks take a thirtieth of it.
const SLOTS_WANTED: u64 = 2048;

/// Where a block lies on the devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// The device, counted from 0.
    pub device: u16,
    /// Its first slot there.
    pub slot: u32,
}

/// Whom devices must belong to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Owner {
    /// Name of the namespace.
    pub namespace: String,
    /// Name of the cluster; empty when it has none, which fits every device.
    pub cluster: String,
}

/// The devices of a namespace, open.
#[derive(Debug)]
pub struct Volume {
    id: [u8; 16],
    /// Told apart in block headers: the blocks of this life of the volume from those of others.
    salt: u64,
    slot_bytes: u32,
    /// Slots of each device.
    slot_counts: Vec<u32>,
    disks: Vec<Box<dyn Disk>>,
    /// None when the devices are not encrypted.
    cipher: Option<Cipher>,
    /// Offsets and lengths of what is read and written in slots are multiples of this.
    align: usize,
    slots: Mutex<Slots>,
    kept: Mutex<Kept>,
    /// What the journal held when the devices were opened.
    replayed: Option<Replayed>,
    /// What all devices carried when they were opened.
    mark: Option<Mark>,
    /// They carry it still.
    is_marked: AtomicBool,
    flush: Mutex<flush::State>,
    /// 0 well, 1 full, 2 failed.
    health: AtomicU8,
    /// Bytes that new blocks may take now.
    available_bytes: AtomicU64,
    fault: Mutex<Option<Fault>>,
    /// Bytes of blocks that take no more records and that no flush has met yet.
    closed_bytes: AtomicU64,
    /// Blocks are not begun while more than this waits.
    write_cache_bytes: AtomicU64,
    /// Writers help to make room when less than this is available.
    margin_bytes: u64,
    counts: VolumeCounts,
    /// Damage that nobody has asked for yet.
    troubles: Mutex<Vec<SkippedSlot>>,
}

impl Volume {
    /// Names the volume: what the headers of its blocks carry.
    #[must_use]
    pub fn id(&self) -> [u8; 16] {
        self.id
    }

    pub(crate) fn salt(&self) -> u64 {
        self.salt
    }

    /// Bytes of a slot.
    #[must_use]
    pub fn slot_bytes(&self) -> usize {
        self.slot_bytes as usize
    }

    /// How many slots each device has.
    #[must_use]
    pub fn slot_counts(&self) -> &[u32] {
        &self.slot_counts
    }

    /// Bytes that blocks may take, on all devices together.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        lock(&self.slots).total() * u64::from(self.slot_bytes)
    }

    /// Bytes that new blocks may take now.
    #[must_use]
    pub fn available_bytes(&self) -> u64 {
        self.available_bytes.load(Ordering::Relaxed)
    }

    /// Changes what is known of the slots.
    fn with_slots<R>(&self, change: impl FnOnce(&mut Slots) -> R) -> R {
        let mut slots = lock(&self.slots);
        let changed = change(&mut slots);
        let bytes = slots.available() * u64::from(self.slot_bytes);
        self.available_bytes.store(bytes, Ordering::Relaxed);
        changed
    }

    /// Whether blocks should be freed before `bytes` more are written: few slots are left, or much waits to be written.
    #[inline]
    #[must_use]
    pub fn is_short(&self, bytes: usize) -> bool {
        let wanted = self.margin_bytes.saturating_add(2 * bytes as u64);
        self.available_bytes() < wanted
            || self.waiting_bytes() > self.write_cache_bytes.load(Ordering::Relaxed) / 2
    }

    /// What was done so far.
    #[must_use]
    pub fn counts(&self) -> &VolumeCounts {
        &self.counts
    }

    /// Blocks are not begun while more bytes than this wait to be written; no limit before the first call.
    pub fn set_write_cache_bytes(&self, bytes: u64) {
        self.write_cache_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Bytes of blocks that were filled since the last flush.
    #[must_use]
    pub fn waiting_bytes(&self) -> u64 {
        self.closed_bytes.load(Ordering::Relaxed)
    }

    /// What the devices keep beside the records.
    ///
    /// # Errors
    /// When it was written by a later version.
    pub fn kept(&self) -> Result<KeptValues, VolumeError> {
        let device = || self.disks.first().map_or_else(String::new, |disk| disk.name().to_owned());
        KeptValues::decode(&lock(&self.kept).bytes).ok_or_else(|| VolumeError::Kept { device: device() })
    }

    /// Keeps these values from now on; they are on stable storage when this returns. Values that are already kept
    /// are not written again.
    ///
    /// # Errors
    /// When the volume is out of service, or goes out of service now.
    pub fn keep(&self, values: impl FnOnce() -> KeptValues) -> Result<(), Fault> {
        let mut kept = lock(&self.kept);
        // Encoded under the lock, so that no older state can overtake a newer one.
        let bytes = values().encode();
        if kept.bytes == bytes {
            return Ok(());
        }
        let next = kept.next(bytes, kept.journal);
        self.keep_next(&mut kept, next)
    }

    fn keep_next(&self, kept: &mut Kept, next: Kept) -> Result<(), Fault> {
        let Some(disk) = self.disks.first() else { return Ok(()) };
        // A device that was full may have room again.
        if let Some(fault @ Fault::Failed(_)) = self.fault() {
            return Err(fault);
        }
        self.unmark()?;
        keep::keep(&**disk, self.cipher.as_ref(), &next)
            .map_err(|error| self.fail(&**disk, "write", &error))?;
        *kept = next;
        Ok(())
    }

    /// Why the volume takes no writes now.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        if self.health.load(Ordering::Acquire) == 0 { None } else { lock(&self.fault).clone() }
    }

    /// Whether the volume takes no writes now.
    #[inline]
    #[must_use]
    pub fn is_faulty(&self) -> bool {
        self.health.load(Ordering::Acquire) != 0
    }

    /// Notes that a device failed, or is full.
    fn fail(&self, disk: &dyn Disk, what: &str, error: &DiskError) -> Fault {
        let (level, fault) = match error {
            DiskError::Full => (1, Fault::Full(disk.name().to_owned())),
            DiskError::Failed(text) => (2, Fault::Failed(format!("{}: {what}: {text}", disk.name()))),
        };
        let mut place = lock(&self.fault);
        match &*place {
            // Out of service stays out of service.
            Some(failed @ Fault::Failed(_)) => failed.clone(),
            Some(Fault::Full(_)) | None => {
                *place = Some(fault.clone());
                self.health.store(level, Ordering::Release);
                fault
            }
        }
    }

    /// There is room again.
    fn recovered_room(&self) {
        let mut place = lock(&self.fault);
        if matches!(*place, Some(Fault::Full(_))) {
            *place = None;
            self.health.store(0, Ordering::Release);
        }
    }

    /// Slots for a block of so many bytes. The room that is kept back for defragmentation and deletes is only
    /// given out when `spare`.
    pub(crate) fn allocate(&self, bytes: usize, spare: bool) -> Option<Place> {
        self.with_slots(|slots| slots.take(self.run(bytes), spare))
    }

    /// Whether more bytes wait to be written than should.
    pub(crate) fn is_overloaded(&self) -> bool {
        self.waiting_bytes() > self.write_cache_bytes.load(Ordering::Relaxed)
    }

    /// All slots are free again: the blocks that were found are loaded anew.
    pub fn forget_blocks(&self) {
        self.with_slots(|slots| *slots = Slots::new(&self.slot_counts));
    }

    pub(crate) fn note_closed(&self, bytes: usize) {
        self.closed_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// How many slots a block of so many bytes takes.
    pub(crate) fn run(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(self.slot_bytes())).unwrap_or(u32::MAX)
    }

    /// What offsets and lengths of writes to slots must be multiples of.
    pub(crate) fn align(&self) -> usize {
        self.align
    }

    fn offset(&self, place: Place) -> u64 {
        SLOTS_AT + u64::from(place.slot) * u64::from(self.slot_bytes)
    }
}

/// Locks a mutex. Its value is right even if a thread panicked while holding it: every change is one assignment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
