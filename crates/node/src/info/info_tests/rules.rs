//! What `set-config` changes is what commands then do.

use super::{NOW, ask, get, later, node, put_results};

#[test]
fn a_full_set_takes_updates_but_no_new_records() {
    let node = node();
    assert_eq!(ask(&node, "set-config:context=namespace;namespace=test;set=demo;stop-writes-count=2"), "ok");
    assert_eq!(put_results(&node, "demo", 3, NOW), [0, 0, 22]);
    assert_eq!(put_results(&node, "demo", 3, NOW), [0, 0, 22]);
    assert_eq!(put_results(&node, "other", 3, NOW), [0, 0, 0]);
    assert_eq!(ask(&node, "set-config:context=namespace;namespace=test;set=demo;stop-writes-count=0"), "ok");
    assert_eq!(put_results(&node, "demo", 3, NOW), [0, 0, 0]);
    assert_eq!(ask(&node, "set-config:context=namespace;namespace=test;set=demo;stop-writes-size=1"), "ok");
    assert_eq!(put_results(&node, "demo", 4, NOW), [0, 0, 0, 22]);
}

#[test]
fn a_set_may_have_its_own_time_to_live() {
    let node = node();
    assert_eq!(ask(&node, "set-config:context=namespace;namespace=test;nsup-period=10"), "ok");
    assert_eq!(ask(&node, "set-config:context=namespace;namespace=test;default-ttl=1h"), "ok");
    assert_eq!(ask(&node, "set-config:context=namespace;namespace=test;set=demo;default-ttl=5"), "ok");
    assert_eq!(put_results(&node, "demo", 1, NOW), [0]);
    assert_eq!(put_results(&node, "other", 1, NOW), [0]);
    assert_eq!((get(&node, "demo", 0, later(4_000)), get(&node, "demo", 0, later(6_000))), (0, 2));
    assert_eq!(get(&node, "other", 0, later(6_000)), 0);
}

#[test]
fn records_without_a_set_may_be_refused() {
    let node = node();
    assert_eq!(put_results(&node, "", 1, NOW), [0]);
    assert_eq!(ask(&node, "set-config:context=namespace;namespace=test;disallow-null-setname=true"), "ok");
    assert_eq!(put_results(&node, "", 1, NOW), [4]);
    assert_eq!(put_results(&node, "demo", 1, NOW), [0]);
}
