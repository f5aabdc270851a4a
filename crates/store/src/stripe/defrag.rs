//! Defragmentation: moving live records out of sparsely used blocks.
//!
//! Guarantees: bounded work a call; a record is moved only when its checksum is right; a block is freed only when
//! nothing in it lives. A damaged block is left as it is and never looked at again by defragmentation.
//!
//! The idea: walk a sparse block record by record; a record lives when the index leads exactly here.

use super::Stripe;
use crate::block::HEADER_SIZE;
use crate::error::CorruptRecord;
use crate::index::{Key, Location};
use crate::log::Room;
use crate::record::{decode, seal, verify};
use shipload_value::Digest;

/// What a slice of defragmentation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Defragged {
    /// Live records that were moved.
    pub moved_records: u64,
    /// Their encoded bytes.
    pub moved_bytes: u64,
    /// Blocks that are done with: freed, or given up as damaged.
    pub blocks: u64,
    /// Of those, blocks left as they are because a record in them is damaged.
    pub damaged_blocks: u64,
    /// There is more to do.
    pub more: bool,
}

/// The block that defragmentation is in.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    block: Option<Place>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    number: u32,
    sequence: u64,
    offset: u32,
}

/// What became of the record at a place.
enum Step {
    Passed(usize),
    Moved(usize),
    NoRoom,
}

/// What leads to a record.
enum Home {
    /// The index entry in this slot of its partition's table.
    Slot(usize),
    /// The table of tombstones.
    Tomb,
}

impl Stripe {
    /// Moves live records out of sparse blocks until about `budget_bytes` of them have been looked at.
    pub fn defrag(&mut self, budget_bytes: usize) -> Defragged {
        let mut done = Defragged::default();
        let mut looked = 0;
        while looked < budget_bytes {
            let Some(place) = self.defrag_place() else { return done };
            let Some(location) = self.log.behind(place.number, place.offset) else {
                self.leave_block(&mut done, false);
                continue;
            };
            match self.defrag_step(location) {
                Ok(Step::NoRoom) => return done,
                Ok(Step::Passed(size)) => {
                    looked += size;
                    self.advance(place, size);
                }
                Ok(Step::Moved(size)) => {
                    looked += size;
                    done.moved_records += 1;
                    done.moved_bytes += size as u64;
                    self.advance(place, size);
                    if !self.log.is_block(place.number, place.sequence) {
                        self.leave_block(&mut done, false);
                    }
                }
                Err(_) => self.leave_block(&mut done, true),
            }
        }
        done.more = self.defrag.block.is_some() || self.log.sparse_blocks() > 0;
        done
    }

    /// Lets the block of which the least is alive be defragmented too, when that is less than `pct` percent; whether
    /// there is one. For a volume that runs out of room before any block is below the low-water mark.
    pub fn defrag_sparsest(&mut self, pct: u8) -> bool {
        self.log.queue_sparsest(pct)
    }

    /// Percent of the sparsest block that is alive, of those that [`Stripe::defrag_sparsest`] could take; 0 when blocks
    /// wait already. None when there is nothing to defragment.
    #[must_use]
    pub fn sparsest_pct(&self) -> Option<u8> {
        if self.defrag_backlog() > 0 { Some(0) } else { self.log.sparsest_pct() }
    }

    /// How many blocks wait for defragmentation, at most.
    #[must_use]
    pub fn defrag_backlog(&self) -> usize {
        self.log.sparse_blocks() + usize::from(self.defrag.block.is_some())
    }

    fn defrag_place(&mut self) -> Option<Place> {
        if let Some(place) = self.defrag.block
            && self.log.is_block(place.number, place.sequence)
        {
            return Some(place);
        }
        let first = u32::try_from(HEADER_SIZE).unwrap_or(u32::MAX);
        let next = loop {
            match self.log.next_sparse() {
                // Damaged: it is left as it is.
                Some((number, _)) if !self.log.bring_in(number) => {}
                next => break next,
            }
        };
        self.defrag.block = next.map(|(number, sequence)| Place { number, sequence, offset: first });
        self.defrag.block
    }

    fn advance(&mut self, place: Place, size: usize) {
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        self.defrag.block = Some(Place { offset: place.offset.saturating_add(size), ..place });
    }

    fn leave_block(&mut self, done: &mut Defragged, damaged: bool) {
        if let Some(Place { number, sequence, .. }) = self.defrag.block.take() {
            self.log.let_go(number, sequence);
        }
        done.blocks += 1;
        done.damaged_blocks += u64::from(damaged);
    }

    fn defrag_step(&mut self, location: Location) -> Result<Step, CorruptRecord> {
        let bytes = self.log.bytes(location);
        let record = decode(bytes)?;
        let (digest, size) = (record.digest(), record.size());
        let Some(home) = self.home_of(&digest, location) else { return Ok(Step::Passed(size)) };
        verify(bytes, self.log.seed(location))?;
        let last_update_ms = record.meta().last_update_ms;
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        scratch.extend_from_slice(record.bytes());
        let target = self.log.append(size, Room::Spare);
        if let Ok(target) = target {
            let (space, seed) = self.log.bytes_mut(target, size);
            space.copy_from_slice(&scratch);
            seal(space, seed);
            self.log.note_time(target, last_update_ms);
            match home {
                Home::Slot(slot) => {
                    self.table_mut(digest.partition()).entry_mut(slot).set_location(target);
                }
                Home::Tomb => {
                    if let Some(tomb) = self.tombs.as_mut().and_then(|tombs| tombs.get_mut(&digest)) {
                        tomb.location = target;
                    }
                }
            }
            self.log.release(location, size);
            self.moved_bytes += size as u64;
        }
        self.scratch = scratch;
        Ok(if target.is_ok() { Step::Moved(size) } else { Step::NoRoom })
    }

    /// What leads to the record at a location, if anything does.
    fn home_of(&self, digest: &Digest, location: Location) -> Option<Home> {
        let table = self.table(digest.partition());
        if let Ok(slot) = table.find(&Key::of(digest)) {
            return (table.entry(slot).location() == location).then_some(Home::Slot(slot));
        }
        let tomb = self.tombs.as_ref()?.get(digest)?;
        (tomb.location == location).then_some(Home::Tomb)
    }
}
