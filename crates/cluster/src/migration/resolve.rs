//! Single records while copies are gathered: asked of all copies that may have a newer state, before anybody is told anything.
//!
//! Guarantees: what the master answers is never behind what any member of the view has, and what it changes is the winner by
//! the conflict policy. The record is pulled as gathering pulls many, and written as any client's write; gathering finds
//! it equal afterwards.

use super::compare::wins;
use super::ground::Ground;
use super::machine::Migration;
use crate::fabric::{self, Message, Pulled};
use crate::identity::NodeId;
use crate::replication::{Change, Commit, Effect, Effects};
use shipload_value::{Digest, PartitionId};
use std::collections::BTreeSet;

/// The round of requests and answers about single records; comparisons count from 1.
pub(super) const RESOLVE_ROUND: u32 = 0;
/// A copy that does not answer is asked again after so many milliseconds.
const RETRY_MS: u64 = 30;
/// Records that may be asked for at a time; clients with more wait.
const RESOLVING_MAX: usize = 1 << 12;

/// A record that is asked of other copies.
#[derive(Debug)]
pub(super) struct Resolving {
    /// Who has not answered.
    waiting: BTreeSet<NodeId>,
    asked_ms: u64,
}

impl Migration {
    /// Somebody wants a record of a partition whose copies are being gathered: the other copies are asked for it. Does
    /// nothing when they are asked already, or gathered; [`Effect::Resolved`] tells of the end.
    pub fn resolve(&mut self, now_ms: u64, digest: &Digest, effects: &mut Effects) {
        let Some(led) = self.led.get(&digest.partition()) else { return };
        if led.gathers.is_empty()
            || self.resolving.len() >= RESOLVING_MAX
            || self.resolving.contains_key(digest)
        {
            return;
        }
        let waiting: BTreeSet<NodeId> = led.gathers.iter().map(|(node, _)| *node).collect();
        self.ask_for(digest, &waiting, effects);
        self.resolving.insert(*digest, Resolving { waiting, asked_ms: now_ms });
    }

    fn ask_for(&self, digest: &Digest, nodes: &BTreeSet<NodeId>, effects: &mut Effects) {
        let mut digests = Vec::new();
        fabric::encode_digests(&[*digest], &mut digests);
        for to in nodes {
            let at = self.at(digest.partition());
            let message = Message::Pull { at, round: RESOLVE_ROUND, digests: digests.clone().into() };
            effects.push(Effect::Send { to: *to, message });
        }
    }

    /// Asks those again that have not answered.
    pub(super) fn resolve_again(&mut self, now_ms: u64, effects: &mut Effects) {
        let late: Vec<Digest> = self
            .resolving
            .iter_mut()
            .filter(|(_, one)| now_ms >= one.asked_ms + RETRY_MS)
            .map(|(digest, one)| {
                one.asked_ms = now_ms;
                *digest
            })
            .collect();
        for digest in late {
            if let Some(one) = self.resolving.get(&digest) {
                self.ask_for(&digest, &one.waiting, effects);
            }
        }
    }

    /// What another copy has of records that were asked for.
    pub(super) fn on_resolved(
        &mut self,
        now_ms: u64,
        partition: PartitionId,
        from: NodeId,
        pulled: &[u8],
        ground: &mut dyn Ground,
        effects: &mut Effects,
    ) {
        let policy = self.settings.policy;
        for entry in fabric::pulled(pulled).map_while(Result::ok) {
            let digest = match &entry {
                Pulled::Gone(digest) => *digest,
                Pulled::Record(theirs, _) => theirs.digest,
            };
            let Some(one) = self.resolving.get_mut(&digest).filter(|_| digest.partition() == partition)
            else {
                continue;
            };
            if !one.waiting.contains(&from) {
                continue;
            }
            let mut taken = true;
            ground.with(partition, &mut |records, streams| {
                if let Pulled::Record(theirs, image) = &entry
                    && wins(theirs, policy, records, streams)
                {
                    taken = records.write(&digest, image).is_ok();
                    if taken {
                        let change = Change::Put((*image).into());
                        streams.on_write(now_ms, &digest, change, Commit::Master, effects);
                    }
                }
            });
            // A copy that finds no room here is asked again, until there is room or clients lose patience.
            if taken {
                one.waiting.remove(&from);
            }
            if one.waiting.is_empty() {
                self.resolving.remove(&digest);
                ground.with(partition, &mut |_, streams| streams.resolved(&digest));
                effects.push(Effect::Resolved(digest));
            }
        }
    }

    /// A copy is gathered: nothing has to be asked of it any more.
    pub(super) fn resolved_by_gathering(
        &mut self,
        (partition, peer): (PartitionId, NodeId),
        ground: &mut dyn Ground,
        effects: &mut Effects,
    ) {
        let mut done = Vec::new();
        self.resolving.retain(|digest, one| {
            if digest.partition() == partition {
                one.waiting.remove(&peer);
            }
            let over = one.waiting.is_empty();
            done.extend(over.then_some(*digest));
            !over
        });
        for digest in done {
            ground.with(partition, &mut |_, streams| streams.resolved(&digest));
            effects.push(Effect::Resolved(digest));
        }
    }
}
