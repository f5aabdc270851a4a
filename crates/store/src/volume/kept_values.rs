//! Set names and cut-off times as bytes.
//!
//! A list of numbered parts, so that a later version may add some: number, length, content.

use crate::cutoffs::Cutoffs;
use crate::meta::SetId;
use crate::sets::SetTable;
use crate::stripe::DropMark;
use shipload_value::PartitionId;
use std::collections::BTreeMap;

/// Set names in the order of their numbers: length, name.
const SETS: u16 = 1;
/// Cut-offs: set number, milliseconds.
const CUTOFFS: u16 = 2;
/// Dropped partitions: partition, sequence, offset.
const DROPS: u16 = 3;
/// Stands for the whole namespace where a set number does.
const NAMESPACE: u16 = u16::MAX;

/// What a namespace keeps beside its records.
#[derive(Debug, Clone, Default)]
pub struct KeptValues {
    /// The names of its sets.
    pub sets: SetTable,
    /// Its truncates.
    pub cutoffs: Cutoffs,
    /// For partitions that were dropped, the place in their stripe's log before which nothing of them counts.
    pub drops: BTreeMap<PartitionId, DropMark>,
}

impl KeptValues {
    /// The values as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut names = Vec::new();
        for (_, name) in self.sets.iter() {
            names.push(u8::try_from(name.len()).unwrap_or(0));
            names.extend_from_slice(name);
        }
        let mut cuts = Vec::new();
        let sets = std::iter::once(SetId::NONE).chain(self.sets.iter().map(|(set, _)| set));
        let each = sets.map(|set| (set.number(), self.cutoffs.set_ms(set)));
        let namespace = (NAMESPACE, self.cutoffs.namespace_ms());
        for (set, cut_ms) in each.chain([namespace]).filter(|(_, cut_ms)| *cut_ms > 0) {
            cuts.extend_from_slice(&set.to_le_bytes());
            cuts.extend_from_slice(&cut_ms.to_le_bytes());
        }
        let mut drops = Vec::new();
        for (partition, mark) in &self.drops {
            drops.extend_from_slice(&partition.number().to_le_bytes());
            drops.extend_from_slice(&mark.sequence.to_le_bytes());
            drops.extend_from_slice(&mark.offset.to_le_bytes());
        }
        let mut out = Vec::new();
        let parts = [(SETS, names), (CUTOFFS, cuts), (DROPS, drops)];
        // Who knows no drops can still read the values of a volume without any.
        for (number, part) in parts.into_iter().filter(|(number, part)| *number != DROPS || !part.is_empty())
        {
            out.extend_from_slice(&number.to_le_bytes());
            out.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes());
            out.extend_from_slice(&part);
        }
        out
    }

    /// Reads what [`KeptValues::encode`] wrote; none when it is something else.
    #[must_use]
    pub fn decode(mut bytes: &[u8]) -> Option<KeptValues> {
        let mut kept = KeptValues::default();
        while !bytes.is_empty() {
            let (number, rest) = bytes.split_first_chunk::<2>()?;
            let (length, rest) = rest.split_first_chunk::<4>()?;
            let (part, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            match u16::from_le_bytes(*number) {
                SETS => kept.decode_sets(part)?,
                CUTOFFS => kept.decode_cutoffs(part)?,
                DROPS => kept.decode_drops(part)?,
                // A part of a later version would be lost when this version writes: it must not start.
                _ => return None,
            }
            bytes = rest;
        }
        Some(kept)
    }

    fn decode_sets(&mut self, mut part: &[u8]) -> Option<()> {
        while let Some((&length, rest)) = part.split_first() {
            let (name, rest) = rest.split_at_checked(usize::from(length))?;
            self.sets.find_or_add(name).ok()?;
            part = rest;
        }
        Some(())
    }

    fn decode_drops(&mut self, mut part: &[u8]) -> Option<()> {
        while !part.is_empty() {
            let (partition, rest) = part.split_first_chunk::<2>()?;
            let (sequence, rest) = rest.split_first_chunk::<8>()?;
            let (offset, rest) = rest.split_first_chunk::<4>()?;
            let partition = PartitionId::new(u16::from_le_bytes(*partition))?;
            let (sequence, offset) = (u64::from_le_bytes(*sequence), u32::from_le_bytes(*offset));
            self.drops.insert(partition, DropMark { sequence, offset });
            part = rest;
        }
        Some(())
    }

    fn decode_cutoffs(&mut self, mut part: &[u8]) -> Option<()> {
        while !part.is_empty() {
            let (set, rest) = part.split_first_chunk::<2>()?;
            let (cut_ms, rest) = rest.split_first_chunk::<8>()?;
            let cut_ms = u64::from_le_bytes(*cut_ms);
            match u16::from_le_bytes(*set) {
                NAMESPACE => self.cutoffs.truncate_namespace(cut_ms),
                set => self.cutoffs.truncate_set(SetId::new(set)?, cut_ms),
            }
            part = rest;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_and_cut_bytes_are_refused() {
        let mut kept = KeptValues::default();
        let demo = kept.sets.find_or_add(b"demo").unwrap();
        kept.sets.find_or_add(&[b'x'; 63]).unwrap();
        kept.cutoffs.truncate_namespace(5);
        kept.cutoffs.truncate_set(demo, 1 << 40);
        let mark = DropMark { sequence: 1 << 33, offset: 77 };
        kept.drops.insert(PartitionId::new(4095).unwrap(), mark);
        let bytes = kept.encode();
        let back = KeptValues::decode(&bytes).unwrap();
        assert!(back.sets.iter().eq(kept.sets.iter()));
        assert_eq!((&back.cutoffs, &back.drops), (&kept.cutoffs, &kept.drops));
        for length in
            (1..bytes.len()).filter(|&length| length != bytes.len() - 46 && length != bytes.len() - 20)
        {
            assert!(KeptValues::decode(&bytes[..length]).is_none(), "{length}");
        }
        assert!(KeptValues::decode(&[]).unwrap().sets.is_empty());
        assert!(KeptValues::decode(&[9, 0, 0, 0, 0, 0]).is_none(), "a part of a later version");
    }
}
