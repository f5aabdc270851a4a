//! The network between the nodes of a fleet.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use rand::RngExt;
use rand::rngs::SmallRng;

/// What travels.
#[derive(Debug, Clone)]
pub struct Packet {
    pub from: SocketAddr,
    pub to: SocketAddr,
    /// The sender's id for fabric messages, none for datagrams.
    pub fabric: Option<u64>,
    pub bytes: Vec<u8>,
}

pub struct Network {
    rng: SmallRng,
    /// Of a thousand packets, so many are lost.
    pub loss_permille: u32,
    /// Of a thousand packets, so many come twice.
    pub double_permille: u32,
    pub delay_ms: std::ops::RangeInclusive<u64>,
    /// Pairs (from, to) between which nothing gets through.
    pub cut: BTreeSet<(SocketAddr, SocketAddr)>,
    pub datagram_bytes: u64,
    pub datagrams: u64,
    pub fabric_bytes: u64,
}

impl Network {
    pub fn new(rng: SmallRng) -> Network {
        Network {
            rng,
            loss_permille: 0,
            double_permille: 0,
            delay_ms: 0..=1,
            cut: BTreeSet::new(),
            datagram_bytes: 0,
            datagrams: 0,
            fabric_bytes: 0,
        }
    }

    /// When a packet arrives: never, once or twice.
    pub fn route(&mut self, now_ms: u64, packet: Packet) -> Vec<(u64, Packet)> {
        if packet.fabric.is_none() {
            assert!(
                packet.bytes.len() <= shipload_cluster::membership::DATAGRAM_MAX,
                "too large for a datagram"
            );
            self.datagram_bytes += packet.bytes.len() as u64;
            self.datagrams += 1;
        } else {
            self.fabric_bytes += packet.bytes.len() as u64;
        }
        if self.cut.contains(&(packet.from, packet.to)) || self.chance(self.loss_permille) {
            return Vec::new();
        }
        let mut arrivals = vec![(now_ms + self.rng.random_range(self.delay_ms.clone()), packet)];
        if self.chance(self.double_permille) {
            arrivals.push((now_ms + self.rng.random_range(self.delay_ms.clone()) * 3, arrivals[0].1.clone()));
        }
        arrivals
    }

    fn chance(&mut self, permille: u32) -> bool {
        permille > 0 && self.rng.random_range(0..1000) < permille
    }

    pub fn calm(&mut self) {
        self.loss_permille = 0;
        self.double_permille = 0;
        self.delay_ms = 0..=1;
        self.cut.clear();
    }
}
