//! `cargo xtask bench storage`: what durable records cost, beside Redis and PostgreSQL on the same disk.
//!
//! One server runs at a time, each on a fresh folder, under the same load: 16 connections with one request each under
//! way. Prints Markdown tables. Times are to be read; what is asserted holds on any machine: no write is refused while
//! devices are overwritten, and a start from a snapshot finds all records.

mod larger;
mod load;
mod node;
mod overwrite;
mod peers;
mod reads;
mod restart;
mod writes;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::{benchmarks_document, process, workspace};
use load::Loader;

/// The name of the marks in the document.
pub(crate) const MARK: &str = "bench-storage";

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Measure with more records and for longer: about a quarter of an hour
    #[arg(long)]
    full: bool,
    /// Only parts whose name contains this text: writes, reads, larger, overwrite, restart
    #[arg(long)]
    only: Option<String>,
    /// Put the tables into docs/benchmarks.md
    #[arg(long)]
    write: bool,
    /// The program to measure; the release build of this checkout when not given
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Where all servers keep their files; a folder below the target directory when not given
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Redis
    #[arg(long, default_value = "redis-server")]
    redis: PathBuf,
    /// The folder of PostgreSQL's programs; the newest of /usr/lib/postgresql when not given
    #[arg(long)]
    postgres: Option<PathBuf>,
}

/// How much is done.
#[derive(Debug, Clone, Copy)]
struct Size {
    /// Records that are updated and read.
    records: u64,
    /// Seconds of each load.
    seconds: u64,
    /// Bytes of the file that is overwritten.
    file_bytes: u64,
    /// Records of the starts.
    start_records: u64,
}

const SMALL: Size = Size { records: 50_000, seconds: 2, file_bytes: 128 << 20, start_records: 500_000 };
const FULL: Size = Size { records: 500_000, seconds: 10, file_bytes: 2 << 30, start_records: 10_000_000 };

/// A measurement, which gives its table.
type Part = fn(&World<'_>) -> Result<String>;

/// What every part needs.
struct World<'a> {
    args: &'a Args,
    size: Size,
    folder: &'a Path,
    loader: Loader,
}

/// Measures and prints.
pub(crate) fn run(args: &Args) -> Result<()> {
    let binary = process::binary(args.binary.as_ref())?;
    let size = if args.full { FULL } else { SMALL };
    let folder = match &args.folder {
        Some(folder) => folder.join(format!("bench-storage-{}", std::process::id())),
        None => workspace::target_dir().join(format!("bench-storage-{}", std::process::id())),
    };
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let result = measure(&World { args, size, folder: &folder, loader: Loader { binary } });
    // Whatever happened: what is left there is only needed by servers that have ended.
    let _ = std::fs::remove_dir_all(&folder);
    let text = result?;
    println!("{text}");
    if args.write { benchmarks_document::write(MARK, &text) } else { Ok(()) }
}

fn measure(world: &World<'_>) -> Result<String> {
    let parts: [(&str, Part); 5] = [
        ("writes", writes::measure),
        ("reads", reads::measure),
        ("larger", larger::measure),
        ("overwrite", overwrite::measure),
        ("restart", restart::measure),
    ];
    let only = world.args.only.as_deref().unwrap_or_default();
    let mut text = String::new();
    for (name, part) in parts.iter().filter(|(name, _)| name.contains(only)) {
        eprintln!("bench storage: {name}");
        text.push_str(&part(world).with_context(|| (*name).to_owned())?);
        text.push('\n');
    }
    Ok(text)
}
