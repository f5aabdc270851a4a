//! Which addresses a node opens, from its configuration, and what it tells clients about them.

use crate::cluster::Heartbeat;
use crate::host::interfaces;
use crate::listen::{self, Purpose};
use crate::running::StartError;
use crate::service::Door;
use shipload_node::Listen;
use shipload_node::config::{NetworkKey, Values};
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener};
use thiserror::Error;

/// The default of the service port.
const SERVICE_PORT: u16 = 3000;

/// A word in an `address` line that stands for no address of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{purpose} address '{word}' is no address of this machine; allowed: an IP address, a network interface, \
     localhost, any",
    purpose = purpose.name()
)]
pub struct UnknownAddress {
    /// Whose address line.
    pub purpose: Purpose,
    /// The word.
    pub word: String,
}

/// Addresses that a server really listens on.
#[derive(Debug, Clone)]
pub struct Bound {
    /// Clients: the first of the service addresses.
    pub service: SocketAddr,
    /// Data between nodes (TCP).
    pub fabric: Option<SocketAddr>,
    /// Membership between nodes (UDP).
    pub heartbeat: Option<SocketAddr>,
    /// Info as plain text.
    pub info: Option<SocketAddr>,
    /// Health and metrics.
    pub http: Option<SocketAddr>,
    /// PostgreSQL's clients, in a program with SQL.
    pub pg: Option<SocketAddr>,
    /// Every open address with what it is for.
    pub all: Vec<(Purpose, SocketAddr)>,
}

/// What opening the ports gave.
pub(crate) struct Opened {
    pub(crate) bound: Bound,
    pub(crate) listen: Listen,
    /// For each service thread its doors.
    pub(crate) doors: Vec<Vec<Door>>,
    pub(crate) heartbeat: Heartbeat,
    pub(crate) http: Vec<TcpListener>,
    pub(crate) pg: Vec<TcpListener>,
}

/// Opens everything that the configuration wants.
pub(crate) fn open(
    network: &Values<NetworkKey>,
    threads: usize,
    any_port: bool,
) -> Result<Opened, StartError> {
    let mut opener = Opener { network, doors: Vec::new(), all: Vec::new() };
    opener.doors.resize_with(threads, Vec::new);
    let service = opener.service()?;
    let admin = opener.admin()?;
    let fabric = opener.fabric()?;
    let heartbeat = Heartbeat::open(network)?;
    opener.all.extend(heartbeat.addresses().iter().map(|address| (Purpose::Heartbeat, *address)));
    let info = opener.one(Purpose::Info, NetworkKey::InfoAddress, NetworkKey::InfoPort, any_port)?;
    let info_bound = addresses_of(&info)?;
    opener.hand_to_first(info, Door::info)?;
    let http = opener.one(Purpose::Http, NetworkKey::HttpAddress, NetworkKey::HttpPort, any_port)?;
    let http_bound = addresses_of(&http)?;
    let pg = if cfg!(feature = "sql") { opener.pg()? } else { Vec::new() };
    let first = service.first().copied().ok_or_else(|| UnknownAddress {
        purpose: Purpose::Service,
        word: network.text(NetworkKey::ServiceAddress),
    })?;
    let access = |addresses, port| announced(network, addresses, port, first.port());
    let listen = Listen {
        service,
        access: access(NetworkKey::ServiceAccessAddress, NetworkKey::ServiceAccessPort),
        alternate: access(NetworkKey::ServiceAlternateAccessAddress, NetworkKey::ServiceAlternateAccessPort),
        admin,
        info: info_bound,
        http: http_bound,
    };
    let (info, http_first) = (listen.info.first().copied(), listen.http.first().copied());
    let bound = Bound {
        service: first,
        fabric: fabric.first().copied(),
        heartbeat: heartbeat.addresses().first().copied(),
        info,
        http: http_first,
        pg: addresses_of(&pg)?.first().copied(),
        all: opener.all,
    };
    Ok(Opened { bound, listen, doors: opener.doors, heartbeat, http, pg })
}

