//! `cargo xtask bench index`: what a record costs in memory, and what getting and putting one costs in time.
//!
//! Two measurements at each number of records. First the store alone, in a child process of its own, so that
//! nothing else is in its resident memory: bytes of index at the worst moment, bytes that the log adds, time per
//! operation. Then the whole server process beside Redis, loaded with the same keys and values over their own
//! protocols. Prints Markdown tables; asserts nothing, because figures of a shared machine are to be read.

mod load;
mod peers;
mod process;
mod store;

use crate::{benchmarks_document, process as programs};
use anyhow::Context;
use std::path::PathBuf;

/// The name of the marks in the document.
pub(crate) const MARK: &str = "bench-index";

/// Set in the child process that measures the store alone: the number of records.
const CHILD_VARIABLE: &str = "SHIPLOAD_BENCH_INDEX_CHILD";

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct BenchIndexArgs {
    /// Numbers of records, one row each
    #[arg(long, value_delimiter = ',', default_value = "1000000,10000000")]
    records: Vec<u64>,
    /// Bytes of each record's one value
    #[arg(long, default_value_t = 100)]
    value_bytes: usize,
    /// Measure the store alone, without server and Redis
    #[arg(long)]
    store_only: bool,
    /// Put the tables into docs/benchmarks.md
    #[arg(long)]
    write: bool,
    /// The server's binary; the release build of this checkout when not given
    #[arg(long)]
    binary: Option<PathBuf>,
    /// The peer's binary
    #[arg(long, default_value = "redis-server")]
    redis: PathBuf,
}

/// Measures and prints.
pub(crate) fn run(args: &BenchIndexArgs) -> anyhow::Result<()> {
    if let Ok(records) = std::env::var(CHILD_VARIABLE) {
        let records = records.parse().with_context(|| format!("{CHILD_VARIABLE} is no number"))?;
        return store::child(records, args.value_bytes);
    }
    let mut text = String::new();
    let mut tell = |line: &str| {
        println!("{line}");
        text.push_str(line);
        text.push('\n');
    };
    let child = store::optimized()?;
    tell(&format!("### The store alone\n\n{}", store::Row::HEAD));
    for &records in &args.records {
        tell(&store::in_child(&child, records)?.to_string());
    }
    tell(&format!("\n{}", store::NOTES));
    if !args.store_only {
        let binary = programs::binary(args.binary.as_ref())?;
        tell(&format!("\n### The whole process beside Redis\n\n{}", peers::Row::HEAD));
        for &records in &args.records {
            tell(&peers::compare(args, &binary, records)?.to_string());
        }
        tell(&format!("\n{}", peers::NOTES));
    }
    if args.write { benchmarks_document::write(MARK, &text) } else { Ok(()) }
}
