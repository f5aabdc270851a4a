//! Finding other nodes by multicast, on plain networks that carry it.
//!
//! The idea: a group is one more candidate. The engine seeks there as it does at any address, and every node of the
//! group answers from its own; from then on they talk as all others do. So this only joins groups.

use mio::net::UdpSocket;
use shipload_node::config::{NetworkKey, Values};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::host::interfaces;

/// What a `multicast-group` may be.
pub(crate) const ALLOWED: &str = "an IPv4 address from 224.0.0.0 to 239.255.255.255";

/// The place of the word in the key's list of choices.
const MULTICAST: u64 = 1;

/// The groups that a node belongs to.
#[derive(Debug, Clone, Default)]
pub(super) struct Groups {
    groups: Vec<Ipv4Addr>,
    /// How many routers a datagram may pass, plus one; 0 leaves it to the system, which means none.
    ttl: u32,
}

/// Whether nodes are to be found by multicast.
pub(crate) fn is_wanted(network: &Values<NetworkKey>) -> bool {
    network.number(NetworkKey::HeartbeatMode) == MULTICAST
}

/// Reads a group; none when it is none.
pub(crate) fn group(text: &str) -> Option<Ipv4Addr> {
    text.parse().ok().filter(Ipv4Addr::is_multicast)
}

impl Groups {
    /// Those of the configuration; none in mesh mode.
    pub(super) fn of(network: &Values<NetworkKey>) -> Groups {
        if !is_wanted(network) {
            return Groups::default();
        }
        let groups = network.list(NetworkKey::HeartbeatMulticastGroup);
        Groups {
            groups: groups.iter().filter_map(|text| group(text)).collect(),
            ttl: u32::try_from(network.number(NetworkKey::HeartbeatMulticastTtl)).unwrap_or(0),
        }
    }

    /// Where to seek, for a node with this heartbeat port.
    pub(super) fn at(&self, port: u16) -> impl Iterator<Item = SocketAddr> {
        self.groups.iter().map(move |group| SocketAddr::new((*group).into(), port))
    }

    /// Prepares a bound socket for sending to the groups, and has datagrams of the groups received: by the socket itself
    /// when it is bound to all addresses, else by the sockets of the answer.
    pub(super) fn join(&self, socket: &Socket, bound: SocketAddr) -> io::Result<Vec<UdpSocket>> {
        let IpAddr::V4(own) = bound.ip() else { return Ok(Vec::new()) };
        if self.groups.is_empty() {
            return Ok(Vec::new());
        }
        if self.ttl > 0 {
            socket.set_multicast_ttl_v4(self.ttl)?;
        }
        if own.is_unspecified() {
            self.groups.iter().try_for_each(|group| join_everywhere(socket, *group))?;
            return Ok(Vec::new());
        }
        socket.set_multicast_if_v4(&own)?;
        self.at(bound.port()).map(|group| listen(group, own)).collect()
    }
}

/// Joins a group on all interfaces; one that can't be joined, because it carries no multicast, is left out.
fn join_everywhere(socket: &Socket, group: Ipv4Addr) -> io::Result<()> {
    let addresses: Vec<IpAddr> = interfaces::addresses().map(|(_, ip)| ip).collect();
    let mut joined = Err(io::ErrorKind::AddrNotAvailable.into());
    for address in addresses {
        if let IpAddr::V4(own) = address
            && !own.is_loopback()
        {
            let one = socket.join_multicast_v4(&group, &own);
            joined = joined.or(one);
        }
    }
    // A machine with loopback only still finds the nodes on it.
    joined.or_else(|_: io::Error| socket.join_multicast_v4(&group, &Ipv4Addr::LOCALHOST))
}

/// A socket that only hears what is sent to the group through the interface with this address. Several nodes of a
/// machine may each have one.
fn listen(group: SocketAddr, own: Ipv4Addr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    socket.bind(&SockAddr::from(group))?;
    if let IpAddr::V4(group) = group.ip() {
        socket.join_multicast_v4(&group, &own)?;
    }
    Ok(UdpSocket::from_std(socket.into()))
}
