//! The node's own work: limits, expiry, eviction, truncate sweeps, new indexes, defragmentation, background queries.
//!
//! Guarantees: one thread at a time, in slices that each hold one stripe's lock for a bounded number of records.
//! The shell calls [`Node::maintain`] again and again; what is due is decided by the time that it hands in.

mod evict;
mod limits;
mod nsup;
mod sweep;

use crate::config::NamespaceKey;
use crate::namespace::{Namespace, log_config};
use crate::node::{Maintained, Node, Notice};
use crate::now::Now;
use crate::query::{BackgroundJob, Turn};
use crate::sindex::Builder;
use crate::worker::Worker;
use limits::Limits;
use nsup::Nsup;
use shipload_store::STRIPE_COUNT;
use std::collections::VecDeque;
use std::sync::atomic::Ordering;
pub(crate) use sweep::Cursor;
use sweep::TruncateSweep;

/// What one slice takes at most, about, in nanoseconds.
const SLICE_NS: u64 = 100_000;
/// The longest time between two calls.
const IDLE_NS: u64 = 100_000_000;
/// The time between two looks at memory limits and settings.
const LIMITS_NS: u64 = 250_000_000;
/// Bytes that one slice of defragmentation moves.
const DEFRAG_BYTES: usize = 256 << 10;
/// Blocks of which less is alive are rewritten when devices run out of room, whatever the low-water mark says.
const TIGHT_DEFRAG_PCT: u8 = 85;

/// Where the node's own work is.
#[derive(Debug)]
pub(crate) struct Maintenance {
    worker: Worker,
    namespaces: Vec<Chores>,
    background: VecDeque<BackgroundJob>,
}

/// The work on one namespace.
#[derive(Debug, Default)]
struct Chores {
    nsup: Nsup,
    truncate: TruncateSweep,
    builder: Builder,
    limits: Limits,
    limits_due_mono_ns: u64,
    defrag_stripe: usize,
    defrag_due_mono_ns: u64,
    raid_stripe: usize,
    warm_stripe: usize,
}

/// What a piece of work wants after a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Another slice now.
    More,
    /// A look at this moment on the monotonic clock.
    At(u64),
}

impl Maintenance {
    pub(crate) fn new(worker: Worker, namespaces: usize) -> Maintenance {
        let namespaces = (0..namespaces).map(|_| Chores::default()).collect();
        Maintenance { worker, namespaces, background: VecDeque::new() }
    }

    /// Does slices of work that take about `budget_ns` together.
    pub(crate) fn run(&mut self, node: &Node, now: Now, budget_ns: u64) -> Maintained {
        self.background.extend(node.new_background());
        let mut notices = node.functions.take_log();
        let rounds = (budget_ns / SLICE_NS).max(1);
        let mut next = now.mono_ns;
        for _ in 0..rounds {
            next = match self.round(node, now, &mut notices) {
                Wish::More => now.mono_ns,
                Wish::At(mono_ns) => mono_ns,
            };
            if next > now.mono_ns {
                break;
            }
        }
        node.run_waiting_effects(&mut self.worker, now);
        node.cluster.do_later(&mut self.worker.outgoing);
        Maintained { next_mono_ns: next.min(now.mono_ns + IDLE_NS), notices }
    }

    /// One slice of everything that is due.
    fn round(&mut self, node: &Node, now: Now, notices: &mut Vec<Notice>) -> Wish {
        let mut next = now.mono_ns + IDLE_NS;
        let mut want = |wish: Wish| match wish {
            Wish::More => next = now.mono_ns,
            Wish::At(mono_ns) => next = next.min(mono_ns),
        };
        for (namespace, chores) in node.namespaces().iter().zip(&mut self.namespaces) {
            want(chores.check_limits(node, namespace, now, notices));
            want(chores.nsup.slice(&mut self.worker, namespace, now, notices));
            want(chores.truncate.slice(namespace, now, notices));
            want(chores.builder.slice(namespace, now, notices));
            want(chores.defrag(namespace, now));
            want(chores.raid(namespace));
            want(chores.warm(namespace));
            let told = |text| Notice::Damage { namespace: namespace.name.clone(), text };
            notices.extend(namespace.take_damage().into_iter().map(told));
        }
        want(self.query(node, now, notices));
        if next <= now.mono_ns { Wish::More } else { Wish::At(next) }
    }

