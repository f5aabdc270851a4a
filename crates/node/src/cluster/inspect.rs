//! Looking inside, for simulators and tests: observers compare what nodes hold and lead. Nothing here changes anything.

use super::image;
use super::map::NamespaceMap;
use crate::namespace::Namespace;
use crate::node::Node;
use shipload_cluster::NodeId;
use shipload_cluster::version::Version;
use shipload_store::STRIPE_COUNT;
use shipload_value::{Digest, PartitionId};
use std::sync::Arc;

/// How much waits inside a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Queues {
    /// Requests whose answers wait for other nodes.
    pub parked: usize,
    /// Requests that wait for a master.
    pub deferred: usize,
    /// Writes whose clients wait for holders.
    pub pending_writes: usize,
    /// Bytes sent to other holders and not acknowledged.
    pub unacked_bytes: usize,
    /// Writes that somebody is to be told of.
    pub waiters: usize,
}

impl Node {
    /// Whether this node serves the partition: in its own eyes it is the master.
    #[must_use]
    pub fn leads(&self, namespace: &Namespace, partition: PartitionId) -> bool {
        namespace.stripe_of(partition).serves(partition)
    }

    /// Whether this node masters any partition of any namespace.
    #[must_use]
    pub fn masters_anything(&self) -> bool {
        let me = self.id();
        let any =
            |one: &Namespace| PartitionId::all().any(|partition| one.holdings.is_served_by(me, partition));
        self.namespaces().iter().any(any)
    }

    /// Who masters a partition in this node's eyes.
    #[must_use]
    pub fn known_master(&self, namespace: &Namespace, partition: PartitionId) -> Option<NodeId> {
        namespace.holdings.master(partition)
    }

    /// The map of the view that holds; none before the first.
    #[must_use]
    pub fn partition_map(&self, namespace: &Namespace) -> Option<Arc<NamespaceMap>> {
        namespace.holdings.map()
    }

    /// This node's copy of a record as it travels between nodes; none when it holds none.
    #[must_use]
    pub fn held_image(&self, namespace: &Namespace, digest: &Digest) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let shard = namespace.stripe(digest);
        let record = shard.get(digest)?;
        image::encode(&record, namespace.sets().name(record.meta().set), &mut bytes);
        Some(bytes)
    }

    /// What this node says that it holds of a partition.
    #[must_use]
    pub fn held_version(&self, namespace: &Namespace, partition: PartitionId) -> Option<Version> {
        namespace.migration.lock().as_ref().and_then(|migration| migration.version(partition).cloned())
    }

    /// What migration still has to do, in words.
    #[must_use]
    pub fn unfinished(&self, namespace: &Namespace) -> Vec<String> {
        namespace.migration.lock().as_ref().map(|one| one.unfinished()).unwrap_or_default()
    }

    /// How much waits inside.
    #[must_use]
    pub fn queues(&self) -> Queues {
        let mut queues = Queues {
            parked: self.cluster.parking.len(),
            deferred: self.cluster.deferred.lock().len(),
            ..Queues::default()
        };
        for namespace in self.namespaces() {
            for stripe in 0..STRIPE_COUNT {
                if let Some(streams) = namespace.stripe_at(stripe).streams() {
                    queues.pending_writes += streams.replication.pending_writes();
                    queues.unacked_bytes += streams.replication.unacked_bytes();
                    queues.waiters += streams.waiters.len();
                }
            }
        }
        queues
    }

    /// Panics when a machine has become impossible.
    pub fn assert_invariants(&self) {
        if let Some(control) = self.cluster.control.lock().as_ref() {
            control.agreement.assert_invariants();
            control.metadata.assert_invariants();
        }
        for namespace in self.namespaces() {
            if let Some(migration) = namespace.migration.lock().as_ref() {
                migration.assert_invariants();
            }
            for stripe in 0..STRIPE_COUNT {
                if let Some(streams) = namespace.stripe_at(stripe).streams() {
                    streams.replication.assert_invariants();
                }
            }
        }
    }
}
