//! Addresses, peers, the partition map: what clients need to route requests.

use super::answer::{Answer, InfoError};
use super::ask::Ask;
use super::identity::cluster_key;
use super::inventory;
use crate::config::ServiceKey;
use crate::namespace::Namespace;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::fmt::Write as _;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use shipload_cluster::{Address, Attributes};
use shipload_value::PartitionId;
use shipload_value::digest::PARTITION_COUNT;
use shipload_wire::ResultCode;
use std::collections::BTreeMap;

const PARTITION_HEADER: &str = "namespace:partition:state:n_replicas:replica:succession:n_dupl:working_master:\
    proxy_dst:emigrates:lead_emigrates:immigrates:records:tombstones:regime:tree_id:version:final_version";

/// Where clients reach this node: what is configured, or else what is bound.
pub(super) fn service_addresses(ask: &Ask<'_>) -> Answer {
    let listen = ask.node.facts.listen.read();
    if !listen.access.is_empty() {
        return Ok(listen.access.join(","));
    }
    Ok(reachable_list(ask, &listen.service))
}

pub(super) fn admin_addresses(ask: &Ask<'_>) -> Answer {
    Ok(reachable_list(ask, &ask.node.facts.listen.read().admin))
}

fn reachable_list(ask: &Ask<'_>, bound: &[SocketAddr]) -> String {
    let all = bound.iter().map(|bound| reachable(*bound, ask.context.local).to_string());
    all.collect::<Vec<_>>().join(",")
}

pub(super) fn alternate_addresses(ask: &Ask<'_>) -> Answer {
    Ok(ask.node.facts.listen.read().alternate.join(","))
}

/// A client cannot connect to "any address", so it is told the address that it has connected to.
fn reachable(bound: SocketAddr, local: Option<SocketAddr>) -> SocketAddr {
    if !bound.ip().is_unspecified() {
        return bound;
    }
    let ip = local.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |local| local.ip().to_canonical());
    SocketAddr::new(ip, bound.port())
}

/// The other nodes with the addresses that clients of this network use.
pub(super) fn peers(ask: &Ask<'_>) -> Answer {
    Ok(peer_list(ask, |attributes| &attributes.service))
}

/// The same with alternate addresses, for those that have any.
pub(super) fn peers_alternate(ask: &Ask<'_>) -> Answer {
    Ok(peer_list(ask, |attributes| &attributes.alternate))
}

fn peer_list(ask: &Ask<'_>, of: fn(&Attributes) -> &Vec<Address>) -> String {
    let peers = ask.node.cluster.peers();
    let entries =
        peers.nodes.iter().filter(|(_, attributes)| !of(attributes).is_empty()).map(|(node, attributes)| {
            let addresses: Vec<String> = of(attributes).iter().map(Address::to_string).collect();
            format!("[{:X},,[{}]]", node.0, addresses.join(","))
        });
    format!("{},3000,[{}]", peers.generation, entries.collect::<Vec<_>>().join(","))
}

/// Moves when the peers change.
pub(super) fn peers_generation(ask: &Ask<'_>) -> Answer {
    Ok(ask.node.cluster.peers().generation.to_string())
}

/// Moves when the partition map changes; -1 as long as there is none.
pub(super) fn partition_generation(ask: &Ask<'_>) -> Answer {
    if ask.node.cluster.status().key == 0 {
        return Ok("-1".to_owned());
    }
    Ok(ask.node.cluster.partition_generation().to_string())
}

pub(super) fn rebalance_generation(ask: &Ask<'_>) -> Answer {
    Ok(ask.node.cluster.status().rack_generation.to_string())
}

/// The rack of this node, for each namespace.
pub(super) fn rack_ids(ask: &Ask<'_>) -> Answer {
    let rack = ask.node.attributes().map_or(0, |attributes| attributes.rack);
    Ok(per_namespace(ask, |namespace| format!("{}:{rack}", namespace.name)))
}

