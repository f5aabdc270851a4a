//! Comparing and moving: summaries, listings, what to ship and what to pull.

use super::ground::Ground;
use super::machine::Migration;
use super::resolve::RESOLVE_ROUND;
use super::task::{Compare, Purpose, Stage, Task};
use crate::fabric::{self, Message, Pulled};
use crate::identity::NodeId;
use crate::replication::{
    BUCKETS, Buckets, Change, Commit, Effect, Effects, Records, Replication, Stamp, Summary, bucket_of,
};
use shipload_value::{Digest, PartitionId};
use std::collections::BTreeMap;

/// About so many records are listed at a time.
const LIST_RECORDS: u64 = 2048;
/// Listings are asked for when fewer records than this wait to be moved.
const QUEUE_LOW: usize = 256;
/// Records pulled at a time.
const PULL_COUNT: usize = 128;

impl Migration {
    /// The summary of another copy arrived.
    #[expect(clippy::too_many_arguments, reason = "an event with the context of every event")]
    pub(super) fn on_summary(
        &mut self,
        now_ms: u64,
        partition: PartitionId,
        from: NodeId,
        round: u32,
        theirs: &Summary,
        ground: &mut dyn Ground,
        effects: &mut Effects,
    ) {
        let key = (partition, from);
        let Some(task) = self.tasks.get_mut(&key).filter(|task| task.round == round) else { return };
        if !matches!(task.stage, Stage::Asking) {
            return;
        }
        let mut todo = Buckets::default();
        // Looked at after the other side has: what it does not know yet is on the stream to it.
        ground.with(partition, &mut |records, _| todo = records.summary(partition).differing(theirs));
        if task.purpose == Purpose::Gather {
            todo = todo.both(&theirs.filled());
        }
        task.stage =
            Stage::Comparing(Box::new(Compare { theirs: theirs.clone(), todo, ..Compare::default() }));
        self.pump(now_ms, key, ground, effects);
        self.start(now_ms, ground, effects);
    }

    /// Moves records and asks for listings as far as there is room.
    pub(super) fn compare(
        &mut self,
        now_ms: u64,
        key: (PartitionId, NodeId),
        task: &mut Task,
        ground: &mut dyn Ground,
        effects: &mut Effects,
    ) {
        let Stage::Comparing(compare) = &mut task.stage else { return };
        loop {
            match task.purpose {
                Purpose::Fill | Purpose::Verify => {
                    self.ship(now_ms, key, task.spare, compare, ground, effects);
                }
                Purpose::Gather if compare.pulling.is_empty() && !compare.queue.is_empty() => {
                    let count = compare.queue.len().min(PULL_COUNT);
                    compare.pulling = compare.queue.drain(..count).collect();
                    task.asked_ms = now_ms;
                    self.request_pull(key, task.round, compare, effects);
                }
                Purpose::Gather => {}
            }
            let hungry = compare.queue.len() < QUEUE_LOW && compare.awaiting.is_empty();
            if !hungry || compare.todo.is_empty() {
                return;
            }
            let count = (LIST_RECORDS * BUCKETS as u64 / task.records.max(1)).clamp(1, BUCKETS as u64);
            let next = compare.todo.take(usize::try_from(count).unwrap_or(BUCKETS));
            compare.awaiting = next.both(&compare.theirs.filled());
            // Where the other side has nothing there is nothing to list.
            for bucket in next.without(&compare.awaiting).iter() {
                let mut mine = Vec::new();
                ground.with(key.0, &mut |records, _| records.list(key.0, bucket, &mut mine));
                compare.queue.extend(mine.iter().map(|stamp| stamp.digest));
            }
            task.asked_ms = now_ms;
            self.request_listing(key, task.round, compare, effects);
        }
    }

    fn ship(
        &mut self,
        now_ms: u64,
        (partition, peer): (PartitionId, NodeId),
        spare: bool,
        compare: &mut Compare,
        ground: &mut dyn Ground,
        effects: &mut Effects,
    ) {
        if compare.queue.is_empty() {
            return;
        }
        let (window_bytes, credit) = (self.settings.window_bytes, &mut self.credit);
        ground.with(partition, &mut |records, streams| {
            while streams.flow(partition, peer).bytes < window_bytes
                && !credit.is_spent()
                && let Some(digest) = compare.queue.pop_front()
            {
                credit.pay_record(!spare);
                streams.ship(now_ms, peer, &digest, records, effects);
            }
        });
    }

    /// Sends what is asked for and did not come yet.
    pub(super) fn request(
        &self,
        key: (PartitionId, NodeId),
        round: u32,
        compare: &Compare,
        effects: &mut Effects,
    ) {
        self.request_listing(key, round, compare, effects);
        self.request_pull(key, round, compare, effects);
    }

    fn request_listing(
        &self,
        key: (PartitionId, NodeId),
        round: u32,
        compare: &Compare,
        effects: &mut Effects,
    ) {
        if !compare.awaiting.is_empty() {
            let message = Message::List { at: self.at(key.0), round, buckets: compare.awaiting };
            effects.push(Effect::Send { to: key.1, message });
        }
    }

