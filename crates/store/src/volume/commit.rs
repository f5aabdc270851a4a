//! Commits: what must be on stable storage now goes to the journal first, and to its place with the next flush.
//!
//! Guarantees: those of [`Volume::flush`], for whoever calls [`Volume::commit`]. A slot is given back only by a flush,
//! which first puts everything in its place, syncs it, and ends the journal's epoch: so what a start replays never
//! lies under anything newer. While the journal may be needed, the devices say so: a start without it is refused.

use super::flush::{Flushed, State};
use super::journal::{Journal, Replayed};
use super::{Fault, JournalError, Place, SLOTS_AT, Volume, VolumeError, lock};
use crate::disk::{Disk, DiskError};
use crate::stripe::{STRIPE_COUNT, Stripe};
use std::mem;
use std::sync::atomic::Ordering;

/// A larger commit is written to its places at once: writing it twice would take longer than the way there.
pub(crate) const COMMIT_BYTES_MAX: usize = 1 << 20;

/// What is known of the commit journal when devices are opened.
#[derive(Debug)]
pub enum JournalGiven {
    /// There is none.
    None,
    /// This one.
    Disk(Box<dyn Disk>),
    /// There was one, and somebody has decided to do without what is in it.
    Lost,
}

impl Volume {
    /// Puts all that the stripes hold on stable storage, in the journal when there is one. Arguments as for
    /// [`Volume::flush`].
    ///
    /// # Errors
    /// When the volume is out of service, or goes out of service now.
    pub fn commit(
        &self,
        mut with: impl FnMut(usize, &mut dyn FnMut(&mut Stripe)),
        mut prepare: impl FnMut() -> Result<(), Fault>,
    ) -> Result<Flushed, Fault> {
        let mut state = lock(&self.flush);
        // What an earlier attempt has left is neither in the journal nor in its place.
        if state.journal.is_none() || self.is_faulty() || state.left.needs_preparing() || state.adrift {
            return self.flush_all(&mut state, with, prepare);
        }
        state.adrift = true;
        let mut batch = mem::take(&mut state.commit);
        batch.clear();
        let (mut number, mut more) = (0, false);
        while number < STRIPE_COUNT && !more {
            with(number, &mut |stripe| more = stripe.copy_new_bytes(&mut batch));
            number += 1;
        }
        state.commit = batch;
        if more {
            return self.flush_all(&mut state, with, prepare);
        }
        if state.commit.len() > 0 {
            prepare()?;
            if !self.add_to_journal(&mut state)? {
                return self.flush_all(&mut state, with, prepare);
            }
        }
        state.adrift = false;
        Ok(Flushed { bytes: state.commit.len() as u64, freed_blocks: 0 })
    }

    /// Whether the commit is on stable storage in the journal now.
    fn add_to_journal(&self, state: &mut State) -> Result<bool, Fault> {
        let State { journal: Some(journal), commit, .. } = state else { return Ok(false) };
        if journal.is_idle() {
            match journal.begin(self.salt) {
                Ok(()) => {}
                Err(DiskError::Full) => return Ok(false),
                Err(error) => return Err(self.fail(journal.disk(), "write", &error)),
            }
            self.note_journal(Some(self.salt))?;
            journal.open_up();
        }
        let appended = journal.append(commit, self.cipher.as_ref());
        let Some(length) = appended.map_err(|error| self.fail(journal.disk(), "write", &error))? else {
            return Ok(false);
        };
        self.counts.commits.fetch_add(1, Ordering::Relaxed);
        self.counts.syncs.fetch_add(1, Ordering::Relaxed);
        self.counts.written_bytes.fetch_add(length as u64, Ordering::Relaxed);
        Ok(true)
    }

    /// Everything is on stable storage in its place: a start need not look at the journal's frames.
    pub(super) fn reset_journal(&self, state: &mut State) -> Result<(), Fault> {
        let Some(journal) = state.journal.as_mut().filter(|journal| journal.is_used()) else { return Ok(()) };
        journal.reset().map_err(|error| self.fail(journal.disk(), "write", &error))?;
        self.counts.syncs.fetch_add(2, Ordering::Relaxed);
        Ok(())
    }

    /// Nobody writes any more: from now on the devices are whole without the journal.
    pub(super) fn rest_journal(&self) -> Result<(), Fault> {
        let mut state = lock(&self.flush);
        self.sync(&mut state)?;
        self.reset_journal(&mut state)?;
        let Some(journal) = state.journal.as_mut().filter(|journal| !journal.is_idle()) else {
            return Ok(());
        };
        // First: should the devices take the note and say that they did not, the next commit begins anew.
        journal.rest();
        self.note_journal(None)
    }

