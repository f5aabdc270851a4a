//! One process: a whole node with its clocks and addresses. A crash drops it with everything that it held.

use crate::client::digest;
use crate::clock::Clock;
use crate::disk::Shelf;
use shipload_cluster::metadata::Entry;
use shipload_cluster::{Attributes, Inventory, NodeId};
use shipload_node::cluster::{Founding, Join, Kept, Outgoing};
use shipload_node::config::{Config, ConfigError, NamespaceKey};
use shipload_node::{Identity, Namespace, Node, Now, Worker};
use shipload_store::{Disk, LoadReport, Owner, Volume, VolumeError};
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Name of the one namespace.
pub const NAMESPACE: &str = "test";

/// A node that commits flushes at each so many-th look at its own work.
const FLUSH_EVERY: u64 = 8;

/// How the nodes of a life are set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostSettings {
    /// `replication-factor`.
    pub copies: usize,
    /// `conflict-resolution-policy` is `last-update-time`.
    pub latest_wins: bool,
    /// Nodes stand in so many racks, by their ids.
    pub racks: u64,
    /// Records lie on disks that outlive processes.
    pub disks: bool,
    /// Caches may keep records, for far too long.
    pub cached: bool,
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
    /// When its own work is due, in the world's microseconds.
    pub upkeep_at_us: u64,
    /// What it found on its disk.
    found: Option<(Inventory, BTreeMap<String, Entry>)>,
    /// Everything is committed before anybody hears of it.
    pub commits: bool,
    upkeeps: u64,
    racks: u64,
    kept_generation: u64,
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
        namespace.keys.put(NamespaceKey::NsupPeriod, "1")?;
        if settings.cached {
            namespace.keys.put(NamespaceKey::CacheMaxTtl, "3")?;
            namespace.keys.put(NamespaceKey::CacheMinTtl, "0")?;
            namespace.keys.put(NamespaceKey::CacheWriteChancePct, "99")?;
        }
        let commits = settings.disks && commits(id);
        namespace.keys.put(NamespaceKey::CommitToDevice, &commits.to_string())?;
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
            upkeep_at_us: 0,
            found: None,
            commits,
            upkeeps: 0,
            racks: settings.racks.max(1),
            kept_generation: u64::MAX,
            woken,
        })
    }

    /// Joins. `random` seeds the node's machines.
    pub fn join(&mut self, now: Now, random: u64, founding: Founding, out: &mut Outgoing) {
        let fabric = SocketAddr::new(self.heartbeat.ip(), 3001);
        let (inventory, metadata) = self.found.take().unwrap_or_default();
        let mut attributes = Attributes::at(fabric, self.heartbeat);
        attributes.rack = u32::try_from(self.id.0 % self.racks).unwrap_or(0);
        let join = Join { incarnation: self.life, random, attributes, founding, inventory, metadata };
        self.node.join(now, join, out);
    }

    /// Puts its records on a disk, and finds what an earlier process has left there.
    ///
    /// # Errors
    /// What is wrong with the disk.
    pub fn attach(&mut self, shelf: &Shelf, random: u64) -> Result<(), String> {
        let owner = Owner { namespace: NAMESPACE.to_owned(), cluster: String::new() };
        let disks = || -> Vec<Box<dyn Disk>> { vec![Box::new(shelf.disk.clone())] };
        let text = |error: VolumeError| error.to_string();
        let volume = match Volume::open_journaled(disks(), &owner, random, None, shelf.given()) {
            Ok(volume) => volume,
            Err(_) if shelf.kept.is_none() && shelf.promised.is_empty() => {
                Volume::format(&disks(), [7; 16], &owner).map_err(text)?;
                let volume = Volume::open(disks(), &owner, random).map_err(text)?;
                let formatted = shelf.journal.as_ref().map(|journal| volume.format_journal(journal));
                formatted.transpose().map_err(|error| error.to_string())?;
                volume
            }
            Err(error) => return Err(error.to_string()),
        };
        if let Some(journal) = shelf.journal.as_ref().filter(|_| !volume.has_journal()) {
            volume.use_journal(Box::new(journal.clone())).map_err(text)?;
        }
        let namespace = self.namespace();
        namespace.attach(Arc::new(volume)).map_err(text)?;
        let mut report = LoadReport::default();
        let slots = namespace.volume().map(|volume| volume.slot_counts().to_vec()).unwrap_or_default();
        for (device, count) in (0_u16..).zip(slots) {
            report.merge(namespace.load(device, 0..count).map_err(text)?);
        }
        namespace.finish_load(&mut report);
        let kept = shelf
            .kept
            .as_ref()
            .map(|bytes| Kept::decode(bytes))
            .transpose()
            .map_err(|error| error.to_string())?;
        // A node that has never written down anything has just been made.
        let inventory =
            if kept.is_some() { self.node.restored(kept.as_ref(), random) } else { Inventory::default() };
        self.found = Some((inventory, kept.map(|kept| kept.metadata).unwrap_or_default()));
        Ok(())
    }

    /// Puts what was written on its disk, and writes down what is new of the cluster; that is given back.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn flush(&mut self) -> Result<Option<Vec<u8>>, String> {
        self.upkeeps += 1;
        // What is committed goes to its place now and then only.
        if !self.commits || self.upkeeps.is_multiple_of(FLUSH_EVERY) {
            self.namespace().flush().map_err(|error| error.to_string())?;
        }
        let generation = self.node.keep_generation();
        let moved = std::mem::replace(&mut self.kept_generation, generation) != generation;
        Ok(moved.then(|| self.node.keep(false).encode()))
    }

    /// What it holds of so many records.
    #[must_use]
    pub fn images(&self, records: usize) -> BTreeMap<usize, Option<Vec<u8>>> {
        let image = |record| self.node.held_image(self.namespace(), &digest(record));
        (0..records).map(|record| (record, image(record))).collect()
    }

    /// A record that it does not hold as it was.
    #[must_use]
    pub fn misses(&self, promised: &BTreeMap<usize, Option<Vec<u8>>>) -> Option<usize> {
        let held = self.images(promised.len());
        promised.iter().find(|(record, image)| held.get(record) != Some(image)).map(|(record, _)| *record)
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

/// Whether a node with a disk commits each write before it is answered: one of two.
#[must_use]
pub fn commits(id: NodeId) -> bool {
    id.0.is_multiple_of(2)
}

/// The heartbeat address of a process.
#[must_use]
pub fn address(life: u64) -> SocketAddr {
    let [.., a, b, c] = life.to_be_bytes();
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, a, b, c)), 3002)
}
