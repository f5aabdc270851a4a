//! `cargo xtask sql`: statements on three real nodes, with the answers that PostgreSQL gave.
//!
//! The engine is compiled in a directory and a profile of its own, so that no other build waits for it or compiles it.
//! Cases are paragraphs in `tests/sql/*.cases`: a statement, and its rows as JSON. Every case goes to one of the nodes in
//! turn, so that each asks for records of the others.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::process::{self, Node, Process};
use crate::workspace;

const NODES: usize = 3;
const PATIENCE: Duration = Duration::from_secs(30);

/// Which program, and which cases.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only files whose name contains this text
    #[arg(long)]
    only: Option<String>,
    /// Do not run the room's own tests before
    #[arg(long)]
    cases_only: bool,
    /// The node to test; the release build of this checkout when not given
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// Runs tests and cases: `true` when all hold.
pub(crate) fn run(args: &Args) -> Result<bool> {
    if !args.cases_only && !cargo(&["test"], &[])? {
        return Ok(false);
    }
    if !cargo(&["build"], &["--example", "door"])? {
        bail!("the doors do not build");
    }
    let door = directory().join("engine").join("examples").join("door");
    let binary = process::binary(args.binary.as_ref())?;
    let cluster = Cluster::start(&binary, &door)?;
    let setup = std::fs::read_to_string(folder().join("setup.sql"))?;
    let first = cluster.doors.first().context("there are doors")?;
    for statement in setup.split(";\n").filter(|text| !text.trim().is_empty()) {
        let answer = ask(first.address, statement)?;
        if let Some(error) = answer.get("error") {
            bail!("{error} for {statement}");
        }
    }
    cases(&cluster, args.only.as_deref())
}

/// Where the engine is compiled.
fn directory() -> PathBuf {
    workspace::target_dir().join("sql")
}

fn folder() -> PathBuf {
    workspace::root().join("tests").join("sql")
}

fn cargo(command: &[&str], rest: &[&str]) -> Result<bool> {
    let status = Command::new(workspace::cargo())
        .args(command)
        .args(["--profile", "engine", "--locked", "--package", "shipload-sql", "--features", "engine"])
        .args(rest)
        .env("CARGO_TARGET_DIR", directory())
        .current_dir(workspace::root())
        .status()
        .context("cannot run cargo")?;
    Ok(status.success())
}

struct Door {
    address: SocketAddr,
    _process: Process,
}

struct Cluster {
    doors: Vec<Door>,
    _nodes: Vec<Node>,
}

impl Cluster {
    fn start(binary: &Path, door: &Path) -> Result<Cluster> {
        let mut nodes: Vec<Node> = Vec::new();
        let mut seeds: Vec<String> = Vec::new();
        for _ in 0..NODES {
            let mut flags = vec!["--fabric-port", "0", "--heartbeat-port", "0"];
            seeds.iter().for_each(|seed| flags.extend(["--seed", seed]));
            let mut node = Node::start(binary, &flags)?;
            seeds.push(node.heartbeat()?.to_string());
            nodes.push(node);
        }
        let mut doors = Vec::new();
        for node in &nodes {
            let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
            let mut command = Command::new(door);
            command.args([node.service.to_string(), address.to_string()]);
            doors.push(Door { address, _process: Process::start("a door", &mut command)? });
        }
        let cluster = Cluster { doors, _nodes: nodes };
        cluster.wait()?;
        Ok(cluster)
    }

    /// Waits until every node knows all.
    fn wait(&self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        for door in &self.doors {
            loop {
                let answer = ask(door.address, "SELECT count(*) FROM sys.nodes").unwrap_or_default();
                if answer.pointer("/rows/0/0") == Some(&json!(NODES)) {
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
}

/// Sends one statement on a connection of its own.
fn ask(address: SocketAddr, statement: &str) -> Result<Value> {
    let body = json!({"stmt": statement}).to_string();
    let mut stream = BufReader::new(TcpStream::connect(address)?);
    stream.get_ref().set_read_timeout(Some(Duration::from_secs(120)))?;
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

fn cases(cluster: &Cluster, only: Option<&str>) -> Result<bool> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder())?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "cases"));
    files.retain(|path| only.is_none_or(|only| path.to_string_lossy().contains(only)));
    files.sort();
    let (mut held, mut failed) = (0usize, 0usize);
    for file in &files {
        let text = std::fs::read_to_string(file)?;
        for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
            let turn = (held + failed) % cluster.doors.len();
            let door = cluster.doors.get(turn).context("there are doors")?;
            let (statement, rows) = paragraph.split_once('\n').unwrap_or((paragraph, ""));
            let wanted: Vec<Value> = rows
                .lines()
                .filter_map(|line| line.strip_prefix("=> "))
                .map(|line| serde_json::from_str(line).with_context(|| format!("{}: {line}", file.display())))
                .collect::<Result<_>>()?;
            let answer = ask(door.address, statement)?;
            let got = answer.get("rows").and_then(Value::as_array);
            let same = got.is_some_and(|got| {
                got.len() == wanted.len() && got.iter().zip(&wanted).all(|(got, wanted)| alike(got, wanted))
            });
            if same {
                held += 1;
            } else {
                failed += 1;
                println!("{}: {statement}\n  wanted {wanted:?}\n  got    {answer}", file.display());
            }
        }
    }
    println!("sql: {held} cases hold, {failed} do not");
    Ok(failed == 0)
}

/// Whether two values are the same but for the last digits of a float.
fn alike(got: &Value, wanted: &Value) -> bool {
    match (got, wanted) {
        (Value::Array(got), Value::Array(wanted)) => {
            got.len() == wanted.len() && got.iter().zip(wanted).all(|(got, wanted)| alike(got, wanted))
        }
        (Value::Number(got), Value::Number(wanted)) => match (got.as_f64(), wanted.as_f64()) {
            (Some(got), Some(wanted)) => (got - wanted).abs() <= 1e-9 * wanted.abs().max(1.0),
            _ => got == wanted,
        },
        _ => got == wanted,
    }
}
