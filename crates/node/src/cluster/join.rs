//! Joining and leaving, seeds and tips.

use super::control::{Control, Pass};
use super::outgoing::Outgoing;
use super::shard::first_write;
use super::{Cluster, Status};
use crate::config::ServiceKey;
use crate::node::Node;
use crate::now::Now;
use shipload_cluster::agreement::{self, Agreement};
use shipload_cluster::membership::{self, Membership};
use shipload_cluster::metadata::{Entry, Metadata};
use shipload_cluster::migration::Migration;
use shipload_cluster::replication::{self, Replication};
use shipload_cluster::{Attributes, ClusterName, Incarnation, Inventory, NodeId};
use shipload_store::STRIPE_COUNT;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// When a node that sees nobody may found a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Founding {
    /// At once: it knows of nobody to wait for.
    AtOnce,
    /// After so many milliseconds.
    AfterMs(u64),
}

/// What a node joins a cluster with.
#[derive(Debug, Clone)]
pub struct Join {
    /// Which life of the node this is: higher after each start, such as the time of the start.
    pub incarnation: u64,
    /// Seeds the machines' randomness.
    pub random: u64,
    /// What the node tells of itself.
    pub attributes: Attributes,
    /// When it may found a cluster alone.
    pub founding: Founding,
    /// What its data directory holds of partitions; nothing for a node without one.
    pub inventory: Inventory,
    /// What its data directory holds of metadata.
    pub metadata: BTreeMap<String, Entry>,
}

/// Where another node may be, by name or address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seed {
    /// A name or an address.
    pub host: String,
    /// The heartbeat port.
    pub port: u16,
}

/// Configured seeds and tips.
#[derive(Debug, Default)]
pub(super) struct Seeds {
    generation: u64,
    configured: Vec<Seed>,
    tips: Vec<Seed>,
}

/// The most tips that are kept.
const TIPS_MAX: usize = 1024;

impl Node {
    /// From now on this node is one of many: it serves what the cluster's map gives it, and nothing before the first
    /// view. Does nothing when it joined already.
    pub fn join(&self, now: Now, join: Join, out: &mut Outgoing) {
        let mut control = self.cluster.control.lock();
        if control.is_some() {
            return;
        }
        let (me, now_ms) = (self.id(), now.mono_ms());
        for namespace in self.namespaces() {
            let versions = join.inventory.namespace(&namespace.name).into_iter().flat_map(|held| held.held());
            let versions: BTreeMap<_, _> =
                versions.map(|(partition, version)| (partition, version.clone())).collect();
            for (partition, version) in &versions {
                namespace.holdings.hold(*partition, Some(version));
            }
            let settings = self.migration_settings(namespace);
            *namespace.migration.lock() = Some(Migration::new(me, namespace.fabric_id, settings, versions));
            for stripe in 0..STRIPE_COUNT {
                let streams = Replication::new(me, namespace.fabric_id, replication::Settings::default());
                namespace.stripe_at(stripe).join(streams.with_ids_after(first_write(stripe)));
            }
        }
        *self.cluster.status.write() =
            Arc::new(Status { key: 0, epoch: 0, views: 0, integrity: false, ..Status::alone(me.0, 0) });
        self.cluster.joined.store(true, Ordering::Release);
        let incarnation = Incarnation(join.incarnation);
        self.cluster.incarnation.store(join.incarnation, Ordering::Release);
        let settings = match join.founding {
            Founding::AtOnce => agreement::Settings { settle_ms: 0, ..agreement::Settings::default() },
            Founding::AfterMs(alone_ms) => agreement::Settings { alone_ms, ..agreement::Settings::default() },
        };
        let restored: Vec<String> = join.metadata.keys().cloned().collect();
        let made = Control {
            incarnation,
            agreement: Agreement::new(me, incarnation, settings, join.random ^ 1, now_ms),
            metadata: Metadata::new(me, join.metadata),
            installing: None,
            spreading: BTreeMap::new(),
        };
        for name in restored {
            self.apply_metadata(now, &name, made.metadata.get(&name));
        }
        *control = Some(made);
        drop(control);
        *self.cluster.gossip.lock() = Some(Membership::new(
            me,
            incarnation,
            &self.cluster_name(),
            join.attributes,
            membership::Settings::default(),
            join.random,
        ));
        self.cluster_tick(now, out);
    }

    /// Hash of the cluster's name: nodes of other clusters are told apart by it.
    #[must_use]
    pub fn cluster_hash(&self) -> u64 {
        self.cluster_name().hash()
    }

    /// Which life of the node this is; 0 before it joined.
    #[must_use]
    pub fn incarnation(&self) -> u64 {
        self.cluster.incarnation.load(Ordering::Acquire)
    }

    fn cluster_name(&self) -> ClusterName {
        let name = self.config().service.text(ServiceKey::ClusterName);
        let name = if name == "null" { "" } else { &name };
        ClusterName::new(name)
            .unwrap_or_else(|| ClusterName::new("").expect("invariant: the empty name is short"))
    }

    /// This node's id.
    #[must_use]
    pub fn id(&self) -> NodeId {
        NodeId(self.identity.node_id)
    }

    /// Wants a view with the same members; false when that is another node's to do.
    pub(crate) fn recluster(&self, now: Now) -> bool {
        let mut wanted = !self.cluster.is_joined();
        self.with_control_later(now, |control, pass| {
            wanted = control.agreement.recluster(now.mono_ms(), &mut pass.agreement);
        });
        wanted
    }

    /// Lets an event into control from outside of the shell's calls; the next tick takes along what comes of it.
    pub(super) fn with_control_later(&self, now: Now, event: impl FnOnce(&mut Control, &mut Pass)) {
        let mut out = Outgoing::default();
        self.with_control(now, &mut out, event);
        self.cluster.do_later(&mut out);
    }
}

impl Cluster {
    /// Everything that is to be looked up again and again, and a number that moves when the list changes.
    #[must_use]
    pub fn seeds(&self) -> (u64, Vec<Seed>) {
        let seeds = self.seeds.lock();
        (seeds.generation, seeds.configured.iter().chain(&seeds.tips).cloned().collect())
    }

    /// The seeds that the configuration names.
    pub fn set_configured_seeds(&self, seeds: Vec<Seed>) {
        let mut list = self.seeds.lock();
        list.configured = seeds;
        list.generation += 1;
    }

    /// One more place where a node may be; false when there are too many.
    pub fn add_tip(&self, host: &str, port: u16) -> bool {
        let tip = Seed { host: host.to_owned(), port };
        let mut list = self.seeds.lock();
        if list.tips.contains(&tip) || list.configured.contains(&tip) {
            return true;
        }
        let room = list.tips.len() < TIPS_MAX;
        if room {
            list.tips.push(tip);
            list.generation += 1;
        }
        drop(list);
        self.wake_gossip();
        room
    }

    /// Forgets a tip, or a configured seed; all of them without `which`.
    pub fn clear_tips(&self, which: Option<(&str, u16)>) {
        let keep =
            |seed: &Seed| which.is_some_and(|(host, port)| (seed.host.as_str(), seed.port) != (host, port));
        let mut list = self.seeds.lock();
        list.tips.retain(keep);
        list.configured.retain(keep);
        list.generation += 1;
    }
}
