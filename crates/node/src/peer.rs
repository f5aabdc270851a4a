//! Who sent a frame, and what the engine made of it.

use crate::query::QueryJob;
use crate::timing::Timing;
use core::net::SocketAddr;

/// The other end of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// Address of the client.
    pub address: SocketAddr,
    /// Local address of the connection: what this client can certainly reach.
    pub local: SocketAddr,
}

/// What became of one frame.
#[derive(Debug)]
pub enum Executed {
    /// The answer is appended; the next frame may be executed.
    Done {
        /// Where to count the time it took, if it is measured at all.
        timing: Option<Timing>,
    },
    /// A query started: its answer comes from [`QueryJob::step`], and until that is done no further frame of
    /// this connection may be executed.
    Query(Box<QueryJob>),
    /// The answer comes later, as a [`crate::cluster::Reply`] to the worker's requester; until then no further frame
    /// of this connection may be executed. Nothing is appended.
    Parked,
    /// Nothing more can be read from this connection: send what is appended, then close it.
    Close,
}
