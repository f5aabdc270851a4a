//! Ten thousand connections that do nothing.
//!
//! Common limits on open files allow one end of so many connections in a process, not both. So the clients live in
//! a child process: this test binary once more, running [`hold_connections`].

use crate::client::{Client, config, eventually, server_with};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use shipload_node::config::ServiceKey;
use shipload_server::Tuning;
use shipload_server::host::load::process_size;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;

const CONNECTIONS: usize = 10_000;
/// One end of each connection, and what tests beside this one have open.
const FILES: u64 = CONNECTIONS as u64 + 2000;
/// Tells the child where the server is.
const ADDRESS: &str = "SHIPLOAD_TEST_ADDRESS";

/// Lets this process open enough files, when it may.
fn raise_limit() -> bool {
    let limit = getrlimit(Resource::Nofile);
    let current = limit.maximum.map_or(FILES, |maximum| maximum.min(FILES));
    let current = limit.current.map(|now| now.max(current));
    let _ = setrlimit(Resource::Nofile, Rlimit { current, maximum: limit.maximum });
    getrlimit(Resource::Nofile).current.is_none_or(|files| files >= FILES)
}

#[test]
fn ten_thousand_idle_connections_cost_little_memory() {
    if !raise_limit() {
        eprintln!("skipped: {FILES} open files are needed, the hard limit (ulimit -Hn) is lower");
        return;
    }
    let config = config();
    config.service.put(ServiceKey::ProtoFdMax, "15000").expect("a number");
    let server = server_with(config, Tuning::default());
    let open = || server.node().facts.client_connections.load(Ordering::Relaxed);
    let (before_kbytes, _) = process_size().expect("readable on Linux");
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["idle::hold_connections", "--exact", "--ignored", "--nocapture"])
        .env(ADDRESS, server.ports().service.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child process");
    let mut said = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    assert!(
        said.any(|line| line.is_ok_and(|line| line.contains("all served"))),
        "the child came to its end early"
    );
    assert_eq!(open(), CONNECTIONS as u64);
    eventually("idle connections to hold no buffers", || server.buffered_bytes() == 0);
    let (after_kbytes, _) = process_size().expect("readable on Linux");
    let each = after_kbytes.saturating_sub(before_kbytes) * 1024 / CONNECTIONS as u64;
    println!("{each} bytes of resident memory for each idle connection");
    // Other tests of this process allocate at the same time; alone it is a few hundred bytes.
    assert!(each < 8192, "{each} bytes for each connection");
    assert!(Client::to(&server).is_served(), "one more is served as ever");
    drop(child.stdin.take());
    assert!(child.wait().expect("the child ends").success());
    eventually("all to be gone", || open() == 0);
}

#[test]
#[ignore = "the other end of the test above, which starts it"]
fn hold_connections() {
    let Ok(address) = std::env::var(ADDRESS) else { return };
    assert!(raise_limit(), "the parent could raise its limit, so can the child");
    let address = address.parse().expect("an address");
    let mut clients: Vec<Client> = (0..CONNECTIONS).map(|_| Client::connect(address)).collect();
    // Every one is used once, so that what a request leaves behind is counted too.
    assert!(clients.iter_mut().all(Client::is_served));
    println!("all served");
    std::io::stdin().read_to_end(&mut Vec::new()).expect("the parent lets go");
}
