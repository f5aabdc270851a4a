//! What follows for one partition from its owners, its acting master and what every member holds.

use crate::identity::NodeId;
use crate::version::{Relation, Version};
use shipload_value::PartitionId;

/// Who does what for one partition in one view. Computed from agreed facts, so it is the same on all members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duty {
    /// The partition.
    pub partition: PartitionId,
    /// The acting master.
    pub master: NodeId,
    /// What the acting master holds before this view; none when nobody holds anything.
    pub source: Option<Version>,
    /// Who shall hold the partition, the rightful master first.
    pub owners: Vec<NodeId>,
    /// Others that hold the same full copy as the master and stay equal: owners, and as many more as are needed
    /// for replication factor many full copies.
    pub equals: Vec<NodeId>,
    /// Holders of something that the master may lack.
    pub gathers: Vec<(NodeId, Version)>,
    /// All that hold something that the master may lack, whether gathered or the twin of one that is.
    pub lacked: Vec<NodeId>,
    /// Owners whose copies have to be made equal to the master's.
    pub fills: Vec<NodeId>,
    /// Everybody who holds anything and is no owner: to be released in the end. The master may be among them.
    pub extras: Vec<NodeId>,
    /// Copies that every write should have, if there are so many members.
    pub replication_factor: usize,
}

impl Duty {
    /// The duties that follow. `holders` are the members that hold anything, ordered by node id.
    #[must_use]
    pub fn derive(
        partition: PartitionId,
        master: NodeId,
        owners: &[NodeId],
        holders: &[(NodeId, &Version)],
        replication_factor: usize,
    ) -> Duty {
        let source = holders.iter().find(|(node, _)| *node == master).map(|(_, version)| (*version).clone());
        let is_owner = |node: NodeId| owners.contains(&node);
        let others = || holders.iter().filter(|(node, _)| *node != master);
        let is_equal = |version: &Version| {
            source.as_ref().is_some_and(|s| s.full && version.full && version.relation(s) == Relation::Same)
        };
        let mut equals: Vec<NodeId> =
            others().filter(|(node, version)| is_owner(*node) && is_equal(version)).map(|h| h.0).collect();
        for (node, _) in others().filter(|(node, version)| !is_owner(*node) && is_equal(version)) {
            if equals.len() + 1 < replication_factor {
                equals.push(*node);
            }
        }
        let mut gathers: Vec<(NodeId, Version)> = Vec::new();
        let mut lacked = Vec::new();
        for (node, version) in others().filter(|(_, version)| lacks(source.as_ref(), version)) {
            lacked.push(*node);
            // Full copies of one version are equal: one of them will do.
            if !(version.full && gathers.iter().any(|(_, other)| other.full && other.key == version.key)) {
                gathers.push((*node, (*version).clone()));
            }
        }
        let fresh = holders.is_empty();
        let behind = |node: &&NodeId| **node != master && !equals.contains(node) && !fresh;
        let fills = owners.iter().filter(behind).copied().collect();
        if fresh {
            equals = owners.iter().copied().filter(|node| *node != master).collect();
        }
        let extras = holders.iter().map(|(node, _)| *node).filter(|node| !is_owner(*node)).collect();
        let owners = owners.to_vec();
        Duty { partition, master, source, owners, equals, gathers, lacked, fills, extras, replication_factor }
    }

    /// Whether the node takes part in any way.
    #[must_use]
    pub fn concerns(&self, node: NodeId) -> bool {
        self.master == node || self.owners.contains(&node) || self.extras.contains(&node)
    }

    /// The node that masters the partition in the end.
    #[must_use]
    pub fn rightful(&self) -> NodeId {
        self.owners.first().copied().unwrap_or(self.master)
    }

    /// The fills that writes have to wait for, because there are too few full copies.
    pub(super) fn counted_fills(&self) -> &[NodeId] {
        let missing = self.replication_factor.saturating_sub(1 + self.equals.len());
        self.fills.get(..missing.min(self.fills.len())).unwrap_or_default()
    }
}

/// Whether a copy may hold something that the master lacks. When the master's own copy is partial, any may.
fn lacks(source: Option<&Version>, version: &Version) -> bool {
    let Some(source) = source else { return true };
    match version.relation(source) {
        Relation::Descendant | Relation::Diverged => true,
        Relation::Same | Relation::Ancestor => !source.full,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn duty(master: u64, owners: &[u64], holders: &[(u64, &Version)]) -> Duty {
        let owners: Vec<_> = owners.iter().map(|&id| NodeId(id)).collect();
        let holders: Vec<_> = holders.iter().map(|&(id, version)| (NodeId(id), version)).collect();
        Duty::derive(PartitionId::new(7).unwrap(), NodeId(master), &owners, &holders, 2)
    }

    #[test]
    fn a_fresh_partition_has_nothing_to_do() {
        let duty = duty(1, &[1, 2], &[]);
        assert_eq!((duty.equals, duty.fills, duty.extras), (vec![NodeId(2)], vec![], vec![]));
    }

    #[test]
    fn a_newcomer_is_filled_and_an_old_owner_keeps_listening_until_released() {
        let full = Version::born(1);
        let duty = duty(1, &[3, 1], &[(1, &full), (2, &full)]);
        assert_eq!(duty.equals, [NodeId(2)]);
        assert_eq!(duty.fills, [NodeId(3)]);
        assert_eq!(duty.extras, [NodeId(2)]);
        assert!(duty.gathers.is_empty() && duty.counted_fills().is_empty());
    }

    #[test]
    fn one_copy_of_each_diverged_version_is_gathered_and_all_that_is_partial() {
        let root = Version::born(1);
        let (left, right) = (root.confirmed(2), root.confirmed(3));
        let partial = right.clone().with_full(false);
        let duty =
            duty(1, &[1, 3], &[(1, &left), (2, &left), (3, &right), (4, &right), (5, &partial), (6, &root)]);
        let gathers: Vec<_> = duty.gathers.iter().map(|(node, _)| node.0).collect();
        assert_eq!(gathers, [3, 5]);
        assert_eq!(duty.fills, [NodeId(3)]);
        assert_eq!(duty.extras, [2, 4, 5, 6].map(NodeId));
    }

    #[test]
    fn a_partial_master_gathers_from_everybody_and_counts_fills() {
        let full = Version::born(1);
        let partial = full.with_full(false);
        let duty = duty(1, &[1, 2], &[(1, &partial), (2, &partial)]);
        assert_eq!(duty.lacked, [NodeId(2)]);
        assert_eq!(duty.counted_fills(), [NodeId(2)]);
    }
}
