//! The commit journal: one file to which small commits are written one behind the other, so that each costs one write
//! and one sync, wherever its blocks lie.
//!
//! Guarantees: a frame is given back only when all of it is whole and it belongs to the present epoch. An epoch ends
//! before anything that it holds may be written over on the devices: see [`Journal::reset`] and who calls it.
//!
//! ```text
//! journal   | head | head | frame 0 | frame 1 | ... | frames of former epochs      each begins at a page of 4 KiB
//! ```
//!
//! The two heads are the same but while an epoch begins: one is written and synced, then the other. Byte by byte:
//! `docs/format/journal.md`. Refuses to know what blocks hold.

use super::Place;
use super::cipher::{Cipher, JOURNAL_DEVICE};
use super::error::{JournalError, VolumeError};
use super::flush::Batch;
use crate::disk::{Disk, DiskError};

/// The version of the journal's format.
pub const JOURNAL_VERSION: u16 = 1;
/// What heads and frames begin at multiples of.
const PAGE: usize = 4096;
/// Where the two heads lie.
const HEADS_AT: [u64; 2] = [0, PAGE as u64];
/// Where the first frame lies.
const FRAMES_AT: u64 = 2 * PAGE as u64;
const HEAD_MAGIC: [u8; 8] = *b"shipjrnl";
const HEAD_SIZE: usize = 64;
const FRAME_MAGIC: [u8; 8] = *b"shipcmit";
/// Magic, life, epoch, number, length, writes, checksum.
const FRAME_HEAD_SIZE: usize = 44;
/// Where the checksum of a frame lies.
const FRAME_CHECKSUM_AT: usize = 40;
/// Device, slot, place in the block, length there, bytes that follow.
const WRITE_SIZE: usize = 18;
/// Zeros are written in pieces of so many bytes when a journal is made.
const PIECE: usize = 1 << 20;

/// The present state as a head has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    volume: [u8; 16],
    /// Bytes of the journal.
    size: u64,
    /// The life of the volume that writes to it.
    life: u64,
    /// Counts up for ever.
    epoch: u64,
}

impl Head {
    fn encode(&self) -> [u8; HEAD_SIZE] {
        let mut bytes = [0; HEAD_SIZE];
        bytes[0..8].copy_from_slice(&HEAD_MAGIC);
        bytes[8..10].copy_from_slice(&JOURNAL_VERSION.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.volume);
        bytes[32..40].copy_from_slice(&self.size.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.life.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.epoch.to_le_bytes());
        let checksum = crc32c::crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// None when these bytes are no whole head.
    fn decode(bytes: &[u8; HEAD_SIZE]) -> Result<Option<Head>, JournalError> {
        let whole = bytes[0..8] == HEAD_MAGIC && crc32c::crc32c(&bytes[..60]).to_le_bytes() == bytes[60..];
        if !whole {
            return Ok(None);
        }
        let version = u16::from_le_bytes([bytes[8], bytes[9]]);
        if version != JOURNAL_VERSION {
            return Err(JournalError::Newer(version));
        }
        let mut volume = [0; 16];
        volume.copy_from_slice(&bytes[16..32]);
        Ok(Some(Head { volume, size: u64_at(bytes, 32), life: u64_at(bytes, 40), epoch: u64_at(bytes, 48) }))
    }
}

/// Whether frames are added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The devices do not need it.
    Idle,
    /// They do, and the next frame goes behind the last.
    Open,
    /// They do, and no frame may follow before the next epoch: what lies behind the last one is unknown.
    Closed,
}

/// What a replay has put in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Replayed {
    /// Commits.
    pub commits: u64,
    /// Their bytes in blocks.
    pub bytes: u64,
    /// Commits that are damaged although others follow them: what they held may be missing.
    pub damaged: u64,
}

/// An open journal.
#[derive(Debug)]
pub(super) struct Journal {
    disk: Box<dyn Disk>,
    head: Head,
    phase: Phase,
    /// Where the next frame goes.
    end: u64,
    /// Its number in the epoch.
    number: u64,
    /// The frame that is being written.
    frame: Vec<u8>,
}

impl Journal {
    /// Makes an empty journal for a volume. Every byte is written, so that later syncs need not change the file system's
    /// own notes of where they lie.
    pub(super) fn format(disk: &dyn Disk, volume: [u8; 16]) -> Result<(), DiskError> {
        let zeros = vec![0; PIECE];
        let size = disk.size() / PAGE as u64 * PAGE as u64;
        let mut at = 0;
        while at < size {
            let length = usize::try_from(size - at).unwrap_or(PIECE).min(PIECE);
            disk.write_at(at, zeros.get(..length).unwrap_or_default())?;
            at += length as u64;
        }
        HEADS_AT
            .iter()
            .try_for_each(|&at| write_head(disk, at, &Head { volume, size, life: 0, epoch: 0 }))?;
        disk.sync()
    }

