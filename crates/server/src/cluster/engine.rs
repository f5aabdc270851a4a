//! What the cluster's threads want from the engine: the node itself, or a part of it in tests.

use super::SeedAddress;
use super::join::addresses;
use crate::service::Shared;
use shipload_cluster::{Address, Attributes};
use shipload_node::Now;
use shipload_node::cluster::{Join, Outgoing, Seed};
use shipload_node::config::NamespaceKey;
use std::net::SocketAddr;

/// What hears datagrams and time. All calls append to `Outgoing`.
pub(crate) trait Engine: Send + Sync + 'static {
    /// From now on this node is one of many.
    fn join(&self, now: Now, join: Join, out: &mut Outgoing);
    /// A datagram came.
    fn on_datagram(&self, now: Now, from: SocketAddr, bytes: &[u8], out: &mut Outgoing);
    /// Time has passed; the answer is when to call again, on the monotonic clock in nanoseconds.
    fn tick(&self, now: Now, out: &mut Outgoing) -> u64;
    /// The addresses that all seeds have now.
    fn set_candidates(&self, now: Now, addresses: &[SocketAddr], out: &mut Outgoing);
    /// This node is somewhere else now. Whether it is quiesced is the engine's own business.
    fn set_attributes(&self, now: Now, attributes: Attributes, out: &mut Outgoing);
    /// Tells the others that this node goes.
    fn leave(&self, now: Now, out: &mut Outgoing);
    /// All seeds, and a number that moves when they change.
    fn seeds(&self) -> (u64, Vec<SeedAddress>);
    /// The seeds that the configuration names.
    fn set_configured_seeds(&self, seeds: &[SeedAddress]);
    /// How the engine gets its time soon.
    fn set_waker(&self, waker: Box<dyn Fn() + Send + Sync>);
    /// Whether no other node is known.
    fn is_alone(&self) -> bool;
    /// The rack that is configured now.
    fn rack(&self) -> u32;
    /// What clients that ask for alternate addresses are told now.
    fn alternate(&self) -> Vec<Address>;
}

impl Engine for Shared {
    fn join(&self, now: Now, join: Join, out: &mut Outgoing) {
        self.node.join(now, join, out);
    }

    fn on_datagram(&self, now: Now, from: SocketAddr, bytes: &[u8], out: &mut Outgoing) {
        self.node.on_datagram(now, from, bytes, out);
    }

    fn tick(&self, now: Now, out: &mut Outgoing) -> u64 {
        self.node.gossip_tick(now, out)
    }

    fn set_candidates(&self, now: Now, addresses: &[SocketAddr], out: &mut Outgoing) {
        self.node.set_candidates(now, addresses, out);
    }

    fn set_attributes(&self, now: Now, attributes: Attributes, out: &mut Outgoing) {
        self.node.set_attributes(now, attributes, out);
    }

    fn leave(&self, now: Now, out: &mut Outgoing) {
        self.node.leave(now, out);
    }

    fn seeds(&self) -> (u64, Vec<SeedAddress>) {
        let (generation, seeds) = self.node.cluster.seeds();
        let seeds = seeds.into_iter().map(|Seed { host, port }| SeedAddress { host, port });
        (generation, seeds.collect())
    }

    fn set_configured_seeds(&self, seeds: &[SeedAddress]) {
        let seeds = seeds.iter().map(|seed| Seed { host: seed.host.clone(), port: seed.port });
        self.node.cluster.set_configured_seeds(seeds.collect());
    }

    fn set_waker(&self, waker: Box<dyn Fn() + Send + Sync>) {
        self.node.cluster.set_waker(waker);
    }

    fn is_alone(&self) -> bool {
        self.node.cluster.peers().nodes.is_empty()
    }

    /// Racks are configured by namespace; a node stands in one place, so the first that is given counts.
    fn rack(&self) -> u32 {
        let racks = self.node.namespaces().iter().map(|one| one.config.number(NamespaceKey::RackId));
        racks.into_iter().find(|rack| *rack != 0).and_then(|rack| u32::try_from(rack).ok()).unwrap_or(0)
    }

    fn alternate(&self) -> Vec<Address> {
        addresses(&self.node.facts.listen.read().alternate)
    }
}
