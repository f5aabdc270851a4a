//! The index of a clean stop as bytes: a head, then a section for each stripe.
//!
//! Guarantees: a section is used only when its checksum is right and all that it says fits together; decoding is
//! bounded and never panics. Whether the devices are still those that it describes is told by the head's mark.
//! Byte by byte: `docs/format/snapshot.md`. Refuses to know where the bytes are kept.

use crate::stripe::STRIPE_COUNT;
use crate::volume::Mark;
use thiserror::Error;

const MAGIC: [u8; 8] = *b"shipsnap";
/// The version of the snapshot format.
pub const SNAPSHOT_VERSION: u16 = 1;
/// Bytes of a section's place in the head: offset, length, checksum.
const PLACE_SIZE: usize = 20;
const FIXED_SIZE: usize = 56;
/// Bytes of the head.
pub const SNAPSHOT_HEAD_SIZE: usize = FIXED_SIZE + PLACE_SIZE * STRIPE_COUNT + 4;

/// Why a snapshot is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SnapshotError {
    /// Too short, or other bytes than ours.
    #[error("it is not a snapshot, or cut off")]
    NotOurs,
    /// The checksum does not match the bytes.
    #[error("its checksum does not match")]
    Checksum,
    /// Written by another version of this program.
    #[error("it has format version {0}, this program knows version {SNAPSHOT_VERSION}")]
    Version(u16),
    /// Of other devices, or of another state of these.
    #[error("it is of another state of the devices")]
    OtherState,
    /// What it says does not fit together.
    #[error("what it says does not fit together")]
    Contradiction,
}

/// Where a stripe's section lies, from the start of the snapshot on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SectionPlace {
    /// Its first byte.
    pub offset: u64,
    /// Its bytes.
    pub length: u64,
    /// Their CRC-32C.
    pub checksum: u32,
}

/// The first bytes of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotHead {
    /// The volume whose index it is.
    pub volume: [u8; 16],
    /// The mark that was set on the devices.
    pub mark: Mark,
    /// The latest last-update time that any record was stamped with, in milliseconds since 2010-01-01.
    pub latest_ms: u64,
    /// Where the sections lie, by stripe.
    pub sections: [SectionPlace; STRIPE_COUNT],
}

impl SnapshotHead {
    /// The head's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(SNAPSHOT_HEAD_SIZE);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&SNAPSHOT_VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 6]);
        out.extend_from_slice(&self.volume);
        out.extend_from_slice(&self.mark);
        out.extend_from_slice(&self.latest_ms.to_le_bytes());
        for place in &self.sections {
            out.extend_from_slice(&place.offset.to_le_bytes());
            out.extend_from_slice(&place.length.to_le_bytes());
            out.extend_from_slice(&place.checksum.to_le_bytes());
        }
        let checksum = crc32c::crc32c(&out);
        out.extend_from_slice(&checksum.to_le_bytes());
        out
    }

    /// Reads a head and compares it with the devices.
    ///
    /// # Errors
    /// When it is damaged, of another version, or does not carry this volume and mark.
    pub fn decode(
        bytes: &[u8],
        volume: &[u8; 16],
        mark: Option<Mark>,
    ) -> Result<SnapshotHead, SnapshotError> {
        let head = bytes.get(..SNAPSHOT_HEAD_SIZE).ok_or(SnapshotError::NotOurs)?;
        let mut reader = Reader(head);
        if reader.take::<8>()? != MAGIC {
            return Err(SnapshotError::NotOurs);
        }
        let (covered, checksum) = head.split_at(SNAPSHOT_HEAD_SIZE - 4);
        if crc32c::crc32c(covered).to_le_bytes() != *checksum {
            return Err(SnapshotError::Checksum);
        }
        let version = reader.u16()?;
        if version != SNAPSHOT_VERSION {
            return Err(SnapshotError::Version(version));
        }
        reader.take::<6>()?;
        let (of, carries) = (reader.take::<16>()?, reader.take::<16>()?);
        if of != *volume || mark != Some(carries) {
            return Err(SnapshotError::OtherState);
        }
        let latest_ms = reader.u64()?;
        let mut sections = [SectionPlace::default(); STRIPE_COUNT];
        for place in &mut sections {
            *place = SectionPlace { offset: reader.u64()?, length: reader.u64()?, checksum: reader.u32()? };
        }
        Ok(SnapshotHead { volume: of, mark: carries, latest_ms, sections })
    }
}

impl SectionPlace {
    /// Checks the bytes that were found there.
    ///
    /// # Errors
    /// When they are not those that were written.
    pub fn check(&self, section: &[u8]) -> Result<(), SnapshotError> {
        let whole = section.len() as u64 == self.length && crc32c::crc32c(section) == self.checksum;
        if whole { Ok(()) } else { Err(SnapshotError::Checksum) }
    }
}

/// Bytes that are read from the front.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn take<const N: usize>(&mut self) -> Result<[u8; N], SnapshotError> {
        let (chunk, rest) = self.0.split_first_chunk::<N>().ok_or(SnapshotError::Contradiction)?;
        self.0 = rest;
        Ok(*chunk)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, SnapshotError> {
        self.take().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, SnapshotError> {
        self.take().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, SnapshotError> {
        self.take().map(u64::from_le_bytes)
    }

    /// So many items of `size` bytes each.
    pub(crate) fn items(&mut self, count: usize, size: usize) -> Result<&'a [u8], SnapshotError> {
        let bytes = count.checked_mul(size).and_then(|bytes| self.0.split_at_checked(bytes));
        let (items, rest) = bytes.ok_or(SnapshotError::Contradiction)?;
        self.0 = rest;
        Ok(items)
    }
}