/// The nodes of every rack, for each namespace.
pub(super) fn racks(ask: &Ask<'_>) -> Answer {
    let status = ask.node.cluster.status();
    let mut by_rack: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for (node, rack) in &status.members {
        by_rack.entry(*rack).or_default().push(format!("{:X}", node.0));
    }
    let racks: Vec<String> =
        by_rack.iter().map(|(rack, nodes)| format!("rack_{rack}={}", nodes.join(","))).collect();
    Ok(per_namespace(ask, |namespace| format!("ns={}:{}", namespace.name, racks.join(":"))))
}

pub(super) fn cluster_name(ask: &Ask<'_>) -> Answer {
    let name = ask.node.config().service.text(ServiceKey::ClusterName);
    Ok(if name.is_empty() { "null".to_owned() } else { name })
}

pub(super) fn cluster_stable(ask: &Ask<'_>) -> Answer {
    let only = match ask.param(&["namespace"]) {
        Some(_) => Some(ask.namespace(&["namespace"])?.index),
        None => None,
    };
    let status = ask.node.cluster.status();
    match ask.param(&["size"]) {
        None => {}
        Some(size) => match size.parse::<usize>() {
            Ok(size) if size == status.members.len() => {}
            Ok(_) => return Err(InfoError::new(ResultCode::ClusterChange, "cluster not specified size")),
            Err(_) => return Err(InfoError::parameter("bad 'size'")),
        },
    }
    let ignore = ask.param(&["ignore_migrations", "ignore-migrations"]) == Some("true");
    let moving = |namespace: &Namespace| ask.node.migration_status(namespace).remaining() > 0;
    let asked = ask.node.namespaces().iter().filter(|one| only.is_none_or(|index| one.index == index));
    if !status.integrity || (!ignore && asked.into_iter().any(moving)) {
        return Err(InfoError::new(ResultCode::ClusterChange, "unstable cluster"));
    }
    Ok(cluster_key(ask))
}

fn per_namespace(ask: &Ask<'_>, show: impl Fn(&Namespace) -> String) -> String {
    ask.node.namespaces().iter().map(show).collect::<Vec<_>>().join(";")
}

/// For each place in succession a bitmap of the partitions for which this node is in that place.
fn bitmaps(ask: &Ask<'_>, namespace: &Namespace) -> Vec<String> {
    const BYTES: usize = PARTITION_COUNT as usize / 8;
    if !ask.node.cluster.is_joined() {
        return vec![STANDARD.encode([0xFF; BYTES])];
    }
    let me = ask.node.id();
    let map = namespace.holdings.map();
    let copies = map.as_ref().map_or(1, |map| map.map.replication_factor());
    let mut bits = vec![[0u8; BYTES]; copies];
    for partition in PartitionId::all() {
        let Some(map) = &map else { break };
        let succession = map.succession(partition, namespace.holdings.master(partition));
        let Some(place) = succession.iter().position(|node| *node == me) else { continue };
        if let Some(byte) = bits.get_mut(place).and_then(|bits| bits.get_mut(partition.index() / 8)) {
            *byte |= 0x80 >> (partition.index() % 8);
        }
    }
    bits.iter().map(|bits| STANDARD.encode(bits)).collect()
}

/// Regime 0 says that the namespace is available rather than consistent.
pub(super) fn replicas(ask: &Ask<'_>) -> Answer {
    Ok(per_namespace(ask, |namespace| {
        let bitmaps = bitmaps(ask, namespace);
        format!("{}:0,{},{}", namespace.name, bitmaps.len(), bitmaps.join(","))
    }))
}

pub(super) fn replicas_all(ask: &Ask<'_>) -> Answer {
    Ok(per_namespace(ask, |namespace| {
        let bitmaps = bitmaps(ask, namespace);
        format!("{}:{},{}", namespace.name, bitmaps.len(), bitmaps.join(","))
    }))
}

/// The oldest form ends every entry with a `;`.
pub(super) fn replicas_master(ask: &Ask<'_>) -> Answer {
    let entry = |namespace: &Namespace| {
        format!("{}:{};", namespace.name, bitmaps(ask, namespace).first().cloned().unwrap_or_default())
    };
    Ok(ask.node.namespaces().iter().map(entry).collect())
}

