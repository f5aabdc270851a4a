//! A walk along a secondary index: stripe by stripe, all wanted partitions of a stripe together.
//!
//! Entries come by key, then by partition, then by digest. So every partition is read in the order of (key, digest),
//! which is the order in which clients resume, and a query that finds little does little. Entries of partitions that
//! are not wanted, or not yet behind the client's resume point, are stepped over.

use super::selection::Selection;
use super::walk::Met;
use shipload_store::{IndexSeek, STRIPE_COUNT, Stripe, stripe_of};
use shipload_value::{Digest, PartitionId};
use std::collections::VecDeque;
use std::sync::Arc;

/// Partitions of a stripe.
const PARTS: usize = 64;
/// After so many entries that were stepped over one by one, a jump is tried.
const JUMP_AFTER: usize = 8;

/// What a query wants of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Unwanted,
    Whole,
    After(i64, Digest),
}

/// The rest of a walk.
#[derive(Debug)]
pub(crate) struct IndexWalk {
    selection: Arc<Selection>,
    todo: VecDeque<StripeWalk>,
}

#[derive(Debug)]
struct StripeWalk {
    stripe: usize,
    parts: Arc<[Part; PARTS]>,
    count: usize,
    /// The last entry that is done with.
    at: Option<(i64, Digest)>,
}

/// What is to be read of one stripe.
#[derive(Debug)]
pub(crate) struct IndexReading {
    pub(crate) stripe: usize,
    pub(crate) selection: Arc<Selection>,
    parts: Arc<[Part; PARTS]>,
    at: Option<(i64, Digest)>,
}

fn place(partition: PartitionId) -> usize {
    partition.index() / STRIPE_COUNT
}

impl IndexWalk {
    /// A walk through whole partitions, and through others behind an entry.
    pub(super) fn new(
        selection: Selection,
        whole: impl Iterator<Item = PartitionId>,
        rests: impl Iterator<Item = (i64, Digest)>,
    ) -> IndexWalk {
        let mut stripes = vec![[Part::Unwanted; PARTS]; STRIPE_COUNT];
        let mut want = |partition: PartitionId, part| stripes[stripe_of(partition)][place(partition)] = part;
        whole.for_each(|partition| want(partition, Part::Whole));
        rests.for_each(|(key, digest)| want(digest.partition(), Part::After(key, digest)));
        let stripes = stripes.into_iter().enumerate();
        let todo = stripes.map(|(stripe, parts)| StripeWalk::new(stripe, parts));
        let todo = todo.filter(|stripe| stripe.count > 0).collect();
        IndexWalk { selection: Arc::new(selection), todo }
    }

    pub(super) fn present(&self) -> Option<IndexReading> {
        let StripeWalk { stripe, parts, at, .. } = self.todo.front()?;
        let (selection, parts) = (Arc::clone(&self.selection), Arc::clone(parts));
        Some(IndexReading { stripe: *stripe, selection, parts, at: *at })
    }

    /// The partitions of the present stripe that are wanted.
    pub(super) fn partitions(&self) -> impl Iterator<Item = PartitionId> {
        let stripe = self.todo.front();
        let wanted = |stripe: &StripeWalk, place: usize| stripe.parts.get(place) != Some(&Part::Unwanted);
        stripe.into_iter().flat_map(move |stripe| {
            let places = (0..PARTS).filter(move |place| wanted(stripe, *place));
            places.filter_map(|place| {
                PartitionId::new(u16::try_from(place * STRIPE_COUNT + stripe.stripe).ok()?)
            })
        })
    }

    pub(super) fn give_up(&mut self, partitions: &[PartitionId]) {
        let Some(stripe) = self.todo.front_mut() else { return };
        let mut parts = *stripe.parts;
        for partition in partitions.iter().filter(|partition| stripe_of(**partition) == stripe.stripe) {
            if let Some(part) = parts.get_mut(place(*partition)) {
                stripe.count -= usize::from(*part != Part::Unwanted);
                *part = Part::Unwanted;
            }
        }
        stripe.parts = Arc::new(parts);
        if stripe.count == 0 {
            self.todo.pop_front();
        }
    }

    pub(super) fn passed(&mut self, key: i64, digest: Digest) {
        if let Some(stripe) = self.todo.front_mut() {
            stripe.at = Some((key, digest));
        }
    }

