//! Writes whose clients wait for holders.

use super::effect::{Effect, Effects, WriteId};
use crate::identity::NodeId;
use shipload_value::PartitionId;
use std::collections::BTreeMap;

/// A write that waits.
#[derive(Debug)]
struct Waiting {
    partition: PartitionId,
    peers: Vec<NodeId>,
    deadline_ms: u64,
}

/// The writes that wait, by id: ids rise with time, and so do deadlines.
#[derive(Debug, Default)]
pub(super) struct Pending {
    waiting: BTreeMap<WriteId, Waiting>,
    last: u64,
}

impl Pending {
    /// Ids of writes begin behind this one.
    pub(super) fn start_after(&mut self, first: WriteId) {
        self.last = first.0;
    }

    /// An id for a write.
    pub(super) fn next_id(&mut self) -> WriteId {
        self.last += 1;
        WriteId(self.last)
    }

    pub(super) fn wait(&mut self, id: WriteId, partition: PartitionId, peers: Vec<NodeId>, deadline_ms: u64) {
        self.waiting.insert(id, Waiting { partition, peers, deadline_ms });
    }

    /// A holder has it.
    pub(super) fn held_by(&mut self, id: WriteId, peer: NodeId, effects: &mut Effects) {
        let Some(waiting) = self.waiting.get_mut(&id) else { return };
        waiting.peers.retain(|&other| other != peer);
        if waiting.peers.is_empty() {
            self.waiting.remove(&id);
            effects.push(Effect::Committed(id));
        }
    }

    /// The holders that writes of a partition wait for have changed: asks which each one waits for now.
    pub(super) fn reconsider(
        &mut self,
        partition: PartitionId,
        peers: impl Fn(WriteId) -> Vec<NodeId>,
        effects: &mut Effects,
    ) {
        self.waiting.retain(|&id, waiting| {
            if waiting.partition == partition {
                waiting.peers = peers(id);
                if waiting.peers.is_empty() {
                    effects.push(Effect::Committed(id));
                    return false;
                }
            }
            true
        });
    }

    /// Gives up the writes of the partitions for which `lost` says so.
    pub(super) fn give_up(&mut self, lost: impl Fn(PartitionId) -> bool, effects: &mut Effects) {
        self.waiting.retain(|&id, waiting| {
            let lost = lost(waiting.partition);
            if lost {
                effects.push(Effect::InDoubt(id));
            }
            !lost
        });
    }

    /// Gives up the writes whose time is over.
    pub(super) fn expire(&mut self, now_ms: u64, effects: &mut Effects) {
        while let Some(entry) = self.waiting.first_entry().filter(|entry| entry.get().deadline_ms <= now_ms) {
            effects.push(Effect::InDoubt(*entry.key()));
            entry.remove();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The partitions and peers that are waited for.
    pub(super) fn waits(&self) -> impl Iterator<Item = (WriteId, PartitionId, &[NodeId])> {
        self.waiting.iter().map(|(&id, waiting)| (id, waiting.partition, &*waiting.peers))
    }
}
