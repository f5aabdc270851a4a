//! Which addresses this node announces to the others.
//!
//! Guarantees: a bound address is announced as it is. A node that listens on all interfaces announces the one from
//! which it reaches its seeds, because that network is the one that the nodes share: in a container the first
//! interface may belong to a published port, and another has the same address on every host. Until a seed is known
//! it is the address that the machine's own name has in `/etc/hosts`, then the first that is not loopback.
//! What was announced stays for as long as it is as good as any other, so that names which answer in changing
//! order move nobody.

use super::dns::parse_hosts;
use crate::host::interfaces;
use shipload_cluster::{Address, Attributes};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// So many addresses of seeds are looked at.
const SEEDS_LOOKED_AT: usize = 16;

/// Where a node listens, and what its configuration wants announced.
#[derive(Debug, Clone)]
pub(crate) struct Listening {
    /// Bound for data between nodes.
    pub(crate) fabric: SocketAddr,
    /// Bound for heartbeats.
    pub(crate) heartbeat: SocketAddr,
    /// Bound for clients.
    pub(crate) service: Vec<SocketAddr>,
    /// Announced to clients instead, when there is any.
    pub(crate) access: Vec<Address>,
    /// Announced to clients that ask for alternate addresses.
    pub(crate) alternate: Vec<Address>,
    /// The node's rack.
    pub(crate) rack: u32,
}

/// What the machine's network is like.
pub(super) trait Network {
    /// The address that this machine uses towards another one.
    fn towards(&self, other: SocketAddr) -> Option<IpAddr>;
    /// The addresses of all interfaces.
    fn addresses(&self) -> Vec<IpAddr>;
    /// The addresses that the machine's own name has in its own file.
    fn named(&self) -> Vec<IpAddr>;
}

/// This machine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Machine;

impl Network for Machine {
    fn towards(&self, other: SocketAddr) -> Option<IpAddr> {
        // Nothing is sent: connecting a datagram socket only asks the routing table.
        let any: IpAddr =
            if other.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind((any, 0)).ok()?;
        socket.connect(other).ok()?;
        socket.local_addr().ok().map(|local| local.ip())
    }

    fn addresses(&self) -> Vec<IpAddr> {
        interfaces::addresses().map(|(_, ip)| ip).collect()
    }

    fn named(&self) -> Vec<IpAddr> {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let name = read("/proc/sys/kernel/hostname");
        parse_hosts(&read("/etc/hosts"), name.trim())
    }
}

/// Remembers what was announced last.
#[derive(Debug, Default)]
pub(super) struct Reach {
    v4: Option<IpAddr>,
    v6: Option<IpAddr>,
}

impl Reach {
    /// What to announce now, with the addresses that the seeds stand for.
    pub(super) fn attributes(
        &mut self,
        listening: &Listening,
        seeds: &[SocketAddr],
        network: &impl Network,
    ) -> Attributes {
        let mut concrete = |bound: SocketAddr| {
            let ip = if bound.ip().is_unspecified() {
                self.choose(bound.is_ipv4(), seeds, network)
            } else {
                bound.ip()
            };
            SocketAddr::new(ip, bound.port())
        };
        let mut attributes = Attributes::at(concrete(listening.fabric), concrete(listening.heartbeat));
        attributes.service = if listening.access.is_empty() {
            listening.service.iter().map(|bound| Address::from(concrete(*bound))).collect()
        } else {
            listening.access.clone()
        };
        attributes.alternate.clone_from(&listening.alternate);
        attributes.rack = listening.rack;
        env!("CARGO_PKG_VERSION").clone_into(&mut attributes.build);
        attributes
    }

