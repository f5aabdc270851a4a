//! `shipload serve` as a process: flags, exit statuses, signals, log files, health.
//!
//! Each test has a loopback address of its own (all of 127.0.0.0/8 is this machine) and asks the system for ports
//! that are free on it, so the tests run side by side and beside whatever else runs here.

use shipload_wire::request::{self, Key};
use shipload_wire::{Header, Response, ResultCode};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

const BINARY: &str = env!("CARGO_BIN_EXE_shipload");
/// What only a failure waits for.
const DEADLINE: Duration = Duration::from_secs(120);

/// An address and ports that no other test has.
struct Place {
    address: String,
    service: u16,
    info: u16,
    http: u16,
}

impl Place {
    fn new() -> Place {
        static NEXT: AtomicU8 = AtomicU8::new(1);
        let [.., high, low] = std::process::id().to_be_bytes();
        // Bit 7 keeps clear of 127.0.x.x, where people run things by hand.
        let address = format!("127.{}.{low}.{}", high | 0x80, NEXT.fetch_add(1, Ordering::Relaxed));
        let held: Vec<TcpListener> =
            (0..3).map(|_| TcpListener::bind((address.as_str(), 0)).expect("a free port")).collect();
        let port = |listener: &TcpListener| listener.local_addr().expect("bound").port();
        Place { service: port(&held[0]), info: port(&held[1]), http: port(&held[2]), address }
    }

    /// `serve` at this place.
    fn serve(&self, more: &[&str]) -> Command {
        let mut command = shipload(&["serve", "--address", &self.address, "--service-threads", "2"]);
        for (flag, port) in [("--port", self.service), ("--info-port", self.info), ("--http-port", self.http)]
        {
            command.args([flag, &port.to_string()]);
        }
        command.args(["--fabric-port", "0", "--heartbeat-port", "0"]).args(more);
        command
    }
}

/// The command without what the environment of the tests may say.
fn shipload(args: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SHIPLOAD_")) {
        command.env_remove(name);
    }
    command.args(args).stdin(Stdio::null());
    command
}

