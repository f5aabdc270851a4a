//! The cache sketch of a namespace on this node: which of the records that it masters have older copies in caches.
//!
//! Guarantees: a copy is allowed, and every change of its record noted, under the lock of the record's stripe, so no change
//! slips between. A partition is *tainted* for as long as copies may live of which this node does not know: after it became the
//! partition's master, after a view that it did not follow without a gap, after a truncate, and after its own start. A
//! write costs one look at an atomic while no cache holds anything.
//!
//! What other nodes and the web door make of it: `docs/decisions/0017-cache-sketch.md`.

mod leases;
mod life;

use crate::config::NamespaceKey;
use crate::namespace::Namespace;
use crate::now::Now;
use leases::Leases;
use life::Bounds;
use parking_lot::Mutex;
use shipload_store::{STRIPE_COUNT, stripe_of};
use shipload_value::digest::PARTITION_COUNT;
use shipload_value::{Digest, PartitionId};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Copies are taken to live so much longer than they should: threads read the clock at different moments, and an answer takes
/// time to reach a cache.
const SLACK_MS: u64 = 2000;
/// A node that is no master any more may think so for a while, and allow copies.
const LINGER_MS: u64 = 10_000;
/// Bytes of a bit for each partition.
const BITMAP: usize = PARTITION_COUNT as usize / 8;

/// What a cache may do with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lease {
    /// Keep a copy for so many milliseconds; 0 is none.
    Granted(u64),
    /// Another node masters the record.
    Elsewhere,
}

/// What this node knows of its partitions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sketched {
    /// A bit for each partition that it masters.
    pub(crate) leads: Vec<u8>,
    /// A bit for each of them of which caches may hold anything.
    pub(crate) tainted: Vec<u8>,
    /// Records of which caches may hold an older state.
    pub(crate) stale: Vec<Digest>,
}

#[derive(Debug)]
struct Partition {
    /// The reign in which this node was seen to lead; none when it did not.
    reign: Option<u64>,
    tainted_until_ms: u64,
}

/// The sketch of one namespace.
#[derive(Debug)]
pub(crate) struct Sketch {
    stripes: Box<[Mutex<Leases>]>,
    /// Records that are remembered in all stripes.
    len: AtomicUsize,
    /// Everything is tainted from the next look on.
    doubtful: AtomicBool,
    partitions: Mutex<Vec<Partition>>,
}

impl Default for Sketch {
    fn default() -> Sketch {
        let partition = || Partition { reign: None, tainted_until_ms: 0 };
        Sketch {
            stripes: (0..STRIPE_COUNT).map(|_| Mutex::default()).collect(),
            len: AtomicUsize::new(0),
            // An earlier life of this node may have allowed copies.
            doubtful: AtomicBool::new(true),
            partitions: Mutex::new((0..PARTITION_COUNT).map(|_| partition()).collect()),
        }
    }
}

impl Sketch {
    /// A command has changed the record; call it under the stripe's lock.
    pub(crate) fn written(&self, now: Now, digest: &Digest) {
        self.with(digest, |leases| leases.written(digest, now.mono_ms()));
    }

    /// Something else has changed it.
    pub(crate) fn changed(&self, digest: &Digest) {
        self.with(digest, |leases| leases.changed(digest));
    }

    fn with(&self, digest: &Digest, work: impl FnOnce(&mut Leases)) {
        if self.len.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut leases = self.stripes[stripe_of(digest.partition())].lock();
        let before = leases.len();
        work(&mut leases);
        self.recount(before, leases.len());
    }

    fn recount(&self, before: usize, after: usize) {
        if after > before {
            self.len.fetch_add(after - before, Ordering::AcqRel);
        } else if before > after {
            self.len.fetch_sub(before - after, Ordering::AcqRel);
        }
    }

    /// There may be copies that this node does not know.
    pub(crate) fn doubt(&self) {
        self.doubtful.store(true, Ordering::Release);
    }
}

impl Namespace {
    /// `cache-max-ttl` in milliseconds; 0 when caches may keep nothing.
    #[must_use]
    pub fn cache_max_ms(&self) -> u64 {
        self.config.number(NamespaceKey::CacheMaxTtl).saturating_mul(1000)
    }

    /// Allows a copy of a record as it is now.
    pub(crate) fn lease(&self, digest: &Digest, now: Now) -> Lease {
        let bounds = Bounds {
            min_ms: self.config.number(NamespaceKey::CacheMinTtl).saturating_mul(1000),
            max_ms: self.cache_max_ms(),
            chance_pct: self.config.number(NamespaceKey::CacheWriteChancePct),
        };
        if bounds.max_ms == 0 {
            return Lease::Granted(0);
        }
        let shard = self.stripe(digest);
        if shard.reign(digest.partition()).is_none() {
            return Lease::Elsewhere;
        }
        let Some(meta) = self.find(&shard, digest, now).map(|record| record.meta()) else {
            return Lease::Granted(0);
        };
        let now_ms = now.mono_ms();
        let mut leases = self.sketch.stripes[stripe_of(digest.partition())].lock();
        let age_ms = now.since_2010_ms().saturating_sub(meta.last_update_ms);
        let mut life_ms = life::estimate(bounds, leases.writes(digest, now_ms), age_ms);
        if meta.void_time != 0 {
            let left_s = meta.void_time.saturating_sub(now.since_2010_s());
            life_ms = life_ms.min(u64::from(left_s).saturating_mul(1000));
        }
        if life_ms == 0 {
            return Lease::Granted(0);
        }
        let before = leases.len();
        let allowed = leases.lease(digest, now_ms, now_ms + life_ms + SLACK_MS);
        self.sketch.recount(before, leases.len());
        Lease::Granted(if allowed { life_ms } else { 0 })
    }

    /// What caches have to know of the partitions that this node masters.
    pub(crate) fn sketched(&self, now: Now) -> Sketched {
        let now_ms = now.mono_ms();
        let taint_ms = now_ms + self.cache_max_ms() + SLACK_MS + LINGER_MS;
        let mut partitions = self.sketch.partitions.lock();
        if self.sketch.doubtful.swap(false, Ordering::AcqRel) {
            partitions.iter_mut().for_each(|one| one.tainted_until_ms = taint_ms);
        }
        let mut seen = Sketched { leads: vec![0; BITMAP], tainted: vec![0; BITMAP], stale: Vec::new() };
        let mut of_stripes: Vec<Vec<PartitionId>> = vec![Vec::new(); STRIPE_COUNT];
        PartitionId::all().for_each(|partition| of_stripes[stripe_of(partition)].push(partition));
        for (stripe, leases) in self.sketch.stripes.iter().enumerate() {
            let shard = self.stripe_at(stripe);
            for partition in of_stripes.get(stripe).into_iter().flatten().copied() {
                let one = &mut partitions[partition.index()];
                let reign = shard.reign(partition);
                if reign.is_some() && reign != one.reign {
                    one.tainted_until_ms = taint_ms;
                }
                one.reign = reign.or(one.reign);
                let (byte, bit) = (partition.index() / 8, 1 << (partition.index() % 8));
                if reign.is_some() {
                    seen.leads[byte] |= bit;
                    seen.tainted[byte] |= if one.tainted_until_ms > now_ms { bit } else { 0 };
                }
            }
            seen.stale.extend(leases.lock().stale(now_ms));
        }
        seen
    }
}
