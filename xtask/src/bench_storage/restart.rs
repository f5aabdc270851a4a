//! Starting with many records: after a clean stop, and after a crash; and what the index takes.

use std::fmt::Write as _;
use std::fs::File;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use super::World;
use super::node::{Node, whole};

const VALUE_BYTES: u64 = 100;

/// Fills a node, stops and kills it, and measures its starts.
pub(super) fn measure(world: &World<'_>) -> Result<String> {
    let records = world.size.start_records;
    let folder = world.folder.join("restart");
    let file = (records * (VALUE_BYTES + 60) * 3 / 2).next_multiple_of(1 << 20).max(64 << 20);
    let settings =
        [format!("filesize={file}"), "post-write-cache=0".to_owned(), "max-write-cache=64M".to_owned()];
    let start = || Node::start(world, &folder, "device", &settings);
    let node = start()?;
    let empty = node.resident_bytes()?;
    world.loader.fill(node.target(records, VALUE_BYTES))?;
    let stored = node.number("data_used_bytes")?;
    node.stop()?;
    let millions = records as f64 / 1e6;
    let data = folder.join("test.records");
    let mut text = format!(
        "### Starting with {records} records with {VALUE_BYTES} bytes, the index alone in memory\n\n\
        | start | time | per million records | read | files in the page cache |\n|---|---:|---:|---:|---|\n"
    );
    let mut index = (0.0, 0.0);
    for (name, cold) in [("clean stop", true), ("clean stop", false), ("crash", true), ("crash", false)] {
        let crash = name == "crash";
        if crash {
            // One write, and the snapshot does not count any more.
            let node = start()?;
            world.loader.update(node.target(records, VALUE_BYTES), 1000)?;
            std::thread::sleep(std::time::Duration::from_millis(1500));
            drop(node);
        }
        if cold {
            forget(&data)?;
            forget(&folder.join("test.index"))?;
        }
        let node = start()?;
        let took_ms = node.number("storage_start_ms")?;
        let from_snapshot = node.number("storage_start_from_snapshot")? > 0.0;
        ensure!(from_snapshot != crash, "after a {name} it started from a snapshot: {from_snapshot}");
        ensure!(whole(node.number("objects")?) == records, "records are missing");
        index = (node.number("index_used_bytes")?, node.resident_bytes()? - empty);
        let bytes = if crash { stored } else { std::fs::metadata(folder.join("test.index"))?.len() as f64 };
        let _ = writeln!(
            text,
            "| {name} | {took_ms:.0} ms | {:.0} ms | {:.0} MB/s | {} |",
            took_ms / millions,
            bytes / 1e6 / (took_ms / 1e3).max(0.001),
            if cold { "no" } else { "yes" }
        );
        if crash { drop(node) } else { node.stop()? }
    }
    forget(&data)?;
    let _ = writeln!(
        text,
        "\nThe same file read from the disk front to back by one thread: {:.0} MB/s. Index: {:.1} bytes a record; \
        resident memory of the process above that of an empty one: {:.1} bytes a record.\n\n{NOTES}",
        sequential(&data)?,
        index.0 / records as f64,
        index.1 / records as f64
    );
    std::fs::remove_dir_all(&folder)?;
    Ok(text)
}

/// Lets the page cache forget a file.
fn forget(path: &Path) -> Result<()> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    file.sync_all()?;
    Ok(rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?)
}

/// Megabytes a second of a file that is read front to back.
fn sequential(path: &Path) -> Result<f64> {
    let mut file = File::open(path)?;
    let began = Instant::now();
    let mut buffer = vec![0; 1 << 20];
    let mut bytes = 0;
    loop {
        match std::io::Read::read(&mut file, &mut buffer)? {
            0 => return Ok(bytes as f64 / 1e6 / began.elapsed().as_secs_f64()),
            read => bytes += read,
        }
    }
}

const NOTES: &str = "\
The node's own figure (`storage_start_ms`): from opening the files to serving records. After a clean stop the index is read \
from its snapshot; after a crash all blocks are. *Read*: bytes of the snapshot, or of the records, over that time.";
