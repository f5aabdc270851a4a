//! What a block log does differently when its blocks also lie on a volume.
//!
//! Guarantees: bytes that were handed on to be written never change; the slots of a freed block are given back
//! together with the bytes that replaced its records, so that they are used again only when those are durable.

use super::{BlockLog, Held, Room};
use crate::block::Header;
use crate::error::StoreError;
use crate::index::Location;
use crate::volume::{Batch, Place, Volume};
use std::sync::Arc;

/// The volume of a block log.
#[derive(Debug)]
pub(crate) struct Attached {
    pub(super) volume: Arc<Volume>,
    /// Blocks with bytes that were not handed on yet, perhaps, as number and sequence.
    unwritten: Vec<(u32, u64)>,
    /// Slots of blocks that were freed since the last [`BlockLog::take_new_bytes`].
    retired: Vec<(Place, u32)>,
}

impl Attached {
    pub(super) fn new(volume: Arc<Volume>) -> Attached {
        Attached { volume, unwritten: Vec::new(), retired: Vec::new() }
    }

    /// Slots for a block of `size` bytes.
    pub(super) fn allocate(&self, size: usize, room: Room) -> Result<Place, StoreError> {
        let spare = room == Room::Spare;
        if self.volume.is_faulty() {
            return Err(StoreError::Device);
        }
        if !spare && self.volume.is_overloaded() {
            return Err(StoreError::Overload);
        }
        self.volume.allocate(size, spare).ok_or(StoreError::Full)
    }

    /// A block was begun.
    pub(super) fn begun(&mut self, number: u32, sequence: u64, size: usize) {
        self.unwritten.push((number, sequence));
        self.volume.note_begun(size);
    }

    /// A block was freed.
    pub(super) fn retire(&mut self, held: &Held) {
        self.retired.push((held.place(), self.volume.run(held.size())));
    }
}

impl BlockLog {
    /// Hands on what was written since the last call, and the slots of blocks freed since then.
    pub(crate) fn take_new_bytes(&mut self, batch: &mut Batch) {
        let Some(attached) = &mut self.attached else { return };
        let (blocks, open) = (&mut self.blocks, self.open);
        attached.unwritten.retain(|&(number, sequence)| {
            let held = blocks.get_mut(number as usize).and_then(Option::as_mut);
            let Some(held) = held.filter(|held| held.sequence() == sequence) else { return false };
            let place = held.place();
            if let Some((at, bytes)) = held.take_new() {
                batch.add(place, at, bytes);
            }
            open == Some(number)
        });
        batch.retire(&mut attached.retired);
    }

    /// Adds a block that was read from the volume, closed, none of its records counted as alive yet.
    pub(crate) fn add_loaded(
        &mut self,
        header: &Header,
        seed: u32,
        used_bytes: usize,
        memory: Box<[u8]>,
    ) -> Option<u32> {
        let number =
            u32::try_from(self.blocks.len()).ok().filter(|&number| number < Location::BLOCK_LIMIT)?;
        let held = Held::loaded(memory, header, seed, used_bytes);
        self.allocated_bytes += held.size() as u64;
        self.used_bytes += held.used_bytes() as u64;
        self.sequence = self.sequence.max(header.sequence);
        self.blocks.push(Some(held));
        Some(number)
    }

    /// Counts a record of a loaded block as alive.
    pub(crate) fn revive(&mut self, location: Location, size: usize, last_update_ms: u64) {
        let held = self.held_mut(location.block());
        held.revive(size);
        held.note_time(last_update_ms);
    }

    /// Counts a record as dead without a look at what that means for its block.
    pub(crate) fn bury(&mut self, location: Location, size: usize) {
        self.held_mut(location.block()).lose(size);
    }

    /// Which of two records was written later: sequence of the block, then place in it.
    pub(crate) fn order(&self, location: Location) -> (u64, u32) {
        (self.held(location.block()).sequence(), location.offset())
    }

    /// All blocks are loaded: frees those in which nothing lives, and queues the sparse ones.
    pub(crate) fn finish_load(&mut self) {
        let numbers: Vec<u32> = self.blocks_from(0).map(|(number, _)| number).collect();
        numbers.into_iter().for_each(|number| self.review(number));
    }

    /// Whether the record at a location may be written over.
    #[inline]
    pub(crate) fn may_change(&self, location: Location) -> bool {
        self.held(location.block()).may_change(location.offset())
    }
}
