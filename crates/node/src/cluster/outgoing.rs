//! What the engine wants the shell to do for the cluster, and what it has to tell.

use crate::timing::Timing;
use shipload_cluster::NodeId;
use shipload_cluster::fabric::Message;
use std::fmt;
use std::net::SocketAddr;

/// Collected by every call that may have to do with other nodes; the shell empties it.
#[derive(Debug, Default)]
pub struct Outgoing {
    /// To be sent from the heartbeat socket. They may get lost.
    pub datagrams: Vec<(SocketAddr, Vec<u8>)>,
    /// To be sent over fabric connections, in this order for each node. They may get lost.
    pub fabric: Vec<(NodeId, Message<'static>)>,
    /// Answers of requests that were parked.
    pub replies: Vec<Reply>,
    /// To be logged.
    pub notices: Vec<ClusterNotice>,
}

impl Outgoing {
    /// Nothing is to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
            && self.fabric.is_empty()
            && self.replies.is_empty()
            && self.notices.is_empty()
    }

    /// Moves everything of another one behind what is here.
    pub fn append(&mut self, other: &mut Outgoing) {
        self.datagrams.append(&mut other.datagrams);
        self.fabric.append(&mut other.fabric);
        self.replies.append(&mut other.replies);
        self.notices.append(&mut other.notices);
    }
}

/// Who waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Requester {
    /// Nobody whose answer could be parked: requests are answered without waiting for other nodes.
    #[default]
    Nobody,
    /// A connection of the shell, in its own terms.
    Client {
        /// The service thread.
        thread: u32,
        /// The connection's place there.
        slot: u64,
        /// Tells the connection from an earlier one in the same place.
        serial: u64,
    },
    /// Another node, which handed the request on.
    Node {
        /// Which one.
        node: NodeId,
        /// Its number for the request.
        id: u64,
        /// How often the request was handed on already.
        hops: u8,
    },
}

impl Requester {
    /// How often the request was handed on already.
    pub(super) fn hops(self) -> u8 {
        match self {
            Requester::Node { hops, .. } => hops,
            Requester::Nobody | Requester::Client { .. } => 0,
        }
    }
}

/// The answer of a request that was parked.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply {
    /// Whose request it was; always a [`Requester::Client`].
    pub requester: Requester,
    /// Complete frames.
    pub frames: Vec<u8>,
    /// Where to count the time it took.
    pub timing: Option<Timing>,
    /// When the request was first executed, monotonic nanoseconds.
    pub began_mono_ns: u64,
}

/// Something about the cluster that belongs into the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterNotice {
    /// A node is there, or there again.
    Up(NodeId, SocketAddr),
    /// A node is gone.
    Down(NodeId),
    /// A datagram was refused, and why.
    Refused(SocketAddr, String),
    /// A fabric message of this node made no sense, and why.
    Malformed(NodeId, String),
    /// Another process has this node's id.
    SameId(SocketAddr),
    /// Others had taken this node for dead.
    Rejoined,
    /// This process stood still for so many milliseconds.
    Stalled(u64),
    /// A view is installed: epoch, key, size.
    View(u64, u64, usize),
    /// All partitions of this namespace that this node has to do with are where they belong.
    Settled(String),
}

impl ClusterNotice {
    /// Whether somebody should look at it.
    #[must_use]
    pub fn is_warning(&self) -> bool {
        match self {
            ClusterNotice::Down(_)
            | ClusterNotice::Refused(..)
            | ClusterNotice::Malformed(..)
            | ClusterNotice::SameId(_)
            | ClusterNotice::Rejoined
            | ClusterNotice::Stalled(_) => true,
            ClusterNotice::Up(..) | ClusterNotice::View(..) | ClusterNotice::Settled(_) => false,
        }
    }
}

impl fmt::Display for ClusterNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClusterNotice::Up(node, at) => write!(f, "node {node} at {at} is there"),
            ClusterNotice::Down(node) => write!(f, "node {node} is gone"),
            ClusterNotice::Refused(from, why) => write!(f, "a datagram from {from} was refused: {why}"),
            ClusterNotice::Malformed(node, why) => {
                write!(f, "a message from node {node} was refused: {why}")
            }
            ClusterNotice::SameId(from) => {
                write!(f, "another process, at {from}, has this node's id: one data directory is a copy")
            }
            ClusterNotice::Rejoined => write!(f, "other nodes had taken this one for dead; it is back"),
            ClusterNotice::Stalled(ms) => write!(f, "this process stood still for {ms} ms"),
            ClusterNotice::View(epoch, key, size) => {
                write!(f, "cluster of {size}: view {epoch}, key {key:X}")
            }
            ClusterNotice::Settled(namespace) => {
                write!(f, "namespace {namespace}: all partitions are where they belong")
            }
        }
    }
}