    fn request_pull(&self, key: (PartitionId, NodeId), round: u32, compare: &Compare, effects: &mut Effects) {
        if !compare.pulling.is_empty() {
            let wanted: Vec<Digest> = compare.pulling.iter().copied().collect();
            let mut digests = Vec::new();
            fabric::encode_digests(&wanted, &mut digests);
            let message = Message::Pull { at: self.at(key.0), round, digests: digests.into() };
            effects.push(Effect::Send { to: key.1, message });
        }
    }

    /// The stamps of some buckets of another copy arrived.
    #[expect(clippy::too_many_arguments, reason = "an event with the context of every event")]
    pub(super) fn on_listing(
        &mut self,
        now_ms: u64,
        key: (PartitionId, NodeId),
        round: u32,
        buckets: Buckets,
        stamps: &[u8],
        ground: &mut dyn Ground,
        effects: &mut Effects,
    ) {
        let policy = self.settings.policy;
        let Some(task) = self.tasks.get_mut(&key).filter(|task| task.round == round) else { return };
        let (purpose, Stage::Comparing(compare)) = (task.purpose, &mut task.stage) else { return };
        let Ok(theirs) = fabric::stamps(stamps).collect::<Result<Vec<Stamp>, _>>() else { return };
        let listed = buckets.both(&compare.awaiting);
        let belongs = |s: &Stamp| s.digest.partition() == key.0 && listed.contains(bucket_of(&s.digest));
        let theirs: BTreeMap<Digest, Stamp> =
            theirs.into_iter().filter(belongs).map(|stamp| (stamp.digest, stamp)).collect();
        compare.awaiting = compare.awaiting.without(&listed);
        ground.with(key.0, &mut |records, streams| {
            let mine = list(records, key.0, &listed);
            match purpose {
                Purpose::Fill | Purpose::Verify => {
                    let changed = mine.values().filter(|m| theirs.get(&m.digest) != Some(*m));
                    let extra = theirs.keys().filter(|digest| !mine.contains_key(*digest));
                    compare.queue.extend(changed.map(|stamp| stamp.digest).chain(extra.copied()));
                }
                Purpose::Gather => {
                    let wins = |t: &&Stamp| mine.get(&t.digest).is_none_or(|mine| t.wins(mine, policy));
                    let fresh = theirs.values().filter(wins).filter(|t| !streams.was_removed(&t.digest));
                    compare.queue.extend(fresh.map(|stamp| stamp.digest));
                }
            }
        });
        self.pump(now_ms, key, ground, effects);
        self.start(now_ms, ground, effects);
    }

    /// Records of another copy arrived: those that win are written as if a client had.
    pub(super) fn on_pulled(
        &mut self,
        now_ms: u64,
        key: (PartitionId, NodeId),
        round: u32,
        pulled: &[u8],
        ground: &mut dyn Ground,
        effects: &mut Effects,
    ) {
        if round == RESOLVE_ROUND {
            return self.on_resolved(now_ms, key.0, key.1, pulled, ground, effects);
        }
        let policy = self.settings.policy;
        let Some(task) = self.tasks.get_mut(&key).filter(|task| task.round == round) else { return };
        let Stage::Comparing(compare) = &mut task.stage else { return };
        ground.with(key.0, &mut |records, streams| {
            for entry in fabric::pulled(pulled).map_while(Result::ok) {
                match entry {
                    Pulled::Gone(digest) => drop(compare.pulling.remove(&digest)),
                    Pulled::Record(theirs, image) => {
                        let wanted = compare.pulling.remove(&theirs.digest);
                        if wanted && wins(&theirs, policy, records, streams) {
                            if records.write(&theirs.digest, image).is_err() {
                                compare.queue.push_back(theirs.digest);
                                continue;
                            }
                            let change = Change::Put(image.into());
                            streams.on_write(now_ms, &theirs.digest, change, Commit::Master, effects);
                        }
                    }
                }
            }
        });
        // Those that had no room in the answer.
        compare.queue.extend(std::mem::take(&mut compare.pulling));
        self.pump(now_ms, key, ground, effects);
        self.start(now_ms, ground, effects);
    }
}

fn list(records: &dyn Records, partition: PartitionId, buckets: &Buckets) -> BTreeMap<Digest, Stamp> {
    let mut stamps = Vec::new();
    buckets.iter().for_each(|bucket| records.list(partition, bucket, &mut stamps));
    stamps.into_iter().map(|stamp| (stamp.digest, stamp)).collect()
}

/// Whether another copy's record shall replace what is here, looked at under the lock.
pub(super) fn wins(
    theirs: &Stamp,
    policy: crate::replication::ConflictPolicy,
    records: &dyn Records,
    streams: &Replication,
) -> bool {
    let mine = records.read(&theirs.digest, &mut Vec::new());
    !streams.was_removed(&theirs.digest) && mine.is_none_or(|mine| theirs.wins(&mine, policy))
}
