//! More records than the process may have memory.

use std::fmt::Write as _;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::World;
use super::node::{Node, whole};

const VALUE_BYTES: u64 = 8000;
/// What the process may take beside what it takes when it is empty, in bytes.
const MORE_BYTES: u64 = 192 << 20;
/// How often the records are larger than that.
const TIMES: u64 = 4;

/// Limits a node, fills it, reads and writes, and looks that it does not grow.
pub(super) fn measure(world: &World<'_>) -> Result<String> {
    let records = MORE_BYTES * TIMES / VALUE_BYTES;
    let folder = world.folder.join("larger");
    let file = (MORE_BYTES * TIMES * 2).next_multiple_of(1 << 20);
    let settings =
        [format!("filesize={file}"), "post-write-cache=16M".to_owned(), "max-write-cache=32M".to_owned()];
    let node = Node::start(world, &folder, "device", &settings)?;
    let empty = node.status_bytes("VmSize")?;
    let limit = whole(empty) + MORE_BYTES;
    let id = i32::try_from(node.id()).ok().and_then(Pid::from_raw).context("a process without id")?;
    prlimit(Some(id), Resource::As, Rlimit { current: Some(limit), maximum: Some(limit) })?;
    let target = node.target(records, VALUE_BYTES);
    world.loader.fill(target)?;
    let filled = node.status_bytes("VmRSS")?;
    let mut text = format!(
        "### {} MiB of records in a process that may take {} MiB\n\n\
        | load | operations/s | p50 | p99 | resident | most ever resident |\n|---|---:|---:|---:|---:|---:|\n",
        (records * VALUE_BYTES) >> 20,
        MORE_BYTES >> 20
    );
    for (name, workload) in [("reads", "R"), ("updates", "U"), ("80 % reads", "RU,80")] {
        let done = world.loader.run(target, workload, world.size.seconds)?;
        let (now, most) = (node.status_bytes("VmRSS")?, node.status_bytes("VmHWM")?);
        let mib = |bytes: f64| bytes / f64::from(1 << 20);
        let _ = writeln!(
            text,
            "| {name} | {:.0} | {:.0} us | {:.0} us | {:.0} MiB | {:.0} MiB |",
            done.per_second,
            done.p50_us,
            done.p99_us,
            mib(now),
            mib(most)
        );
        ensure!(
            now < filled + (64 << 20) as f64,
            "it grows: {:.0} MiB after the fill, {:.0} now",
            mib(filled),
            mib(now)
        );
    }
    node.stop()?;
    std::fs::remove_dir_all(&folder)?;
    let _ = writeln!(text, "\n{NOTES}");
    Ok(text)
}

const NOTES: &str = "\
The limit is on address space (RLIMIT_AS), above what the empty process has. `storage-engine device`, `post-write-cache 16M`, \
`max-write-cache 32M`. Allocating beyond the limit would end the process.";
