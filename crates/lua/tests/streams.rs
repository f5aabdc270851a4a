//! Streams: the node's part of an aggregation.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

mod support;

use shipload_lua::record::Record;
use shipload_lua::{CallError, LuaPool};
use shipload_value::{OwnedParticle, ParticleType};
use std::sync::Arc;
use support::{Modules, NO_ARGS, NOW, int, limits, particle, record};

/// What comes out for records with bin v = 1 to 4 and bin k = v % 2.
fn run(body: &str, count: i64) -> Result<Vec<OwnedParticle>, CallError> {
    let source = format!(
        "local function v(rec) return rec.v end
        local function add(a, b) return a + b end
        function f(s, ...) {body} end"
    );
    let pool = Arc::new(LuaPool::default());
    let library = Arc::new(Modules(vec![("m", source)]));
    let mut lease = pool.take(&library, "m", limits()).unwrap();
    let stream = lease.open("f", NO_ARGS, NOW)?;
    let mut out = Vec::new();
    for value in 1..=count {
        let record: Record = record(&[("v", int(value)), ("k", int(value % 2))]);
        out.extend(lease.push(&stream, record, NOW)?);
    }
    out.extend(lease.finish(&stream, NOW)?);
    Ok(out.into_iter().flatten().collect())
}

#[test]
fn filter_map_reduce() {
    assert_eq!(run("return s : map(v)", 3), Ok(vec![int(1), int(2), int(3)]));
    assert_eq!(run("return s : map(v) : reduce(add)", 4), Ok(vec![int(10)]));
    assert_eq!(
        run("return s : filter(function(r) return r.k == 1 end) : map(v)", 4),
        Ok(vec![int(1), int(3)])
    );
    assert_eq!(run("return s : map(v) : reduce(add)", 0), Ok(vec![]));
    assert_eq!(
        run("return s : map(function(r) if r.v > 2 then return r.v end end)", 4),
        Ok(vec![int(3), int(4)])
    );
}

#[test]
fn what_follows_a_reduce_is_the_clients() {
    let body = "return s : map(v) : reduce(add) : map(function(x) return x * 100 end)";
    assert_eq!(run(body, 4), Ok(vec![int(10)]));
}

#[test]
fn aggregate_and_groupby() {
    let body = "return s : aggregate(map{n = 0}, function(m, r) m.n = m.n + r.v return m end)";
    assert_eq!(run(body, 4), Ok(vec![particle(ParticleType::Map, &[0x81, 0xa2, 3, b'n', 10])]));
    let body = "return s : map(v) : groupby(function(x) return x % 2 end)";
    assert_eq!(run(body, 4), Ok(vec![particle(ParticleType::Map, &[0x82, 0, 0x92, 2, 4, 1, 0x92, 1, 3])]));
}

#[test]
fn a_stream_only_reads() {
    let body = "return s : map(function(r) r.v = 9 return aerospike:update(r) end)";
    let error = run(body, 1).unwrap_err().to_string();
    assert!(error.contains("'aerospike:update' is not allowed in a stream"), "{error}");
}

#[test]
fn errors_end_the_stream() {
    assert_eq!(run("return 1", 1), Err(CallError::Failed("the function did not return a stream".to_owned())));
    assert!(run("return s : map(1)", 1).unwrap_err().to_string().contains("function expected"));
    assert!(run("return s : map(function() error('bang') end)", 1).unwrap_err().to_string().contains("bang"));
    assert!(run("return s : map(function() while true do end end)", 1).is_err());
    assert!(run("return s : map(v) : reduce(function() error('late') end)", 2).is_err());
}

/// What a client makes of the values that two nodes gave.
fn at_client(body: &str) -> Result<Vec<OwnedParticle>, CallError> {
    let source = format!("local function add(a, b) return a + b end function f(s, ...) {body} end");
    let pool = Arc::new(LuaPool::default());
    let mut lease = pool.take(&Arc::new(Modules(vec![("m", source)])), "m", limits()).unwrap();
    let stream = lease.open_at_client("f", NO_ARGS, NOW)?;
    let mut out = Vec::new();
    for value in [10, 32] {
        out.extend(lease.push_value(&stream, int(value).as_particle(), NOW)?);
    }
    out.extend(lease.finish(&stream, NOW)?);
    Ok(out.into_iter().flatten().collect())
}

#[test]
fn a_client_begins_with_the_first_reduce() {
    assert_eq!(at_client("return s : map(error) : reduce(add)"), Ok(vec![int(42)]));
    let more = "return s : filter(error) : reduce(add) : map(function(x) return x * 100 end)";
    assert_eq!(at_client(more), Ok(vec![int(4200)]));
    assert_eq!(at_client("return s : map(error)"), Ok(vec![int(10), int(32)]), "nothing is left to do");
    assert!(at_client("return s : reduce(function() error('late') end)").is_err());
}
