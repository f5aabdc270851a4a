//! What the machines of replication and migration want done.

use crate::fabric::{Item, Message};
use crate::identity::NodeId;
use crate::version::Version;
use shipload_value::{Digest, PartitionId};

/// A write that waits for holders; unique in its [`super::Replication`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriteId(pub u64);

/// Effects, in the order in which they are to be done.
pub type Effects = Vec<Effect>;

/// Something to do for the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Send this.
    Send {
        /// To whom.
        to: NodeId,
        /// What.
        message: Message<'static>,
    },
    /// Every copy that counts holds the write: answer the client.
    Committed(WriteId),
    /// Nobody knows whether the write will last: tell the client so.
    InDoubt(WriteId),
    /// An entry for `Migration::on_item` arrived in order.
    Arrived {
        /// The partition.
        partition: PartitionId,
        /// Whose stream.
        from: NodeId,
        /// The entry.
        item: Item<'static>,
    },
    /// A record that was asked of other copies is what it should be: requests for it may be executed.
    Resolved(Digest),
    /// A stream that migration watches has room: call `Migration::on_progress`.
    Progress(PartitionId),
    /// This node holds this version of the partition from now on; none: nothing any more.
    Hold {
        /// The partition.
        partition: PartitionId,
        /// What it holds, for the inventory.
        version: Option<Version>,
    },
    /// Remove all records of the partition; it belongs to others. Comes with a `Hold` of nothing.
    Drop(PartitionId),
    /// Requests for the partition go to that node now, as long as this view holds.
    Master {
        /// Key of the view.
        view: u64,
        /// The partition.
        partition: PartitionId,
        /// Who serves it, maybe this node.
        master: NodeId,
    },
}
