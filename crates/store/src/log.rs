//! The block log of a stripe: records appended to blocks, live bytes counted by block.
//!
//! Guarantees: a record's bytes never move but by defragmentation; bytes used, live and allocated are exact; a
//! block in which nothing lives any more is free at once and its number is used again.
//!
//! The idea: one open block takes all new records; when the next one does not fit, it is closed and another
//! begun. A block's memory comes zeroed from the system and is touched only as records fill it. A record that
//! no ordinary block can hold gets a block of its own size. Refuses to know which record is where: the index does.

mod attached;
mod config;
mod held;
mod reads;
mod snapshot;

use crate::block::{HEADER_SIZE, Header, Identity};
use crate::error::StoreError;
use crate::index::Location;
use crate::record::{RecordRef, decode, unpack};
use crate::volume::{Place, Volume};
use attached::Attached;
use held::Held;
use reads::Reads;
use std::collections::VecDeque;
use std::sync::Arc;

pub use config::LogConfig;

/// A stripe's blocks.
#[derive(Debug)]
pub(crate) struct BlockLog {
    identity: Identity,
    config: LogConfig,
    /// By block number.
    blocks: Vec<Option<Held>>,
    /// Numbers without a block.
    free_numbers: Vec<u32>,
    /// Memory of freed ordinary blocks, kept for the next one.
    pool: Vec<Box<[u8]>>,
    open: Option<u32>,
    sequence: u64,
    /// Closed blocks that fell below the low-water mark, as number and sequence.
    sparse: VecDeque<(u32, u64)>,
    allocated_bytes: u64,
    used_bytes: u64,
    /// Records that are compressed, as they were before.
    unpacked: Reads,
    /// None in memory.
    attached: Option<Box<Attached>>,
}

/// Which blocks may be begun when the log is at its configured size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// For new records: up to the configured size.
    Configured,
    /// For defragmentation, which soon frees more than it takes: one block above the configured size.
    Spare,
}

impl BlockLog {
    pub(crate) fn new(identity: Identity, config: LogConfig) -> BlockLog {
        BlockLog {
            identity,
            config: config.bounded(),
            blocks: Vec::new(),
            free_numbers: Vec::new(),
            pool: Vec::new(),
            open: None,
            sequence: 0,
            sparse: VecDeque::new(),
            allocated_bytes: 0,
            used_bytes: 0,
            unpacked: Reads::new(),
            attached: None,
        }
    }

    /// A log whose blocks also lie on a volume, which says how long they are and how many there may be.
    pub(crate) fn attached(stripe: u16, config: LogConfig, volume: Arc<Volume>) -> BlockLog {
        let config = LogConfig { block_bytes: volume.slot_bytes(), capacity_bytes: u64::MAX, ..config };
        let log = BlockLog::new(Identity { namespace: volume.id(), stripe }, config);
        BlockLog { attached: Some(Box::new(Attached::new(volume))), ..log }
    }

    /// The number of the stripe that this is the log of.
    pub(crate) fn stripe(&self) -> usize {
        usize::from(self.identity.stripe)
    }

    pub(crate) fn config(&self) -> &LogConfig {
        &self.config
    }

    pub(crate) fn set_config(&mut self, config: LogConfig) {
        let capacity_bytes = if self.attached.is_some() { u64::MAX } else { config.capacity_bytes };
        self.config = LogConfig { block_bytes: self.config.block_bytes, capacity_bytes, ..config }.bounded();
    }

    /// Bytes of blocks, those in the pool included.
    pub(crate) fn allocated_bytes(&self) -> u64 {
        self.allocated_bytes + self.pool.iter().map(|memory| memory.len() as u64).sum::<u64>()
    }

    /// Bytes of blocks that have been written: live records, garbage, headers.
    pub(crate) fn used_bytes(&self) -> u64 {
        self.used_bytes
    }

    /// Makes room for a record of `size` bytes, counted as live from now on.
    #[inline]
    pub(crate) fn append(&mut self, size: usize, room: Room) -> Result<Location, StoreError> {
        if let Some(number) = self.open
            && let Some(offset) = self.held_mut(number).take(size)
        {
            self.used_bytes += size as u64;
            return Ok(Location::new(number, offset));
        }
        self.append_in_new_block(size, room)
    }

    #[cold]
    fn append_in_new_block(&mut self, size: usize, room: Room) -> Result<Location, StoreError> {
        let ordinary = self.config.block_bytes;
        let own = HEADER_SIZE + size > ordinary;
        let number = match self.begin_block(if own { HEADER_SIZE + size } else { ordinary }, room) {
            Ok(number) => number,
            Err(error) => {
                self.close_when_sparse();
                return Err(error);
            }
        };
        let offset = self.held_mut(number).take(size).expect("invariant: a new block has room");
        self.used_bytes += size as u64;
        // On a volume the order of blocks is the order of records, so no block may take some before and some after
        // another one: a long record ends the open block.
        let closed = match (own, self.attached.is_some()) {
            (false, _) => self.open.replace(number),
            (true, true) => self.open.take(),
            (true, false) => None,
        };
        if let Some(attached) = &self.attached {
            let size = if own { HEADER_SIZE + size } else { 0 };
            attached.closed(size + closed.map_or(0, |_| ordinary));
        }
        closed.into_iter().for_each(|closed| self.review(closed));
        Ok(Location::new(number, offset))
    }

