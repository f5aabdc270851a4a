//! One process: a whole node with its clocks and addresses. A crash drops it with everything that it held.

use crate::clock::Clock;
use shipload_cluster::{Attributes, Inventory, NodeId};
use shipload_node::cluster::{Founding, Join, Outgoing};
use shipload_node::config::{Config, ConfigError, NamespaceKey};
use shipload_node::{Identity, Namespace, Node, Now, Worker};
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Name of the one namespace.
pub const NAMESPACE: &str = "test";

/// How the nodes of a life are set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostSettings {
    /// `replication-factor`.
    pub copies: usize,
    /// `conflict-resolution-policy` is `last-update-time`.
    pub latest_wins: bool,
}

/// One process.
#[derive(Debug)]
pub struct Host {
    /// The node's id; it survives crashes.
    pub id: NodeId,
    /// Which process of the world this is; never used twice.
    pub life: u64,
    /// Where it is.
    pub heartbeat: SocketAddr,
    /// The node.
    pub node: Node,
    /// The one service thread.
    pub worker: Worker,
    /// Its clocks.
    pub clock: Clock,
    /// When the next tick is due, in the world's microseconds.
    pub tick_at_us: u64,
    /// It stands still until then; what comes waits in `inbox`.
    pub paused: bool,
    /// What came while it stood still.
    pub inbox: VecDeque<crate::event::Event>,
    /// It was asked to leave: it masters nothing soon.
    pub leaving: bool,
    woken: Arc<AtomicBool>,
}

impl Host {
    /// A process that has not joined yet. `life` numbers its address, too.
    ///
    /// # Errors
    /// When the configuration is refused.
    pub fn new(id: NodeId, life: u64, clock: Clock, settings: &HostSettings) -> Result<Host, ConfigError> {
        let mut config = Config::new();
        let namespace = config.add_namespace(NAMESPACE)?;
        namespace.keys.put(NamespaceKey::ReplicationFactor, &settings.copies.to_string())?;
        let policy = if settings.latest_wins { "last-update-time" } else { "generation" };
        namespace.keys.put(NamespaceKey::ConflictResolutionPolicy, policy)?;
        let node = Node::new(config, Identity { node_id: id.0, cluster_key: 1 })?;
        let woken = Arc::new(AtomicBool::new(false));
        let flags = [Arc::clone(&woken), Arc::clone(&woken)];
        let [gossip, control] = flags.map(|flag| move || flag.store(true, Ordering::Relaxed));
        node.cluster.set_waker(gossip);
        node.cluster.set_control_waker(control);
        Ok(Host {
            id,
            life,
            heartbeat: address(life),
            worker: node.worker(),
            node,
            clock,
            tick_at_us: u64::MAX,
            paused: false,
            inbox: VecDeque::new(),
            leaving: false,
            woken,
        })
    }

    /// Joins. `random` seeds the node's machines.
    pub fn join(&mut self, now: Now, random: u64, founding: Founding, out: &mut Outgoing) {
        let fabric = SocketAddr::new(self.heartbeat.ip(), 3001);
        let join = Join {
            incarnation: self.life,
            random,
            attributes: Attributes::at(fabric, self.heartbeat),
            founding,
            inventory: Inventory::default(),
            metadata: BTreeMap::new(),
        };
        self.node.join(now, join, out);
    }

    /// The one namespace.
    ///
    /// # Panics
    /// Never: it was configured.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        self.node.namespaces().first().expect("invariant: a namespace was configured")
    }

    /// Whether the node wanted a tick since the last call.
    pub fn take_woken(&self) -> bool {
        self.woken.swap(false, Ordering::Relaxed)
    }
}

/// The heartbeat address of a process.
#[must_use]
pub fn address(life: u64) -> SocketAddr {
    let [.., a, b, c] = life.to_be_bytes();
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, a, b, c)), 3002)
}
