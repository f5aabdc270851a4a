//! Functions in Lua that take long.

#![allow(clippy::panic, reason = "tests may fail loudly")]

use crate::client::{Client, config, digest, get, put, server_with};
use crate::cluster::three;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use shipload_node::config::{ModLuaKey, ServiceKey};
use shipload_server::{Running, Tuning};
use shipload_wire::bits::{field, info1, info2};
use shipload_wire::{Header, ResultCode, request};
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const MODULE: &str = "function spin(rec) while true do end end function one(rec) return 1 end";

/// The clock of a server's functions; those that have no end end when it is gone.
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A server with one service thread, whose functions end when the clock that is given back says so.
fn server() -> (Running, Stop) {
    let config = config();
    config.service.put(ServiceKey::ServiceThreads, "1").expect("a number");
    config.mod_lua.put(ModLuaKey::MaxInstructions, "1099511627776").expect("a number");
    let server = server_with(config, Tuning::default());
    let stop = Stop(Arc::default());
    let (stopped, ns) = (Arc::clone(&stop.0), AtomicU64::new(0));
    // Once stopped, hours pass between two looks, for those that begin only then too.
    let step_ns = move || if stopped.load(Ordering::SeqCst) { 1 << 40 } else { 0 };
    server.node().functions.pool.set_clock(Arc::new(move || ns.fetch_add(step_ns(), Ordering::SeqCst)));
    let content = STANDARD.encode(MODULE);
    let length = content.len();
    let put = format!("udf-put:filename=m.lua;content={content};content-len={length};udf-type=LUA;");
    assert_eq!(Client::to(&server).info(&put), "ok");
    (server, stop)
}

fn fields<'a>(name: &'a [u8; 20], function: &'a str) -> [(u8, &'a [u8]); 6] {
    [
        (field::NAMESPACE, b"test"),
        (field::SET, b"demo"),
        (field::DIGEST, name),
        (field::UDF_PACKAGE, b"m"),
        (field::UDF_FUNCTION, function.as_bytes()),
        (field::UDF_ARGS, &[0x90]),
    ]
}

fn call(number: u64, function: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let header = Header { info2: info2::WRITE, ..Header::default() };
    request::message(&mut bytes, &header, &fields(&digest(number), function), &[]);
    bytes
}

/// Whether nothing has come yet.
fn is_silent(client: &mut Client) -> bool {
    client.socket.set_nonblocking(true).expect("a socket");
    let peeked = client.socket.peek(&mut [0]);
    client.socket.set_nonblocking(false).expect("a socket");
    matches!(peeked, Err(error) if error.kind() == ErrorKind::WouldBlock)
}

/// Two records of one stripe.
fn neighbours() -> (u64, u64) {
    let stripe = |number: u64| digest(number)[0] & 63;
    let other = (1..).find(|number| stripe(*number) == stripe(0)).expect("64 stripes");
    (0, other)
}

#[test]
fn a_function_without_end_holds_up_nobody_else() {
    let (server, stop) = server();
    let (first, second) = neighbours();
    let (mut spinning, mut other) = (Client::to(&server), Client::to(&server));
    for number in [first, second] {
        other.send(&put(number, b"v"));
        assert_eq!(other.result(), ResultCode::Ok);
    }
    spinning.send(&call(first, "spin"));
    // The one service thread has it, or had it, when it answers this.
    other.send(&call(second, "one"));
    assert_eq!(other.result(), ResultCode::Ok);
    for number in [second, first] {
        other.send(&get(number));
        assert_eq!(other.result(), ResultCode::Ok);
        other.send(&put(number, b"w"));
        assert_eq!(other.result(), ResultCode::Ok);
    }
    assert!(is_silent(&mut spinning), "it is running");
    drop(stop);
    assert_eq!(spinning.result(), ResultCode::Udf);
    assert!(spinning.is_served());
}

#[test]
fn the_next_request_of_the_connection_waits_for_the_function() {
    let (server, stop) = server();
    let (mut client, mut other) = (Client::to(&server), Client::to(&server));
    let mut pair = call(1, "spin");
    pair.extend(put(1, b"later"));
    client.send(&pair);
    other.send(&call(2, "one"));
    assert_eq!(other.result(), ResultCode::Ok);
    other.send(&get(1));
    assert_eq!(other.result(), ResultCode::NotFound, "the put behind the function is not executed");
    drop(stop);
    assert_eq!((client.result(), client.result()), (ResultCode::Udf, ResultCode::Ok));
}

