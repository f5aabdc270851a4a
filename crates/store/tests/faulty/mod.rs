//! A disk in memory that tears, loses, fails and fills up when it is told to, and what it looks like after a crash.

#![allow(dead_code, reason = "each test takes what it needs")]

use shipload_store::{Disk, DiskError};
use std::sync::{Arc, Mutex};

/// The unit in which an unsynced write may reach the disk or not.
const SECTOR: u64 = 512;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The machine dies in the middle of the operation.
    Crash,
    /// A write fails half way, or a sync: and nothing is known of what was not synced.
    Fails,
    /// No room, this one time.
    Full,
    /// From then on a sync says that all is well and keeps nothing: a disk that lies.
    Lies,
    /// One bit of a write flips on its way, and nobody is told.
    Flips,
}

/// Numbers that look random, the same for the same seed.
#[derive(Debug, Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }
}

#[derive(Debug)]
struct State {
    durable: Vec<u8>,
    current: Vec<u8>,
    pending: Vec<(u64, Vec<u8>)>,
    operations: u64,
    fault: Option<(u64, Fault)>,
    dead: bool,
    lying: bool,
    /// Where a bit flipped.
    flipped: Option<u64>,
}

/// A disk; clones are the same disk.
#[derive(Debug, Clone)]
pub(crate) struct FaultyDisk {
    name: String,
    size: u64,
    align: usize,
    state: Arc<Mutex<State>>,
}

impl FaultyDisk {
    pub(crate) fn new(name: &str, size: u64) -> FaultyDisk {
        FaultyDisk::with(name, vec![0; usize::try_from(size).unwrap()])
    }

    /// A disk with these bytes on it.
    pub(crate) fn with(name: &str, bytes: Vec<u8>) -> FaultyDisk {
        let size = bytes.len() as u64;
        let state = State {
            durable: bytes.clone(),
            current: bytes,
            pending: Vec::new(),
            operations: 0,
            fault: None,
            dead: false,
            lying: false,
            flipped: None,
        };
        FaultyDisk { name: name.to_owned(), size, align: 1, state: Arc::new(Mutex::new(state)) }
    }

    /// The same disk, which wants large reads and writes at multiples of this.
    pub(crate) fn aligned(self, align: usize) -> FaultyDisk {
        FaultyDisk { align, ..self }
    }

    /// Lets the operation with this number, counted from now, go wrong.
    pub(crate) fn arm(&self, operation: u64, fault: Fault) {
        let mut state = self.state.lock().unwrap();
        state.operations = 0;
        state.fault = Some((operation, fault));
    }

    /// Writes and syncs so far.
    pub(crate) fn operations(&self) -> u64 {
        self.state.lock().unwrap().operations
    }

    /// Where a bit flipped, if one did.
    pub(crate) fn flipped(&self) -> Option<u64> {
        self.state.lock().unwrap().flipped
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.state.lock().unwrap().dead
    }

    /// The disk as it comes back after the machine died: of what was not synced, any part is there, sectors torn.
    pub(crate) fn crash(&self, random: &mut Random) -> FaultyDisk {
        let state = self.state.lock().unwrap();
        let mut bytes = state.durable.clone();
        let keep = random.below(101);
        for (offset, write) in &state.pending {
            let mut at = 0u64;
            while at < write.len() as u64 {
                let length = (SECTOR - (offset + at) % SECTOR).min(write.len() as u64 - at);
                if random.below(100) < keep {
                    // A disk with sectors writes each as a whole.
                    let torn = if self.align == 1 && random.below(8) == 0 {
                        random.below(length + 1)
                    } else {
                        length
                    };
                    let (from, to) = (usize::try_from(at).unwrap(), usize::try_from(at + torn).unwrap());
                    let place = usize::try_from(offset + at).unwrap();
                    bytes[place..place + (to - from)].copy_from_slice(&write[from..to]);
                }
                at += length;
            }
        }
        FaultyDisk::with(&self.name, bytes).aligned(self.align)
    }

    /// Changes durable bytes behind everyone's back.
    pub(crate) fn damage(&self, change: impl FnOnce(&mut Vec<u8>)) -> FaultyDisk {
        let mut bytes = self.state.lock().unwrap().durable.clone();
        change(&mut bytes);
        FaultyDisk::with(&self.name, bytes).aligned(self.align)
    }
}

impl State {
    /// Counts an operation and says what goes wrong with it.
    fn step(&mut self) -> Result<Option<Fault>, DiskError> {
        if self.dead {
            return Err(DiskError::Failed("the machine is off".to_owned()));
        }
        let number = self.operations;
        self.operations += 1;
        Ok(self.fault.filter(|(at, _)| *at == number).map(|(_, fault)| fault))
    }

    fn apply(&mut self, offset: u64, bytes: &[u8]) {
        let at = usize::try_from(offset).unwrap();
        self.current[at..at + bytes.len()].copy_from_slice(bytes);
        self.pending.push((offset, bytes.to_vec()));
    }
}

impl Disk for FaultyDisk {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn align(&self) -> usize {
        self.align
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), DiskError> {
        let at = usize::try_from(offset).unwrap();
        let state = self.state.lock().unwrap();
        let bytes = state.current.get(at..at + buffer.len());
        buffer.copy_from_slice(bytes.ok_or_else(|| DiskError::Failed("beyond the end".to_owned()))?);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        let mut state = self.state.lock().unwrap();
        match state.step()? {
            None | Some(Fault::Lies) => {
                state.lying |=
                    state.fault.is_some_and(|(at, fault)| fault == Fault::Lies && at < state.operations);
                state.apply(offset, bytes);
                Ok(())
            }
            Some(Fault::Flips) => {
                let mut bytes = bytes.to_vec();
                let at = bytes.len() * usize::try_from(state.operations % 7).unwrap() / 7;
                bytes[at] ^= 1 << (state.operations % 8);
                state.flipped = Some(offset + at as u64);
                state.apply(offset, &bytes);
                Ok(())
            }
            Some(Fault::Full) => {
                state.apply(offset, &bytes[..bytes.len() / 3]);
                Err(DiskError::Full)
            }
            Some(fault @ (Fault::Fails | Fault::Crash)) => {
                state.apply(offset, bytes);
                state.dead = fault == Fault::Crash;
                Err(DiskError::Failed("input/output error".to_owned()))
            }
        }
    }

    fn give_up(&self, why: &str) -> ! {
        panic!("{why}")
    }

    fn sync(&self) -> Result<(), DiskError> {
        let mut state = self.state.lock().unwrap();
        match state.step()? {
            // A sync has no use for room.
            None | Some(Fault::Full | Fault::Lies | Fault::Flips) => {
                if state.lying {
                    return Ok(());
                }
                for (offset, bytes) in std::mem::take(&mut state.pending) {
                    let at = usize::try_from(offset).unwrap();
                    state.durable[at..at + bytes.len()].copy_from_slice(&bytes);
                }
                Ok(())
            }
            Some(fault @ (Fault::Fails | Fault::Crash)) => {
                state.dead = fault == Fault::Crash;
                Err(DiskError::Failed("input/output error".to_owned()))
            }
        }
    }
}
