//! Columns of sets that queries asked for, kept by partition for as long as nobody changes their records.
//!
//! Guarantees: what is given is what a reader would have seen when the states of the partitions were asked for, which is
//! after the query began. Nothing is kept of partitions that changed, moved or can change by themselves while they were
//! read. The bytes that are held stay below a bound.
//!
//! The idea: every change of a record moves a number of its partition at its master ([`crate::records::Versions`]). One round
//! of questions tells which partitions are still the same; only the others are read again.

use super::provider::Part;
use super::whole::{Together, Whole};
use crate::catalog::Table;
use crate::records::{Place, Version, Versions};
use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// So many queries read a set without this after most of what was kept of it had changed.
const REST: u32 = 16;
/// The same for a set that is too large.
const LONG_REST: u32 = 1000;
/// The part of the room that one set may take at its first query.
const LITTLE: usize = 8;
/// Partitions that have changed before it is asked whether most of them have.
const STALE_MIN: usize = 64;
/// What a partition's entry weighs beside its columns.
const PART_BYTES: usize = 128;

/// What tells columns apart: where they come from and what they become.
pub(super) type ColumnId = Arc<str>;

/// The name of a column among those kept.
pub(super) fn id_of(table: &Table, part: &Part) -> ColumnId {
    format!("{:?} {:?} {:?}", part.path, part.ty, table.key).into()
}

/// All columns that are kept.
#[derive(Debug, Default)]
pub(super) struct Kept {
    max: usize,
    sets: Mutex<Sets>,
}

#[derive(Debug, Default)]
struct Sets {
    by_place: HashMap<Place, Set>,
    /// Bytes held, and bytes of what is being read for it.
    bytes: usize,
    clock: u64,
}

/// A set that was asked for.
#[derive(Debug, Default)]
struct Set {
    /// Queries that have still to do without.
    rest: u32,
    /// The columns that queries wanted.
    wanted: BTreeMap<ColumnId, Part>,
    parts: HashMap<u16, Arc<KeptPart>>,
    /// The same in few pieces, by the first partition of each.
    whole: HashMap<u16, Arc<Whole>>,
    bytes: usize,
    used: u64,
}

/// The columns of one partition.
#[derive(Debug)]
pub(super) struct KeptPart {
    version: Version,
    rows: usize,
    columns: HashMap<ColumnId, ArrayRef>,
    bytes: usize,
}

impl KeptPart {
    pub(super) fn version(&self) -> &Version {
        &self.version
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn column(&self, id: &ColumnId) -> Option<&ArrayRef> {
        self.columns.get(id)
    }

    /// The same with these arrays for some of its columns, which hold the same.
    pub(super) fn with(&self, arrays: impl Iterator<Item = (ColumnId, ArrayRef)>) -> KeptPart {
        let mut columns = self.columns.clone();
        columns.extend(arrays);
        KeptPart { version: self.version.clone(), columns, ..*self }
    }
}

/// What is there of some partitions.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// All of it, ready to be given; then there is nothing else.
    pub(super) whole: Option<Arc<Whole>>,
    pub(super) found: Vec<Arc<KeptPart>>,
    pub(super) missing: Vec<u16>,
    /// The columns to read of those that are missing.
    pub(super) wanted: Vec<(ColumnId, Part)>,
}

impl Kept {
    /// Room for so many bytes of columns; 0 keeps nothing.
    pub(super) fn new(max: usize) -> Kept {
        Kept { max, sets: Mutex::default() }
    }

    /// Whether a scan of this set could be better made through what is kept.
    pub(super) fn may_help(&self, place: &Place) -> bool {
        let sets = self.sets.lock();
        self.max > 0 && sets.by_place.get(place).is_none_or(|set| set.rest == 0)
    }

    /// Whether a scan of so many bytes of this set's columns is better made through what is kept. Little of a set is kept at the first
    /// query, much of it when the set is asked for again.
    pub(super) fn is_wanted(&self, place: &Place, bytes: usize) -> bool {
        let is_known = self.sets.lock().by_place.contains_key(place);
        self.may_help(place) && bytes <= if is_known { self.max } else { self.max / LITTLE }
    }

    /// Whether something of this set is kept.
    pub(super) fn has_some(&self, place: &Place) -> bool {
        self.sets.lock().by_place.get(place).is_some_and(|set| set.rest == 0 && !set.parts.is_empty())
    }

