//! `cargo xtask bench model`: what operations inside values, filters and index queries cost, beside Redis and PostgreSQL.
//!
//! All servers hold the same data, one after the other does the same work on one connection, and the processor time of the
//! server is read before and after. Prints a Markdown table and asserts no time: figures are to be read.

mod ours;
mod postgres;
mod redis;

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Result;

use self::ours::Ours;
use self::postgres::Postgres;
use self::redis::Redis;
use crate::{benchmarks_document, process};

/// The name of the marks in the document.
pub(crate) const MARK: &str = "bench-model";
/// Elements of the list, keys of the map, members of the ranking.
const ELEMENTS: i64 = 10_000;
/// Of so many records one matches the filter.
const FILTERED: i64 = 1000;

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Seconds of each measurement
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Records that are filtered and indexed
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(i64).range(10_000..))]
    records: i64,
    /// Put the table into docs/benchmarks.md
    #[arg(long)]
    write: bool,
    /// The program to measure; the release build of this checkout when not given
    #[arg(long)]
    binary: Option<PathBuf>,
    /// The peer's program
    #[arg(long, default_value = "redis-server")]
    redis: PathBuf,
    /// The folder of PostgreSQL's programs; the newest of /usr/lib/postgresql when not given
    #[arg(long)]
    postgres: Option<PathBuf>,
}

/// A kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    Append,
    Put,
    Rank,
    Filter,
    Few,
    Many,
}

impl Case {
    const ALL: [Case; 6] = [Case::Append, Case::Put, Case::Rank, Case::Filter, Case::Few, Case::Many];

    fn name(self, records: i64) -> String {
        match self {
            Case::Append => format!("append to a list of {ELEMENTS}, and pop again"),
            Case::Put => format!("put into a map of {ELEMENTS} keys"),
            Case::Rank => format!("the ten highest of {ELEMENTS} scores"),
            Case::Filter => format!("a filter over {records} records, one in {FILTERED} matches"),
            Case::Few => format!("100 of {records} records by an index"),
            Case::Many => format!("{} of {records} records by an index", records / 10),
        }
    }

    /// How many records an index query selects.
    fn selected(self, records: i64) -> i64 {
        if self == Case::Many { records / 10 } else { 100 }
    }
}

/// Operations, and the processor seconds that the server took for them.
#[derive(Clone, Copy, Debug)]
struct Work {
    operations: u64,
    cpu_seconds: f64,
}

/// Measures and prints.
pub(crate) fn run(args: &Args) -> Result<()> {
    let binary = process::binary(args.binary.as_ref())?;
    let mut ours = Ours::start(&binary, args.records)?;
    let mut redis = Redis::start(&args.redis, args.records)?;
    let postgres = Postgres::start(args.postgres.as_deref(), args.records)?;
    let mut text =
        String::from("| operations per CPU-second | Shipload | Redis | PostgreSQL |\n|---|---:|---:|---:|\n");
    for case in Case::ALL {
        let works = [
            Some(ours.measure(case, args.seconds)?),
            redis.measure(case, args.seconds)?,
            Some(postgres.measure(case, args.seconds)?),
        ];
        let row = row(&case.name(args.records), &works);
        eprint!("{row}");
        text.push_str(&row);
    }
    let _ = writeln!(text, "\n{NOTES}");
    println!("{text}");
    ours.stop()?;
    redis.stop()?;
    postgres.stop()?;
    if args.write { benchmarks_document::write(MARK, &text) } else { Ok(()) }
}

fn row(name: &str, works: &[Option<Work>; 3]) -> String {
    let cell = |work: &Option<Work>| match work {
        Some(work) if work.cpu_seconds > 0.0 => {
            let rate = work.operations as f64 / work.cpu_seconds;
            if rate < 100.0 { format!("{rate:.1}") } else { format!("{rate:.0}") }
        }
        Some(_) | None => "-".to_owned(),
    };
    format!("| {name} | {} |\n", works.each_ref().map(cell).join(" | "))
}

const NOTES: &str = "\
One connection, one request on its way; user and kernel time of the server's processes. Shipload: list, map ordered by key, \
bins with a numeric index, records read whole over the protocol. Redis: list, hash, sorted set (members only; it has no \
filter over records). PostgreSQL: `jsonb` values and a b-tree, rows counted in the server and not sent, `synchronous_commit` \
and `fsync` off, so that its write-ahead log costs as little as it can.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_a_dash_where_there_is_nothing_to_compare() {
        let work = |operations, cpu_seconds| Some(Work { operations, cpu_seconds });
        let row = row("x", &[work(1000, 0.5), None, work(1, 0.04)]);
        assert_eq!(row, "| x | 2000 | - | 25.0 |\n");
    }
}
