//! Which holder of a partition serves it until all copies are where they belong.
//!
//! Guarantees: when anybody holds anything, a holder is chosen; a full copy before a partial one; never a copy of which
//! another one of its kind is a descendant; among equally good ones the first in rank.

use crate::version::{Relation, Version};

/// The best holder. `rank` is lower for members that come earlier in succession.
pub(super) fn choose<R: Ord>(holders: &[(usize, &Version)], rank: impl Fn(usize) -> R) -> Option<usize> {
    let any_full = holders.iter().any(|(_, version)| version.full);
    let candidates = || holders.iter().filter(|(_, version)| version.full == any_full);
    let best =
        |version: &Version| !candidates().any(|(_, other)| version.relation(other) == Relation::Ancestor);
    let newest = candidates()
        .filter(|(_, version)| best(version))
        .map(|(index, _)| *index)
        .min_by_key(|index| rank(*index));
    // Lineages that contradict each other could leave nobody; then rank alone decides.
    newest.or_else(|| candidates().map(|(index, _)| *index).min_by_key(|index| rank(*index)))
}
