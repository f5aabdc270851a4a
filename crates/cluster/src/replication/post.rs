//! What a node is for one partition in one view: where streams come from and where they go.

use super::inlet::Inlet;
use super::outlet::Outlet;
use super::stamp::ConflictPolicy;
use crate::fabric::Item;
use crate::identity::NodeId;
use shipload_value::{Digest, PartitionId};
use std::collections::BTreeSet;

/// Deletes that are remembered while copies are gathered.
const REMOVED_MAX: usize = 1 << 16;

/// Somebody to whom a master sends its writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Who.
    pub peer: NodeId,
    /// Writes wait until this one holds them.
    pub counted: bool,
    /// The first entry of its stream.
    pub greeting: Option<Item<'static>>,
}

/// What a node is for one partition in a view that is being installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    /// The partition.
    pub partition: PartitionId,
    /// This node is its master.
    pub leading: bool,
    /// To whom a master sends.
    pub listeners: Vec<Listener>,
    /// From whom streams are accepted.
    pub sources: Vec<NodeId>,
    /// Copies are being gathered: deletes have to be remembered.
    pub gathering: bool,
    /// Who wins between a record here and a write of the master, as long as the master has not said what this copy is in
    /// the view: it may be gathered first, and must not lose what the master lacks.
    pub keeps: Option<ConflictPolicy>,
}

/// A listener with its stream.
#[derive(Debug)]
pub(super) struct Branch {
    pub(super) peer: NodeId,
    pub(super) counted: bool,
    /// Migration wants to know when there is room.
    pub(super) watched: bool,
    pub(super) outlet: Outlet,
}

/// What this node is for one partition.
#[derive(Debug, Default)]
pub(super) struct Post {
    pub(super) leading: bool,
    /// See [`Replication::reign`](super::Replication::reign).
    pub(super) reign: u64,
    pub(super) branches: Vec<Branch>,
    pub(super) inlets: Vec<Inlet>,
    pub(super) sources: Vec<NodeId>,
    /// This node's copy is dropped.
    pub(super) has_left: bool,
    /// What was deleted while copies are gathered, so that a copy that is behind does not bring it back.
    pub(super) removed: Option<BTreeSet<Digest>>,
    /// Records that were asked of all copies while these are gathered: what is here is what counts.
    pub(super) resolved: BTreeSet<Digest>,
    /// See [`Posting::keeps`].
    pub(super) keeps: Option<ConflictPolicy>,
}

impl Post {
    pub(super) fn branch(&mut self, peer: NodeId) -> Option<&mut Branch> {
        self.branches.iter_mut().find(|branch| branch.peer == peer)
    }

    /// The stream from `from`; made when it is the first entry from somebody who may send.
    pub(super) fn inlet(&mut self, from: NodeId) -> Option<usize> {
        if let Some(at) = self.inlets.iter().position(|inlet| inlet.from == from) {
            return Some(at);
        }
        if !self.sources.contains(&from) {
            return None;
        }
        self.inlets.push(Inlet::new(from));
        Some(self.inlets.len() - 1)
    }

    /// How far the stream from `from` is applied.
    pub(super) fn applied(&self, from: NodeId) -> u64 {
        self.inlets.iter().find(|inlet| inlet.from == from).map_or(0, Inlet::applied)
    }

    /// Remembers that a record was asked of all copies; beyond the bound it is asked again each time.
    pub(super) fn note_resolved(&mut self, digest: &Digest) {
        if self.removed.is_some() && self.resolved.len() < REMOVED_MAX {
            self.resolved.insert(*digest);
        }
    }

    pub(super) fn note_removed(&mut self, digest: &Digest) {
        if let Some(removed) = self.removed.as_mut().filter(|removed| removed.len() < REMOVED_MAX) {
            removed.insert(*digest);
        }
    }
}
