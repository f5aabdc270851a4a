//! Writing to a stripe: put, touch, remove.

use super::Stripe;
use crate::error::StoreError;
use crate::index::{Entry, Key, Location};
use crate::log::Room;
use crate::meta::{BinRef, KeyRef, Meta, SetId};
use crate::record::{Plan, decode, frame_size, pack, patch_meta, seal};
use shipload_value::{Digest, PartitionId};

/// What a put did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Put {
    /// The record's encoded size in bytes, before; none when it is new.
    pub old_size: Option<usize>,
    /// The record's encoded size in bytes, now.
    pub size: usize,
    /// The new bytes lie where the old ones lay.
    pub in_place: bool,
}

/// What a touch did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touch {
    /// There is no record with this digest.
    Absent,
    /// The metadata was rewritten where it lies.
    InPlace,
    /// The record was appended anew, because its metadata takes another number of bytes now.
    Moved,
}

/// A record that was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removed {
    /// The generation that it had.
    pub generation: u16,
    /// The void time that it had, in seconds since 2010-01-01; 0 is never.
    pub void_time: u32,
    /// The set that it belonged to.
    pub set: SetId,
    /// Its encoded size in bytes.
    pub size: usize,
}

impl Stripe {
    /// Creates the record, or replaces all of it. Policies are the caller's: this always writes.
    pub fn put<'b>(
        &mut self,
        digest: &Digest,
        meta: &Meta,
        key: Option<KeyRef<'_>>,
        bins: impl Iterator<Item = BinRef<'b>> + Clone,
    ) -> Result<Put, StoreError> {
        let plan = Plan::new(meta, key, bins.clone())?;
        let packed = self.packed(&plan, digest, bins.clone());
        let size = packed.as_ref().map_or(plan.size(), Vec::len);
        let index_key = Key::of(digest);
        let old = self.old(digest.partition(), &index_key);
        let fits = |old: &Old| old.size == size && self.log.may_change(old.entry.location());
        let in_place = old.as_ref().is_some_and(fits);
        let location = match &old {
            Some(old) if in_place => old.entry.location(),
            Some(_) | None => self.log.append(size, Room::Configured)?,
        };
        self.keys_before(old.as_ref().map(|old| old.entry.location()));
        let (space, seed) = self.log.bytes_mut(location, size);
        match &packed {
            Some(packed) => {
                space.copy_from_slice(packed);
                seal(space, seed);
            }
            None => plan.write(space, digest, bins, seed),
        }
        self.log.note_time(location, meta.storable().last_update_ms);
        let entry = Entry::new(&index_key, location, meta.void_time, meta.generation, meta.set);
        self.enter(digest.partition(), entry, size, old.as_ref());
        self.keys_after(digest, Some(location));
        self.put_bytes += size as u64;
        Ok(Put { old_size: old.map(|old| old.size), size, in_place })
    }

    /// The compressed form of a record, where that is wanted and smaller.
    fn packed<'b>(
        &mut self,
        plan: &Plan<'_>,
        digest: &Digest,
        bins: impl Iterator<Item = BinRef<'b>>,
    ) -> Option<Vec<u8>> {
        let compression = self.log.config().compression?;
        let mut plain = vec![0; plan.size()];
        plan.write(&mut plain, digest, bins, 0);
        let packed = pack(&plain, compression);
        self.packable_bytes += plain.len() as u64;
        self.packed_bytes += packed.as_ref().map_or(plain.len(), Vec::len) as u64;
        packed
    }

    /// Gives a record other metadata and leaves key and bins as they are.
    pub fn touch(&mut self, digest: &Digest, meta: &Meta) -> Result<Touch, StoreError> {
        let index_key = Key::of(digest);
        let Some(old) = self.old(digest.partition(), &index_key) else { return Ok(Touch::Absent) };
        let location = old.entry.location();
        self.keys_before(Some(location));
        if self.patch(location, old.size, meta) {
            self.log.note_time(location, meta.storable().last_update_ms);
            let entry = Entry::new(&index_key, location, meta.void_time, meta.generation, meta.set);
            self.enter(digest.partition(), entry, old.size, Some(&old));
            self.keys_after(digest, Some(location));
            return Ok(Touch::InPlace);
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        scratch.extend_from_slice(self.record(&old.entry).bytes());
        let record = decode(&scratch).expect("invariant: an index entry leads to a record");
        let moved = self.put(digest, meta, record.key(), record.bins());
        self.scratch = scratch;
        moved.map(|_| Touch::Moved)
    }

    /// Changes metadata where it lies; false when that is not possible.
    fn patch(&mut self, location: Location, size: usize, meta: &Meta) -> bool {
        if !self.log.may_change(location) {
            return false;
        }
        let (bytes, seed) = self.log.bytes_mut(location, size);
        patch_meta(bytes, meta, seed).expect("invariant: an index entry leads to a record")
    }

    /// Removes a record, dead or alive; none when there is none. On a volume a tombstone takes its place.
    ///
    /// # Errors
    /// When there is no room for the tombstone; the record is still there then.
    pub fn remove(&mut self, digest: &Digest) -> Result<Option<Removed>, StoreError> {
        let Ok(slot) = self.table(digest.partition()).find(&Key::of(digest)) else { return Ok(None) };
        self.bury_slot(digest.partition(), slot).map(Some)
    }

    /// Removes the record whose entry is in this slot, and leaves a tombstone on a volume.
    pub(crate) fn bury_slot(&mut self, partition: PartitionId, slot: usize) -> Result<Removed, StoreError> {
        if self.tombs.is_some() {
            let record = self.record(self.table(partition).entry(slot));
            let (digest, meta) = (record.digest(), record.meta());
            self.entomb(&digest, &meta)?;
        }
        Ok(self.remove_slot(partition, slot))
    }

    /// Removes the record whose entry is in this slot.
    pub(crate) fn remove_slot(&mut self, partition: PartitionId, slot: usize) -> Removed {
        let entry = *self.table(partition).entry(slot);
        let size = self.size_at(entry.location());
        self.keys_before(Some(entry.location()));
        self.drop_entry(partition, slot);
        self.ledger.leave(entry.set(), size);
        self.log.release(entry.location(), size);
        self.keys_after(&entry.key().digest(partition), None);
        Removed { generation: entry.generation(), void_time: entry.void_time(), set: entry.set(), size }
    }

    /// Makes the index and the counts agree with a record that was just written.
    fn enter(&mut self, partition: PartitionId, entry: Entry, size: usize, old: Option<&Old>) {
        if let Some(old) = old {
            self.changes.note(partition, entry.set(), entry.void_time());
            *self.table_mut(partition).entry_mut(old.slot) = entry;
            self.ledger.leave(old.entry.set(), old.size);
            if old.entry.location() != entry.location() {
                self.log.release(old.entry.location(), old.size);
            }
        } else {
            self.insert_entry(partition, entry);
            self.disinter(&entry.key().digest(partition));
        }
        self.ledger.enter(entry.set(), size);
    }

    pub(super) fn insert_entry(&mut self, partition: PartitionId, entry: Entry) {
        self.changes.note(partition, entry.set(), entry.void_time());
        let table = self.table_mut(partition);
        let before = table.bytes();
        table.insert(entry);
        let after = table.bytes();
        self.index_bytes += (after - before) as u64;
    }

    pub(super) fn drop_entry(&mut self, partition: PartitionId, slot: usize) {
        let set = self.table(partition).entry(slot).set();
        self.changes.note(partition, set, 0);
        let table = self.table_mut(partition);
        let before = table.bytes();
        table.remove(slot);
        let after = table.bytes();
        self.index_bytes = self.index_bytes + after as u64 - before as u64;
    }

    fn old(&self, partition: PartitionId, key: &Key) -> Option<Old> {
        let table = self.table(partition);
        let slot = table.find(key).ok()?;
        let entry = *table.entry(slot);
        Some(Old { slot, entry, size: self.size_at(entry.location()) })
    }

    pub(super) fn size_at(&self, location: Location) -> usize {
        frame_size(self.log.bytes(location)).expect("invariant: an index entry leads to a record")
    }
}

/// A record as a write finds it.
struct Old {
    slot: usize,
    entry: Entry,
    size: usize,
}
