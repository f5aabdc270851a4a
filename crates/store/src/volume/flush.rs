//! From blocks in memory to slots on disk.
//!
//! Guarantees: when [`Volume::flush`] returns without a fault, all that was written to the stripes before it was
//! called is on stable storage. One flush runs at a time; who waits for it finds its own work done and returns.

use super::journal::Journal;
use super::{Fault, Place, Volume, lock};
use crate::block::HEADER_SIZE;
use crate::stripe::{STRIPE_COUNT, Stripe};
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};

/// New bytes of a stripe's blocks on their way to disk, copied so that no lock is held while they are written.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    writes: Vec<Write>,
    /// Slots of blocks that nothing lives in any more, once all bytes before are on stable storage.
    retired: Vec<(Place, u32)>,
}

#[derive(Debug, Clone, Copy)]
struct Write {
    place: Place,
    /// Where in the block.
    at: usize,
    length: usize,
}

/// So many bytes of a stripe are written at once, and one block more; where it has more it is asked again. On a small
/// volume less is much.
const BATCH_BYTES: usize = 4 << 20;
/// A buffer that grew larger than this is given back.
const BUFFER_KEPT: usize = 8 << 20;

impl Batch {
    /// Bytes that wait in it.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Adds bytes of the block at `place`, from `at` in the block on, and zeros up to the next multiple of `align`.
    pub(crate) fn add(&mut self, place: Place, at: usize, bytes: &[u8], align: usize) {
        let length = (at + bytes.len()).next_multiple_of(align) - at;
        self.writes.push(Write { place, at, length });
        self.bytes.extend_from_slice(bytes);
        self.bytes.resize(self.bytes.len() + length - bytes.len(), 0);
    }

    /// Whether what must be durable first matters: a freed block may have held what only a kept mark replaces.
    pub(super) fn needs_preparing(&self) -> bool {
        !self.writes.is_empty() || !self.retired.is_empty()
    }

    pub(super) fn clear(&mut self) {
        if self.bytes.capacity() > BUFFER_KEPT {
            *self = Batch::default();
        }
        self.bytes.clear();
        self.writes.clear();
    }

    /// What is to be written: places, where in their blocks, and bytes.
    pub(super) fn writes(&self) -> impl Iterator<Item = (Place, usize, &[u8])> {
        let mut rest = self.bytes.as_slice();
        self.writes.iter().map_while(move |write| {
            let (bytes, behind) = rest.split_at_checked(write.length)?;
            rest = behind;
            Some((write.place, write.at, bytes))
        })
    }

    /// Adds the slots of freed blocks.
    pub(crate) fn retire(&mut self, retired: &mut Vec<(Place, u32)>) {
        self.retired.append(retired);
    }
}

/// What a flush carries from one call to the next.
#[derive(Debug)]
pub(super) struct State {
    /// What a full device did not take.
    pub(super) left: Batch,
    /// Freed blocks whose replacements are written but not synced in their places.
    retired: Vec<(Place, u32)>,
    /// Devices written to since their last sync.
    unsynced: Vec<bool>,
    /// The commit that is under way.
    pub(super) commit: Batch,
    /// What was copied for a commit is not in the journal, perhaps: only a flush makes it safe.
    pub(super) adrift: bool,
    /// Where commits go; none: to their places.
    pub(super) journal: Option<Journal>,
}

impl State {
    pub(super) fn new(devices: usize) -> State {
        let unsynced = vec![false; devices];
        State {
            left: Batch::default(),
            retired: Vec::new(),
            unsynced,
            commit: Batch::default(),
            adrift: false,
            journal: None,
        }
    }
}

/// What a volume has done since it was opened.
#[derive(Debug, Default)]
pub struct VolumeCounts {
    /// Flushes that have ended well.
    pub flushes: AtomicU64,
    /// Bytes written: of blocks, and of commits to the journal.
    pub written_bytes: AtomicU64,
    /// Bytes read back for records that are not in memory.
    pub read_bytes: AtomicU64,
    /// Syncs of a device or of the journal.
    pub syncs: AtomicU64,
    /// Commits to the journal.
    pub commits: AtomicU64,
    /// Blocks whose slots became free again.
    pub freed_blocks: AtomicU64,
    /// Blocks in which something was damaged, found at the start or later.
    pub damaged_blocks: AtomicU64,
}

/// What one flush did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flushed {
    /// Bytes of blocks written.
    pub bytes: u64,
    /// Blocks whose slots became free again.
    pub freed_blocks: u64,
}

impl Volume {
    /// A batch of so many bytes is written before there is more.
    pub(crate) fn batch_bytes(&self) -> usize {
        usize::try_from(self.total_bytes() / 64).unwrap_or(usize::MAX).min(BATCH_BYTES)
    }

    /// Puts all that the stripes hold on stable storage. `with` locks a stripe by its number and calls what it is
    /// given; `prepare` is called before a stripe's bytes are written, for what must be durable before them.
    ///
    /// # Errors
    /// When the volume is out of service, or goes out of service now.
    pub fn flush(
        &self,
        with: impl FnMut(usize, &mut dyn FnMut(&mut Stripe)),
        prepare: impl FnMut() -> Result<(), Fault>,
    ) -> Result<Flushed, Fault> {
        self.flush_all(&mut lock(&self.flush), with, prepare)
    }

