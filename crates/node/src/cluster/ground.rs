//! A namespace's stripes as the ground that its migration stands on.

use super::records::StripeRecords;
use crate::namespace::Namespace;
use shipload_cluster::migration::Ground;
use shipload_cluster::replication::{Effects, Posting, Records, Replication};
use shipload_store::{STRIPE_COUNT, stripe_of};
use shipload_value::PartitionId;

/// The stripes of a namespace. Whoever uses it holds the lock of the namespace's migration and no other.
pub(super) struct NamespaceGround<'a> {
    pub(super) namespace: &'a Namespace,
}

impl Ground for NamespaceGround<'_> {
    fn with(&mut self, partition: PartitionId, work: &mut dyn FnMut(&mut dyn Records, &mut Replication)) {
        let mut shard = self.namespace.stripe_of(partition);
        if let (stripe, Some(streams)) = shard.split() {
            work(&mut StripeRecords { namespace: self.namespace, stripe }, &mut streams.replication);
            self.namespace.holdings.mark_active(partition);
        }
    }

    fn install(&mut self, now_ms: u64, view: u64, postings: Vec<Posting>, effects: &mut Effects) {
        let mut by_stripe: Vec<Vec<Posting>> = (0..STRIPE_COUNT).map(|_| Vec::new()).collect();
        for posting in postings {
            if let Some(own) = by_stripe.get_mut(stripe_of(posting.partition)) {
                own.push(posting);
            }
        }
        for (stripe, postings) in by_stripe.into_iter().enumerate() {
            let mut shard = self.namespace.stripe_at(stripe);
            if let (records, Some(streams)) = shard.split() {
                let mut own = Effects::new();
                streams.replication.on_view(now_ms, view, postings, &mut own);
                let mut records = StripeRecords { namespace: self.namespace, stripe: records };
                streams.replication.catch_up(&mut records, &mut own);
                streams.note_arrived(&mut own);
                effects.append(&mut own);
            }
            drop(shard);
            self.namespace.holdings.mark_stripe_active(stripe);
        }
    }
}
