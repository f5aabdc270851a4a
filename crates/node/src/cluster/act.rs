//! Doing what the machines of a namespace want done.

use super::ground::NamespaceGround;
use super::outgoing::Outgoing;
use super::parking::Event;
use super::shard::stripe_of_write;
use crate::namespace::Namespace;
use crate::node::Node;
use crate::now::Now;
use shipload_cluster::NodeId;
use shipload_cluster::replication::{Effect, Effects, WriteId};
use shipload_cluster::version::Version;
use shipload_value::PartitionId;
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
                    if namespace.hold_what_counts(partition, version.as_ref()) {
                        self.cluster.keep_moved();
                        self.cluster.map_moved();
                    }
                }
                Effect::Drop(partition) => namespace.drop_unless_wanted(partition),
                Effect::Master { view, partition, master } => {
                    if namespace.note_master(view, partition, master) {
                        self.cluster.map_moved();
                    }
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

/// Threads act on what was decided under the lock of migration after they have given it back, so a thread that was stopped in
/// between may come when others have decided otherwise, even in a later view.
impl Namespace {
    /// Notes what this node holds of a partition, unless that is not so any more.
    fn hold_what_counts(&self, partition: PartitionId, version: Option<&Version>) -> bool {
        let migration = self.migration.lock();
        let counts = migration.as_ref().is_none_or(|migration| migration.version(partition) == version);
        if counts {
            self.holdings.hold(partition, version);
        }
        counts
    }

    /// Notes who masters a partition, if the view is still the one in which that was agreed: in a view, a partition goes from
    /// its acting master to the rightful one, and nowhere else.
    fn note_master(&self, view: u64, partition: PartitionId, master: NodeId) -> bool {
        let migration = self.migration.lock();
        let counts = migration.as_ref().is_some_and(|migration| migration.view() == view);
        if counts {
            self.holdings.set_master(partition, master);
        }
        counts
    }

    /// Drops a copy, unless it is to be here again: then it is compared and completed like any other.
    fn drop_unless_wanted(&self, partition: PartitionId) {
        let migration = self.migration.lock();
        if !migration.as_ref().is_some_and(|migration| migration.owns(partition)) {
            self.drop_partition(partition);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Effect, Outgoing};
    use crate::cluster::{Founding, Join, Requester};
    use crate::config::Config;
    use crate::node::{Identity, Node};
    use crate::now::Now;
    use shipload_cluster::{Attributes, Inventory, NodeId};
    use shipload_value::Digest;
    use shipload_wire::request::{self, Key};
    use shipload_wire::{Op, bits::op, message::Header};
    use std::collections::BTreeMap;

    /// A node that has founded a cluster, and the time.
    fn founded() -> (Node, Now) {
        let mut config = Config::new();
        config.add_namespace("test").unwrap();
        let node = Node::new(config, Identity { node_id: 7, cluster_key: 1 }).unwrap();
        let now = Now { unix_ns: 1_790_000_000_000_000_000, mono_ns: 5_000_000_000 };
        let mut out = Outgoing::default();
        let address = "127.0.0.1:3001".parse().unwrap();
        let join = Join {
            incarnation: 1,
            random: 1,
            attributes: Attributes::at(address, address),
            founding: Founding::AtOnce,
            inventory: Inventory::default(),
            metadata: BTreeMap::new(),
        };
        node.join(now, join, &mut out);
        let later = |ms: u64| Now { unix_ns: now.unix_ns, mono_ns: now.mono_ns + ms * 1_000_000 };
        for step in 0..100 {
            node.cluster_tick(later(step * 20), &mut out);
        }
        (node, later(3000))
    }

    /// A release of an earlier view, of which a thread knew and was stopped, does not empty the copy that is there again.
    #[test]
    fn a_late_drop_leaves_a_copy_that_is_wanted_again() {
        let (node, now) = founded();
        let mut out = Outgoing::default();
        let namespace = &node.namespaces()[0];
        let digest = Digest::of(b"s", 1, &1u64.to_be_bytes());
        let partition = digest.partition();
        assert!(node.leads(namespace, partition), "it founded a cluster");
        let mut frame = Vec::new();
        let ops = [Op { code: op::WRITE, kind: 1, name: b"n", value: &1u64.to_be_bytes() }];
        request::put(&mut frame, &Header::default(), &Key::new("test", "s", &digest.0), &ops);
        let requester = Requester::Client { thread: 0, slot: 0, serial: 1 };
        node.execute_for(&mut node.worker(), requester, &frame, now, &mut Vec::new());
        assert_eq!(namespace.partition_objects(partition), 1);
        let held = node.held_version(namespace, partition);
        let late = vec![Effect::Hold { partition, version: None }, Effect::Drop(partition)];
        node.act(namespace, late, now, &mut out);
        assert_eq!(namespace.partition_objects(partition), 1, "the copy is empty");
        assert_eq!(namespace.holdings.inventory().get(partition), held.as_ref(), "and forgotten");
    }

    /// A hand-over of an earlier view, of which a thread knew and was stopped, says nothing of who masters what in this one.
    #[test]
    fn a_late_hand_over_changes_no_master() {
        let (node, now) = founded();
        let mut out = Outgoing::default();
        let namespace = &node.namespaces()[0];
        let partition = shipload_value::PartitionId::new(7).unwrap();
        let view = node.cluster.status().key;
        let master = |view, master| vec![Effect::Master { view, partition, master }];
        node.act(namespace, master(view ^ 1, NodeId(9)), now, &mut out);
        assert_eq!(node.known_master(namespace, partition), Some(node.id()), "by an earlier view");
        node.act(namespace, master(view, NodeId(9)), now, &mut out);
        assert_eq!(node.known_master(namespace, partition), Some(NodeId(9)), "by this one");
    }
}
