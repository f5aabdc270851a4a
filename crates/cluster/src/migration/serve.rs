//! The other side: tells what its copy holds, and drops it when told so.

use super::ground::Ground;
use super::machine::Migration;
use crate::fabric::{self, At, Message, Pulled};
use crate::identity::NodeId;
use crate::replication::{Buckets, Effect, Effects};

/// An answer is sent when it has grown above this, in bytes.
const ANSWER_BYTES: usize = 64 << 10;

impl Migration {
    /// Whether `from` may drive this partition in this view.
    fn is_driver(&self, at: At, from: NodeId) -> bool {
        self.duties.get(&at.partition).is_some_and(|duty| duty.master == from || duty.rightful() == from)
    }

    #[expect(clippy::too_many_arguments, reason = "an event with the context of every event")]
    pub(super) fn on_ask(
        &mut self,
        now_ms: u64,
        at: At,
        from: NodeId,
        round: u32,
        filling: bool,
        ground: &mut dyn Ground,
        effects: &mut Effects,
    ) {
        if !self.is_driver(at, from) {
            return;
        }
        if filling {
            let room = self.incoming.len() < self.settings.incoming_max;
            if !room && !self.incoming.contains_key(&at.partition) {
                effects.push(Effect::Send { to: from, message: Message::Busy { at, round } });
                return;
            }
            self.incoming.insert(at.partition, now_ms);
        }
        ground.with(at.partition, &mut |records, _| {
            let message = Message::Summary { at, round, summary: records.summary(at.partition) };
            effects.push(Effect::Send { to: from, message });
        });
    }

    #[expect(clippy::too_many_arguments, reason = "an event with the context of every event")]
    pub(super) fn on_list(
        &mut self,
        now_ms: u64,
        at: At,
        from: NodeId,
        round: u32,
        buckets: Buckets,
        ground: &mut dyn Ground,
        effects: &mut Effects,
    ) {
        if !self.is_driver(at, from) {
            return;
        }
        if let Some(asked_ms) = self.incoming.get_mut(&at.partition) {
            *asked_ms = now_ms;
        }
        let (mut listed, mut bytes, mut stamps) = (Buckets::default(), Vec::new(), Vec::new());
        let mut left = buckets.len();
        for bucket in buckets.iter() {
            stamps.clear();
            ground.with(at.partition, &mut |records, _| records.list(at.partition, bucket, &mut stamps));
            fabric::encode_stamps(&stamps, &mut bytes);
            listed.insert(bucket);
            left = left.saturating_sub(1);
            if bytes.len() >= ANSWER_BYTES || left == 0 {
                let stamps = std::mem::take(&mut bytes).into();
                let message = Message::Listing { at, round, buckets: std::mem::take(&mut listed), stamps };
                effects.push(Effect::Send { to: from, message });
            }
        }
    }

    pub(super) fn on_pull(
        &mut self,
        at: At,
        from: NodeId,
        round: u32,
        wanted: &[u8],
        ground: &mut dyn Ground,
        effects: &mut Effects,
    ) {
        if !self.is_driver(at, from) {
            return;
        }
        let (mut answer, mut image) = (Vec::new(), Vec::new());
        for digest in fabric::digests(wanted).map_while(Result::ok) {
            if digest.partition() != at.partition || answer.len() >= ANSWER_BYTES {
                break;
            }
            image.clear();
            ground.with(at.partition, &mut |records, _| {
                let record = match records.read(&digest, &mut image) {
                    Some(stamp) => Pulled::Record(stamp, &image),
                    None => Pulled::Gone(digest),
                };
                fabric::encode_pulled(&record, &mut answer);
            });
        }
        let message = Message::Pulled { at, round, records: answer.into() };
        effects.push(Effect::Send { to: from, message });
    }

    /// All owners are full: this copy is needed no more.
    pub(super) fn on_release(
        &mut self,
        at: At,
        from: NodeId,
        ground: &mut dyn Ground,
        effects: &mut Effects,
    ) {
        let partition = at.partition;
        let Some(duty) = self.duties.get(&partition) else { return };
        let is_extra = duty.rightful() == from && !duty.owners.contains(&self.me);
        if !is_extra || self.frozen || self.led.contains_key(&partition) {
            return;
        }
        self.strays.remove(&partition);
        if let Some(version) = self.versions.get(&partition).cloned() {
            ground.with(partition, &mut |_, streams| streams.leave(partition));
            if self.settings.keeps_released {
                // It hears of no more writes in this view, so it must not pass for equal in the next one.
                self.hold(partition, Some(version.with_full(false)), effects);
            } else {
                self.hold(partition, None, effects);
                effects.push(Effect::Drop(partition));
            }
        }
        effects.push(Effect::Send { to: from, message: Message::Released { at } });
    }
}
