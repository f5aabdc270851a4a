//! The numbers by which it is seen whether records have changed.

use super::{CONTEXT, NOW, execute, later, node, put_results};
use crate::config::{Config, NamespaceKey};
use crate::node::{Identity, Node};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use shipload_value::Digest;
use shipload_wire::message::Header;
use shipload_wire::request;
use std::collections::BTreeMap;

/// Where the numbers are from, and the number of each partition.
fn versions(node: &Node, set: &str) -> (String, BTreeMap<u16, u32>) {
    let text = node.info_text(&format!("shipload-versions:namespace=test;set={set}"), &CONTEXT, NOW);
    let (origin, rows) = text.split_once(';').unwrap();
    let rows = STANDARD.decode(rows).unwrap();
    let row = |row: &[u8]| {
        (u16::from_le_bytes([row[0], row[1]]), u32::from_le_bytes([row[2], row[3], row[4], row[5]]))
    };
    (origin.to_owned(), rows.chunks(6).map(row).collect())
}

#[test]
fn a_write_moves_the_number_of_its_partition_alone() {
    let node = node();
    assert!(versions(&node, "demo").1.is_empty(), "a set that nobody has written is not known");
    assert_eq!(put_results(&node, "demo", 1, NOW), [0]);
    let (origin, before) = versions(&node, "demo");
    assert_eq!(before.len(), 4096);
    assert_eq!(put_results(&node, "demo", 1, later(5)), [0]);
    let (same, after) = versions(&node, "demo");
    assert_eq!(origin, same);
    let digest = Digest::of(b"demo", 1, &0u64.to_be_bytes());
    let moved: Vec<u16> =
        before.iter().filter(|(one, count)| after[one] != **count).map(|row| *row.0).collect();
    assert_eq!(moved, [digest.partition().number()]);
}

#[test]
fn a_truncation_and_another_life_are_another_origin() {
    let node = node();
    assert_eq!(put_results(&node, "demo", 3, NOW), [0, 0, 0]);
    let (origin, _) = versions(&node, "demo");
    assert_eq!(node.info_text("truncate:namespace=test;set=demo", &CONTEXT, later(1000)), "ok");
    assert_ne!(versions(&node, "demo").0, origin);
    let mut config = Config::new();
    config.add_namespace("test").unwrap();
    let identity = Identity { node_id: node.identity.node_id, cluster_key: 77 };
    let again = Node::new(config, identity).unwrap();
    assert_ne!(versions(&again, "demo").0, origin);
}

#[test]
fn records_that_expire_have_no_number() {
    let mut config = Config::new();
    config.add_namespace("test").unwrap().keys.put_number(NamespaceKey::NsupPeriod, 120);
    let node = Node::new(config, Identity { node_id: 0xFC02, cluster_key: 0xC8C3 }).unwrap();
    assert_eq!(put_results(&node, "demo", 1, NOW), [0]);
    let digest = Digest::of(b"demo", 1, &0u64.to_be_bytes());
    let header = Header { record_ttl: 60, ..Header::default() };
    let mut bytes = Vec::new();
    let key = request::Key::new("test", "demo", &digest.0);
    request::put(&mut bytes, &header, &key, &[request::write_op(b"a", 1, &[0; 8])]);
    assert_eq!(execute(&node, &mut node.worker(), &bytes, NOW), 0);
    let (_, numbers) = versions(&node, "demo");
    assert_eq!(numbers.len(), 4095);
    assert!(!numbers.contains_key(&digest.partition().number()));
}
