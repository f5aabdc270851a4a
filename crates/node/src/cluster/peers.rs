//! The other nodes that are up, for clients and for fabric connections.

use shipload_cluster::{Attributes, NodeId};
use std::collections::BTreeMap;

/// The other nodes that are up.
#[derive(Debug, Clone, Default)]
pub struct PeerList {
    /// Moves when the list changes.
    pub generation: u64,
    /// What each of them tells of itself.
    pub nodes: BTreeMap<NodeId, Attributes>,
}
