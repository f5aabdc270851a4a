//! Whom to evict: the records that would expire soonest, found out by a histogram of void times.

use super::sweep::Cursor;
use crate::config::NamespaceKey;
use crate::namespace::Namespace;
use crate::now::Now;
use shipload_store::{SetId, TtlHistogram};

/// Records whose void times one slice counts.
const SLICE_RECORDS: usize = 1024;
/// Partitions that one slice may pass.
const SLICE_PARTITIONS: usize = 256;

/// A count of void times under way.
#[derive(Debug)]
pub(super) struct Census {
    histogram: TtlHistogram,
    cursor: Cursor,
}

/// Who is to be evicted.
#[derive(Debug, Clone)]
pub(super) struct Evictees {
    /// Records with a void time below this go; seconds since 2010.
    pub(super) below: u32,
    /// Sets that are spared.
    pub(super) spared: Vec<SetId>,
}

impl Census {
    /// A count that has not begun. The buckets reach as far as the longest TTL that the namespace gives by default,
    /// or thirty days.
    pub(super) fn new(namespace: &Namespace, now: Now) -> Census {
        let buckets =
            usize::try_from(namespace.config.number(NamespaceKey::EvictHistBuckets)).unwrap_or(10_000);
        let reach_s = namespace.config.number(NamespaceKey::DefaultTtl).max(30 * 86_400);
        let width_s = u32::try_from(reach_s / buckets.max(1) as u64).unwrap_or(u32::MAX).max(1);
        let histogram = TtlHistogram::new(now.since_2010_s(), buckets, width_s);
        Census { histogram, cursor: Cursor::start() }
    }

    /// Counts some more; true when all are counted.
    pub(super) fn slice(&mut self, namespace: &Namespace) -> bool {
        for _ in 0..SLICE_PARTITIONS {
            let Some((partition, after)) = self.cursor.place() else { return true };
            let stripe = namespace.stripe_of(partition);
            let next = stripe.add_void_times(partition, after.as_ref(), SLICE_RECORDS, &mut self.histogram);
            self.cursor.advance(next);
            if next.is_some() {
                return false;
            }
        }
        false
    }

    /// Who goes in this round: `evict-tenths-pct` of the records that expire some day.
    pub(super) fn evictees(&self, namespace: &Namespace) -> Option<Evictees> {
        let tenths = namespace.config.number(NamespaceKey::EvictTenthsPct);
        let wanted = (self.histogram.expirable().saturating_mul(tenths) / 1000).max(1);
        let below = self.histogram.evict_below(wanted)?.void_time;
        Some(Evictees { below, spared: spared_sets(namespace) })
    }
}

/// The sets that say `disable-eviction true`.
fn spared_sets(namespace: &Namespace) -> Vec<SetId> {
    let sets = namespace.sets();
    let configured = namespace.config.sets();
    let spared = configured.iter().filter(|(_, set)| set.flag(crate::config::SetKey::DisableEviction));
    spared.filter_map(|(name, _)| sets.find(name.as_bytes())).collect()
}
