//! What a node holds: per namespace, a version or nothing for each of the 4096 partitions.
//!
//! Guarantees: equal versions are kept once, so an inventory of a quiet cluster is about 8 kB in memory and some
//! dozens of bytes on the wire. Decoding bounds everything. The order of namespaces is that of their names.

use std::collections::BTreeMap;

use shipload_value::PartitionId;
use shipload_value::digest::PARTITION_COUNT;

use crate::cursor::{self, Malformed, Reader};
use crate::version::Version;

/// Most namespaces that a node may hold.
pub const NAMESPACES_MAX: usize = 32;
/// Longest namespace name, in bytes.
pub const NAMESPACE_NAME_MAX: usize = 31;
const SLOTS: usize = PARTITION_COUNT as usize;

/// What a node holds of all its namespaces.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inventory {
    namespaces: BTreeMap<String, NamespaceInventory>,
}

impl Inventory {
    /// What is held of a namespace; none when the node does not have it configured.
    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<&NamespaceInventory> {
        self.namespaces.get(name)
    }

    /// What is held of a namespace, to be changed; added empty when it is new.
    pub fn namespace_mut(&mut self, name: &str) -> &mut NamespaceInventory {
        self.namespaces.entry(name.to_owned()).or_default()
    }

    /// Names and what is held of them, by name.
    pub fn namespaces(&self) -> impl Iterator<Item = (&str, &NamespaceInventory)> {
        self.namespaces.iter().map(|(name, held)| (name.as_str(), held))
    }

    /// Appends the encoded inventory.
    pub fn encode(&self, out: &mut Vec<u8>) {
        cursor::put_count(out, self.namespaces.len());
        for (name, held) in &self.namespaces {
            cursor::put_bytes(out, name.as_bytes());
            held.encode(out);
        }
    }

    /// Reads what [`Inventory::encode`] wrote.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Inventory, Malformed> {
        let count = reader.count(NAMESPACES_MAX, 5)?;
        let mut namespaces = BTreeMap::new();
        for _ in 0..count {
            let name = reader.text(NAMESPACE_NAME_MAX)?.to_owned();
            namespaces.insert(name, NamespaceInventory::decode(reader)?);
        }
        Ok(Inventory { namespaces })
    }
}

/// What a node holds of one namespace.
#[derive(Debug, Clone)]
pub struct NamespaceInventory {
    /// How many copies this node is configured to want; the principal's wish counts.
    pub replication_factor: u8,
    /// The versions that occur, in the order of their first use.
    palette: Vec<Version>,
    /// Per partition 0, or 1 + the position in the palette.
    slots: Vec<u16>,
}

impl Default for NamespaceInventory {
    fn default() -> NamespaceInventory {
        NamespaceInventory { replication_factor: 1, palette: Vec::new(), slots: vec![0; SLOTS] }
    }
}

impl PartialEq for NamespaceInventory {
    /// Equal when every partition's version is, however they came to be.
    fn eq(&self, other: &NamespaceInventory) -> bool {
        self.replication_factor == other.replication_factor
            && PartitionId::all().all(|partition| self.get(partition) == other.get(partition))
    }
}

impl Eq for NamespaceInventory {}

impl NamespaceInventory {
    /// The version of a partition's copy; none when nothing is held.
    #[must_use]
    pub fn get(&self, partition: PartitionId) -> Option<&Version> {
        let slot = usize::from(*self.slots.get(partition.index())?);
        self.palette.get(slot.checked_sub(1)?)
    }

    /// Notes what is held of a partition.
    pub fn set(&mut self, partition: PartitionId, version: Option<Version>) {
        let slot = match version {
            None => 0,
            Some(version) => self.intern(version),
        };
        if let Some(place) = self.slots.get_mut(partition.index()) {
            *place = slot;
        }
    }

    /// Partitions of which anything is held.
    pub fn held(&self) -> impl Iterator<Item = (PartitionId, &Version)> {
        PartitionId::all().filter_map(|partition| Some((partition, self.get(partition)?)))
    }

