//! Frames as no decent client sends them. Expectations: `guide/protocol.md` part 12.2.

use crate::client::{Client, digest, eventually, fill, get, put, scan, server};
use shipload_wire::request::{self, Key};
use shipload_wire::{Response, ResultCode};

/// A frame header with any version, kind and announced size.
fn header(version: u8, kind: u8, size: u64) -> [u8; 8] {
    let [_, _, s0, s1, s2, s3, s4, s5] = size.to_be_bytes();
    [version, kind, s0, s1, s2, s3, s4, s5]
}

#[test]
fn requests_in_one_segment_are_answered_in_order() {
    let server = server();
    let mut client = Client::to(&server);
    let mut bytes = Vec::new();
    for number in 0..500u64 {
        bytes.extend(put(number, &number.to_be_bytes()));
        bytes.extend(get(number));
    }
    client.send(&bytes);
    for number in 0..500u64 {
        assert_eq!(client.result(), ResultCode::Ok);
        let (_, body) = client.frame();
        let response = Response::decode(&body).expect("well formed");
        let bin = response.ops.clone().next().expect("one bin");
        assert_eq!(bin.value, number.to_be_bytes());
    }
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let server = server();
    let mut client = Client::to(&server);
    for byte in [put(1, b"slowly"), get(1), get(2)].concat() {
        client.send(&[byte]);
    }
    assert_eq!(client.result(), ResultCode::Ok);
    assert_eq!(client.result(), ResultCode::Ok);
    assert_eq!(client.result(), ResultCode::NotFound);
    eventually("nothing to be kept", || server.buffered_bytes() == 0);
}

#[test]
fn a_large_request_crosses_many_reads() {
    let server = server();
    let mut client = Client::to(&server);
    let value: Vec<u8> = (0..900_000u32).map(|n| n.to_le_bytes()[0]).collect();
    client.send(&[put(1, &value), get(1), get(1)].concat());
    assert_eq!(client.result(), ResultCode::Ok);
    for _ in 0..2 {
        let (_, body) = client.frame();
        let response = Response::decode(&body).expect("well formed");
        assert_eq!(response.ops.clone().next().expect("one bin").value, value);
    }
    eventually("buffers to be given back", || server.buffered_bytes() == 0);
}

#[test]
fn wrong_versions_and_unknown_kinds_reset_the_connection() {
    let server = server();
    for (version, kind) in
        [(0, 1), (1, 1), (3, 1), (0, 3), (1, 3), (3, 3), (2, 0), (2, 6), (2, 9), (255, 255)]
    {
        let mut client = Client::to(&server);
        client.send(&header(version, kind, 22));
        assert!(client.is_closed_without_answer(), "version {version} kind {kind}");
    }
    let mut telnet = Client::to(&server);
    telnet.send(b"statistics\n");
    assert!(telnet.is_closed_without_answer(), "text on the service port");
    let mut browser = Client::to(&server);
    browser.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(browser.is_closed_without_answer(), "HTTP on the service port");
    assert!(Client::to(&server).is_served());
}

#[test]
fn what_came_before_a_bad_frame_is_answered() {
    let server = server();
    let mut client = Client::to(&server);
    client.send(&[put(1, b"x").as_slice(), &header(9, 9, 9)].concat());
    assert_eq!(client.result(), ResultCode::Ok);
    assert!(client.is_closed_without_answer());
}

#[test]
fn a_frame_over_the_limit_closes_and_one_at_the_limit_costs_nothing_yet() {
    let server = server();
    let mut over = Client::to(&server);
    over.send(&header(2, 3, 129 << 20));
    assert!(over.is_closed_without_answer());
    let mut lies: Vec<Client> = (0..50).map(|_| Client::to(&server)).collect();
    for client in &mut lies {
        client.send(&header(2, 3, 128 << 20));
        client.send(&[0; 1000]);
    }
    eventually("the bytes to arrive", || server.buffered_bytes() >= 50 * 1008);
    assert!(server.buffered_bytes() <= 50 * 8192, "{} bytes are held", server.buffered_bytes());
    drop(lies);
    eventually("the buffers to go with their connections", || server.buffered_bytes() == 0);
}

