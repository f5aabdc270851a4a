//! The expiry pass (`nsup`): removes expired records, and evicts when a high-water mark is passed.
//!
//! A pass begins every `nsup-period` seconds, or every few seconds while a high-water mark is passed. Expired records
//! are invisible long before a pass meets them; the pass only gives their memory back. In a cluster each node looks at the
//! partitions that it masters, and tells their other copies.

use super::Wish;
use super::evict::{Census, Evictees};
use super::sweep::{self, Cursor};
use crate::config::NamespaceKey;
use crate::namespace::Namespace;
use crate::node::Notice;
use crate::now::Now;
use crate::worker::Worker;
use shipload_store::{Candidate, Decision, Swept};
use std::sync::atomic::Ordering;

/// Seconds between passes while a high-water mark is passed.
const PERIOD_WHEN_BREACHED_S: u64 = 2;
/// Nanoseconds of a second.
const SECOND_NS: u64 = 1_000_000_000;

/// Where the expiry pass is.
#[derive(Debug, Default)]
pub(super) struct Nsup {
    /// When the last pass began, monotonic nanoseconds; none before the first look.
    last_mono_ns: Option<u64>,
    phase: Phase,
}

#[derive(Debug, Default)]
enum Phase {
    #[default]
    Idle,
    Counting(Census),
    Sweeping(Box<Pass>),
}

#[derive(Debug)]
struct Pass {
    cursor: Cursor,
    evictees: Option<Evictees>,
    done: Swept,
}

impl Pass {
    fn begin(evictees: Option<Evictees>) -> Phase {
        Phase::Sweeping(Box::new(Pass { cursor: Cursor::start(), evictees, done: Swept::default() }))
    }
}

impl Nsup {
    /// Does one slice of the pass that is under way or due.
    pub(super) fn slice(
        &mut self,
        worker: &mut Worker,
        namespace: &Namespace,
        now: Now,
        notices: &mut Vec<Notice>,
    ) -> Wish {
        match &mut self.phase {
            Phase::Idle => return self.begin(namespace, now),
            Phase::Counting(census) => {
                if census.slice(namespace) {
                    let evictees = census.evictees(namespace);
                    note_evictees(namespace, evictees.as_ref(), now);
                    self.phase = Pass::begin(evictees);
                }
            }
            Phase::Sweeping(pass) => {
                if pass.slice(worker, namespace, now) {
                    let began = self.last_mono_ns.unwrap_or(now.mono_ns);
                    finish(namespace, &pass.done, now.mono_ns.saturating_sub(began), notices);
                    self.phase = Phase::Idle;
                }
            }
        }
        Wish::More
    }

    fn begin(&mut self, namespace: &Namespace, now: Now) -> Wish {
        let breached = namespace.state.hwm_breached.load(Ordering::Relaxed);
        let period_s = match namespace.config.number(NamespaceKey::NsupPeriod) {
            0 => return Wish::At(u64::MAX),
            period_s if breached => period_s.min(PERIOD_WHEN_BREACHED_S),
            period_s => period_s,
        };
        let last = *self.last_mono_ns.get_or_insert(now.mono_ns);
        let due = last.saturating_add(period_s.saturating_mul(SECOND_NS));
        if due > now.mono_ns {
            return Wish::At(due);
        }
        self.last_mono_ns = Some(now.mono_ns);
        self.phase = if breached { Phase::Counting(Census::new(namespace, now)) } else { Pass::begin(None) };
        Wish::More
    }
}

impl Pass {
    /// Sweeps one slice; true when everything is swept.
    fn slice(&mut self, worker: &mut Worker, namespace: &Namespace, now: Now) -> bool {
        let cutoffs = namespace.cutoffs().clone();
        let evictees = self.evictees.as_ref();
        let decide = |candidate: &Candidate| match evictees {
            Some(evictees)
                if candidate.void_time != 0
                    && candidate.void_time < evictees.below
                    && !evictees.spared.contains(&candidate.set) =>
            {
                Decision::Evict
            }
            Some(_) | None => Decision::Keep,
        };
        let swept = sweep::slice_of_master(worker, namespace, &mut self.cursor, now, &cutoffs, decide);
        let counters = worker.counters(namespace);
        counters.expired_objects.add(swept.expired);
        counters.evicted_objects.add(swept.evicted);
        self.done.add(swept);
        self.cursor.place().is_none()
    }
}

fn note_evictees(namespace: &Namespace, evictees: Option<&Evictees>, now: Now) {
    let below = evictees.map_or(0, |evictees| evictees.below);
    let ttl_s = below.saturating_sub(now.since_2010_s());
    namespace.state.evict_void_time.store(below, Ordering::Relaxed);
    namespace.state.evict_ttl_s.store(ttl_s, Ordering::Relaxed);
}

fn finish(namespace: &Namespace, done: &Swept, took_ns: u64, notices: &mut Vec<Notice>) {
    let removed = done.expired + done.evicted;
    let state = &namespace.state;
    let seconds = u32::try_from(took_ns / SECOND_NS).unwrap_or(u32::MAX);
    let pct_x100 = (removed * 10_000).checked_div(done.entries).unwrap_or(0);
    state.nsup_cycle_duration_s.store(seconds, Ordering::Relaxed);
    state.nsup_cycle_deleted_pct_x100.store(u32::try_from(pct_x100).unwrap_or(10_000), Ordering::Relaxed);
    state.non_expirable_objects.store(done.non_expirable, Ordering::Relaxed);
    if removed > 0 {
        notices.push(Notice::NsupDone {
            namespace: namespace.name.clone(),
            expired: done.expired,
            evicted: done.evicted,
            took_ms: took_ns / 1_000_000,
        });
    }
}
