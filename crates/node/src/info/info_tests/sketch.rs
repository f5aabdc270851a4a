//! What HTTP caches may keep, and that every change of it reaches the sketch.

use super::{CONTEXT, NOW, execute, later, pairs, put};
use crate::config::{Config, NamespaceKey};
use crate::node::{Identity, Node};
use crate::now::Now;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use shipload_value::Digest;
use shipload_wire::message::Header;
use shipload_wire::request;

const HOUR_MS: u64 = 3_600_000;

fn cached_node() -> Node {
    let mut config = Config::new();
    config.add_namespace("test").unwrap().keys.put_number(NamespaceKey::CacheMaxTtl, 3600);
    Node::new(config, Identity { node_id: 0xFC02, cluster_key: 0xC8C3 }).unwrap()
}

fn digest(key: u64) -> Digest {
    Digest::of(b"demo", 1, &key.to_be_bytes())
}

fn lease(node: &Node, key: u64, now: Now) -> u64 {
    let line = format!("shipload-lease:namespace=test;digest={:?}", digest(key));
    node.info_text(&line, &CONTEXT, now).strip_prefix("ttl=").unwrap().parse().unwrap()
}

/// Which records are stale, and how many partitions are led and tainted.
fn sketch(node: &Node, now: Now) -> (Vec<Vec<u8>>, u32, u32) {
    let text = node.info_text("shipload-sketch:namespace=test", &CONTEXT, now);
    let parts = pairs(&text, ';');
    let bytes = |name: &str| STANDARD.decode(parts[name]).unwrap();
    let ones = |name: &str| bytes(name).iter().map(|byte| byte.count_ones()).sum();
    (bytes("stale").chunks(8).map(<[u8]>::to_vec).collect(), ones("leads"), ones("tainted"))
}

fn is_stale(node: &Node, key: u64, now: Now) -> bool {
    sketch(node, now).0.iter().any(|mark| *mark == digest(key).0[4..12])
}

fn delete(node: &Node, key: u64, now: Now) {
    let digest = digest(key);
    let mut bytes = Vec::new();
    request::delete(&mut bytes, &Header::default(), &request::Key::new("test", "demo", &digest.0));
    assert_eq!(execute(node, &mut node.worker(), &bytes, now), 0);
}

#[test]
fn nothing_is_kept_unless_the_configuration_says_so() {
    let node = super::node();
    put(&node, "demo", 1, NOW);
    assert_eq!(lease(&node, 0, later(HOUR_MS)), 0);
}

#[test]
fn a_copy_lives_by_the_age_of_its_record_within_bounds() {
    let node = cached_node();
    put(&node, "demo", 1, NOW);
    assert_eq!(lease(&node, 0, NOW), 0, "written just now");
    assert_eq!(lease(&node, 0, later(600_000)) / 1000, 133);
    assert_eq!(lease(&node, 0, later(HOUR_MS * 24)), HOUR_MS);
    assert_eq!(lease(&node, 7, later(HOUR_MS)), 0, "there is no such record");
}

#[test]
fn a_copy_does_not_outlive_its_record() {
    let node = cached_node();
    let test = "set-config:context=namespace;namespace=test;";
    assert_eq!(super::ask(&node, &format!("{test}nsup-period=1000")), "ok");
    assert_eq!(super::ask(&node, &format!("{test}default-ttl=700")), "ok");
    put(&node, "demo", 1, NOW);
    assert_eq!(lease(&node, 0, later(600_000)), 100_000);
}

#[test]
fn every_change_of_what_may_be_kept_is_in_the_sketch() {
    let node = cached_node();
    put(&node, "demo", 3, NOW);
    let now = later(HOUR_MS);
    for key in 0..2 {
        assert!(lease(&node, key, now) > 0);
    }
    assert_eq!(sketch(&node, now).0.len(), 0);
    put(&node, "demo", 1, now);
    delete(&node, 1, now);
    delete(&node, 2, now);
    assert!(is_stale(&node, 0, now) && is_stale(&node, 1, now));
    assert!(!is_stale(&node, 2, now), "no cache may hold it");
    assert_eq!(sketch(&node, later(HOUR_MS * 3)).0.len(), 0, "no copy lives any more");
}

#[test]
fn what_expires_while_copies_live_is_in_the_sketch() {
    let node = cached_node();
    let test = "set-config:context=namespace;namespace=test;";
    assert_eq!(super::ask(&node, &format!("{test}nsup-period=10")), "ok");
    assert_eq!(super::ask(&node, &format!("{test}default-ttl=2h")), "ok");
    put(&node, "demo", 1, NOW);
    let now = later(HOUR_MS);
    assert!(lease(&node, 0, now) > 0);
    // The wall clock jumps: the record expires while copies of it may live.
    let jumped = Now { unix_ns: later(HOUR_MS * 3).unix_ns, mono_ns: later(HOUR_MS + 60_000).mono_ns };
    for moment in [now, jumped] {
        while node.maintain(moment, 10_000_000).next_mono_ns <= moment.mono_ns {}
    }
    assert!(is_stale(&node, 0, jumped));
}

#[test]
fn partitions_are_tainted_after_a_start_and_after_a_truncate() {
    let node = cached_node();
    assert_eq!(sketch(&node, NOW), (Vec::new(), 4096, 4096));
    put(&node, "demo", 1, NOW);
    let calm = later(HOUR_MS + 20_000);
    assert_eq!(sketch(&node, calm), (Vec::new(), 4096, 0));
    assert_eq!(node.info_text("truncate:namespace=test;set=demo", &CONTEXT, calm), "ok");
    assert_eq!(sketch(&node, calm).2, 4096);
}
