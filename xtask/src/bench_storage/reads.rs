//! Reads of records of which only a small part is in memory.

use std::fmt::Write as _;

use anyhow::{Result, ensure};

use super::World;
use super::node::Node;
use super::peers::Table;
use crate::bench_records::counters::cpu_seconds;

const VALUE_BYTES: u64 = 1000;
/// What of the records a server keeps in its own memory, in MiB.
const CACHE_MIB: u64 = 16;

/// Both servers, and the table.
pub(super) fn measure(world: &World<'_>) -> Result<String> {
    let records = world.size.records * 2;
    let mut text = format!(
        "### Reads of {records} records with {VALUE_BYTES} bytes, {CACHE_MIB} MiB of them in the server's memory\n\n\
        | server | reads/s | reads per CPU-second | resident |\n|---|---:|---:|---:|\n"
    );
    let folder = world.folder.join("reads");
    let settings = [
        format!("filesize={}", (records * (VALUE_BYTES + 100) * 2).next_multiple_of(1 << 20)),
        format!("post-write-cache={CACHE_MIB}M"),
    ];
    let node = Node::start(world, &folder, "device", &settings)?;
    let target = node.target(records, VALUE_BYTES);
    world.loader.fill(target)?;
    let before = cpu_seconds(node.id())?;
    let done = world.loader.run(target, "R", world.size.seconds)?;
    let cpu = cpu_seconds(node.id())? - before;
    let (read, resident) = (node.number("storage_read_bytes")?, node.resident_bytes()?);
    ensure!(read > 0.0, "nothing was read from the file");
    node.stop()?;
    std::fs::remove_dir_all(&folder)?;
    let per_cpu = |operations: u64, cpu: f64| operations as f64 / cpu.max(0.001);
    let _ = writeln!(
        text,
        "| Shipload | {:.0} | {:.0} | {:.0} MiB |",
        done.per_second,
        per_cpu(done.operations, cpu),
        resident / f64::from(1 << 20)
    );
    let buffers = format!("shared_buffers={CACHE_MIB}MB");
    let table = Table::start(world, &[&buffers, "autovacuum=off"], records, VALUE_BYTES)?;
    let before = table.server.cpu_seconds()?;
    let done = table.run("select value from kv where id = :id", world.size.seconds)?;
    let cpu = table.server.cpu_seconds()? - before;
    table.server.stop()?;
    let _ =
        writeln!(text, "| PostgreSQL | {:.0} | {:.0} | - |", done.per_second, per_cpu(done.operations, cpu));
    let _ = writeln!(text, "\n{NOTES}");
    Ok(text)
}

const NOTES: &str = "\
At random, on 16 connections. The files may be in the operating system's page cache for both. Shipload: `storage-engine \
device` with `post-write-cache`; PostgreSQL: `shared_buffers`. Redis has no such mode.";
