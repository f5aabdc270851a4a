//! Statistics: counters with the official names, one set per worker, summed when somebody asks.
//!
//! Each set has exactly one writer (its worker), so that an increment is a plain load and store without a bus
//! lock and without a cache line that threads fight over. Readers see a value that is at most a moment old.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that one thread raises and any thread reads.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one. Only the owner of the set may call this.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds `n`. Only the owner of the set may call this.
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// The present value.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! counters {
    ($(#[$doc:meta])* $set:ident: $($name:ident)*) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        #[allow(missing_docs, reason = "the names are the protocol's own, explained in its reference")]
        pub struct $set { $(pub $name: Counter,)* }

        impl $set {
            /// The names, in the order of [`Self::values`].
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name),)*];

            /// The present values, in the order of [`Self::NAMES`].
            pub fn values(&self) -> [u64; Self::NAMES.len()] {
                [$(self.$name.get(),)*]
            }

            /// Names and sums over several sets.
            pub fn sum<'a>(sets: impl Iterator<Item = &'a $set>) -> Vec<(&'static str, u64)> {
                let mut totals: Vec<(&'static str, u64)> = Self::NAMES.iter().map(|name| (*name, 0)).collect();
                for set in sets {
                    for (total, value) in totals.iter_mut().zip(set.values()) {
                        total.1 = total.1.wrapping_add(value);
                    }
                }
                totals
            }
        }
    };
}

counters! {
    /// Counters of one namespace, as `namespace/NS` shows them.
    NamespaceCounters:
    client_tsvc_error client_tsvc_timeout
    client_proxy_complete client_proxy_error client_proxy_timeout
    client_read_success client_read_error client_read_timeout client_read_not_found client_read_filtered_out
    client_write_success client_write_error client_write_timeout client_write_filtered_out
    client_delete_success client_delete_error client_delete_timeout client_delete_not_found
    client_delete_filtered_out
    client_udf_complete client_udf_error client_udf_timeout client_udf_filtered_out
    client_lang_read_success client_lang_write_success client_lang_delete_success client_lang_error
    batch_sub_tsvc_error batch_sub_tsvc_timeout
    batch_sub_proxy_complete batch_sub_proxy_error batch_sub_proxy_timeout
    batch_sub_read_success batch_sub_read_error batch_sub_read_timeout batch_sub_read_not_found
    batch_sub_read_filtered_out
    batch_sub_write_success batch_sub_write_error batch_sub_write_timeout batch_sub_write_filtered_out
    batch_sub_delete_success batch_sub_delete_error batch_sub_delete_timeout batch_sub_delete_not_found
    batch_sub_delete_filtered_out
    batch_sub_udf_complete batch_sub_udf_error batch_sub_udf_timeout batch_sub_udf_filtered_out
    batch_sub_lang_read_success batch_sub_lang_write_success batch_sub_lang_delete_success batch_sub_lang_error
    udf_sub_tsvc_error udf_sub_tsvc_timeout
    udf_sub_udf_complete udf_sub_udf_error udf_sub_udf_timeout udf_sub_udf_filtered_out
    udf_sub_lang_read_success udf_sub_lang_write_success udf_sub_lang_delete_success udf_sub_lang_error
    ops_sub_tsvc_error ops_sub_tsvc_timeout
    ops_sub_write_success ops_sub_write_error ops_sub_write_timeout ops_sub_write_filtered_out
    read_touch_tsvc_error read_touch_tsvc_timeout
    read_touch_success read_touch_error read_touch_timeout read_touch_skip
    pi_query_short_basic_complete pi_query_short_basic_error pi_query_short_basic_timeout
    pi_query_long_basic_complete pi_query_long_basic_error pi_query_long_basic_abort
    pi_query_aggr_complete pi_query_aggr_error pi_query_aggr_abort
    pi_query_udf_bg_complete pi_query_udf_bg_error pi_query_udf_bg_abort
    pi_query_ops_bg_complete pi_query_ops_bg_error pi_query_ops_bg_abort
    si_query_short_basic_complete si_query_short_basic_error si_query_short_basic_timeout
    si_query_long_basic_complete si_query_long_basic_error si_query_long_basic_abort
    si_query_aggr_complete si_query_aggr_error si_query_aggr_abort
    si_query_udf_bg_complete si_query_udf_bg_error si_query_udf_bg_abort
    si_query_ops_bg_complete si_query_ops_bg_error si_query_ops_bg_abort
    fail_client_lost_conflict fail_generation fail_key_busy fail_record_too_big fail_xdr_forbidden
    fail_xdr_lost_conflict
    deleted_last_bin
    expired_objects evicted_objects
}

counters! {
    /// Counters of the node, as `statistics` shows them.
    NodeCounters:
    demarshal_error
    early_tsvc_client_error early_tsvc_batch_sub_error early_tsvc_udf_sub_error early_tsvc_ops_sub_error
    early_tsvc_from_proxy_error early_tsvc_from_proxy_batch_sub_error
    info_complete info_timeout
    batch_index_initiate batch_index_complete batch_index_error batch_index_timeout batch_index_delay
}

#[cfg(test)]
mod tests {
    use super::NamespaceCounters;

    #[test]
    fn sums_over_sets() {
        let (one, two) = (NamespaceCounters::default(), NamespaceCounters::default());
        one.client_read_success.inc();
        two.client_read_success.add(2);
        let totals = NamespaceCounters::sum([&one, &two].into_iter());
        assert!(totals.contains(&("client_read_success", 3)));
        assert!(totals.contains(&("fail_generation", 0)));
    }
}
