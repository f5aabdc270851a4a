//! Carrying datagrams and fabric messages, and making and breaking links.

use crate::event::Event;
use crate::network::{LinkState, ends};
use crate::world::World;
use shipload_cluster::NodeId;
use std::net::SocketAddr;

/// A broken link is tried again after so long, microseconds.
const RETRY_US: (u64, u64) = (20_000, 150_000);

impl World {
    pub(crate) fn send_datagram(&mut self, id: NodeId, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        self.network.datagram_bytes += bytes.len() as u64;
        let cut = self.at(to).is_some_and(|peer| self.network.cut_datagrams.contains(&(id, peer)));
        let loss = self.network.loss_permille;
        if cut || self.draw.chance(loss) {
            return;
        }
        let double = self.network.double_permille;
        if self.draw.chance(double) {
            let at_us = self.now_us + 3 * self.draw.between(self.network.delay_us);
            self.push(at_us, Event::Datagram { from, to, bytes: bytes.clone() });
        }
        let at_us = self.now_us + self.draw.between(self.network.delay_us);
        self.push(at_us, Event::Datagram { from, to, bytes });
    }

    pub(crate) fn send_fabric(&mut self, from: NodeId, to: NodeId, bytes: Vec<u8>) {
        if from == to {
            return self.violate(&format!("{from} sends to itself"));
        }
        self.network.fabric_bytes += bytes.len() as u64;
        let (pair, direction) = ends(from, to);
        let lives = self.lives(pair);
        let stuck = self.network.cut_fabric.contains(&(from, to));
        let delay_us = self.draw.between(self.network.delay_us) + self.network.slower_us(from, to);
        let now_us = self.now_us;
        let link = self.network.links.entry(pair).or_default();
        match link.state {
            LinkState::Up if lives[direction] != Some(link.lives[direction]) => {
                // This end started again: its new process has no link yet.
                link.drop_all(LinkState::Connecting);
                link.wait(direction, bytes);
                let generation = link.generation;
                self.push(now_us + 2 * delay_us, Event::LinkTry { low: pair.0, high: pair.1, generation });
            }
            LinkState::Up => {
                let gone = lives[1 - direction] != Some(link.lives[1 - direction]);
                if stuck || gone || !link.waiting[direction].is_empty() {
                    let first = link.waiting[direction].is_empty();
                    link.wait(direction, bytes);
                    let generation = link.generation;
                    if first {
                        let at_us = now_us + self.network.stall_us;
                        self.push(at_us, Event::LinkStall { low: pair.0, high: pair.1, generation });
                    }
                    return;
                }
                let at_us = (now_us + delay_us).max(link.last_us[direction] + 1);
                link.last_us[direction] = at_us;
                let generation = link.generation;
                self.push(at_us, Event::Batch { from, to, generation, bytes });
            }
            LinkState::Connecting => {
                link.wait(direction, bytes);
            }
            LinkState::Down => {
                link.drop_all(LinkState::Connecting);
                link.wait(direction, bytes);
                let generation = link.generation;
                self.push(now_us + 2 * delay_us, Event::LinkTry { low: pair.0, high: pair.1, generation });
            }
        }
    }

    /// The processes at both ends now.
    fn lives(&self, pair: (NodeId, NodeId)) -> [Option<u64>; 2] {
        [pair.0, pair.1].map(|id| self.hosts.get(&id).map(|host| host.life))
    }

