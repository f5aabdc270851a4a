//! What a block log does differently when its blocks also lie on a volume.
//!
//! Guarantees: bytes that were handed on to be written never change; the slots of a freed block are given back
//! together with the bytes that replaced its records, so that they are used again only when those are durable.

use super::held::Condition;
use super::reads::Reads;
use super::{BlockLog, Held, Room};
use crate::block::Header;
use crate::error::StoreError;
use crate::index::Location;
use crate::volume::{Batch, COMMIT_BYTES_MAX, Place, Trouble, Volume};
use std::collections::VecDeque;
use std::sync::Arc;

/// The volume of a block log.
#[derive(Debug)]
pub(crate) struct Attached {
    pub(super) volume: Arc<Volume>,
    /// Blocks with bytes that were not handed on yet, perhaps, as number and sequence.
    unwritten: Vec<(u32, u64)>,
    /// Slots of blocks that were freed since the last [`BlockLog::take_new_bytes`].
    retired: Vec<(Place, u32)>,
    /// Closed blocks whose last bytes were handed on by the last call: they are on the volume at the next one.
    settling: Vec<(u32, u64)>,
    /// Closed blocks on the volume that are also in memory, oldest first.
    resident: VecDeque<(u32, u64)>,
    /// Records read from blocks that are not in memory.
    reads: Reads,
}

/// Bytes of records read from the volume that a stripe keeps between commands.
const READS_KEPT: usize = 256 << 10;

impl Attached {
    pub(super) fn new(volume: Arc<Volume>) -> Attached {
        Attached {
            volume,
            unwritten: Vec::new(),
            retired: Vec::new(),
            settling: Vec::new(),
            resident: VecDeque::new(),
            reads: Reads::new(),
        }
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
    pub(super) fn begun(&mut self, number: u32, sequence: u64) {
        self.unwritten.push((number, sequence));
    }

    /// A block takes no more records.
    pub(super) fn closed(&self, size: usize) {
        self.volume.note_closed(size);
    }

    /// A block was freed.
    pub(super) fn retire(&mut self, held: &Held) {
        // Its number may soon be another block's.
        self.reads.clear();
        self.retired.push((held.place(), self.volume.run(held.size())));
    }
}

impl BlockLog {
    /// Hands on what was written since the last call, and the slots of blocks freed since then. When the batch is full before
    /// that, what came last stays for another call, and so do the slots: `true`.
    pub(crate) fn take_new_bytes(&mut self, batch: &mut Batch) -> bool {
        self.evict();
        let Some(attached) = &mut self.attached else { return false };
        let mut more = false;
        let (blocks, open, align) = (&mut self.blocks, self.open, attached.volume.align());
        let batch_bytes = attached.volume.batch_bytes();
        let settling = &mut attached.settling;
        attached.unwritten.retain(|&(number, sequence)| {
            if batch.len() >= batch_bytes {
                more = true;
                return true;
            }
            let held = blocks.get_mut(number as usize).and_then(Option::as_mut);
            let Some(held) = held.filter(|held| held.sequence() == sequence) else { return false };
            let place = held.place();
            if let Some((at, bytes)) = held.take_new(align) {
                batch.add(place, at, bytes, align);
            }
            if open != Some(number) {
                settling.push((number, sequence));
            }
            open == Some(number)
        });
        if !more {
            batch.retire(&mut attached.retired);
        }
        more
    }

    /// Copies what was written since the last call, and not handed on by [`BlockLog::take_new_bytes`] meanwhile, for the commit
    /// journal. It has still to be handed on. `true` when the batch is full before that.
    pub(crate) fn copy_new_bytes(&mut self, batch: &mut Batch) -> bool {
        let Some(attached) = &self.attached else { return false };
        let align = attached.volume.align();
        for &(number, sequence) in &attached.unwritten {
            if batch.len() > COMMIT_BYTES_MAX {
                return true;
            }
            let held = self.blocks.get_mut(number as usize).and_then(Option::as_mut);
            let Some(held) = held.filter(|held| held.sequence() == sequence) else { continue };
            let place = held.place();
            if let Some((at, bytes)) = held.commit_new(align) {
                batch.add(place, at, bytes, align);
            }
        }
        false
    }

