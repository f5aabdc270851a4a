//! The view that holds, in short; and how far migration is.

use shipload_cluster::NodeId;
use std::collections::BTreeMap;

/// The view that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Its key; 0 before the first view of a node that joined.
    pub key: u64,
    /// Its number.
    pub epoch: u64,
    /// Its members, ascending, each with its rack.
    pub members: BTreeMap<NodeId, u32>,
    /// Whether the members are exactly the nodes that are up, and no other view is being made.
    pub integrity: bool,
    /// When it was installed, monotonic nanoseconds.
    pub installed_mono_ns: u64,
    /// How many views were installed.
    pub views: u64,
    /// Moves when a rack changes.
    pub rack_generation: u64,
}

impl Status {
    /// The view of a node that is alone for ever.
    pub(crate) fn alone(node: u64, key: u64) -> Status {
        Status {
            key,
            epoch: 1,
            members: BTreeMap::from([(NodeId(node), 0)]),
            integrity: true,
            installed_mono_ns: 0,
            views: 1,
            rack_generation: 1,
        }
    }

    /// Who proposed the view.
    #[must_use]
    pub fn principal(&self) -> Option<NodeId> {
        self.members.last_key_value().map(|(node, _)| *node)
    }
}

/// How far the migration of a namespace is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MigrationStatus {
    /// Partitions that this node has to send, and those of them under way.
    pub sends: u64,
    /// See `sends`.
    pub sends_active: u64,
    /// Partitions that this node has to receive.
    pub receives: u64,
    /// Copies that should be equal and are not compared yet.
    pub verifies: u64,
    /// Copies that are to be dropped.
    pub releases: u64,
    /// Records that were sent and received since the start.
    pub records_sent: u64,
    /// See `records_sent`.
    pub records_received: u64,
    /// Bytes sent to other holders and not acknowledged.
    pub unacked_bytes: u64,
}

impl MigrationStatus {
    /// Partitions that are not where they belong.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.sends + self.receives
    }
}