    /// The address of one family that others can reach.
    fn choose(&mut self, v4: bool, seeds: &[SocketAddr], network: &impl Network) -> IpAddr {
        let last = if v4 { &mut self.v4 } else { &mut self.v6 };
        let own = network.addresses();
        let usable = |ip: &IpAddr| ip.is_ipv4() == v4 && !ip.is_loopback() && own.contains(ip);
        // A seed on this very machine says nothing about the network that others are on.
        let seeds = seeds.iter().filter(|seed| seed.is_ipv4() == v4 && !seed.ip().is_loopback());
        let routed = seeds.take(SEEDS_LOOKED_AT).filter_map(|seed| network.towards(*seed));
        let routed: Vec<IpAddr> = routed.filter(usable).collect();
        let all: Vec<IpAddr> = own.iter().copied().filter(usable).collect();
        let good = if routed.is_empty() { &all } else { &routed };
        let kept = last.filter(|ip| good.contains(ip));
        let named = || network.named().into_iter().find(|ip| good.contains(ip));
        let loopback = if v4 { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
        let chosen = kept.or_else(named).or_else(|| good.first().copied()).unwrap_or(loopback);
        *last = Some(chosen);
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, Listening, Machine, Network, Reach};
    use std::net::{IpAddr, SocketAddr};

    /// Interfaces as in a container of a Swarm: published ports, the overlay, the bridge of the host.
    struct Container {
        own: Vec<IpAddr>,
        named: Vec<IpAddr>,
    }

    impl Network for Container {
        fn towards(&self, other: SocketAddr) -> Option<IpAddr> {
            let near = |ip: &&IpAddr| match (ip, other.ip()) {
                (IpAddr::V4(ip), IpAddr::V4(other)) => ip.octets()[..3] == other.octets()[..3],
                (ip, other) => ip.is_ipv6() == other.is_ipv6(),
            };
            self.own.iter().find(near).or(self.own.last()).copied()
        }
        fn addresses(&self) -> Vec<IpAddr> {
            self.own.clone()
        }
        fn named(&self) -> Vec<IpAddr> {
            self.named.clone()
        }
    }

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().expect("an address")).collect()
    }

    fn sockets(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().expect("an address")).collect()
    }

    fn container() -> Container {
        let own = ips(&["127.0.0.1", "10.0.0.5", "10.0.1.7", "172.18.0.4", "fd00::7"]);
        Container { own, named: Vec::new() }
    }

    fn wild() -> Listening {
        Listening {
            fabric: "0.0.0.0:3001".parse().expect("an address"),
            heartbeat: "0.0.0.0:3002".parse().expect("an address"),
            service: sockets(&["0.0.0.0:3000"]),
            access: Vec::new(),
            alternate: Vec::new(),
            rack: 3,
        }
    }

    fn announced(reach: &mut Reach, network: &Container, seeds: &[&str]) -> String {
        reach.attributes(&wild(), &sockets(seeds), network).heartbeat.to_string()
    }

    #[test]
    fn bound_addresses_are_announced_as_they_are() {
        let mut listening = wild();
        listening.fabric = "127.0.0.2:3001".parse().expect("an address");
        listening.heartbeat = "127.0.0.2:3002".parse().expect("an address");
        listening.service = sockets(&["127.0.0.2:3000", "[::1]:3000"]);
        let attributes = Reach::default().attributes(&listening, &sockets(&["10.0.1.1:3002"]), &container());
        assert_eq!(attributes.fabric, listening.fabric);
        assert_eq!(attributes.heartbeat, listening.heartbeat);
        let service: Vec<String> = attributes.service.iter().map(ToString::to_string).collect();
        assert_eq!(service, ["127.0.0.2:3000", "[::1]:3000"]);
        assert_eq!((attributes.rack, attributes.quiesced), (3, false));
    }

    #[test]
    fn the_network_of_the_seeds_is_the_one() {
        let mut reach = Reach::default();
        assert_eq!(announced(&mut reach, &container(), &[]), "10.0.0.5:3002", "nothing better is known");
        assert_eq!(announced(&mut reach, &container(), &["10.0.1.9:3002"]), "10.0.1.7:3002");
        // The seeds come in another order, or fall silent: no reason to move.
        assert_eq!(announced(&mut reach, &container(), &["10.0.0.9:3002", "10.0.1.9:3002"]), "10.0.1.7:3002");
        assert_eq!(announced(&mut reach, &container(), &[]), "10.0.1.7:3002");
        // The seeds are elsewhere now, or the interface is gone.
        assert_eq!(announced(&mut reach, &container(), &["10.0.0.9:3002"]), "10.0.0.5:3002");
        let mut fewer = container();
        fewer.own.remove(1);
        assert_eq!(announced(&mut reach, &fewer, &[]), "10.0.1.7:3002");
    }

    #[test]
    fn the_own_name_is_the_next_best_hint_and_loopback_the_last() {
        let mut network = container();
        network.named = ips(&["127.0.1.1", "10.9.9.9", "10.0.1.7"]);
        assert_eq!(announced(&mut Reach::default(), &network, &[]), "10.0.1.7:3002");
        network.own = ips(&["127.0.0.1"]);
        assert_eq!(announced(&mut Reach::default(), &network, &["127.0.0.1:3002"]), "127.0.0.1:3002");
        // Seeds on this machine only: others may still come from elsewhere.
        let found = announced(&mut Reach::default(), &container(), &["127.0.0.1:3002"]);
        assert_eq!(found, "10.0.0.5:3002");
    }

    #[test]
    fn clients_are_told_what_the_configuration_wants() {
        let mut listening = wild();
        let service = |listening: &Listening| {
            let attributes = Reach::default().attributes(listening, &[], &container());
            attributes.service.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(service(&listening), ["10.0.0.5:3000"]);
        listening.service = sockets(&["[::]:3000"]);
        assert_eq!(service(&listening), ["[fd00::7]:3000"]);
        listening.access = vec![Address::new("db.example", 4000).expect("an address")];
        assert_eq!(service(&listening), ["db.example:4000"]);
    }

    #[test]
    fn this_machine_has_a_way_to_itself() {
        let itself = "127.0.0.1:9".parse().expect("an address");
        assert_eq!(Machine.towards(itself).map(|ip| ip.to_string()).as_deref(), Some("127.0.0.1"));
        assert!(Machine.addresses().contains(&"127.0.0.1".parse().expect("an address")));
    }
}
