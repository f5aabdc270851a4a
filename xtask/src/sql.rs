//! `cargo xtask sql`: statements on three real nodes and on one, with the answers that PostgreSQL gave, and the clients
//! that people have.
//!
//! The engine is compiled in a directory and a profile of its own, so that no other build waits for it or compiles it.
//! Cases are paragraphs in `tests/sql/*.cases`: a statement, and its rows as JSON. Every case goes to one of the three
//! nodes in turn, so that each asks for records of the others, and to the one that is alone.

mod cases;
mod tools;
mod world;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::workspace;
use world::Cluster;

/// Which parts of it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only files whose name contains this text, and nothing else
    #[arg(long)]
    only: Option<String>,
    /// Do not run the room's own tests before
    #[arg(long)]
    cases_only: bool,
    /// Only the clients of others
    #[arg(long)]
    tools_only: bool,
    /// A program with the feature `sql`; compiled when not given
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// Runs tests, cases and clients: `true` when all hold.
pub(crate) fn run(args: &Args) -> Result<bool> {
    let part = args.cases_only || args.tools_only || args.only.is_some();
    let mut held = part || cargo(&["test"], &["--package", "shipload-sql", "--features", "engine"])?;
    let binary = match &args.binary {
        Some(binary) => binary.clone(),
        None => build()?,
    };
    let three = Cluster::start(&binary, 3)?;
    if !args.tools_only {
        let one = Cluster::start(&binary, 1)?;
        held &= cases::run(&[&three, &one], args.only.as_deref())?;
    }
    if args.only.is_none() && !args.cases_only {
        held &= tools::run(three)?;
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