    /// Gives the memory of blocks back that are wholly on the volume, when there are more than may stay.
    fn evict(&mut self) {
        let (Some(attached), Some(limit)) = (&mut self.attached, self.config.resident_bytes) else { return };
        attached.resident.extend(attached.settling.drain(..));
        let limit = usize::try_from(limit / self.config.block_bytes as u64).unwrap_or(usize::MAX);
        while attached.resident.len() > limit {
            let Some((number, sequence)) = attached.resident.pop_front() else { return };
            let held = self.blocks.get_mut(number as usize).and_then(Option::as_mut);
            if let Some(held) = held.filter(|held| held.sequence() == sequence) {
                let memory = held.evict();
                if memory.len() == self.config.block_bytes && self.pool.len() < self.config.pooled_blocks {
                    self.pool.push(memory);
                }
            }
        }
    }

    /// A record of a block that is not in memory, read from the volume.
    #[cold]
    pub(super) fn read_back(&self, held: &Held, location: Location) -> &[u8] {
        let attached = self.attached.as_ref().expect("invariant: only blocks on a volume leave memory");
        let read = || {
            let (from, end) = (location.offset() as usize, held.used_bytes());
            attached.volume.read_record(held.place(), from, end, held.seed())
        };
        attached.reads.get_or_read(location, read)
    }

    /// Forgets records that were read from the volume, when they have become many.
    #[inline]
    pub(crate) fn settle_reads(&mut self) {
        if self.unpacked.bytes() > READS_KEPT {
            self.unpacked.clear();
        }
        if let Some(attached) = &mut self.attached
            && attached.reads.bytes() > READS_KEPT
        {
            attached.reads.clear();
        }
    }

    /// Brings a block that is not in memory back, for one who walks over all of it. False when records of it are damaged:
    /// then it stays on the volume only, where each record is checked when it is read. A block of which only the header
    /// is damaged is queued for defragmentation, which writes its records elsewhere: a start without a snapshot would
    /// not find them.
    pub(crate) fn bring_in(&mut self, number: u32) -> bool {
        let Some(attached) = &self.attached else { return true };
        let held = self.blocks.get_mut(number as usize).and_then(Option::as_mut);
        let Some(held) = held.filter(|held| !held.is_resident()) else { return true };
        if held.condition() == Condition::Unreadable {
            return false;
        }
        let memory = attached.volume.read_block(held.place(), held.size());
        let (was, is) = (held.condition(), held.judge(&memory));
        if let Some(trouble) = is.err().filter(|_| was == Condition::Whole) {
            let unreadable = matches!(trouble, Trouble::Unreadable { .. });
            attached.volume.note_trouble(held.place(), trouble);
            let condition = if unreadable { Condition::Unreadable } else { Condition::Headless };
            self.sparse.extend(held.spoil(condition).map(|sequence| (number, sequence)));
            if unreadable {
                return false;
            }
        }
        held.bring_in(memory);
        true
    }

    /// A block that was brought in is not needed any more, if it is still that block.
    pub(crate) fn let_go(&mut self, number: u32, sequence: u64) {
        let (Some(attached), Some(_)) = (&mut self.attached, self.config.resident_bytes) else { return };
        let mut stays = attached.unwritten.iter().chain(&attached.settling).chain(&attached.resident);
        if stays.any(|block| *block == (number, sequence)) || !self.is_block(number, sequence) {
            return;
        }
        if let Some(held) = self.blocks.get_mut(number as usize).and_then(Option::as_mut) {
            held.evict();
        }
    }

    /// After loading: only what stays in memory with a copy of everything, or could not be read again as it is.
    pub(crate) fn forget_loaded(&mut self, number: u32) {
        if let (Some(_), Some(held)) =
            (self.config.resident_bytes, self.blocks.get_mut(number as usize).and_then(Option::as_mut))
        {
            held.evict();
        }
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

    /// Where the next record will lie behind: sequence of the block begun last, and the end of what it holds.
    pub(crate) fn end(&self) -> (u64, u32) {
        let open = self.open.map(|number| self.held(number));
        match open.and_then(|held| Some((held.sequence(), u32::try_from(held.used_bytes()).ok()?))) {
            Some(end) => end,
            None => (self.sequence, u32::MAX),
        }
    }

    /// The next block has a higher sequence than this one.
    pub(crate) fn skip_to(&mut self, sequence: u64) {
        self.sequence = self.sequence.max(sequence);
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
