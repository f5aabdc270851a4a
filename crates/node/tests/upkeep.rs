//! The node's own work: expiry, eviction, stop-writes, truncate sweeps, defragmentation.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

mod support;

use shipload_node::Notice;
use shipload_node::config::NamespaceKey;
use shipload_wire::Op;
use shipload_wire::message::Header;
use std::sync::atomic::Ordering;
use support::{Engine, header, integer};

const ONE: [u8; 8] = 1i64.to_be_bytes();

fn with_ttl(ttl: u32) -> Header {
    Header { record_ttl: ttl, ..header() }
}

#[test]
fn expired_records_give_their_memory_back_once_a_period() {
    let mut engine = Engine::new();
    for key in 0..2000 {
        let ttl = if key % 2 == 0 { 10 } else { u32::MAX };
        engine.put(key, with_ttl(ttl), &[integer("a", &ONE)]);
    }
    engine.maintain();
    engine.pass_ms(60_000);
    assert!(engine.maintain().is_empty());
    assert_eq!(engine.statistic("objects"), 2000);
    engine.pass_ms(61_000);
    let notices = engine.maintain();
    let done = |notice: &Notice| matches!(notice, Notice::NsupDone { expired: 1000, evicted: 0, .. });
    assert!(notices.iter().any(done), "{notices:?}");
    assert_eq!(engine.statistic("objects"), 1000);
    assert_eq!(engine.statistic("expired_objects"), 1000);
    assert_eq!(engine.statistic("non_expirable_objects"), 1000);
}

#[test]
fn a_truncate_is_swept_without_waiting() {
    let mut engine = Engine::new();
    (0..1000).for_each(|key| drop(engine.put_integer(key, "a", key)));
    assert_eq!(engine.info("truncate:namespace=test;set=demo"), "ok");
    assert!(engine.info("sets/test/demo").contains("truncating=true"));
    engine.put_integer(5, "a", 5);
    let notices = engine.maintain();
    let done =
        |notice: &Notice| matches!(notice, Notice::TruncateDone { set, removed: 999, .. } if set == "demo");
    assert!(notices.iter().any(done), "{notices:?}");
    assert_eq!(engine.statistic("objects"), 1);
    assert!(engine.info("sets/test/demo").contains("truncating=false"));
    assert_eq!(engine.get(5).integer("a"), Some(5));
}

/// A namespace of 64 MiB filled with about this many MiB.
fn filled_mib(settings: &[(NamespaceKey, &str)], mib: i64, ttl: impl Fn(i64) -> u32) -> Engine {
    let mut all = vec![(NamespaceKey::DataSize, "256M")];
    all.extend_from_slice(settings);
    let mut engine = Engine::with(&all);
    let blob = vec![7; 64 << 10];
    let op = Op { code: 2, kind: 4, name: b"b", value: &blob };
    for key in 0..mib * 16 {
        assert_eq!(engine.put(key, with_ttl(ttl(key)), &[op]).header.result, 0);
    }
    engine
}

#[test]
fn writes_stop_and_go_on_when_there_is_room_again() {
    let mut engine = filled_mib(&[(NamespaceKey::StopWritesUsedPct, "50")], 130, |_| u32::MAX);
    let notices = engine.maintain();
    assert!(notices.iter().any(|notice| matches!(notice, Notice::StopWrites { .. })), "{notices:?}");
    assert!(engine.info("namespace/test").contains(";stop_writes=true"));
    assert_eq!(engine.put_integer(-1, "a", 1).header.result, 8);
    assert_eq!(engine.get(1).header.result, 0);
    let delete = Header { info2: 3, ..Header::default() };
    (0..200).for_each(|key| assert_eq!(engine.command(key, delete, &[]).header.result, 0));
    engine.pass_ms(1000);
    let notices = engine.maintain();
    assert!(notices.iter().any(|notice| matches!(notice, Notice::StopWritesOver { .. })), "{notices:?}");
    assert_eq!(engine.put_integer(-1, "a", 1).header.result, 0);
}

#[test]
fn scarce_memory_stops_writes() {
    let mut engine = Engine::new();
    engine.node.facts.system_free_mem_pct.store(9, Ordering::Relaxed);
    engine.maintain();
    assert_eq!(engine.put_integer(1, "a", 1).header.result, 8);
    engine.node.facts.system_free_mem_pct.store(50, Ordering::Relaxed);
    engine.pass_ms(1000);
    engine.maintain();
    assert_eq!(engine.put_integer(1, "a", 1).header.result, 0);
}

#[test]
fn the_records_that_expire_soonest_are_evicted_first() {
    let settings = [
        (NamespaceKey::EvictUsedPct, "40"),
        (NamespaceKey::EvictTenthsPct, "100"),
        (NamespaceKey::NsupPeriod, "1"),
    ];
    let lives = |key: i64| match key % 4 {
        0 => u32::MAX,
        other => 1_000_000 * u32::try_from(other).unwrap(),
    };
    let mut engine = filled_mib(&settings, 110, lives);
    let before = engine.statistic("objects");
    for _ in 0..5 {
        engine.pass_ms(2500);
        engine.maintain();
    }
    let evicted = engine.statistic("evicted_objects");
    assert!(evicted > 0 && engine.statistic("objects") == before - evicted);
    let alive = |engine: &mut Engine, class: i64| {
        (0..110 * 16).filter(|key| key % 4 == class && engine.get(*key).header.result == 0).count()
    };
    assert_eq!(alive(&mut engine, 0), 440);
    assert_eq!(alive(&mut engine, 3), 440);
    assert!(alive(&mut engine, 1) < 440);
}

/// Bytes of the log's blocks that were written: live records, garbage, headers.
fn log_used(engine: &Engine) -> u64 {
    engine.node.namespaces()[0].usage().counts.log_used_bytes
}

/// A namespace in which two of three records were deleted, and the bytes that it took before.
fn sparse(settings: &[(NamespaceKey, &str)]) -> (Engine, u64) {
    let mut engine = filled_mib(settings, 100, |_| u32::MAX);
    let delete = Header { info2: 3, ..Header::default() };
    let full = log_used(&engine);
    for key in (0..1600).filter(|key| key % 3 != 0) {
        engine.command(key, delete, &[]);
    }
    (engine, full)
}

#[test]
fn sparse_blocks_are_moved_together() {
    let (mut engine, full) = sparse(&[(NamespaceKey::DefragSleep, "0")]);
    engine.maintain();
    assert!(log_used(&engine) < full * 2 / 3, "{} of {full}", log_used(&engine));
    for key in (0..1600).filter(|key| key % 3 == 0) {
        assert_eq!(engine.get(key).ops[0].3, vec![7; 64 << 10]);
    }
}

#[test]
fn between_two_sparse_blocks_defragmentation_sleeps() {
    let (mut engine, full) = sparse(&[(NamespaceKey::DefragSleep, "2000")]);
    let mut before = log_used(&engine);
    let mut blocks = 0;
    engine.maintain();
    while log_used(&engine) < before {
        // A block takes a mebibyte here.
        assert!(before - log_used(&engine) <= 1 << 20, "one block at a time");
        (before, blocks) = (log_used(&engine), blocks + 1);
        engine.pass_ms(1);
        engine.maintain();
        assert_eq!(log_used(&engine), before, "it sleeps for two milliseconds");
        engine.pass_ms(1);
        engine.maintain();
    }
    assert!(blocks > 30 && before < full * 2 / 3, "{before} of {full} after {blocks} blocks");
}