struct Opener<'a> {
    network: &'a Values<NetworkKey>,
    doors: Vec<Vec<Door>>,
    all: Vec<(Purpose, SocketAddr)>,
}

impl Opener<'_> {
    /// The service port on all its addresses, once for each thread.
    fn service(&mut self) -> Result<Vec<SocketAddr>, StartError> {
        let mut port = self.port(NetworkKey::ServicePort);
        let mut bound = Vec::new();
        for ip in self.ips(Purpose::Service, NetworkKey::ServiceAddress)? {
            let listeners = listen::shared(Purpose::Service, SocketAddr::new(ip, port), self.doors.len())?;
            let address = local(listeners.first())?;
            // When the system chose the port for the first address, the others get the same.
            port = address.port();
            for (doors, listener) in self.doors.iter_mut().zip(listeners) {
                doors.push(Door::service(listener)?);
            }
            self.all.push((Purpose::Service, address));
            bound.push(address);
        }
        Ok(bound)
    }

    fn admin(&mut self) -> Result<Vec<SocketAddr>, StartError> {
        let listeners = self.one(Purpose::Admin, NetworkKey::AdminAddress, NetworkKey::AdminPort, false)?;
        let bound = addresses_of(&listeners)?;
        self.hand_to_first(listeners, Door::admin)?;
        Ok(bound)
    }

    /// The port for data between nodes; there always is one.
    fn fabric(&mut self) -> Result<Vec<SocketAddr>, StartError> {
        let port = between_nodes(self.network, NetworkKey::FabricPort);
        let listeners = self.at(Purpose::Fabric, NetworkKey::FabricAddress, port)?;
        let bound = addresses_of(&listeners)?;
        self.hand_to_first(listeners, Door::fabric)?;
        Ok(bound)
    }

    /// A port that one thread serves, on all its addresses; none when its port is 0.
    fn one(
        &mut self,
        purpose: Purpose,
        addresses: NetworkKey,
        port: NetworkKey,
        any_port: bool,
    ) -> Result<Vec<TcpListener>, StartError> {
        match self.port(port) {
            0 if !any_port => Ok(Vec::new()),
            port => self.at(purpose, addresses, port),
        }
    }

    /// The port for PostgreSQL's clients. A PostgreSQL that has its usual port is no reason not to start.
    fn pg(&mut self) -> Result<Vec<TcpListener>, StartError> {
        match self.one(Purpose::Pg, NetworkKey::PgAddress, NetworkKey::PgPort, false) {
            Err(StartError::Listen(error))
                if error.error.kind() == ErrorKind::AddrInUse
                    && !self.network.is_given(NetworkKey::PgPort) =>
            {
                self.all.retain(|(purpose, _)| *purpose != Purpose::Pg);
                tracing::warn!("{error}; PostgreSQL's clients are not served");
                Ok(Vec::new())
            }
            opened => opened,
        }
    }

    /// Listens on a port of all addresses; 0 lets the system choose one for all.
    fn at(
        &mut self,
        purpose: Purpose,
        addresses: NetworkKey,
        mut port: u16,
    ) -> Result<Vec<TcpListener>, StartError> {
        let mut listeners = Vec::new();
        for ip in self.ips(purpose, addresses)? {
            let listener = listen::single(purpose, SocketAddr::new(ip, port))?;
            let address = local(Some(&listener))?;
            port = address.port();
            self.all.push((purpose, address));
            listeners.push(listener);
        }
        Ok(listeners)
    }

    fn hand_to_first(
        &mut self,
        listeners: Vec<TcpListener>,
        door: fn(TcpListener) -> std::io::Result<Door>,
    ) -> Result<(), StartError> {
        for listener in listeners {
            let door = door(listener)?;
            if let Some(first) = self.doors.first_mut() {
                first.push(door);
            }
        }
        Ok(())
    }

    fn port(&self, key: NetworkKey) -> u16 {
        u16::try_from(self.network.number(key)).unwrap_or(0)
    }

    fn ips(&self, purpose: Purpose, key: NetworkKey) -> Result<Vec<IpAddr>, UnknownAddress> {
        ips(self.network, purpose, key)
    }
}

