//! Answers that depend on records: counts of namespaces and sets, truncation, latencies.

use super::{NOW, ask, get, later, node, pairs, put};
use crate::timing::{Histogram, Timing};

#[test]
fn counts_records_exactly() {
    let node = node();
    put(&node, "demo", 5, NOW);
    put(&node, "other", 2, NOW);
    let text = ask(&node, "namespace/test");
    let namespace = pairs(&text, ';');
    assert_eq!(namespace["objects"], "7");
    assert_eq!(namespace["master_objects"], "7");
    assert_eq!(namespace["client_write_success"], "7");
    assert_eq!(namespace["migrate_tx_partitions_remaining"], "0");
    assert_eq!(namespace["current_time"], "600000000");
    let statistics = ask(&node, "statistics");
    assert_eq!(pairs(&statistics, ';')["objects"], "7");
    let sets = ask(&node, "sets/test");
    assert_eq!(ask(&node, "sets"), sets);
    let entries: Vec<&str> = sets.split_terminator(';').collect();
    assert_eq!(entries.len(), 2);
    assert!(
        sets.ends_with(';') && entries[0].starts_with("ns=test:set=demo:objects=5:tombstones=0:"),
        "{sets}"
    );
    let values = pairs(entries[0], ':');
    let bytes: u64 = values["data_used_bytes"].parse().unwrap();
    assert!(bytes > 0);
    let config = "truncate_lut=0:sindexes=0:index_populating=false:truncating=false:\
        default-read-touch-ttl-pct=0:default-ttl=0:disable-eviction=false:enable-index=false:\
        max-requests-per-second=0:memory-share-pct=0:stop-writes-count=0:stop-writes-size=0";
    assert!(entries[0].ends_with(config), "{}", entries[0]);
    let alone = ask(&node, "sets/test/demo");
    assert_eq!(format!("ns=test:set=demo:{alone}"), format!("{};", entries[0]));
    let all: u64 =
        entries.iter().map(|entry| pairs(entry, ':')["data_used_bytes"].parse::<u64>().unwrap()).sum();
    assert_eq!(namespace["data_used_bytes"], all.to_string());
}

#[test]
fn partition_info_counts_records() {
    let node = node();
    put(&node, "demo", 50, NOW);
    let text = ask(&node, "partition-info");
    let rows = text.split(';').skip(1).map(|row| row.split(':').nth(12).unwrap().parse::<u64>().unwrap());
    assert_eq!(rows.sum::<u64>(), 50);
}

#[test]
fn truncate_is_visible_at_once_and_spares_what_comes_after() {
    let node = node();
    put(&node, "demo", 3, NOW);
    put(&node, "other", 3, NOW);
    assert_eq!(ask(&node, "truncate:namespace=test;set=demo"), "ok");
    assert_eq!((get(&node, "demo", 0, NOW), get(&node, "other", 0, NOW)), (2, 0));
    // The same millisecond, after the answer.
    put(&node, "demo", 1, NOW);
    assert_eq!((get(&node, "demo", 0, NOW), get(&node, "demo", 1, NOW)), (0, 2));
    let demo = ask(&node, "sets/test/demo");
    assert!(demo.contains(":truncate_lut=600000000001:"), "{demo}");
    assert_eq!(ask(&node, "truncate-namespace:namespace=test"), "ok");
    assert_eq!((get(&node, "demo", 0, NOW), get(&node, "other", 0, NOW)), (2, 2));
}

#[test]
fn truncate_with_a_time_spares_what_is_newer() {
    let node = node();
    put(&node, "demo", 2, NOW);
    put(&node, "demo", 1, later(10));
    let line = format!("truncate:namespace=test;set=demo;lut={}", later(5).unix_ns);
    assert_eq!(ask(&node, &line), "ERROR:4:would truncate in the future");
    assert_eq!(node.info_text(&line, &super::CONTEXT, later(20)), "ok");
    assert_eq!((get(&node, "demo", 0, later(20)), get(&node, "demo", 1, later(20))), (0, 2));
}

#[test]
fn latencies_show_recent_traffic() {
    let node = node();
    let worker = node.worker();
    node.record_latency(&worker, Timing { namespace: 0, histogram: Histogram::Read }, 3_000_000);
    let text = ask(&node, "latencies:");
    assert!(text.starts_with("batch-index:;{test}-read:msec,1.0,100.00,100.00,0.00,"), "{text}");
    assert_eq!(ask(&node, "latencies:hist={test}-read").split(',').count(), 19);
    let much_later = later(60_000);
    node.advance_latency_slices(later(20_000));
    node.advance_latency_slices(later(40_000));
    let text = node.info_text("latencies:hist={test}-read", &super::CONTEXT, much_later);
    assert_eq!(text, format!("{{test}}-read:msec,0.0{}", ",0.00".repeat(17)));
}

#[test]
fn old_histograms_of_a_known_set_are_unavailable() {
    let node = node();
    put(&node, "demo", 1, NOW);
    assert_eq!(ask(&node, "histogram:namespace=test;type=ttl;set=demo"), "hist-unavailable");
}
