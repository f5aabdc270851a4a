//! `statistics`: the node as a whole.

use super::answer::{Answer, Pairs};
use super::ask::Ask;
use super::identity::cluster_key;
use crate::cluster::Status;
use crate::counters::NodeCounters;
use crate::namespace::Usage;
use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{AtomicBool, AtomicU64};

pub(super) fn statistics(ask: &Ask<'_>) -> Answer {
    let mut pairs = Pairs::default();
    cluster(&mut pairs, ask);
    machine(&mut pairs, ask);
    connections(&mut pairs, ask);
    for (name, value) in NodeCounters::sum(ask.node.workers().iter().map(|worker| &worker.node)) {
        pairs.push(name, value);
    }
    pairs.push("long_queries_active", ask.node.jobs.active());
    pairs.zeros(BATCH);
    rebalance(&mut pairs, ask);
    pairs.zeros(FABRIC);
    let deprecated = ask.node.config().deprecated_requests();
    if deprecated > 0 {
        pairs.push("deprecated_requests", deprecated);
    }
    Ok(pairs.finish())
}

fn cluster(pairs: &mut Pairs, ask: &Ask<'_>) {
    pairs.push("failed_best_practices", false);
    let status = ask.node.cluster.status();
    pairs.push("cluster_size", status.members.len());
    pairs.push("cluster_key", cluster_key(ask));
    pairs.push("cluster_generation", status.views);
    pairs.push("cluster_principal", principal(&status));
    pairs.push("cluster_min_compatibility_id", 15);
    pairs.push("cluster_max_compatibility_id", 15);
    pairs.push("cluster_integrity", status.integrity);
    pairs.push("cluster_is_member", status.key != 0);
    pairs.push("cluster_duplicate_nodes", "null");
    pairs.push("cluster_clock_skew_stop_writes_sec", 0);
    pairs.push("cluster_clock_skew_ms", 0);
    pairs.push("cluster_clock_skew_outliers", "null");
    let started = ask.node.facts.started_mono_ns.load(Relaxed);
    pairs.push("uptime", ask.now.mono_ns.saturating_sub(started) / 1_000_000_000);
}

fn machine(pairs: &mut Pairs, ask: &Ask<'_>) {
    let facts = &ask.node.facts;
    let mut fact = |name: &str, value: &AtomicU64| pairs.push(name, value.load(Relaxed));
    fact("system_total_cpu_pct", &facts.system_total_cpu_pct);
    fact("system_user_cpu_pct", &facts.system_user_cpu_pct);
    fact("system_kernel_cpu_pct", &facts.system_kernel_cpu_pct);
    fact("system_free_mem_kbytes", &facts.system_free_mem_kbytes);
    fact("system_free_mem_pct", &facts.system_free_mem_pct);
    fact("process_cpu_pct", &facts.process_cpu_pct);
    fact("process_memory_kbytes", &facts.process_memory_kbytes);
    fact("threads_joinable", &facts.threads);
    pairs.zeros(&["threads_detached", "threads_pool_total", "threads_pool_active"]);
    let mut fact = |name: &str, value: &AtomicU64| pairs.push(name, value.load(Relaxed));
    fact("heap_allocated_kbytes", &facts.heap_allocated_kbytes);
    fact("heap_active_kbytes", &facts.heap_active_kbytes);
    fact("heap_mapped_kbytes", &facts.heap_mapped_kbytes);
    let allocated = facts.heap_allocated_kbytes.load(Relaxed);
    let mapped = facts.heap_mapped_kbytes.load(Relaxed);
    pairs.push("heap_efficiency_pct", percent_of(allocated, mapped));
    pairs.push("heap_site_count", 0);
    let objects: u64 = ask.node.namespaces().iter().map(|namespace| namespace.usage().counts.objects).sum();
    pairs.push("objects", objects);
    pairs.zeros(&["tombstones", "info_queue"]);
    pairs.push("rw_in_progress", ask.node.cluster.parked_requests());
    pairs.zeros(&["proxy_in_progress", "tree_gc_queue"]);
}

fn connections(pairs: &mut Pairs, ask: &Ask<'_>) {
    let facts = &ask.node.facts;
    let mut fact = |name: &str, value: &AtomicU64| pairs.push(name, value.load(Relaxed));
    fact("client_connections", &facts.client_connections);
    fact("client_connections_opened", &facts.client_connections_opened);
    fact("client_connections_closed", &facts.client_connections_closed);
    fact("reaped_fds", &facts.reaped_fds);
    pairs.zeros(CONNECTIONS_BETWEEN_NODES);
}

fn rebalance(pairs: &mut Pairs, ask: &Ask<'_>) {
    let status = ask.node.cluster.status();
    pairs.push("paxos_principal", principal(&status));
    let started = ask.node.facts.started_mono_ns.load(Relaxed).max(status.installed_mono_ns);
    pairs.push("time_since_rebalance", ask.now.mono_ns.saturating_sub(started) / 1_000_000_000);
    pairs.push("migrate_allowed", true);
    let namespaces = ask.node.namespaces().iter();
    let remaining: u64 = namespaces.map(|namespace| ask.node.migration_status(namespace).remaining()).sum();
    pairs.push("migrate_partitions_remaining", remaining);
}

fn principal(status: &Status) -> String {
    status.principal().map_or_else(|| "0".to_owned(), |node| format!("{:X}", node.0))
}

/// Whether a state is on, as `true` or `false`.
pub(super) fn flag(state: &AtomicBool) -> bool {
    state.load(Relaxed)
}

/// Whole percent of `part` in `whole`; 0 when there is no whole.
pub(super) fn percent_of(part: u64, whole: u64) -> u64 {
    part.saturating_mul(100).checked_div(whole).unwrap_or(0).min(100)
}

/// Bytes that records of a namespace may take: its `data-size`, or what the memory limit leaves.
pub(super) fn data_total_bytes(ask: &Ask<'_>, usage: &Usage) -> u64 {
    if usage.data_size > 0 {
        return usage.data_size;
    }
    let free = ask.node.facts.system_free_mem_kbytes.load(Relaxed).saturating_mul(1_024);
    free.saturating_add(usage.counts.log_allocated_bytes)
}

const BATCH: &[&str] = &[
    "batch_index_queue",
    "batch_index_proto_uncompressed_pct",
    "batch_index_huge_buffers",
    "batch_index_created_buffers",
    "batch_index_destroyed_buffers",
    "batch_index_unused_buffers",
];

const CONNECTIONS_BETWEEN_NODES: &[&str] = &[
    "admin_connections",
    "admin_connections_opened",
    "admin_connections_closed",
    "heartbeat_connections",
    "heartbeat_connections_opened",
    "heartbeat_connections_closed",
    "heartbeat_received_self",
    "heartbeat_received_foreign",
    "fabric_connections",
    "fabric_connections_opened",
    "fabric_connections_closed",
];

const FABRIC: &[&str] = &[
    "fabric_bulk_send_rate",
    "fabric_bulk_recv_rate",
    "fabric_ctrl_send_rate",
    "fabric_ctrl_recv_rate",
    "fabric_meta_send_rate",
    "fabric_meta_recv_rate",
    "fabric_rw_send_rate",
    "fabric_rw_recv_rate",
];
