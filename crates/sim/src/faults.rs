//! What goes wrong in a life, one thing at a time, drawn from its seed.

use crate::client;
use crate::network::LinkState;
use crate::world::World;
use shipload_cluster::NodeId;
use shipload_node::Peer;
use shipload_node::cluster::Founding;
use shipload_wire::{Cut, Limits, frame};
use std::net::{Ipv4Addr, SocketAddr};

/// A node that is told of others waits so long for them before it founds a cluster, milliseconds.
const FOUNDING_MS: u64 = 1_500;

impl World {
    /// Starts a node that is told where the others are, or only where some of them are.
    pub fn start_with_seeds(&mut self, id: u64) {
        let mut seeds = self.addresses();
        // Some names lead nowhere.
        if self.draw.chance(200) {
            seeds.push(crate::host::address(1 << 20));
        }
        let founding = if seeds.is_empty() { Founding::AtOnce } else { Founding::AfterMs(FOUNDING_MS) };
        self.start(id, &seeds, founding);
    }

    /// Whether any one node may be lost without a record being lost.
    #[must_use]
    pub fn may_lose_one(&self) -> bool {
        let copies = self.settings.host.copies;
        if copies < 2 || self.hosts.len() < 2 || self.network.is_cut() {
            return false;
        }
        let all: Vec<NodeId> = self.hosts.keys().copied().collect();
        let Some(key) = self.hosts.values().next().map(|host| host.node.cluster.status().key) else {
            return false;
        };
        self.hosts.values().all(|host| {
            let status = host.node.cluster.status();
            let moving = host.node.migration_status(host.namespace());
            !host.paused
                && status.key == key
                && status.members.keys().eq(all.iter())
                && status.integrity
                && moving.remaining() == 0
        })
    }

    /// Makes one thing go wrong.
    pub fn fault(&mut self) {
        let nodes: Vec<NodeId> = self.hosts.keys().copied().collect();
        let Some(node) = self.draw.pick(&nodes) else { return };
        let other = self.draw.pick(&nodes).filter(|other| *other != node);
        match self.draw.below(16) {
            0..=2 => self.fault_crash(node),
            3 => self.fault_join(),
            4 => self.fault_leave(node),
            5 => self.fault_split(&nodes),
            6 => self.fault_one_way(node, other),
            7 => self.fault_cable(node, &nodes),
            8 => self.fault_pause(node),
            9 => self.fault_links(node, &nodes),
            10 => self.fault_weather(),
            11 => self.fault_recluster(),
            13 => self.fault_copies(),
            14 => self.fault_slow_way(node, other),
            12 => {
                self.figures.fault("all mended");
                self.mend();
                self.resume_all();
            }
            _ => {
                self.figures.fault("slow network");
                self.network.delay_us = (1_000, 1_000 * self.draw.between((5, 60)));
            }
        }
    }

    /// One node's messages to another one take long, and may do so for good.
    fn fault_slow_way(&mut self, node: NodeId, other: Option<NodeId>) {
        let Some(other) = other else { return };
        self.figures.fault("slow one way");
        let slower_us = 1_000 * self.draw.between((5, 40));
        self.network.slow_fabric.insert((node, other), slower_us);
    }

    fn fault_crash(&mut self, node: NodeId) {
        if !self.may_lose_one() {
            return;
        }
        let noticed = self.draw.chance(600);
        let empty = self.draw.chance(300);
        self.figures.fault(if noticed { "process killed" } else { "machine lost" });
        self.crash(node, noticed);
        if empty && self.shelves.remove(&node).is_some() {
            self.figures.fault("disk lost");
        }
        match self.draw.below(4) {
            // Gone for good.
            0 => {}
            // Back at once, before anybody has noticed, with nothing.
            1 => {
                self.figures.fault("back at once");
                let pause_ms = self.draw.between((1, 200));
                self.run_ms(pause_ms);
                self.start_with_seeds(node.0);
            }
            _ => {
                let pause_ms = self.draw.between((200, 3_000));
                self.run_ms(pause_ms);
                self.figures.fault("back at another address");
                self.start_with_seeds(node.0);
            }
        }
    }

    fn fault_join(&mut self) {
        if self.hosts.len() < 6 {
            self.figures.fault("node added");
            let id = 100 + self.draw.below(900);
            if !self.hosts.contains_key(&NodeId(id)) {
                self.start_with_seeds(id);
            }
        }
    }

    fn fault_leave(&mut self, node: NodeId) {
        if self.hosts.len() <= self.settings.host.copies.max(2) || !self.may_lose_one() {
            return;
        }
        self.figures.fault("node taken away");
        self.touch(node, |host, now, _| {
            host.leaving = true;
            host.node.set_quiesced(now, true);
        });
        self.run_ms(300);
        self.settle_for(10_000);
        if self.unrest().is_none() && !self.network.is_cut() {
            self.touch(node, |host, now, out| host.node.leave(now, out));
            self.crash(node, true);
        } else {
            self.touch(node, |host, now, _| host.node.set_quiesced(now, false));
        }
    }

