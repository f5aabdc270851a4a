//! Truncation: the last-update time before which records of a namespace or of a set are dead.
//!
//! A cut-off takes effect for readers the moment it is set; sweeps remove what it killed later.

use crate::meta::SetId;

/// The cut-offs of a namespace. One value is shared by all its stripes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cutoffs {
    namespace_ms: u64,
    sets_ms: Vec<u64>,
}

impl Cutoffs {
    /// No truncation.
    #[must_use]
    pub fn new() -> Cutoffs {
        Cutoffs::default()
    }

    /// True when nothing was ever truncated, so that no record needs to be read to judge it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.namespace_ms == 0 && self.sets_ms.is_empty()
    }

    /// The namespace's cut-off in milliseconds since 2010-01-01; 0 is none.
    #[must_use]
    pub fn namespace_ms(&self) -> u64 {
        self.namespace_ms
    }

    /// Kills the records of the namespace last updated before `cut_ms` (since 2010-01-01). A cut-off only moves
    /// forward: an earlier time than the present one changes nothing.
    pub fn truncate_namespace(&mut self, cut_ms: u64) {
        self.namespace_ms = self.namespace_ms.max(cut_ms);
    }

    /// The cut-off of one set alone, in milliseconds since 2010-01-01; 0 is none.
    #[must_use]
    pub fn set_ms(&self, set: SetId) -> u64 {
        self.sets_ms.get(set.index()).copied().unwrap_or(0)
    }

    /// Kills the records of one set last updated before `cut_ms`; like [`Cutoffs::truncate_namespace`].
    pub fn truncate_set(&mut self, set: SetId, cut_ms: u64) {
        if self.sets_ms.len() <= set.index() {
            self.sets_ms.resize(set.index() + 1, 0);
        }
        if let Some(cut) = self.sets_ms.get_mut(set.index()) {
            *cut = (*cut).max(cut_ms);
        }
    }

    /// Forgets the namespace's cut-off. Records that a sweep has removed do not come back.
    pub fn undo_namespace(&mut self) {
        self.namespace_ms = 0;
    }

    /// Forgets the cut-off of one set.
    pub fn undo_set(&mut self, set: SetId) {
        if let Some(cut) = self.sets_ms.get_mut(set.index()) {
            *cut = 0;
        }
    }

    /// The time before which a record of `set` is dead; 0 is none.
    #[must_use]
    pub fn cut_ms(&self, set: SetId) -> u64 {
        self.namespace_ms.max(self.set_ms(set))
    }

    /// True when a record of `set` last updated at `last_update_ms` is dead.
    #[must_use]
    pub fn kills(&self, set: SetId, last_update_ms: u64) -> bool {
        last_update_ms < self.cut_ms(set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_of_both_cuts_counts_and_neither_moves_back() {
        let demo = SetId::new(3).unwrap();
        let mut cutoffs = Cutoffs::new();
        assert!(cutoffs.is_empty() && !cutoffs.kills(demo, 0));
        cutoffs.truncate_set(demo, 100);
        assert!(cutoffs.kills(demo, 99) && !cutoffs.kills(demo, 100) && !cutoffs.kills(SetId::NONE, 99));
        cutoffs.truncate_set(demo, 50);
        assert_eq!(cutoffs.set_ms(demo), 100);
        cutoffs.truncate_namespace(200);
        assert!(cutoffs.kills(demo, 199) && cutoffs.kills(SetId::NONE, 199) && !cutoffs.kills(demo, 200));
        cutoffs.undo_namespace();
        assert_eq!(cutoffs.cut_ms(demo), 100);
        cutoffs.undo_set(demo);
        assert_eq!(cutoffs.cut_ms(demo), 0);
    }
}
