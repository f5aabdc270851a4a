//! A server's node joins its cluster.

use super::dns::{OWN_SERVICE, is_engine_near};
use super::engine::Engine;
use super::gossip::{Deliver, Gossip, Settings};
use super::heartbeat::Heartbeat;
use super::reach::Listening;
use super::{Resolver, SeedAddress, outside};
use crate::host::container;
use crate::ports::Bound;
use crate::service::Shared;
use shipload_cluster::Address;
use shipload_node::cluster::Kept;
use shipload_node::config::{NetworkKey, Values};
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::sync::Arc;

/// Joins the node to the cluster that its seeds are in; on its own when there are none. To be called before the first
/// request is served.
///
/// # Errors
/// When the machine has no thread or epoll instance to give.
pub(crate) fn join(
    shared: &Arc<Shared>,
    heartbeat: Heartbeat,
    bound: &Bound,
    kept: Option<&Kept>,
    deliver: Deliver,
) -> io::Result<Gossip> {
    let listen = shared.node.facts.listen.read().clone();
    let port = bound.heartbeat.unwrap_or(bound.service).port();
    if listen.alternate.is_empty() && container::is_container() {
        outside::find(shared, bound.service.port())?;
    }
    let settings = Settings {
        listening: Listening {
            fabric: bound.fabric.unwrap_or(bound.service),
            heartbeat: bound.heartbeat.unwrap_or(bound.service),
            access: addresses(&listen.access),
            alternate: addresses(&listen.alternate),
            service: listen.service,
            rack: 0,
        },
        seeds: seeds(&shared.node.config().network, kept, port),
        resolver: Arc::new(Resolver::default()),
        inventory: shared.node.restored(kept, RandomState::new().hash_one(1)),
        metadata: kept.map(|kept| kept.metadata.clone()).unwrap_or_default(),
        remembers: kept.is_some_and(|kept| !kept.peers.is_empty()),
    };
    let engine: Arc<dyn Engine> = Arc::<Shared>::clone(shared);
    Gossip::start(engine, shared.start, heartbeat, settings, deliver)
}

/// The configured seeds, and where the other nodes were in an earlier life. A container without any asks its engine for
/// the other replicas of its service.
fn seeds(network: &Values<NetworkKey>, kept: Option<&Kept>, bound_heartbeat: u16) -> Vec<SeedAddress> {
    let seeds = network.list(NetworkKey::HeartbeatMeshSeed);
    // The port is always there: the configuration was brought into this form.
    let mut seeds: Vec<SeedAddress> = seeds.iter().filter_map(|seed| SeedAddress::parse(seed, 0)).collect();
    if seeds.is_empty() && container::is_container() && is_engine_near() {
        seeds.push(SeedAddress { host: OWN_SERVICE.to_owned(), port: bound_heartbeat });
    }
    for peer in kept.map(|kept| kept.peers.as_slice()).unwrap_or_default() {
        let seed = SeedAddress { host: peer.ip().to_string(), port: peer.port() };
        if !seeds.contains(&seed) {
            seeds.push(seed);
        }
    }
    seeds
}

/// The texts that are addresses.
pub(super) fn addresses(texts: &[String]) -> Vec<Address> {
    let address = |text: &String| {
        let SeedAddress { host, port } = SeedAddress::parse(text, 0)?;
        Address::new(&host, port)
    };
    texts.iter().filter_map(address).collect()
}
