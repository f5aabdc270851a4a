//! Functions: registering, calling on records, in batches, in background queries, aggregations.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use shipload_node::Notice;
use shipload_node::config::{ModLuaKey, NamespaceKey};
use shipload_wire::bits::{field, info1, info2, info3};
use shipload_wire::message::Header;
use shipload_wire::request::{self, Key};
use support::{Answer, Engine, digest, header, messages};

const MODULE: &str = "
function one(rec, value) return value end
function add(rec, name, amount)
  rec[name] = (rec[name] or 0) + amount
  if aerospike:exists(rec) then return aerospike:update(rec) end
  return aerospike:create(rec)
end
function ttl(rec, seconds) record.set_ttl(rec, seconds) rec.t = 1 return aerospike:update(rec) end
function clear(rec) for _, name in ipairs(record.bin_names(rec)) do rec[name] = nil end return aerospike:update(rec) end
function remove(rec) return aerospike:remove(rec) end
function again(rec) aerospike:remove(rec) rec.n = 1 return aerospike:create(rec) end
function huge(rec) rec.b = ('x'):rep(2 << 20) return aerospike:update(rec) end
function half(rec) rec.h = 1 aerospike:update(rec) error('bang') end
function spin(rec) while true do end end
function say(rec) warn('hello %d', 7) end
function total(s, name)
  return s : map(function(r) return r[name] end) : reduce(function(a, b) return a + b end)
end
function ids(s) return s : map(function(r) return r.a end) end
function broken(s) return s : map(function(r) error('late') end) end
function place(rec, text) rec.g = geojson(text) if aerospike:exists(rec) then return aerospike:update(rec) end return aerospike:create(rec) end
";

fn engine() -> Engine {
    let mut engine = Engine::new();
    assert_eq!(register(&mut engine, "m.lua", MODULE), "ok");
    engine
}

fn register(engine: &mut Engine, file: &str, source: &str) -> String {
    let content = STANDARD.encode(source);
    engine.info(&format!(
        "udf-put:filename={file};content={content};content-len={};udf-type=LUA;",
        content.len()
    ))
}

fn call_bytes(key: i64, header: Header, function: &str, args: &[u8], extra: &[(u8, &[u8])]) -> Vec<u8> {
    let name = digest(key).0;
    let mut fields: Vec<(u8, &[u8])> = vec![
        (field::NAMESPACE, b"test"),
        (field::SET, b"demo"),
        (field::DIGEST, &name),
        (field::UDF_PACKAGE, b"m"),
        (field::UDF_FUNCTION, function.as_bytes()),
        (field::UDF_ARGS, args),
    ];
    fields.extend_from_slice(extra);
    let mut bytes = Vec::new();
    request::message(&mut bytes, &Header { info2: info2::WRITE, ..header }, &fields, &[]);
    bytes
}

fn call(engine: &mut Engine, key: i64, function: &str, args: &[u8]) -> Answer {
    engine.message(&call_bytes(key, header(), function, args, &[]))
}

fn failure(answer: &Answer) -> String {
    assert_eq!(answer.header.result, 100, "{answer:?}");
    assert_eq!(answer.ops[0].2, "FAILURE");
    String::from_utf8_lossy(&answer.ops[0].3).into_owned()
}

/// The arguments "n" and 5.
const ADD_FIVE: &[u8] = &[0x92, 0xa2, 3, b'n', 5];
const NONE: &[u8] = &[0x90];

#[test]
fn a_function_creates_updates_and_removes() {
    let mut engine = engine();
    for (generation, sum) in [(1, 5), (2, 10)] {
        let answer = call(&mut engine, 1, "add", ADD_FIVE);
        assert_eq!((answer.header.result, answer.header.generation), (0, generation));
        assert_eq!(answer.integer("SUCCESS"), Some(0));
        assert_eq!(engine.get(1).integer("n"), Some(sum));
    }
    assert_eq!(call(&mut engine, 1, "one", &[0x91, 7]).integer("SUCCESS"), Some(7));
    assert_eq!(engine.get(1).header.generation, 2);
    assert_eq!(call(&mut engine, 1, "again", NONE).integer("SUCCESS"), Some(0));
    assert_eq!((engine.get(1).header.generation, engine.get(1).integer("n")), (1, Some(1)));
    assert_eq!(call(&mut engine, 1, "remove", NONE).integer("SUCCESS"), Some(0));
    assert_eq!(engine.get(1).header.result, 2);
    let counts = ["client_udf_complete", "client_lang_write_success", "client_lang_read_success"];
    assert_eq!(counts.map(|name| engine.statistic(name)), [5, 3, 1]);
    assert_eq!(engine.statistic("client_lang_delete_success"), 1);
}