    /// A query reads these columns of a set without what is kept.
    pub(super) fn note(&self, place: &Place, table: &Table, parts: &[Part]) {
        if self.max == 0 {
            return;
        }
        let mut sets = self.sets.lock();
        let set = sets.by_place.entry(place.clone()).or_default();
        set.rest = set.rest.saturating_sub(1);
        set.want(parts.iter().map(|part| (id_of(table, part), part)));
    }

    /// What is there of these columns in these partitions; `ids` are the names of the columns.
    pub(super) fn look(
        &self,
        place: &Place,
        (ids, parts): (&[ColumnId], &[Part]),
        versions: &Versions,
        partitions: &[u16],
    ) -> Look {
        let mut sets = self.sets.lock();
        sets.clock += 1;
        let clock = sets.clock;
        let set = sets.by_place.entry(place.clone()).or_default();
        set.used = clock;
        set.want(ids.iter().cloned().zip(parts));
        let whole = partitions.first().and_then(|first| set.whole.get(first));
        if let Some(whole) = whole.filter(|whole| whole.has(ids, partitions, versions)) {
            return Look { whole: Some(Arc::clone(whole)), ..Look::default() };
        }
        let mut look = Look::default();
        let mut stale = 0;
        for partition in partitions {
            let kept = set.parts.get(partition);
            let fresh = kept.filter(|kept| versions.of(*partition) == Some(&kept.version));
            stale += usize::from(kept.is_some() && fresh.is_none());
            match fresh.filter(|kept| ids.iter().all(|id| kept.columns.contains_key(id))) {
                Some(kept) => look.found.push(Arc::clone(kept)),
                None => look.missing.push(*partition),
            }
        }
        if stale >= STALE_MIN && stale > look.found.len() {
            set.rest = REST;
        }
        look.wanted = set.wanted.iter().map(|(id, part)| (Arc::clone(id), part.clone())).collect();
        look
    }

    /// Keeps in few pieces what was found of all of these partitions.
    pub(super) fn put_whole(&self, place: &Place, partitions: &[u16], made: Together<'_>) {
        let found = made.parts();
        let (mut whole, parts) = made.finish(partitions);
        let mut sets = self.sets.lock();
        let (Some(set), Some(first)) = (sets.by_place.get_mut(place), partitions.first()) else { return };
        let current = |set: &Set, partition: &u16, was: &Arc<KeptPart>| {
            set.parts.get(partition).is_some_and(|now| Arc::ptr_eq(now, was))
        };
        // What was replaced meanwhile would be held for nobody.
        if found.len() != partitions.len()
            || !partitions.iter().zip(found).all(|(one, was)| current(set, one, was))
        {
            return;
        }
        set.parts.extend(partitions.iter().copied().zip(parts.into_iter().map(Arc::new)));
        if let Some(older) = set.whole.get(first) {
            whole = whole.with_those_of(older);
        }
        set.whole.insert(*first, Arc::new(whole));
    }

    /// Makes room for bytes that are about to be kept of a set, at the cost of those that were asked for longest ago.
    fn reserve(&self, place: &Place, bytes: usize) -> bool {
        let mut sets = self.sets.lock();
        while sets.bytes.saturating_add(bytes) > self.max {
            let others = sets.by_place.iter().filter(|(one, set)| *one != place && set.bytes > 0);
            let Some(oldest) = others.min_by_key(|(_, set)| set.used).map(|(one, _)| one.clone()) else {
                return false;
            };
            sets.forget(&oldest);
        }
        sets.bytes += bytes;
        true
    }

    fn release(&self, bytes: usize) {
        let mut sets = self.sets.lock();
        sets.bytes = sets.bytes.saturating_sub(bytes);
    }

    /// The set does not fit.
    fn give_up(&self, place: &Place) {
        let mut sets = self.sets.lock();
        sets.forget(place);
        if let Some(set) = sets.by_place.get_mut(place) {
            set.rest = LONG_REST;
        }
    }

