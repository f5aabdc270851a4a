//! Namespaces: `namespaces`, `namespace/NS` with statistics and configuration together.

use super::answer::{Answer, Pairs};
use super::ask::Ask;
use super::statistics::{data_total_bytes, flag, percent_of};
use crate::config::{NamespaceKey, Scope};
use crate::counters::NamespaceCounters;
use crate::namespace::{Namespace, Usage};
use core::sync::atomic::Ordering::Relaxed;
use shipload_store::Counts;
use shipload_value::PartitionId;

pub(super) fn namespaces(ask: &Ask<'_>) -> Answer {
    let names = ask.node.namespaces().iter().map(|namespace| namespace.name.as_str());
    Ok(names.collect::<Vec<_>>().join(";"))
}

pub(super) fn namespace(ask: &Ask<'_>) -> Answer {
    let name = ask.command.path().unwrap_or("");
    let Some(namespace) = ask.node.namespace(name.as_bytes()) else {
        return Ok("type=unknown".to_owned());
    };
    let usage = namespace.usage();
    let mut pairs = Pairs::default();
    objects(&mut pairs, ask, namespace, &usage);
    health(&mut pairs, ask, namespace);
    expiry(&mut pairs, namespace);
    memory(&mut pairs, ask, &usage);
    storage(&mut pairs, namespace, &usage);
    balance(&mut pairs, ask, namespace);
    migration(&mut pairs, ask, namespace);
    for (name, value) in counters(ask, namespace) {
        pairs.push(name, value);
    }
    pairs.push("defrag_moved_records", namespace.state.defrag_moved_records.load(Relaxed));
    pairs.zeros(NEVER);
    if let Ok(config) = ask.node.config().pairs(&Scope::Namespace(namespace.name.clone())) {
        for (name, value) in config {
            pairs.push(&name, value);
        }
    }
    Ok(pairs.finish())
}

/// Counters of commands and of expiry, summed over the workers.
fn counters(ask: &Ask<'_>, namespace: &Namespace) -> Vec<(&'static str, u64)> {
    let workers = ask.node.workers();
    NamespaceCounters::sum(workers.iter().filter_map(|worker| worker.namespaces.get(namespace.index)))
}

fn objects(pairs: &mut Pairs, ask: &Ask<'_>, namespace: &Namespace, usage: &Usage) {
    let map = namespace.holdings.map();
    pairs.push("ns_cluster_size", ask.node.cluster.status().members.len());
    pairs.push("effective_replication_factor", map.map_or(1, |map| map.map.replication_factor()));
    pairs.push("objects", usage.counts.objects);
    pairs.push("tombstones", namespace.tombstones());
    pairs.zeros(&["xdr_tombstones", "xdr_bin_cemeteries", "mrt_provisionals", "mrt_monitors"]);
    let roles = roles(ask, namespace, usage);
    pairs.push("master_objects", roles.master);
    pairs.zeros(&["master_tombstones"]);
    pairs.push("prole_objects", roles.prole);
    pairs.zeros(&["prole_tombstones"]);
    pairs.push("non_replica_objects", roles.other);
    pairs.zeros(&[
        "non_replica_tombstones",
        "unreplicated_records",
        "dead_partitions",
        "unavailable_partitions",
        "auto_revived_partitions",
    ]);
}

/// Records by what this node is for their partitions.
#[derive(Debug, Default)]
struct Roles {
    master: u64,
    prole: u64,
    other: u64,
}

fn roles(ask: &Ask<'_>, namespace: &Namespace, usage: &Usage) -> Roles {
    let Some(map) = namespace.holdings.map().filter(|_| ask.node.cluster.is_joined()) else {
        return Roles { master: usage.counts.objects, ..Roles::default() };
    };
    let me = ask.node.id();
    let mut roles = Roles::default();
    for partition in PartitionId::all() {
        let records = namespace.partition_objects(partition);
        if namespace.holdings.is_served_by(me, partition) {
            roles.master += records;
        } else if map.map.owners(partition).contains(&me) {
            roles.prole += records;
        } else {
            roles.other += records;
        }
    }
    roles
}

fn health(pairs: &mut Pairs, ask: &Ask<'_>, namespace: &Namespace) {
    pairs.push("clock_skew_stop_writes", false);
    pairs.push("stop_writes", flag(&namespace.state.stop_writes));
    pairs.push("hwm_breached", flag(&namespace.state.hwm_breached));
    pairs.push("current_time", ask.now.since_2010_s());
}