#[test]
fn a_record_without_bins_is_deleted() {
    let mut engine = engine();
    engine.put_integer(1, "a", 1);
    let answer = call(&mut engine, 1, "clear", NONE);
    assert_eq!((answer.header.result, answer.integer("SUCCESS")), (0, Some(0)));
    assert_eq!(engine.get(1).header.result, 2);
}

/// A list of one text.
fn one_text(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    shipload_value::msgpack::writer::array_head(&mut out, 1);
    shipload_value::msgpack::writer::typed(&mut out, 3, text.as_bytes());
    out
}

#[test]
fn places_that_functions_store_can_be_indexed() {
    let mut engine = engine();
    let index = "sindex-create:namespace=test;set=demo;indexname=g;bin=g;type=geo2dsphere";
    assert_eq!(engine.info(index), "ok");
    let_it_run(&mut engine);
    let point = r#"{"type":"Point","coordinates":[1.0,2.0]}"#;
    assert_eq!(call(&mut engine, 1, "place", &one_text(point)).header.result, 0);
    let entries = engine.info("sindex-stat:namespace=test;indexname=g");
    assert!(entries.starts_with("entries=1;"), "{entries}");
    assert_eq!(call(&mut engine, 2, "place", &one_text("nowhere")).header.result, 100);
    assert_eq!(engine.get(2).header.result, 2);
}

#[test]
fn failures_say_why_and_change_nothing() {
    let mut engine = engine();
    engine.put_integer(1, "a", 1);
    assert_eq!(failure(&call(&mut engine, 1, "nope", NONE)), "function not found");
    assert_eq!(failure(&call(&mut engine, 1, "", NONE)), "function not found");
    assert_eq!(failure(&call(&mut engine, 1, "half", NONE)), "m.lua:13: bang");
    assert_eq!((engine.get(1).header.generation, engine.get(1).integer("h")), (1, None));
    assert_eq!(engine.info("udf-remove:filename=m.lua;"), "ok");
    assert_eq!(failure(&call(&mut engine, 1, "one", NONE)), "UDF: Execution Error 1");
    assert_eq!(register(&mut engine, "m.lua", "error('early')"), "ok");
    assert_eq!(failure(&call(&mut engine, 1, "one", NONE)), "m.lua:1: early");
    assert_eq!((engine.statistic("client_udf_error"), engine.statistic("client_lang_error")), (5, 5));
}

#[test]
fn a_new_version_counts_at_once() {
    let mut engine = engine();
    assert_eq!(call(&mut engine, 1, "one", &[0x91, 7]).integer("SUCCESS"), Some(7));
    assert_eq!(register(&mut engine, "m.lua", "function one() return 8 end"), "ok");
    assert_eq!(call(&mut engine, 1, "one", &[0x91, 7]).integer("SUCCESS"), Some(8));
}

#[test]
fn ttl_and_size_follow_the_rules_of_writes() {
    let mut engine = engine();
    engine.put_integer(1, "a", 1);
    call(&mut engine, 1, "ttl", &[0x91, 100]);
    let now_s = u32::try_from((engine.now.unix_ns / 1_000_000_000) - 1_262_304_000).unwrap();
    assert_eq!(engine.get(1).header.record_ttl, now_s + 100);
    call(&mut engine, 1, "ttl", &[0x91, 0xff]);
    assert_eq!(engine.get(1).header.record_ttl, 0);
    assert_eq!(call(&mut engine, 1, "ttl", &[0x91, 0xd0, 0x80]).header.result, 4);
    let header = Header { record_ttl: 50, ..header() };
    engine.message(&call_bytes(1, header, "add", ADD_FIVE, &[]));
    assert_eq!(engine.get(1).header.record_ttl, now_s + 50);
    let refused = call(&mut engine, 1, "huge", NONE);
    assert!(refused.integer("SUCCESS").unwrap() < 0);
    assert_eq!(engine.get(1).ops.len(), 3);
}

