//! Bad neighbours of a cluster: whoever speaks to its ports without being one of it is refused with a line in the log,
//! and whoever is one of it but stands still or has a wrong clock loses nothing.

#[path = "neighbours/server.rs"]
mod server;

use server::{Server, cluster, eventually};
use shipload_cluster::fabric::{Hello, Message};
use shipload_cluster::{ClusterName, NodeId};
use std::io::{Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::process::Command;

/// A socket that nodes may take for a seed.
fn fake_seed(server_address: &str) -> UdpSocket {
    let socket = UdpSocket::bind((server_address, 0)).expect("a free port");
    socket.set_read_timeout(Some(server::DEADLINE)).expect("a timeout");
    socket
}

/// What a node sends to a socket that it takes for a seed.
fn overhear(socket: &UdpSocket) -> Vec<u8> {
    let mut bytes = [0; 2048];
    let length = socket.recv(&mut bytes).expect("a node seeks its seeds");
    bytes[..length].to_vec()
}

/// Nobody joined, and the node serves.
fn is_unharmed(server: &Server) {
    eventually("the node to be a cluster of its own", || server.is_whole(1));
    server.write(0..20);
    server.read(0..20);
}

#[test]
fn a_cluster_of_another_name_stays_another_cluster() {
    let red = Server::start(&["--set", "service.cluster-name=red"]);
    let seed = red.heartbeat().to_string();
    let blue = Server::start(&["--set", "service.cluster-name=blue", "--seed", &seed]);
    red.wait_for_log("another cluster's name");
    // The fabric's door is as closed as that of gossip.
    let hello = hello("blue", shipload_cluster::fabric::PROTOCOL_VERSION);
    let mut socket = red.connect_fabric();
    socket.write_all(&hello).expect("it is open");
    is_closed(&mut socket);
    red.wait_for_log("a cluster of another name");
    is_unharmed(&red);
    is_unharmed(&blue);
}

fn hello(cluster: &str, version: u16) -> Vec<u8> {
    let cluster = ClusterName::new(cluster).expect("short").hash();
    let mut bytes = Vec::new();
    Message::Hello(Hello { version, cluster, node: NodeId(77), incarnation: 1 }).encode(&mut bytes);
    bytes
}

/// The other side has ended the connection.
fn is_closed(socket: &mut TcpStream) {
    let mut rest = Vec::new();
    // A reset is an end too.
    if let Err(error) = socket.read_to_end(&mut rest) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
    }
}

#[test]
fn another_version_is_refused_on_both_ports() {
    let address = server::address();
    let seed = fake_seed(&address);
    let server = Server::start(&["--seed", &seed.local_addr().expect("bound").to_string()]);
    let mut datagram = overhear(&seed);
    datagram[2] = 99;
    seed.send_to(&datagram, server.heartbeat()).expect("sent");
    server.wait_for_log("another protocol version");
    let mut socket = server.connect_fabric();
    socket.write_all(&hello("", 99)).expect("it is open");
    is_closed(&mut socket);
    server.wait_for_log("it speaks version 99");
    is_unharmed(&server);
}

#[test]
fn a_port_scanner_is_told_nothing_and_changes_nothing() {
    let server = Server::start(&[]);
    let noise = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".to_vec(),
        vec![0; 100_000],
        vec![0xff; 100_000],
    ];
    for bytes in &noise {
        let mut socket = server.connect_fabric();
        // It may be closed before all is sent.
        let _ = socket.write_all(bytes);
        let _ = socket.shutdown(std::net::Shutdown::Write);
        is_closed(&mut socket);
    }
    for _ in 0..100 {
        drop(server.connect_fabric());
    }
    server.wait_for_log("a link between nodes was refused");
    let scanner = fake_seed(&server::address());
    for length in [0, 1, 15, 16, 100, 1400, 1401, 60_000] {
        scanner.send_to(&vec![0xa5; length], server.heartbeat()).expect("sent");
    }
    server.wait_for_log("not a gossip datagram");
    scanner.set_nonblocking(true).expect("a socket");
    is_unharmed(&server);
    assert!(scanner.recv(&mut [0; 16]).is_err(), "noise is not answered");
}

