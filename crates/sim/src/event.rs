//! What lies ahead in a world.

use shipload_cluster::NodeId;
use std::net::SocketAddr;

/// Something that will happen at some moment.
#[derive(Debug)]
pub enum Event {
    /// A datagram arrives at an address.
    Datagram {
        /// Sender.
        from: SocketAddr,
        /// Receiver.
        to: SocketAddr,
        /// The datagram.
        bytes: Vec<u8>,
    },
    /// Messages arrive over a fabric link.
    Batch {
        /// Sender.
        from: NodeId,
        /// Receiver.
        to: NodeId,
        /// Which connection; one that broke meanwhile carries nothing any more.
        generation: u64,
        /// Frames, one behind the other.
        bytes: Vec<u8>,
    },
    /// A node's time has come.
    Tick {
        /// Which node.
        node: NodeId,
        /// Which process.
        life: u64,
    },
    /// An attempt to connect two nodes.
    LinkTry {
        /// The lower node.
        low: NodeId,
        /// The higher node.
        high: NodeId,
        /// Which attempt.
        generation: u64,
    },
    /// A link has not moved for long: it breaks, unless it moves again.
    LinkStall {
        /// The lower node.
        low: NodeId,
        /// The higher node.
        high: NodeId,
        /// Which connection.
        generation: u64,
    },
    /// A node notices that its connections to another one broke.
    Doubt {
        /// Who notices.
        node: NodeId,
        /// Which process.
        life: u64,
        /// Whom it loses.
        peer: NodeId,
    },
    /// A client's turn.
    Turn {
        /// Which client.
        client: usize,
    },
    /// A client's request arrives.
    Request {
        /// Which node.
        node: NodeId,
        /// Which client.
        client: usize,
        /// Which of its requests.
        serial: u64,
        /// The frame.
        frame: Vec<u8>,
    },
    /// An answer arrives at a client; nothing when the connection was refused.
    Answer {
        /// Which client.
        client: usize,
        /// Which of its requests.
        serial: u64,
        /// The frames.
        frames: Vec<u8>,
    },
    /// A client gives up waiting.
    GiveUp {
        /// Which client.
        client: usize,
        /// Which of its requests.
        serial: u64,
    },
}
