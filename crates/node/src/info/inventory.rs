//! Sums over the stripes of a namespace, made for one answer.

use crate::namespace::Namespace;
use shipload_store::{STRIPE_COUNT, SetCounts, SetId};
use shipload_value::PartitionId;

/// What every set holds, by set number. Each stripe is locked once, for a moment.
pub(super) fn set_counts(namespace: &Namespace) -> Vec<SetCounts> {
    let mut all = vec![SetCounts::default(); namespace.sets().len() + 1];
    for stripe in 0..STRIPE_COUNT {
        for (set, counts) in namespace.stripe_at(stripe).sets() {
            if all.len() <= set.index() {
                all.resize(set.index() + 1, SetCounts::default());
            }
            if let Some(sum) = all.get_mut(set.index()) {
                sum.add(counts);
            }
        }
    }
    all
}

/// Records of every partition, by partition.
pub(super) fn records_by_partition(namespace: &Namespace) -> Vec<u64> {
    PartitionId::all().map(|partition| namespace.partition_objects(partition)).collect()
}

/// Whether a set has ever held a record.
pub(super) fn has_set(namespace: &Namespace, name: &str) -> bool {
    find_set(namespace, name).is_some()
}

/// The number of a set that has ever held a record.
pub(super) fn find_set(namespace: &Namespace, name: &str) -> Option<SetId> {
    if name.is_empty() { None } else { namespace.sets().find(name.as_bytes()) }
}
