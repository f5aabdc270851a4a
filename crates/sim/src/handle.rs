//! What happens when its time has come.

use crate::client::Waiting;
use crate::event::Event;
use crate::host::NAMESPACE;
use crate::world::World;
use shipload_cluster::NodeId;
use shipload_cluster::fabric::{self, Item, Message};
use shipload_node::cluster::Requester;
use shipload_node::{Executed, Peer};
use shipload_wire::{Cut, Limits, frame};
use std::net::{Ipv4Addr, SocketAddr};

/// What a paused process can keep; more datagrams are lost, as in a socket buffer.
const INBOX_DATAGRAMS_MAX: usize = 256;
/// Between two looks of a node at its own work, microseconds; and how much of it it does then, nanoseconds.
const UPKEEP_US: u64 = 100_000;
const UPKEEP_NS: u64 = 400_000;
/// A partition that is handed over inside a view may be served by both for no longer than nothing.
const CLIENT_DELAY_US: (u64, u64) = (50, 500);

impl World {
    pub(crate) fn handle(&mut self, event: Event) {
        if let Some(id) = self.receiver(&event)
            && let Some(host) = self.hosts.get_mut(&id).filter(|host| host.paused)
        {
            let datagram = matches!(event, Event::Datagram { .. });
            if !datagram || host.inbox.len() < INBOX_DATAGRAMS_MAX {
                host.inbox.push_back(event);
            }
            return;
        }
        match event {
            Event::Datagram { from, to, bytes } => self.on_datagram(from, to, &bytes),
            Event::Batch { from, to, generation, bytes } => self.on_batch(from, to, generation, &bytes),
            Event::Tick { node, life } => self.on_tick(node, life),
            Event::LinkTry { low, high, generation } => self.on_link_try((low, high), generation),
            Event::LinkStall { low, high, generation } => self.on_link_stall((low, high), generation),
            Event::Doubt { node, life, peer } => {
                if self.hosts.get(&node).is_some_and(|host| host.life == life) {
                    self.touch(node, |host, _, _| host.node.cluster.doubt(peer));
                }
            }
            Event::Turn { client } => self.on_turn(client),
            Event::Request { node, client, serial, frame } => self.on_request(node, client, serial, &frame),
            Event::Answer { client, serial, frames } => self.on_answer(client, serial, Some(frames)),
            Event::GiveUp { client, serial } => self.on_answer(client, serial, None),
        }
    }

    /// The process that an event has to do with.
    fn receiver(&self, event: &Event) -> Option<NodeId> {
        match event {
            Event::Datagram { to, .. } => self.at(*to),
            Event::Batch { to, .. } => Some(*to),
            Event::Tick { node, .. } | Event::Doubt { node, .. } | Event::Request { node, .. } => Some(*node),
            Event::LinkTry { .. }
            | Event::LinkStall { .. }
            | Event::Turn { .. }
            | Event::Answer { .. }
            | Event::GiveUp { .. } => None,
        }
    }

    /// A paused process goes on.
    pub fn resume(&mut self, id: NodeId) {
        let Some(host) = self.hosts.get_mut(&id).filter(|host| host.paused) else { return };
        host.paused = false;
        let inbox = std::mem::take(&mut host.inbox);
        for event in inbox {
            self.handle(event);
        }
        self.schedule_tick(id, 0);
    }

    fn on_datagram(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let Some(id) = self.at(to) else { return };
        self.note(&[3, id.0, u64::from(crc32c::crc32c(bytes))]);
        let mut wake_ns = 0;
        self.touch(id, |host, now, out| {
            host.node.on_datagram(now, from, bytes, out);
            wake_ns = host.node.cluster_tick(now, out);
        });
        self.arm(id, wake_ns);
    }

    fn on_tick(&mut self, id: NodeId, life: u64) {
        let now_us = self.now_us;
        let due = |host: &crate::host::Host| host.life == life && host.tick_at_us <= now_us;
        if !self.hosts.get(&id).is_some_and(due) {
            return;
        }
        let mut wake_ns = 0;
        let mut flushed = Ok(None);
        let disks = self.settings.host.disks;
        self.touch(id, |host, now, out| {
            host.tick_at_us = u64::MAX;
            wake_ns = host.node.cluster_tick(now, out);
            if host.upkeep_at_us <= now_us {
                host.upkeep_at_us = now_us + UPKEEP_US;
                host.node.maintain(now, UPKEEP_NS);
                if disks {
                    flushed = host.flush();
                }
            }
        });
        match flushed {
            Ok(Some(kept)) => {
                if let Some(shelf) = self.shelves.get_mut(&id) {
                    shelf.kept = Some(kept);
                }
            }
            Ok(None) => {}
            Err(why) => self.violate(&format!("{id} can't write to its disk: {why}")),
        }
        self.arm(id, wake_ns);
    }

    fn arm(&mut self, id: NodeId, wake_ns: u64) {
        if let Some(host) = self.hosts.get(&id) {
            let after_us = host.clock.world_us(wake_ns).saturating_sub(self.now_us).max(1);
            self.schedule_tick(id, after_us);
        }
    }

