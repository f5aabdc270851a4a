//! Records and time: expiry, read touches, truncation, stored keys, last-update times.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

mod support;

use shipload_node::config::NamespaceKey;
use shipload_node::{Target, TruncateError};
use shipload_wire::Op;
use shipload_wire::bits::{info1, info2, op};
use shipload_wire::message::Header;
use shipload_wire::request::{self, Key};
use support::{Engine, digest, header, integer};

const ONE: [u8; 8] = 1i64.to_be_bytes();

fn with_ttl(ttl: u32) -> Header {
    Header { record_ttl: ttl, ..header() }
}

#[test]
fn records_expire_after_the_second_of_their_void_time() {
    let mut engine = Engine::new();
    let written = engine.put(1, with_ttl(10), &[integer("a", &ONE)]);
    assert_eq!(written.header.record_ttl, engine.now.since_2010_s() + 10);
    engine.pass_ms(10_999);
    assert_eq!(engine.get(1).header.result, 0);
    engine.pass_ms(1);
    assert_eq!(engine.get(1).header.result, 2);
    let create = Header { info2: info2::WRITE | info2::CREATE_ONLY, ..header() };
    let again = engine.put(1, create, &[integer("b", &ONE)]);
    assert_eq!((again.header.result, again.header.generation), (0, 1));
    assert_eq!(engine.get(1).ops.len(), 1);
}

#[test]
fn times_to_live_follow_the_namespace() {
    let mut engine = Engine::with(&[(NamespaceKey::DefaultTtl, "30")]);
    let now_s = engine.now.since_2010_s();
    assert_eq!(engine.put(1, with_ttl(0), &[integer("a", &ONE)]).header.record_ttl, now_s + 30);
    assert_eq!(engine.put(1, with_ttl(u32::MAX - 1), &[integer("a", &ONE)]).header.record_ttl, now_s + 30);
    assert_eq!(engine.put(1, with_ttl(u32::MAX), &[integer("a", &ONE)]).header.record_ttl, 0);
    engine.pass_ms(5000);
    assert_eq!(engine.put(1, with_ttl(u32::MAX - 1), &[integer("a", &ONE)]).header.record_ttl, 0);
    let touch = Op { code: op::TOUCH, kind: 0, name: b"", value: b"" };
    assert_eq!(engine.put(1, with_ttl(0), &[touch]).header.record_ttl, now_s + 35);

    let mut engine = Engine::with(&[(NamespaceKey::NsupPeriod, "0")]);
    assert_eq!(engine.put(1, with_ttl(5), &[integer("a", &ONE)]).header.result, 22);
    assert_eq!(engine.put(1, with_ttl(u32::MAX), &[integer("a", &ONE)]).header.result, 0);
    let mut engine =
        Engine::with(&[(NamespaceKey::NsupPeriod, "0"), (NamespaceKey::AllowTtlWithoutNsup, "true")]);
    assert_eq!(engine.put(1, with_ttl(5), &[integer("a", &ONE)]).header.result, 0);
}

#[test]
fn a_read_renews_what_is_about_to_expire() {
    let mut engine = Engine::new();
    engine.put(1, with_ttl(100), &[integer("a", &ONE)]);
    let first = engine.get(1).header;
    engine.pass_ms(10_000);
    engine.get_with(1, 80);
    assert_eq!(engine.get(1).header.record_ttl, first.record_ttl);
    engine.pass_ms(20_000);
    engine.get_with(1, u32::MAX);
    assert_eq!(engine.get(1).header.record_ttl, first.record_ttl);
    engine.get_with(1, 80);
    let renewed = engine.get(1).header;
    assert_eq!(renewed.record_ttl, first.record_ttl + 30);
    assert_eq!(renewed.generation, first.generation);
    assert_eq!(engine.get_with(1, 101).header.result, 4);
    engine.pass_ms(90_000);
    assert_eq!(engine.get(1).header.result, 0);
    assert_eq!(engine.statistic("read_touch_success"), 1);
}

