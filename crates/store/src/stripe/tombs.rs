//! Tombstones: what keeps a removed record from coming back while older copies of it may lie on a volume.
//!
//! Guarantees: from a record's removal until no older copy of it is left on any device, a tombstone is in the log behind
//! all of them. In memory there are none.
//!
//! The idea: a tombstone is a record without bins. It lives in the log like any record and is moved by
//! defragmentation, but it is not in the index: it has a table of its own, so that readers never meet one.

use super::Stripe;
use crate::error::StoreError;
use crate::index::Location;
use crate::log::Room;
use crate::meta::Meta;
use crate::record::{Plan, frame_size};
use shipload_value::Digest;
use std::collections::HashMap;

/// The tombstones of a stripe.
#[derive(Debug, Default)]
pub(crate) struct Tombs {
    by_digest: HashMap<Digest, Tomb>,
    /// How many there were when the last raid ended.
    pub(super) left_by_raid: usize,
}

/// A tombstone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tomb {
    pub(crate) location: Location,
    /// An older copy of the record was met, by recovery or by the raid that is under way.
    pub(crate) covers: bool,
    /// Was there before the raid under way began.
    pub(crate) judged: bool,
}

impl Tombs {
    pub(crate) fn len(&self) -> usize {
        self.by_digest.len()
    }

    pub(crate) fn get(&self, digest: &Digest) -> Option<&Tomb> {
        self.by_digest.get(digest)
    }

    pub(crate) fn get_mut(&mut self, digest: &Digest) -> Option<&mut Tomb> {
        self.by_digest.get_mut(digest)
    }

    pub(crate) fn insert(&mut self, digest: Digest, tomb: Tomb) {
        self.by_digest.insert(digest, tomb);
    }

    pub(crate) fn remove(&mut self, digest: &Digest) -> Option<Tomb> {
        self.by_digest.remove(digest)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Tomb> {
        self.by_digest.values_mut()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Digest, &Tomb)> {
        self.by_digest.iter()
    }

    /// Takes out those of records that `goes` names.
    pub(super) fn take(&mut self, goes: impl Fn(&Digest) -> bool) -> Vec<Tomb> {
        self.by_digest.extract_if(|digest, _| goes(digest)).map(|(_, tomb)| tomb).collect()
    }

    /// Takes out those that `goes` names.
    pub(super) fn extract(&mut self, goes: impl Fn(&Tomb) -> bool) -> Vec<Tomb> {
        self.by_digest.extract_if(|_, tomb| goes(tomb)).map(|(_, tomb)| tomb).collect()
    }
}

impl Stripe {
    /// How many tombstones the stripe keeps; none in memory.
    #[must_use]
    pub fn tombstones(&self) -> u64 {
        self.tombs.as_ref().map_or(0, |tombs| tombs.len() as u64)
    }

    /// Writes a tombstone for a record that is about to be removed.
    pub(super) fn entomb(&mut self, digest: &Digest, meta: &Meta) -> Result<(), StoreError> {
        if self.tombs.is_none() {
            return Ok(());
        }
        let plan = Plan::new(&Meta { void_time: 0, ..*meta }, None, std::iter::empty())?;
        let location = self.log.append(plan.size(), Room::Spare)?;
        let (space, seed) = self.log.bytes_mut(location, plan.size());
        plan.write(space, digest, std::iter::empty(), seed);
        self.log.note_time(location, meta.last_update_ms);
        if let Some(tombs) = &mut self.tombs {
            tombs.insert(*digest, Tomb { location, covers: true, judged: false });
        }
        Ok(())
    }

    /// A record with this digest was written: its tombstone has done its work.
    #[inline]
    pub(super) fn disinter(&mut self, digest: &Digest) {
        if let Some(tombs) = &mut self.tombs
            && let Some(tomb) = tombs.remove(digest)
        {
            self.release_tomb(tomb.location);
        }
    }

    pub(super) fn release_tomb(&mut self, location: Location) {
        let size = self.tomb_size(location);
        self.log.release(location, size);
    }

    pub(super) fn tomb_size(&self, location: Location) -> usize {
        frame_size(self.log.bytes(location)).expect("invariant: a tombstone leads to a record")
    }
}
