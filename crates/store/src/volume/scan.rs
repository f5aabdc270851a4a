//! Reading blocks back from the devices, slot by slot.

use super::cipher::{INDEX_DEVICE, SECTOR};
use super::{Place, Volume, VolumeError, lock};
use crate::block::{HEADER_SIZE, Header, HeaderError};
use crate::disk::{Disk, DiskError};
use crate::record::{frame_size, verify};
use crate::stripe::{Loaded, STRIPE_COUNT, Stripe};
use std::fmt;
use std::ops::Range;
use std::sync::atomic::Ordering;

/// Bytes that are read when the length of a record is not known.
const READ_AHEAD: usize = 2048;

/// Why a slot's block is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// Its header is damaged.
    Header(HeaderError),
    /// It was written for another place.
    Misplaced,
    /// Of its records, so many bytes in so many stretches are damaged; the others are used.
    Records {
        /// Stretches of bytes that hold no whole record although whole ones follow.
        stretches: u32,
        /// Their bytes.
        bytes: u64,
    },
    /// Met while the node runs: its header is damaged, its records are whole, and are written to another place.
    HeaderAlone,
    /// Met while the node runs: from this byte of the block on, records are damaged.
    Unreadable {
        /// Where in the block the first of them is.
        from: usize,
    },
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Header(error) => write!(f, "{error}: the block is not used"),
            Trouble::Misplaced => write!(f, "the block was written for another place: it is not used"),
            Trouble::Records { stretches, bytes } => {
                write!(f, "{bytes} bytes in {stretches} places are damaged: the records around them are used")
            }
            Trouble::HeaderAlone => {
                write!(
                    f,
                    "the block's header is damaged: its records are whole and are written to another place"
                )
            }
            Trouble::Unreadable { from } => {
                write!(
                    f,
                    "the block is damaged at its byte {from}: it stays as it is, each record is checked when it is read"
                )
            }
        }
    }
}

/// A slot in which something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedSlot {
    /// Name of the device.
    pub device: String,
    /// The slot.
    pub place: Place,
    /// Where it begins on the device, in bytes.
    pub offset: u64,
    /// What is wrong.
    pub trouble: Trouble,
}

impl fmt::Display for SkippedSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {} (slot {}): {}", self.device, self.offset, self.place.slot, self.trouble)
    }
}

/// What is in a slot.
#[derive(Debug)]
pub enum Scanned {
    /// Nothing.
    Free,
    /// A block of this volume that begins here.
    Block {
        /// Its header.
        header: Header,
        /// Its bytes, header included.
        bytes: Box<[u8]>,
        /// Slots that it takes.
        run: u32,
    },
    /// Something else.
    Skipped(SkippedSlot),
}

/// What loading brought.
#[derive(Debug, Clone, Default)]
pub struct LoadReport {
    /// Blocks with something in them.
    pub blocks: u64,
    /// Records and tombstones, old copies included.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The latest last-update time of any of them, in milliseconds since 2010-01-01.
    pub latest_ms: u64,
    /// Slots in which something is wrong.
    pub skipped: Vec<SkippedSlot>,
}

impl LoadReport {
    fn add(&mut self, loaded: Loaded) {
        self.blocks += 1;
        self.records += loaded.records;
        self.bytes += loaded.bytes;
        self.latest_ms = self.latest_ms.max(loaded.latest_ms);
        self.skipped.extend(loaded.skipped);
    }

    /// Adds what other slots brought.
    pub fn merge(&mut self, other: LoadReport) {
        self.blocks += other.blocks;
        self.records += other.records;
        self.bytes += other.bytes;
        self.latest_ms = self.latest_ms.max(other.latest_ms);
        self.skipped.extend(other.skipped);
    }

    /// Forgets slots that turned out to be the inside of a long block.
    pub fn settle(&mut self, volume: &Volume) {
        self.skipped
            .retain(|slot| !matches!(slot.trouble, Trouble::Header(_)) || !volume.is_taken(slot.place));
    }
}

impl Volume {
    /// Reads what is in a slot.
    ///
    /// # Errors
    /// When the device can't be read.
    pub fn scan(&self, place: Place) -> Result<Scanned, VolumeError> {
        let Some(disk) = self.disks.get(usize::from(place.device)) else { return Ok(Scanned::Free) };
        let offset = self.offset(place);
        let failed = |error| VolumeError::Disk { device: disk.name().to_owned(), error };
        let skipped = |trouble| {
            Ok(Scanned::Skipped(SkippedSlot { device: disk.name().to_owned(), place, offset, trouble }))
        };
        let mut head = vec![0; HEADER_SIZE.max(self.align)];
        disk.read_at(offset, &mut head).map_err(failed)?;
        if head.iter().take(HEADER_SIZE).all(|&byte| byte == 0) {
            return Ok(Scanned::Free);
        }
        if let Some(cipher) = &self.cipher {
            cipher.decrypt(place.device, offset, &mut head);
        }
        let header = match Header::decode(&head) {
            Ok((header, _)) => header,
            Err(error) => return skipped(Trouble::Header(error)),
        };
        let run = self.run(header.size as usize);
        let fits = self.slot_counts().get(usize::from(place.device)).is_some_and(|&slots| {
            u64::from(place.slot) + u64::from(run) <= u64::from(slots) && header.size as usize > HEADER_SIZE
        });
        if header.identity.namespace != self.id
            || usize::from(header.identity.stripe) >= STRIPE_COUNT
            || header.place != place
            || !fits
        {
            return skipped(Trouble::Misplaced);
        }
        let bytes = self.read_span(&**disk, place, 0, header.size as usize).map_err(failed)?;
        Ok(Scanned::Block { header, bytes: bytes.into_boxed_slice(), run })
    }