    pub(super) fn flush_all(
        &self,
        state: &mut State,
        mut with: impl FnMut(usize, &mut dyn FnMut(&mut Stripe)),
        mut prepare: impl FnMut() -> Result<(), Fault>,
    ) -> Result<Flushed, Fault> {
        if let Some(fault @ Fault::Failed(_)) = self.fault() {
            return Err(fault);
        }
        let mut flushed = Flushed::default();
        let closed = self.closed_bytes.load(Ordering::Relaxed);
        if state.left.needs_preparing() {
            // What an earlier flush could not write may not have been prepared either.
            prepare()?;
        }
        self.write(state, &mut flushed)?;
        for number in 0..STRIPE_COUNT {
            let mut more = true;
            while more {
                let mut batch = mem::take(&mut state.left);
                with(number, &mut |stripe| more = stripe.take_new_bytes(&mut batch));
                state.left = batch;
                if state.left.needs_preparing() {
                    prepare()?;
                }
                self.write(state, &mut flushed)?;
            }
        }
        self.sync(state)?;
        // Before a slot is given back: what the journal holds would be put over what comes there.
        self.reset_journal(state)?;
        state.adrift = false;
        self.recovered_room();
        self.closed_bytes.fetch_sub(closed, Ordering::Relaxed);
        self.free(state, &mut flushed)?;
        self.counts.flushes.fetch_add(1, Ordering::Relaxed);
        Ok(flushed)
    }

    /// Writes what is left of a batch.
    fn write(&self, state: &mut State, flushed: &mut Flushed) -> Result<(), Fault> {
        let (mut done, mut from) = (0, 0);
        let mut fault = None;
        let mut encrypted = Vec::new();
        for write in &state.left.writes {
            let bytes = state.left.bytes.get(from..from + write.length).unwrap_or_default();
            let bytes = self.encrypted(write.place, write.at, bytes, &mut encrypted);
            if let Err(error) = self.write_at(write.place, write.at, bytes, &mut state.unsynced) {
                fault = Some(error);
                break;
            }
            done += 1;
            from += write.length;
        }
        flushed.bytes += from as u64;
        self.counts.written_bytes.fetch_add(from as u64, Ordering::Relaxed);
        state.left.writes.drain(..done);
        state.left.bytes.drain(..from);
        if let Some(fault) = fault {
            return Err(fault);
        }
        state.retired.append(&mut state.left.retired);
        if state.left.bytes.capacity() > BUFFER_KEPT {
            state.left.bytes = Vec::new();
        }
        Ok(())
    }

    /// The bytes as they lie on the device; encrypted in a buffer where that is wanted.
    fn encrypted<'b>(&self, place: Place, at: usize, bytes: &'b [u8], buffer: &'b mut Vec<u8>) -> &'b [u8] {
        let Some(cipher) = &self.cipher else { return bytes };
        buffer.clear();
        buffer.extend_from_slice(bytes);
        cipher.encrypt(place.device, self.offset(place) + at as u64, buffer);
        buffer
    }

    fn write_at(&self, place: Place, at: usize, bytes: &[u8], unsynced: &mut [bool]) -> Result<(), Fault> {
        let device = usize::from(place.device);
        let (Some(disk), Some(unsynced)) = (self.disks.get(device), unsynced.get_mut(device)) else {
            return Ok(());
        };
        self.unmark()?;
        *unsynced = true;
        disk.write_at(self.offset(place) + at as u64, bytes)
            .map_err(|error| self.fail(&**disk, "write", &error))
    }

    pub(super) fn sync(&self, state: &mut State) -> Result<(), Fault> {
        for (disk, unsynced) in self.disks.iter().zip(&mut state.unsynced) {
            if mem::take(unsynced) {
                self.counts.syncs.fetch_add(1, Ordering::Relaxed);
                disk.sync().map_err(|error| {
                    // Whatever the reason: which of the bytes are safe is unknown.
                    self.fail(&**disk, "sync", &crate::disk::DiskError::Failed(error.to_string()))
                })?;
            }
        }
        Ok(())
    }

    /// Wipes the heads of freed blocks, so that no later scan meets them, and gives their slots back.
    fn free(&self, state: &mut State, flushed: &mut Flushed) -> Result<(), Fault> {
        while let Some((place, run)) = state.retired.pop() {
            let mut heads = (0..run).map(|slot| Place { slot: place.slot + slot, ..place });
            // A wiped head is zero on the device itself, encrypted or not.
            let zeros = vec![0; HEADER_SIZE.max(self.align())];
            let wiped = heads.try_for_each(|head| self.write_at(head, 0, &zeros, &mut state.unsynced));
            if let Err(fault) = wiped {
                state.retired.push((place, run));
                return Err(fault);
            }
            self.with_slots(|slots| slots.give_back(place, run));
            flushed.freed_blocks += 1;
            self.counts.freed_blocks.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}
