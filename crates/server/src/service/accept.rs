//! Taking in new connections, within the limit of `proto-fd-max`.

use super::connection::Protocol;
use super::desk::Shared;
use mio::net::TcpListener;
use shipload_node::config::ServiceKey;
use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;

/// A listening socket of one thread.
#[derive(Debug)]
pub(crate) struct Door {
    pub(super) listener: TcpListener,
    pub(super) protocol: Protocol,
    /// The bound address; the local address of what it accepts unless that is a wildcard.
    pub(super) address: SocketAddr,
    /// Connections may wait here, though epoll will not tell again.
    pub(super) waiting: bool,
    /// After an error (no file descriptors): not before this moment.
    pub(super) retry_mono_ns: u64,
}

impl Door {
    /// A door for clients of the protocol.
    pub(crate) fn service(listener: std::net::TcpListener) -> std::io::Result<Door> {
        Door::new(listener, Protocol::Client)
    }

    /// A door for info as plain text.
    pub(crate) fn info(listener: std::net::TcpListener) -> std::io::Result<Door> {
        Door::new(listener, Protocol::InfoUnknown)
    }

    /// A door for other nodes.
    pub(crate) fn fabric(listener: std::net::TcpListener) -> std::io::Result<Door> {
        Door::new(listener, Protocol::Fabric)
    }

    /// A door for tools, without records.
    pub(crate) fn admin(listener: std::net::TcpListener) -> std::io::Result<Door> {
        Door::new(listener, Protocol::Admin)
    }

    fn new(listener: std::net::TcpListener, protocol: Protocol) -> std::io::Result<Door> {
        let address = listener.local_addr()?;
        let listener = TcpListener::from_std(listener);
        Ok(Door { listener, protocol, address, waiting: false, retry_mono_ns: 0 })
    }
}

/// Whether an error of `accept` belongs to the connection that was to be accepted: the next one may be fine.
pub(super) fn is_of_the_connection(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::Interrupted
            | ErrorKind::ConnectionRefused
    )
}

/// Counts one more connection; false when there are `proto-fd-max` already.
pub(super) fn admit(shared: &Shared, peer: SocketAddr, mono_ns: u64) -> bool {
    let facts = &shared.node.facts;
    let limit = shared.node.config().service.number(ServiceKey::ProtoFdMax);
    let open = facts.client_connections.fetch_add(1, Ordering::Relaxed);
    if open < limit {
        facts.client_connections_opened.fetch_add(1, Ordering::Relaxed);
        return true;
    }
    facts.client_connections.fetch_sub(1, Ordering::Relaxed);
    shared.refused_connections.fetch_add(1, Ordering::Relaxed);
    if let Some(left_out) = shared.throttles.too_many.pass(mono_ns) {
        tracing::warn!(
            %peer, limit, left_out,
            "connection turned away: there are proto-fd-max connections already; raise it with \
             set-config:context=service;proto-fd-max=N"
        );
    }
    false
}

/// Counts a connection that ended.
pub(super) fn dismiss(shared: &Shared, protocol: Protocol) {
    if protocol == Protocol::Inside {
        return;
    }
    let facts = &shared.node.facts;
    facts.client_connections.fetch_sub(1, Ordering::Relaxed);
    facts.client_connections_closed.fetch_add(1, Ordering::Relaxed);
}
