//! Doing what the machines of a namespace want done.

use super::ground::NamespaceGround;
use super::outgoing::Outgoing;
use super::parking::Event;
use super::shard::stripe_of_write;
use crate::namespace::Namespace;
use crate::node::Node;
use crate::now::Now;
use shipload_cluster::replication::{Effect, Effects, WriteId};
use std::collections::VecDeque;

impl Node {
    /// Does effects in order, and those that come of them. No lock may be held.
    pub(crate) fn act(&self, namespace: &Namespace, effects: Effects, now: Now, out: &mut Outgoing) {
        let now_ms = now.mono_ms();
        let mut todo = VecDeque::from(effects);
        while let Some(effect) = todo.pop_front() {
            match effect {
                Effect::Send { to, message } => out.fabric.push((to, message)),
                Effect::Committed(id) => self.settle_write(namespace, id, Event::Held, out),
                Effect::InDoubt(id) => self.settle_write(namespace, id, Event::InDoubt, out),
                Effect::Progress(partition) => {
                    let mut more = Effects::new();
                    if let Some(migration) = namespace.migration.lock().as_mut() {
                        let mut ground = NamespaceGround { namespace };
                        migration.on_progress(now_ms, partition, &mut ground, &mut more);
                    }
                    todo.extend(more);
                }
                // Requests for it wait for the next tick.
                Effect::Resolved(_) => self.cluster.wake(),
                Effect::Hold { partition, version } => {
                    namespace.holdings.hold(partition, version.as_ref());
                    self.cluster.keep_moved();
                    self.cluster.map_moved();
                }
                Effect::Drop(partition) => {
                    namespace.drop_partition(partition);
                }
                Effect::Master { partition, master } => {
                    namespace.holdings.set_master(partition, master);
                    self.cluster.map_moved();
                }
                // Taken out where entries are applied, under the stripe's lock.
                Effect::Arrived { .. } => {}
            }
        }
    }

    fn settle_write(&self, namespace: &Namespace, id: WriteId, event: Event, out: &mut Outgoing) {
        let mut shard = namespace.stripe_at(stripe_of_write(id));
        let ticket = shard.streams().and_then(|streams| streams.waiters.remove(&id));
        drop(shard);
        if let Some(ticket) = ticket {
            self.cluster.parking.happened(ticket, event, out);
        }
    }
}
