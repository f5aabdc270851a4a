//! A disk in memory that outlives its node.

use parking_lot::Mutex;
use shipload_store::{Disk, DiskError};
use std::sync::Arc;

/// Room for a few thousand small records.
const BYTES: usize = 32 << 20;

/// A disk; clones are the same disk.
#[derive(Debug, Clone)]
pub(crate) struct MemoryDisk(Arc<Mutex<Vec<u8>>>);

impl Default for MemoryDisk {
    fn default() -> MemoryDisk {
        MemoryDisk(Arc::new(Mutex::new(vec![0; BYTES])))
    }
}

fn beyond() -> DiskError {
    DiskError::Failed("beyond the end".to_owned())
}

impl Disk for MemoryDisk {
    fn name(&self) -> &str {
        "memory"
    }

    fn size(&self) -> u64 {
        BYTES as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), DiskError> {
        let at = usize::try_from(offset).map_err(|_| beyond())?;
        buffer.copy_from_slice(self.0.lock().get(at..at + buffer.len()).ok_or_else(beyond)?);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        let at = usize::try_from(offset).map_err(|_| beyond())?;
        self.0.lock().get_mut(at..at + bytes.len()).ok_or_else(beyond)?.copy_from_slice(bytes);
        Ok(())
    }

    fn sync(&self) -> Result<(), DiskError> {
        Ok(())
    }

    fn give_up(&self, why: &str) -> ! {
        panic!("{why}")
    }
}
