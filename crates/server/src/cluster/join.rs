//! A server's node joins its cluster.

use super::engine::Engine;
use super::gossip::{Deliver, Gossip, Settings};
use super::heartbeat::Heartbeat;
use super::reach::Listening;
use super::{Resolver, SeedAddress};
use crate::ports::Bound;
use crate::service::Shared;
use shipload_cluster::{Address, Inventory};
use shipload_node::config::{NetworkKey, Values};
use std::collections::BTreeMap;
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
    deliver: Deliver,
) -> io::Result<Gossip> {
    let listen = shared.node.facts.listen.read().clone();
    let settings = Settings {
        listening: Listening {
            fabric: bound.fabric.unwrap_or(bound.service),
            heartbeat: bound.heartbeat.unwrap_or(bound.service),
            access: listen.access.iter().filter_map(|text| address(text)).collect(),
            alternate: listen.alternate.iter().filter_map(|text| address(text)).collect(),
            service: listen.service,
            rack: 0,
        },
        seeds: seeds(&shared.node.config().network),
        resolver: Arc::new(Resolver::default()),
        inventory: Inventory::default(),
        metadata: BTreeMap::new(),
    };
    let engine: Arc<dyn Engine> = Arc::<Shared>::clone(shared);
    Gossip::start(engine, shared.start, heartbeat, settings, deliver)
}

/// The configured seeds. In a container without any, its own service's name could be guessed here.
fn seeds(network: &Values<NetworkKey>) -> Vec<SeedAddress> {
    let seeds = network.list(NetworkKey::HeartbeatMeshSeed);
    // The port is always there: the configuration was brought into this form.
    seeds.iter().filter_map(|seed| SeedAddress::parse(seed, 0)).collect()
}

fn address(text: &str) -> Option<Address> {
    let SeedAddress { host, port } = SeedAddress::parse(text, 0)?;
    Address::new(&host, port)
}
