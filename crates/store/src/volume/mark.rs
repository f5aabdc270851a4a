//! The mark that ties an index snapshot to the state of all devices.
//!
//! Guarantees: while a mark can be read from all devices, nothing was written to any slot since it was set. It is wiped,
//! and the wiping synced, before the first write that follows. Byte by byte: `docs/format/snapshot.md`.

use super::{Fault, Volume, VolumeError};
use crate::disk::{Disk, DiskError};
use std::sync::atomic::Ordering;

/// Where the mark lies on every device.
const MARK_AT: u64 = 4096;
const MAGIC: [u8; 8] = *b"shipmark";
/// Magic, volume, mark, checksum.
const MARK_SIZE: usize = 44;

/// A random number that is given once.
pub type Mark = [u8; 16];

/// The mark of all devices; none when one has none, or another one.
pub(super) fn load(disks: &[Box<dyn Disk>], volume: &[u8; 16]) -> Result<Option<Mark>, VolumeError> {
    let mut common = None;
    for disk in disks {
        let mut bytes = [0; MARK_SIZE];
        let device = || disk.name().to_owned();
        disk.read_at(MARK_AT, &mut bytes).map_err(|error| VolumeError::Disk { device: device(), error })?;
        let Some(mark) = decode(&bytes, volume) else { return Ok(None) };
        if *common.get_or_insert(mark) != mark {
            return Ok(None);
        }
    }
    Ok(common)
}

fn encode(volume: &[u8; 16], mark: &Mark) -> [u8; MARK_SIZE] {
    let mut bytes = [0; MARK_SIZE];
    bytes[0..8].copy_from_slice(&MAGIC);
    bytes[8..24].copy_from_slice(volume);
    bytes[24..40].copy_from_slice(mark);
    let checksum = crc32c::crc32c(&bytes[..40]);
    bytes[40..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8; MARK_SIZE], volume: &[u8; 16]) -> Option<Mark> {
    let mut mark = Mark::default();
    mark.copy_from_slice(&bytes[24..40]);
    (*bytes == encode(volume, &mark)).then_some(mark)
}

impl Volume {
    /// The mark that the devices carried when they were opened, if nothing was written to them since.
    #[must_use]
    pub fn mark(&self) -> Option<Mark> {
        if self.is_marked.load(Ordering::Acquire) { self.mark } else { None }
    }

    /// Sets a mark on all devices: their state is what an index snapshot that carries it describes. To be called when
    /// nobody writes any more; all that was written before is on stable storage when this returns.
    ///
    /// # Errors
    /// When the volume is out of service, or goes out of service now.
    pub fn set_mark(&self, mark: &Mark) -> Result<(), Fault> {
        if let Some(fault) = self.fault() {
            return Err(fault);
        }
        self.rest_journal()?;
        self.mark_all(&encode(&self.id, mark))
    }

    /// To be called before anything is written: from now on the state is another one.
    pub(super) fn unmark(&self) -> Result<(), Fault> {
        if self.is_marked.load(Ordering::Acquire) {
            self.mark_all(&[0; MARK_SIZE])?;
            self.is_marked.store(false, Ordering::Release);
        }
        Ok(())
    }

    fn mark_all(&self, bytes: &[u8; MARK_SIZE]) -> Result<(), Fault> {
        let failed = |error: DiskError| DiskError::Failed(error.to_string());
        for disk in &self.disks {
            let written = disk.write_at(MARK_AT, bytes).and_then(|()| disk.sync());
            written.map_err(|error| self.fail(&**disk, "write", &failed(error)))?;
        }
        Ok(())
    }
}