    /// Waits for rest without demanding it.
    fn settle_for(&mut self, bound_ms: u64) {
        let until_us = self.now_us + bound_ms * 1000;
        while self.now_us < until_us && self.unrest().is_some() && self.violations.is_empty() {
            self.run_ms(20);
        }
    }

    fn fault_split(&mut self, nodes: &[NodeId]) {
        self.figures.fault("split");
        let side = self.draw.number();
        let (datagrams, fabric) = match self.draw.below(4) {
            0 => (true, false),
            1 => (false, true),
            _ => (true, true),
        };
        for (i, one) in nodes.iter().enumerate() {
            for (j, two) in nodes.iter().enumerate() {
                if i != j && (side >> i ^ side >> j) & 1 == 1 {
                    if datagrams {
                        self.network.cut_datagrams.insert((*one, *two));
                    }
                    if fabric {
                        self.network.cut_fabric.insert((*one, *two));
                    }
                }
            }
        }
    }

    fn fault_one_way(&mut self, node: NodeId, other: Option<NodeId>) {
        let Some(other) = other else { return };
        self.figures.fault("cut one way");
        if self.draw.chance(700) {
            self.network.cut_datagrams.insert((node, other));
        }
        if self.draw.chance(700) {
            self.network.cut_fabric.insert((node, other));
        }
    }

    fn fault_cable(&mut self, node: NodeId, nodes: &[NodeId]) {
        self.figures.fault("cable pulled");
        for other in nodes.iter().filter(|other| **other != node) {
            for pair in [(node, *other), (*other, node)] {
                self.network.cut_datagrams.insert(pair);
                self.network.cut_fabric.insert(pair);
            }
        }
    }

    fn fault_pause(&mut self, node: NodeId) {
        self.figures.fault("process stopped");
        if let Some(host) = self.hosts.get_mut(&node) {
            host.paused = true;
        }
        if self.draw.chance(500) {
            let pause_ms = self.draw.between((10, 2_000));
            self.run_ms(pause_ms);
            self.resume(node);
        }
    }

    fn fault_links(&mut self, node: NodeId, nodes: &[NodeId]) {
        self.figures.fault("connections reset");
        for other in nodes {
            let (pair, _) = crate::network::ends(node, *other);
            let up = self.network.links.get(&pair).is_some_and(|link| link.state == LinkState::Up);
            if up && self.draw.chance(700) {
                self.break_link(pair);
            }
        }
    }

    fn fault_weather(&mut self) {
        self.figures.fault("lossy network");
        self.network.loss_permille = self.draw.pick(&[0, 20, 100, 300]).unwrap_or(0);
        self.network.double_permille = self.draw.pick(&[0, 50, 300]).unwrap_or(0);
    }

    fn fault_recluster(&mut self) {
        self.figures.fault("view forced");
        let nodes: Vec<NodeId> = self.hosts.keys().copied().collect();
        for node in nodes {
            let quiesced = self.draw.chance(100);
            self.touch(node, |host, now, _| host.node.set_quiesced(now, quiesced));
        }
    }

    /// Somebody wants another number of copies.
    fn fault_copies(&mut self) {
        let wanted = self.draw.pick(&[1, 2, 2, 3]).unwrap_or(2);
        self.figures.fault("copies changed");
        self.say(|| format!("{wanted} copies are wanted"));
        // Fewer copies are fewer at once; more of them are there when all is at rest.
        self.settings.host.copies = self.settings.host.copies.min(wanted);
        self.coming_copies = Some(wanted);
        let nodes: Vec<NodeId> = self.hosts.keys().copied().collect();
        for node in nodes {
            self.info(node, &format!("set-config:context=namespace;id=test;replication-factor={wanted}"));
        }
        let nodes: Vec<NodeId> = self.hosts.keys().copied().collect();
        for node in nodes {
            self.info(node, "recluster:");
        }
    }

    /// An operator's command.
    pub fn info(&mut self, node: NodeId, command: &str) {
        let frame = client::ask(command);
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let peer = Peer { address: nowhere, local: nowhere };
        self.touch(node, |host, now, _| {
            if let Cut::Frame { frame, .. } = frame::cut(&frame, &Limits::default()) {
                host.node.execute(&mut host.worker, &frame, &peer, now, &mut Vec::new());
            }
        });
    }

    /// All that stand still go on.
    pub fn resume_all(&mut self) {
        let paused: Vec<NodeId> =
            self.hosts.values().filter(|host| host.paused).map(|host| host.id).collect();
        paused.into_iter().for_each(|id| self.resume(id));
    }
}
