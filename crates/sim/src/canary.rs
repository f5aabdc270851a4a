//! Planted bugs: each is a change of what nodes say or do, made by the harness, that the observers must find.

use shipload_cluster::fabric::{self, Item, Message, Payload, Pulled};
use shipload_value::Digest;

/// A planted bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Canary {
    /// Clients are told that a write is done before any other copy holds it.
    EarlyAnswer,
    /// Now and then a replica applies nothing where a write should be.
    LostPut,
    /// Now and then a replica applies a write with one bit changed.
    TornPut,
    /// A copy calls itself full when its filling begins.
    EarlyFull,
    /// A new master's entries don't wait for those of the master before.
    NoAfter,
    /// Entries of another view are applied.
    ForeignView,
    /// Requests that are handed on are executed twice.
    TwiceHandedOn,
    /// Nobody hears acknowledgements.
    NoAcks,
    /// A removal that migration ships is forgotten.
    NoRelease,
    /// What is listed of another copy is forgotten: gathering finds nothing.
    NoGather,
    /// Copies that are asked for a single record say that they have none.
    BlindCopies,
    /// Deletes do not reach replicas.
    LostRemove,
    /// Syncs say that all is well and keep nothing.
    LyingDisk,
    /// Starts leave out what is in the commit journal.
    NoReplay,
    /// Masters do not say of which partitions they don't know all copies in caches.
    NoTaint,
    /// Masters do not say of which records caches hold older copies.
    NoStale,
}

/// Those that no life finds: after each hand-over the owners compare their copies once more, which mends what this one breaks
/// before the world is at rest. Room `cluster` has a test of it: `what_two_masters_wrote_is_applied_in_their_order`.
pub const UNFOUND: [(Canary, &str); 1] = [(Canary::NoAfter, "no-after")];

/// All that must be found, with their names.
pub const ALL: [(Canary, &str); 15] = [
    (Canary::EarlyAnswer, "early-answer"),
    (Canary::LostPut, "lost-put"),
    (Canary::TornPut, "torn-put"),
    (Canary::EarlyFull, "early-full"),
    (Canary::ForeignView, "foreign-view"),
    (Canary::TwiceHandedOn, "twice-handed-on"),
    (Canary::NoAcks, "no-acks"),
    (Canary::NoRelease, "no-release"),
    (Canary::NoGather, "no-gather"),
    (Canary::BlindCopies, "blind-copies"),
    (Canary::LostRemove, "lost-remove"),
    (Canary::LyingDisk, "lying-disk"),
    (Canary::NoReplay, "no-replay"),
    (Canary::NoTaint, "no-taint"),
    (Canary::NoStale, "no-stale"),
];

impl Canary {
    /// What arrives instead of a message, and how often. `rare` is true now and then; `view` is the receiver's.
    pub(crate) fn twist<'a>(self, message: Message<'a>, rare: bool, view: u64) -> (Message<'a>, usize) {
        match (self, message) {
            (Canary::LostPut, Message::Replica { at, seq, item: Item::Put { .. } }) if rare => {
                (Message::Replica { at, seq, item: nothing(at.partition) }, 1)
            }
            (
                Canary::LostRemove,
                Message::Replica { at, seq, item: Item::Remove { migrated: false, .. } },
            ) => (Message::Replica { at, seq, item: nothing(at.partition) }, 1),
            (Canary::TornPut, Message::Replica { at, seq, item: Item::Put { digest, migrated, image } })
                if rare =>
            {
                let mut bytes = image.to_vec();
                if let Some(last) = bytes.last_mut() {
                    *last ^= 1;
                }
                (Message::Replica { at, seq, item: Item::Put { digest, migrated, image: bytes.into() } }, 1)
            }
            (Canary::EarlyFull, Message::Replica { at, seq, item: Item::Filling(version) }) => {
                // The byte behind the key says whether a copy is full.
                let mut bytes = version.to_vec();
                if let Some(full) = bytes.get_mut(8) {
                    *full = 1;
                }
                (Message::Replica { at, seq, item: Item::Full(Payload::from(bytes)) }, 1)
            }
            (Canary::NoAfter, Message::Replica { at, seq, item: Item::After { node, .. } }) => {
                (Message::Replica { at, seq, item: Item::After { node, seq: 0 } }, 1)
            }
            (Canary::ForeignView, Message::Replica { mut at, seq, item }) => {
                at.view = view;
                (Message::Replica { at, seq, item }, 1)
            }
            (Canary::TwiceHandedOn, message @ Message::Proxy { .. }) => (message, 2),
            (Canary::NoAcks, message @ Message::Ack { .. }) => (message, 0),
            (Canary::NoRelease, message @ Message::Release { .. }) => (message, 0),
            (Canary::NoGather, Message::Listing { at, round, buckets, .. }) => {
                (Message::Listing { at, round, buckets, stamps: Vec::new().into() }, 1)
            }
            (Canary::BlindCopies, Message::Pulled { at, round: 0, records }) => {
                let mut blind = Vec::new();
                for entry in fabric::pulled(&records).map_while(Result::ok) {
                    let digest = match entry {
                        Pulled::Gone(digest) => digest,
                        Pulled::Record(stamp, _) => stamp.digest,
                    };
                    fabric::encode_pulled(&Pulled::Gone(digest), &mut blind);
                }
                (Message::Pulled { at, round: 0, records: blind.into() }, 1)
            }
            (_, message) => (message, 1),
        }
    }
}

/// An entry that changes nothing: the removal of a record that nobody has.
fn nothing(partition: shipload_value::PartitionId) -> Item<'static> {
    let [low, high] = partition.number().to_le_bytes();
    let mut digest = [0xee; 20];
    (digest[0], digest[1]) = (low, high);
    Item::Remove { digest: Digest(digest), migrated: false, last_update_ms: 0 }
}
