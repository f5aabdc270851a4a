//! The end of a server: at once, and without losing replies.

use crate::client::{Client, fill, get, scan, server};
use shipload_wire::ResultCode;
use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

#[test]
fn a_stop_takes_less_than_a_second_and_frees_the_ports() {
    let server = server();
    let ports = server.ports().clone();
    let mut clients: Vec<Client> = (0..20).map(|_| Client::to(&server)).collect();
    assert!(clients.iter_mut().all(Client::is_served));
    let began = Instant::now();
    server.stop();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(clients.iter_mut().all(Client::is_closed_without_answer));
    for (_, address) in &ports.all {
        assert!(TcpStream::connect(address).is_err(), "{address} is still open");
    }
}

#[test]
fn replies_that_are_ready_leave_before_the_end() {
    let server = server();
    fill(&server, 1, 100_000);
    let mut client = Client::to(&server);
    // More than the sockets hold, so that some of it waits in the server when the stop comes.
    let requests = 100;
    client.send(&std::iter::repeat_n(get(0), requests).flatten().collect::<Vec<u8>>());
    assert_eq!(client.result(), ResultCode::Ok);
    let stopper = std::thread::spawn(move || server.stop());
    for _ in 1..requests {
        assert_eq!(client.result(), ResultCode::Ok);
    }
    assert!(client.is_closed_without_answer());
    stopper.join().expect("stopped");
}

#[test]
fn a_client_that_does_not_read_delays_the_stop_by_the_drain_time_only() {
    let server = server();
    fill(&server, 3000, 10_000);
    let mut client = Client::to(&server);
    client.send(&scan(0));
    client.socket.read_exact(&mut [0; 100]).expect("the answer begins");
    let began = Instant::now();
    server.stop();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}
