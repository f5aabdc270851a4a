//! Records: bins, metadata, and what saving does.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

mod support;

use shipload_lua::record::{Action, Change, Key, Record};
use shipload_lua::{CallError, LogLevel, LuaPool};
use shipload_value::ParticleType;
use std::sync::Arc;
use support::{Modules, NO_ARGS, NOW, apply, check, error, int, limits, missing, particle, record, string};

fn change(body: &str, record: Record) -> Change {
    let returned = apply(&format!("function f(rec, ...) {body} end"), NO_ARGS, record);
    assert!(returned.value.is_ok(), "{body}: {:?}", returned.value);
    returned.change
}

#[test]
fn bins_and_metadata() {
    let key = Some(Key { kind: 3, bytes: b"me".to_vec() });
    let source = "function f(rec)
        assert(type(rec) == 'userdata' and tostring(rec) == 'Record')
        assert(rec.a == 5 and rec['a'] == 5 and rec.zz == nil and rec[1] == nil)
        assert(record.ttl(rec) == 100 and record.gen(rec) == 3 and record.size(rec) == 77)
        assert(record.device_size(rec) == 0 and record.memory_size(rec) == 77)
        assert(record.last_update_time(rec) == 1700000000000)
        assert(record.key(rec) == 'me' and record.setname(rec) == 'demo')
        assert(#record.digest(rec) == 20 and record.digest(rec)[1] == 7)
        assert(record.numbins(rec) == 2 and record.bin_names(rec)[2] == 'b')
        rec.c = 1 rec.a = nil
        assert(record.numbins(rec) == 2 and record.bin_names(rec)[2] == 'c' and rec.a == nil)
        assert(rec.b == rec.b and rec.b[1] == 1)
        rec.b[1] = 2
        assert(rec.b[1] == 2)
        return true
    end";
    let record = Record { key, ..record(&[("a", int(5)), ("b", particle(ParticleType::List, &[0x91, 1]))]) };
    let returned = apply(source, NO_ARGS, record);
    assert_eq!(returned.value, Ok(Some(particle(ParticleType::Bool, &[1]))));
    assert_eq!(returned.change, Change::default());
}

#[test]
fn a_missing_record_is_empty() {
    let source = "function f(rec)
        assert(not aerospike:exists(rec) and rec.a == nil and record.numbins(rec) == 0)
        assert(record.gen(rec) == 0 and record.ttl(rec) == 0 and record.key(rec) == nil)
        assert(aerospike:update(rec) == -2 and aerospike:remove(rec) == 1)
        return record.gen(rec)
    end";
    let returned = apply(source, NO_ARGS, missing());
    assert_eq!(returned.value, Ok(Some(int(0))));
    assert_eq!(returned.change.action, Action::Nothing);
}

#[test]
fn changes_are_saved_by_update_and_create_only() {
    let bins = |change: Change| change.bins;
    assert!(bins(change("rec.a = 1", record(&[]))).is_empty());
    let saved = change("rec.a = 1 rec.b = nil assert(aerospike:update(rec) == 0) rec.a = 2", record(&[]));
    assert_eq!(saved.action, Action::Write { fresh: false });
    assert_eq!(saved.bins, [(b"a".to_vec(), Some(int(1))), (b"b".to_vec(), None)]);
    let created = change("rec.a = 'x' assert(aerospike:create(rec) == 0)", missing());
    assert_eq!(created.action, Action::Write { fresh: true });
    assert_eq!(created.bins, [(b"a".to_vec(), Some(string("x")))]);
    change("assert(aerospike:create(rec) == 1)", record(&[]));
    let removed = change("rec.a = 1 aerospike:update(rec) assert(aerospike:remove(rec) == 0)", record(&[]));
    assert_eq!((removed.action, removed.bins.len()), (Action::Remove, 0));
    let again =
        change("aerospike:remove(rec) assert(rec.a == nil) rec.b = 1 aerospike:create(rec)", record(&[]));
    assert_eq!((again.action, again.bins.len()), (Action::Write { fresh: true }, 1));
    change("aerospike:create(rec) rec.m = map() rec.m.k = 1 aerospike:update(rec)", missing());
}

#[test]
fn a_bin_changed_in_place_is_saved_when_it_is_assigned() {
    let before = [("l", particle(ParticleType::List, &[0x91, 1]))];
    assert!(change("list.append(rec.l, 2) aerospike:update(rec)", record(&before)).bins.is_empty());
    let saved = change("list.append(rec.l, 2) rec.l = rec.l aerospike:update(rec)", record(&before));
    assert_eq!(saved.bins, [(b"l".to_vec(), Some(particle(ParticleType::List, &[0x92, 1, 2])))]);
}

#[test]
fn ttl_and_key() {
    let saved =
        change("record.set_ttl(rec, -1) record.drop_key(rec) rec.a = 1 aerospike:update(rec)", record(&[]));
    assert_eq!((saved.ttl, saved.drop_key), (Some(-1), true));
}

#[test]
fn what_cannot_be_stored() {
    let refused = change("rec['sixteen-bytes-xx'] = 1 assert(aerospike:update(rec) < 0)", record(&[]));
    assert_eq!(refused.action, Action::Nothing);
    assert!(error("rec.a = {}").contains("a table cannot be stored"));
    assert!(error("rec.a = print").contains("a function cannot be stored"));
    assert!(error("rec[1] = 1").contains("must be a string"));
    assert!(error("rec.a = map{[1.5] = 1} aerospike:update(rec)").contains("bin 'a'"));
    assert!(error("rec.a = list{{}} aerospike:update(rec)").contains("bin 'a'"));
    assert!(error("aerospike:update({})").contains("record expected"));
}

#[test]
fn a_failed_call_changes_nothing() {
    let returned =
        apply("function f(rec) rec.a = 1 aerospike:update(rec) error('bang') end", NO_ARGS, record(&[]));
    assert_eq!(returned.value, Err(CallError::Failed("m.lua:1: bang".to_owned())));
    assert_eq!(returned.change, Change::default());
}

#[test]
fn errors_are_one_text() {
    assert_eq!(error("error('boom', 0)"), "boom");
    assert_eq!(error("local x = nil; return x.y"), "m.lua:1: attempt to index a nil value (local 'x')");
    assert_eq!(error("error({})"), "(error object is a table value)");
    assert_eq!(error("error()"), "(error object is a nil value)");
    assert_eq!(apply("x = 1", NO_ARGS, record(&[])).value, Err(CallError::NoFunction));
    let loading = apply("error('while loading')", NO_ARGS, record(&[])).value;
    assert_eq!(loading, Err(CallError::Failed("m.lua:1: while loading".to_owned())));
}

#[test]
fn scripts_log() {
    let source = "function f(rec)
        trace('t') debug('%d %s', 1, 'x') info('%d', 'no number') warn(nil) print(1, nil, 'x')
        aerospike:log(1, 'loud')
        return aerospike:get_current_time()
    end";
    let returned = apply(source, NO_ARGS, record(&[]));
    assert_eq!(returned.value, Ok(Some(int(1_709_210_096_789))));
    let lines: Vec<_> = returned.log.iter().map(|line| (line.level, line.text.as_str())).collect();
    let expected = [
        (LogLevel::Trace, "t"),
        (LogLevel::Debug, "1 x"),
        (LogLevel::Info, "%d"),
        (LogLevel::Warn, "nil"),
        (LogLevel::Info, "1\tnil\tx"),
        (LogLevel::Warn, "loud"),
    ];
    assert_eq!(lines, expected);
    assert_eq!(apply("function f() for i = 1, 1000 do info(i) end end", NO_ARGS, missing()).log.len(), 64);
}

#[test]
fn a_record_that_was_kept_is_empty_later() {
    let source = "function f(rec)
        if kept then return kept.a == nil and kept.b == 1 and not aerospike:exists(kept) end
        kept = rec rec.b = 1 return 0
    end";
    let pool = Arc::new(LuaPool::default());
    let library = Arc::new(Modules(vec![("m", source.to_owned())]));
    for expected in [int(0), particle(ParticleType::Bool, &[1])] {
        let mut lease = pool.take(&library, "m", limits()).unwrap();
        let returned = lease.apply("f", NO_ARGS, record(&[("a", int(1))]), NOW);
        assert_eq!(returned.value, Ok(Some(expected)));
    }
}

#[test]
fn dates() {
    check(
        "assert(os.time() == 1709210096 and os.date('!%Y-%m-%d', 0) == '1970-01-01')
        assert(os.date('*t').year == 2024 and os.time{year = 2024, month = 2, day = 29} == 1709208000)
        assert(os.difftime(5, 2) == 3.0 and os.clock() >= 0)",
    );
    assert!(error("os.time{}").contains("field 'year' missing"));
    assert!(error("os.date('%Q')").contains("invalid conversion"));
}
