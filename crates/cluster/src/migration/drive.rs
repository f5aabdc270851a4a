//! The master's side: starts comparisons, keeps them going, ends them.

use super::ground::Ground;
use super::install::{filling, full};
use super::machine::Migration;
use super::task::{Purpose, Stage, Task, Ticket};
use crate::fabric::Message;
use crate::identity::NodeId;
use crate::replication::{Effect, Effects};
use shipload_value::PartitionId;

/// After so many milliseconds a node that was busy is asked again.
const BUSY_MS: u64 = 30;

impl Migration {
    /// Starts as many waiting comparisons as may run.
    pub(super) fn start(&mut self, now_ms: u64, ground: &mut dyn Ground, effects: &mut Effects) {
        self.credit.refill(now_ms, self.settings.us_per_ms);
        while self.tasks.len() < self.settings.outgoing_max
            && !self.credit.is_spent()
            && let Some(Ticket { spare, purpose, records, partition, peer }) = self.waiting.pop_first()
        {
            self.credit.pay_comparison(records, !spare);
            self.rounds = self.rounds.wrapping_add(1).max(1);
            let (round, stage) = (self.rounds, Stage::Asking);
            let task = Task { spare, purpose, records, round, asked_ms: now_ms, stage };
            self.ask((partition, peer), &task, effects);
            self.tasks.insert((partition, peer), task);
            ground.with(partition, &mut |_, streams| streams.watch(partition, peer, true));
        }
    }

    fn ask(&self, key: (PartitionId, NodeId), task: &Task, effects: &mut Effects) {
        let filling = task.purpose == Purpose::Fill;
        let message = Message::Ask { at: self.at(key.0), round: task.round, filling };
        effects.push(Effect::Send { to: key.1, message });
    }

    /// The other side has too much to do.
    pub(super) fn on_busy(
        &mut self,
        now_ms: u64,
        partition: PartitionId,
        from: NodeId,
        round: u32,
        ground: &mut dyn Ground,
        effects: &mut Effects,
    ) {
        let key = (partition, from);
        let Some(task) = self.tasks.get(&key).filter(|task| task.round == round) else { return };
        if matches!(task.stage, Stage::Asking) {
            let Task { spare, purpose, records, .. } = *task;
            let ticket = Ticket { spare, purpose, records, partition, peer: from };
            self.delayed.insert((now_ms + BUSY_MS, ticket));
            self.tasks.remove(&key);
            self.start(now_ms, ground, effects);
        }
    }

    /// Does what can be done for one comparison.
    pub(super) fn pump(
        &mut self,
        now_ms: u64,
        key: (PartitionId, NodeId),
        ground: &mut dyn Ground,
        effects: &mut Effects,
    ) {
        let Some(mut task) = self.tasks.remove(&key) else { return };
        self.compare(now_ms, key, &mut task, ground, effects);
        if matches!(&task.stage, Stage::Comparing(compare) if compare.is_done()) {
            task.stage = Stage::Closing(self.close(now_ms, key, task.purpose, ground, effects));
        }
        let Stage::Closing(marks) = &task.stage else {
            self.tasks.insert(key, task);
            return;
        };
        let mut held = true;
        ground.with(key.0, &mut |_, streams| {
            held = marks.iter().all(|&(peer, seq)| streams.flow(key.0, peer).acked >= seq);
            marks.iter().for_each(|&(peer, _)| streams.watch(key.0, peer, !held));
        });
        if held {
            self.finish(now_ms, key, task.purpose, ground, effects);
        } else {
            self.tasks.insert(key, task);
        }
    }

    /// Everything is on its way: tells what has to be acknowledged before the comparison is over.
    fn close(
        &mut self,
        now_ms: u64,
        (partition, peer): (PartitionId, NodeId),
        purpose: Purpose,
        ground: &mut dyn Ground,
        effects: &mut Effects,
    ) -> Vec<(NodeId, u64)> {
        let mut marks = Vec::new();
        let (Some(led), Some(duty)) = (self.led.get(&partition), self.duties.get(&partition)) else {
            return marks;
        };
        ground.with(partition, &mut |_, streams| match purpose {
            // What was gathered must be on as many copies as any write before its source may be changed.
            Purpose::Gather => {
                let counted = duty.equals.iter().chain(duty.counted_fills());
                marks = counted.map(|&other| (other, streams.flow(partition, other).last)).collect();
            }
            Purpose::Fill | Purpose::Verify => {
                // Writes wait for the copy from the moment on at which it may call itself full.
                streams.count(partition, peer);
                marks = vec![(peer, streams.tell(now_ms, partition, peer, full(&led.version), effects))];
            }
        });
        marks
    }

    fn finish(
        &mut self,
        now_ms: u64,
        (partition, peer): (PartitionId, NodeId),
        purpose: Purpose,
        ground: &mut dyn Ground,
        effects: &mut Effects,
    ) {
        let Some(led) = self.led.get_mut(&partition) else { return };
        match purpose {
            Purpose::Fill => led.fills.retain(|node| *node != peer),
            Purpose::Verify => led.verifies.retain(|node| *node != peer),
            Purpose::Gather => {
                let gathered = led.gathers.extract_if(.., |(node, _)| *node == peer);
                let absorbed: Vec<_> = gathered.map(|(_, version)| version).collect();
                // Who gave a part of something leaves the rest of it to whoever has that.
                for version in absorbed.iter().filter(|version| version.full) {
                    led.version = led.version.merged(version, self.view);
                }
                if led.gathers.is_empty() {
                    led.version = led.version.clone().with_full(true);
                    self.end_gathering(now_ms, partition, ground, effects);
                }
                self.resolved_by_gathering((partition, peer), ground, effects);
                let version = self.led.get(&partition).map(|led| led.version.clone());
                self.hold(partition, version, effects);
            }
        }
        let Some(led) = self.led.get(&partition) else { return };
        let over = match purpose {
            Purpose::Gather => led.gathers.is_empty(),
            Purpose::Fill | Purpose::Verify => led.fills.is_empty() && led.verifies.is_empty(),
        };
        if over {
            self.queue(now_ms, partition, ground, effects);
        }
        self.start(now_ms, ground, effects);
    }

    /// All copies are gathered: those of owners are going to be filled now.
    fn end_gathering(
        &mut self,
        now_ms: u64,
        partition: PartitionId,
        ground: &mut dyn Ground,
        effects: &mut Effects,
    ) {
        let Some(led) = self.led.get_mut(&partition) else { return };
        let withheld = std::mem::take(&mut led.withheld);
        ground.with(partition, &mut |_, streams| {
            streams.gathered(partition);
            for peer in &withheld {
                streams.tell(now_ms, partition, *peer, filling(&led.version), effects);
            }
        });
    }

    /// Asks again for what does not come.
    pub(super) fn ask_again(&mut self, now_ms: u64, key: (PartitionId, NodeId), effects: &mut Effects) {
        let retry_ms = self.settings.retry_ms;
        let Some(task) = self.tasks.get_mut(&key).filter(|task| now_ms >= task.asked_ms + retry_ms) else {
            return;
        };
        task.asked_ms = now_ms;
        let Some(task) = self.tasks.get(&key) else { return };
        match &task.stage {
            Stage::Asking => self.ask(key, task, effects),
            Stage::Comparing(compare) => self.request(key, task.round, compare, effects),
            Stage::Closing(_) => {}
        }
    }
}
