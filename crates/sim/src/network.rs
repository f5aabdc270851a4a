//! The network: datagrams that are lost singly, and fabric links that carry everything in order or break as a whole.
//!
//! A link belongs to a pair of nodes. While one of its directions is cut, what is sent that way waits; when that lasts too
//! long the link breaks, all that was on the way is lost, and both ends try to connect again.

use shipload_cluster::NodeId;
use std::collections::{BTreeMap, BTreeSet};

/// The most bytes that wait for a link to come up, for each direction; what is sent then is dropped.
const BACKLOG_BYTES_MAX: usize = 4 << 20;

/// How far a link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LinkState {
    /// Nobody wants it.
    #[default]
    Down,
    /// Somebody tries.
    Connecting,
    /// It carries messages.
    Up,
}

/// The fabric connections between two nodes.
#[derive(Debug, Default)]
pub struct Link {
    /// Counts connections and attempts.
    pub generation: u64,
    /// How far it is.
    pub state: LinkState,
    /// The processes at the lower and the higher end.
    pub lives: [u64; 2],
    /// When the last message of each direction arrives.
    pub last_us: [u64; 2],
    /// What waits, for each direction.
    pub waiting: [Vec<Vec<u8>>; 2],
}

impl Link {
    /// Lets a batch wait. False when too much waits already.
    pub fn wait(&mut self, direction: usize, bytes: Vec<u8>) -> bool {
        let held: usize = self.waiting[direction].iter().map(Vec::len).sum();
        let room = held + bytes.len() <= BACKLOG_BYTES_MAX;
        if room {
            self.waiting[direction].push(bytes);
        }
        room
    }

    /// The connection is gone, with all that was on its way.
    pub fn drop_all(&mut self, state: LinkState) {
        self.generation += 1;
        self.state = state;
        self.waiting = [Vec::new(), Vec::new()];
    }
}

/// The network.
#[derive(Debug, Default)]
pub struct Network {
    /// Of a thousand datagrams, so many are lost.
    pub loss_permille: u64,
    /// Of a thousand datagrams, so many come twice.
    pub double_permille: u64,
    /// How long anything takes, microseconds.
    pub delay_us: (u64, u64),
    /// Directions in which no datagram gets through.
    pub cut_datagrams: BTreeSet<(NodeId, NodeId)>,
    /// Directions in which no fabric message gets through.
    pub cut_fabric: BTreeSet<(NodeId, NodeId)>,
    /// Directions in which fabric messages take so much longer, microseconds. No fault: it may stay so.
    pub slow_fabric: BTreeMap<(NodeId, NodeId), u64>,
    /// A link that has been stuck for so long breaks, microseconds.
    pub stall_us: u64,
    /// Bytes of all datagrams that were sent.
    pub datagram_bytes: u64,
    /// Bytes of all fabric messages that were sent.
    pub fabric_bytes: u64,
    /// Links by their ends.
    pub links: BTreeMap<(NodeId, NodeId), Link>,
}

impl Network {
    /// Nothing is lost any more; what waits in links stays.
    pub fn calm(&mut self) {
        self.loss_permille = 0;
        self.double_permille = 0;
        self.delay_us = (100, 1000);
        self.cut_datagrams.clear();
        self.cut_fabric.clear();
    }

    /// How much longer a fabric message takes in this direction, microseconds.
    #[must_use]
    pub fn slower_us(&self, from: NodeId, to: NodeId) -> u64 {
        self.slow_fabric.get(&(from, to)).copied().unwrap_or(0)
    }

    /// Whether anything is cut.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        !self.cut_datagrams.is_empty() || !self.cut_fabric.is_empty()
    }
}

/// The ends of a link in order, and the direction from `from` to `to`.
#[must_use]
pub fn ends(from: NodeId, to: NodeId) -> ((NodeId, NodeId), usize) {
    if from < to { ((from, to), 0) } else { ((to, from), 1) }
}
