//! Nodes with SQL in them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::process::Process;

const PATIENCE: Duration = Duration::from_secs(120);
/// How long one statement may take.
const STATEMENT: Duration = Duration::from_secs(300);

/// A node and its doors.
pub(crate) struct Node {
    pub(crate) http: SocketAddr,
    pub(crate) pg: SocketAddr,
    pub(crate) service: SocketAddr,
    pub(crate) process: Process,
}

/// For a node that keeps no columns: what is asked of it is read from records each time.
pub(crate) const KEEPS_NOTHING: [&str; 2] = ["--set", "service.sql-column-memory-pct=0"];

/// Nodes that know each other.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Node>,
    seed: Option<SocketAddr>,
}

impl Cluster {
    /// Starts so many nodes, the first one with these flags as well, and waits until each knows all.
    pub(crate) fn start(binary: &Path, count: usize, first: &[&str]) -> Result<Cluster> {
        let mut cluster = Cluster { nodes: Vec::new(), seed: None };
        for number in 0..count {
            let (node, heartbeat) = Node::start(binary, cluster.seed, if number == 0 { first } else { &[] })?;
            cluster.seed = cluster.seed.or(Some(heartbeat));
            cluster.nodes.push(node);
        }
        cluster.wait()?;
        Ok(cluster)
    }

    /// One more node, known to all when this returns.
    pub(crate) fn join(&mut self, binary: &Path) -> Result<()> {
        let (node, _) = Node::start(binary, self.seed, &[])?;
        self.nodes.push(node);
        self.wait()
    }

    /// Where the nodes are asked over HTTP.
    pub(crate) fn doors(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(|node| node.http).collect()
    }

    /// One more node that does not stay; known to all when this returns.
    pub(crate) fn guest(&self, binary: &Path) -> Result<Node> {
        let (node, _) = Node::start(binary, self.seed, &[])?;
        let all: Vec<&Node> = self.nodes.iter().chain([&node]).collect();
        wait_for(&all)?;
        Ok(node)
    }

    /// Waits until each node knows all, and no other.
    pub(crate) fn wait(&self) -> Result<()> {
        wait_for(&self.nodes.iter().collect::<Vec<_>>())
    }

    /// Runs statements, each ended by a semicolon at the end of a line.
    pub(crate) fn script(&self, text: &str) -> Result<()> {
        let first = self.nodes.first().context("there are nodes")?;
        for statement in text.split(";\n").filter(|text| !text.trim().is_empty()) {
            let answer = ask(first.http, statement)?;
            if let Some(error) = answer.get("error") {
                bail!("{error} for {statement}");
            }
        }
        Ok(())
    }
}

fn wait_for(nodes: &[&Node]) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    for node in nodes {
        loop {
            let answer = ask(node.http, "SELECT count(*) FROM sys.nodes").unwrap_or_default();
            if answer.pointer("/rows/0/0") == Some(&json!(nodes.len())) {
                break;
            }
            if Instant::now() > deadline {
                bail!("the nodes do not become a cluster: {answer}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    Ok(())
}

impl Node {
    /// Starts a node; it and where others gossip with it. A port that was free may be taken before the node has it.
    fn start(binary: &Path, seed: Option<SocketAddr>, more: &[&str]) -> Result<(Node, SocketAddr)> {
        const ATTEMPTS: usize = 5;
        let taken = |error: &anyhow::Error| error.to_string().contains("already in use");
        for _ in 1..ATTEMPTS {
            match Node::start_once(binary, seed, more) {
                Err(error) if taken(&error) => {}
                done => return done,
            }
        }
        Node::start_once(binary, seed, more)
    }

    fn start_once(binary: &Path, seed: Option<SocketAddr>, more: &[&str]) -> Result<(Node, SocketAddr)> {
        let (http, pg) = (free()?, free()?);
        let mut command = Command::new(binary);
        command.args(["serve", "--address", "127.0.0.1", "--port", "0", "--info-port", "0", "--http-port"]);
        command.arg(http.port().to_string()).arg("--pg-port").arg(pg.port().to_string());
        command
            .args(["--namespace", "test:replication-factor=2", "--log-level", "info"])
            .env("NO_COLOR", "1");
        command.arg("--sql-files").arg(super::files()?).args(["--sql-hosts", "127.0.0.1"]);
        command.args(more);
        if let Some(seed) = seed {
            command.args(["--seed", &seed.to_string()]);
        }
        let mut process = Process::start("shipload serve", &mut command)?;
        let service = process.wait_for(PATIENCE, |line| address("service port ", line))?;
        let heartbeat = process.wait_for(PATIENCE, |line| address("heartbeat port ", line))?;
        Ok((Node { http, pg, service, process }, heartbeat))
    }
}

fn address(port: &str, line: &str) -> Option<SocketAddr> {
    line.split_once(port)?.1.split_whitespace().next()?.parse().ok()
}

/// A port that nobody has.
fn free() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Sends one statement on a connection of its own.
pub(crate) fn ask(address: SocketAddr, statement: &str) -> Result<Value> {
    send(address, &json!({"stmt": statement}))
}

/// Sends one request on a connection of its own.
pub(crate) fn send(address: SocketAddr, body: &Value) -> Result<Value> {
    let body = body.to_string();
    let mut stream = BufReader::new(TcpStream::connect(address)?);
    stream.get_ref().set_read_timeout(Some(STATEMENT))?;
    let head = format!(
        "POST /_sql HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.get_mut().write_all(format!("{head}{body}").as_bytes())?;
    let mut line = String::new();
    while stream.read_line(&mut line)? > 2 {
        line.clear();
    }
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    serde_json::from_slice(&answer).context("the answer is not JSON")
}
