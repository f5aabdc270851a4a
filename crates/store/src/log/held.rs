//! A block held in memory, and what is known of it beside its bytes.

use crate::block::{HEADER_SIZE, Header, Identity};
use crate::record::{frame_size, verify};
use crate::snapshot::{Reader, SnapshotError};
use crate::volume::{Place, Trouble};

/// A block in memory.
#[derive(Debug)]
pub(crate) struct Held {
    /// All bytes of the block, or none when they lie on a volume only.
    memory: Box<[u8]>,
    size: usize,
    /// Where the next record goes.
    used_bytes: usize,
    /// Of the used bytes, those of live records.
    live_bytes: usize,
    seed: u32,
    sequence: u64,
    /// Waits to be defragmented, or was found damaged and must not be.
    queued: bool,
    oldest_ms: u64,
    newest_ms: u64,
    /// Where it lies on a volume.
    place: Place,
    /// Bytes that were handed on to be written to a volume, and must not change any more; 0 in memory.
    taken_bytes: usize,
    /// Bytes that were handed on to the commit journal; fewer than `taken_bytes` when others took them first.
    committed_bytes: usize,
    condition: Condition,
}

/// What is known of a block's bytes on the volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Nothing bad.
    Whole,
    /// Its header is damaged.
    Headless,
    /// Records are damaged.
    Unreadable,
}

impl Held {
    /// An empty block over this memory.
    pub(crate) fn begin(mut memory: Box<[u8]>, header: &Header) -> Held {
        let bytes = header.encode();
        memory[..HEADER_SIZE].copy_from_slice(&bytes);
        Held {
            size: memory.len(),
            memory,
            used_bytes: HEADER_SIZE,
            live_bytes: 0,
            seed: Header::seed(&bytes),
            sequence: header.sequence,
            queued: false,
            oldest_ms: u64::MAX,
            newest_ms: 0,
            place: header.place,
            taken_bytes: 0,
            committed_bytes: 0,
            condition: Condition::Whole,
        }
    }

    /// A block that was read from a volume; `used_bytes` of it hold whole records, none counted as alive yet.
    pub(crate) fn loaded(memory: Box<[u8]>, header: &Header, seed: u32, used_bytes: usize) -> Held {
        Held {
            size: memory.len(),
            memory,
            used_bytes,
            live_bytes: 0,
            seed,
            sequence: header.sequence,
            queued: false,
            oldest_ms: u64::MAX,
            newest_ms: 0,
            place: header.place,
            taken_bytes: used_bytes,
            committed_bytes: 0,
            condition: Condition::Whole,
        }
    }

    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// Whether bytes at this offset may still change.
    #[inline]
    pub(crate) fn may_change(&self, offset: u32) -> bool {
        offset as usize >= self.fixed_bytes()
    }

    /// Bytes that must not change any more: they are on their way to a volume or to its journal.
    #[inline]
    fn fixed_bytes(&self) -> usize {
        self.taken_bytes.max(self.committed_bytes)
    }

    /// The bytes that neither [`Held::take_new`] nor this has handed on, as there.
    pub(crate) fn commit_new(&mut self, align: usize) -> Option<(usize, &[u8])> {
        let from = self.fixed_bytes() / align * align;
        if self.used_bytes == HEADER_SIZE || self.fixed_bytes() == self.used_bytes {
            return None;
        }
        self.committed_bytes = self.used_bytes;
        self.memory.get(from..self.used_bytes).map(|bytes| (from, bytes))
    }

    /// The bytes that were written since the last call, with their offset, which is a multiple of `align`: those before
    /// them are the same as ever. None before the first record.
    pub(crate) fn take_new(&mut self, align: usize) -> Option<(usize, &[u8])> {
        let from = self.taken_bytes / align * align;
        if self.used_bytes == HEADER_SIZE || self.taken_bytes == self.used_bytes {
            return None;
        }
        self.taken_bytes = self.used_bytes;
        self.memory.get(from..self.used_bytes).map(|bytes| (from, bytes))
    }

    /// Counts a loaded record as alive.
    pub(crate) fn revive(&mut self, size: usize) {
        self.live_bytes += size;
    }

    /// Takes `size` bytes for a live record; none when they do not fit.
    #[inline]
    pub(crate) fn take(&mut self, size: usize) -> Option<u32> {
        let offset = self.used_bytes;
        let end = offset + size;
        if end > self.memory.len() {
            return None;
        }
        self.used_bytes = end;
        self.live_bytes += size;
        u32::try_from(offset).ok()
    }

    pub(crate) fn lose(&mut self, size: usize) {
        self.live_bytes -= size;
    }

    /// Whether less than `low_water_pct` percent of `of` bytes are alive.
    fn is_below(&self, low_water_pct: u8, of: usize) -> bool {
        self.live_bytes * 100 < of.saturating_sub(HEADER_SIZE) * usize::from(low_water_pct)
    }

    /// Whether less than `low_water_pct` percent of what was written is alive.
    pub(crate) fn is_sparse(&self, low_water_pct: u8) -> bool {
        self.is_below(low_water_pct, self.used_bytes)
    }

    /// Marks the block as queued when it is below the mark and was not, and tells its sequence. What counts is how
    /// much was written, or with `whole` how long the block is: on a volume it takes its slots however full it is.
    pub(crate) fn queue_when_sparse(&mut self, low_water_pct: u8, whole: bool) -> Option<u64> {
        let of = if whole { self.size } else { self.used_bytes };
        if !self.is_below(low_water_pct, of) || self.queued {
            return None;
        }
        self.queued = true;
        Some(self.sequence)
    }