    /// Says on the devices whether a start needs the journal, and of which life.
    fn note_journal(&self, life: Option<u64>) -> Result<(), Fault> {
        let mut kept = lock(&self.kept);
        let next = kept.next(kept.bytes.clone(), life);
        self.keep_next(&mut kept, next)
    }

    /// Makes a file of zeros an empty journal of this volume.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn format_journal(&self, disk: &dyn Disk) -> Result<(), DiskError> {
        Journal::format(disk, self.id)
    }

    /// From now on commits go to this journal, which [`Volume::format_journal`] has made.
    ///
    /// # Errors
    /// When it is none of this volume's.
    pub fn use_journal(&self, disk: Box<dyn Disk>) -> Result<(), VolumeError> {
        let journal = Journal::open(disk, self.id)?;
        lock(&self.flush).journal = Some(journal);
        Ok(())
    }

    /// Whether commits go to a journal.
    #[must_use]
    pub fn has_journal(&self) -> bool {
        lock(&self.flush).journal.is_some()
    }

    /// What the journal held that was not in its place, when the devices were opened; none when it was not needed.
    #[must_use]
    pub fn replayed(&self) -> Option<Replayed> {
        self.replayed
    }

    /// Whether the devices say that the journal has commits that are not in their places, perhaps.
    pub(super) fn needs_journal(&self) -> bool {
        lock(&self.kept).journal.is_some()
    }

    /// Brings the devices to the state of the last commit.
    pub(super) fn take_journal(&mut self, given: JournalGiven) -> Result<(), VolumeError> {
        let needed = lock(&self.kept).journal;
        match (given, needed) {
            (JournalGiven::None | JournalGiven::Lost, None) => Ok(()),
            (JournalGiven::None, Some(_)) => {
                let journal = self.disks.first().map_or_else(String::new, |disk| disk.name().to_owned());
                Err(VolumeError::Journal { journal, error: JournalError::Missing })
            }
            (JournalGiven::Lost, Some(_)) => self.without_journal(),
            (JournalGiven::Disk(disk), None) => self.use_journal(disk),
            (JournalGiven::Disk(disk), Some(life)) => {
                let journal = Journal::open(disk, self.id)?;
                if journal.life() != life {
                    let name = journal.disk().name().to_owned();
                    return Err(VolumeError::Journal { journal: name, error: JournalError::Older });
                }
                self.replay(&journal)?;
                lock(&self.flush).journal = Some(journal);
                Ok(())
            }
        }
    }

    fn replay(&mut self, journal: &Journal) -> Result<(), VolumeError> {
        // Nothing is written before all of it was read.
        journal.replay(self.cipher.as_ref(), |place, from, bytes| {
            let fits = self.fits(place, from, bytes.len());
            let wrong = || VolumeError::Journal {
                journal: journal.disk().name().to_owned(),
                error: JournalError::Field,
            };
            fits.then_some(()).ok_or_else(wrong)
        })?;
        let put = |place: Place, from: usize, bytes: &[u8]| {
            let Some(disk) = self.disks.get(usize::from(place.device)) else { return Ok(()) };
            let offset = self.offset(place) + from as u64;
            let mut bytes = bytes.to_vec();
            if let Some(cipher) = &self.cipher {
                cipher.encrypt(place.device, offset, &mut bytes);
            }
            disk.write_at(offset, &bytes)
                .map_err(|error| VolumeError::Disk { device: disk.name().to_owned(), error })
        };
        let replayed = journal.replay(self.cipher.as_ref(), put)?;
        for disk in &self.disks {
            disk.sync().map_err(|error| VolumeError::Disk { device: disk.name().to_owned(), error })?;
        }
        self.counts.damaged_blocks.fetch_add(replayed.damaged, Ordering::Relaxed);
        self.replayed = Some(replayed);
        self.without_journal()
    }

    /// Whether these bytes lie in the slots of a device, in whole sectors where it is encrypted.
    fn fits(&self, place: Place, from: usize, length: usize) -> bool {
        let slots = self.slot_counts.get(usize::from(place.device)).copied().unwrap_or(0);
        let end = SLOTS_AT + u64::from(slots) * u64::from(self.slot_bytes);
        let last = self.offset(place).saturating_add(from as u64).saturating_add(length as u64);
        let sectors = self.cipher.is_none() || (from | length).is_multiple_of(super::cipher::SECTOR);
        place.slot < slots && last <= end && sectors
    }

    fn without_journal(&self) -> Result<(), VolumeError> {
        let failed = |fault: Fault| VolumeError::Disk {
            device: self.disks.first().map_or_else(String::new, |disk| disk.name().to_owned()),
            error: DiskError::Failed(fault.to_string()),
        };
        self.note_journal(None).map_err(failed)
    }
}
