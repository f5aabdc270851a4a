//! The working record of one command: its bins while operations are applied to them.
//!
//! Guarantees: nothing of a draft reaches the store before the command has succeeded, and a warm draft allocates
//! nothing for common records. All values lie one after the other in one arena; a bin that gets a new value leaves
//! its old bytes there until the command ends. Bins keep the order in which they came, and a removed bin's place
//! is taken by the last one, as the real server does it. Records with many bins get a lookup table, so that a
//! command with thousands of operations stays linear.

use shipload_store::BinRef;
use shipload_value::cdt::Change;
use shipload_value::{OwnedParticle, Particle, ParticleType, Refusal};
use std::collections::HashMap;

/// The longest bin name.
pub(crate) const BIN_NAME_MAX: usize = 15;
/// The largest number of bins of a record.
pub(crate) const BIN_COUNT_MAX: usize = 32_767;
/// From this many bins on, a lookup table is kept.
const TABLE_FROM: usize = 32;
/// An arena that grew above this is given back after the command.
const ARENA_KEPT: usize = 4 << 20;
/// An arena that grew above this loses its dead bytes during the command.
const ARENA_MAX: usize = 64 << 20;
/// Bins that take more than this together are refused at once; a record may have 8 MiB.
const LIVE_MAX: usize = 32 << 20;

/// A bin name, stored in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct BinName {
    len: u8,
    bytes: [u8; BIN_NAME_MAX],
}

impl BinName {
    /// None when the name is too long or holds a NUL.
    fn new(name: &[u8]) -> Option<BinName> {
        let mut bytes = [0; BIN_NAME_MAX];
        bytes.get_mut(..name.len())?.copy_from_slice(name);
        (!name.contains(&0)).then_some(BinName { len: u8::try_from(name.len()).ok()?, bytes })
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&[])
    }
}

#[derive(Debug, Clone, Copy)]
struct DraftBin {
    name: BinName,
    kind: ParticleType,
    start: usize,
    len: usize,
}

/// The bins of a record under work.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    bins: Vec<DraftBin>,
    arena: Vec<u8>,
    table: Option<HashMap<BinName, usize>>,
}

impl Draft {
    /// Forgets everything, keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.clear_bins();
        if self.arena.capacity() > ARENA_KEPT {
            self.arena = Vec::new();
        }
        self.arena.clear();
    }

    /// Removes all bins; their old bytes stay until [`Draft::clear`].
    pub(crate) fn clear_bins(&mut self) {
        self.bins.clear();
        self.table = None;
    }

    /// Takes over the bins of a stored record; their names are known to be fine and different.
    pub(crate) fn load<'a>(&mut self, bins: impl Iterator<Item = BinRef<'a>>) {
        for bin in bins {
            if let Some(name) = BinName::new(bin.name) {
                let start = self.arena.len();
                self.arena.extend_from_slice(bin.value);
                self.push(DraftBin { name, kind: bin.kind, start, len: bin.value.len() });
            }
        }
    }

    /// How many bins there are.
    pub(crate) fn len(&self) -> usize {
        self.bins.len()
    }

    /// Whether there is no bin.
    pub(crate) fn is_empty(&self) -> bool {
        self.bins.is_empty()
    }

    /// The bins in order, as the store takes them.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = BinRef<'_>> + Clone {
        self.bins.iter().map(|bin| BinRef {
            name: bin.name.as_bytes(),
            kind: bin.kind,
            value: self.value(bin),
        })
    }

    /// The value of the bin with this name.
    pub(crate) fn get(&self, name: &[u8]) -> Option<Particle<'_>> {
        let bin = self.bins.get(self.find(BinName::new(name)?)?)?;
        Some(Particle { kind: bin.kind, bytes: self.value(bin) })
    }

    /// Sets a bin to a value of a WRITE operation, after checking it; nil removes the bin.
    ///
    /// # Errors
    /// What [`shipload_value::admit::admit`] refuses, or a bad name; nothing has changed then.
    pub(crate) fn write(&mut self, name: &[u8], kind: u8, value: &[u8]) -> Result<(), Refusal> {
        let name = BinName::new(name).ok_or(Refusal::BinName)?;
        self.make_room()?;
        let start = self.arena.len();
        match shipload_value::admit::admit(kind, value, &mut self.arena)? {
            Some(kind) => self.place(name, kind, start),
            None => self.remove(name),
        }
        Ok(())
    }

    /// Sets a bin to a value that an operation or a function made. GeoJSON gets the cells by which an index finds it,
    /// because what comes out of a container or a function has none.
    ///
    /// # Errors
    /// A bad name, or GeoJSON that is none; nothing has changed then.
    pub(crate) fn set(&mut self, name: &[u8], value: &OwnedParticle) -> Result<(), Refusal> {
        if value.kind == ParticleType::GeoJson {
            return self.write(name, value.kind.number(), &value.bytes);
        }
        let name = BinName::new(name).ok_or(Refusal::BinName)?;
        self.make_room()?;
        let start = self.arena.len();
        self.arena.extend_from_slice(&value.bytes);
        self.place(name, value.kind, start);
        Ok(())
    }

    /// Does to a bin what an operation decided.
    ///
    /// # Errors
    /// A bad name; nothing has changed then.
    pub(crate) fn apply(&mut self, name: &[u8], change: &Change) -> Result<(), Refusal> {
        match change {
            Change::Keep => Ok(()),
            Change::Set(value) => self.set(name, value),
            Change::Remove => {
                self.delete(name);
                Ok(())
            }
        }
    }

    /// Removes a bin, if it is there.
    pub(crate) fn delete(&mut self, name: &[u8]) {
        if let Some(name) = BinName::new(name) {
            self.remove(name);
        }
    }

    /// Throws dead bytes away when there are very many, so that a command of many operations on large values takes
    /// bounded memory.
    fn make_room(&mut self) -> Result<(), Refusal> {
        if self.arena.len() <= ARENA_MAX {
            return Ok(());
        }
        let live: usize = self.bins.iter().map(|bin| bin.len).sum();
        if live > LIVE_MAX {
            return Err(Refusal::RecordTooBig);
        }
        let mut arena = Vec::with_capacity(live);
        for bin in &mut self.bins {
            let start = arena.len();
            arena.extend_from_slice(self.arena.get(bin.start..bin.start + bin.len).unwrap_or(&[]));
            bin.start = start;
        }
        self.arena = arena;
        Ok(())
    }

    fn value(&self, bin: &DraftBin) -> &[u8] {
        self.arena.get(bin.start..bin.start + bin.len).unwrap_or(&[])
    }

    fn find(&self, name: BinName) -> Option<usize> {
        match &self.table {
            Some(table) => table.get(&name).copied(),
            None => self.bins.iter().position(|bin| bin.name == name),
        }
    }

    /// Gives `name` the value from `start` to the end of the arena.
    fn place(&mut self, name: BinName, kind: ParticleType, start: usize) {
        let bin = DraftBin { name, kind, start, len: self.arena.len() - start };
        match self.find(name).and_then(|place| self.bins.get_mut(place)) {
            Some(known) => *known = bin,
            None => self.push(bin),
        }
    }

    fn push(&mut self, bin: DraftBin) {
        if let Some(table) = &mut self.table {
            table.insert(bin.name, self.bins.len());
        }
        self.bins.push(bin);
        if self.table.is_none() && self.bins.len() >= TABLE_FROM {
            self.table = Some(self.bins.iter().enumerate().map(|(place, bin)| (bin.name, place)).collect());
        }
    }

    fn remove(&mut self, name: BinName) {
        let Some(place) = self.find(name) else { return };
        self.bins.swap_remove(place);
        if let Some(table) = &mut self.table {
            table.remove(&name);
            if let Some(moved) = self.bins.get(place) {
                table.insert(moved.name, place);
            }
        }
    }
}

