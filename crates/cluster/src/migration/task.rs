//! One comparison with one other holder, from the master's side.

use crate::identity::NodeId;
use crate::replication::{Buckets, Summary};
use crate::version::Version;
use shipload_value::{Digest, PartitionId};
use std::collections::{BTreeSet, VecDeque};

/// What a comparison is for. In the order in which they should be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Purpose {
    /// The other's winning records come here.
    Gather,
    /// The other is made equal.
    Fill,
    /// The other should be equal.
    Verify,
}

/// Waiting tasks: what is urgent first, smallest first within their purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket {
    /// The partition has all the copies that it should, and they agree: there is time.
    pub(super) spare: bool,
    pub(super) purpose: Purpose,
    pub(super) records: u64,
    pub(super) partition: PartitionId,
    pub(super) peer: NodeId,
}

/// A comparison under way.
#[derive(Debug)]
pub(super) struct Task {
    /// As in [`Ticket`].
    pub(super) spare: bool,
    pub(super) purpose: Purpose,
    pub(super) records: u64,
    /// Tells this task's answers from those of earlier tasks.
    pub(super) round: u32,
    /// When something was last asked for.
    pub(super) asked_ms: u64,
    pub(super) stage: Stage,
}

/// How far it is.
#[derive(Debug)]
pub(super) enum Stage {
    /// Waits for the summary.
    Asking,
    /// Lists and ships, or lists and pulls.
    Comparing(Box<Compare>),
    /// Everything is sent; waits until the streams are acknowledged up to here.
    Closing(Vec<(NodeId, u64)>),
}

/// What is left to compare and to move.
#[derive(Debug, Default)]
pub(super) struct Compare {
    /// What the other side told in the beginning.
    pub(super) theirs: Summary,
    /// Buckets that differ and were not looked into yet.
    pub(super) todo: Buckets,
    /// Buckets whose listings are on the way.
    pub(super) awaiting: Buckets,
    /// Records to move.
    pub(super) queue: VecDeque<Digest>,
    /// Records on the way to here.
    pub(super) pulling: BTreeSet<Digest>,
}

impl Compare {
    pub(super) fn is_done(&self) -> bool {
        self.todo.is_empty() && self.awaiting.is_empty() && self.queue.is_empty() && self.pulling.is_empty()
    }
}

/// What the master of a partition knows of it in this view.
#[derive(Debug)]
pub(super) struct Led {
    /// The present version of this node's copy.
    pub(super) version: Version,
    pub(super) gathers: Vec<(NodeId, Version)>,
    pub(super) fills: Vec<NodeId>,
    /// Those of `fills` that keep their versions until all copies are gathered.
    pub(super) withheld: Vec<NodeId>,
    pub(super) verifies: Vec<NodeId>,
    /// Who has to drop a copy, once the partition is settled, and when they were last told.
    pub(super) releases: Vec<(NodeId, u64)>,
    pub(super) is_settled: bool,
}
