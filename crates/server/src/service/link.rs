//! One connection to another node: messages out on one that this thread opened, messages in on one that was accepted.
//!
//! Guarantees: what strangers send is refused before anything is believed; a peer that does not read costs bounded
//! memory; what is lost with a connection is repeated by the machines, never by this room.

use mio::net::TcpStream;
use shipload_cluster::NodeId;
use shipload_cluster::fabric::{self, Cut, Hello, Message};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;

/// A link with so many bytes unsent is given up: the machines repeat what matters.
const UNSENT_MAX: usize = 64 << 20;
/// An outbox that grew larger than this is given back once it is empty.
const OUTBOX_KEPT: usize = 1 << 20;
/// Reads of one turn: after that the others have theirs.
const READS_A_TURN: usize = 4;

/// Which way a link carries messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// From here to the peer; this thread opened it.
    Out,
    /// From the peer to here; it says who it is first.
    In,
}

/// Why a link ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LinkEnd {
    /// The other side closed it, or it broke, or was never made.
    Broken,
    /// What came is no message of this cluster.
    Refused(String),
}

impl From<io::Error> for LinkEnd {
    fn from(_: io::Error) -> LinkEnd {
        LinkEnd::Broken
    }
}

/// One connection to another node.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) socket: TcpStream,
    pub(super) way: Way,
    /// Who is on the other side; not known of an incoming link before its hello.
    pub(super) peer: Option<NodeId>,
    pub(super) address: SocketAddr,
    /// An outgoing link is being made until the socket can be written to.
    pub(super) connected: bool,
    /// It may hold bytes, as far as epoll has told.
    pub(super) readable: bool,
    /// It stands among those that are flushed at the end of the turn.
    pub(super) dirty: bool,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    sent: usize,
}

impl Link {
    /// A link that begins with a hello.
    pub(super) fn outgoing(peer: NodeId, address: SocketAddr, hello: Hello) -> io::Result<Link> {
        let socket = TcpStream::connect(address)?;
        let mut link = Link::new(socket, Way::Out, address);
        link.peer = Some(peer);
        Message::Hello(hello).encode(&mut link.outbox);
        Ok(link)
    }

    /// A link that somebody made to this node.
    pub(super) fn incoming(socket: TcpStream, address: SocketAddr) -> Link {
        let mut link = Link::new(socket, Way::In, address);
        link.connected = true;
        link
    }

    fn new(socket: TcpStream, way: Way, address: SocketAddr) -> Link {
        Link {
            socket,
            way,
            peer: None,
            address,
            connected: false,
            readable: false,
            dirty: false,
            inbox: Vec::new(),
            outbox: Vec::new(),
            sent: 0,
        }
    }

    /// Puts a message behind what waits. An error when too much waits already.
    pub(super) fn push(&mut self, message: &Message<'_>) -> Result<(), LinkEnd> {
        if self.outbox.len() - self.sent > UNSENT_MAX {
            return Err(LinkEnd::Broken);
        }
        message.encode(&mut self.outbox);
        Ok(())
    }

    /// The socket can be written to: whether the link has just come to be.
    pub(super) fn writable(&mut self) -> Result<bool, LinkEnd> {
        if self.connected {
            return Ok(false);
        }
        if let Some(error) = self.socket.take_error()? {
            return Err(error.into());
        }
        match self.socket.peer_addr() {
            Ok(_) => {
                self.connected = true;
                // Without it small messages would wait for each other's acknowledgements.
                self.socket.set_nodelay(true)?;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends what waits, as far as the socket takes it.
    pub(super) fn flush(&mut self) -> Result<(), LinkEnd> {
        while self.connected && self.sent < self.outbox.len() {
            match self.socket.write(self.outbox.get(self.sent..).unwrap_or_default()) {
                Ok(0) => return Err(LinkEnd::Broken),
                Ok(bytes) => self.sent += bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        if self.sent == self.outbox.len() {
            self.outbox.clear();
            self.sent = 0;
            if self.outbox.capacity() > OUTBOX_KEPT {
                self.outbox = Vec::new();
            }
        } else if self.sent > OUTBOX_KEPT {
            self.outbox.drain(..self.sent);
            self.sent = 0;
        }
        Ok(())
    }

    /// Reads what there is and hands over each complete frame's body. Afterwards `readable` tells whether more may come.
    pub(super) fn receive(
        &mut self,
        buffer: &mut [u8],
        mut take: impl FnMut(&mut Option<NodeId>, &[u8]) -> Result<(), LinkEnd>,
    ) -> Result<(), LinkEnd> {
        for _ in 0..READS_A_TURN {
            let bytes = match self.socket.read(buffer) {
                Ok(0) => return Err(LinkEnd::Broken),
                Ok(bytes) => bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.readable = false;
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            let received = buffer.get(..bytes).unwrap_or_default();
            if self.inbox.is_empty() {
                let used = cut_frames(&mut self.peer, received, &mut take)?;
                self.inbox.extend_from_slice(received.get(used..).unwrap_or_default());
            } else {
                self.inbox.extend_from_slice(received);
                let inbox = std::mem::take(&mut self.inbox);
                let used = cut_frames(&mut self.peer, &inbox, &mut take)?;
                self.inbox = inbox;
                self.inbox.drain(..used);
            }
            if bytes < buffer.len() {
                // Edge triggered: a short read emptied the socket, what comes later is told of.
                self.readable = false;
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Hands over complete frames; how many bytes they had.
fn cut_frames(
    peer: &mut Option<NodeId>,
    received: &[u8],
    take: &mut impl FnMut(&mut Option<NodeId>, &[u8]) -> Result<(), LinkEnd>,
) -> Result<usize, LinkEnd> {
    let mut used = 0;
    loop {
        match fabric::cut(received.get(used..).unwrap_or_default()) {
            Ok(Cut::Frame(body, bytes)) => {
                take(peer, body)?;
                used += bytes;
            }
            Ok(Cut::Incomplete(_)) => return Ok(used),
            Err(error) => return Err(LinkEnd::Refused(error.to_string())),
        }
    }
}
