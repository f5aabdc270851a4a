//! The messages.

use super::payload::Payload;
use crate::identity::NodeId;
use crate::replication::{Buckets, Summary};
use shipload_value::{Digest, PartitionId};

/// A namespace in messages: a hash of its name, since nodes may number their namespaces differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamespaceId(pub u32);

impl NamespaceId {
    /// The id of the namespace with this name (FNV-1a of the name).
    #[must_use]
    pub fn of(name: &str) -> NamespaceId {
        let hash = name
            .bytes()
            .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        NamespaceId(hash)
    }
}

/// What a message about records is about: a partition of a namespace, in one view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    /// The namespace.
    pub namespace: NamespaceId,
    /// The partition.
    pub partition: PartitionId,
    /// Key of the view that the sender is in.
    pub view: u64,
}

/// The first message of a connection, both ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hello {
    /// Version of the messages, [`super::PROTOCOL_VERSION`].
    pub version: u16,
    /// Hash of the cluster's name.
    pub cluster: u64,
    /// Who speaks.
    pub node: NodeId,
    /// Which life of that node.
    pub incarnation: u64,
}

/// One entry of the ordered stream from a partition's master to one other holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item<'a> {
    /// The record is this now.
    Put {
        /// Its name.
        digest: Digest,
        /// Shipped by a migration, not by a write.
        migrated: bool,
        /// The record in the store's encoding.
        image: Payload<'a>,
    },
    /// The record is gone.
    Remove {
        /// Its name.
        digest: Digest,
        /// Shipped by a migration, not by a delete.
        migrated: bool,
        /// When it was removed, in milliseconds since 2010-01-01.
        last_update_ms: u64,
    },
    /// The receiver's copy is being made equal to the master's from here on; the encoded version that it takes on.
    Filling(Payload<'a>),
    /// The receiver's copy is equal to the master's here; the encoded version that it takes on.
    Full(Payload<'a>),
    /// The receiver is the master from here on. Where the streams to the other holders end: their last sequences.
    Lead(Vec<(NodeId, u64)>),
    /// The sender is the master from here on. What follows may be applied when the stream from the one before is applied up
    /// to there.
    After {
        /// The master before.
        node: NodeId,
        /// Its last sequence.
        seq: u64,
    },
}

impl Item<'_> {
    /// The same without a lifetime.
    #[must_use]
    pub fn into_owned(self) -> Item<'static> {
        match self {
            Item::Put { digest, migrated, image } => {
                Item::Put { digest, migrated, image: image.into_owned() }
            }
            Item::Remove { digest, migrated, last_update_ms } => {
                Item::Remove { digest, migrated, last_update_ms }
            }
            Item::Filling(version) => Item::Filling(version.into_owned()),
            Item::Full(version) => Item::Full(version.into_owned()),
            Item::Lead(tails) => Item::Lead(tails),
            Item::After { node, seq } => Item::After { node, seq },
        }
    }

    /// About how many bytes the item takes in a queue or on a link.
    #[must_use]
    pub fn size(&self) -> usize {
        const HEAD: usize = 48;
        match self {
            Item::Put { image, .. } => HEAD.saturating_add(image.len()),
            Item::Remove { .. } | Item::After { .. } => HEAD,
            Item::Filling(version) | Item::Full(version) => HEAD.saturating_add(version.len()),
            Item::Lead(tails) => HEAD.saturating_add(tails.len().saturating_mul(16)),
        }
    }
}

/// A message from one node to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message<'a> {
    /// The first message of a connection.
    Hello(Hello),
    /// A message of the agreement machine, in its own encoding.
    Agreement(Payload<'a>),
    /// A message of the metadata machine, in its own encoding.
    Metadata(Payload<'a>),
    /// A client's request, handed on to who masters it.
    Proxy {
        /// Chosen by the sender; comes back with the answer.
        id: u64,
        /// How often the request was handed on already.
        hops: u8,
        /// The request's frame.
        frame: Payload<'a>,
    },
    /// The answer to a handed-on request.
    ProxyReply {
        /// The request's.
        id: u64,
        /// The answer's frames; empty when nobody would answer.
        frames: Payload<'a>,
    },
    /// An entry of the stream of a partition.
    Replica {
        /// Which partition.
        at: At,
        /// Its place in the stream from this sender to this receiver in this view; the first is 1.
        seq: u64,
        /// The entry.
        item: Item<'a>,
    },
    /// All entries up to this one are applied.
    Ack {
        /// Which partition.
        at: At,
        /// The last sequence applied.
        seq: u64,
    },
    /// The receiver is in another view and did nothing.
    WrongView {
        /// The partition and the view of the message that was refused.
        at: At,
        /// Key of the view that the refuser is in.
        known: u64,
    },
    /// Asks for the summary of the receiver's copy.
    Ask {
        /// Which partition.
        at: At,
        /// Chosen by the sender; comes back with the answers.
        round: u32,
        /// The receiver's copy is going to be filled, so that it may have too many coming in already.
        filling: bool,
    },
    /// The receiver has too many partitions coming in; ask again later.
    Busy {
        /// Which partition.
        at: At,
        /// The request's.
        round: u32,
    },
    /// The summary of the sender's copy.
    Summary {
        /// Which partition.
        at: At,
        /// The request's.
        round: u32,
        /// One hash per bucket.
        summary: Box<Summary>,
    },
    /// Asks for the stamps of the records in some buckets.
    List {
        /// Which partition.
        at: At,
        /// As in [`Message::Ask`].
        round: u32,
        /// Which buckets.
        buckets: Buckets,
    },
    /// The stamps of all records in some buckets.
    Listing {
        /// Which partition.
        at: At,
        /// The request's.
        round: u32,
        /// The buckets that are listed here, completely.
        buckets: Buckets,
        /// See [`super::stamps`].
        stamps: Payload<'a>,
    },
    /// Asks for records.
    Pull {
        /// Which partition.
        at: At,
        /// As in [`Message::Ask`].
        round: u32,
        /// See [`super::digests`].
        digests: Payload<'a>,
    },
    /// Records that were asked for, or that they are gone. Those that had no room must be asked for again.
    Pulled {
        /// Which partition.
        at: At,
        /// The request's.
        round: u32,
        /// See [`super::pulled`].
        records: Payload<'a>,
    },
    /// All owners have the partition: the receiver, no owner, may drop its copy.
    Release {
        /// Which partition.
        at: At,
    },
    /// The sender holds a copy that the view's inventories did not know of: may it drop it?
    Stray {
        /// Which partition.
        at: At,
    },
    /// The copy is dropped.
    Released {
        /// Which partition.
        at: At,
    },
}

impl Message<'_> {
    /// What the message is about, if it is about a partition.
    #[must_use]
    pub fn at(&self) -> Option<At> {
        match self {
            Message::Hello(_)
            | Message::Agreement(_)
            | Message::Metadata(_)
            | Message::Proxy { .. }
            | Message::ProxyReply { .. } => None,
            Message::Replica { at, .. }
            | Message::Ack { at, .. }
            | Message::WrongView { at, .. }
            | Message::Ask { at, .. }
            | Message::Busy { at, .. }
            | Message::Summary { at, .. }
            | Message::List { at, .. }
            | Message::Listing { at, .. }
            | Message::Pull { at, .. }
            | Message::Pulled { at, .. }
            | Message::Release { at }
            | Message::Stray { at }
            | Message::Released { at } => Some(*at),
        }
    }
}
