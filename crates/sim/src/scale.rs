//! What a cluster costs by its size: bytes at rest, time to agree after a death, time to compute a map.

use crate::world::{Settings, World};
use shipload_cluster::agreement::{Committed, Standing, View};
use shipload_cluster::{Incarnation, Inventory, NodeId, Version, map};
use shipload_node::cluster::Founding;
use shipload_value::PartitionId;
use std::time::Instant;

/// How long a cluster at rest is looked at, milliseconds.
const LOOK_MS: u64 = 20_000;
/// All must agree within so long, milliseconds.
const BOUND_MS: u64 = 120_000;

/// What a cluster of a size costs.
#[derive(Debug, Clone)]
pub struct Scale {
    /// Nodes.
    pub nodes: u64,
    /// Gossip that each node sends at rest, bytes a second.
    pub gossip_bytes: u64,
    /// Fabric messages that each node sends at rest, bytes a second.
    pub fabric_bytes: u64,
    /// From the start of all nodes until they agree, milliseconds.
    pub formed_ms: u64,
    /// From a death until the last node is in the view without the dead one, milliseconds.
    pub agreed_ms: u64,
    /// To compute the map of a view of such a size, microseconds of this machine.
    pub map_us: u64,
}

/// Runs a cluster of so many nodes without clients.
///
/// # Errors
/// What kept it from agreeing.
pub fn scale(nodes: u64) -> Result<Scale, String> {
    let settings = Settings { records: 0, clients: 0, check_every: 0, ..Settings::default() };
    let mut world = World::new(nodes, settings);
    let first = world.next_address();
    world.start(1, &[], Founding::AtOnce);
    for id in 2..=nodes {
        world.start(id, &[first], Founding::AfterMs(5_000));
    }
    let formed_ms = agree(&mut world)?;
    while world.unrest().is_some() && world.now_us < 2 * BOUND_MS * 1000 {
        world.run_ms(500);
    }
    if let Some(why) = world.unrest() {
        return Err(why);
    }
    let before = (world.network.datagram_bytes, world.network.fabric_bytes);
    world.run_ms(LOOK_MS);
    let each = |bytes: u64| bytes * 1000 / LOOK_MS / nodes;
    let gossip_bytes = each(world.network.datagram_bytes - before.0);
    let fabric_bytes = each(world.network.fabric_bytes - before.1);
    // The principal itself: the worst one to lose.
    world.crash(NodeId(nodes), false);
    let agreed_ms = agree(&mut world)?;
    Ok(Scale { nodes, gossip_bytes, fabric_bytes, formed_ms, agreed_ms, map_us: map_us(nodes) })
}

/// Runs until all nodes are in one view of all of them.
fn agree(world: &mut World) -> Result<u64, String> {
    let began_us = world.now_us;
    loop {
        let members: Vec<NodeId> = world.hosts.keys().copied().collect();
        let wrong = world.hosts.values().find(|host| {
            let status = host.node.cluster.status();
            !status.members.keys().eq(members.iter()) || !status.integrity
        });
        match wrong {
            None => return Ok((world.now_us - began_us) / 1000),
            Some(host) if world.now_us - began_us > BOUND_MS * 1000 => {
                return Err(format!("{} is in {:?}", host.id, host.node.cluster.status()));
            }
            Some(_) => world.run_ms(10),
        }
    }
}

/// The time of one computation; the best of some. Two members hold each partition.
fn map_us(nodes: u64) -> u64 {
    let standing = |node: u64| {
        let mut inventory = Inventory::default();
        let held = inventory.namespace_mut(crate::host::NAMESPACE);
        held.replication_factor = 2;
        for partition in PartitionId::all() {
            let first = u64::from(partition.number()) % nodes;
            if node == first || node == (first + 1) % nodes {
                held.set(partition, Some(Version::born(7)));
            }
        }
        Standing { incarnation: Incarnation(1), rack: 0, quiesced: false, inventory }
    };
    let members: Vec<NodeId> = (1..=nodes).map(NodeId).collect();
    let standings = (0..nodes).map(standing).collect();
    let committed = Committed { view: View { epoch: 2, key: 9, members }, standings };
    let once = |_| {
        let began = Instant::now();
        let map = map::assign(&committed, crate::host::NAMESPACE);
        let took = began.elapsed().as_micros();
        assert!(map.is_some(), "a map follows from any view");
        took
    };
    u64::try_from((0..5).map(once).min().unwrap_or(0)).unwrap_or(u64::MAX)
}