    pub(crate) fn is_queued(&self) -> bool {
        self.queued
    }

    #[inline]
    pub(crate) fn note_time(&mut self, last_update_ms: u64) {
        self.oldest_ms = self.oldest_ms.min(last_update_ms);
        self.newest_ms = self.newest_ms.max(last_update_ms);
    }

    pub(crate) fn times(&self) -> (u64, u64) {
        (self.oldest_ms, self.newest_ms)
    }

    /// What was written from an offset on; none when the block is not in memory.
    #[inline]
    pub(crate) fn written_from(&self, offset: u32) -> Option<&[u8]> {
        self.memory.get(offset as usize..self.used_bytes)
    }

    /// Whether the block's bytes are in memory.
    pub(crate) fn is_resident(&self) -> bool {
        !self.memory.is_empty()
    }

    /// Gives the block's memory away; all of it lies on the volume.
    pub(crate) fn evict(&mut self) -> Box<[u8]> {
        std::mem::take(&mut self.memory)
    }

    pub(crate) fn condition(&self) -> Condition {
        self.condition
    }

    /// Whether bytes that were read back are what was written: the header, and records that follow each other.
    pub(crate) fn judge(&self, memory: &[u8]) -> Result<(), Trouble> {
        let mut at = HEADER_SIZE;
        while at < self.used_bytes {
            let rest = memory.get(at..self.used_bytes).unwrap_or_default();
            at += verify(rest, self.seed).map_err(|_| Trouble::Unreadable { from: at })?.size();
        }
        // Whose seed is right has the right sequence and place: they are what it is made of.
        let headed = Header::decode(memory).is_ok_and(|(_, seed)| seed == self.seed);
        if headed { Ok(()) } else { Err(Trouble::HeaderAlone) }
    }

    /// Notes that the block is damaged. Its sequence when it is to be queued for defragmentation, which one with damaged
    /// records never is.
    pub(crate) fn spoil(&mut self, condition: Condition) -> Option<u64> {
        self.condition = condition;
        let was_queued = std::mem::replace(&mut self.queued, true);
        (condition == Condition::Headless && !was_queued).then_some(self.sequence)
    }

    /// The block's bytes are in memory again.
    pub(crate) fn bring_in(&mut self, memory: Box<[u8]>) {
        self.memory = memory;
    }

    #[inline]
    pub(crate) fn record_mut(&mut self, offset: u32, size: usize) -> (&mut [u8], u32) {
        let offset = offset as usize;
        (&mut self.memory[offset..offset + size], self.seed)
    }

    pub(crate) fn seed(&self) -> u32 {
        self.seed
    }

    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    pub(crate) fn size(&self) -> usize {
        self.size
    }

    pub(crate) fn used_bytes(&self) -> usize {
        self.used_bytes
    }

    pub(crate) fn live_bytes(&self) -> usize {
        self.live_bytes
    }

    pub(crate) fn into_memory(self) -> Box<[u8]> {
        self.memory
    }

    /// Appends what a snapshot holds of the block.
    pub(super) fn write_snapshot(&self, out: &mut Vec<u8>) {
        let count = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes();
        for number in
            [count(self.size), count(self.used_bytes), count(self.live_bytes), self.seed.to_le_bytes()]
        {
            out.extend_from_slice(&number);
        }
        out.extend_from_slice(&u32::from(self.place.device).to_le_bytes());
        out.extend_from_slice(&self.place.slot.to_le_bytes());
        for number in [self.sequence, self.oldest_ms, self.newest_ms] {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }

    /// A block of a snapshot, on the volume only.
    pub(super) fn read_snapshot(reader: &mut Reader<'_>) -> Result<Held, SnapshotError> {
        let (size, used, live, seed) = (reader.u32()?, reader.u32()?, reader.u32()?, reader.u32()?);
        let device = u16::try_from(reader.u32()?).map_err(|_| SnapshotError::Contradiction)?;
        let place = Place { device, slot: reader.u32()? };
        let (sequence, oldest_ms, newest_ms) = (reader.u64()?, reader.u64()?, reader.u64()?);
        if used > size || live > used || (used as usize) < HEADER_SIZE {
            return Err(SnapshotError::Contradiction);
        }
        Ok(Held {
            memory: Box::default(),
            size: size as usize,
            used_bytes: used as usize,
            live_bytes: live as usize,
            seed,
            sequence,
            queued: false,
            oldest_ms,
            newest_ms,
            place,
            taken_bytes: used as usize,
            committed_bytes: 0,
            condition: Condition::Whole,
        })
    }

    /// Checks header and that whole records fill the used bytes exactly.
    pub(crate) fn assert_invariants(&self, identity: &Identity, number: u32) {
        assert!(
            self.is_resident() || self.taken_bytes == self.used_bytes,
            "what is not written is in memory"
        );
        if !self.is_resident() {
            return;
        }
        let (header, seed) = Header::decode(&self.memory).expect("the header is whole");
        let named = header.salt != 0 || header.number == number;
        assert!(header.identity == *identity && named, "the header names its place");
        assert_eq!(header.place, self.place, "the header names its slot");
        assert_eq!((header.sequence, seed), (self.sequence, self.seed), "the header names its time");
        let mut at = HEADER_SIZE;
        while at < self.used_bytes {
            at += frame_size(&self.memory[at..self.used_bytes]).expect("records follow each other");
        }
        assert_eq!(at, self.used_bytes, "records fill the used bytes");
    }
}