    fn intern(&mut self, version: Version) -> u16 {
        if let Some(found) = self.palette.iter().rposition(|known| *known == version) {
            return number(found + 1);
        }
        // Versions that no partition has any more would pile up for ever.
        if self.palette.len() > SLOTS {
            self.compact();
        }
        self.palette.push(version);
        number(self.palette.len())
    }

    fn compact(&mut self) {
        let mut renumbered = vec![0u16; self.palette.len() + 1];
        let mut palette = Vec::new();
        for slot in &mut self.slots {
            let old = usize::from(*slot);
            let Some(version) = old.checked_sub(1).and_then(|position| self.palette.get(position)) else {
                *slot = 0;
                continue;
            };
            let Some(new) = renumbered.get_mut(old) else { continue };
            if *new == 0 {
                palette.push(version.clone());
                *new = number(palette.len());
            }
            *slot = *new;
        }
        self.palette = palette;
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let mut tidy = self.clone();
        tidy.compact();
        out.push(tidy.replication_factor);
        cursor::put_count(out, tidy.palette.len());
        tidy.palette.iter().for_each(|version| version.encode(out));
        let runs = tidy.slots.chunk_by(|one, next| one == next);
        for run in runs {
            cursor::put_count(out, run.len());
            cursor::put_varint(out, run.first().copied().unwrap_or(0).into());
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<NamespaceInventory, Malformed> {
        let replication_factor = reader.u8()?;
        let count = reader.count(SLOTS, 10)?;
        let palette = (0..count).map(|_| Version::decode(reader)).collect::<Result<Vec<_>, _>>()?;
        let mut slots = Vec::with_capacity(SLOTS);
        while slots.len() < SLOTS {
            let length = usize::try_from(reader.varint()?).unwrap_or(usize::MAX);
            let slot = usize::try_from(reader.varint()?).unwrap_or(usize::MAX);
            if length == 0 || length > SLOTS - slots.len() || slot > palette.len() {
                return Err(Malformed("a run of partitions that cannot be"));
            }
            slots.resize(slots.len() + length, number(slot));
        }
        Ok(NamespaceInventory { replication_factor, palette, slots })
    }
}

/// A palette position as it stands in a slot: the palette never has more than 4097 entries.
fn number(position: usize) -> u16 {
    u16::try_from(position).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::{any, proptest};

    proptest! {
        #[test]
        fn inventories_come_back(holes in vec((0u16..4096, 0u64..9, any::<bool>()), 0..60)) {
            let mut inventory = Inventory::default();
            let held = inventory.namespace_mut("test");
            for (partition, key, full) in holes {
                let version = (key > 0).then(|| Version::born(9).confirmed(key).with_full(full));
                held.set(PartitionId::new(partition).unwrap(), version);
            }
            let mut bytes = Vec::new();
            inventory.encode(&mut bytes);
            let mut reader = Reader::new(&bytes);
            assert_eq!(Inventory::decode(&mut reader), Ok(inventory));
            assert_eq!(reader.finish(), Ok(()));
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(bytes in vec(any::<u8>(), 0..300)) {
            let _ = Inventory::decode(&mut Reader::new(&bytes));
        }
    }

    #[test]
    fn versions_that_went_away_are_forgotten() {
        let mut held = NamespaceInventory::default();
        for key in 1..20_000u64 {
            let partition = PartitionId::new((key % 7) as u16).unwrap();
            held.set(partition, Some(Version::born(key)));
            assert_eq!(held.get(partition).map(|version| version.key), Some(key));
        }
        assert!(held.palette.len() <= SLOTS + 1);
    }

    #[test]
    fn a_quiet_inventory_is_small_on_the_wire() {
        let mut inventory = Inventory::default();
        let held = inventory.namespace_mut("test");
        PartitionId::all().for_each(|partition| held.set(partition, Some(Version::born(7))));
        let mut bytes = Vec::new();
        inventory.encode(&mut bytes);
        assert!(bytes.len() < 30, "{}", bytes.len());
    }
}
