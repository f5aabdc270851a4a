//! The sockets that gossip goes through.

use super::multicast::Groups;
use crate::listen::{ListenError, Purpose};
use crate::ports::{self, UnknownAddress};
use crate::running::StartError;
use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use shipload_node::config::{NetworkKey, Values};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

/// What the kernel is asked to keep of datagrams that wait; it may give less. A thread that had to wait for a
/// processor for a second still finds what came meanwhile.
const RECEIVE_BUFFER: usize = 4 << 20;

/// Open sockets for gossip.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    /// One for each address, then those that only hear multicast.
    sockets: Vec<UdpSocket>,
    addresses: Vec<SocketAddr>,
    /// Multicast groups to seek in.
    groups: Vec<SocketAddr>,
}

impl Heartbeat {
    /// Opens the heartbeat port on all its addresses.
    ///
    /// # Errors
    /// An address that is none of this machine, or a port that is in use.
    pub(crate) fn open(network: &Values<NetworkKey>) -> Result<Heartbeat, StartError> {
        let mut port = ports::between_nodes(network, NetworkKey::HeartbeatPort);
        let groups = Groups::of(network);
        let (mut sockets, mut hearing, mut addresses) = (Vec::new(), Vec::new(), Vec::new());
        for ip in ports::ips(network, Purpose::Heartbeat, NetworkKey::HeartbeatAddress)? {
            let address = SocketAddr::new(ip, port);
            let failed = |error| ListenError { purpose: Purpose::Heartbeat, address, error };
            let socket = bind(address).map_err(failed)?;
            // When the system chose the port for the first address, the others get the same.
            port = socket.local_addr().map_err(failed)?.as_socket().map_or(port, |bound| bound.port());
            let bound = SocketAddr::new(ip, port);
            hearing.extend(groups.join(&socket, bound).map_err(failed)?);
            sockets.push(UdpSocket::from_std(socket.into()));
            addresses.push(bound);
        }
        if sockets.is_empty() {
            let word = network.text(NetworkKey::HeartbeatAddress);
            return Err(UnknownAddress { purpose: Purpose::Heartbeat, word }.into());
        }
        sockets.append(&mut hearing);
        Ok(Heartbeat { sockets, addresses, groups: groups.at(port).collect() })
    }

    /// The bound addresses; never empty.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The multicast groups to seek in; none in mesh mode.
    pub(super) fn groups(&self) -> &[SocketAddr] {
        &self.groups
    }

    /// Has a poll watch the sockets, with tokens counted from 0.
    pub(super) fn register(&mut self, registry: &Registry) -> io::Result<()> {
        for (number, socket) in self.sockets.iter_mut().enumerate() {
            registry.register(socket, Token(number), Interest::READABLE)?;
        }
        Ok(())
    }

    /// Reads the next datagram that waits in any socket into the buffer, and tells its sender and length; none when
    /// nothing waits.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> Option<(SocketAddr, usize)> {
        self.sockets.iter().find_map(|socket| {
            loop {
                match socket.recv_from(buffer) {
                    Ok((length, from)) => return Some((from, length)),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    // The next datagram may be fine.
                    Err(error) if is_echo(&error) => {}
                    Err(_) => return None,
                }
            }
        })
    }

    /// Sends a datagram. Gossip repeats what gets lost, so nobody waits for room.
    pub(super) fn send(&self, to: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        let same = self.sockets.iter().zip(&self.addresses).find(|(_, own)| own.is_ipv4() == to.is_ipv4());
        let (socket, _) = same.ok_or(ErrorKind::Unsupported)?;
        match socket.send_to(bytes, to) {
            Err(error) if is_echo(&error) => socket.send_to(bytes, to).map(|_| ()),
            sent => sent.map(|_| ()),
        }
    }
}

/// Whether an error is the echo of an earlier datagram to somebody who is not there.
fn is_echo(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset)
}

fn bind(address: SocketAddr) -> io::Result<Socket> {
    // Without the option to share: a second server on the port must fail and not take half of the datagrams.
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // When the kernel gives less, datagrams get lost a little sooner.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    socket.bind(&SockAddr::from(address))?;
    Ok(socket)
}
