//! Where the nodes of a drill listen: addresses and ports that nobody else uses.
//!
//! The ports lie below the ones that the system hands out by itself, and all of them are tried before the first
//! node starts, so that drills run beside each other and beside whatever else runs here.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

use anyhow::{Result, bail};

/// First port of the drills' range.
const FIRST: u16 = 20_000;
/// The range ends below this one; from here on systems hand ports out by themselves.
const LAST: u16 = 32_000;
/// Ports of a node, one after the other.
const PORTS: u16 = 4;

/// Where one node listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The address of all ports.
    pub(super) ip: IpAddr,
    /// For clients; fabric, heartbeat and info follow.
    pub(super) port: u16,
}

impl Place {
    /// Where clients reach the node.
    pub(super) fn service(self) -> SocketAddr {
        SocketAddr::new(self.ip, self.port)
    }

    /// Where other nodes gossip.
    pub(super) fn heartbeat(self) -> SocketAddr {
        SocketAddr::new(self.ip, self.port + 2)
    }

    /// Flags of `shipload serve` for this place.
    pub(super) fn flags(self) -> Vec<String> {
        let mut flags = vec!["--address".to_owned(), self.ip.to_string()];
        for (name, offset) in
            [("--port", 0), ("--fabric-port", 1), ("--heartbeat-port", 2), ("--info-port", 3)]
        {
            flags.extend([name.to_owned(), (self.port + offset).to_string()]);
        }
        flags.extend(["--http-port".to_owned(), "0".to_owned()]);
        flags
    }

    fn is_free(self) -> bool {
        let tcp = (0..PORTS).all(|offset| TcpListener::bind((self.ip, self.port + offset)).is_ok());
        tcp && UdpSocket::bind(self.heartbeat()).is_ok()
    }
}

/// Places on 127.0.0.1, 127.0.0.2 and so on, with the same ports on all of them.
pub(super) fn on_loopback(count: u8) -> Result<Vec<Place>> {
    let ip = |number| IpAddr::V4(Ipv4Addr::new(127, 0, 0, number));
    let steps = (LAST - FIRST) / PORTS;
    // Drills that start together begin at different places.
    let begin = u16::try_from(std::process::id() % u32::from(steps)).unwrap_or(0);
    for step in 0..steps {
        let port = FIRST + (begin + step) % steps * PORTS;
        let places: Vec<Place> = (1..=count).map(|number| Place { ip: ip(number), port }).collect();
        if places.iter().all(|place| place.is_free()) {
            return Ok(places);
        }
    }
    bail!("no free ports between {FIRST} and {LAST} on 127.0.0.1 to 127.0.0.{count}")
}

/// A place in a network of its own, where every port is free.
pub(super) fn alone(ip: Ipv4Addr) -> Place {
    Place { ip: IpAddr::V4(ip), port: 3000 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_use_is_passed_over() {
        let first = on_loopback(2).unwrap();
        assert_eq!(first.len(), 2);
        let _held = TcpListener::bind(first[1].heartbeat()).unwrap();
        let second = on_loopback(2).unwrap();
        assert_ne!(first[0].port, second[0].port);
        assert_eq!(first[0].heartbeat().port(), first[0].service().port() + 2);
    }
}