#[test]
fn old_and_damaged_gossip_brings_nobody_back() {
    let spy = fake_seed(&server::address());
    let spy_address = spy.local_addr().expect("bound").to_string();
    let first = Server::start(&[]);
    let seed = first.heartbeat().to_string();
    let second = Server::start(&["--seed", &seed, "--seed", &spy_address]);
    eventually("both to be one cluster", || first.statistic("cluster_size") == "2");
    let heard: Vec<Vec<u8>> = (0..3).map(|_| overhear(&spy)).collect();
    second.kill();
    eventually("the first to go on alone", || first.is_whole(1));
    for _ in 0..20 {
        for datagram in &heard {
            spy.send_to(datagram, first.heartbeat()).expect("sent");
        }
    }
    for datagram in &heard {
        for length in 0..datagram.len() {
            spy.send_to(&datagram[..length], first.heartbeat()).expect("sent");
        }
        for place in 0..datagram.len() {
            let mut changed = datagram.clone();
            changed[place] ^= 0x10;
            spy.send_to(&changed, first.heartbeat()).expect("sent");
        }
    }
    first.wait_for_log("damaged");
    eventually("the first to be alone", || first.is_whole(1));
    is_unharmed(&first);
}

#[test]
fn a_node_that_stands_still_comes_back_and_nothing_is_lost() {
    let nodes = cluster(3);
    // Somebody who connects and says nothing more costs nothing either.
    let mut silent = nodes[0].connect_fabric();
    silent.write_all(&hello("", 1)[..3]).expect("it is open");
    nodes[0].write(0..300);
    nodes[2].signal("STOP");
    eventually("the others to go on", || nodes[..2].iter().all(|node| node.is_whole(2)));
    nodes[1].read(0..300);
    nodes[0].write(200..500);
    nodes[2].signal("CONT");
    eventually("it to be back", || nodes.iter().all(|node| node.is_whole(3)));
    nodes[2].wait_for_log("stood still for");
    for node in &nodes {
        node.read(0..500);
    }
    drop(silent);
}

/// A library that adds an hour to the clock of whatever program it is loaded into.
const LATE: &str = "
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
int clock_gettime(clockid_t id, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, \"clock_gettime\");
    int result = real(id, at);
    if (id == CLOCK_REALTIME) at->tv_sec += 3600;
    return result;
}
";

/// Builds it; none where there is no C compiler.
fn hour_ahead(directory: &std::path::Path) -> Option<String> {
    let (source, library) = (directory.join("late.c"), directory.join("late.so"));
    std::fs::write(&source, LATE).expect("a directory");
    let built =
        Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).arg("-ldl").status();
    built.is_ok_and(|status| status.success()).then(|| library.display().to_string())
}

#[test]
fn clocks_an_hour_apart_lose_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let Some(library) = hour_ahead(directory.path()) else {
        eprintln!("skipped: there is no C compiler to build what moves a clock");
        return;
    };
    let first = Server::start(&[]);
    let seed = first.heartbeat().to_string();
    let ahead = Server::start_with(&["--seed", &seed], &[("LD_PRELOAD", &library)]);
    let third = Server::start(&["--seed", &seed]);
    let nodes = [first, ahead, third];
    eventually("three to be one cluster", || nodes.iter().all(|node| node.is_whole(3)));
    nodes[0].write(0..300);
    nodes[2].write(100..400);
    assert_ne!(nodes[0].hour(), nodes[1].hour(), "the clocks are not apart");
    let [first, ahead, third] = nodes;
    // Its records live on where time is an hour earlier, and can be written there.
    ahead.kill();
    eventually("two to go on", || first.is_whole(2) && third.is_whole(2));
    first.read(0..400);
    third.write(0..400);
    first.read(0..400);
    let late = Server::start_with(&["--seed", &seed], &[("LD_PRELOAD", &library)]);
    eventually("three again", || [&first, &late, &third].iter().all(|node| node.is_whole(3)));
    late.read(0..400);
}
