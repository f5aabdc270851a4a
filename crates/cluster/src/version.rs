//! What a node holds of a partition, and how two copies relate.
//!
//! Guarantees: a version's lineage is bounded and newest first; relations are decided by keys alone, so they come
//! out the same on every node. Inventories encode small, because most partitions have equal versions.
//!
//! The idea: each time a view is installed, the copies that receive writes in it take over its key and push their old
//! key onto their lineage. A copy that stayed away still has its old key: found in the lineage of another copy,
//! it is an ancestor and can simply follow. Two copies that were both written apart name each other in neither
//! lineage: they have diverged and must be merged.

mod inventory;

pub use self::inventory::{Inventory, NAMESPACE_NAME_MAX, NAMESPACES_MAX, NamespaceInventory};

use crate::cursor::{self, Malformed, Reader};

/// Most earlier keys that a version remembers. A copy that is older than that counts as diverged: merging is safe
/// for records, only deletions that it missed come back.
pub const LINEAGE_MAX: usize = 16;

/// What one copy of a partition is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Version {
    /// Key of the view in which this copy was last made or confirmed.
    pub key: u64,
    /// Whether the copy has all records. A copy that migration is still filling is not full.
    pub full: bool,
    /// Earlier keys, newest first, at most [`LINEAGE_MAX`].
    lineage: Vec<u64>,
}

/// How one version relates to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// Made or confirmed in the same view.
    Same,
    /// Older: the other one came out of it.
    Ancestor,
    /// Newer: it came out of the other one.
    Descendant,
    /// Neither came out of the other.
    Diverged,
}

impl Version {
    /// An empty copy, full by definition, that nobody had before.
    #[must_use]
    pub fn born(key: u64) -> Version {
        Version { key, full: true, lineage: Vec::new() }
    }

    /// A copy that is being filled from `source`; it becomes the source's equal when it is marked full.
    #[must_use]
    pub fn filling(source: &Version) -> Version {
        Version { full: false, ..source.clone() }
    }

    /// Earlier keys, newest first.
    #[must_use]
    pub fn lineage(&self) -> &[u64] {
        &self.lineage
    }

    /// This copy, confirmed in the view `key`.
    #[must_use]
    pub fn confirmed(&self, key: u64) -> Version {
        self.joined(None, key)
    }

    /// The copy that comes out of merging `other` into this one in the view `key`: a descendant of both.
    #[must_use]
    pub fn merged(&self, other: &Version, key: u64) -> Version {
        self.joined(Some(other), key)
    }

    fn joined(&self, other: Option<&Version>, key: u64) -> Version {
        let mut lineage = Vec::with_capacity(LINEAGE_MAX);
        let mut histories = [Some(self), other].map(|version| {
            version.into_iter().flat_map(|version| std::iter::once(&version.key).chain(&version.lineage))
        });
        // Taking turns keeps the newest keys of both when not all of them fit.
        for _ in 0..=LINEAGE_MAX {
            for history in &mut histories {
                if let Some(&old) = history.next()
                    && old != key
                    && !lineage.contains(&old)
                    && lineage.len() < LINEAGE_MAX
                {
                    lineage.push(old);
                }
            }
        }
        Version { key, full: self.full, lineage }
    }

    /// Makes this copy a full or a partial one.
    #[must_use]
    pub fn with_full(self, full: bool) -> Version {
        Version { full, ..self }
    }

    /// How this version relates to `other`, by lineage; whether they are full plays no part.
    #[must_use]
    pub fn relation(&self, other: &Version) -> Relation {
        let below = other.lineage.contains(&self.key);
        let above = self.lineage.contains(&other.key);
        match (below, above) {
            _ if self.key == other.key => Relation::Same,
            (true, false) => Relation::Ancestor,
            (false, true) => Relation::Descendant,
            // Each in the other's lineage cannot be told apart from foul play: merging is always safe.
            (true, true) | (false, false) => Relation::Diverged,
        }
    }

    /// Appends the encoded version.
    pub fn encode(&self, out: &mut Vec<u8>) {
        cursor::put_u64(out, self.key);
        out.push(u8::from(self.full));
        cursor::put_count(out, self.lineage.len());
        self.lineage.iter().for_each(|key| cursor::put_u64(out, *key));
    }

    /// Reads what [`Version::encode`] wrote.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Version, Malformed> {
        let (key, full) = (reader.u64()?, reader.bool()?);
        let count = reader.count(LINEAGE_MAX, 8)?;
        let lineage = (0..count).map(|_| reader.u64()).collect::<Result<_, _>>()?;
        Ok(Version { key, full, lineage })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_apart_diverge_and_merge_into_a_descendant_of_both() {
        let root = Version::born(1);
        let (left, right) = (root.confirmed(2), root.confirmed(3));
        assert_eq!(root.relation(&left), Relation::Ancestor);
        assert_eq!(left.relation(&root), Relation::Descendant);
        assert_eq!(left.relation(&right), Relation::Diverged);
        let merged = left.merged(&right, 4);
        assert_eq!(left.relation(&merged), Relation::Ancestor);
        assert_eq!(right.relation(&merged), Relation::Ancestor);
        assert_eq!(root.relation(&merged), Relation::Ancestor);
        assert_eq!(merged.relation(&merged.clone().with_full(false)), Relation::Same);
    }

    #[test]
    fn two_born_copies_have_diverged() {
        assert_eq!(Version::born(1).relation(&Version::born(2)), Relation::Diverged);
    }

    #[test]
    fn a_lineage_forgets_the_oldest() {
        let last = (2..40).fold(Version::born(1), |version, key| version.confirmed(key));
        assert_eq!(last.lineage().len(), LINEAGE_MAX);
        assert_eq!(last.lineage()[0], 38);
        assert_eq!(Version::born(1).relation(&last), Relation::Diverged);
        assert_eq!(last.confirmed(last.key).lineage(), last.lineage());
    }
}