    /// Loads the blocks that begin in these slots of a device into their stripes. `with` locks a stripe by its number
    /// and calls what it is given. Several threads may load different slots at once.
    ///
    /// # Errors
    /// When the device can't be read.
    pub fn load(
        &self,
        device: u16,
        slots: Range<u32>,
        mut with: impl FnMut(usize, &mut dyn FnMut(&mut Stripe)),
    ) -> Result<LoadReport, VolumeError> {
        let mut report = LoadReport::default();
        let mut slot = slots.start;
        while slot < slots.end {
            let place = Place { device, slot };
            let mut next = slot + 1;
            match self.scan(place)? {
                Scanned::Free => {}
                Scanned::Skipped(skipped) => report.skipped.push(skipped),
                Scanned::Block { header, bytes, run } => {
                    next = slot.saturating_add(run);
                    let mut bytes = Some(bytes);
                    with(usize::from(header.identity.stripe), &mut |stripe| {
                        let Some(bytes) = bytes.take() else { return };
                        report.add(stripe.load_block(self, &header, bytes, run));
                    });
                }
            }
            slot = next;
        }
        Ok(report)
    }

    /// A whole record of the block at `place`, from `from` in the block on; the block's records end at `end`. A record that
    /// can't be read, or is not what was written, ends the process: a node that can't tell its records must not
    /// pretend that they are gone.
    pub(crate) fn read_record(&self, place: Place, from: usize, end: usize, seed: u32) -> Box<[u8]> {
        let mut bytes = self.read_bytes(place, from, end.saturating_sub(from).min(READ_AHEAD));
        match frame_size(&bytes) {
            Ok(size) if size <= bytes.len() => bytes.truncate(size),
            Ok(size) if from.saturating_add(size) <= end => bytes = self.read_bytes(place, from, size),
            Ok(_) | Err(_) => self.give_up(place, from, "no record is where one must be"),
        }
        if let Err(error) = verify(&bytes, seed) {
            self.give_up(place, from, &error.to_string());
        }
        bytes.into_boxed_slice()
    }

    /// All bytes of a block.
    pub(crate) fn read_block(&self, place: Place, size: usize) -> Box<[u8]> {
        self.read_bytes(place, 0, size).into_boxed_slice()
    }

    fn read_bytes(&self, place: Place, from: usize, length: usize) -> Vec<u8> {
        let Some(disk) = self.disks.get(usize::from(place.device)) else { return vec![0; length] };
        self.counts.read_bytes.fetch_add(length as u64, Ordering::Relaxed);
        match self.read_span(&**disk, place, from, length) {
            Ok(bytes) => bytes,
            Err(error) => self.give_up(place, from, &error.to_string()),
        }
    }

    /// Bytes of the block at `place`, from `from` in the block on, in clear.
    fn read_span(
        &self,
        disk: &dyn Disk,
        place: Place,
        from: usize,
        length: usize,
    ) -> Result<Vec<u8>, DiskError> {
        let start = from / self.align * self.align;
        let mut bytes = vec![0; (from + length).next_multiple_of(self.align) - start];
        let offset = self.offset(place) + start as u64;
        disk.read_at(offset, &mut bytes)?;
        if let Some(cipher) = &self.cipher {
            cipher.decrypt(place.device, offset, &mut bytes);
        }
        bytes.truncate(from + length - start);
        bytes.drain(..from - start);
        Ok(bytes)
    }

    /// Encrypts a section of an index snapshot that will lie at this place of its file, where the volume is encrypted;
    /// zeros are added up to whole sectors.
    pub fn seal_section(&self, offset: u64, section: &mut Vec<u8>) {
        if let Some(cipher) = &self.cipher {
            section.resize(section.len().next_multiple_of(SECTOR), 0);
            cipher.encrypt(INDEX_DEVICE, offset, section);
        }
    }

    /// The bytes that a section of `length` bytes takes in its file.
    #[must_use]
    pub fn sealed_length(&self, length: u64) -> u64 {
        if self.cipher.is_some() { length.next_multiple_of(SECTOR as u64) } else { length }
    }

    /// Takes back what [`Volume::seal_section`] did.
    pub fn unseal_section(&self, offset: u64, length: u64, section: &mut Vec<u8>) {
        if let Some(cipher) = self.cipher.as_ref().filter(|_| section.len().is_multiple_of(SECTOR)) {
            cipher.decrypt(INDEX_DEVICE, offset, section);
            section.truncate(usize::try_from(length).unwrap_or(usize::MAX));
        }
    }

    fn give_up(&self, place: Place, from: usize, why: &str) -> ! {
        // The next start is to look at all blocks, and step over what is damaged, instead of meeting it again.
        let _ = self.unmark();
        let disk = self.disks.get(usize::from(place.device)).expect("invariant: a block lies on a device");
        let at = self.offset(place) + from as u64;
        disk.give_up(&format!("{} at byte {at}: {why}", disk.name()))
    }

    /// Whether a block that was loaded takes this slot.
    #[must_use]
    pub fn is_taken(&self, place: Place) -> bool {
        lock(&self.slots).is_taken(place)
    }

    /// Marks the slots of a block that was found as taken. False when another block has any of them.
    pub(crate) fn occupy(&self, place: Place, run: u32) -> bool {
        self.with_slots(|slots| slots.occupy(place, run))
    }

    /// How a slot is told of in messages.
    pub(crate) fn skipped(&self, place: Place, trouble: Trouble) -> SkippedSlot {
        let device =
            self.disks.get(usize::from(place.device)).map_or_else(String::new, |disk| disk.name().to_owned());
        SkippedSlot { device, place, offset: self.offset(place), trouble }
    }
}
