//! What tests share: a server with small limits, and a client that speaks bytes.

use shipload_node::config::{Config, NamespaceKey, NetworkKey, ServiceKey};
use shipload_server::{Launch, Running, Tuning};
use shipload_wire::request::{self, Key};
use shipload_wire::{Header, Response, ResultCode};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What only a failure waits for.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);

/// A configuration with the namespace `test`, two threads and ports of the system's choice.
pub(crate) fn config() -> Config {
    let mut config = Config::new();
    config.network.put(NetworkKey::ServicePort, "0").expect("a port");
    config.network.put(NetworkKey::InfoPort, "0").expect("a port");
    config.network.put(NetworkKey::HttpPort, "0").expect("a port");
    config.service.put(ServiceKey::ServiceThreads, "2").expect("a number");
    let namespace = config.add_namespace("test").expect("a name");
    namespace.keys.put(NamespaceKey::NsupPeriod, "120").expect("a time");
    config
}

/// A server with the usual limits.
pub(crate) fn server() -> Running {
    server_with(config(), Tuning::default())
}

/// A server with these settings and limits.
pub(crate) fn server_with(config: Config, tuning: Tuning) -> Running {
    Launch { config, tuning, any_port: true }.start().expect("a server on free ports")
}

/// Waits until `condition` holds.
pub(crate) fn eventually(what: &str, condition: impl FnMut() -> bool) {
    eventually_or(what, condition, || "");
}

/// Waits until `condition` holds; what is `instead` is told when it does not.
pub(crate) fn eventually_or<T: std::fmt::Debug>(
    what: &str,
    mut condition: impl FnMut() -> bool,
    instead: impl Fn() -> T,
) {
    let end = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < end, "in vain waited for: {what}; instead: {:?}", instead());
        // Who asks too often keeps a busy machine from doing what is waited for.
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// One connection.
pub(crate) struct Client {
    pub(crate) socket: TcpStream,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Client {
        let socket = TcpStream::connect(address).expect("the port is open");
        socket.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        socket.set_write_timeout(Some(DEADLINE)).expect("a timeout");
        socket.set_nodelay(true).expect("no delay");
        Client { socket }
    }

    pub(crate) fn to(server: &Running) -> Client {
        Client::connect(server.ports().service)
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).expect("the server takes bytes");
    }

    /// Kind and body of the next frame.
    pub(crate) fn frame(&mut self) -> (u8, Vec<u8>) {
        let mut header = [0; 8];
        self.socket.read_exact(&mut header).expect("a frame header");
        let [_, kind, s0, s1, s2, s3, s4, s5] = header;
        let size = u64::from_be_bytes([0, 0, s0, s1, s2, s3, s4, s5]);
        let mut body = vec![0; usize::try_from(size).expect("a size")];
        self.socket.read_exact(&mut body).expect("a frame body");
        (kind, body)
    }

    /// The result of the next message.
    pub(crate) fn result(&mut self) -> ResultCode {
        let (kind, body) = self.frame();
        assert_eq!(kind, 3, "a message");
        Response::decode(&body).expect("well formed").result().expect("a known code")
    }

    /// The value of an info command, asked in a frame.
    pub(crate) fn info(&mut self, command: &str) -> String {
        let mut out = Vec::new();
        request::info(&mut out, &[command]);
        self.send(&out);
        let (kind, body) = self.frame();
        assert_eq!(kind, 1, "an info answer");
        let text = String::from_utf8(body).expect("text");
        let (name, value) = text.trim_end_matches('\n').split_once('\t').expect("name and value");
        assert_eq!(name, command);
        value.to_owned()
    }

    /// Whether the server closes the connection without sending a byte.
    pub(crate) fn is_closed_without_answer(&mut self) -> bool {
        match self.socket.read(&mut [0; 64]) {
            Ok(bytes) => bytes == 0,
            Err(error) => matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
        }
    }

    /// Whether the connection still answers.
    pub(crate) fn is_served(&mut self) -> bool {
        !self.info("node").is_empty()
    }
}

/// The digest of test key `number`.
pub(crate) fn digest(number: u64) -> [u8; 20] {
    let mut digest = [7; 20];
    digest[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    digest
}

/// A write of one blob bin.
pub(crate) fn put(number: u64, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let digest = digest(number);
    let key = Key::new("test", "demo", &digest);
    request::put(&mut out, &Header::default(), &key, &[request::write_op(b"a", 4, value)]);
    out
}

/// A read of all bins.
pub(crate) fn get(number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    request::get(&mut out, &Key::new("test", "demo", &digest(number)), 0);
    out
}

/// Task ids must differ while their queries run.
static NEXT_TASK: AtomicU64 = AtomicU64::new(1);

/// A scan over all partitions.
pub(crate) fn scan(records_per_second: u32) -> Vec<u8> {
    let mut out = Vec::new();
    let partitions: Vec<u16> = (0..4096).collect();
    let query = request::Query {
        namespace: "test",
        set: "demo",
        partitions: &partitions,
        records_per_second,
        task_id: NEXT_TASK.fetch_add(1, Ordering::Relaxed),
        socket_timeout_ms: 10_000,
        ..request::Query::default()
    };
    request::query(&mut out, &query);
    out
}

/// Stores records 0 to `count` of `size` bytes.
pub(crate) fn fill(server: &Running, count: u64, size: usize) {
    let mut client = Client::to(server);
    let value = vec![b'v'; size];
    for number in 0..count {
        client.send(&put(number, &value));
        assert_eq!(client.result(), ResultCode::Ok);
    }
}
