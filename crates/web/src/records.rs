//! What this room needs of a node: one narrow trait, so that everything here runs without a socket in tests.
//!
//! Requests and answers are bytes of the client protocol, exactly as a client of port 3000 sends and gets them. So
//! handing on, replication, filters, limits and quotas are those of the record door, by construction.

use std::future::Future;
use std::pin::Pin;
use thiserror::Error;
use tokio::sync::mpsc;

/// An answer that comes later.
pub type Later<T> = Pin<Box<dyn Future<Output = Result<T, Trouble>> + Send>>;

/// Bodies of message frames of a query's answer, in the order in which they come.
pub type Frames = mpsc::Receiver<Result<Vec<u8>, Trouble>>;

/// A node's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

impl std::fmt::Display for NodeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:X}", self.0)
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Trouble {
    /// Nothing was sent: the request has no effect.
    #[error("the node can't take the request just now")]
    Refused,
    /// The request was sent and the connection ended before its answer: it may have an effect.
    #[error("the connection ended before the answer")]
    InDoubt,
    /// No answer in time; the request may have an effect.
    #[error("no answer in time")]
    Late,
    /// What came back is no answer of the protocol.
    #[error("the answer makes no sense")]
    Garbled,
}

/// A node of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its id.
    pub id: NodeId,
    /// Whether it is the node that answers.
    pub here: bool,
    /// Where clients of the record door find it, as `host:port`.
    pub service: Vec<String>,
    /// Its rack; 0 is none in particular.
    pub rack: u32,
    /// Whether it is about to leave.
    pub quiesced: bool,
    /// Its build.
    pub build: String,
}

/// Who masters and who holds each of the 4096 partitions of a namespace, in the eyes of this node.
#[derive(Debug, Clone, Default)]
pub struct Partitions {
    /// The acting master of each partition.
    pub masters: Vec<Option<NodeId>>,
    /// The owners of each partition in the order of succession, the rightful master first.
    pub owners: Vec<Vec<NodeId>>,
}

/// The node behind this door.
pub trait Records: Send + Sync + 'static {
    /// Sends whole frames on one connection of the record door; the answer holds one frame for each.
    fn call(&self, frames: Vec<u8>, answers: usize) -> Later<Vec<u8>>;

    /// The same at the record door of a node that is up.
    fn call_at(&self, _: NodeId, _: Vec<u8>, _: usize) -> Later<Vec<u8>> {
        Box::pin(async { Err(Trouble::Refused) })
    }

    /// Answers the frame of a plain read at once, when the record is mastered here; none when it has to be asked for by
    /// [`Records::call`].
    fn glance(&self, _frame: &[u8], _namespace: &str, _partition: u16) -> Option<Vec<u8>> {
        None
    }

    /// Who masters a partition, as far as this node knows.
    fn master(&self, _namespace: &str, _partition: u16) -> Option<NodeId> {
        None
    }

    /// Milliseconds that HTTP caches may keep a record at most; 0 when they have to ask each time.
    fn cache_max_ms(&self, _namespace: &str) -> u64 {
        0
    }

    /// Starts a query on one node; frames come until the message that ends the stream has come. Dropping the
    /// receiver ends the query.
    fn query(&self, node: NodeId, frame: Vec<u8>) -> Later<Frames>;

    /// Asks info commands of a node; the answers are in the same order.
    fn info(&self, node: NodeId, commands: Vec<String>) -> Later<Vec<String>>;

    /// This node's id.
    fn id(&self) -> NodeId;

    /// All nodes that are up, this one included, by id.
    fn members(&self) -> Vec<Member>;

    /// Names of the namespaces.
    fn namespaces(&self) -> Vec<String>;

    /// The partition map of a namespace; none for a namespace that is not there.
    fn partitions(&self, namespace: &str) -> Option<Partitions>;

    /// All metrics in the format of Prometheus.
    fn metrics(&self) -> String;

    /// Whether clients are served.
    fn is_ready(&self) -> bool;
}
