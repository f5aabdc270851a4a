//! `cargo xtask counter`: the Flask page with the unmodified client from PyPI, against a node.
//!
//! The page runs as its README says, in a Python environment that is kept between runs. Eight connections
//! send 200 hits; then the counter, and the records that `shipload aql` shows, must tell the same number.

mod http;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::Value;

use crate::cluster::Cluster;
use crate::process::{self, Process};
use crate::{venv, workspace};

/// Where the page lies, relative to the root.
const EXAMPLE: &str = "examples/counter";

/// How the page is checked.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Hits in all
    #[arg(long, default_value_t = 200)]
    hits: u32,
    /// Connections that send them
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    /// The program to test; the release build of this checkout when not given
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Nodes to start, as one cluster of which the page is told one address
    #[arg(long, default_value_t = 1, value_name = "COUNT", value_parser = clap::value_parser!(u8).range(1..=16))]
    nodes: u8,
    /// Python to make the environment with
    #[arg(long, default_value = "python3")]
    python: PathBuf,
}

/// Runs the page and counts twice.
pub(crate) fn run(args: &Args) -> Result<bool> {
    let python = environment(&args.python)?;
    let binary = process::binary(args.binary.as_ref())?;
    let cluster = Cluster::start(&binary, usize::from(args.nodes))?;
    let (page, address) = start_page(&python, cluster.service)?;
    let began = Instant::now();
    let highest = send_hits(address, args)?;
    let elapsed = began.elapsed();
    let total = total_hits(&binary, cluster.service)?;
    let rows = select(&binary, cluster.service, "select * from test.hits")?.len();
    println!("counter: {} hits over {} connections in {elapsed:.1?}", args.hits, args.connections);
    println!("counter: the page said {highest}, total_hits is {total}, test.hits has {rows} rows");
    page.stop(Signal::INT, Duration::from_secs(10))?;
    cluster.stop()?;
    let wanted = u64::from(args.hits);
    Ok(highest == wanted && total == wanted && rows as u64 == wanted)
}

/// The interpreter of an environment that has what the example requires. It is kept; pip only looks whether
/// the requirements still hold.
fn environment(python: &Path) -> Result<PathBuf> {
    let interpreter = venv::python(python, &cache_directory()?.join("venv"))?;
    let requirements = workspace::root().join(EXAMPLE).join("requirements.txt");
    venv::install(&interpreter, &["--requirement", &requirements.display().to_string()])?;
    Ok(interpreter)
}

/// A folder that lives longer than one build: `$XDG_CACHE_HOME/shipload-target`.
fn cache_directory() -> Result<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = cache.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    Ok(cache.context("neither XDG_CACHE_HOME nor HOME is set")?.join("shipload-target"))
}

/// Starts the page on a port that the system chooses.
fn start_page(python: &Path, node: SocketAddr) -> Result<(Process, SocketAddr)> {
    let mut command = Command::new(python);
    command
        .arg("app.py")
        .current_dir(workspace::root().join(EXAMPLE))
        .env("AEROSPIKE_HOST", node.ip().to_string())
        .env("AEROSPIKE_PORT", node.port().to_string())
        .env("LISTEN_ADDRESS", "127.0.0.1")
        .env("LISTEN_PORT", "0")
        .env("PYTHONUNBUFFERED", "1")
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let mut page = Process::start("app.py", &mut command)?;
    let address = page.wait_for(Duration::from_secs(60), |line| {
        line.split_once("Running on http://")?.1.trim_end_matches('/').parse().ok()
    })?;
    Ok((page, address))
}

/// Sends all hits and returns the highest count that the page showed.
fn send_hits(page: SocketAddr, args: &Args) -> Result<u64> {
    let share = |connection: u32| {
        let hits = args.hits / args.connections;
        hits + u32::from(connection < args.hits % args.connections)
    };
    let counts: Vec<Result<u64>> = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..args.connections)
            .map(|connection| scope.spawn(move || send_on_one_connection(page, share(connection))))
            .collect();
        let gone = || Err(anyhow::anyhow!("a connection's thread ended by a panic"));
        senders.into_iter().map(|sender| sender.join().unwrap_or_else(|_| gone())).collect()
    });
    let counts: Vec<u64> = counts.into_iter().collect::<Result<_>>()?;
    Ok(counts.into_iter().max().unwrap_or(0))
}

fn send_on_one_connection(page: SocketAddr, hits: u32) -> Result<u64> {
    let mut connection = http::Connection::open(page)?;
    let mut highest = 0;
    for _ in 0..hits {
        let (status, body) = connection.get("/")?;
        ensure!(status == 200, "the page answered with status {status}: {body}");
        highest = seen(&body).with_context(|| format!("unexpected page: {body}"))?.max(highest);
    }
    Ok(highest)
}

/// The number in the page's sentence.
fn seen(body: &str) -> Option<u64> {
    body.strip_prefix("Hello World! I have been seen by ")?.strip_suffix('.')?.parse().ok()
}

fn total_hits(binary: &Path, node: SocketAddr) -> Result<u64> {
    let rows = select(binary, node, "select * from test.summary where pk = 'total_hits'")?;
    let total = rows.first().and_then(|row| row["bins"]["total"].as_u64());
    total.context("test.summary has no total_hits")
}

/// Rows as `shipload aql --json` prints them.
fn select(binary: &Path, node: SocketAddr, statement: &str) -> Result<Vec<Value>> {
    let output = Command::new(binary)
        .args([
            "aql",
            "-h",
            &node.ip().to_string(),
            "-p",
            &node.port().to_string(),
            "--json",
            "-c",
            statement,
        ])
        .output()
        .context("cannot run shipload aql")?;
    ensure!(output.status.success(), "shipload aql: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).context("shipload aql printed no UTF-8")?;
    text.lines().map(|line| serde_json::from_str(line).with_context(|| format!("no JSON: {line}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read_from_the_sentence() {
        assert_eq!(seen("Hello World! I have been seen by 12."), Some(12));
        assert_eq!(seen("Hummm - err: x looks like we have an issue, let me try again"), None);
    }
}
