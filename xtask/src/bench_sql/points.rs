//! Rows by key: how many a server's processor second gives, over HTTP and over PostgreSQL's wire.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::Args;
use crate::bench_records::counters::cpu_seconds;
use crate::postgres::{PORT, Postgres, succeed};
use crate::sql::world::Cluster;

/// Connections, each with one request on its way.
const CONNECTIONS: u64 = 8;
/// What is asked over HTTP.
const STATEMENT: &str = "select value from kv where id = ?";

/// What one server did by one door.
#[derive(Debug)]
pub(super) struct Looked {
    pub(super) server: String,
    pub(super) door: &'static str,
    pub(super) per_cpu_second: f64,
    pub(super) per_second: f64,
}

/// Looks rows up at the first node of a cluster, and at PostgreSQL when wanted.
pub(super) fn measure(
    args: &Args,
    cluster: &Cluster,
    postgres: &Postgres,
    peer: bool,
) -> Result<Vec<Looked>> {
    let mut all = Vec::new();
    if peer {
        let before = settled(postgres)?;
        let done = pgbench(args, postgres, &["-p", PORT, "-U", "postgres", "postgres"])?;
        all.push(looked("postgresql", "PostgreSQL's wire", done, settled(postgres)? - before, args.seconds));
    }
    let nodes = cluster.nodes.len();
    let name = format!("shipload, {nodes} node{}", if nodes > 1 { "s" } else { "" });
    let cpu = || cluster.nodes.iter().map(|node| cpu_seconds(node.process.id())).sum::<Result<f64>>();
    let first = cluster.nodes.first().context("there are nodes")?;
    let before = cpu()?;
    let done = pgbench(args, postgres, &["-p", &first.pg.port().to_string(), "-U", "crate", "doc"])?;
    all.push(looked(&name, "PostgreSQL's wire", done, cpu()? - before, args.seconds));
    let before = cpu()?;
    let done = http(first.http, args.keys, Duration::from_secs(args.seconds))?;
    all.push(looked(&name, "`/_sql`", done, cpu()? - before, args.seconds));
    Ok(all)
}

fn looked(server: &str, door: &'static str, done: u64, cpu: f64, seconds: u64) -> Looked {
    let done = done as f64;
    Looked {
        server: server.to_owned(),
        door,
        per_cpu_second: done / cpu.max(0.01),
        per_second: done / seconds as f64,
    }
}

/// The processor time of PostgreSQL, when the processes of connections are gone: only then it knows what they took.
fn settled(postgres: &Postgres) -> Result<f64> {
    let (until, mut last) = (Instant::now() + Duration::from_secs(5), -1.0);
    loop {
        let now = postgres.cpu_seconds()?;
        if (now - last).abs() < f64::EPSILON || Instant::now() > until {
            return Ok(now);
        }
        last = now;
        std::thread::sleep(Duration::from_millis(300));
    }
}

/// Rows that pgbench looked up.
fn pgbench(args: &Args, postgres: &Postgres, words: &[&str]) -> Result<u64> {
    let script = postgres.folder().with_extension("pgbench");
    std::fs::write(
        &script,
        format!("\\set id random(1, {})\nselect value from kv where id = :id;\n", args.keys),
    )?;
    let mut pgbench = postgres.command("pgbench");
    pgbench.args(["-n", "-M", "prepared", "-c", &CONNECTIONS.to_string(), "-j", "1"]);
    pgbench.args(["-T", &args.seconds.to_string(), "-h", "127.0.0.1", "-f"]).arg(&script).args(words);
    let printed = succeed(&mut pgbench)?;
    let name = "number of transactions actually processed:";
    let count = printed.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let count = count.and_then(|count| count.split('/').next()?.trim().parse().ok());
    count.with_context(|| format!("pgbench printed {printed}"))
}

/// Rows that requests over HTTP looked up.
fn http(address: SocketAddr, keys: u64, time: Duration) -> Result<u64> {
    let threads: Vec<_> = (0..CONNECTIONS)
        .map(|number| std::thread::spawn(move || connection(address, keys, number, time)))
        .collect();
    threads.into_iter().map(|thread| thread.join().ok().context("a connection's thread has panicked")?).sum()
}

fn connection(address: SocketAddr, keys: u64, number: u64, time: Duration) -> Result<u64> {
    let mut stream = BufReader::new(TcpStream::connect(address)?);
    stream.get_ref().set_nodelay(true)?;
    let (until, mut done, mut answer) = (Instant::now() + time, 0u64, Vec::new());
    while Instant::now() < until {
        // What looks like chance is a multiplication.
        let id = 1 + (done * CONNECTIONS + number).wrapping_mul(2_654_435_761) % keys;
        let body = format!("{{\"stmt\": \"{STATEMENT}\", \"args\": [{id}]}}");
        let head = "POST /_sql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length:";
        stream.get_mut().write_all(format!("{head} {}\r\n\r\n{body}", body.len()).as_bytes())?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            stream.read_line(&mut line)?;
            if line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
        }
        answer.resize(length, 0);
        stream.read_exact(&mut answer)?;
        ensure!(
            answer.windows(13).any(|part| part == b"\"rowcount\": 1" || part.starts_with(b"\"rowcount\":1")),
            "{}",
            String::from_utf8_lossy(&answer)
        );
        done += 1;
    }
    Ok(done)
}
