//! Tenants: what a set, or all sets whose names begin alike, may have and do.

use super::{NOW, ask, get, later, node, put_results};

fn limit(node: &crate::Node, set: &str, key: &str) {
    assert_eq!(ask(node, &format!("set-config:context=namespace;namespace=test;set={set};{key}")), "ok");
}

#[test]
fn a_tenant_over_its_rate_is_refused_and_others_are_not() {
    let node = node();
    limit(&node, "acme.*", "max-requests-per-second=10");
    assert_eq!(put_results(&node, "acme.users", 10, NOW), [0; 10]);
    assert_eq!(get(&node, "acme.users", 0, NOW), 83);
    assert_eq!(put_results(&node, "acme.orders", 1, NOW), [83], "the same tenant");
    assert_eq!(put_results(&node, "other", 100, NOW), [0; 100]);
    assert_eq!(put_results(&node, "acme.users", 3, later(200)), [0, 0, 83]);
    assert!(ask(&node, "sets/test/acme.*").contains(":requests_refused=3"), "usage is visible");
    limit(&node, "acme.*", "max-requests-per-second=0");
    assert_eq!(put_results(&node, "acme.users", 100, later(200)), [0; 100]);
}

#[test]
fn a_set_within_a_tenant_may_have_less() {
    let node = node();
    limit(&node, "acme.*", "max-requests-per-second=100");
    limit(&node, "acme.logs", "max-requests-per-second=1");
    assert_eq!(put_results(&node, "acme.logs", 2, NOW), [0, 83]);
    assert_eq!(put_results(&node, "acme.users", 99, NOW), [0; 99]);
    assert_eq!(put_results(&node, "acme.users", 1, NOW), [83]);
}

#[test]
fn a_tenant_may_have_so_many_records_in_all_its_sets() {
    let node = node();
    limit(&node, "acme.*", "stop-writes-count=3");
    assert_eq!(put_results(&node, "acme.users", 2, NOW), [0, 0]);
    assert_eq!(put_results(&node, "acme.orders", 2, NOW), [0, 22]);
    assert_eq!(put_results(&node, "acme.users", 2, NOW), [0, 0], "what is there may be written");
    assert_eq!(put_results(&node, "other", 5, NOW), [0; 5]);
    assert!(ask(&node, "sets/test/acme.*").starts_with("objects=3:"), "usage is visible");
}

#[test]
fn a_tenant_may_have_a_share_of_the_memory() {
    let node = node();
    limit(&node, "acme.*", "memory-share-pct=10");
    assert_eq!(put_results(&node, "acme.users", 50, NOW), [0; 50], "no size, no share");
    let used = ask(&node, "sets/test/acme.*");
    let used =
        used.split("data_used_bytes=").nth(1).and_then(|rest| rest.split(':').next()?.parse::<u64>().ok());
    let size = used.expect("bytes") * 10 + 1000;
    assert_eq!(ask(&node, &format!("set-config:context=namespace;namespace=test;data-size={size}")), "ok");
    assert_eq!(put_results(&node, "acme.orders", 50, NOW).last(), Some(&22), "it is used up");
    assert_eq!(put_results(&node, "other", 50, NOW), [0; 50]);
    limit(&node, "acme.*", "memory-share-pct=90");
    assert_eq!(put_results(&node, "acme.orders", 50, NOW), [0; 50]);
}