    fn put(&self, place: &Place, parts: Vec<(u16, KeptPart)>) {
        let mut sets = self.sets.lock();
        let Sets { by_place, bytes, .. } = &mut *sets;
        let set = by_place.entry(place.clone()).or_default();
        set.whole.clear();
        for (partition, part) in parts {
            let more = part.bytes;
            if *bytes + more > self.max {
                break;
            }
            let less = set.parts.insert(partition, Arc::new(part)).map_or(0, |old| old.bytes);
            set.bytes = (set.bytes + more).saturating_sub(less);
            *bytes = (*bytes + more).saturating_sub(less);
        }
    }
}

impl Sets {
    fn forget(&mut self, place: &Place) {
        if let Some(set) = self.by_place.get_mut(place) {
            set.parts.clear();
            set.whole.clear();
            self.bytes = self.bytes.saturating_sub(std::mem::take(&mut set.bytes));
        }
    }
}

impl Set {
    fn want<'p>(&mut self, columns: impl Iterator<Item = (ColumnId, &'p Part)>) {
        for (id, part) in columns {
            if !self.wanted.contains_key(&id) {
                // A column of another type is not asked for any more.
                self.wanted.retain(|_, other| other.path != part.path);
                self.wanted.insert(id, part.clone());
            }
        }
    }
}

/// What is read to be kept.
pub(super) struct Fill<'k> {
    kept: &'k Kept,
    place: Place,
    ids: Vec<ColumnId>,
    pieces: HashMap<u16, Vec<RecordBatch>>,
    reserved: usize,
    given_up: bool,
}

impl<'k> Fill<'k> {
    /// Nothing read yet of these columns.
    pub(super) fn new(kept: &'k Kept, place: Place, ids: Vec<ColumnId>) -> Fill<'k> {
        Fill { kept, place, ids, pieces: HashMap::new(), reserved: 0, given_up: false }
    }

    /// Nothing of this will be kept.
    pub(super) fn give_up(&mut self) {
        self.given_up = true;
        self.pieces.clear();
    }

    /// Rows have arrived, of these partitions so many each.
    pub(super) fn take(&mut self, batches: &[RecordBatch], blocks: impl Iterator<Item = (u16, usize)>) {
        if self.given_up {
            return;
        }
        let bytes: usize = batches.iter().map(RecordBatch::get_array_memory_size).sum();
        if !self.kept.reserve(&self.place, bytes) {
            self.give_up();
            self.kept.give_up(&self.place);
            return;
        }
        self.reserved += bytes;
        let mut batches = batches.iter();
        let (mut present, mut at) = (batches.next(), 0);
        for (partition, mut count) in blocks {
            while count > 0 {
                let Some(batch) = present else { return self.give_up() };
                let some = count.min(batch.num_rows() - at);
                self.pieces.entry(partition).or_default().push(batch.slice(at, some));
                (count, at) = (count - some, at + some);
                if at == batch.num_rows() {
                    (present, at) = (batches.next(), 0);
                }
            }
        }
    }

    /// Keeps those of these partitions that did not change from before they were read until after.
    ///
    /// # Errors
    /// When the pieces of a partition don't fit together.
    pub(super) fn finish(
        mut self,
        partitions: &[u16],
        before: &Versions,
        after: &Versions,
        schema: &SchemaRef,
    ) -> Result<()> {
        if self.given_up || !before.same_map(after) {
            return Ok(());
        }
        let mut parts = Vec::new();
        for partition in partitions {
            let Some(version) = before.of(*partition).filter(|one| after.of(*partition) == Some(one)) else {
                continue;
            };
            let mut pieces = self.pieces.remove(partition).unwrap_or_default();
            // Two are copied; one alone would hold the whole of what it was cut from.
            pieces.push(RecordBatch::new_empty(Arc::clone(schema)));
            let whole = concat_batches(schema, &pieces)?;
            let bytes = PART_BYTES + whole.get_array_memory_size();
            let columns = self.ids.iter().cloned().zip(whole.columns().iter().cloned()).collect();
            parts.push((
                *partition,
                KeptPart { version: version.clone(), rows: whole.num_rows(), columns, bytes },
            ));
        }
        // What was read is gone before what is kept of it counts.
        self.pieces.clear();
        self.kept.release(std::mem::take(&mut self.reserved));
        self.kept.put(&self.place, parts);
        Ok(())
    }
}

impl Drop for Fill<'_> {
    fn drop(&mut self) {
        self.kept.release(self.reserved);
    }
}