    fn on_batch(&mut self, from: NodeId, to: NodeId, generation: u64, bytes: &[u8]) {
        let (pair, _) = crate::network::ends(from, to);
        if self.network.links.get(&pair).is_none_or(|link| link.generation != generation) {
            return;
        }
        self.note(&[4, to.0, u64::from(crc32c::crc32c(bytes))]);
        let canary = self.settings.canary;
        let mut names = Vec::new();
        let mut rare: Vec<bool> = Vec::new();
        if canary.is_some() {
            rare = (0..64).map(|_| self.draw.chance(30)).collect();
        }
        let mut broken = None;
        self.touch(to, |host, now, _| {
            let mut rest = bytes;
            let mut count = 0;
            while let Ok(fabric::Cut::Frame(body, consumed)) = fabric::cut(rest) {
                rest = &rest[consumed..];
                count += 1;
                let message = match fabric::decode(body) {
                    Ok(message) => message,
                    Err(error) => {
                        broken = Some(error.to_string());
                        break;
                    }
                };
                names.push(name(&message));
                match canary {
                    None => host.node.on_fabric(&mut host.worker, from, message, now),
                    Some(canary) => {
                        let rare = rare.get(count % 64).copied().unwrap_or(false);
                        let view = host.node.cluster.status().key;
                        let (message, times) = canary.twist(message, rare, view);
                        for _ in 0..times {
                            host.node.on_fabric(&mut host.worker, from, message.clone(), now);
                        }
                    }
                }
            }
            if !rest.is_empty() && broken.is_none() {
                broken = Some("bytes are left over".to_owned());
            }
            host.node.end_fabric_turn(&mut host.worker, now);
        });
        for name in names {
            self.figures.branch(name);
        }
        if let Some(why) = broken {
            self.violate(&format!("{to} can't read what {from} says: {why}"));
        }
    }

    fn on_request(&mut self, id: NodeId, client: usize, serial: u64, bytes: &[u8]) {
        self.note(&[5, id.0, client as u64, serial]);
        if !self.hosts.contains_key(&id) {
            return self.answer(client, serial, Vec::new());
        }
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let peer = Peer { address: nowhere, local: nowhere };
        let mut frames = Vec::new();
        let mut parked = false;
        self.touch(id, |host, now, _| {
            let Cut::Frame { frame, .. } = frame::cut(bytes, &Limits::default()) else { return };
            host.worker.set_requester(Requester::Client { thread: 0, slot: client as u64, serial });
            let executed = host.node.execute(&mut host.worker, &frame, &peer, now, &mut frames);
            host.worker.set_requester(Requester::Nobody);
            parked = matches!(executed, Executed::Parked);
        });
        let waiting = self.clients.get(client).and_then(|client| client.waiting);
        if let Some((_, Waiting::Write { record, .. } | Waiting::Read { record, .. })) = waiting {
            self.look_at_server(id, record);
        }
        if !parked {
            self.answer(client, serial, frames);
        } else {
            self.figures.branch("parked");
            self.answer_early(id, client, serial);
        }
    }

    /// Sends an answer to a client.
    pub(crate) fn answer(&mut self, client: usize, serial: u64, frames: Vec<u8>) {
        let at_us = self.now_us + self.draw.between(CLIENT_DELAY_US);
        self.push(at_us, Event::Answer { client, serial, frames });
    }

    /// Who serves a record in a view: nobody but one node, and after a hand-over nobody but the next one.
    fn look_at_server(&mut self, id: NodeId, record: usize) {
        let Some(host) = self.hosts.get(&id) else { return };
        let partition = crate::client::digest(record).partition();
        let view = host.node.cluster.status().key;
        let Some(namespace) = host.node.namespace(NAMESPACE.as_bytes()) else { return };
        if view == 0 || !host.node.leads(namespace, partition) {
            return;
        }
        let others = self.hosts.values().filter(|other| {
            other.id != id
                && other.node.cluster.status().key == view
                && other.node.leads(other.namespace(), partition)
        });
        if let Some(other) = others.map(|other| other.id).next() {
            let what =
                format!("{id} and {other} both master partition {} in view {view:X}", partition.number());
            self.violate(&what);
        }
        let now_us = self.now_us;
        self.served.insert((view, partition.number()), (id, now_us));
    }
}

fn name(message: &Message<'_>) -> &'static str {
    match message {
        Message::Hello(_) => "Hello",
        Message::Agreement(_) => "Agreement",
        Message::Metadata(_) => "Metadata",
        Message::Proxy { .. } => "Proxy",
        Message::ProxyReply { .. } => "ProxyReply",
        Message::Replica { item, .. } => match item {
            Item::Put { migrated: false, .. } => "Put",
            Item::Put { migrated: true, .. } => "Put by migration",
            Item::Remove { .. } => "Remove",
            Item::Filling(_) => "Filling",
            Item::Full(_) => "Full",
            Item::Lead(_) => "Lead",
            Item::After { .. } => "After",
        },
        Message::Ack { .. } => "Ack",
        Message::WrongView { .. } => "WrongView",
        Message::Ask { .. } => "Ask",
        Message::Busy { .. } => "Busy",
        Message::Summary { .. } => "Summary",
        Message::List { .. } => "List",
        Message::Listing { .. } => "Listing",
        Message::Pull { .. } => "Pull",
        Message::Pulled { .. } => "Pulled",
        Message::Release { .. } => "Release",
        Message::Stray { .. } => "Stray",
        Message::Released { .. } => "Released",
    }
}
