//! What is kept beside the records: set names and cut-off times, in two copies that are written in turn.
//!
//! Guarantees: after [`keep`] has returned, [`load`] gives exactly these bytes, whatever a crash does to a later
//! attempt. Byte by byte: `docs/format/device.md`.

use super::cipher::{Cipher, SECTOR};
use super::error::VolumeError;
use crate::disk::{Disk, DiskError};

/// Where the two copies lie on the first device.
const COPIES_AT: [u64; 2] = [128 << 10, 576 << 10];
/// Bytes that a copy may take, head included.
const COPY_SIZE: usize = 448 << 10;
const MAGIC: [u8; 8] = *b"shipkeep";
/// Magic, count, length, checksum.
const HEAD_SIZE: usize = 24;
/// The number of the part that says that a start needs the commit journal. It comes behind all values.
const JOURNAL: u16 = 4;

/// What was kept last, and how often something was.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Counts the times; the copy with the higher count is the present one.
    pub(super) count: u64,
    /// The values.
    pub(super) bytes: Vec<u8>,
    /// The life of the volume whose commits the journal may hold; none when a start does without it.
    pub(super) journal: Option<u64>,
}

impl Kept {
    /// What follows when these values are kept.
    pub(super) fn next(&self, bytes: Vec<u8>, journal: Option<u64>) -> Kept {
        Kept { count: self.count + 1, bytes, journal }
    }

    /// The parts as they are written. Who does not know the journal's part refuses all.
    fn parts(&self) -> Vec<u8> {
        let mut parts = self.bytes.clone();
        if let Some(life) = self.journal {
            parts.extend_from_slice(&JOURNAL.to_le_bytes());
            parts.extend_from_slice(&8u32.to_le_bytes());
            parts.extend_from_slice(&life.to_le_bytes());
        }
        parts
    }

    fn of_parts(count: u64, parts: &[u8]) -> Kept {
        let mut rest = parts;
        // What can't be followed is for those to refuse who read the values.
        while let Some((number, behind)) = rest.split_first_chunk::<2>()
            && let Some((length, behind)) = behind.split_first_chunk::<4>()
            && let Some((part, behind)) = behind.split_at_checked(u32::from_le_bytes(*length) as usize)
        {
            if u16::from_le_bytes(*number) == JOURNAL
                && behind.is_empty()
                && let Some((life, [])) = part.split_first_chunk::<8>()
            {
                let bytes = parts.get(..parts.len() - rest.len()).unwrap_or_default().to_vec();
                return Kept { count, bytes, journal: Some(u64::from_le_bytes(*life)) };
            }
            rest = behind;
        }
        Kept { count, bytes: parts.to_vec(), journal: None }
    }
}

/// Writes the copy whose turn it is and syncs it.
pub(super) fn keep(disk: &dyn Disk, cipher: Option<&Cipher>, kept: &Kept) -> Result<(), DiskError> {
    let (count, bytes) = (kept.count, kept.parts());
    if bytes.len() > COPY_SIZE - HEAD_SIZE {
        return Err(DiskError::Failed("too much to keep".to_owned()));
    }
    let mut copy = Vec::with_capacity(HEAD_SIZE + bytes.len());
    copy.extend_from_slice(&MAGIC);
    copy.extend_from_slice(&count.to_le_bytes());
    copy.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&copy), &bytes);
    copy.extend_from_slice(&checksum.to_le_bytes());
    copy.extend_from_slice(&bytes);
    let at = COPIES_AT[usize::from(count % 2 == 1)];
    if let Some(cipher) = cipher {
        copy.resize(copy.len().next_multiple_of(SECTOR), 0);
        cipher.encrypt(0, at, &mut copy);
    }
    disk.write_at(at, &copy)?;
    disk.sync()
}

/// The later of the two copies that is whole.
pub(super) fn load(disk: &dyn Disk, cipher: Option<&Cipher>) -> Result<Kept, VolumeError> {
    let device = disk.name().to_owned();
    let mut newest: Option<Kept> = None;
    for at in COPIES_AT {
        let mut copy = vec![0; COPY_SIZE];
        disk.read_at(at, &mut copy).map_err(|error| VolumeError::Disk { device: device.clone(), error })?;
        if let Some(cipher) = cipher {
            cipher.decrypt(0, at, &mut copy);
        }
        if let Some(kept) = decode(&copy)
            && newest.as_ref().is_none_or(|newest| newest.count < kept.count)
        {
            newest = Some(kept);
        }
    }
    newest.ok_or(VolumeError::Kept { device })
}

fn decode(copy: &[u8]) -> Option<Kept> {
    let (head, rest) = copy.split_first_chunk::<HEAD_SIZE>()?;
    let (magic, fields) = head.split_first_chunk::<8>()?;
    let (count, fields) = fields.split_first_chunk::<8>()?;
    let (length, checksum) = fields.split_first_chunk::<4>()?;
    let bytes = rest.get(..u32::from_le_bytes(*length) as usize)?;
    let computed = crc32c::crc32c_append(crc32c::crc32c(head.get(..20)?), bytes);
    let whole = *magic == MAGIC && checksum == computed.to_le_bytes();
    whole.then(|| Kept::of_parts(u64::from_le_bytes(*count), bytes))
}
