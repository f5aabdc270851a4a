//! The end of a server: at once, and without losing replies.

use crate::client::{Client, fill, get, scan, server};
use shipload_wire::ResultCode;
use std::io::Read;
use std::net::TcpStream;

#[test]
fn a_stop_waits_for_no_client_and_frees_the_ports() {
    let server = server();
    let ports = server.ports().clone();
    let mut clients: Vec<Client> = (0..20).map(|_| Client::to(&server)).collect();
    assert!(clients.iter_mut().all(Client::is_served));
    server.stop();
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
fn a_client_that_does_not_read_does_not_keep_a_server_from_stopping() {
    let server = server();
    fill(&server, 3000, 10_000);
    let mut client = Client::to(&server);
    client.send(&scan(0));
    client.socket.read_exact(&mut [0; 100]).expect("the answer begins");
    // It would wait for ever otherwise: the answer is larger than what the sockets hold.
    server.stop();
}
