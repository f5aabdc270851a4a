//! A fleet of nodes in one thread: membership and agreement of each, virtual time, and a network that loses, doubles,
//! delays and cuts. Everything follows from one seed; `trace` is a hash over all that happened.

#![allow(dead_code)]

pub mod network;
pub mod node;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use rand::rngs::SmallRng;
use rand::{Rng, RngExt, SeedableRng};
use shipload_cluster::identity::mix;
use shipload_cluster::{NodeId, View};

use self::network::{Network, Packet};
use self::node::Node;

/// What lies ahead.
#[derive(Debug)]
enum Event {
    Packet(Packet),
    Wake { node: NodeId },
}

/// How the machines of a fleet are set.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tuning {
    pub membership: shipload_cluster::membership::Settings,
    pub agreement: shipload_cluster::agreement::Settings,
}

pub struct Fleet {
    pub now_ms: u64,
    pub rng: SmallRng,
    pub network: Network,
    pub nodes: BTreeMap<NodeId, Node>,
    /// Nodes that stand still: their timers and packets wait.
    pub frozen: BTreeSet<NodeId>,
    pub trace: u64,
    pub tuning: Tuning,
    /// Every view that any node installed, by epoch and key.
    views: BTreeMap<(u64, u64), View>,
    homes: BTreeMap<SocketAddr, NodeId>,
    queue: BTreeMap<(u64, u64), Event>,
    queued: u64,
    lives: u64,
    /// Assertions inside the machines cost more than the machines in large fleets.
    pub checked: bool,
}

impl Fleet {
    pub fn new(seed: u64, tuning: Tuning) -> Fleet {
        let mut rng = SmallRng::seed_from_u64(seed);
        let network = Network::new(SmallRng::seed_from_u64(rng.next_u64()));
        Fleet {
            now_ms: 1_000_000,
            rng,
            network,
            nodes: BTreeMap::new(),
            frozen: BTreeSet::new(),
            trace: 0,
            tuning,
            views: BTreeMap::new(),
            homes: BTreeMap::new(),
            queue: BTreeMap::new(),
            queued: 0,
            lives: 0,
            checked: true,
        }
    }

    /// Starts a node, for the first time or again, at an address that no node had before.
    pub fn start(&mut self, id: u64, cluster: &str, seeds: &[SocketAddr]) -> SocketAddr {
        self.lives += 1;
        let (life, seed) = (self.lives, self.rng.next_u64());
        let octets = u32::try_from(life).expect("few lives").to_be_bytes();
        let address: SocketAddr =
            format!("10.{}.{}.{}:3002", octets[1], octets[2], octets[3]).parse().expect("an address");
        let node = Node::new(NodeId(id), life, cluster, address, &self.tuning, seed, self.now_ms);
        self.frozen.remove(&NodeId(id));
        self.homes.insert(address, NodeId(id));
        self.nodes.insert(NodeId(id), node);
        self.touch(NodeId(id), |node, now_ms| node.set_seeds(now_ms, seeds));
        address
    }

    /// The node is gone without a word.
    pub fn crash(&mut self, id: NodeId) {
        self.nodes.remove(&id);
        self.frozen.remove(&id);
        self.note(&[3, id.0]);
    }

    pub fn address(&self, id: NodeId) -> SocketAddr {
        self.nodes[&id].address
    }

