//! A disk that outlives its process: what was synced is there after a crash, of the rest any part, sectors torn.

use crate::canary::Canary;
use crate::draw::Draw;
use parking_lot::Mutex;
use shipload_store::{Disk, DiskError, JournalGiven};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The unit in which an unsynced write may reach the disk or not.
const SECTOR: usize = 512;
/// Room for the open blocks of all stripes three times over.
const BYTES: usize = 4 << 20;
/// Room for many commits of small records.
const JOURNAL_BYTES: usize = 256 << 10;

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
    /// An empty one of so many bytes. `lies`: its syncs keep nothing.
    fn new(bytes: usize, lies: bool) -> SimDisk {
        SimDisk::with(vec![0; bytes], lies)
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
        self.0.lock().current.len() as u64
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
    /// The commit journal, of a node that commits each write before it is answered.
    pub journal: Option<SimDisk>,
    /// Starts leave out what is in the journal: a planted bug.
    pub forgets: bool,
    /// What it had written down of its cluster.
    pub kept: Option<Vec<u8>>,
    /// What the process held that used it last, when that committed everything: images by record.
    pub promised: BTreeMap<usize, Option<Vec<u8>>>,
}

impl Shelf {
    /// An empty one.
    #[must_use]
    pub fn new(commits: bool, canary: Option<Canary>) -> Shelf {
        let lies = canary == Some(Canary::LyingDisk);
        Shelf {
            disk: SimDisk::new(BYTES, lies),
            journal: commits.then(|| SimDisk::new(JOURNAL_BYTES, lies)),
            forgets: canary == Some(Canary::NoReplay),
            kept: None,
            promised: BTreeMap::new(),
        }
    }

    /// What becomes of it when its machine dies.
    pub fn crash(&mut self, draw: &mut Draw) {
        self.disk = self.disk.after_crash(draw);
        if let Some(journal) = &mut self.journal {
            *journal = journal.after_crash(draw);
        }
    }

    /// The journal as a start is given it.
    #[must_use]
    pub fn given(&self) -> JournalGiven {
        match &self.journal {
            None => JournalGiven::None,
            Some(_) if self.forgets => JournalGiven::Lost,
            Some(journal) => JournalGiven::Disk(Box::new(journal.clone())),
        }
    }
}
