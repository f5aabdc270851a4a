//! The end: the rightful master takes over and releases the copies that nobody needs.

use super::ground::Ground;
use super::machine::Migration;
use super::task::Led;
use crate::fabric::{At, Message};
use crate::identity::NodeId;
use crate::replication::{Effect, Effects};
use shipload_value::PartitionId;

impl Migration {
    /// All owners are full and equal.
    pub(super) fn settle(
        &mut self,
        now_ms: u64,
        partition: PartitionId,
        ground: &mut dyn Ground,
        effects: &mut Effects,
    ) {
        let Some(duty) = self.duties.get(&partition) else { return };
        let rightful = duty.rightful();
        if rightful == self.me {
            self.release(now_ms, partition, effects);
        } else {
            self.led.remove(&partition);
            ground.with(partition, &mut |_, streams| {
                streams.hand_over(now_ms, partition, rightful, effects);
            });
            effects.push(Effect::Master { view: self.view, partition, master: rightful });
        }
    }

    /// This node, the rightful master, takes the partition over from the acting one.
    pub(super) fn on_lead(
        &mut self,
        now_ms: u64,
        partition: PartitionId,
        from: NodeId,
        tails: &[(NodeId, u64)],
        ground: &mut dyn Ground,
        effects: &mut Effects,
    ) {
        let Some(duty) = self.duties.get(&partition) else { return };
        let Some(version) = self.versions.get(&partition).cloned() else { return };
        if duty.master != from || duty.rightful() != self.me || self.led.contains_key(&partition) {
            return;
        }
        // Copies that are still full have to stay equal until they are dropped.
        let stays = |node: &&NodeId| **node == from || duty.equals.contains(node);
        let others = duty.owners.iter().filter(|node| **node != self.me);
        let listeners: Vec<NodeId> = others.chain(duty.extras.iter().filter(stays)).copied().collect();
        ground.with(partition, &mut |_, streams| {
            streams.take_over(now_ms, partition, from, &listeners, tails, effects);
        });
        let led = Led {
            version,
            gathers: Vec::new(),
            fills: Vec::new(),
            withheld: Vec::new(),
            verifies: Vec::new(),
            releases: Vec::new(),
            is_settled: false,
        };
        self.led.insert(partition, led);
        effects.push(Effect::Master { view: self.view, partition, master: self.me });
        self.release(now_ms, partition, effects);
    }

    /// Tells those that hold copies without owning them to drop them.
    fn release(&mut self, now_ms: u64, partition: PartitionId, effects: &mut Effects) {
        let at = self.at(partition);
        let (Some(led), Some(duty)) = (self.led.get_mut(&partition), self.duties.get(&partition)) else {
            return;
        };
        led.is_settled = true;
        led.releases =
            duty.extras.iter().filter(|node| **node != self.me).map(|node| (*node, now_ms)).collect();
        if !led.releases.is_empty() {
            self.releasing.insert(partition);
        }
        for (to, _) in &led.releases {
            effects.push(Effect::Send { to: *to, message: Message::Release { at } });
        }
    }

    /// Tells again those that have not answered.
    pub(super) fn remind(&mut self, now_ms: u64, effects: &mut Effects) {
        let (retry_ms, namespace, view) = (self.settings.retry_ms, self.namespace, self.view);
        for &partition in &self.releasing {
            let Some(led) = self.led.get_mut(&partition) else { continue };
            for (to, told_ms) in led.releases.iter_mut().filter(|(_, told_ms)| now_ms >= told_ms + retry_ms) {
                *told_ms = now_ms;
                let at = At { namespace, partition, view };
                effects.push(Effect::Send { to: *to, message: Message::Release { at } });
            }
        }
        for (&partition, asked_ms) in &mut self.strays {
            let Some(duty) = self.duties.get(&partition).filter(|_| now_ms >= *asked_ms + retry_ms) else {
                continue;
            };
            *asked_ms = now_ms;
            let at = At { namespace, partition, view };
            effects.push(Effect::Send { to: duty.rightful(), message: Message::Stray { at } });
        }
    }

    /// Somebody holds a copy that nobody knew of: it may go once the partition is settled.
    pub(super) fn on_stray(&mut self, at: At, from: NodeId, effects: &mut Effects) {
        if self.led.get(&at.partition).is_some_and(|led| led.is_settled) {
            effects.push(Effect::Send { to: from, message: Message::Release { at } });
        }
    }

    /// A copy is dropped.
    pub(super) fn on_released(
        &mut self,
        partition: PartitionId,
        from: NodeId,
        ground: &mut dyn Ground,
        effects: &mut Effects,
    ) {
        let Some(led) = self.led.get_mut(&partition) else { return };
        led.releases.retain(|(node, _)| *node != from);
        if led.releases.is_empty() {
            self.releasing.remove(&partition);
        }
        ground.with(partition, &mut |_, streams| streams.unlisten(partition, from, effects));
    }
}
