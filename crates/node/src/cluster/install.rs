//! A view is installed: who masters what, what this node holds, what has to move.

use super::entrance::take_arrived;
use super::ground::NamespaceGround;
use super::outgoing::Outgoing;
use super::status::Status;
use crate::config::{NamespaceKey, ServiceKey};
use crate::namespace::Namespace;
use crate::node::Node;
use crate::now::Now;
use shipload_cluster::agreement::Committed;
use shipload_cluster::replication::{ConflictPolicy, Effects};
use shipload_cluster::{map, migration};
use std::collections::BTreeMap;
use std::sync::Arc;

impl Node {
    /// From now on this view holds.
    pub(super) fn install(&self, committed: &Committed, now: Now, out: &mut Outgoing) {
        let key = committed.view.key;
        let leaving = committed.standing(self.id()).is_some_and(|standing| standing.quiesced);
        let follows = self.follows(committed);
        for namespace in self.namespaces() {
            if !follows {
                namespace.sketch.doubt();
            }
            let Some(map) = map::assign(committed, &namespace.name) else { continue };
            let duties = map::duties(committed, &namespace.name, &map);
            let mut effects = Effects::new();
            // Under the lock of migration: a hand-over of the view before must not be noted between the two.
            let mut migration = namespace.migration.lock();
            // In this order: a copy that was full in the view before is not, from the first moment on, whatever is known of
            // it in this one.
            namespace.holdings.install(map);
            namespace.holdings.note_gathers(self.id(), &duties);
            if let Some(migration) = migration.as_mut() {
                let settings = self.migration_settings(namespace);
                migration.set_settings(migration::Settings { keeps_released: leaving, ..settings });
                let mut ground = NamespaceGround { namespace };
                migration.on_view(now.mono_ms(), key, duties, &mut ground, &mut effects);
            }
            drop(migration);
            // Entries of this view that were here before it.
            for stripe in namespace.holdings.active() {
                let any =
                    namespace.stripe_at(stripe).streams().is_some_and(|streams| !streams.arrived.is_empty());
                if any {
                    take_arrived(namespace, stripe, now, &mut effects);
                }
            }
            self.act(namespace, effects, now, out);
        }
        self.install_status(committed, now);
        self.cluster.map_moved();
    }

    /// Whether nobody can have mastered anything between the view that holds and this one: it is the next one, and nobody is
    /// in it who was elsewhere.
    fn follows(&self, committed: &Committed) -> bool {
        let known = self.cluster.status();
        let all_known = committed.members().all(|(node, _)| known.members.contains_key(&node));
        committed.view.epoch == known.epoch + 1 && all_known
    }

    fn install_status(&self, committed: &Committed, now: Now) {
        let mut status = self.cluster.status.write();
        let members: BTreeMap<_, _> =
            committed.members().map(|(node, standing)| (node, standing.rack)).collect();
        let racks_moved = members != status.members;
        *status = Arc::new(Status {
            key: committed.view.key,
            epoch: committed.view.epoch,
            members,
            integrity: false,
            installed_mono_ns: now.mono_ns,
            views: status.views + 1,
            rack_generation: status.rack_generation + u64::from(racks_moved),
        });
    }

    pub(super) fn note_integrity(&self, integrity: bool) {
        if self.cluster.status.read().integrity != integrity {
            let mut status = self.cluster.status.write();
            *status = Arc::new(Status { integrity, ..(**status).clone() });
        }
    }

    /// How much migration may do, as configured.
    pub(super) fn migration_settings(&self, namespace: &Namespace) -> migration::Settings {
        let service = &self.config().service;
        let threads = usize::try_from(service.number(ServiceKey::MigrateThreads)).unwrap_or(1);
        let incoming = usize::try_from(service.number(ServiceKey::MigrateMaxNumIncoming)).unwrap_or(4);
        let policy = match namespace.config.keys.text(NamespaceKey::ConflictResolutionPolicy).as_str() {
            "last-update-time" => ConflictPolicy::LastUpdateTime,
            _ => ConflictPolicy::Generation,
        };
        // A thread of the setting stands for some comparisons at a time; none stops migration.
        migration::Settings {
            outgoing_max: threads * PER_THREAD,
            incoming_max: incoming * PER_THREAD,
            us_per_ms: threads as u64 * US_PER_MS,
            policy,
            ..migration::Settings::default()
        }
    }
}

/// Comparisons at a time for each of `migrate-threads`.
const PER_THREAD: usize = 8;
/// Estimated microseconds of processors, of all nodes that take part, that this node's migration may cost in a millisecond for
/// each of `migrate-threads`.
const US_PER_MS: u64 = 200;

impl Namespace {
    /// Reads are answered from this copy even while others are gathered: `read-consistency-level-override`.
    pub(crate) fn reads_one(&self) -> bool {
        self.config.keys.text(NamespaceKey::ReadConsistencyLevelOverride) == "one"
    }

    /// Writes don't wait for copies that are gathered: `disable-write-dup-res`.
    pub(crate) fn writes_unresolved(&self) -> bool {
        self.config.flag(NamespaceKey::DisableWriteDupRes)
    }

    /// `replication-factor`, as the cluster is told of it.
    pub(super) fn wished_copies(&self) -> u8 {
        u8::try_from(self.config.number(NamespaceKey::ReplicationFactor)).unwrap_or(u8::MAX)
    }
}