#[test]
fn truncate_spares_what_is_written_after_it_in_the_same_millisecond() {
    let mut engine = Engine::new();
    for round in 0..3 {
        engine.put_integer(1, "a", round);
        engine.put_integer(2, "a", round);
        assert_eq!(engine.info("truncate:namespace=test;set=demo"), "ok");
        assert_eq!(engine.get(1).header.result, 2, "round {round}");
        assert_eq!(engine.put_integer(2, "b", round).header.generation, 1);
        assert_eq!(engine.get(2).integer("b"), Some(round));
        assert_eq!(engine.get(2).ops.len(), 1);
        assert_eq!(engine.info("truncate-namespace:namespace=test"), "ok");
        assert_eq!(engine.get(2).header.result, 2);
    }
    engine.put_integer(3, "a", 3);
    engine.pass_ms(1);
    engine.maintain();
    assert_eq!(engine.statistic("objects"), 1);
    assert_eq!(engine.get(3).header.result, 0);
}

#[test]
fn truncate_up_to_a_moment() {
    let mut engine = Engine::new();
    engine.put_integer(1, "a", 1);
    engine.pass_ms(100);
    let between = engine.now.unix_ns;
    engine.pass_ms(100);
    engine.put_integer(2, "a", 1);
    let namespace = &engine.node.namespaces()[0];
    let future = engine.now.unix_ns + 1;
    let truncate = |lut| namespace.truncate(Target::Set(b"demo"), Some(lut), engine.now);
    assert_eq!(truncate(future), Err(TruncateError::InFuture));
    assert_eq!(truncate(1), Err(TruncateError::ToZero));
    assert_eq!(
        namespace.truncate(Target::Set(b"nope"), None, engine.now),
        Ok(engine.now.since_2010_ms() + 1)
    );
    assert!(truncate(between).is_ok());
    assert_eq!(engine.get(1).header.result, 2);
    assert_eq!(engine.get(2).header.result, 0);
}

#[test]
fn stored_keys_must_match() {
    let mut engine = Engine::new();
    let digest = digest(1).0;
    let with_key = |engine: &mut Engine, user_key, header: Header, ops: &[Op<'_>]| {
        let key = Key { user_key, ..Key::new("test", "demo", &digest) };
        let mut bytes = Vec::new();
        request::command(&mut bytes, &header, &key, ops);
        engine.message(&bytes).header.result
    };
    let one = [integer("a", &ONE)];
    let read = Header { info1: info1::READ | info1::GET_ALL, ..Header::default() };
    let delete = Header { info2: info2::WRITE | info2::DELETE, ..Header::default() };
    assert_eq!(with_key(&mut engine, None, header(), &one), 0);
    assert_eq!(with_key(&mut engine, Some((3, b"k")), header(), &one), 0);
    for other in [(3, &b"j"[..]), (4, b"k")] {
        assert_eq!(with_key(&mut engine, Some(other), header(), &one), 19);
        assert_eq!(with_key(&mut engine, Some(other), read, &[]), 19);
        assert_eq!(with_key(&mut engine, Some(other), delete, &[]), 19);
    }
    assert_eq!(with_key(&mut engine, None, header(), &one), 0);
    assert_eq!(with_key(&mut engine, Some((3, b"k")), read, &[]), 0);
    assert_eq!(with_key(&mut engine, Some((3, b"k")), delete, &[]), 0);
}

#[test]
fn generations_wrap_past_zero() {
    let mut engine = Engine::new();
    for round in 1..=70_000u32 {
        let generation = engine.put_integer(1, "a", 1).header.generation;
        let expected = (round - 1) % 65_535 + 1;
        assert_eq!(generation, expected);
    }
}

#[test]
fn nothing_is_applied_when_one_operation_fails() {
    let mut engine = Engine::new();
    engine.put_integer(1, "a", 1);
    let append = Op { code: op::APPEND, kind: 3, name: b"a", value: b"x" };
    let failed = engine.put(1, header(), &[integer("b", &ONE), append]);
    assert_eq!((failed.header.result, failed.header.generation), (12, 1));
    let read = engine.get(1);
    assert_eq!((read.header.generation, read.ops.len()), (1, 1));
}

#[test]
fn operations_on_very_many_bins_stay_quick_and_right() {
    let mut engine = Engine::new();
    let names: Vec<String> = (0..5000).map(|number| format!("b{number}")).collect();
    let writes: Vec<Op<'_>> = names.iter().map(|name| integer(name, &ONE)).collect();
    assert_eq!(engine.put(1, header(), &writes).header.result, 0);
    let reads: Vec<Op<'_>> = names.iter().rev().map(|name| request::read_op(name.as_bytes())).collect();
    let read = Header { info1: info1::READ, ..Header::default() };
    let answer = engine.command(1, read, &reads);
    assert!(answer.ops.iter().map(|(_, _, name, _)| name).eq(names.iter().rev()));
}
