//! One partition's entries in ordered open addressing.
//!
//! Guarantees: entries lie in digest order with gaps between them; every slot between an entry and its home slot
//! is taken. At most nine tenths of the slots are taken (all, in tables below ten slots).
//!
//! The idea: digests are uniform, so the slot where an entry belongs is a multiplication. Crowded entries move
//! aside, to the right or to the left, whichever gap is nearer, and stay sorted. So a lookup starts at the home
//! slot, knows from one comparison which way to go, and ends at the first gap or at the first entry beyond. As
//! entries may stand left of home, the table needs no spill space behind its end.
//!
//! ```text
//! home          3     4        7        insert 4b: home 4 is taken by 4a > 4b, the gap to the left is nearer
//! slots   . . . 3 . 4a 5 6 . . 7        . . . 3 4b 4a 5 6 . . 7
//! ```

use super::entry::{Entry, Key};
use std::cmp::Ordering;

/// The least slots of a table that holds anything.
const SLOTS_MIN: usize = 8;
/// The least slots that growth adds.
const GROWTH_MIN: usize = 4;

/// A sorted table of entries.
#[derive(Debug, Default)]
pub(crate) struct Table {
    slots: Box<[Entry]>,
    len: usize,
}

impl Table {
    /// How many entries the table holds.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Bytes allocated for slots.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val::<[Entry]>(&self.slots)
    }

    /// The slot of `key`, or the slot before which it belongs.
    #[inline]
    pub(crate) fn find(&self, key: &Key) -> Result<usize, usize> {
        let slots = &*self.slots;
        let mut at = key.home(slots.len());
        let Some(entry) = slots.get(at).filter(|entry| !entry.is_empty()) else { return Err(at) };
        match entry.compare(key) {
            Ordering::Equal => Ok(at),
            Ordering::Less => {
                while let Some(entry) = slots.get(at + 1) {
                    at += 1;
                    if entry.is_empty() {
                        return Err(at);
                    }
                    match entry.compare(key) {
                        Ordering::Less => {}
                        Ordering::Equal => return Ok(at),
                        Ordering::Greater => return Err(at),
                    }
                }
                Err(at + 1)
            }
            Ordering::Greater => {
                while at > 0 {
                    let entry = &slots[at - 1];
                    if entry.is_empty() {
                        return Err(at);
                    }
                    match entry.compare(key) {
                        Ordering::Less => return Err(at),
                        Ordering::Equal => return Ok(at - 1),
                        Ordering::Greater => at -= 1,
                    }
                }
                Err(0)
            }
        }
    }

    /// The entry in a slot that [`Table::find`] named.
    #[inline]
    pub(crate) fn entry(&self, slot: usize) -> &Entry {
        &self.slots[slot]
    }

    /// The same, to change anything but its digest.
    #[inline]
    pub(crate) fn entry_mut(&mut self, slot: usize) -> &mut Entry {
        &mut self.slots[slot]
    }

    /// Adds an entry whose digest is not in the table yet.
    pub(crate) fn insert(&mut self, entry: Entry) {
        if self.len >= limit(self.slots.len()) {
            let slots = self.slots.len();
            self.resize((slots + GROWTH_MIN.max(slots / 10)).max(SLOTS_MIN));
        }
        let point = match self.find(&entry.key()) {
            Ok(slot) => unreachable_duplicate(slot),
            Err(point) => point,
        };
        self.len += 1;
        self.place(point, entry);
    }

    /// Puts an entry before slot `point`, moving those between there and the nearest gap.
    fn place(&mut self, point: usize, entry: Entry) {
        for distance in 0..self.slots.len() {
            let right = point + distance;
            if self.slots.get(right).is_some_and(Entry::is_empty) {
                self.slots.copy_within(point..right, point + 1);
                self.slots[point] = entry;
                return;
            }
            let left = point.checked_sub(distance + 1);
            if let Some(left) = left.filter(|&left| self.slots[left].is_empty()) {
                self.slots.copy_within(left + 1..point, left);
                self.slots[point - 1] = entry;
                return;
            }
        }
        unreachable_full();
    }

    /// Empties a slot and moves those back that stood aside because of it.
    pub(crate) fn remove(&mut self, slot: usize) {
        self.len -= 1;
        let end = (slot + 1..self.slots.len())
            .find(|&at| self.slots[at].is_empty() || self.home(at) >= at)
            .unwrap_or(self.slots.len());
        self.slots.copy_within(slot + 1..end, slot);
        let mut hole = end - 1;
        if hole == slot {
            let start = (0..slot)
                .rev()
                .find(|&at| self.slots[at].is_empty() || self.home(at) <= at)
                .map_or(0, |at| at + 1);
            self.slots.copy_within(start..slot, start + 1);
            hole = start;
        }
        self.slots[hole] = Entry::EMPTY;
        if self.len < self.slots.len() / 2 && self.slots.len() > SLOTS_MIN {
            self.resize(if self.len == 0 { 0 } else { (self.len + self.len / 3).max(SLOTS_MIN) });
        }
    }

    fn home(&self, slot: usize) -> usize {
        self.slots[slot].key().home(self.slots.len())
    }

    /// Moves all entries to a table of `slots` slots, in one pass over both.
    fn resize(&mut self, slots: usize) {
        let mut bigger = vec![Entry::EMPTY; slots].into_boxed_slice();
        let mut next = 0;
        for (entry, left) in self.ascend().zip((1..=self.len).rev()) {
            // An entry stands at home or right of it, unless those that follow would not fit behind it.
            let at = entry.key().home(slots).max(next).min(slots - left);
            bigger[at] = *entry;
            next = at + 1;
        }
        self.slots = bigger;
    }

    /// A table of `slots` slots with these `len` entries; none when they are not valid and in ascending order, or too
    /// many.
    pub(crate) fn of_sorted(
        slots: usize,
        len: usize,
        entries: impl Iterator<Item = Entry>,
        valid: impl Fn(&Entry) -> bool,
    ) -> Option<Table> {
        // Never larger than a growth or a row of removals leaves it.
        let fits = len <= limit(slots) && slots <= (4 * len).max(2 * SLOTS_MIN);
        let mut table = vec![Entry::EMPTY; if fits { slots } else { return None }].into_boxed_slice();
        let (mut next, mut last) = (0, None);
        for (entry, left) in entries.zip((1..=len).rev()) {
            let key = entry.key();
            if !valid(&entry) || last.is_some_and(|last| last >= key) {
                return None;
            }
            let at = key.home(slots).max(next).min(slots - left);
            table[at] = entry;
            (next, last) = (at + 1, Some(key));
        }
        Some(Table { slots: table, len })
    }

    /// All entries in ascending digest order.
    pub(crate) fn ascend(&self) -> impl Iterator<Item = &Entry> {
        self.slots.iter().filter(|entry| !entry.is_empty())
    }

    /// Entries below `slot` in descending digest order, with their slots.
    pub(crate) fn descend(&self, slot: usize) -> impl Iterator<Item = (usize, &Entry)> {
        let below = self.slots.get(..slot).unwrap_or(&self.slots);
        below.iter().enumerate().rev().filter(|(_, entry)| !entry.is_empty())
    }

    /// The slot that all entries with a smaller digest than `after` are below; without it, all entries.
    pub(crate) fn ceiling(&self, after: Option<&Key>) -> usize {
        after.map_or(self.slots.len(), |key| self.find(key).unwrap_or_else(|point| point))
    }

    /// Checks order, reachability and count.
    pub(crate) fn assert_invariants(&self) {
        let mut last: Option<Key> = None;
        let mut count = 0;
        for (slot, entry) in self.slots.iter().enumerate().filter(|(_, entry)| !entry.is_empty()) {
            let key = entry.key();
            assert!(last.is_none_or(|last| last < key), "entries are in digest order");
            let home = self.home(slot);
            let between = slot.min(home)..slot.max(home) + 1;
            assert!(self.slots[between].iter().all(|entry| !entry.is_empty()), "no gap before home");
            assert_eq!(self.find(&key), Ok(slot), "every entry is found");
            last = Some(key);
            count += 1;
        }
        assert_eq!(count, self.len, "the count is exact");
        assert!(self.len <= limit(self.slots.len()), "the table is not overfull");
    }
}

/// How many entries a table of this many slots may hold.
fn limit(slots: usize) -> usize {
    slots - slots / 10
}

#[cold]
fn unreachable_duplicate(slot: usize) -> usize {
    unreachable!("invariant: an inserted digest is new, but slot {slot} holds it")
}

#[cold]
fn unreachable_full() {
    unreachable!("invariant: a table below its limit has a gap")
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