#[test]
fn limits_and_the_switch() {
    let mut engine = engine();
    engine.node.config().mod_lua.put(ModLuaKey::MaxInstructions, "100000").unwrap();
    assert_eq!(failure(&call(&mut engine, 1, "spin", NONE)), "instruction limit exceeded");
    assert_eq!(engine.info("set-config:context=service;disable-udf-execution=true"), "ok");
    assert_eq!(call(&mut engine, 1, "one", NONE).header.result, 22);
}

#[test]
fn modules_are_checked() {
    let mut engine = Engine::new();
    let answer = register(&mut engine, "bad.lua", "\nfunction f(");
    let message = answer.strip_prefix("error=compile_error;file=bad.lua;line=2;message=").unwrap();
    let message = String::from_utf8(STANDARD.decode(message).unwrap()).unwrap();
    assert!(message.starts_with("bad.lua:2: "), "{message}");
    for name in ["../x.lua", "a/b.lua", ".x.lua", "a..lua", "a b.lua", "\u{e9}.lua", "a,b.lua", "x"] {
        assert_eq!(register(&mut engine, name, "x = 1"), "error=invalid_filename", "{name}");
    }
    assert_eq!(engine.info("udf-list"), "");
}

#[test]
fn what_functions_log_reaches_the_shell() {
    let mut engine = engine();
    call(&mut engine, 1, "say", NONE);
    let logged = engine.maintain().into_iter().any(
        |notice| matches!(&notice, Notice::FunctionLog { module, text, .. } if module == "m" && text == "hello 7"),
    );
    assert!(logged);
}

/// Appends a batch row: index, digest, kind, three info bytes, generation, TTL, two counts, fields.
fn row(out: &mut Vec<u8>, index: u8, key: i64, function: &str) {
    out.extend([0, 0, 0, index]);
    out.extend(digest(key).0);
    out.extend([0x0e, 0, info2::WRITE, 0, 0, 0]);
    out.extend(u32::MAX.to_be_bytes());
    out.extend([0, 5, 0, 0]);
    let fields: [(u8, &[u8]); 5] = [
        (field::NAMESPACE, b"test"),
        (field::SET, b"demo"),
        (field::UDF_PACKAGE, b"m"),
        (field::UDF_FUNCTION, function.as_bytes()),
        (field::UDF_ARGS, ADD_FIVE),
    ];
    for (id, data) in fields {
        out.extend(u32::try_from(data.len() + 1).unwrap().to_be_bytes());
        out.push(id);
        out.extend_from_slice(data);
    }
}

#[test]
fn rows_of_a_batch_call_functions() {
    let mut engine = engine();
    engine.put_integer(1, "n", 1);
    let mut rows = vec![0, 0, 0, 3, 4];
    for (index, (key, function)) in (0u8..).zip([(1, "add"), (2, "nope"), (3, "add")]) {
        row(&mut rows, index, key, function);
    }
    let mut bytes = Vec::new();
    let header = Header { info1: info1::BATCH_INDEX, ..Header::default() };
    request::message(&mut bytes, &header, &[(field::BATCH, &rows)], &[]);
    let answers = engine.messages(&bytes);
    let results: Vec<_> = answers.iter().map(|answer| answer.header.result).collect();
    assert_eq!(results, [0, 100, 0, 0]);
    assert_eq!(failure(&answers[1]), "function not found");
    assert_eq!((engine.get(1).integer("n"), engine.get(3).integer("n")), (Some(6), Some(5)));
    assert_eq!(engine.statistic("batch_sub_udf_complete"), 2);
    assert_eq!(engine.statistic("batch_sub_lang_error"), 1);
}

