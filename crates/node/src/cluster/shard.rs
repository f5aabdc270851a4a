//! A stripe and the streams over it, behind the stripe's one lock.

use super::parking::Ticket;
use crate::namespace::Namespace;
use crate::now::Now;
use shipload_cluster::NodeId;
use shipload_cluster::fabric::Item;
use shipload_cluster::replication::{Change, Commit, Effect, Effects, Replication, WriteId};
use shipload_store::Stripe;
use shipload_value::{Digest, PartitionId};
use std::collections::{BTreeMap, VecDeque};
use std::ops::{Deref, DerefMut};

/// Ids of writes have the stripe's number from this bit on.
const STRIPE_SHIFT: u32 = 48;

/// A stripe; with streams once its node has joined a cluster.
#[derive(Debug)]
pub(crate) struct Shard {
    stripe: Stripe,
    streams: Option<Box<Streams>>,
}

/// What a stripe of a clustered node has beside its records.
#[derive(Debug)]
pub(crate) struct Streams {
    /// The streams to and from other holders.
    pub(crate) replication: Replication,
    /// Requests that are answered when a write is held elsewhere.
    pub(crate) waiters: BTreeMap<WriteId, Ticket>,
    /// Entries for the migration machine, in the order in which they arrived, each with its view.
    pub(crate) arrived: VecDeque<Arrived>,
}

/// An entry of a stream that is for the migration machine.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) view: u64,
    pub(crate) partition: PartitionId,
    pub(crate) from: NodeId,
    pub(crate) item: Item<'static>,
}

impl Streams {
    /// Keeps the entries for the migration machine that effects tell of; whether there are any. Call it under the lock that
    /// they were applied under.
    pub(super) fn note_arrived(&mut self, effects: &mut Effects) -> bool {
        let view = self.replication.view();
        for effect in effects.extract_if(.., |effect| matches!(effect, Effect::Arrived { .. })) {
            if let Effect::Arrived { partition, from, item } = effect {
                self.arrived.push_back(Arrived { view, partition, from, item });
            }
        }
        !self.arrived.is_empty()
    }
}

/// The first id of the writes of a stripe.
pub(crate) fn first_write(stripe: usize) -> WriteId {
    WriteId((stripe as u64) << STRIPE_SHIFT)
}

/// The stripe of a write.
pub(crate) fn stripe_of_write(id: WriteId) -> usize {
    usize::try_from(id.0 >> STRIPE_SHIFT).unwrap_or(usize::MAX)
}

impl Shard {
    /// The stripe of a node that is alone.
    pub(crate) fn new(stripe: Stripe) -> Shard {
        Shard { stripe, streams: None }
    }

    /// From now on the stripe serves only what its streams say.
    pub(crate) fn join(&mut self, replication: Replication) {
        let streams = Streams { replication, waiters: BTreeMap::new(), arrived: VecDeque::new() };
        self.streams = Some(Box::new(streams));
    }

    /// Whether requests for this record are executed here, now. `alone`: whether that goes without asking copies that are not
    /// gathered yet.
    pub(crate) fn executes(&self, digest: &Digest, alone: impl FnOnce() -> bool) -> bool {
        let Some(streams) = &self.streams else { return true };
        streams.replication.may_answer(digest) || self.serves(digest.partition()) && alone()
    }

    /// Whether requests for this partition are executed here.
    pub(crate) fn serves(&self, partition: PartitionId) -> bool {
        self.streams.as_ref().is_none_or(|streams| streams.replication.is_leading(partition))
    }

    /// See [`Replication::reign`]; 0 for a node that is alone.
    pub(crate) fn reign(&self, partition: PartitionId) -> Option<u64> {
        self.streams.as_ref().map_or(Some(0), |streams| streams.replication.reign(partition))
    }

    /// Whether this node alone decides which records of the partition go because their time or room is over.
    pub(crate) fn decides(&self, partition: PartitionId) -> bool {
        self.streams.as_ref().is_none_or(|streams| streams.replication.is_certain(partition))
    }

    /// Tells the other copies of records that were removed here just now. Call it under the lock that they were removed under.
    pub(crate) fn tell_removed(
        &mut self,
        namespace: &Namespace,
        removed: &[Digest],
        now: Now,
        effects: &mut Effects,
    ) {
        removed.iter().for_each(|digest| namespace.sketch.written(now, digest));
        let Some(streams) = &mut self.streams else { return };
        for digest in removed {
            if !streams.replication.is_heard(digest.partition()) {
                continue;
            }
            let change = Change::Remove(namespace.last_update_ms(now));
            streams.replication.on_write(now.mono_ms(), digest, change, Commit::Master, effects);
            namespace.holdings.mark_active(digest.partition());
        }
    }

    /// Records and streams.
    pub(crate) fn split(&mut self) -> (&mut Stripe, Option<&mut Streams>) {
        (&mut self.stripe, self.streams.as_deref_mut())
    }

    /// The streams, once the node has joined.
    pub(crate) fn streams(&mut self) -> Option<&mut Streams> {
        self.streams.as_deref_mut()
    }
}

impl Deref for Shard {
    type Target = Stripe;

    fn deref(&self) -> &Stripe {
        &self.stripe
    }
}

impl DerefMut for Shard {
    fn deref_mut(&mut self) -> &mut Stripe {
        &mut self.stripe
    }
}
