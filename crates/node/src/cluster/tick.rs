//! What time does: machines that wait, streams that repeat themselves, requests that are tried again.

use super::ground::NamespaceGround;
use super::outgoing::{ClusterNotice, Outgoing};
use super::status::MigrationStatus;
use super::{Cluster, Waker};
use crate::namespace::Namespace;
use crate::node::Node;
use crate::now::Now;
use shipload_cluster::migration::Settings;
use shipload_cluster::replication::{Counters, Effects};
use std::sync::atomic::Ordering;

/// Between two ticks while something is on its way, in nanoseconds.
const BUSY_NS: u64 = 5_000_000;
/// The same while requests wait for a master.
const DEFERRED_NS: u64 = 3_000_000;
/// Between two ticks at most.
const IDLE_NS: u64 = 200_000_000;

impl Node {
    /// Time has passed, for gossip and control together: for shells with a single thread.
    pub fn cluster_tick(&self, now: Now, out: &mut Outgoing) -> u64 {
        let gossip_ns = self.gossip_tick(now, out);
        gossip_ns.min(self.control_tick(now, out))
    }

    /// Time has passed, or gossip has news. Call it at the time that it answers, on the monotonic clock in nanoseconds,
    /// or when the waker says so. It may take as long as installing a view does.
    pub fn control_tick(&self, now: Now, out: &mut Outgoing) -> u64 {
        if !self.cluster.is_joined() {
            return now.mono_ns.saturating_add(IDLE_NS);
        }
        let now_ms = now.mono_ms();
        // Out of the queue under control's lock, so that news keep their order.
        let mut more = true;
        while more {
            let mut heard = Outgoing::default();
            more = false;
            self.with_control(now, out, |control, pass| {
                let news = self.cluster.news.lock().pop_front();
                if let Some(news) = news {
                    more = true;
                    self.on_news(control, pass, news, now, &mut heard);
                }
            });
            out.append(&mut heard);
            if self.is_installing() {
                return now.mono_ns;
            }
        }
        let mut wake_ms = u64::MAX;
        self.with_control(now, out, |control, pass| {
            control.agreement.on_tick(now_ms, &mut pass.agreement);
            control.metadata.on_tick(now_ms, &mut pass.metadata);
        });
        if self.is_installing() {
            return now.mono_ns;
        }
        if let Some(control) = self.cluster.control.lock().as_ref() {
            wake_ms = control.agreement.wake_at_ms().min(control.metadata.wake_at_ms());
        }
        let mut busy = false;
        for namespace in self.namespaces() {
            busy |= self.tick_namespace(namespace, now, out);
        }
        self.tend_errands(now, out);
        self.retry_deferred(now, out);
        self.cluster.parking.expire(now.mono_ns, out);
        out.append(&mut std::mem::take(&mut *self.cluster.later.lock()));
        let pause_ns = match (self.cluster.has_deferred(), busy) {
            (true, _) => DEFERRED_NS,
            (false, true) => BUSY_NS,
            (false, false) => IDLE_NS,
        };
        wake_ms.saturating_mul(1_000_000).min(now.mono_ns.saturating_add(pause_ns)).max(now.mono_ns)
    }

    /// Whether anything is on its way.
    fn tick_namespace(&self, namespace: &Namespace, now: Now, out: &mut Outgoing) -> bool {
        let now_ms = now.mono_ms();
        let mut effects = Effects::new();
        let mut busy = false;
        for stripe in namespace.holdings.active() {
            let mut shard = namespace.stripe_at(stripe);
            let Some(streams) = shard.streams() else { continue };
            streams.replication.on_tick(now_ms, &mut effects);
            if streams.replication.is_idle() {
                namespace.holdings.mark_idle(stripe);
            } else {
                busy = true;
            }
        }
        if let Some(migration) = namespace.migration.lock().as_mut() {
            if !migration.is_at_rest() {
                // Somebody may have changed the pace.
                let keeps_released = migration.settings().keeps_released;
                let wanted = Settings { keeps_released, ..self.migration_settings(namespace) };
                if wanted != migration.settings() {
                    migration.set_settings(wanted);
                }
                migration.on_tick(now_ms, &mut NamespaceGround { namespace }, &mut effects);
                busy = true;
            }
            let settled = migration.view() != 0 && migration.is_at_rest();
            if settled && !namespace.holdings.settled.swap(true, Ordering::AcqRel) {
                out.notices.push(ClusterNotice::Settled(namespace.name.clone()));
            } else if !settled {
                namespace.holdings.settled.store(false, Ordering::Release);
            }
        }
        self.act(namespace, effects, now, out);
        busy
    }

    /// A number that is another one after each change of who masters or holds what, and whether no copy of the namespace is on
    /// its way from here or to here.
    pub(crate) fn moves(&self, namespace: &Namespace) -> (u64, bool) {
        let settled = namespace.holdings.settled.load(Ordering::Acquire);
        (self.cluster.partition_generation(), settled || !self.cluster.is_joined())
    }

    /// How far the migration of a namespace is.
    #[must_use]
    pub fn migration_status(&self, namespace: &Namespace) -> MigrationStatus {
        if !self.cluster.is_joined() {
            return MigrationStatus::default();
        }
        let remaining = namespace.migration.lock().as_ref().map(|one| one.remaining()).unwrap_or_default();
        let (mut sum, mut unacked_bytes) = (Counters::default(), 0);
        for stripe in 0..shipload_store::STRIPE_COUNT {
            if let Some(streams) = namespace.stripe_at(stripe).streams() {
                let counters = streams.replication.counters();
                sum.migrated_sent += counters.migrated_sent;
                sum.migrated_received += counters.migrated_received;
                unacked_bytes += streams.replication.unacked_bytes() as u64;
            }
        }
        MigrationStatus {
            sends: remaining.sends,
            sends_active: remaining.sends_active,
            receives: remaining.receives,
            verifies: remaining.verifies,
            releases: remaining.releases,
            records_sent: sum.migrated_sent,
            records_received: sum.migrated_received,
            unacked_bytes,
        }
    }
}

impl Waker {
    fn wake(&self) {
        if let Some(waker) = self.0.get() {
            waker();
        }
    }
}

impl Cluster {
    /// The shell's way to have [`Node::gossip_tick`] called soon, and seeds looked at.
    pub fn set_waker(&self, waker: impl Fn() + Send + Sync + 'static) {
        // Only the first one counts: a node has one shell.
        let _ = self.waker.0.set(Box::new(waker));
    }

    /// The shell's way to have [`Node::control_tick`] called soon.
    pub fn set_control_waker(&self, waker: impl Fn() + Send + Sync + 'static) {
        let _ = self.control_waker.0.set(Box::new(waker));
    }

    pub(super) fn wake(&self) {
        self.control_waker.wake();
    }

    pub(super) fn wake_gossip(&self) {
        self.waker.wake();
    }
}
