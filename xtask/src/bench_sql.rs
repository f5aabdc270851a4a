//! `cargo xtask bench sql`: what queries cost, beside PostgreSQL and DuckDB in the same run.
//!
//! The same tables are loaded into all and the same questions asked; PostgreSQL's answers are right. Three parts: the
//! step counter of the seed (two queries of the talk, groups and scans over many rows), TPC-H, and rows by key through
//! both doors. `tests/sql/bench/bench.py` asks; DuckDB runs inside it. Prints Markdown tables and asserts no time.

mod points;
mod tables;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::postgres::{PORT, Postgres};
use crate::sql::world::Cluster;
use crate::{benchmarks_document, image, venv, workspace};

/// The name of the marks in the document.
pub(crate) const MARK: &str = "bench-sql";
/// What every server of the comparison may use: it has no durability to pay for here.
const SETTINGS: [&str; 7] = [
    "listen_addresses=127.0.0.1",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "shared_buffers=2GB",
    "work_mem=256MB",
    "max_wal_size=8GB",
];

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Rows of the step counter; a user has a thousand
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(10_000..))]
    rows: u64,
    /// The scale of TPC-H: 1 has six million lines
    #[arg(long, default_value_t = 0.01)]
    scale: f64,
    /// Nodes of each cluster, one cluster after the other
    #[arg(long, value_delimiter = ',', default_value = "1,3")]
    nodes: Vec<usize>,
    /// Times that each query is asked; the median counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    repeat: u64,
    /// Rows that are looked up by key
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    keys: u64,
    /// Seconds of each run of look-ups
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Only one part
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// Put the tables into docs/benchmarks.md
    #[arg(long)]
    write: bool,
    /// A program with the feature `sql`; the image's when not given, which takes long to compile
    #[arg(long)]
    binary: Option<PathBuf>,
    /// The folder of PostgreSQL's programs; the newest of /usr/lib/postgresql when not given
    #[arg(long)]
    postgres: Option<PathBuf>,
}

/// What it consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// The step counter
    Steps,
    /// TPC-H
    Tpch,
    /// Rows by key
    Points,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Part::Steps => "steps",
            Part::Tpch => "tpch",
            Part::Points => "points",
        }
    }
}

/// Measures and prints: `true` when all answers are PostgreSQL's.
pub(crate) fn run(args: &Args) -> Result<bool> {
    let binary = match &args.binary {
        Some(path) => path.canonicalize().with_context(|| format!("there is no {}", path.display()))?,
        None => image::program(true)?,
    };
    let folder = std::env::temp_dir().join(format!("bench-sql-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let result = measure(args, &binary, &folder);
    // Whatever happened: what is left there is only needed by servers that have ended.
    let _ = std::fs::remove_dir_all(&folder);
    let (lines, looked_up) = result?;
    let held = lines.iter().all(|line| line.get("error").is_none() && line.get("wrong").is_none());
    let text = tables::markdown(&lines, &looked_up, args.rows, args.scale);
    println!("{text}");
    if args.write {
        benchmarks_document::write(MARK, &text)?;
    }
    Ok(held)
}

fn measure(args: &Args, binary: &Path, folder: &Path) -> Result<(Vec<Value>, Vec<points::Looked>)> {
    let place = workspace::target_dir().join("venv").join("bench-sql");
    let python = venv::python(Path::new("python3"), &place)?;
    let scripts = workspace::root().join("tests/sql/bench");
    venv::install(&python, &["--no-deps", "-r", &scripts.join("requirements.txt").display().to_string()])?;
    let postgres = Postgres::start(args.postgres.as_deref(), folder.join("postgres"), &SETTINGS)?;
    let (mut lines, mut looked_up) = (Vec::new(), Vec::new());
    for (turn, count) in args.nodes.iter().enumerate() {
        let cluster = Cluster::start(binary, *count, &[])?;
        let nodes = cluster.nodes.iter();
        let nodes = nodes.map(|node| json!({"pg": node.pg.to_string(), "process": node.process.id()}));
        let world = json!({
            "nodes": nodes.collect::<Vec<_>>(),
            "postgres": {"host": "127.0.0.1", "port": PORT, "process": postgres.id()?},
            "folder": folder, "rows": args.rows, "scale": args.scale, "repeat": args.repeat, "keys": args.keys,
            "only": args.only.map(Part::name), "loaded": turn > 0,
        });
        ask(&python, &scripts, &world, &mut lines)?;
        if args.only.is_none_or(|only| only == Part::Points) {
            looked_up.extend(points::measure(args, &cluster, &postgres, turn == 0)?);
        }
    }
    postgres.stop()?;
    Ok((lines, looked_up))
}

/// Runs the child, which says what it measured line by line.
fn ask(python: &Path, scripts: &Path, world: &Value, lines: &mut Vec<Value>) -> Result<()> {
    let mut child = Command::new(python)
        .arg(scripts.join("bench.py"))
        .arg(world.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run the child")?;
    let output = child.stdout.take().context("the child has no output")?;
    for line in BufReader::new(output).lines() {
        let line = line?;
        eprintln!("bench sql: {line}");
        lines.push(serde_json::from_str(&line).with_context(|| format!("not JSON: {line}"))?);
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("the child ended with {status}");
    }
    Ok(())
}
