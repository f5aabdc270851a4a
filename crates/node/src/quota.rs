//! How many requests a second a tenant may make: a bucket of tokens for each set, or beginning of set names, that has a limit.
//!
//! Guarantees: over any time a tenant is served at most its rate times that time, and one second's worth more; what it does
//! costs others nothing. The limit is the cluster's: each node gives its share. Who has no limit is not counted.

use crate::command::Place;
use crate::config::{SetConfig, SetKey};
use parking_lot::Mutex;
use shipload_value::PartitionId;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A request, in the unit of a bucket: a rate of one a second is one of these each nanosecond.
const REQUEST: u64 = 1_000_000_000;

#[derive(Debug)]
struct Bucket {
    content: u64,
    at_ns: u64,
    refused: u64,
}

impl Bucket {
    /// Takes a request out, if there is one in it.
    fn take(&mut self, rate: u64, now_ns: u64) -> bool {
        let passed_ns = now_ns.saturating_sub(self.at_ns);
        self.at_ns = self.at_ns.max(now_ns);
        let flown = passed_ns.saturating_mul(rate);
        self.content = self.content.saturating_add(flown).min(rate.saturating_mul(REQUEST));
        let served = self.content >= REQUEST;
        if served {
            self.content -= REQUEST;
        } else {
            self.refused += 1;
        }
        served
    }
}

/// The buckets of a namespace, by the names of set configurations.
#[derive(Debug, Default)]
pub(crate) struct Quotas(Mutex<BTreeMap<String, Bucket>>);

impl Quotas {
    fn take(&self, name: &str, rate: u64, now_ns: u64) -> bool {
        let mut buckets = self.0.lock();
        if let Some(bucket) = buckets.get_mut(name) {
            return bucket.take(rate, now_ns);
        }
        let bucket = Bucket { content: rate.saturating_mul(REQUEST), at_ns: now_ns, refused: 0 };
        buckets.entry(name.to_owned()).or_insert(bucket).take(rate, now_ns)
    }

    /// Requests that were refused.
    pub(crate) fn refused(&self, name: &str) -> u64 {
        self.0.lock().get(name).map_or(0, |bucket| bucket.refused)
    }
}

impl Place<'_> {
    /// Whether the tenants that a set belongs to have made too many requests. One for a record is counted by the record's master,
    /// one without a partition by every node that it asks.
    pub(crate) fn exceeds_quota(&self, set: &[u8], partition: Option<PartitionId>) -> bool {
        let namespace = self.namespace;
        if set.is_empty() || namespace.config.sets_generation() == 0 {
            return false;
        }
        let elsewhere =
            |partition| namespace.holdings.master(partition).is_some_and(|master| master != self.node.id());
        let Some(set) = core::str::from_utf8(set).ok().filter(|_| !partition.is_some_and(elsewhere)) else {
            return false;
        };
        let own = namespace.config.set(set);
        own.is_some_and(|config| self.exceeds(set, &config))
            || namespace.config.prefixed(set).is_some_and(|(name, config)| self.exceeds(&name, &config))
    }

    fn exceeds(&self, name: &str, config: &Arc<SetConfig>) -> bool {
        let limit = config.number(SetKey::MaxRequestsPerSecond);
        if limit == 0 {
            return false;
        }
        let nodes = self.node.cluster.status().members.len().max(1) as u64;
        !self.namespace.quotas.take(name, limit.div_ceil(nodes), self.now.mono_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::{Bucket, REQUEST};

    #[test]
    fn a_bucket_gives_its_rate_and_a_second_more() {
        let mut bucket = Bucket { content: 0, at_ns: 0, refused: 0 };
        let mut served = 0;
        // Ten seconds in steps that are no part of anything.
        for step in 0..1_000_000 {
            served += u64::from(bucket.take(700, step * 10_007));
        }
        assert_eq!(served, 7004, "10.007 seconds at 700 a second");
        assert_eq!(bucket.refused, 1_000_000 - served);
        let later = 1_000_000 * 10_007 + 3_600 * REQUEST;
        let burst = (0..2000).filter(|_| bucket.take(700, later)).count();
        assert_eq!(burst, 700, "an hour of rest is worth a second");
        assert!(!bucket.take(0, later) && !bucket.take(u64::MAX, later), "no time, nothing to take");
    }
}
