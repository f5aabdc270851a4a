//! Sweeping a partition: removing what has expired, what a cut-off killed, and what the caller evicts.
//!
//! Guarantees: bounded work a call, resumable after any digest whatever was written in between; every record
//! that was there from beginning to end of a sweep is judged once.
//!
//! The idea: void time and set are in the index entry, and each block knows the oldest and newest last update in
//! it, so most entries are judged without touching their records.

use crate::cutoffs::Cutoffs;
use crate::index::{Entry, Key};
use crate::meta::SetId;
use crate::stripe::{Stripe, expired};
use crate::ttl::TtlHistogram;
use shipload_value::{Digest, PartitionId};

/// How much one slice of a sweep may do. A slice always makes progress: zero counts as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// The most entries to look at.
    pub entries: usize,
    /// The most records to remove.
    pub removals: usize,
}

/// A record that is alive, as the index knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// When it expires, in seconds since 2010-01-01; 0 is never.
    pub void_time: u32,
    /// The set that it belongs to.
    pub set: SetId,
}

/// What to do with a record that is alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Leave it.
    Keep,
    /// Remove it, counted as evicted.
    Evict,
}

/// What a slice of a sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Entries looked at.
    pub entries: u64,
    /// Records removed because their void time is over.
    pub expired: u64,
    /// Records removed because a cut-off killed them.
    pub truncated: u64,
    /// Records removed because the caller decided so.
    pub evicted: u64,
    /// Encoded bytes of all records removed.
    pub removed_bytes: u64,
    /// Records looked at that never expire and stay.
    pub non_expirable: u64,
    /// Continue after this digest; none when the partition is done.
    pub next: Option<Digest>,
}

impl Swept {
    /// Adds the counts of another slice, and takes over where it stopped.
    pub fn add(&mut self, other: Swept) {
        self.entries += other.entries;
        self.expired += other.expired;
        self.truncated += other.truncated;
        self.evicted += other.evicted;
        self.removed_bytes += other.removed_bytes;
        self.non_expirable += other.non_expirable;
        self.next = other.next;
    }

    fn count_of(&mut self, verdict: Verdict) -> &mut u64 {
        match verdict {
            Verdict::Stays => &mut self.non_expirable,
            Verdict::Expired => &mut self.expired,
            Verdict::Truncated => &mut self.truncated,
            Verdict::Evicted => &mut self.evicted,
        }
    }
}

/// What becomes of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Stays,
    Expired,
    Truncated,
    Evicted,
}

impl Stripe {
    /// Judges the records of a partition in descending digest order below `after`, as far as `budget` goes.
    /// `decide` is asked only about records that are alive at `now_s` (since 2010-01-01).
    pub fn sweep(
        &mut self,
        partition: PartitionId,
        after: Option<&Digest>,
        budget: Budget,
        now_s: u32,
        cutoffs: &Cutoffs,
        decide: impl FnMut(&Candidate) -> Decision,
    ) -> Swept {
        self.sweep_telling(partition, after, budget, now_s, cutoffs, decide, |_| {})
    }

    /// The same; `gone` is told of each record that expired or was evicted.
    #[expect(clippy::too_many_arguments, reason = "a sweep, and who wants to know")]
    pub fn sweep_telling(
        &mut self,
        partition: PartitionId,
        after: Option<&Digest>,
        budget: Budget,
        now_s: u32,
        cutoffs: &Cutoffs,
        mut decide: impl FnMut(&Candidate) -> Decision,
        mut gone: impl FnMut(Digest),
    ) -> Swept {
        let mut swept = Swept::default();
        let mut removals = 0;
        let mut below = self.table(partition).ceiling(after.map(Key::of).as_ref());
        loop {
            let next = self.table(partition).descend(below).next();
            let Some((slot, entry)) = next.map(|(slot, entry)| (slot, *entry)) else {
                return Swept { next: None, ..swept };
            };
            if swept.entries >= budget.entries.max(1) as u64 || removals >= budget.removals.max(1) {
                return swept;
            }
            let key = entry.key();
            swept.entries += 1;
            swept.next = Some(key.digest(partition));
            below = slot;
            let verdict = self.judge(&entry, now_s, cutoffs, &mut decide);
            let removed = match verdict {
                Verdict::Stays => {
                    swept.non_expirable += u64::from(entry.void_time() == 0);
                    continue;
                }
                // The cut-off outlives the record and kills its older copies as well.
                Verdict::Truncated => Ok(self.remove_slot(partition, slot)),
                Verdict::Expired | Verdict::Evicted => self.bury_slot(partition, slot),
            };
            // A full volume has no room for a tombstone: a later sweep comes back.
            let Ok(removed) = removed else { continue };
            if verdict != Verdict::Truncated {
                gone(key.digest(partition));
            }
            *swept.count_of(verdict) += 1;
            removals += 1;
            swept.removed_bytes += removed.size as u64;
            below = self.table(partition).ceiling(Some(&key));
        }
    }

    /// Adds the void times of at most `budget` records of a partition to a histogram, in descending digest order
    /// below `after`; tells where to go on, or none when the partition is done.
    #[must_use]
    pub fn add_void_times(
        &self,
        partition: PartitionId,
        after: Option<&Digest>,
        budget: usize,
        histogram: &mut TtlHistogram,
    ) -> Option<Digest> {
        let table = self.table(partition);
        let below = table.ceiling(after.map(Key::of).as_ref());
        let mut entries = table.descend(below);
        let mut last = None;
        for (_, entry) in entries.by_ref().take(budget) {
            histogram.add(entry.void_time());
            last = Some(entry.key());
        }
        entries.next().and(last).map(|key| key.digest(partition))
    }

    fn judge(
        &self,
        entry: &Entry,
        now_s: u32,
        cutoffs: &Cutoffs,
        decide: &mut impl FnMut(&Candidate) -> Decision,
    ) -> Verdict {
        let candidate = Candidate { void_time: entry.void_time(), set: entry.set() };
        if expired(candidate.void_time, now_s) {
            return Verdict::Expired;
        }
        if self.is_cut(entry, cutoffs.cut_ms(candidate.set)) {
            return Verdict::Truncated;
        }
        match decide(&candidate) {
            Decision::Keep => Verdict::Stays,
            Decision::Evict => Verdict::Evicted,
        }
    }

    fn is_cut(&self, entry: &Entry, cut_ms: u64) -> bool {
        let (oldest_ms, newest_ms) = self.log().times(entry.location());
        if oldest_ms >= cut_ms {
            return false;
        }
        newest_ms < cut_ms || self.record(entry).meta().last_update_ms < cut_ms
    }
}
