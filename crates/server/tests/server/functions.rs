//! Functions in Lua that take long, on a server with one service thread.

use crate::client::{Client, config, digest, get, put, server_with};
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

/// A batch: some rows of a function without end, and rows of one that ends at once.
#[test]
fn rows_of_long_functions_are_answered_with_the_others() {
    let (server, stop) = server();
    let mut batch = 6_u32.to_be_bytes().to_vec();
    batch.push(4);
    for index in 0..6_u32 {
        let name = digest(u64::from(index));
        batch.extend_from_slice(&index.to_be_bytes());
        batch.extend_from_slice(&name);
        // Info bits follow; no generation, no TTL.
        batch.extend_from_slice(&[2, 0, info2::WRITE, 0]);
        let function = if index % 2 == 0 { "spin" } else { "one" };
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
    let (mut client, mut other) = (Client::to(&server), Client::to(&server));
    client.send(&bytes);
    other.send(&call(7, "one"));
    assert_eq!(other.result(), ResultCode::Ok);
    assert!(is_silent(&mut client), "three of its rows are running or wait to");
    drop(stop);
    let (_, body) = client.frame();
    let mut codes = vec![None; 6];
    for message in shipload_wire::response::messages(&body) {
        let message = message.expect("well formed");
        if !message.is_last() {
            codes[message.header.transaction_ttl as usize] = message.result();
        }
    }
    let long = |index: usize| if index.is_multiple_of(2) { ResultCode::Udf } else { ResultCode::Ok };
    assert_eq!(codes, (0..6).map(|index| Some(long(index))).collect::<Vec<_>>());
}