    /// Opens the journal of a volume, without a look at its frames.
    pub(super) fn open(disk: Box<dyn Disk>, volume: [u8; 16]) -> Result<Journal, VolumeError> {
        let wrong = |error| Err(VolumeError::Journal { journal: disk.name().to_owned(), error });
        if disk.size() <= FRAMES_AT {
            return wrong(JournalError::Truncated);
        }
        let mut newest: Option<Head> = None;
        for at in HEADS_AT {
            let mut bytes = [0; HEAD_SIZE];
            let read = disk.read_at(at, &mut bytes);
            read.map_err(|error| VolumeError::Disk { device: disk.name().to_owned(), error })?;
            match Head::decode(&bytes) {
                Ok(head) => newest = newest.into_iter().chain(head).max_by_key(|head| head.epoch),
                Err(error) => return wrong(error),
            }
        }
        match newest {
            None => wrong(JournalError::Damaged),
            Some(head) if head.volume != volume => wrong(JournalError::OtherVolume),
            Some(head) if disk.size() < head.size => wrong(JournalError::Truncated),
            Some(head) => {
                let frame = Vec::new();
                Ok(Journal { disk, head, phase: Phase::Idle, end: FRAMES_AT, number: 0, frame })
            }
        }
    }

    pub(super) fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    /// The life of the volume that wrote to it last.
    pub(super) fn life(&self) -> u64 {
        self.head.life
    }

    /// Whether a start would need it.
    pub(super) fn is_idle(&self) -> bool {
        self.phase == Phase::Idle
    }

    /// Whether it may hold anything of this epoch.
    pub(super) fn is_used(&self) -> bool {
        self.phase == Phase::Closed || (self.phase == Phase::Open && self.end > FRAMES_AT)
    }

    /// Frames of this life of the volume are added from now on, once [`Journal::open_up`] was called. The devices must
    /// say in between that they need it.
    pub(super) fn begin(&mut self, life: u64) -> Result<(), DiskError> {
        self.next_epoch(life)
    }

    /// The devices say that they need it.
    pub(super) fn open_up(&mut self) {
        self.phase = Phase::Open;
    }

    /// The devices say that they don't need it any more.
    pub(super) fn rest(&mut self) {
        self.phase = Phase::Idle;
    }

    /// Begins the next epoch: no start will look at the frames that were added before. Everything that they hold must be
    /// on stable storage in its place, and nothing of it may be wiped or written over by something else until this
    /// has returned. After an error no frame is added until it has worked out.
    pub(super) fn reset(&mut self) -> Result<(), DiskError> {
        // Whether a start would see the old epoch or the new one is unknown until both heads are written.
        self.phase = Phase::Closed;
        self.next_epoch(self.head.life)?;
        self.phase = Phase::Open;
        Ok(())
    }

    fn next_epoch(&mut self, life: u64) -> Result<(), DiskError> {
        let next = Head { life, epoch: self.head.epoch + 1, ..self.head };
        for at in HEADS_AT {
            // One after the other: whatever happens, one of them is whole.
            write_head(&*self.disk, at, &next)?;
            self.sync()?;
        }
        self.head = next;
        (self.end, self.number) = (FRAMES_AT, 0);
        Ok(())
    }

    fn sync(&self) -> Result<(), DiskError> {
        // Whatever the reason: what is safe is unknown.
        self.disk.sync().map_err(|error| DiskError::Failed(error.to_string()))
    }

    /// Adds a batch and syncs it; the bytes that it took. None when there is no room for it in this epoch: then nothing may
    /// be added before the next one.
    pub(super) fn append(
        &mut self,
        batch: &Batch,
        cipher: Option<&Cipher>,
    ) -> Result<Option<usize>, DiskError> {
        if self.phase != Phase::Open {
            return Ok(None);
        }
        self.encode(batch);
        let length = self.frame.len();
        self.frame.resize(length.next_multiple_of(PAGE), 0);
        if self.end + self.frame.len() as u64 > self.head.size {
            return Ok(None);
        }
        if let Some(cipher) = cipher {
            cipher.encrypt(JOURNAL_DEVICE, self.end, &mut self.frame);
        }
        self.phase = Phase::Closed;
        match self.disk.write_at(self.end, &self.frame) {
            Ok(()) => {}
            Err(DiskError::Full) => return Ok(None),
            Err(error) => return Err(error),
        }
        self.sync()?;
        self.phase = Phase::Open;
        self.end += self.frame.len() as u64;
        self.number += 1;
        Ok(Some(length))
    }

    fn encode(&mut self, batch: &Batch) {
        let frame = &mut self.frame;
        frame.clear();
        frame.extend_from_slice(&FRAME_MAGIC);
        for number in [self.head.life, self.head.epoch, self.number] {
            frame.extend_from_slice(&number.to_le_bytes());
        }
        frame.resize(FRAME_HEAD_SIZE, 0);
        let mut writes = 0u32;
        for (place, at, bytes) in batch.writes() {
            // What fills it up to whole sectors or pages need not be written down.
            let stored = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
            frame.extend_from_slice(&place.device.to_le_bytes());
            for number in [place.slot, count(at), count(bytes.len()), count(stored)] {
                frame.extend_from_slice(&number.to_le_bytes());
            }
            frame.extend_from_slice(bytes.get(..stored).unwrap_or_default());
            writes += 1;
        }
        let length = count(frame.len());
        frame[32..36].copy_from_slice(&length.to_le_bytes());
        frame[36..40].copy_from_slice(&writes.to_le_bytes());
        let checksum = checksum(frame);
        frame[FRAME_CHECKSUM_AT..FRAME_HEAD_SIZE].copy_from_slice(&checksum.to_le_bytes());
    }