    pub(crate) fn on_link_try(&mut self, pair: (NodeId, NodeId), generation: u64) {
        let (low, high) = pair;
        let current = |link: &crate::network::Link| {
            link.generation == generation && link.state == LinkState::Connecting
        };
        if !self.network.links.get(&pair).is_some_and(current) {
            return;
        }
        let cut =
            self.network.cut_fabric.contains(&(low, high)) || self.network.cut_fabric.contains(&(high, low));
        let [Some(low_life), Some(high_life)] = self.lives(pair) else {
            return self.drop_link(pair);
        };
        if !self.knows(low, high) && !self.knows(high, low) {
            return self.drop_link(pair);
        }
        if cut || self.hosts.values().any(|host| host.paused && (host.id == low || host.id == high)) {
            let at_us = self.now_us + self.draw.between(RETRY_US);
            return self.push(at_us, Event::LinkTry { low, high, generation });
        }
        let Some(link) = self.network.links.get_mut(&pair) else { return };
        link.state = LinkState::Up;
        link.lives = [low_life, high_life];
        link.last_us = [self.now_us; 2];
        self.note(&[6, low.0, high.0]);
        self.figures.branch("link made");
        self.flow_again(pair);
        for (id, peer) in [(low, high), (high, low)] {
            self.touch(id, |host, now, _| host.node.on_link(&mut host.worker, peer, now));
        }
    }

    /// Whether a node knows where another one listens now.
    fn knows(&self, id: NodeId, peer: NodeId) -> bool {
        let told = self.hosts.get(&id).and_then(|host| host.node.fabric_address(peer));
        let is = self.hosts.get(&peer).map(|host| host.heartbeat.ip());
        told.map(|told| told.ip()) == is && is.is_some()
    }

    fn drop_link(&mut self, pair: (NodeId, NodeId)) {
        if let Some(link) = self.network.links.get_mut(&pair) {
            link.drop_all(LinkState::Down);
        }
    }

    /// What waited in a link goes on, in order.
    fn flow_again(&mut self, pair: (NodeId, NodeId)) {
        for (from, to) in [pair, (pair.1, pair.0)] {
            let (_, direction) = ends(from, to);
            if self.network.cut_fabric.contains(&(from, to)) {
                continue;
            }
            let Some(link) = self.network.links.get_mut(&pair).filter(|link| link.state == LinkState::Up)
            else {
                return;
            };
            let waiting = std::mem::take(&mut link.waiting[direction]);
            let generation = link.generation;
            for bytes in waiting {
                let delay_us = self.draw.between(self.network.delay_us);
                let Some(link) = self.network.links.get_mut(&pair) else { return };
                let at_us = (self.now_us + delay_us).max(link.last_us[direction] + 1);
                link.last_us[direction] = at_us;
                self.push(at_us, Event::Batch { from, to, generation, bytes });
            }
        }
    }

    /// Nothing is cut any more.
    pub fn mend(&mut self) {
        self.network.cut_datagrams.clear();
        self.network.cut_fabric.clear();
        let pairs: Vec<_> = self.network.links.keys().copied().collect();
        for pair in pairs {
            let lives = self.lives(pair);
            let whole = |link: &crate::network::Link| lives == link.lives.map(Some);
            if self.network.links.get(&pair).is_some_and(whole) {
                self.flow_again(pair);
            }
        }
    }

    pub(crate) fn on_link_stall(&mut self, pair: (NodeId, NodeId), generation: u64) {
        let stuck = self.network.links.get(&pair).is_some_and(|link| {
            link.generation == generation
                && link.state == LinkState::Up
                && link.waiting.iter().any(|waiting| !waiting.is_empty())
        });
        if stuck {
            self.break_link(pair);
        }
    }

    /// The connections between two nodes break: what was on its way is lost, both notice, and try again.
    pub fn break_link(&mut self, pair: (NodeId, NodeId)) {
        let delay_us = self.draw.between(self.network.delay_us);
        let retry_us = self.draw.between(RETRY_US);
        let ends = self.lives(pair);
        let Some(link) = self.network.links.get_mut(&pair) else { return };
        let before = link.lives;
        link.drop_all(LinkState::Connecting);
        let generation = link.generation;
        for (index, (node, peer)) in [pair, (pair.1, pair.0)].into_iter().enumerate() {
            if let Some(life) = ends[index].filter(|life| *life == before[index]) {
                self.push(self.now_us + delay_us, Event::Doubt { node, life, peer });
            }
        }
        self.push(self.now_us + retry_us, Event::LinkTry { low: pair.0, high: pair.1, generation });
    }
}
