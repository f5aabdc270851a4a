//! Views as agreement and map would make them, simply.

use super::{Band, Event};
use shipload_cluster::identity::{NodeId, mix};
use shipload_cluster::migration::Duty;
use shipload_cluster::version::{Relation, Version};
use shipload_value::PartitionId;
use std::collections::{BTreeMap, BTreeSet};

impl Band {
    /// The nodes of a side agree on a view of these members: inventories now, commits a little later, to some
    /// much later. The members' inventories are frozen meanwhile.
    pub fn agree(&mut self, side: u8, members: &[u64]) {
        let members: BTreeSet<NodeId> = members.iter().map(|&id| NodeId(id)).collect();
        for id in &members {
            self.sides.insert(*id, side);
        }
        self.views += 1;
        let view = self.views;
        let partitions: Vec<_> = self.partitions().collect();
        let duties: Vec<Duty> = partitions.iter().map(|p| self.duty(*p, &members)).collect();
        for &id in &members {
            self.hosts.get_mut(&id).unwrap().migration.freeze();
            let late = self.rng.pct(15);
            let delay_ms = self.rng.below(if late { 300 } else { 20 });
            self.at(delay_ms, Event::Install { to: id, view, duties: duties.clone() });
            self.expected.insert(id, view);
        }
        self.latest.insert(side, (members, duties));
    }

    fn duty(&self, partition: PartitionId, members: &BTreeSet<NodeId>) -> Duty {
        let mut succession: Vec<NodeId> = members.iter().copied().collect();
        succession.sort_by_key(|id| mix(mix(id.0) ^ u64::from(partition.number())));
        let held: BTreeMap<NodeId, Version> = members
            .iter()
            .filter_map(|id| Some((*id, self.hosts[id].migration.version(partition)?.clone())))
            .collect();
        let rf = self.conditions.replication_factor;
        let owners = succession.get(..rf.min(succession.len())).unwrap();
        let best = |full: bool| {
            let candidate = |id: &&NodeId| held.get(id).is_some_and(|version| version.full || !full);
            let maximal = |id: &&NodeId| {
                let others = held.values().filter(|version| version.full || !full);
                !others.into_iter().any(|other| other.relation(&held[id]) == Relation::Descendant)
            };
            succession.iter().filter(candidate).find(maximal).copied()
        };
        let master = best(true).or_else(|| best(false)).unwrap_or(succession[0]);
        let holders: Vec<(NodeId, &Version)> = held.iter().map(|(id, version)| (*id, version)).collect();
        Duty::derive(partition, master, owners, &holders, rf)
    }

    pub(super) fn views_of(&self, id: NodeId) -> u64 {
        self.expected.get(&id).copied().unwrap_or(0)
    }

    /// Who should hold a partition in the newest view of a side.
    pub fn owners(&self, side: u8, partition: PartitionId) -> Vec<NodeId> {
        self.latest[&side].1.iter().find(|duty| duty.partition == partition).unwrap().owners.clone()
    }
}
