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
