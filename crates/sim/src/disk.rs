//! A disk that outlives its process: what was synced is there after a crash, of the rest any part, sectors torn.

use crate::draw::Draw;
use parking_lot::Mutex;
use shipload_store::{Disk, DiskError};
use std::sync::Arc;

/// The unit in which an unsynced write may reach the disk or not.
const SECTOR: usize = 512;
/// Room for the open blocks of all stripes three times over.
const BYTES: usize = 4 << 20;

#[derive(Debug)]
struct State {
    durable: Vec<u8>,
    current: Vec<u8>,
    /// Written and not synced.
    pending: Vec<(usize, Vec<u8>)>,
    /// Syncs say that all is well and keep nothing: a planted bug.
    lies: bool,
}

/// A disk; clones are the same disk.
#[derive(Debug, Clone)]
pub struct SimDisk(Arc<Mutex<State>>);

impl SimDisk {
    /// An empty one. `lies`: its syncs keep nothing.
    #[must_use]
    pub fn new(lies: bool) -> SimDisk {
        SimDisk::with(vec![0; BYTES], lies)
    }

    fn with(bytes: Vec<u8>, lies: bool) -> SimDisk {
        SimDisk(Arc::new(Mutex::new(State {
            durable: bytes.clone(),
            current: bytes,
            pending: Vec::new(),
            lies,
        })))
    }

    /// The disk as the next process finds it after its machine died.
    #[must_use]
    pub fn after_crash(&self, draw: &mut Draw) -> SimDisk {
        let state = self.0.lock();
        let mut bytes = state.durable.clone();
        let keeps = draw.below(1001);
        for (offset, write) in &state.pending {
            for (index, sector) in write.chunks(SECTOR).enumerate() {
                if !draw.chance(keeps) {
                    continue;
                }
                let whole = sector.len() as u64;
                let torn = if draw.chance(100) { draw.below(whole + 1) } else { whole };
                let length = usize::try_from(torn).unwrap_or(0);
                let at = offset + index * SECTOR;
                if let (Some(place), Some(part)) = (bytes.get_mut(at..at + length), sector.get(..length)) {
                    place.copy_from_slice(part);
                }
            }
        }
        SimDisk::with(bytes, state.lies)
    }
}

fn place(offset: u64) -> Result<usize, DiskError> {
    usize::try_from(offset).map_err(|_| DiskError::Failed("beyond the end".to_owned()))
}

impl Disk for SimDisk {
    fn name(&self) -> &str {
        "sim"
    }

    fn size(&self) -> u64 {
        BYTES as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), DiskError> {
        let at = place(offset)?;
        let state = self.0.lock();
        let bytes = state.current.get(at..at + buffer.len());
        buffer.copy_from_slice(bytes.ok_or_else(|| DiskError::Failed("beyond the end".to_owned()))?);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        let at = place(offset)?;
        let mut state = self.0.lock();
        let room = state.current.get_mut(at..at + bytes.len());
        room.ok_or_else(|| DiskError::Failed("beyond the end".to_owned()))?.copy_from_slice(bytes);
        state.pending.push((at, bytes.to_vec()));
        Ok(())
    }

    fn sync(&self) -> Result<(), DiskError> {
        let mut state = self.0.lock();
        if state.lies {
            return Ok(());
        }
        for (at, bytes) in std::mem::take(&mut state.pending) {
            if let Some(room) = state.durable.get_mut(at..at + bytes.len()) {
                room.copy_from_slice(&bytes);
            }
        }
        Ok(())
    }

    #[expect(clippy::panic, reason = "a life that panics is a violation")]
    fn give_up(&self, why: &str) -> ! {
        panic!("{why}")
    }
}

/// What a node finds when it starts again.
#[derive(Debug, Clone)]
pub struct Shelf {
    /// The disk.
    pub disk: SimDisk,
    /// What it had written down of its cluster.
    pub kept: Option<Vec<u8>>,
}
