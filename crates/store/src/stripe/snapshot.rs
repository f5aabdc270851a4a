//! A stripe's section of an index snapshot.
//!
//! Guarantees: what was written is read back as the same stripe, none of its blocks in memory; anything else is
//! refused. A refused section leaves the stripe in a state that must be thrown away.

use super::tombs::Tomb;
use super::{Stripe, TABLE_COUNT};
use crate::counts::{Ledger, SetCounts};
use crate::index::{Entry, Location, Table};
use crate::meta::SetId;
use crate::snapshot::{Reader, SnapshotError};
use crate::volume::Volume;
use shipload_value::Digest;

const ENTRY_SIZE: usize = 32;
const TOMB_SIZE: usize = 28;
const SET_SIZE: usize = 16;

impl Stripe {
    /// The section of this stripe. Everything must be on the volume, and nothing may be written after this.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        let entries: usize = self.tables.iter().map(Table::len).sum();
        let mut out = Vec::with_capacity(4096 + entries * ENTRY_SIZE);
        let count = |out: &mut Vec<u8>, count: usize| {
            out.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
        };
        count(&mut out, self.log.stripe());
        self.log.write_snapshot(&mut out);
        count(&mut out, self.ledger.sets().count());
        for (_, counts) in self.ledger.sets() {
            out.extend_from_slice(&counts.objects.to_le_bytes());
            out.extend_from_slice(&counts.record_bytes.to_le_bytes());
        }
        count(&mut out, self.tombs.iter().flat_map(|tombs| tombs.iter()).count());
        for (digest, tomb) in self.tombs.iter().flat_map(|tombs| tombs.iter()) {
            out.extend_from_slice(&digest.0);
            out.extend_from_slice(&tomb.location.bits().to_le_bytes());
        }
        for table in &self.tables {
            count(&mut out, table.bytes() / ENTRY_SIZE);
            count(&mut out, table.len());
            for entry in table.ascend() {
                entry.words().iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
            }
        }
        out
    }

    /// Takes over a section. The stripe must be attached to this volume and empty.
    ///
    /// # Errors
    /// When what it says does not fit together.
    pub fn load_snapshot(&mut self, section: &[u8], volume: &Volume) -> Result<(), SnapshotError> {
        let mut reader = Reader(section);
        if reader.u32()? as usize != self.log.stripe() {
            return Err(SnapshotError::Contradiction);
        }
        self.log.read_snapshot(&mut reader, volume)?;
        self.read_ledger(&mut reader)?;
        self.read_tombs(&mut reader)?;
        for number in 0..TABLE_COUNT {
            self.read_table(&mut reader, number)?;
        }
        let objects: usize = self.tables.iter().map(Table::len).sum();
        if !reader.0.is_empty() || objects as u64 != self.ledger.total().objects {
            return Err(SnapshotError::Contradiction);
        }
        self.log.finish_load();
        Ok(())
    }

    fn read_ledger(&mut self, reader: &mut Reader<'_>) -> Result<(), SnapshotError> {
        let count = reader.u32()? as usize;
        if count > usize::from(SetId::MAX) + 1 {
            return Err(SnapshotError::Contradiction);
        }
        let mut sets = Vec::with_capacity(count);
        for item in reader.items(count, SET_SIZE)?.chunks_exact(SET_SIZE) {
            let mut reader = Reader(item);
            sets.push(SetCounts { objects: reader.u64()?, record_bytes: reader.u64()? });
        }
        self.ledger = Ledger::of_sets(sets).ok_or(SnapshotError::Contradiction)?;
        Ok(())
    }

    fn read_tombs(&mut self, reader: &mut Reader<'_>) -> Result<(), SnapshotError> {
        let count = reader.u32()? as usize;
        for item in reader.items(count, TOMB_SIZE)?.chunks_exact(TOMB_SIZE) {
            let mut reader = Reader(item);
            let (digest, location) = (Digest(reader.take()?), Location::of_bits(reader.u64()?));
            let location = location.filter(|location| self.log.holds(*location));
            let location = location.ok_or(SnapshotError::Contradiction)?;
            let Some(tombs) = &mut self.tombs else { return Err(SnapshotError::Contradiction) };
            tombs.insert(digest, Tomb { location, covers: true, judged: false });
            tombs.left_by_raid = tombs.len();
        }
        Ok(())
    }

    fn read_table(&mut self, reader: &mut Reader<'_>, number: usize) -> Result<(), SnapshotError> {
        let (slots, len) = (reader.u32()? as usize, reader.u32()? as usize);
        let items = reader.items(len, ENTRY_SIZE)?;
        let log = &self.log;
        let entries = items.chunks_exact(ENTRY_SIZE).map(|item| {
            let mut words = [0; 4];
            for (word, bytes) in words.iter_mut().zip(item.as_chunks::<8>().0) {
                *word = u64::from_le_bytes(*bytes);
            }
            Entry::of_words(words)
        });
        let valid = |entry: &Entry| !entry.is_empty() && log.holds(entry.location());
        let table = Table::of_sorted(slots, len, entries, valid).ok_or(SnapshotError::Contradiction)?;
        self.changes.note_table(number, table.descend(usize::MAX).map(|(_, entry)| entry));
        let Some(place) = self.tables.get_mut(number) else { return Err(SnapshotError::Contradiction) };
        self.index_bytes = self.index_bytes + table.bytes() as u64 - place.bytes() as u64;
        *place = table;
        Ok(())
    }

    /// Reads blocks into memory that a start from a snapshot has left on the volume, about so many bytes; whether there
    /// may be more. Nothing to do for a stripe that keeps its records on the volume only.
    pub fn warm(&mut self, budget_bytes: usize) -> bool {
        let mut done = 0;
        while done < budget_bytes {
            let Some((next, bytes)) = self.log.warm(self.warmed) else {
                self.warmed = u32::MAX;
                return false;
            };
            (self.warmed, done) = (next, done + bytes);
        }
        true
    }
}