fn expiry(pairs: &mut Pairs, namespace: &Namespace) {
    let state = &namespace.state;
    pairs.push("non_expirable_objects", state.non_expirable_objects.load(Relaxed));
    pairs.push("evict_ttl", state.evict_ttl_s.load(Relaxed));
    pairs.push("evict_void_time", state.evict_void_time.load(Relaxed));
    pairs.zeros(&["smd_evict_void_time"]);
    pairs.push("nsup_cycle_duration", state.nsup_cycle_duration_s.load(Relaxed));
    let deleted = state.nsup_cycle_deleted_pct_x100.load(Relaxed);
    pairs.push("nsup_cycle_deleted_pct", format_args!("{}.{:02}", deleted / 100, deleted % 100));
    pairs.push("nsup_xdr_key_busy", 0);
    pairs.push("truncate_lut", namespace.cutoffs().namespace_ms());
    pairs.push("truncating", namespace.is_truncating(None));
}

fn memory(pairs: &mut Pairs, ask: &Ask<'_>, usage: &Usage) {
    let counts = &usage.counts;
    let total = data_total_bytes(ask, usage);
    pairs.push("sindex_gc_cleaned", 0);
    pairs.push("index_used_bytes", counts.index_bytes);
    pairs.push("set_index_used_bytes", 0);
    pairs.push("sindex_used_bytes", counts.sindex_bytes);
    if usage.index_budget > 0 {
        pairs.push("indexes_memory_used_pct", usage.index_used_pct());
    }
    pairs.push("data_total_bytes", total);
    pairs.push("data_used_bytes", counts.record_bytes);
    pairs.push("data_used_pct", percent_of(counts.record_bytes, total));
    pairs.push("data_avail_pct", 100 - percent_of(counts.log_used_bytes, total));
    let ratio = counts.packed_bytes.saturating_mul(1000).checked_div(counts.packable_bytes).unwrap_or(1000);
    pairs.push("data_compression_ratio", format!("{}.{:03}", ratio / 1000, ratio % 1000));
    pairs.push("memory_used_bytes", counts.all_index_bytes().saturating_add(counts.log_allocated_bytes));
    pairs.push("record_proto_uncompressed_pct", "0.000");
    pairs.push("record_proto_compression_ratio", "1.000");
    pairs.push("query_proto_uncompressed_pct", "0.000");
    pairs.push("query_proto_compression_ratio", "1.000");
}

