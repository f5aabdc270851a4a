//! Messages of other nodes come in here.

use super::gossip::News;
use super::ground::NamespaceGround;
use super::outgoing::{ClusterNotice, Reply, Requester};
use super::parking::Ticket;
use super::records::StripeRecords;
use super::shard::Arrived;
use crate::namespace::Namespace;
use crate::node::Node;
use crate::now::Now;
use crate::worker::Worker;
use shipload_cluster::fabric::{At, Message};
use shipload_cluster::replication::Effects;
use shipload_cluster::{NodeId, agreement, metadata};
use shipload_store::stripe_of;

impl Node {
    /// A message of another node arrived. What comes of it is in [`Worker::outgoing`] after
    /// [`Node::end_fabric_turn`], which must be called after the last message of a turn.
    pub fn on_fabric(&self, worker: &mut Worker, from: NodeId, message: Message<'_>, now: Now) {
        let now_ms = now.mono_ms();
        // Other nodes' writes wait for room as clients' do.
        self.namespaces().iter().for_each(|namespace| namespace.make_room(0));
        match message {
            Message::Hello(_) => {}
            Message::Agreement(bytes) => match agreement::Message::decode(&bytes) {
                Ok(message) => self.cluster.tell_control(News::Agreement { from, message }),
                Err(error) => malformed(worker, from, &error.to_string()),
            },
            Message::Metadata(bytes) => match metadata::Message::decode(&bytes) {
                Ok(message) => self.cluster.tell_control(News::Metadata { from, message }),
                Err(error) => malformed(worker, from, &error.to_string()),
            },
            Message::Proxy { id, hops, frame } => {
                let requester = Requester::Node { node: from, id, hops };
                let mut answer = Vec::new();
                if !self.execute_for(worker, requester, &frame, now, &mut answer) {
                    let began_mono_ns = now.mono_ns;
                    let reply = Reply { requester, frames: answer, timing: None, began_mono_ns };
                    self.cluster.parking.deliver(reply, &mut worker.outgoing);
                }
            }
            Message::ProxyReply { id, frames } => {
                // Only the first answer counts, and none after it was given up.
                if self.cluster.errands.take(from, Ticket(id)).is_some() {
                    self.cluster.parking.answered(Ticket(id), &frames, &mut worker.outgoing);
                }
            }
            Message::Replica { at, .. } | Message::Ack { at, .. } | Message::WrongView { at, .. } => {
                if let Some(namespace) = self.namespace_of(at) {
                    self.on_stream(worker, namespace, from, at, message, now);
                }
            }
            Message::Ask { at, .. }
            | Message::Busy { at, .. }
            | Message::Summary { at, .. }
            | Message::List { at, .. }
            | Message::Listing { at, .. }
            | Message::Pull { at, .. }
            | Message::Pulled { at, .. }
            | Message::Release { at }
            | Message::Stray { at }
            | Message::Released { at } => {
                let Some(namespace) = self.namespace_of(at) else { return };
                let mut effects = Effects::new();
                if let Some(migration) = namespace.migration.lock().as_mut() {
                    let mut ground = NamespaceGround { namespace };
                    migration.on_message(now_ms, from, &message, &mut ground, &mut effects);
                }
                self.act(namespace, effects, now, &mut worker.outgoing);
            }
        }
    }

    /// Sends what is owed for the messages since the last call.
    pub fn end_fabric_turn(&self, worker: &mut Worker, now: Now) {
        for index in 0..self.namespaces().len() {
            let mut touched = std::mem::take(&mut worker.touched[index]);
            let namespace = &self.namespaces()[index];
            // What was taken over for others is acknowledged from stable storage too, where that is promised.
            worker.uncommitted |= touched != 0 && namespace.durable.commits();
            while touched != 0 {
                let stripe = touched.trailing_zeros() as usize;
                touched &= touched - 1;
                let effects = worker.waiting.effects_of(index);
                if let Some(streams) = namespace.stripe_at(stripe).streams() {
                    streams.replication.flush(effects);
                }
            }
        }
        self.run_waiting_effects(worker, now);
    }

    /// Fabric connections to a node are there again: what was on its way may be lost.
    pub fn on_link(&self, worker: &mut Worker, peer: NodeId, now: Now) {
        for namespace in self.namespaces() {
            for stripe in namespace.holdings.active() {
                let effects = worker.waiting.effects_of(namespace.index);
                if let Some(streams) = namespace.stripe_at(stripe).streams() {
                    streams.replication.on_link(now.mono_ms(), peer, effects);
                }
            }
        }
        self.run_waiting_effects(worker, now);
    }

    fn namespace_of(&self, at: At) -> Option<&Namespace> {
        self.namespaces().iter().find(|namespace| namespace.fabric_id == at.namespace)
    }

    /// An entry of a stream, or the answer to one.
    fn on_stream(
        &self,
        worker: &mut Worker,
        namespace: &Namespace,
        from: NodeId,
        at: At,
        message: Message<'_>,
        now: Now,
    ) {
        let stripe_number = stripe_of(at.partition);
        let mut shard = namespace.stripe_at(stripe_number);
        let (stripe, Some(streams)) = shard.split() else { return };
        let effects = worker.waiting.effects_of(namespace.index);
        let mut records = StripeRecords { namespace, stripe };
        streams.replication.on_message(now.mono_ms(), from, message, &mut records, effects);
        let any = streams.note_arrived(effects);
        worker.touched[namespace.index] |= 1 << stripe_number;
        namespace.holdings.mark_active(at.partition);
        drop(shard);
        if any {
            take_arrived(namespace, stripe_number, now, worker.waiting.effects_of(namespace.index));
        }
    }
}

/// Hands entries to the migration machine, in the order in which they arrived whatever thread took them.
pub(super) fn take_arrived(namespace: &Namespace, stripe: usize, now: Now, effects: &mut Effects) {
    let mut migration = namespace.migration.lock();
    let Some(migration) = migration.as_mut() else { return };
    let arrived = match namespace.stripe_at(stripe).streams() {
        Some(streams) => std::mem::take(&mut streams.arrived),
        None => return,
    };
    for Arrived { view, partition, from, item } in arrived {
        if view == migration.view() {
            let mut ground = NamespaceGround { namespace };
            migration.on_item(now.mono_ms(), partition, from, &item, &mut ground, effects);
        }
    }
}

fn malformed(worker: &mut Worker, from: NodeId, why: &str) {
    worker.outgoing.notices.push(ClusterNotice::Malformed(from, why.to_owned()));
}
