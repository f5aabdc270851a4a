//! Clients that don't read: what they can make the server hold is bounded, and they end.

use crate::client::{Client, config, eventually, fill, get, scan, server_with};
use shipload_server::{Running, Tuning};
use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

const UNSENT_HIGH: usize = 256 << 10;

fn narrow(stall: Duration) -> Running {
    let tuning = Tuning { unsent_high: UNSENT_HIGH, stall, ..Tuning::default() };
    server_with(config(), tuning)
}

/// Sends requests without reading until the server takes no more.
fn choke(client: &mut Client, request: &[u8]) -> usize {
    client.socket.set_write_timeout(Some(Duration::from_millis(300))).expect("a timeout");
    let mut sent = 0;
    loop {
        match client.socket.write_all(request) {
            Ok(()) => sent += 1,
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
                return sent;
            }
        }
        assert!(sent < 4000, "the server took {sent} requests whose answers nobody reads");
    }
}

#[test]
fn unread_replies_are_bounded_and_come_whole_in_the_end() {
    let server = narrow(Duration::from_secs(60));
    fill(&server, 1, 100_000);
    let mut client = Client::to(&server);
    // Many small reads of a large record: a thousand requests in 100 KB ask for 100 MB.
    let burst: Vec<u8> = std::iter::repeat_n(get(0), 1000).flatten().collect();
    let bursts = choke(&mut client, &burst);
    assert!(bursts >= 1);
    // One reply may pass the mark, and a buffer that grew may be twice as large as what is in it.
    let bound = (2 * (UNSENT_HIGH + 100_200) + Tuning::default().read_size + (16 << 10)) as u64;
    assert!(server.buffered_bytes() <= bound, "{} bytes are held", server.buffered_bytes());
    assert!(Client::to(&server).is_served(), "others are served meanwhile");
    for _ in 0..bursts * 1000 {
        let (kind, body) = client.frame();
        assert!(kind == 3 && body.len() > 100_000);
    }
}

#[test]
fn a_query_that_nobody_reads_waits_and_is_whole_in_the_end() {
    let server = narrow(Duration::from_secs(60));
    fill(&server, 3000, 10_000);
    let mut client = Client::to(&server);
    client.send(&scan(0));
    eventually("the query to fill what it may", || server.buffered_bytes() > 0);
    // The answer has 30 MB; loopback sockets take a few of them.
    for _ in 0..100 {
        assert!(server.buffered_bytes() <= 3 * UNSENT_HIGH as u64, "{}", server.buffered_bytes());
        assert!(Client::to(&server).is_served());
    }
    let mut records = 0;
    loop {
        let (_, body) = client.frame();
        let messages: Vec<_> =
            shipload_wire::response::messages(&body).map(|one| one.expect("well formed")).collect();
        records += messages.iter().filter(|one| !one.is_last() && !one.is_partition_done()).count();
        if messages.iter().any(shipload_wire::Response::is_last) {
            break;
        }
    }
    assert_eq!(records, 3000);
    eventually("buffers to be given back", || server.buffered_bytes() == 0);
}

#[test]
fn a_client_that_never_reads_is_closed() {
    let server = narrow(Duration::from_millis(200));
    fill(&server, 1, 100_000);
    let mut client = Client::to(&server);
    let burst: Vec<u8> = std::iter::repeat_n(get(0), 1000).flatten().collect();
    client.send(&burst);
    eventually("the buffers to go with the connection", || {
        let connections = &server.node().facts.client_connections;
        connections.load(std::sync::atomic::Ordering::Relaxed) == 0 && server.buffered_bytes() == 0
    });
    // What the kernel holds already may still be read; then the connection is over.
    let mut sink = vec![0; 1 << 20];
    while client.socket.read(&mut sink).is_ok_and(|bytes| bytes > 0) {}
}

#[test]
fn a_client_that_leaves_in_the_middle_of_a_query_takes_it_along() {
    let server = narrow(Duration::from_secs(60));
    fill(&server, 3000, 10_000);
    for _ in 0..20 {
        let mut client = Client::to(&server);
        client.send(&scan(0));
        let mut some = [0; 1000];
        client.socket.read_exact(&mut some).expect("the answer begins");
        drop(client);
    }
    eventually("all queries to end with their connections", || {
        let connections = &server.node().facts.client_connections;
        connections.load(std::sync::atomic::Ordering::Relaxed) == 0 && server.buffered_bytes() == 0
    });
}

#[test]
fn large_frames_together_are_bounded() {
    let tuning = Tuning { held_max: 1 << 20, ..Tuning::default() };
    let server = server_with(config(), tuning);
    let mut header = vec![2, 3];
    header.extend_from_slice(&(100u64 << 20).to_be_bytes()[2..]);
    let mut closed = 0;
    let mut kept = Vec::new();
    for _ in 0..30 {
        let mut client = Client::to(&server);
        client.send(&header);
        // Even a buffer that has just doubled for this stays far below the bound, so the first one is kept.
        if client.socket.write_all(&vec![0; 200 << 10]).is_err() {
            closed += 1;
        }
        kept.push(client);
        // Two threads, each with its own bound, and at most one doubling above it.
        assert!(server.buffered_bytes() <= 4 << 20, "{} bytes are held", server.buffered_bytes());
    }
    let open = || server.node().facts.client_connections.load(std::sync::atomic::Ordering::Relaxed);
    eventually("most of them to be closed", || open() <= 10);
    assert!(closed < 30, "the first one was refused");
    assert!(Client::to(&server).is_served());
}