fn output(args: &[&str]) -> Output {
    shipload(args).output().expect("the program runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A running `shipload serve`.
struct Server {
    child: Child,
    place: Place,
    /// What it logged up to the line that says it is open.
    log: String,
}

impl Server {
    /// Starts it, and waits until it says that the HTTP port is open.
    fn start(place: Place, more: &[&str]) -> Server {
        let command = place.serve(more);
        Server::run(place, command)
    }

    fn run(place: Place, mut command: Command) -> Server {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the program runs");
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let mut log = String::new();
        for line in lines.by_ref() {
            let line = line.expect("text");
            log.push_str(&line);
            log.push('\n');
            if line.contains("http port") {
                break;
            }
        }
        assert!(log.contains("http port"), "the server did not start:\n{log}");
        // Whatever it still logs must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Server { child, place, log }
    }

    fn connect(&self) -> TcpStream {
        let socket =
            TcpStream::connect((self.place.address.as_str(), self.place.service)).expect("the port is open");
        socket.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        socket
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }

    fn wait(mut self) -> ExitStatus {
        let end = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            assert!(Instant::now() < end, "the server does not end");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn put(number: u32, value: &[u8]) -> Vec<u8> {
    let mut digest = [3; 20];
    digest[..4].copy_from_slice(&number.to_be_bytes());
    let mut out = Vec::new();
    let key = Key::new("test", "demo", &digest);
    request::put(&mut out, &Header::default(), &key, &[request::write_op(b"a", 4, value)]);
    out
}

fn result(socket: &mut TcpStream) -> ResultCode {
    let mut header = [0; 8];
    socket.read_exact(&mut header).expect("a frame");
    let mut body = vec![0; usize::from(header[6]) << 8 | usize::from(header[7])];
    socket.read_exact(&mut body).expect("a body");
    Response::decode(&body).expect("well formed").result().expect("a known code")
}

#[test]
fn both_signals_end_it() {
    for signal in ["TERM", "INT"] {
        let server = Server::start(Place::new(), &[]);
        for port in ["service port", "info port", "http port"] {
            assert!(server.log.contains(port), "{}", server.log);
        }
        assert!(server.log.contains("is open to this machine only"), "{}", server.log);
        let mut socket = server.connect();
        socket.write_all(&put(1, b"x")).expect("sent");
        assert_eq!(result(&mut socket), ResultCode::Ok);
        server.signal(signal);
        let status = server.wait();
        assert_eq!(status.code(), Some(0), "{signal}");
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let server = Server::start(Place::new(), &[]);
    let mut writer = server.connect();
    for number in 0..2000 {
        writer.write_all(&put(number, &[7; 10_000])).expect("sent");
        assert_eq!(result(&mut writer), ResultCode::Ok);
    }
    // A query that nobody reads: the stop waits for its drain time.
    let mut reader = server.connect();
    let partitions: Vec<u16> = (0..4096).collect();
    let query = request::Query { namespace: "test", partitions: &partitions, ..request::Query::default() };
    let mut bytes = Vec::new();
    request::query(&mut bytes, &query);
    reader.write_all(&bytes).expect("sent");
    reader.read_exact(&mut [0; 100]).expect("the answer begins");
    server.signal("TERM");
    let end = Instant::now() + DEADLINE;
    while TcpStream::connect((server.place.address.as_str(), server.place.service)).is_ok() {
        assert!(Instant::now() < end, "the port stays open");
    }
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(130));
}

#[test]
fn a_port_in_use_has_its_own_status() {
    let first = Server::start(Place::new(), &[]);
    let second = first.place.serve(&[]).output().expect("the program runs");
    assert_eq!(second.status.code(), Some(3));
    let text = stderr(&second);
    let Place { address, service, .. } = &first.place;
    let expected = format!("service port {address}:{service}: already in use by another process");
    assert!(text.contains(&expected) && text.contains("--port"), "{text}");
    let foreign = output(&["serve", "--address", "192.0.2.7", "--port", "0"]);
    assert_eq!(foreign.status.code(), Some(3));
    assert!(stderr(&foreign).contains("this machine has no address 192.0.2.7"), "{}", stderr(&foreign));
}

#[test]
fn wrong_configurations_are_told_with_file_and_line() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("aerospike.conf");
    let name = path.display().to_string();
    let serve = |text: &str| {
        fs::write(&path, text).expect("written");
        let output = output(&["serve", "--config", &name]);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        stderr(&output)
    };
    let error = serve("service {\n\tproto-fd-max lots\n}\nnamespace test {\n}\n");
    assert!(error.contains(&format!("{name}:2: 'lots' is no value for 'proto-fd-max': allowed")), "{error}");
    let error = serve("namespace test {\n\tstorage-engine pmem {\n\t}\n}\n");
    assert!(error.contains(&format!("{name}:2: ")) && error.contains("memory"), "{error}");
    let error = serve("namespace test {\n");
    assert!(error.contains(&format!("{name}:1: namespace: this stanza is never closed")), "{error}");
    let error = serve("service {\n}\n");
    assert!(error.contains("no namespace"), "{error}");
    let missing = output(&["serve", "--config", &folder.path().join("none").display().to_string()]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(stderr(&missing).contains("can't be read"), "{}", stderr(&missing));
    let flag = output(&["serve", "--namespace", "test:default-ttl=soon"]);
    assert_eq!(flag.status.code(), Some(2));
    assert!(stderr(&flag).contains("--namespace: 'soon' is no value for 'default-ttl'"), "{}", stderr(&flag));
    let level = output(&["serve", "--log-level", "loud,,="]);
    assert_eq!(level.status.code(), Some(2), "{}", stderr(&level));
}

#[test]
fn check_reads_the_configuration_and_ends() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("aerospike.conf");
    fs::write(&path, "namespace test {\n\tdefalt-ttl 5\n}\n").expect("written");
    let output = output(&["serve", "--check", "--config", &path.display().to_string()]);
    assert_eq!(output.status.code(), Some(0));
    let text = stderr(&output);
    assert!(text.contains(":2: ") && text.contains("did you mean 'default-ttl'?"), "{text}");
}

#[test]
fn a_log_file_is_opened_anew_on_hangup_and_json_is_json() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (conf, log, old) =
        (folder.path().join("a.conf"), folder.path().join("a.log"), folder.path().join("old.log"));
    let text = format!(
        "namespace test {{\n}}\nlogging {{\n file {} {{\n context any info\n }}\n console {{\n context any info\n }}\n}}\n",
        log.display()
    );
    fs::write(&conf, text).expect("written");
    let conf = conf.display().to_string();
    let server = Server::start(Place::new(), &["--config", &conf, "--log-format", "json"]);
    for line in server.log.lines() {
        let json: serde_json::Value = serde_json::from_str(line).expect("one object a line");
        assert!(json.get("level").is_some() && json.get("message").is_some(), "{line}");
    }
    fs::rename(&log, &old).expect("moved away");
    server.signal("HUP");
    wait_for(&log);
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    let read = |path: &Path| fs::read_to_string(path).expect("readable");
    assert!(read(&old).contains("http port") && read(&log).contains("stopped"));
}

fn wait_for(path: &Path) {
    let end = Instant::now() + DEADLINE;
    while !path.exists() {
        assert!(Instant::now() < end, "{} does not appear", path.display());
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn health_asks_over_http() {
    let place = Place::new();
    let port = place.http.to_string();
    let flags = ["--address", &place.address.clone(), "--http-port", &port];
    let health = |more: &[&str]| output(&[&["health"], &flags[..], more].concat());
    let refused = health(&[]);
    assert_eq!(refused.status.code(), Some(1));
    let expected = format!("no answer from http://{}:{port}/healthz", place.address);
    assert!(stderr(&refused).contains(&expected), "{}", stderr(&refused));
    let _server = Server::start(place, &[]);
    let alive = health(&[]);
    assert_eq!((alive.status.code(), alive.stdout.as_slice()), (Some(0), b"ok\n".as_slice()));
    let ready = health(&["--ready"]);
    assert_eq!((ready.status.code(), ready.stdout.as_slice()), (Some(0), b"ready\n".as_slice()));
}

/// The result of a write of a large record, or nothing when the node closes the connection instead.
fn put_large(socket: &mut TcpStream, number: u32) -> Option<ResultCode> {
    socket.write_all(&put(number, &vec![7; 100_000])).ok()?;
    let mut answer = [0; 30];
    socket.read_exact(&mut answer).ok()?;
    Response::decode(&answer[8..]).expect("well formed").result()
}

#[test]
fn a_full_disk_refuses_writes_and_loses_none_that_it_took() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data").display().to_string();
    let namespace = "test:storage-engine.filesize=64M:storage-engine.commit-to-device=true";
    let flags = ["--data", &data, "--namespace", namespace];
    let server = Server::start(Place::new(), &flags);
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    // No byte beyond the first 8 MB of a file can be written from now on: some of the disk is there, no more is.
    let place = Place::new();
    let serve = place.serve(&flags);
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 16000; exec \"$0\" \"$@\""]);
    limited.arg(serve.get_program()).args(serve.get_args());
    let mut server = Server::run(place, limited);
    let mut socket = server.connect();
    let (mut taken, mut refused) = (Vec::new(), 0);
    for number in 0..200 {
        match put_large(&mut socket, number) {
            Some(ResultCode::Ok) => taken.push(number),
            Some(ResultCode::ServerFull) => refused += 1,
            Some(other) => panic!("a write was answered with {other:?}"),
            None => socket = server.connect(),
        }
    }
    assert!(taken.len() > 20 && refused > 50, "{} were taken, {refused} refused", taken.len());
    server.child.kill().expect("it runs");
    drop(server);
    let server = Server::start(Place::new(), &flags);
    let mut socket = server.connect();
    for number in taken {
        let mut digest = [3; 20];
        digest[..4].copy_from_slice(&u32::to_be_bytes(number));
        let mut out = Vec::new();
        request::exists(&mut out, &Key::new("test", "demo", &digest), 0);
        socket.write_all(&out).expect("sent");
        assert_eq!(result(&mut socket), ResultCode::Ok, "record {number} was taken and is gone");
    }
}