/// A query with a function.
fn query(op: u8, function: &str, args: &[u8], header: Header, task_id: u64) -> Vec<u8> {
    query_of(op == 1, op, function, args, header, task_id)
}

fn query_of(partitioned: bool, op: u8, function: &str, args: &[u8], header: Header, task_id: u64) -> Vec<u8> {
    let partitions: Vec<u8> = (0..4096u16).flat_map(u16::to_le_bytes).collect();
    let (op, task_id) = ([op], task_id.to_be_bytes());
    let mut fields: Vec<(u8, &[u8])> = vec![
        (field::NAMESPACE, b"test"),
        (field::SET, b"demo"),
        (field::TASK_ID, &task_id),
        (field::UDF_PACKAGE, b"m"),
        (field::UDF_FUNCTION, function.as_bytes()),
        (field::UDF_ARGS, args),
        (field::UDF_OP, &op),
    ];
    if partitioned {
        fields.push((field::PARTITIONS, &partitions));
    }
    let mut bytes = Vec::new();
    request::message(&mut bytes, &header, &fields, &[]);
    bytes
}

/// Lets background work go on for two seconds.
fn let_it_run(engine: &mut Engine) {
    for _ in 0..20 {
        engine.pass_ms(100);
        engine.maintain();
    }
}

#[test]
fn a_background_query_calls_a_function_on_every_record() {
    let mut engine = Engine::with(&[(NamespaceKey::BackgroundQueryMaxRps, "1000000")]);
    register(&mut engine, "m.lua", MODULE);
    (0..300).for_each(|key| drop(engine.put_integer(key, "n", key)));
    // The Rust client sends a read bit and no write bit.
    let read = Header { info1: info1::READ, record_ttl: u32::MAX, ..Header::default() };
    let started = engine.message(&query(2, "add", ADD_FIVE, read, 77));
    assert_eq!((started.header.result, started.header.info3), (0, info3::LAST));
    let_it_run(&mut engine);
    assert!((0..300).all(|key| engine.get(key).integer("n") == Some(key + 5)));
    let shown = engine.info("query-show:id=77");
    assert!(shown.contains("job-type=background-udf") && shown.contains("recs-succeeded=300"), "{shown}");
    assert!(shown.ends_with(":udf-filename=m:udf-function=add:udf-active=0"), "{shown}");
    assert_eq!(engine.statistic("pi_query_udf_bg_complete"), 1);
    assert_eq!(engine.statistic("udf_sub_udf_complete"), 300);
    let missing = query(2, "nope", NONE, Header { info2: info2::WRITE, ..Header::default() }, 78);
    assert_eq!(engine.message(&missing).header.result, 0);
    let_it_run(&mut engine);
    assert!(engine.info("query-show:id=78").contains("recs-failed=300"));
}

#[test]
fn an_aggregation_sends_the_results_of_a_stream() {
    let mut engine = engine();
    (1..=500).for_each(|key| drop(engine.put_integer(key, "a", key)));
    let header = Header { info1: info1::READ, info3: info3::PARTITION_DONE, ..Header::default() };
    let total = engine.messages(&query(1, "total", &[0x91, 0xa2, 3, b'a'], header, 1));
    assert_eq!(total.len(), 2, "{total:?}");
    assert_eq!(total[0].integer("SUCCESS"), Some(500 * 501 / 2));
    assert_eq!((total[1].header.result, total[1].header.info3), (0, info3::LAST));
    let ids = engine.messages(&query(1, "ids", NONE, header, 2));
    assert_eq!(ids.iter().filter_map(|answer| answer.integer("SUCCESS")).sum::<i64>(), 500 * 501 / 2);
    assert_eq!(engine.statistic("pi_query_aggr_complete"), 2);
    assert!(engine.info("query-show:id=2").contains("job-type=aggregation"));
    let empty = engine.messages(&query(1, "total", &[0x91, 0xa2, 3, b'z'], header, 3));
    assert_eq!(empty.len(), 1);
}

