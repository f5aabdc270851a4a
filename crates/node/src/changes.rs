//! The latest changes of a namespace on this node, for those who listen.
//!
//! Guarantees: while nobody listens a write costs one look at an atomic; while somebody does, memory is bounded, and a
//! listener that is too slow, or was away for too long, is told that it has missed something. Changes of one record are in
//! their order, because they are noted under the lock that they were made under. What expires or is evicted is not noted:
//! no command makes those changes. A truncate is a gap: listeners are told that they have missed something.
//!
//! Only the master notes. When a partition changes its master, what the old one noted and nobody has read is gone; who
//! listens sees the new map and looks again.

use crate::now::Now;
use parking_lot::Mutex;
use shipload_store::{SetId, Stripe};
use shipload_value::Digest;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

/// Changes that are kept.
const KEPT: usize = 1 << 16;
/// How long after the last question changes are still noted, in nanoseconds.
const LISTENED_NS: u64 = 30_000_000_000;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Noted {
    /// The record.
    pub(crate) digest: Digest,
    /// Its set.
    pub(crate) set: SetId,
    /// Its key (particle type number and bytes), where it is stored.
    pub(crate) key: Option<(u8, Box<[u8]>)>,
    /// Whether it is gone.
    pub(crate) gone: bool,
}

/// What a listener gets.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Changes, oldest first.
    pub(crate) changes: Vec<Noted>,
    /// Where to go on.
    pub(crate) next: u64,
    /// Changes between the place asked for and the first one are lost.
    pub(crate) missed: bool,
}

#[derive(Debug, Default)]
struct Ring {
    noted: VecDeque<Noted>,
    /// The number of the oldest change that is kept.
    first: u64,
}

/// The changes of one namespace.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Monotonic nanoseconds until which somebody listens.
    until: AtomicU64,
    ring: Mutex<Ring>,
}

impl Changes {
    fn is_listened(&self, now: Now) -> bool {
        self.until.load(Ordering::Relaxed) > now.mono_ns
    }

    /// A record was written; call it under the stripe's lock.
    pub(crate) fn written(&self, now: Now, stripe: &Stripe, digest: &Digest) {
        if let Some(noted) = self.look(now, stripe, digest, false) {
            self.note(Some(noted));
        }
    }

    /// A record is about to be removed; [`Changes::note`] what this gives once it was.
    pub(crate) fn removing(&self, now: Now, stripe: &Stripe, digest: &Digest) -> Option<Noted> {
        self.look(now, stripe, digest, true)
    }

    fn look(&self, now: Now, stripe: &Stripe, digest: &Digest, gone: bool) -> Option<Noted> {
        if !self.is_listened(now) {
            return None;
        }
        let record = stripe.get(digest)?;
        let key = record.key().map(|key| (key.kind, key.bytes.into()));
        Some(Noted { digest: *digest, set: record.meta().set, key, gone })
    }

    /// Notes a change.
    pub(crate) fn note(&self, noted: Option<Noted>) {
        let Some(noted) = noted else { return };
        let mut ring = self.ring.lock();
        if ring.noted.len() >= KEPT {
            ring.noted.pop_front();
            ring.first += 1;
        }
        ring.noted.push_back(noted);
    }

    /// Many records vanished at once: whoever listens is told to look again.
    pub(crate) fn lose(&self) {
        let mut ring = self.ring.lock();
        let next = ring.first + ring.noted.len() as u64 + 1;
        *ring = Ring { noted: VecDeque::new(), first: next };
    }

    /// At most `most` changes from number `since`; none to begin with what comes next.
    pub(crate) fn hear(&self, since: Option<u64>, most: usize, now: Now) -> Heard {
        let mut ring = self.ring.lock();
        if !self.is_listened(now) {
            // Nobody knows what was not noted meanwhile: numbers go on, and leave a gap.
            let next = ring.first + ring.noted.len() as u64 + 1;
            *ring = Ring { noted: VecDeque::new(), first: next };
        }
        self.until.store(now.mono_ns.saturating_add(LISTENED_NS), Ordering::Relaxed);
        let end = ring.first + ring.noted.len() as u64;
        let from = since.unwrap_or(end);
        // A number of another life of this node may be beyond the end.
        let missed = from < ring.first || from > end;
        let from = if missed { ring.first } else { from };
        let skip = usize::try_from(from - ring.first).unwrap_or(usize::MAX);
        let changes: Vec<Noted> = ring.noted.iter().skip(skip).take(most).cloned().collect();
        Heard { next: from + changes.len() as u64, changes, missed }
    }
}

#[cfg(test)]
mod tests {
    use super::{Changes, KEPT, LISTENED_NS, Noted};
    use crate::now::Now;
    use shipload_store::SetId;
    use shipload_value::Digest;

    fn noted(number: u8) -> Option<Noted> {
        Some(Noted { digest: Digest([number; 20]), set: SetId::NONE, key: None, gone: false })
    }

    fn at(mono_ns: u64) -> Now {
        Now { unix_ns: 0, mono_ns }
    }

    #[test]
    fn listeners_get_each_change_once_and_are_told_of_gaps() {
        let changes = Changes::default();
        let start = changes.hear(None, 10, at(1));
        assert_eq!((start.changes.len(), start.missed), (0, false));
        for number in 0..3 {
            changes.note(noted(number));
        }
        let first = changes.hear(Some(start.next), 2, at(2));
        let second = changes.hear(Some(first.next), 2, at(3));
        let digests =
            |heard: &super::Heard| heard.changes.iter().map(|one| one.digest.0[0]).collect::<Vec<_>>();
        assert_eq!((digests(&first), digests(&second)), (vec![0, 1], vec![2]));
        assert!(!first.missed && !second.missed);
        let known = changes.hear(Some(second.next), 10, at(3));
        changes.lose();
        assert!(changes.hear(Some(known.next), 10, at(3)).missed, "a truncate is a gap");
        for number in 0..=KEPT {
            changes.note(noted(u8::try_from(number % 200).expect("small")));
        }
        assert!(changes.hear(Some(start.next), 1, at(4)).missed);
        assert!(changes.hear(Some(u64::MAX), 1, at(4)).missed);
        let away = changes.hear(Some(second.next), usize::MAX, at(5));
        assert!(changes.hear(Some(away.next), 1, at(6 + LISTENED_NS)).missed, "nobody listened for a while");
    }
}
