//! One node of a fleet: membership and agreement, wired as the engine will wire them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use shipload_cluster::agreement::{self, Agreement, Message, Standing};
use shipload_cluster::membership::{self, Membership};
use shipload_cluster::{Attributes, ClusterName, Incarnation, Inventory, NodeId, View};

use super::Tuning;
use super::network::Packet;

pub struct Node {
    pub id: NodeId,
    pub incarnation: Incarnation,
    pub cluster: String,
    pub address: SocketAddr,
    pub membership: Membership,
    pub agreement: Agreement,
    pub inventory: Inventory,
    /// When other nodes were told of as gone, with what time.
    pub downs: Vec<(u64, NodeId)>,
    pub refused: Vec<membership::Refusal>,
    pub wake_queued_ms: u64,
    peers: BTreeMap<NodeId, SocketAddr>,
    epoch: u64,
    packets: Vec<Packet>,
    installed: Vec<View>,
}

impl Node {
    pub fn new(
        id: NodeId,
        life: u64,
        cluster: &str,
        address: SocketAddr,
        tuning: &Tuning,
        seed: u64,
        now_ms: u64,
    ) -> Node {
        let incarnation = Incarnation(life);
        let name = ClusterName::new(cluster).expect("a short name");
        let attributes = Attributes::at(address, address);
        Node {
            id,
            incarnation,
            cluster: cluster.to_owned(),
            address,
            membership: Membership::new(id, incarnation, &name, attributes, tuning.membership, seed),
            agreement: Agreement::new(id, incarnation, tuning.agreement, seed ^ 1, now_ms),
            inventory: Inventory::default(),
            downs: Vec::new(),
            refused: Vec::new(),
            wake_queued_ms: u64::MAX,
            peers: BTreeMap::new(),
            epoch: 0,
            packets: Vec::new(),
            installed: Vec::new(),
        }
    }

    pub fn set_seeds(&mut self, now_ms: u64, seeds: &[SocketAddr]) {
        self.with_membership(now_ms, |membership, effects| membership.set_seeds(now_ms, seeds, effects));
    }

    pub fn on_packet(&mut self, now_ms: u64, packet: &Packet) {
        match packet.fabric {
            None => self.with_membership(now_ms, |membership, effects| {
                membership.on_datagram(now_ms, packet.from, &packet.bytes, effects);
            }),
            Some(from) => {
                let message = Message::decode(&packet.bytes).expect("nodes send what nodes read");
                self.with_agreement(now_ms, |agreement, effects| {
                    agreement.on_message(now_ms, NodeId(from), message, effects);
                });
            }
        }
    }

    pub fn on_tick(&mut self, now_ms: u64) {
        self.with_membership(now_ms, |membership, effects| membership.on_tick(now_ms, effects));
        self.with_agreement(now_ms, |agreement, effects| agreement.on_tick(now_ms, effects));
    }

    pub fn wake_at_ms(&self) -> u64 {
        self.membership.wake_at_ms().min(self.agreement.wake_at_ms())
    }

    pub fn with_membership(
        &mut self,
        now_ms: u64,
        act: impl FnOnce(&mut Membership, &mut Vec<membership::Effect>),
    ) {
        let mut effects = Vec::new();
        act(&mut self.membership, &mut effects);
        for effect in effects {
            match effect {
                membership::Effect::Send { to, bytes } => {
                    self.packets.push(Packet { from: self.address, to, fabric: None, bytes });
                }
                membership::Effect::Up { node, incarnation, attributes }
                | membership::Effect::Changed { node, incarnation, attributes } => {
                    self.peers.insert(node, attributes.fabric);
                    self.with_agreement(now_ms, |agreement, effects| {
                        agreement.member_up(now_ms, node, incarnation, effects);
                    });
                }
                membership::Effect::Down { node } => {
                    self.peers.remove(&node);
                    self.downs.push((now_ms, node));
                    self.with_agreement(now_ms, |agreement, effects| {
                        agreement.member_down(now_ms, node, effects);
                    });
                }
                membership::Effect::Refused { refusal, .. } => self.refused.push(refusal),
                membership::Effect::SameId { .. }
                | membership::Effect::Rejoined
                | membership::Effect::Stalled { .. } => {}
            }
        }
    }

    pub fn with_agreement(
        &mut self,
        now_ms: u64,
        act: impl FnOnce(&mut Agreement, &mut Vec<agreement::Effect>),
    ) {
        let mut effects = Vec::new();
        act(&mut self.agreement, &mut effects);
        while !effects.is_empty() {
            for effect in std::mem::take(&mut effects) {
                match effect {
                    agreement::Effect::Send { to, message } => self.send(to, &message),
                    agreement::Effect::Declare { ballot } => {
                        let (incarnation, inventory) = (self.incarnation, self.inventory.clone());
                        let standing = Standing { incarnation, rack: 0, quiesced: false, inventory };
                        self.agreement.declared(now_ms, ballot, standing, &mut effects);
                    }
                    agreement::Effect::Install { committed } => {
                        assert!(committed.view.epoch > self.epoch, "epochs grow");
                        self.epoch = committed.view.epoch;
                        self.installed.push(committed.view.clone());
                    }
                    agreement::Effect::Thaw => {}
                }
            }
        }
    }

    fn send(&mut self, to: NodeId, message: &Message) {
        // A connection needs an address; without one the message is lost, and the agreement repeats it.
        if let Some(address) = self.peers.get(&to) {
            let mut bytes = Vec::new();
            message.encode(&mut bytes);
            self.packets.push(Packet { from: self.address, to: *address, fabric: Some(self.id.0), bytes });
        }
    }

    pub fn take_packets(&mut self) -> Vec<Packet> {
        std::mem::take(&mut self.packets)
    }

    pub fn take_installed(&mut self) -> Vec<View> {
        std::mem::take(&mut self.installed)
    }

    pub fn assert_invariants(&self) {
        self.membership.assert_invariants();
        self.agreement.assert_invariants();
    }
}