    fn begin_block(&mut self, size: usize, room: Room) -> Result<u32, StoreError> {
        let spare = if room == Room::Spare { self.config.block_bytes as u64 } else { 0 };
        let limit = self.config.capacity_bytes.saturating_add(spare);
        let count = u32::try_from(self.blocks.len()).unwrap_or(u32::MAX);
        let number = self.free_numbers.last().copied().unwrap_or(count);
        if self.allocated_bytes + size as u64 > limit || number >= Location::BLOCK_LIMIT {
            return Err(StoreError::Full);
        }
        let (salt, place) = match &self.attached {
            Some(attached) => (attached.volume.salt(), attached.allocate(size, room)?),
            None => (0, Place::default()),
        };
        let pooled = self.pool.pop_if(|memory| memory.len() == size);
        let memory = pooled.unwrap_or_else(|| vec![0u8; size].into_boxed_slice());
        self.sequence += 1;
        let header = Header {
            identity: self.identity,
            sequence: self.sequence,
            number,
            size: u32::try_from(size).expect("invariant: a block is at most a record of 8 MiB"),
            salt,
            place,
        };
        if let Some(attached) = &mut self.attached {
            attached.begun(number, self.sequence);
        }
        let held = Some(Held::begin(memory, &header));
        if self.free_numbers.pop().is_some() {
            self.blocks[number as usize] = held;
        } else {
            self.blocks.push(held);
        }
        self.allocated_bytes += size as u64;
        self.used_bytes += HEADER_SIZE as u64;
        Ok(number)
    }

    /// The bytes from a location to the end of what its block holds.
    #[inline]
    pub(crate) fn bytes(&self, location: Location) -> &[u8] {
        let held = self.held(location.block());
        held.written_from(location.offset()).unwrap_or_else(|| self.read_back(held, location))
    }

    /// Some of the first bytes at a location, if they are in memory: what is looked at is there soon after.
    #[inline]
    pub(crate) fn glance(&self, location: Location) -> u8 {
        const CACHE_LINE: usize = 64;
        let bytes = self.held(location.block()).written_from(location.offset()).unwrap_or_default();
        bytes.first().copied().unwrap_or(0) ^ bytes.get(CACHE_LINE).copied().unwrap_or(0)
    }