    pub(super) fn finish_part(&mut self) -> u64 {
        self.todo.pop_front().map_or(0, |stripe| stripe.count as u64)
    }

    pub(super) fn left(&self) -> usize {
        self.todo.iter().map(|stripe| stripe.count).sum()
    }
}

impl StripeWalk {
    fn new(stripe: usize, parts: [Part; PARTS]) -> StripeWalk {
        let count = parts.iter().filter(|part| **part != Part::Unwanted).count();
        // Before the first resume point there is nothing to read, unless some partition is read from its start.
        let resume = parts.iter().filter_map(|part| match part {
            Part::Unwanted => None,
            Part::Whole => Some(None),
            Part::After(key, digest) => Some(Some((*key, place(digest.partition()), *digest))),
        });
        let at = resume.min().flatten().map(|(key, _, digest)| (key, digest));
        StripeWalk { stripe, parts: Arc::new(parts), count, at }
    }
}

/// The entries of a stripe in the ranges of a selection.
pub(crate) struct Entries<'s> {
    stripe: &'s Stripe,
    reading: &'s IndexReading,
    /// The ranges behind the present one.
    ranges: &'s [(i64, i64)],
    /// Where the present range ends.
    last: i64,
    run: Box<dyn Iterator<Item = (i64, Digest)> + 's>,
    stepped_over: usize,
}

impl<'s> Entries<'s> {
    pub(super) fn new(stripe: &'s Stripe, reading: &'s IndexReading) -> Entries<'s> {
        let run = Box::new(std::iter::empty());
        let mut ranges = reading.selection.ranges();
        let mut entries = Entries { stripe, reading, ranges, last: 0, run, stepped_over: 0 };
        if let Some((key, digest)) = reading.at {
            ranges = ranges.get(ranges.partition_point(|(_, last)| *last < key)..).unwrap_or_default();
            entries.ranges = ranges;
            if let Some(((first, last), rest)) = ranges.split_first()
                && *first <= key
            {
                entries.ranges = rest;
                entries.last = *last;
                entries.seek(IndexSeek::After(key, digest));
            }
        }
        entries
    }

    fn seek(&mut self, from: IndexSeek) {
        self.stepped_over = 0;
        self.run = Box::new(self.stripe.index_range(self.reading.selection.index.slot, from, self.last));
    }

    /// Whether an entry is to be read; if not, where the next one may be that is.
    fn judge(&self, key: i64, digest: &Digest) -> Result<(), Option<IndexSeek>> {
        let own = place(digest.partition());
        match self.reading.parts.get(own).copied().unwrap_or(Part::Unwanted) {
            Part::Whole => return Ok(()),
            Part::After(resume_key, resume) if (resume_key, resume) < (key, *digest) => return Ok(()),
            Part::After(resume_key, resume) if resume_key == key => {
                return Err(Some(IndexSeek::After(key, resume)));
            }
            Part::After(..) | Part::Unwanted => {}
        }
        let behind = own + 1..PARTS;
        let next = behind.into_iter().find(|place| self.reading.parts.get(*place) != Some(&Part::Unwanted));
        let number = next.map(|place| place * STRIPE_COUNT + self.reading.stripe);
        let partition = number.and_then(|number| PartitionId::new(u16::try_from(number).ok()?));
        Err(match partition {
            Some(partition) => Some(IndexSeek::Partition(key, partition)),
            None => key.checked_add(1).map(IndexSeek::Key),
        })
    }
}

impl<'s> Iterator for Entries<'s> {
    type Item = Met<'s>;

    fn next(&mut self) -> Option<Met<'s>> {
        let (key, digest) = loop {
            if let Some(entry) = self.run.next() {
                break entry;
            }
            let ((first, last), rest) = self.ranges.split_first()?;
            (self.ranges, self.last) = (rest, *last);
            self.seek(IndexSeek::Key(*first));
        };
        let record = match self.judge(key, &digest) {
            Ok(()) => self.stripe.get(&digest),
            Err(jump) => {
                self.stepped_over += 1;
                if self.stepped_over >= JUMP_AFTER
                    && let Some(jump) = jump
                {
                    self.seek(jump);
                }
                None
            }
        };
        Some(Met { bval: Some(key), digest, record })
    }
}