pub(super) fn partition_info(ask: &Ask<'_>) -> Answer {
    let me = ask.node.id();
    let key = cluster_key(ask);
    let mut text = PARTITION_HEADER.to_owned();
    for namespace in ask.node.namespaces() {
        let name = &namespace.name;
        let map = namespace.holdings.map();
        for (number, records) in inventory::records_by_partition(namespace).into_iter().enumerate() {
            let partition = u16::try_from(number).ok().and_then(PartitionId::new);
            let (succession, master) = match (&map, partition) {
                (Some(map), Some(partition)) => {
                    let master = namespace.holdings.master(partition);
                    (map.succession(partition, master), master.unwrap_or(me))
                }
                _ => (vec![me], me),
            };
            let place = succession.iter().position(|node| *node == me);
            let state = if place.is_some() { 'S' } else { 'A' };
            let replica = place.unwrap_or(succession.len());
            // Writing into a String cannot fail.
            let _ = write!(
                text,
                ";{name}:{number}:{state}:{}:{replica}:0:0:{:X}:{:X}:0:0:0:{records}:0:0:1:{key}.0.mp-:{key}.0.mp-",
                succession.len(),
                master.0,
                me.0,
            );
        }
    }
    Ok(text)
}

/// What this node holds of each partition of a namespace, one letter each.
pub(super) fn held(ask: &Ask<'_>) -> Answer {
    let namespace = ask.namespace(&["namespace"])?;
    let (me, holdings) = (ask.node.id(), &namespace.holdings);
    let inventory = holdings.inventory();
    let letter = |partition| match inventory.get(partition) {
        _ if holdings.is_served_by(me, partition) => 'M',
        Some(_) if holdings.is_full(partition) => 'F',
        Some(_) => 'p',
        None => '.',
    };
    Ok(PartitionId::all().map(letter).collect())
}

/// Joins a peer by hand: its address is looked up again and again until it is forgotten.
pub(super) fn tip(ask: &Ask<'_>) -> Answer {
    for key in ["host", "port"] {
        if ask.present(key)?.is_empty() {
            return Err(InfoError::parameter(format!("missing '{key}' value")));
        }
    }
    let port: u16 = ask.present("port")?.parse().map_err(|_| InfoError::parameter("bad 'port'"))?;
    if ask.node.cluster.add_tip(ask.present("host")?, port) {
        return Ok("ok".to_owned());
    }
    Err(InfoError::parameter("too many tips"))
}

/// Forgets tips and configured seeds.
pub(super) fn tip_clear(ask: &Ask<'_>) -> Answer {
    let list = ask.present("host-port-list")?;
    let (_, before) = ask.node.cluster.seeds();
    let mut missing = 0;
    if list == "all" {
        ask.node.cluster.clear_tips(None);
    }
    for entry in list.split(',').filter(|entry| !entry.is_empty() && list != "all") {
        let place = entry.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
        match place {
            Some((host, port)) if before.iter().any(|seed| seed.host == host && seed.port == port) => {
                ask.node.cluster.clear_tips(Some((host, port)));
            }
            Some(_) | None => missing += 1,
        }
    }
    let cleared = before.len().saturating_sub(ask.node.cluster.seeds().1.len());
    if missing == 0 && cleared > 0 {
        return Ok("ok".to_owned());
    }
    Err(InfoError::without_code(format!("{cleared} cleared, {missing} not found")))
}

/// Forgets where former members were.
pub(super) fn forget_alumni(ask: &Ask<'_>) -> Answer {
    ask.node.forget_alumni();
    Ok("ok".to_owned())
}

/// A new view with the same members, so that racks, quiesced nodes and replication factors take effect.
pub(super) fn recluster(ask: &Ask<'_>) -> Answer {
    let answer = if ask.node.recluster(ask.now) { "ok" } else { "ignored-by-non-principal" };
    Ok(answer.to_owned())
}

/// This node hands over what it masters, before it leaves.
pub(super) fn quiesce(ask: &Ask<'_>) -> Answer {
    ask.node.set_quiesced(ask.now, true);
    Ok("ok".to_owned())
}

/// This node takes its share again.
pub(super) fn quiesce_undo(ask: &Ask<'_>) -> Answer {
    ask.node.set_quiesced(ask.now, false);
    Ok("ok".to_owned())
}