    /// The record at a location, which an index entry leads to.
    #[inline]
    pub(crate) fn record(&self, location: Location) -> RecordRef<'_> {
        let bytes = self.bytes(location);
        let record = decode(bytes).expect("invariant: an index entry leads to a record");
        if record.is_packed() { self.unpacked(location, record.bytes()) } else { record }
    }

    #[cold]
    fn unpacked(&self, location: Location, packed: &[u8]) -> RecordRef<'_> {
        let unpack =
            || unpack(packed).expect("invariant: what was packed can be unpacked").into_boxed_slice();
        let bytes = self.unpacked.get_or_read(location, unpack);
        decode(bytes).expect("invariant: what was packed is a record")
    }

    /// The `size` bytes at a location, and the seed of checksums there.
    #[inline]
    pub(crate) fn bytes_mut(&mut self, location: Location, size: usize) -> (&mut [u8], u32) {
        self.unpacked.clear();
        self.held_mut(location.block()).record_mut(location.offset(), size)
    }

    /// The seed of checksums at a location.
    pub(crate) fn seed(&self, location: Location) -> u32 {
        self.held(location.block()).seed()
    }

    /// Notes when a record in the block at `location` was last updated.
    #[inline]
    pub(crate) fn note_time(&mut self, location: Location, last_update_ms: u64) {
        self.held_mut(location.block()).note_time(last_update_ms);
    }

    /// The oldest and the newest last-update time of any record that was ever in the block at `location`.
    #[inline]
    pub(crate) fn times(&self, location: Location) -> (u64, u64) {
        self.held(location.block()).times()
    }

    /// Counts a record as dead. Its block may be free, or worth defragmenting, after this.
    #[inline]
    pub(crate) fn release(&mut self, location: Location, size: usize) {
        let number = location.block();
        self.held_mut(number).lose(size);
        if self.open != Some(number) {
            self.review(number);
        }
    }

    /// Closes the open block if it is sparse, so that defragmentation can make room in a full log.
    fn close_when_sparse(&mut self) {
        let low_water_pct = self.config.low_water_pct;
        if let Some(number) = self.open.filter(|&number| self.held(number).is_sparse(low_water_pct)) {
            self.open = None;
            self.review(number);
        }
    }

    /// Frees a closed block without live records, or queues it when it is below the low-water mark.
    fn review(&mut self, number: u32) {
        let (low_water_pct, whole) = (self.config.low_water_pct, self.attached.is_some());
        let held = self.held_mut(number);
        if held.live_bytes() == 0 {
            self.free(number);
        } else if let Some(sequence) = held.queue_when_sparse(low_water_pct, whole) {
            self.sparse.push_back((number, sequence));
        }
    }

    fn free(&mut self, number: u32) {
        // Its number may soon be another block's.
        self.unpacked.clear();
        let held = self.blocks[number as usize].take().expect("invariant: a freed block exists");
        self.free_numbers.push(number);
        self.allocated_bytes -= held.size() as u64;
        self.used_bytes -= held.used_bytes() as u64;
        if let Some(attached) = &mut self.attached {
            attached.retire(&held);
        }
        let whole = held.is_resident() && held.size() == self.config.block_bytes;
        if whole && self.pool.len() < self.config.pooled_blocks {
            self.pool.push(held.into_memory());
        }
    }

    /// The next block to defragment, as number and sequence.
    pub(crate) fn next_sparse(&mut self) -> Option<(u32, u64)> {
        while let Some((number, sequence)) = self.sparse.pop_front() {
            if self.is_block(number, sequence) {
                return Some((number, sequence));
            }
        }
        None
    }

    /// Queues the closed block of which the least is alive, when that is less than `pct` percent. For a log that runs out
    /// of room before any block is below the low-water mark.
    pub(crate) fn queue_sparsest(&mut self, pct: u8) -> bool {
        let open = self.open;
        let closed = (0u32..).zip(&mut self.blocks).filter(|(number, _)| open != Some(*number));
        let waiting = closed.filter_map(|(number, held)| Some((number, held.as_mut()?)));
        let sparsest =
            waiting.filter(|(_, held)| !held.is_queued()).min_by_key(|(_, held)| held.live_bytes());
        let Some((number, held)) = sparsest else { return false };
        let queued = held.queue_when_sparse(pct, true);
        self.sparse.extend(queued.map(|sequence| (number, sequence)));
        queued.is_some()
    }

    /// Percent of the sparsest closed block that is alive, of those that do not wait to be defragmented.
    pub(crate) fn sparsest_pct(&self) -> Option<u8> {
        let closed = (0u32..).zip(&self.blocks).filter(|(number, _)| self.open != Some(*number));
        let pct = |held: &Held| held.live_bytes() * 100 / held.size().max(1);
        let waiting = closed.filter_map(|(_, held)| held.as_ref().filter(|held| !held.is_queued()));
        waiting.map(pct).min().and_then(|pct| u8::try_from(pct).ok())
    }

    /// How many blocks wait to be defragmented, at most: some may have become free since.
    pub(crate) fn sparse_blocks(&self) -> usize {
        self.sparse.len()
    }

    /// True while the block with this number is still the one begun as `sequence`.
    pub(crate) fn is_block(&self, number: u32, sequence: u64) -> bool {
        let block = self.blocks.get(number as usize).and_then(Option::as_ref);
        block.is_some_and(|held| held.sequence() == sequence)
    }

    /// Numbers and sequences of all blocks from `number` on.
    pub(crate) fn blocks_from(&self, number: u32) -> impl Iterator<Item = (u32, u64)> {
        let blocks = self.blocks.get(number as usize..).unwrap_or_default();
        (number..).zip(blocks).filter_map(|(number, held)| Some((number, held.as_ref()?.sequence())))
    }

    /// Where the record behind the one at `location` would start; none at the end of what the block holds.
    pub(crate) fn behind(&self, block: u32, offset: u32) -> Option<Location> {
        let end = self.held(block).used_bytes();
        ((offset as usize) < end).then(|| Location::new(block, offset))
    }

    fn held(&self, number: u32) -> &Held {
        self.blocks[number as usize].as_ref().expect("invariant: a location names a block that exists")
    }

    fn held_mut(&mut self, number: u32) -> &mut Held {
        self.blocks[number as usize].as_mut().expect("invariant: a location names a block that exists")
    }

    /// Checks the counts against the blocks, and every block against the live bytes that `live_bytes` tells of it.
    pub(crate) fn assert_invariants(&self, live_bytes: impl Fn(u32) -> usize) {
        let (mut allocated, mut used) = (0, 0);
        for (number, _) in self.blocks_from(0) {
            let held = self.held(number);
            held.assert_invariants(&self.identity, number);
            assert_eq!(held.live_bytes(), live_bytes(number), "live bytes of block {number}");
            assert!(held.live_bytes() > 0 || self.open == Some(number), "no empty block is kept");
            allocated += held.size() as u64;
            used += held.used_bytes() as u64;
        }
        assert_eq!((allocated, used), (self.allocated_bytes, self.used_bytes), "bytes of the log");
        let numbers = self.blocks_from(0).count() + self.free_numbers.len();
        assert_eq!(numbers, self.blocks.len(), "a block number is either taken or free");
        assert!(self.pool.len() <= self.config.pooled_blocks, "the pool is bounded");
    }
}