    /// Gives what the frames of the present epoch hold to `put`, in the order in which they were added: a place, where in
    /// its block, and bytes.
    pub(super) fn replay(
        &self,
        cipher: Option<&Cipher>,
        mut put: impl FnMut(Place, usize, &[u8]) -> Result<(), VolumeError>,
    ) -> Result<Replayed, VolumeError> {
        let wrong =
            || VolumeError::Journal { journal: self.disk.name().to_owned(), error: JournalError::Field };
        let (mut replayed, mut next, mut at) = (Replayed::default(), 0, FRAMES_AT);
        while at < self.head.size {
            let found = self.frame_at(at, cipher);
            let found =
                found.map_err(|error| VolumeError::Disk { device: self.disk.name().to_owned(), error })?;
            // Each frame was synced before the next was begun, so one without a whole one behind it was never
            // acknowledged. What has another epoch's number is left from that.
            let Some((number, frame)) = found.filter(|(number, _)| *number >= next) else {
                at += PAGE as u64;
                continue;
            };
            let mut rest = frame.get(FRAME_HEAD_SIZE..).unwrap_or_default();
            while !rest.is_empty() {
                let (place, from, bytes, behind) = decode_write(rest).ok_or_else(wrong)?;
                put(place, from, &bytes)?;
                replayed.bytes += bytes.len() as u64;
                rest = behind;
            }
            replayed.commits += 1;
            replayed.damaged += number - next;
            next = number + 1;
            at += frame.len().next_multiple_of(PAGE) as u64;
        }
        Ok(replayed)
    }

    /// The number and the bytes of the frame of the present epoch that begins here, if one does.
    fn frame_at(&self, at: u64, cipher: Option<&Cipher>) -> Result<Option<(u64, Vec<u8>)>, DiskError> {
        let read = |length: usize| -> Result<Vec<u8>, DiskError> {
            let mut bytes = vec![0; length];
            self.disk.read_at(at, &mut bytes)?;
            if let Some(cipher) = cipher {
                cipher.decrypt(JOURNAL_DEVICE, at, &mut bytes);
            }
            Ok(bytes)
        };
        let page = read(PAGE)?;
        let mut head = [0; FRAME_HEAD_SIZE];
        head.copy_from_slice(&page[..FRAME_HEAD_SIZE]);
        let (life, epoch, number) = (u64_at(&head, 8), u64_at(&head, 16), u64_at(&head, 24));
        let length = u32::from_le_bytes([head[32], head[33], head[34], head[35]]) as usize;
        let padded = length.next_multiple_of(PAGE);
        let ours = head[..8] == FRAME_MAGIC && (life, epoch) == (self.head.life, self.head.epoch);
        if !ours || length < FRAME_HEAD_SIZE || padded as u64 > self.head.size - at {
            return Ok(None);
        }
        let mut frame = if padded == PAGE { page } else { read(padded)? };
        frame.truncate(length);
        let whole = frame[FRAME_CHECKSUM_AT..FRAME_HEAD_SIZE] == checksum(&frame).to_le_bytes();
        Ok(whole.then_some((number, frame)))
    }
}

/// The checksum of a frame that is at least as long as its head.
fn checksum(frame: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&frame[..FRAME_CHECKSUM_AT]), &frame[FRAME_HEAD_SIZE..])
}

/// The first of some writes: its place, where in the block, its bytes; and what follows.
fn decode_write(bytes: &[u8]) -> Option<(Place, usize, Vec<u8>, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<WRITE_SIZE>()?;
    let number = |at: usize| Some(u32::from_le_bytes(*head.get(at..)?.first_chunk()?));
    let place = Place { device: u16::from_le_bytes([head[0], head[1]]), slot: number(2)? };
    let (from, length, stored) = (number(6)? as usize, number(10)? as usize, number(14)? as usize);
    let (stored, rest) = rest.split_at_checked(stored)?;
    if stored.len() > length || length > PIECE * 16 {
        return None;
    }
    let mut bytes = stored.to_vec();
    bytes.resize(length, 0);
    Some((place, from, bytes, rest))
}

fn write_head(disk: &dyn Disk, at: u64, head: &Head) -> Result<(), DiskError> {
    let mut page = vec![0; PAGE];
    page[..HEAD_SIZE].copy_from_slice(&head.encode());
    disk.write_at(at, &page)
}

fn u64_at<const N: usize>(bytes: &[u8; N], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}

fn count(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
