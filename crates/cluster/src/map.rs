//! Who owns which partition: a pure function of a committed view.
//!
//! Guarantees: all members compute the same map. Owners are the members that rendezvous hashing ranks highest, in as many
//! racks as there are, so a member that comes or goes moves only its own share; with two or more copies not one
//! other copy moves. Masters are spread evenly. Quiesced members own nothing while others can. The acting
//! master always holds the best copy that any member has.
//!
//! The idea: each pair of member and partition has a score, a hash of both. Ranking by score gives every partition its
//! owners; by chance some members then master a few partitions too many, and hand those over to an owner that has too
//! few, where the scores speak least against it. Refuses to move records: what follows from a map is
//! [`crate::migration`]'s.

mod acting;
mod placement;

use shipload_value::PartitionId;
use shipload_value::digest::PARTITION_COUNT;

use self::placement::{Member, Placement};
use crate::agreement::Committed;
use crate::identity::NodeId;
use crate::migration::Duty;
use crate::version::{NamespaceInventory, Version};

/// Most copies of a partition.
pub const REPLICATION_FACTOR_MAX: usize = 32;

/// Who owns and who masters each partition of one namespace in one view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionMap {
    key: u64,
    replication_factor: usize,
    /// `replication_factor` owners per partition, the rightful master first.
    owners: Vec<NodeId>,
    acting: Vec<NodeId>,
}

impl PartitionMap {
    /// The key of the view that the map follows from.
    #[must_use]
    pub fn key(&self) -> u64 {
        self.key
    }

    /// How many copies there are of each partition: what was wished for, or fewer when there are fewer members.
    #[must_use]
    pub fn replication_factor(&self) -> usize {
        self.replication_factor
    }

    /// Who shall hold the partition, the rightful master first.
    #[must_use]
    pub fn owners(&self, partition: PartitionId) -> &[NodeId] {
        let start = partition.index() * self.replication_factor;
        self.owners.get(start..start + self.replication_factor).unwrap_or_default()
    }

    /// Who masters the partition once all copies are where they belong.
    #[must_use]
    pub fn rightful(&self, partition: PartitionId) -> Option<NodeId> {
        self.owners(partition).first().copied()
    }

    /// Who masters the partition from the moment the view is installed.
    #[must_use]
    pub fn acting(&self, partition: PartitionId) -> Option<NodeId> {
        self.acting.get(partition.index()).copied()
    }
}

/// The map of a namespace in a view; none when no member has the namespace.
#[must_use]
pub fn assign(committed: &Committed, namespace: &str) -> Option<PartitionMap> {
    let having: Vec<(Member, &NamespaceInventory)> = committed
        .members()
        .filter_map(|(node, standing)| {
            let inventory = standing.inventory.namespace(namespace)?;
            Some((Member { node, rack: standing.rack, quiesced: standing.quiesced }, inventory))
        })
        .collect();
    // Settings may differ for a while; the word of the highest member counts.
    let wished = usize::from(having.last()?.1.replication_factor);
    let members: Vec<Member> = having.iter().map(|(member, _)| *member).collect();
    let replication_factor = wished.clamp(1, REPLICATION_FACTOR_MAX).min(members.len());
    let placement = Placement::compute(&members, replication_factor);
    let mut owners = Vec::with_capacity(usize::from(PARTITION_COUNT) * replication_factor);
    let mut acting = Vec::with_capacity(usize::from(PARTITION_COUNT));
    let mut holders: Vec<(usize, &Version)> = Vec::new();
    for partition in PartitionId::all() {
        let own = placement.owners(partition);
        owners.extend(own.iter().filter_map(|index| members.get(*index)).map(|member| member.node));
        holders.clear();
        let held = having.iter().enumerate();
        holders.extend(held.filter_map(|(index, (_, inventory))| Some((index, inventory.get(partition)?))));
        let chosen = acting::choose(&holders, |index| placement.rank(partition, index));
        let index = chosen.or(own.first().copied()).unwrap_or(0);
        acting.push(members.get(index)?.node);
    }
    Some(PartitionMap { key: committed.view.key, replication_factor, owners, acting })
}

/// What follows from a map for each partition: who sends what to whom.
#[must_use]
pub fn duties(committed: &Committed, namespace: &str, map: &PartitionMap) -> Vec<Duty> {
    let having: Vec<(NodeId, &NamespaceInventory)> = committed
        .members()
        .filter_map(|(node, standing)| Some((node, standing.inventory.namespace(namespace)?)))
        .collect();
    let duty = |partition| {
        let holders: Vec<(NodeId, &Version)> =
            having.iter().filter_map(|(node, held)| Some((*node, held.get(partition)?))).collect();
        let master = map.acting(partition)?;
        Some(Duty::derive(partition, master, map.owners(partition), &holders, map.replication_factor()))
    };
    PartitionId::all().filter_map(duty).collect()
}
