//! Addresses, peers, the partition map: what clients need to route requests.

use super::answer::{Answer, InfoError};
use super::ask::Ask;
use super::identity::{cluster_key, node_name};
use super::inventory;
use crate::config::ServiceKey;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::fmt::Write as _;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use shipload_value::digest::PARTITION_COUNT;
use shipload_wire::ResultCode;

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

pub(super) fn no_peers(_: &Ask<'_>) -> Answer {
    Ok("0,3000,[]".to_owned())
}

/// The generation of peers and of the partition map: neither changes while a node is alone.
pub(super) fn generation(_: &Ask<'_>) -> Answer {
    Ok("0".to_owned())
}

pub(super) fn rebalance_generation(_: &Ask<'_>) -> Answer {
    Ok("1".to_owned())
}

pub(super) fn cluster_name(ask: &Ask<'_>) -> Answer {
    let name = ask.node.config().service.text(ServiceKey::ClusterName);
    Ok(if name.is_empty() { "null".to_owned() } else { name })
}

pub(super) fn cluster_stable(ask: &Ask<'_>) -> Answer {
    if ask.param(&["namespace"]).is_some() {
        ask.namespace(&["namespace"])?;
    }
    match ask.param(&["size"]) {
        None | Some("1") => Ok(cluster_key(ask)),
        Some(size) if size.parse::<u32>().is_ok() => {
            Err(InfoError::new(ResultCode::ClusterChange, "cluster not specified size"))
        }
        Some(_) => Err(InfoError::parameter("bad 'size'")),
    }
}

/// A bitmap with every partition set, as it stands in the replica commands.
fn all_partitions() -> String {
    STANDARD.encode([0xFF; PARTITION_COUNT as usize / 8])
}

fn per_namespace(ask: &Ask<'_>, show: impl Fn(&str) -> String) -> String {
    let all = ask.node.namespaces().iter().map(|namespace| show(&namespace.name));
    all.collect::<Vec<_>>().join(";")
}

/// Regime 0 says that the namespace is available rather than consistent.
pub(super) fn replicas(ask: &Ask<'_>) -> Answer {
    let bitmap = all_partitions();
    Ok(per_namespace(ask, |name| format!("{name}:0,1,{bitmap}")))
}

pub(super) fn replicas_all(ask: &Ask<'_>) -> Answer {
    let bitmap = all_partitions();
    Ok(per_namespace(ask, |name| format!("{name}:1,{bitmap}")))
}

/// The oldest form ends every entry with a `;`.
pub(super) fn replicas_master(ask: &Ask<'_>) -> Answer {
    let bitmap = all_partitions();
    let entries = ask.node.namespaces().iter().map(|namespace| format!("{}:{bitmap};", namespace.name));
    Ok(entries.collect())
}

pub(super) fn partition_info(ask: &Ask<'_>) -> Answer {
    let (node, key) = (node_name(ask), cluster_key(ask));
    let mut text = PARTITION_HEADER.to_owned();
    for namespace in ask.node.namespaces() {
        let name = &namespace.name;
        for (partition, records) in inventory::records_by_partition(namespace).into_iter().enumerate() {
            // Writing into a String cannot fail.
            let _ = write!(
                text,
                ";{name}:{partition}:S:1:0:0:0:{node}:{node}:0:0:0:{records}:0:0:1:{key}.0.mp-:{key}.0.mp-"
            );
        }
    }
    Ok(text)
}