    /// Lets a node do something, and sends what comes out.
    pub fn touch(&mut self, id: NodeId, act: impl FnOnce(&mut Node, u64)) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        act(node, self.now_ms);
        if self.checked {
            node.assert_invariants();
        }
        for view in node.take_installed() {
            self.note(&[1, id.0, view.epoch, view.key]);
            let first = self.views.entry((view.epoch, view.key)).or_insert_with(|| view.clone());
            assert_eq!(*first, view, "two different views share epoch and key");
        }
        let Some(node) = self.nodes.get_mut(&id) else { return };
        let (packets, wake_at_ms) = (node.take_packets(), node.wake_at_ms());
        let wakes = wake_at_ms < node.wake_queued_ms;
        if wakes {
            node.wake_queued_ms = wake_at_ms;
        }
        for packet in packets {
            for (at_ms, packet) in self.network.route(self.now_ms, packet) {
                self.push(at_ms, Event::Packet(packet));
            }
        }
        if wakes && wake_at_ms < u64::MAX {
            self.push(wake_at_ms.max(self.now_ms), Event::Wake { node: id });
        }
    }

    fn push(&mut self, at_ms: u64, event: Event) {
        self.queued += 1;
        self.queue.insert((at_ms, self.queued), event);
    }

    fn note(&mut self, facts: &[u64]) {
        for fact in facts.iter().chain([&self.now_ms]) {
            self.trace = mix(self.trace ^ fact);
        }
    }

    /// Runs until this moment.
    pub fn run_until(&mut self, until_ms: u64) {
        while let Some(entry) = self.queue.first_entry()
            && entry.key().0 <= until_ms
        {
            let ((at_ms, _), event) = entry.remove_entry();
            self.now_ms = self.now_ms.max(at_ms);
            self.handle(event);
        }
        self.now_ms = until_ms;
    }

    pub fn run_for(&mut self, ms: u64) {
        self.run_until(self.now_ms + ms);
    }

    fn handle(&mut self, event: Event) {
        let receiver = match &event {
            // A node that started again has left its old address.
            Event::Packet(packet) => {
                let home = self.homes.get(&packet.to).copied();
                home.filter(|id| self.nodes.get(id).is_some_and(|node| node.address == packet.to))
            }
            Event::Wake { node } => Some(*node),
        };
        let Some(id) = receiver else { return };
        if self.frozen.contains(&id) {
            // Its socket buffer holds what comes; its clock is looked at when it goes on.
            self.push(self.now_ms + 5, event);
            return;
        }
        match event {
            Event::Packet(packet) => {
                self.note(&[2, id.0, packet.bytes.len() as u64, u64::from(crc32c::crc32c(&packet.bytes))]);
                self.touch(id, |node, now_ms| node.on_packet(now_ms, &packet));
            }
            Event::Wake { .. } => self.touch(id, |node, now_ms| {
                node.wake_queued_ms = u64::MAX;
                node.on_tick(now_ms);
            }),
        }
    }

    /// The groups of nodes that have the same cluster name, if each of them agrees within itself and on exactly its
    /// live nodes; otherwise what is wrong.
    pub fn settled(&self) -> Result<(), String> {
        for node in self.nodes.values() {
            let mates: Vec<NodeId> = self
                .nodes
                .values()
                .filter(|other| other.cluster == node.cluster)
                .map(|other| other.id)
                .collect();
            let Some(committed) = node.agreement.committed() else {
                return Err(format!("{} has no view", node.id));
            };
            if committed.view.members != mates {
                return Err(format!("{} has {:?} instead of {mates:?}", node.id, committed.view));
            }
            let first = self.nodes[&mates[0]].agreement.committed();
            if first.map(|first| &first.view) != Some(&committed.view) {
                return Err(format!("{} and {} differ", node.id, mates[0]));
            }
            for mate in &mates {
                let standing = committed.standing(*mate).expect("a member stands");
                if standing.incarnation != self.nodes[mate].incarnation {
                    return Err(format!("{} has an earlier life of {mate}", node.id));
                }
            }
            if !node.agreement.integrity() {
                return Err(format!("{} is not at rest", node.id));
            }
        }
        Ok(())
    }

    /// Runs until all agree; returns how long that took, or panics with what is wrong after the bound.
    pub fn run_until_settled(&mut self, bound_ms: u64) -> u64 {
        let start_ms = self.now_ms;
        loop {
            match self.settled() {
                Ok(()) => return self.now_ms - start_ms,
                Err(wrong) => assert!(self.now_ms - start_ms < bound_ms, "not settled: {wrong}"),
            }
            self.run_for(10);
        }
    }

    /// Nodes that run, in a random order of choice.
    pub fn pick(&mut self) -> Option<NodeId> {
        let ids: Vec<NodeId> = self.nodes.keys().copied().collect();
        (!ids.is_empty()).then(|| ids[self.rng.random_range(0..ids.len())])
    }
}