/// The addresses of a list of words; those of the service port when the list is empty.
pub(crate) fn ips(
    network: &Values<NetworkKey>,
    purpose: Purpose,
    key: NetworkKey,
) -> Result<Vec<IpAddr>, UnknownAddress> {
    let mut words = network.list(key);
    if words.is_empty() {
        words = network.list(NetworkKey::ServiceAddress);
    }
    let mut ips: Vec<IpAddr> = Vec::new();
    for word in words {
        let found = interfaces::resolve(&word);
        if found.is_empty() {
            return Err(UnknownAddress { purpose, word });
        }
        for ip in found {
            if !ips.contains(&ip) {
                ips.push(ip);
            }
        }
    }
    Ok(ips)
}

/// The fabric or heartbeat port. One that is not given stands as far from the service port as the defaults do, so
/// that a second node on a machine needs one port and not three; where the system chooses the service port, it
/// chooses this one too (0).
pub(crate) fn between_nodes(network: &Values<NetworkKey>, key: NetworkKey) -> u16 {
    let number = |key| u16::try_from(network.number(key)).unwrap_or(0);
    let (port, service) = (number(key), number(NetworkKey::ServicePort));
    if network.is_given(key) || !network.is_given(NetworkKey::ServicePort) {
        return port;
    }
    match service {
        0 => 0,
        service => service.checked_add(port.saturating_sub(SERVICE_PORT)).unwrap_or(port),
    }
}

/// `host:port` for each configured address that is announced instead of a bound one.
fn announced(
    network: &Values<NetworkKey>,
    addresses: NetworkKey,
    port: NetworkKey,
    bound: u16,
) -> Vec<String> {
    let port = match network.number(port) {
        0 => u64::from(bound),
        port => port,
    };
    let words = network.list(addresses).into_iter();
    words
        .map(|word| if word.contains(':') { format!("[{word}]:{port}") } else { format!("{word}:{port}") })
        .collect()
}

fn local(listener: Option<&TcpListener>) -> Result<SocketAddr, StartError> {
    let missing = || std::io::Error::other("no listener was made");
    Ok(listener.ok_or_else(missing)?.local_addr()?)
}

fn addresses_of(listeners: &[TcpListener]) -> Result<Vec<SocketAddr>, StartError> {
    listeners.iter().map(|listener| local(Some(listener))).collect()
}

#[cfg(test)]
mod tests {
    use super::between_nodes;
    use shipload_node::config::{Config, NetworkKey};

    #[test]
    fn ports_between_nodes_follow_the_service_port() {
        let port = |given: &[(NetworkKey, &str)]| {
            let network = Config::new().network;
            given.iter().for_each(|(key, text)| network.put(*key, text).expect("a port"));
            between_nodes(&network, NetworkKey::HeartbeatPort)
        };
        assert_eq!(port(&[]), 3002);
        assert_eq!(port(&[(NetworkKey::ServicePort, "3000")]), 3002);
        assert_eq!(port(&[(NetworkKey::ServicePort, "3100")]), 3102);
        assert_eq!(port(&[(NetworkKey::ServicePort, "0")]), 0);
        assert_eq!(port(&[(NetworkKey::ServicePort, "65535")]), 3002);
        assert_eq!(port(&[(NetworkKey::ServicePort, "3100"), (NetworkKey::HeartbeatPort, "3002")]), 3002);
        assert_eq!(port(&[(NetworkKey::HeartbeatPort, "0")]), 0);
    }
}
