//! A record as a function sees it, and what the function did to it.

use shipload_value::{Digest, OwnedParticle};

/// The longest bin name.
const BIN_NAME_MAX: usize = 15;

/// A stored user key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Particle type number.
    pub kind: u8,
    /// The key's wire bytes.
    pub bytes: Vec<u8>,
}

/// A copy of one record, or the place of one that does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Whether it exists.
    pub exists: bool,
    /// The record's name.
    pub digest: Digest,
    /// Its generation, 0 when it does not exist.
    pub generation: u16,
    /// Seconds that it has to live, 0 for ever.
    pub ttl_s: u32,
    /// Its last update in milliseconds since 1970.
    pub last_update_ms: u64,
    /// Its encoded size in bytes.
    pub size: usize,
    /// Name of its set, empty for none.
    pub set: Vec<u8>,
    /// Its key, when that is stored.
    pub key: Option<Key>,
    /// Its bins in order.
    pub bins: Vec<(Vec<u8>, OwnedParticle)>,
    /// Bytes that names and values of its bins may take together.
    pub most_bytes: usize,
}

impl Record {
    /// The place of a record that does not exist.
    #[must_use]
    pub fn missing(digest: Digest, set: &[u8]) -> Record {
        Record {
            exists: false,
            digest,
            generation: 0,
            ttl_s: 0,
            last_update_ms: 0,
            size: 0,
            set: set.to_vec(),
            key: None,
            bins: Vec::new(),
            most_bytes: usize::MAX,
        }
    }
}

/// What a function did to its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Action {
    /// Nothing that was saved.
    #[default]
    Nothing,
    /// It saved bins.
    Write {
        /// Nothing of the stored record stays: it was removed, or did not exist.
        fresh: bool,
    },
    /// It removed the record.
    Remove,
}

/// The outcome of a call for its record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    /// What to do.
    pub action: Action,
    /// Bins that were saved, in order; none deletes the bin.
    pub bins: Vec<(Vec<u8>, Option<OwnedParticle>)>,
    /// The TTL that the function chose, as in a request: seconds, 0 the default, -1 never, -2 keep.
    pub ttl: Option<i64>,
    /// The stored key is to be forgotten.
    pub drop_key: bool,
}

/// How a save ended, as `aerospike:create` and `aerospike:update` return it.
const SAVED: i64 = 0;
/// The record exists already; or there is none to remove.
const EXISTS: i64 = 1;
/// There is no record to update.
const MISSING: i64 = -2;
/// A bin's name or the record's size is not possible; nothing was saved.
const REFUSED: i64 = -4;

/// A record under work in a call.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) record: Record,
    pub(crate) change: Change,
    /// Whether the stored record exists, whatever the call does.
    stored: bool,
}

impl Cell {
    pub(crate) fn new(record: Record) -> Cell {
        let stored = record.exists;
        Cell { record, change: Change::default(), stored }
    }

    /// Saves bins if the record's existence is what the function expects.
    pub(crate) fn save(&mut self, create: bool, bins: Vec<(Vec<u8>, Option<OwnedParticle>)>) -> i64 {
        if create && self.record.exists {
            return EXISTS;
        }
        if !create && !self.record.exists {
            return MISSING;
        }
        if bins.iter().any(|(name, _)| name.len() > BIN_NAME_MAX || name.contains(&0)) {
            return REFUSED;
        }
        let mut after = self.record.bins.clone();
        for (name, value) in &bins {
            place(&mut after, name, value.as_ref());
        }
        let size: usize = after.iter().map(|(name, value)| name.len() + value.bytes.len()).sum();
        if size > self.record.most_bytes {
            return REFUSED;
        }
        self.record.bins = after;
        self.change.bins.extend(bins);
        let fresh =
            !self.stored || matches!(self.change.action, Action::Remove | Action::Write { fresh: true });
        if !matches!(self.change.action, Action::Write { .. }) {
            self.record.generation =
                if self.record.exists { self.record.generation.wrapping_add(1).max(1) } else { 1 };
        }
        self.change.action = Action::Write { fresh };
        self.record.exists = true;
        SAVED
    }

    /// Removes the record, if it exists.
    pub(crate) fn remove(&mut self) -> i64 {
        if !self.record.exists {
            return EXISTS;
        }
        self.record.exists = false;
        self.record.bins.clear();
        self.change.bins.clear();
        self.change.action = if self.stored { Action::Remove } else { Action::Nothing };
        SAVED
    }

    pub(crate) fn bin(&self, name: &[u8]) -> Option<&OwnedParticle> {
        self.record.bins.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

/// Sets or deletes one bin; the last bin takes a deleted one's place, as in the engine.
fn place(bins: &mut Vec<(Vec<u8>, OwnedParticle)>, name: &[u8], value: Option<&OwnedParticle>) {
    let known = bins.iter().position(|(known, _)| known == name);
    match (known, value) {
        (Some(at), Some(value)) => {
            if let Some((_, old)) = bins.get_mut(at) {
                old.clone_from(value);
            }
        }
        (Some(at), None) => {
            bins.swap_remove(at);
        }
        (None, Some(value)) => bins.push((name.to_vec(), value.clone())),
        (None, None) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::{Action, Cell, Record};
    use shipload_value::{Digest, OwnedParticle};

    fn bins(value: Option<i64>) -> Vec<(Vec<u8>, Option<OwnedParticle>)> {
        vec![(b"a".to_vec(), value.map(OwnedParticle::integer))]
    }

    #[test]
    fn create_update_and_remove_know_what_exists() {
        let mut cell = Cell::new(Record::missing(Digest([1; 20]), b"s"));
        assert_eq!(cell.save(false, bins(Some(1))), -2);
        assert_eq!(cell.remove(), 1);
        assert_eq!(cell.save(true, bins(Some(1))), 0);
        assert_eq!(cell.save(true, bins(Some(1))), 1);
        assert_eq!(cell.save(false, bins(None)), 0);
        assert_eq!(cell.change.action, Action::Write { fresh: true });
        assert_eq!(cell.change.bins.len(), 2);
        assert_eq!(cell.record.generation, 1);
        assert_eq!(cell.remove(), 0);
        assert_eq!(cell.change.action, Action::Nothing);
    }

    #[test]
    fn a_removed_record_that_is_created_again_starts_fresh() {
        let mut cell =
            Cell::new(Record { exists: true, generation: 7, ..Record::missing(Digest([1; 20]), b"") });
        assert_eq!(cell.save(false, bins(Some(1))), 0);
        assert_eq!(cell.record.generation, 8);
        assert_eq!(cell.change.action, Action::Write { fresh: false });
        assert_eq!(cell.remove(), 0);
        assert_eq!(cell.change.action, Action::Remove);
        assert_eq!(cell.save(true, bins(Some(2))), 0);
        assert_eq!(cell.change.action, Action::Write { fresh: true });
        assert_eq!(cell.change.bins.len(), 1);
    }

    #[test]
    fn impossible_bins_save_nothing() {
        let record = Record { most_bytes: 8, ..Record::missing(Digest([1; 20]), b"") };
        let mut cell = Cell::new(record);
        let long = vec![(b"sixteen-bytes-xx".to_vec(), Some(OwnedParticle::integer(1)))];
        assert_eq!(cell.save(true, long), -4);
        assert_eq!(cell.save(true, bins(Some(1))), -4);
        assert_eq!(cell.change.action, Action::Nothing);
    }
}