/// The C client, and those built on it, ask so.
#[test]
fn an_aggregation_that_names_no_partition_is_of_all_that_the_node_masters() {
    let mut engine = engine();
    (1..=500).for_each(|key| drop(engine.put_integer(key, "a", key)));
    let header = Header { info1: info1::READ, ..Header::default() };
    let total = engine.messages(&query_of(false, 1, "total", &[0x91, 0xa2, 3, b'a'], header, 1));
    assert_eq!(total.len(), 2, "{total:?}");
    assert_eq!(total[0].integer("SUCCESS"), Some(500 * 501 / 2));
}

#[test]
fn a_broken_aggregation_says_why() {
    let mut engine = engine();
    engine.put_integer(1, "a", 1);
    let header = Header { info1: info1::READ, info3: info3::PARTITION_DONE, ..Header::default() };
    for (task_id, (function, text)) in (1..).zip([
        ("nope", "UDF: Execution Error 2 : function not found"),
        ("broken", "UDF: Execution Error 2 : m.lua:20: late"),
    ]) {
        let answers = engine.messages(&query(1, function, NONE, header, task_id));
        assert_eq!(answers.len(), 2);
        assert_eq!((answers[0].header.result, answers[0].ops[0].2.as_str()), (0, "FAILURE"));
        assert_eq!(String::from_utf8_lossy(&answers[0].ops[0].3), text);
        assert_eq!((answers[1].header.result, answers[1].header.info3), (1, info3::LAST));
    }
    assert_eq!(engine.statistic("pi_query_aggr_error"), 2);
}

/// Others get their turn after each record whose function takes as long as all of a slice may.
#[test]
fn an_aggregation_of_long_functions_is_cut_into_slices() {
    let mut engine = engine();
    let slow = "function slow(s) return s : map(function(r) for _ = 1, 1000000 do end return r.a end) end";
    assert_eq!(register(&mut engine, "m.lua", slow), "ok");
    (0..5).for_each(|key| drop(engine.put_integer(key, "a", key)));
    let read = Header { info1: info1::READ, ..Header::default() };
    let (mut out, executed) = engine.execute(&query(1, "slow", NONE, read, 9));
    let shipload_node::Executed::Query(mut job) = executed else { unreachable!("a query is stepped") };
    let mut slices = Vec::new();
    loop {
        let before = out.len();
        let more = engine.step(&mut job, &mut out);
        slices.push(messages(&out[before..]).len());
        if more.is_none() {
            break;
        }
    }
    assert_eq!(slices.iter().sum::<usize>(), 6, "five values and the end");
    assert!(slices.iter().all(|messages| *messages <= 1), "{slices:?}");
}

#[test]
fn a_dropped_aggregation_is_over() {
    let mut engine = engine();
    (1..=5000).for_each(|key| drop(engine.put_integer(key, "a", key)));
    let header = Header { info1: info1::READ, info3: info3::PARTITION_DONE, ..Header::default() };
    let (out, executed) = engine.execute(&query(1, "ids", NONE, header, 9));
    assert!(messages(&out).is_empty());
    let shipload_node::Executed::Query(mut job) = executed else { unreachable!("a query is stepped") };
    assert!(engine.step(&mut job, &mut Vec::new()).is_some());
    drop(job);
    assert!(engine.info("query-show:id=9").contains("status=done"));
}

#[test]
fn a_stored_key_can_be_dropped() {
    let mut engine = Engine::new();
    register(
        &mut engine,
        "m.lua",
        "function drop(rec) record.drop_key(rec) rec.x = 1 return aerospike:update(rec) end
        function key(rec) return record.key(rec) end",
    );
    let name = digest(1).0;
    let user_key = 1i64.to_be_bytes();
    let key = Key { user_key: Some((1, &user_key)), ..Key::new("test", "demo", &name) };
    let mut bytes = Vec::new();
    request::put(&mut bytes, &header(), &key, &[support::integer("a", &[0; 8])]);
    engine.message(&bytes);
    assert_eq!(call(&mut engine, 1, "key", NONE).integer("SUCCESS"), Some(1));
    call(&mut engine, 1, "drop", NONE);
    assert_eq!(call(&mut engine, 1, "key", NONE).integer("SUCCESS"), None);
}
