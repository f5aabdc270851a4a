//! A node as a process, for tests that treat it badly.

use shipload_wire::request::{self, Key};
use shipload_wire::{Header, Response, ResultCode, response};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What only a failure waits for.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);

/// A loopback address that no other test has (all of 127.0.0.0/8 is this machine).
pub(crate) fn address() -> String {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [.., high, low] = std::process::id().to_be_bytes();
    // Bit 7 keeps clear of 127.0.x.x, where people run things by hand.
    format!("127.{}.{low}.{}", high | 0x80, NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Waits until something holds.
pub(crate) fn eventually(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// So many nodes that are one cluster.
pub(crate) fn cluster(count: usize) -> Vec<Server> {
    let first = Server::start(&[]);
    let seed = first.heartbeat().to_string();
    let mut nodes = vec![first];
    nodes.extend((1..count).map(|_| Server::start(&["--seed", &seed])));
    eventually("the nodes to be one cluster", || nodes.iter().all(|node| node.is_whole(count)));
    nodes
}

/// A running `shipload serve`.
pub(crate) struct Server {
    child: Child,
    address: String,
    ports: [u16; 3],
    log: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) fn start(flags: &[&str]) -> Server {
        Server::start_with(flags, &[])
    }

    /// Starts it with more environment, and waits until its ports are open.
    pub(crate) fn start_with(flags: &[&str], environment: &[(&str, &str)]) -> Server {
        let address = address();
        let held: Vec<TcpListener> =
            (0..3).map(|_| TcpListener::bind((address.as_str(), 0)).expect("a free port")).collect();
        let ports = [0, 1, 2].map(|index: usize| held[index].local_addr().expect("bound").port());
        drop(held);
        let mut command = Command::new(env!("CARGO_BIN_EXE_shipload"));
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SHIPLOAD_"))
        {
            command.env_remove(name);
        }
        command.args(["serve", "--address", &address, "--info-port", "0", "--http-port", "0"]);
        command.args(["--service-threads", "2", "--namespace", "test:replication-factor=2"]);
        for (flag, port) in ["--port", "--fabric-port", "--heartbeat-port"].iter().zip(ports) {
            command.args([flag, port.to_string().as_str()]);
        }
        command.args(flags).envs(environment.iter().copied()).env("NO_COLOR", "1");
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it runs");
        let lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let log = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                keep.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        let server = Server { child, address, ports, log };
        server.wait_for_log("heartbeat port");
        server
    }

    /// Where others gossip with it.
    pub(crate) fn heartbeat(&self) -> SocketAddr {
        SocketAddr::new(self.address.parse().expect("an address"), self.ports[2])
    }

    pub(crate) fn connect_fabric(&self) -> TcpStream {
        self.connect(self.ports[1])
    }

    fn connect(&self, port: u16) -> TcpStream {
        let socket = TcpStream::connect((self.address.as_str(), port)).expect("the port is open");
        socket.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        socket
    }

    /// Waits for a line with this text.
    pub(crate) fn wait_for_log(&self, text: &str) {
        let end = Instant::now() + DEADLINE;
        loop {
            let log = self.log.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if log.iter().any(|line| line.contains(text)) {
                return;
            }
            assert!(Instant::now() < end, "no line with '{text}' in:\n{}", log.join("\n"));
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Date and hour by the node's own clock, when it began to log.
    pub(crate) fn hour(&self) -> String {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log[0].chars().take("2026-01-01T00".len()).collect()
    }

    /// A number or word of `statistics`.
    pub(crate) fn statistic(&self, name: &str) -> String {
        let mut socket = self.connect(self.ports[0]);
        let mut frame = Vec::new();
        request::info(&mut frame, &["statistics"]);
        socket.write_all(&frame).expect("it is open");
        let body = read_body(&mut socket);
        let answers = response::info_answers(&body);
        let text: String = answers.map(|(_, value)| value.to_owned()).collect();
        let found = text.split(';').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        found.unwrap_or_default().to_owned()
    }

    /// It sees a cluster of this size, with all copies in place.
    pub(crate) fn is_whole(&self, size: usize) -> bool {
        self.statistic("cluster_size") == size.to_string()
            && self.statistic("cluster_integrity") == "true"
            && self.statistic("migrate_partitions_remaining") == "0"
    }

    /// Writes these records through this node.
    pub(crate) fn write(&self, numbers: Range<u32>) {
        let mut socket = self.connect(self.ports[0]);
        for number in numbers {
            let digest = digest(number);
            let key = Key::new("test", "demo", &digest);
            let value = number.to_be_bytes();
            let mut frame = Vec::new();
            request::put(&mut frame, &Header::default(), &key, &[request::write_op(b"a", 4, &value)]);
            assert_eq!(exchange(&mut socket, &frame).0, ResultCode::Ok, "record {number}");
        }
    }

    /// Reads these records through this node; each must hold what was written.
    pub(crate) fn read(&self, numbers: Range<u32>) {
        let mut socket = self.connect(self.ports[0]);
        for number in numbers {
            let digest = digest(number);
            let mut frame = Vec::new();
            request::get(&mut frame, &Key::new("test", "demo", &digest), 0);
            let (code, body) = exchange(&mut socket, &frame);
            assert_eq!(code, ResultCode::Ok, "record {number}");
            assert!(body.windows(4).any(|window| window == number.to_be_bytes()), "record {number}");
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Ends it at once, as a crash does.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("a child");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn digest(number: u32) -> [u8; 20] {
    let mut digest = [7; 20];
    digest[..4].copy_from_slice(&number.wrapping_mul(0x9E37_79B1).to_be_bytes());
    digest[4..8].copy_from_slice(&number.to_be_bytes());
    digest
}

fn exchange(socket: &mut TcpStream, frame: &[u8]) -> (ResultCode, Vec<u8>) {
    socket.write_all(frame).expect("it is open");
    let body = read_body(socket);
    (Response::decode(&body).expect("well formed").result().expect("a known code"), body)
}

fn read_body(socket: &mut TcpStream) -> Vec<u8> {
    let mut header = [0; 8];
    socket.read_exact(&mut header).expect("a frame");
    let length = header[2..].iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
    let mut body = vec![0; length];
    socket.read_exact(&mut body).expect("a body");
    body
}