#[test]
fn truncated_frames_end_with_their_connection() {
    let server = server();
    let whole = put(1, b"value");
    for cut in 0..whole.len() {
        let mut client = Client::to(&server);
        client.send(&whole[..cut]);
        client.socket.shutdown(std::net::Shutdown::Write).expect("shut down");
        assert!(client.is_closed_without_answer(), "cut at {cut}");
    }
    let mut client = Client::to(&server);
    client.send(&get(1));
    assert_eq!(client.result(), ResultCode::NotFound, "no part of a record was stored");
}

#[test]
fn lying_lengths_inside_a_frame_are_parameter_errors() {
    let server = server();
    let mut client = Client::to(&server);
    let good = put(1, b"value");
    let fields_at = 8 + 22;
    let mut lies = Vec::new();
    for (at, value) in [(8 + 18, 0xff), (8 + 19, 0xff), (8 + 20, 0xff), (8 + 21, 9), (fields_at, 0xff)] {
        let mut lie = good.clone();
        lie[at] = value;
        lies.push(lie);
    }
    lies.push(header(2, 3, 0).to_vec());
    lies.push([header(2, 3, 5).as_slice(), &[22, 0, 0, 0, 0]].concat());
    for lie in lies {
        client.send(&lie);
        assert_eq!(client.result(), ResultCode::Parameter);
    }
    client.send(&get(1));
    assert_eq!(client.result(), ResultCode::NotFound);
}

#[test]
fn kinds_that_are_refused_but_leave_the_connection_open() {
    let server = server();
    let mut client = Client::to(&server);
    client.send(&header(2, 5, 0));
    assert_eq!(client.result(), ResultCode::Parameter);
    client.send(&[header(0, 2, 16).as_slice(), &[0; 16]].concat());
    let (kind, body) = client.frame();
    assert_eq!((kind, body.len(), body.get(1)), (2, 16, Some(&51)), "security is not enabled");
    client.send(&[header(2, 3, 22).as_slice(), &[0; 22]].concat());
    assert_ne!(client.result(), ResultCode::Ok);
    let mut out = Vec::new();
    request::get(&mut out, &Key::new("nope", "demo", &digest(1)), 0);
    client.send(&out);
    assert_eq!(client.result(), ResultCode::NamespaceNotFound);
    assert!(client.is_served());
}

#[test]
fn a_query_and_what_follows_it_are_answered_in_order() {
    let server = server();
    fill(&server, 2000, 500);
    let mut client = Client::to(&server);
    client.send(&[scan(0), put(5000, b"after"), get(5000)].concat());
    let mut records = 0;
    'scan: loop {
        let (kind, body) = client.frame();
        assert_eq!(kind, 3);
        for message in shipload_wire::response::messages(&body) {
            let message = message.expect("well formed");
            if message.is_last() {
                break 'scan;
            }
            records += u32::from(!message.is_partition_done());
        }
    }
    assert_eq!(records, 2000);
    assert_eq!(client.result(), ResultCode::Ok);
    assert_eq!(client.result(), ResultCode::Ok);
}

#[test]
fn a_half_closed_connection_gets_its_answers() {
    let server = server();
    fill(&server, 100, 100);
    let mut client = Client::to(&server);
    client.send(&[get(1), get(2), scan(0)].concat());
    client.socket.shutdown(std::net::Shutdown::Write).expect("shut down");
    assert_eq!(client.result(), ResultCode::Ok);
    assert_eq!(client.result(), ResultCode::Ok);
    let mut rest = Vec::new();
    std::io::Read::read_to_end(&mut client.socket, &mut rest).expect("the answer, then the end");
    assert!(rest.len() > 100 * 100, "{} bytes of a scan", rest.len());
}
