//! What a snapshot holds of a block log: all blocks but their bytes.

use super::{BlockLog, Held};
use crate::block::HEADER_SIZE;
use crate::index::Location;
use crate::snapshot::{Reader, SnapshotError};
use crate::volume::Volume;

/// Bytes of a block in a snapshot.
pub(super) const BLOCK_SIZE: usize = 52;

impl BlockLog {
    /// Appends all blocks. Everything must be on the volume.
    pub(crate) fn write_snapshot(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.sequence.to_le_bytes());
        out.extend_from_slice(&u32::try_from(self.blocks.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend_from_slice(&u32::try_from(self.blocks_from(0).count()).unwrap_or(u32::MAX).to_le_bytes());
        for (number, _) in self.blocks_from(0) {
            out.extend_from_slice(&number.to_le_bytes());
            self.held(number).write_snapshot(out);
        }
    }

    /// Takes over blocks that are on the volume, closed, none in memory.
    pub(crate) fn read_snapshot(
        &mut self,
        reader: &mut Reader<'_>,
        volume: &Volume,
    ) -> Result<(), SnapshotError> {
        self.sequence = self.sequence.max(reader.u64()?);
        let (numbers, count) = (reader.u32()?, reader.u32()?);
        if numbers > Location::BLOCK_LIMIT || count > numbers {
            return Err(SnapshotError::Contradiction);
        }
        self.blocks.resize_with(numbers as usize, || None);
        for item in reader.items(count as usize, BLOCK_SIZE)?.chunks_exact(BLOCK_SIZE) {
            let mut reader = Reader(item);
            let number = reader.u32()?;
            let held = Held::read_snapshot(&mut reader)?;
            let slot = self.blocks.get_mut(number as usize).filter(|slot| slot.is_none());
            let slot = slot.ok_or(SnapshotError::Contradiction)?;
            if !volume.occupy(held.place(), volume.run(held.size())) {
                return Err(SnapshotError::Contradiction);
            }
            self.allocated_bytes += held.size() as u64;
            self.used_bytes += held.used_bytes() as u64;
            *slot = Some(held);
        }
        let free =
            (0..numbers).filter(|&number| self.blocks.get(number as usize).is_some_and(Option::is_none));
        self.free_numbers = free.collect();
        Ok(())
    }

    /// Whether a location lies in what a block holds.
    pub(crate) fn holds(&self, location: Location) -> bool {
        let held = self.blocks.get(location.block() as usize).and_then(Option::as_ref);
        held.is_some_and(|held| (HEADER_SIZE..held.used_bytes()).contains(&(location.offset() as usize)))
    }

    /// Brings the next block that is not in memory back, when all of them are to be there; its bytes, or none when
    /// there is nothing left to do.
    pub(crate) fn warm(&mut self, from: u32) -> Option<(u32, usize)> {
        if self.config.resident_bytes.is_some() || self.attached.is_none() {
            return None;
        }
        let blocks = self.blocks.get(from as usize..)?;
        let cold = blocks.iter().position(|held| held.as_ref().is_some_and(|held| !held.is_resident()))?;
        let number = from.saturating_add(u32::try_from(cold).ok()?);
        self.bring_in(number);
        Some((number.saturating_add(1), self.held(number).size()))
    }
}