/// A batch with a row of each of these functions, on the records of their places.
fn batch(functions: &[&str]) -> Vec<u8> {
    let mut batch = u32::try_from(functions.len()).expect("few").to_be_bytes().to_vec();
    batch.push(4);
    for (index, function) in (0_u32..).zip(functions) {
        let name = digest(u64::from(index));
        batch.extend_from_slice(&index.to_be_bytes());
        batch.extend_from_slice(&name);
        // Info bits follow; no generation, no TTL.
        batch.extend_from_slice(&[2, 0, info2::WRITE, 0]);
        let all = fields(&name, function);
        let fields: Vec<_> = all.iter().filter(|(id, _)| *id != field::DIGEST).collect();
        batch.extend_from_slice(&u16::try_from(fields.len()).expect("few").to_be_bytes());
        batch.extend_from_slice(&[0, 0]);
        for (id, data) in fields {
            shipload_wire::reply::field(&mut batch, *id, data);
        }
    }
    let mut bytes = Vec::new();
    let header = Header { info1: info1::BATCH_INDEX | info1::READ, ..Header::default() };
    request::message(&mut bytes, &header, &[(field::BATCH, &batch)], &[]);
    bytes
}

/// The codes of a batch's rows.
fn codes(client: &mut Client, rows: usize) -> Vec<Option<ResultCode>> {
    let (_, body) = client.frame();
    let mut codes = vec![None; rows];
    for message in shipload_wire::response::messages(&body) {
        let message = message.expect("well formed");
        if !message.is_last() {
            codes[message.header.transaction_ttl as usize] = message.result();
        }
    }
    codes
}

#[test]
fn rows_of_long_functions_are_answered_with_the_others() {
    let (server, stop) = server();
    let (mut client, mut other) = (Client::to(&server), Client::to(&server));
    client.send(&batch(&["spin", "one", "spin", "one", "spin", "one"]));
    other.send(&call(7, "one"));
    assert_eq!(other.result(), ResultCode::Ok);
    assert!(is_silent(&mut client), "three of its rows are running or wait to");
    drop(stop);
    let long = |index: usize| if index.is_multiple_of(2) { ResultCode::Udf } else { ResultCode::Ok };
    assert_eq!(codes(&mut client, 6), (0..6).map(|index| Some(long(index))).collect::<Vec<_>>());
}

/// The integer in bin n.
fn count(client: &mut Client, number: u64) -> Option<i64> {
    client.send(&get(number));
    let (_, body) = client.frame();
    let answer = shipload_wire::Response::decode(&body).expect("well formed");
    let value = answer.ops.clone().find(|op| op.name == b"n")?.value;
    value.try_into().ok().map(i64::from_be_bytes)
}

/// Long functions on the same records through all nodes at once, alone and in batches: each that succeeded counts once.
#[test]
fn long_functions_count_once_whatever_node_they_are_called_through() {
    const KEYS: usize = 4;
    let servers = three();
    let content = STANDARD.encode(
        "function count(rec)
            for _ = 1, 150000 do end
            rec.n = (rec.n or 0) + 1
            if aerospike:exists(rec) then return aerospike:update(rec) end
            return aerospike:create(rec)
        end",
    );
    let length = content.len();
    let put = format!("udf-put:filename=m.lua;content={content};content-len={length};udf-type=LUA;");
    assert_eq!(Client::to(&servers[0]).info(&put), "ok");
    let mut clients = servers.each_ref().map(Client::to);
    let mut done = [0; KEYS];
    let mut note = |key: usize, code: Option<ResultCode>| match code {
        Some(ResultCode::Ok) => done[key] += 1,
        // Others were quicker, each time.
        Some(ResultCode::KeyBusy) => {}
        other => panic!("a function was answered with {other:?}"),
    };
    for round in 0..8 {
        let key = round % KEYS;
        for client in &mut clients[..2] {
            client.send(&call(key as u64, "count"));
        }
        clients[2].send(&batch(&["count"; KEYS]));
        for client in &mut clients[..2] {
            note(key, Some(client.result()));
        }
        codes(&mut clients[2], KEYS).into_iter().enumerate().for_each(|(key, code)| note(key, code));
    }
    for client in &mut clients {
        let counted: Vec<_> = (0..KEYS).map(|key| count(client, key as u64)).collect();
        assert_eq!(counted, done.map(Some));
    }
}
