//! Opens listening sockets, and says in plain words why one can't be opened.
//!
//! The service port is opened once per service thread (`SO_REUSEPORT`), so the kernel deals connections out
//! without a lock. Linux would let a second server of the same user join that group unnoticed and take half of
//! the connections: therefore the port is first opened alone, which fails when anybody else listens.

use socket2::{Domain, Protocol, SockAddr, Socket, TcpKeepalive, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;
use thiserror::Error;

/// Connections that may wait for being accepted; the kernel cuts this to its own limit.
const BACKLOG: i32 = 4096;

/// What a port is for; names it in messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Client protocol.
    Service,
    /// Info and security commands, for tools.
    Admin,
    /// Data between nodes.
    Fabric,
    /// Membership between nodes.
    Heartbeat,
    /// Plain-text info.
    Info,
    /// Health, metrics.
    Http,
    /// PostgreSQL's clients.
    Pg,
}

impl Purpose {
    /// The word used in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Purpose::Service => "service",
            Purpose::Admin => "admin",
            Purpose::Fabric => "fabric",
            Purpose::Heartbeat => "heartbeat",
            Purpose::Info => "info",
            Purpose::Http => "http",
            Purpose::Pg => "pg",
        }
    }

    /// The flag that chooses another port.
    #[must_use]
    pub fn flag(self) -> &'static str {
        match self {
            Purpose::Service => "--port",
            Purpose::Admin => "--set network.admin.port=PORT",
            Purpose::Fabric => "--fabric-port",
            Purpose::Heartbeat => "--heartbeat-port",
            Purpose::Info => "--info-port",
            Purpose::Http => "--http-port",
            Purpose::Pg => "--pg-port",
        }
    }
}

/// A port that could not be opened.
#[derive(Debug, Error)]
#[error("{} port {}: {}", purpose.name(), address, self.advice())]
pub struct ListenError {
    /// What the port is for.
    pub purpose: Purpose,
    /// Address and port.
    pub address: SocketAddr,
    /// What the operating system said.
    pub error: io::Error,
}

impl ListenError {
    #[allow(clippy::wildcard_enum_match_arm, reason = "the standard library's list of errors is open")]
    fn advice(&self) -> String {
        let port = self.address.port();
        let flag = self.purpose.flag();
        match self.error.kind() {
            io::ErrorKind::AddrInUse => format!(
                "already in use by another process; stop that one (`ss -{}p sport = :{port}` shows it) \
                 or choose another port with {flag}",
                if self.purpose == Purpose::Heartbeat { "lun" } else { "ltn" }
            ),
            io::ErrorKind::AddrNotAvailable => format!(
                "this machine has no address {}; choose one of its own with --address, \
                 or `any` for all interfaces",
                self.address.ip()
            ),
            io::ErrorKind::PermissionDenied => {
                format!("not permitted; ports below 1024 need privileges, choose another with {flag}")
            }
            _ => format!("can't be opened: {}", self.error),
        }
    }
}

/// Opens one listener on `address`; port 0 lets the kernel choose.
///
/// # Errors
/// When the address can't be bound.
pub fn single(purpose: Purpose, address: SocketAddr) -> Result<TcpListener, ListenError> {
    open(address, false).map_err(|error| ListenError { purpose, address, error })
}

/// Opens `count` listeners that share one address; port 0 lets the kernel choose one port for all.
///
/// # Errors
/// When the address can't be bound, also because somebody else shares it already.
pub fn shared(purpose: Purpose, address: SocketAddr, count: usize) -> Result<Vec<TcpListener>, ListenError> {
    let failed = |error| ListenError { purpose, address, error };
    if address.port() != 0 {
        drop(open(address, false).map_err(failed)?);
    }
    let first = open(address, true).map_err(failed)?;
    let bound = first.local_addr().map_err(failed)?;
    let mut listeners = vec![first];
    while listeners.len() < count {
        listeners.push(open(bound, true).map_err(failed)?);
    }
    Ok(listeners)
}

fn open(address: SocketAddr, share: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if share {
        socket.set_reuse_port(true)?;
    }
    // Accepted connections inherit these, which saves system calls for every one of them. Keep-alive finds
    // peers that vanished without a word; the protocol itself has no heartbeat.
    socket.set_tcp_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(60))
        .with_interval(Duration::from_secs(20))
        .with_retries(3);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::{Purpose, shared, single};

    #[test]
    fn a_port_in_use_is_refused_even_when_it_is_shared() {
        let any: std::net::SocketAddr = "127.0.0.1:0".parse().expect("an address");
        let first = shared(Purpose::Service, any, 3).expect("a free port");
        let taken = first[0].local_addr().expect("bound");
        assert!(first.iter().all(|one| one.local_addr().expect("bound") == taken));
        let error = shared(Purpose::Service, taken, 3).expect_err("taken").to_string();
        assert!(error.contains("already in use") && error.contains("--port"), "{error}");
        let error = single(Purpose::Http, taken).expect_err("taken").to_string();
        assert!(error.starts_with("http port 127.0.0.1:") && error.contains("--http-port"), "{error}");
    }

    #[test]
    fn an_address_of_another_machine_is_refused() {
        let foreign = "192.0.2.77:0".parse().expect("an address");
        let error = single(Purpose::Service, foreign).expect_err("not ours").to_string();
        assert!(error.contains("has no address 192.0.2.77"), "{error}");
    }
}
