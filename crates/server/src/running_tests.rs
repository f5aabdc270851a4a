use super::{Launch, Running};
use shipload_node::config::{Config, NetworkKey, ServiceKey};
use shipload_wire::request::{self, Key};
use shipload_wire::{Header, Response, ResultCode};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(120);

fn server(threads: &str) -> Running {
    let mut config = Config::new();
    config.network.put(NetworkKey::ServicePort, "0").expect("a port");
    config.network.put(NetworkKey::InfoPort, "0").expect("a port");
    config.network.put(NetworkKey::HttpPort, "0").expect("a port");
    config.service.put(ServiceKey::ServiceThreads, threads).expect("a number");
    config.add_namespace("test").expect("a name");
    Launch::new(config).start().expect("a server")
}

fn connect(server: &Running) -> TcpStream {
    let socket = TcpStream::connect(server.ports().service).expect("the port is open");
    socket.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    socket
}

/// Writes a value and reads it back, in one segment; the value must be this one.
fn round(socket: &mut TcpStream, client: u32, number: u32) {
    let mut digest = [1; 20];
    digest[..4].copy_from_slice(&client.to_be_bytes());
    let key = Key::new("test", "", &digest);
    let value = number.to_be_bytes();
    let mut bytes = Vec::new();
    request::put(&mut bytes, &Header::default(), &key, &[request::write_op(b"a", 4, &value)]);
    request::get(&mut bytes, &key, 0);
    // Cut somewhere, so that a part of a frame waits in the server now and then.
    let (begin, end) = bytes.split_at((number as usize * 7) % bytes.len());
    socket.write_all(begin).expect("sent");
    socket.write_all(end).expect("sent");
    for answer in 0..2 {
        let mut header = [0; 8];
        socket.read_exact(&mut header).expect("a frame");
        let mut body = vec![0; usize::from(u16::from_be_bytes([header[6], header[7]]))];
        socket.read_exact(&mut body).expect("a body");
        let response = Response::decode(&body).expect("well formed");
        assert_eq!(response.result(), Some(ResultCode::Ok));
        if answer == 1 {
            assert_eq!(response.ops.clone().next().expect("a bin").value, value);
        }
    }
}

#[test]
fn connections_change_threads_without_losing_a_byte() {
    let server = server("3");
    let crew = std::sync::Arc::clone(&server.crew);
    crew.set_active(3);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..6)
            .map(|client| {
                let (server, done) = (&server, &done);
                scope.spawn(move || {
                    let mut socket = connect(server);
                    let mut number = 0;
                    while !done.load(Ordering::Relaxed) {
                        round(&mut socket, client, number);
                        number += 1;
                    }
                    number
                })
            })
            .collect();
        for step in 0..600usize {
            crew.ask(step % 3, 1 + step % 4, (step + 1 + step / 3 % 2) % 3);
            std::thread::sleep(Duration::from_micros(500));
        }
        done.store(true, Ordering::Relaxed);
        let rounds: Vec<u32> =
            clients.into_iter().map(|client| client.join().expect("no lost byte")).collect();
        assert!(rounds.iter().all(|rounds| *rounds > 0), "{rounds:?}");
    });
    let end = Instant::now() + DEADLINE;
    let open = || server.node().facts.client_connections.load(Ordering::Relaxed);
    while open() > 0 || server.connections_by_thread() != [0, 0, 0] {
        assert!(Instant::now() < end, "{} open, {:?}", open(), server.connections_by_thread());
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(server.buffered_bytes(), 0);
}

#[test]
fn newcomers_go_to_active_threads_only() {
    let server = server("3");
    let mut first: Vec<TcpStream> = (0..9).map(|_| connect(&server)).collect();
    for (client, socket) in (0..).zip(&mut first) {
        round(socket, client, 1);
    }
    assert_eq!(server.connections_by_thread(), [9, 0, 0]);
    server.crew.set_active(2);
    let mut second: Vec<TcpStream> = (0..9).map(|_| connect(&server)).collect();
    for (client, socket) in (9..).zip(&mut second) {
        round(socket, client, 1);
    }
    // A busy machine may make the threads' connections change places meanwhile, so the first one may have fewer than before.
    let [first, second, third] = server.connections_by_thread()[..] else { panic!("three threads") };
    assert_eq!((first + second, third), (18, 0), "[{first}, {second}, {third}]");
    assert!(second >= 9, "the emptier one takes them: [{first}, {second}, {third}]");
}