    /// One slice of the background query whose turn it is.
    fn query(&mut self, node: &Node, now: Now, notices: &mut Vec<Notice>) -> Wish {
        let mut next = Wish::At(u64::MAX);
        for _ in 0..self.background.len() {
            let Some(mut job) = self.background.pop_front() else { break };
            match job.step(node, &mut self.worker, now) {
                Turn::More => {
                    self.background.push_back(job);
                    return Wish::More;
                }
                Turn::Wait(mono_ns) => {
                    self.background.push_back(job);
                    next = match next {
                        Wish::At(other) => Wish::At(other.min(mono_ns)),
                        Wish::More => Wish::More,
                    };
                }
                Turn::Ended(notice) => notices.push(notice),
            }
        }
        next
    }
}

impl Chores {
    fn check_limits(
        &mut self,
        node: &Node,
        namespace: &Namespace,
        now: Now,
        notices: &mut Vec<Notice>,
    ) -> Wish {
        if now.mono_ns >= self.limits_due_mono_ns {
            self.limits_due_mono_ns = now.mono_ns + LIMITS_NS;
            follow_settings(namespace);
            self.limits.check(node, namespace, notices);
        }
        Wish::At(self.limits_due_mono_ns)
    }

    /// Looks for a stripe with sparse blocks, and moves some records of the first that has any.
    fn defrag(&mut self, namespace: &Namespace, now: Now) -> Wish {
        // Background queries write as clients do.
        namespace.make_room(0);
        let is_tight = namespace.is_tight();
        if !is_tight && now.mono_ns < self.defrag_due_mono_ns {
            return Wish::At(self.defrag_due_mono_ns);
        }
        let sleep_ns = namespace.config.number(NamespaceKey::DefragSleep).saturating_mul(1000);
        for _ in 0..STRIPE_COUNT {
            let mut stripe = namespace.stripe_at(self.defrag_stripe);
            if is_tight && stripe.defrag_backlog() == 0 {
                stripe.defrag_sparsest(TIGHT_DEFRAG_PCT);
            }
            if stripe.defrag_backlog() > 0 {
                let done = stripe.defrag(DEFRAG_BYTES);
                namespace.state.defrag_moved_records.fetch_add(done.moved_records, Ordering::Relaxed);
                if done.blocks > 0 {
                    self.defrag_due_mono_ns =
                        now.mono_ns.saturating_add(sleep_ns.saturating_mul(done.blocks));
                }
                if done.moved_records > 0 || done.blocks > 0 {
                    return Wish::More;
                }
            }
            self.defrag_stripe = (self.defrag_stripe + 1) % STRIPE_COUNT;
        }
        Wish::At(u64::MAX)
    }
}

impl Chores {
    /// After a start from a snapshot: brings records into memory where all of them are to be there.
    fn warm(&mut self, namespace: &Namespace) -> Wish {
        if namespace.volume().is_none() || self.warm_stripe >= STRIPE_COUNT {
            return Wish::At(u64::MAX);
        }
        if !namespace.stripe_at(self.warm_stripe).warm(DEFRAG_BYTES) {
            self.warm_stripe += 1;
        }
        Wish::More
    }

    /// Lets tombstones of one stripe go that are not needed any more; the next stripe at the next call.
    fn raid(&mut self, namespace: &Namespace) -> Wish {
        let Some(volume) = namespace.volume() else { return Wish::At(u64::MAX) };
        let flushes = volume.counts().flushes.load(Ordering::Relaxed);
        let raided = namespace.stripe_at(self.raid_stripe).raid(DEFRAG_BYTES, flushes);
        if raided.more {
            return Wish::More;
        }
        self.raid_stripe = (self.raid_stripe + 1) % STRIPE_COUNT;
        Wish::At(u64::MAX)
    }
}

/// Lets the stripes know when `data-size` or `defrag-lwm-pct` has changed.
fn follow_settings(namespace: &Namespace) {
    let wanted = log_config(&namespace.config);
    for number in 0..STRIPE_COUNT {
        let mut stripe = namespace.stripe_at(number);
        if stripe.config().capacity_bytes != wanted.capacity_bytes
            || stripe.config().low_water_pct != wanted.low_water_pct
        {
            stripe.set_config(wanted);
        }
    }
}