/// How often `part` fits into `of`, with two digits.
fn ratio(part: u64, of: u64) -> String {
    let hundredths = part.saturating_mul(100).checked_div(of).unwrap_or(0);
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// What was done to the devices since the start; nothing for a namespace in memory alone.
fn storage(pairs: &mut Pairs, namespace: &Namespace, usage: &Usage) {
    let Some(volume) = namespace.volume() else { return };
    let counts = volume.counts();
    pairs.push("storage_in_service", !volume.is_faulty());
    pairs.push("storage_total_bytes", volume.total_bytes());
    pairs.push("storage_used_bytes", volume.total_bytes().saturating_sub(volume.available_bytes()));
    pairs.push("storage_written_bytes", counts.written_bytes.load(Relaxed));
    pairs.push("storage_read_bytes", counts.read_bytes.load(Relaxed));
    let Counts { put_bytes, moved_bytes, record_bytes, .. } = usage.counts;
    let used = volume.total_bytes().saturating_sub(volume.available_bytes());
    pairs.push("storage_put_bytes", put_bytes);
    pairs.push("storage_defrag_moved_bytes", moved_bytes);
    pairs.push("storage_write_amplification", ratio(counts.written_bytes.load(Relaxed), put_bytes));
    pairs.push("storage_space_amplification", ratio(used, record_bytes));
    pairs.push("storage_syncs", counts.syncs.load(Relaxed));
    pairs.push("storage_commits", counts.commits.load(Relaxed));
    let (start_ms, from_snapshot) = &namespace.durable.started;
    pairs.push("storage_start_ms", start_ms.load(Relaxed));
    pairs.push("storage_start_from_snapshot", from_snapshot.load(Relaxed));
    pairs.push("storage_damaged_blocks", counts.damaged_blocks.load(Relaxed));
    pairs.push("storage_freed_blocks", counts.freed_blocks.load(Relaxed));
}

fn balance(pairs: &mut Pairs, ask: &Ask<'_>, namespace: &Namespace) {
    let quiet = ask.node.attributes().is_some_and(|attributes| attributes.quiesced);
    let peers = ask.node.cluster.peers();
    let others = peers.nodes.values().filter(|attributes| attributes.quiesced).count();
    pairs.push("pending_quiesce", quiet);
    pairs.push("effective_is_quiesced", quiet);
    pairs.push("nodes_quiesced", others + usize::from(quiet));
    let uniform = namespace.config.flag(NamespaceKey::PreferUniformBalance);
    pairs.push("effective_prefer_uniform_balance", uniform);
    pairs.push("effective_active_rack", 0);
}

fn migration(pairs: &mut Pairs, ask: &Ask<'_>, namespace: &Namespace) {
    let status = ask.node.migration_status(namespace);
    pairs.zeros(&[
        "appeals_tx_active",
        "appeals_tx_remaining",
        "appeals_rx_active",
        "appeals_records_exonerated",
        "migrate_tx_partitions_initial",
    ]);
    pairs.push("migrate_tx_partitions_remaining", status.sends);
    pairs.push("migrate_tx_partitions_active", status.sends_active);
    pairs.zeros(&["migrate_tx_partitions_lead_remaining", "migrate_rx_partitions_initial"]);
    pairs.push("migrate_rx_partitions_remaining", status.receives);
    pairs.zeros(&["migrate_rx_partitions_active", "migrate_tx_instances", "migrate_rx_instances"]);
    pairs.zeros(&["migrate_signals_active"]);
    pairs.push("migrate_signals_remaining", status.releases);
    pairs.zeros(&["migrate_fresh_partitions", "migrate_records_skipped"]);
    pairs.push("migrate_records_transmitted", status.records_sent);
    pairs.zeros(&["migrate_record_retransmits"]);
    pairs.push("migrate_record_receives", status.records_received);
    pairs.push("verify_partitions_remaining", status.verifies);
}

/// Statistics of things that a node that is alone, or this version, never does.
const NEVER: &[&str] = &[
    "from_proxy_tsvc_error",
    "from_proxy_tsvc_timeout",
    "from_proxy_read_success",
    "from_proxy_read_error",
    "from_proxy_read_timeout",
    "from_proxy_read_not_found",
    "from_proxy_read_filtered_out",
    "from_proxy_write_success",
    "from_proxy_write_error",
    "from_proxy_write_timeout",
    "from_proxy_write_filtered_out",
    "from_proxy_delete_success",
    "from_proxy_delete_error",
    "from_proxy_delete_timeout",
    "from_proxy_delete_not_found",
    "from_proxy_delete_filtered_out",
    "from_proxy_udf_complete",
    "from_proxy_udf_error",
    "from_proxy_udf_timeout",
    "from_proxy_udf_filtered_out",
    "from_proxy_lang_read_success",
    "from_proxy_lang_write_success",
    "from_proxy_lang_delete_success",
    "from_proxy_lang_error",
    "from_proxy_batch_sub_tsvc_error",
    "from_proxy_batch_sub_tsvc_timeout",
    "from_proxy_batch_sub_read_success",
    "from_proxy_batch_sub_read_error",
    "from_proxy_batch_sub_read_timeout",
    "from_proxy_batch_sub_read_not_found",
    "from_proxy_batch_sub_read_filtered_out",
    "from_proxy_batch_sub_write_success",
    "from_proxy_batch_sub_write_error",
    "from_proxy_batch_sub_write_timeout",
    "from_proxy_batch_sub_write_filtered_out",
    "dup_res_ask",
    "dup_res_respond_read",
    "dup_res_respond_no_read",
    "retransmit_all_read_dup_res",
    "retransmit_all_write_dup_res",
    "retransmit_all_write_repl_write",
    "retransmit_all_delete_dup_res",
    "retransmit_all_delete_repl_write",
    "retransmit_all_batch_sub_dup_res",
    "re_repl_success",
    "re_repl_error",
    "re_repl_timeout",
    "xdr_client_write_success",
    "xdr_client_write_error",
    "xdr_client_write_timeout",
    "xdr_client_delete_success",
    "xdr_client_delete_error",
    "xdr_client_delete_timeout",
    "xdr_client_delete_not_found",
    "xdr_from_proxy_write_success",
    "xdr_from_proxy_write_error",
    "xdr_from_proxy_write_timeout",
    "mrt_verify_read_success",
    "mrt_verify_read_error",
    "mrt_verify_read_timeout",
    "mrt_roll_forward_success",
    "mrt_roll_forward_error",
    "mrt_roll_forward_timeout",
    "mrt_roll_back_success",
    "mrt_roll_back_error",
    "mrt_roll_back_timeout",
    "mrt_monitors_active",
    "fail_mrt_blocked",
    "fail_mrt_version_mismatch",
    "geo_region_query_count",
    "geo_region_query_cells",
    "geo_region_query_points",
    "geo_region_query_falsepos",
];
