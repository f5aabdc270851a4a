//! This node as one of many: who the others are, what this node holds, whom it sends its writes to.
//!
//! Guarantees: nothing here waits. Control (agreement, metadata) is behind one lock, the migration of each
//! namespace behind another, the streams of each stripe behind the stripe's own; locks are taken in that order only.
//! Gossip (membership) is behind a lock that is held for moments, and under which only its news are.
//! A node that never joined ([`Node::join`]) is alone, serves every partition, and pays nothing for all this.
//!
//! ```text
//!   datagrams ─► gossip ─► Control ── view installed ──► Migration (per namespace) ──► Streams (per stripe)
//!   fabric messages ──────┴───────────────────────────────┴────────────────────────────┘
//!   client's write ─► stripe changed and told to the streams under one lock ─► answer parked until copies hold it
//!   request for somebody else's partition ─► handed on over the fabric, the answer relayed
//! ```

mod act;
mod answer_later;
mod applied;
mod batch_rows;
mod control;
mod deferred;
mod entrance;
mod errands;
mod gossip;
mod ground;
mod hand_on;
mod hand_over;
mod image;
mod inspect;
mod install;
mod join;
mod keep;
mod map;
mod outgoing;
mod parking;
mod peers;
mod records;
mod replicate;
mod shard;
mod status;
mod tick;

pub use inspect::Queues;
pub use join::{Founding, Join, Seed};
pub use keep::Kept;
pub use map::NamespaceMap;
pub use outgoing::{ClusterNotice, Outgoing, Reply, Requester};
pub use peers::PeerList;
pub use status::{MigrationStatus, Status};

pub(crate) use answer_later::Waiting;
pub(crate) use applied::{INDEX, MODULE, TRUNCATE};
pub(crate) use batch_rows::Foreign;
pub(crate) use map::Holdings;
pub(crate) use parking::{Answer, Ticket};
pub(crate) use shard::Shard;

use crate::worker::Worker;
use control::Control;
use deferred::Deferred;
use errands::Errands;
use gossip::News;
use parking::Parking;
use parking_lot::{Mutex, RwLock};
use shipload_cluster::NodeId;
use shipload_cluster::membership::Membership;
use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// The cluster as this node sees it, and what it does for it.
#[derive(Debug)]
pub struct Cluster {
    /// This node joined; it serves only what it masters.
    joined: AtomicBool,
    incarnation: AtomicU64,
    gossip: Mutex<Option<Membership>>,
    /// What gossip has found out and control has not heard of.
    news: Mutex<VecDeque<News>>,
    control: Mutex<Option<Control>>,
    pub(crate) parking: Parking,
    deferred: Mutex<Vec<Deferred>>,
    errands: Errands,
    /// Nodes to which connections broke, for control.
    broken: Mutex<Vec<NodeId>>,
    /// For requests that are tried again from ticks.
    worker: Mutex<Worker>,
    status: RwLock<Arc<Status>>,
    peers: RwLock<Arc<PeerList>>,
    seeds: Mutex<join::Seeds>,
    doubts: Mutex<Vec<NodeId>>,
    /// What was to be done outside of the shell's calls; the next tick takes it along.
    later: Mutex<Outgoing>,
    /// The same for datagrams, which gossip takes along.
    datagrams: Mutex<Vec<(SocketAddr, Vec<u8>)>>,
    waker: Waker,
    control_waker: Waker,
    /// Moves when any partition has another master or other holders.
    partition_generation: AtomicU64,
    /// Moves when there is something new to write down.
    keep_generation: AtomicU64,
}

/// How the shell is told that a tick is wanted soon.
#[derive(Default)]
struct Waker(OnceLock<Box<dyn Fn() + Send + Sync>>);

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waker")
    }
}

impl Cluster {
    pub(crate) fn new(worker: Worker, me: NodeId, alone: Status) -> Cluster {
        Cluster {
            joined: AtomicBool::new(false),
            incarnation: AtomicU64::new(0),
            gossip: Mutex::new(None),
            news: Mutex::default(),
            control: Mutex::new(None),
            parking: Parking::new(me),
            deferred: Mutex::default(),
            errands: Errands::default(),
            broken: Mutex::default(),
            worker: Mutex::new(worker),
            status: RwLock::new(Arc::new(alone)),
            peers: RwLock::default(),
            seeds: Mutex::default(),
            doubts: Mutex::default(),
            later: Mutex::default(),
            datagrams: Mutex::default(),
            waker: Waker::default(),
            control_waker: Waker::default(),
            partition_generation: AtomicU64::new(0),
            keep_generation: AtomicU64::new(0),
        }
    }

    /// Whether this node is one of many, or wants to be.
    #[must_use]
    pub fn is_joined(&self) -> bool {
        self.joined.load(Ordering::Acquire)
    }

    /// The view that holds, in short.
    #[must_use]
    pub fn status(&self) -> Arc<Status> {
        Arc::clone(&self.status.read())
    }

    /// The other nodes that are up.
    #[must_use]
    pub fn peers(&self) -> Arc<PeerList> {
        Arc::clone(&self.peers.read())
    }

    /// Requests whose answers wait for other nodes.
    #[must_use]
    pub fn parked_requests(&self) -> usize {
        self.parking.len()
    }

    /// Moves when any partition has another master or other holders.
    #[must_use]
    pub fn partition_generation(&self) -> u64 {
        self.partition_generation.load(Ordering::Acquire)
    }

    /// Connections to a node broke: it is suspected at the next tick, and nobody waits for what it has to do.
    pub fn doubt(&self, node: NodeId) {
        for list in [&self.doubts, &self.broken] {
            let mut list = list.lock();
            if !list.contains(&node) {
                list.push(node);
            }
        }
        self.wake_gossip();
        self.wake();
    }

    /// The next tick takes this along, and it comes soon.
    pub fn do_later(&self, out: &mut Outgoing) {
        if !out.is_empty() {
            if !out.datagrams.is_empty() {
                self.datagrams.lock().append(&mut out.datagrams);
                self.wake_gossip();
            }
            self.later.lock().append(out);
            self.wake();
        }
    }

    fn keep_moved(&self) {
        self.keep_generation.fetch_add(1, Ordering::AcqRel);
    }

    fn map_moved(&self) {
        self.partition_generation.fetch_add(1, Ordering::AcqRel);
    }
}
