//! `cargo xtask sql`: statements on three real nodes and on one, with the answers that PostgreSQL gave, and the clients
//! that people have.
//!
//! The engine is compiled in a directory and a profile of its own, so that no other build waits for it or compiles it.
//! Cases are paragraphs in `tests/sql/*.cases`: a statement, and its rows as JSON. Every case goes to one of the three
//! nodes in turn, so that each asks for records of the others, and to the one that is alone.

mod cases;
mod logic;
mod moving;
mod tools;
pub(crate) mod world;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::workspace;
use world::{Cluster, KEEPS_NOTHING};

/// Which parts of it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only cases of files whose name contains this text
    #[arg(long)]
    only: Option<String>,
    /// Only this part; several may be named
    #[arg(long, value_enum)]
    part: Vec<Part>,
    /// How long conditions by chance are asked for
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Where chance begins; the time when not given
    #[arg(long)]
    seed: Option<u64>,
    /// A program with the feature `sql`; compiled when not given
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// What it consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// The room's own tests
    Tests,
    /// Nothing but compiling the program
    Build,
    /// Statements with PostgreSQL's answers
    Cases,
    /// Conditions by chance
    Logic,
    /// Queries while a node joins and leaves
    Moving,
    /// Clients of others
    Clients,
}

/// Runs tests, cases and clients: `true` when all hold.
pub(crate) fn run(args: &Args) -> Result<bool> {
    let only_cases = [Part::Cases];
    let parts = if args.part.is_empty() && args.only.is_some() { &only_cases } else { &args.part[..] };
    let wanted = |one: Part| parts.is_empty() || parts.contains(&one);
    let mut held = true;
    if wanted(Part::Tests) {
        held &= cargo(&["test"], &["--package", "shipload-sql", "--features", "engine"])?;
    }
    if parts == [Part::Tests] {
        return Ok(held);
    }
    let binary = match &args.binary {
        Some(binary) => binary.clone(),
        None => build()?,
    };
    if parts.iter().all(|part| matches!(part, Part::Tests | Part::Build)) && !parts.is_empty() {
        return Ok(held);
    }
    let mut three = Cluster::start(&binary, 3, &KEEPS_NOTHING)?;
    if wanted(Part::Cases) {
        let one = Cluster::start(&binary, 1, &KEEPS_NOTHING)?;
        held &= cases::run(&[&three, &one], args.only.as_deref())?;
    }
    if (wanted(Part::Logic) || wanted(Part::Moving)) && !wanted(Part::Cases) {
        three.script(&read("setup.sql")?)?;
    }
    if wanted(Part::Logic) {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        held &= logic::run(&three, args.seconds, args.seed.unwrap_or(now.as_secs()))?;
    }
    if wanted(Part::Moving) {
        held &= moving::run(&mut three, &binary)?;
        held &= moving::cases(&three, &binary)?;
    }
    if wanted(Part::Clients) {
        held &= tools::run(three, &binary)?;
    }
    Ok(held)
}

/// The program with SQL in it.
pub(crate) fn build() -> Result<PathBuf> {
    if !cargo(&["build"], &["--package", "shipload", "--features", "sql"])? {
        bail!("the program does not build with SQL");
    }
    Ok(directory().join("engine").join("shipload"))
}

/// Where the engine is compiled.
fn directory() -> PathBuf {
    workspace::target_dir().join("sql")
}

/// The folder that nodes may copy files from and to.
fn files() -> Result<PathBuf> {
    let folder = directory().join("files");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn folder() -> PathBuf {
    workspace::root().join("tests").join("sql")
}

fn cargo(command: &[&str], rest: &[&str]) -> Result<bool> {
    let status = Command::new(workspace::cargo())
        .args(command)
        .args(["--quiet", "--profile", "engine", "--locked"])
        .args(rest)
        .env("CARGO_TARGET_DIR", directory())
        .current_dir(workspace::root())
        .status()
        .context("cannot run cargo")?;
    Ok(status.success())
}

/// A text of the folder with the cases.
fn read(name: impl AsRef<Path>) -> Result<String> {
    let path = folder().join(name);
    std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}