/// Whether a bin may have this name.
pub(crate) fn is_bin_name(name: &[u8]) -> bool {
    name.len() <= BIN_NAME_MAX && !name.contains(&0)
}

#[cfg(test)]
mod tests {
    use super::{Draft, TABLE_FROM};
    use shipload_value::{OwnedParticle, ParticleType, Refusal};

    fn names(draft: &Draft) -> Vec<String> {
        draft.iter().map(|bin| String::from_utf8_lossy(bin.name).into_owned()).collect()
    }

    #[test]
    fn the_last_bin_takes_a_removed_ones_place() {
        let mut draft = Draft::default();
        for name in ["a", "s", "l", "m"] {
            draft.write(name.as_bytes(), 1, &7u64.to_be_bytes()).unwrap();
        }
        draft.write(b"a", 0, b"").unwrap();
        assert_eq!(names(&draft), ["m", "s", "l"]);
        draft.write(b"a", 3, b"x").unwrap();
        assert_eq!(names(&draft), ["m", "s", "l", "a"]);
        assert_eq!(draft.get(b"a").unwrap().bytes, b"x");
        assert!(draft.get(b"zz").is_none());
    }

    #[test]
    fn many_bins_stay_findable() {
        let mut draft = Draft::default();
        let name = |n: usize| format!("b{n}").into_bytes();
        for n in 0..3 * TABLE_FROM {
            draft.set(&name(n), &OwnedParticle::integer(i64::try_from(n).unwrap())).unwrap();
        }
        for n in (0..3 * TABLE_FROM).step_by(2) {
            draft.delete(&name(n));
        }
        for n in 0..3 * TABLE_FROM {
            let value = draft.get(&name(n)).map(|particle| particle.bytes.to_vec());
            assert_eq!(value, (n % 2 == 1).then(|| n.to_be_bytes().to_vec()));
        }
        draft.clear();
        assert!(draft.is_empty());
    }

    #[test]
    fn memory_stays_bounded_while_values_are_written_again_and_again() {
        let mut draft = Draft::default();
        let blob = OwnedParticle { kind: ParticleType::Blob, bytes: vec![1; 1 << 20] };
        draft.set(b"first", &OwnedParticle::integer(7)).unwrap();
        for _ in 0..200 {
            draft.set(b"b", &blob).unwrap();
        }
        assert!(draft.arena.len() <= super::ARENA_MAX + (1 << 20));
        assert_eq!(draft.get(b"first").unwrap().bytes, 7i64.to_be_bytes());
        assert_eq!(draft.get(b"b").unwrap().bytes, blob.bytes);
        let many = (0..100).map(|n| draft.set(format!("{n}").as_bytes(), &blob)).collect::<Vec<_>>();
        assert!(many.contains(&Err(Refusal::RecordTooBig)));
    }

    #[test]
    fn bad_names_change_nothing() {
        let mut draft = Draft::default();
        assert_eq!(draft.write(b"sixteen-bytes-xx", 1, &[0; 8]), Err(Refusal::BinName));
        assert_eq!(draft.write(b"nul\0", 1, &[0; 8]), Err(Refusal::BinName));
        assert_eq!(draft.len(), 0);
    }
}
