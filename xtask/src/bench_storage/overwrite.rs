//! Overwriting a nearly full file: what is written for each byte that is stored, and that nothing is refused.

use std::fmt::Write as _;

use anyhow::{Result, ensure};

use super::World;
use super::node::{Node, whole};

const VALUE_BYTES: u64 = 1000;
/// What such a record takes in the log, about.
const RECORD_BYTES: u64 = 1046;
/// How often each record is overwritten, on average.
const TIMES: u64 = 3;

/// Three fills, and the table.
pub(super) fn measure(world: &World<'_>) -> Result<String> {
    let file = world.size.file_bytes;
    let mut text = format!(
        "### Overwriting a file of {} MiB {TIMES} times, at random\n\n\
        | fill | records | writes/s | bytes written per byte stored | bytes taken per byte stored | refused |\n\
        |---:|---:|---:|---:|---:|---:|\n",
        file >> 20
    );
    for fill_pct in [50, 60, 70, 80] {
        let folder = world.folder.join("overwrite");
        let settings = [
            "post-write-cache=16M".to_owned(),
            format!("filesize={file}"),
            "stop-writes-used-pct=0".to_owned(),
        ];
        let node = Node::start(world, &folder, "device", &settings)?;
        let total = node.number("storage_total_bytes")?;
        let records = whole(total * f64::from(fill_pct) / 100.0) / RECORD_BYTES;
        let target = node.target(records, VALUE_BYTES);
        world.loader.fill(target)?;
        let before = (node.number("storage_written_bytes")?, node.number("storage_put_bytes")?);
        // Any refused write is an error of the load.
        let done = world.loader.update(target, TIMES * records)?;
        let after = (node.number("storage_written_bytes")?, node.number("storage_put_bytes")?);
        let fill = node.number("data_used_pct")?;
        let amplification = (after.0 - before.0) / (after.1 - before.1);
        let space = node.number("storage_space_amplification")?;
        ensure!((fill - f64::from(fill_pct)).abs() <= 2.0, "the file is {fill} % full, not {fill_pct}");
        let row = format!(
            "| {fill_pct} % | {records} | {:.0} | {amplification:.2} | {space:.2} | 0 |\n",
            done.per_second
        );
        eprint!("{row}");
        text.push_str(&row);
        node.stop()?;
        std::fs::remove_dir_all(&folder)?;
    }
    let _ = writeln!(text, "\n{NOTES}");
    Ok(text)
}

const NOTES: &str = "\
`storage-engine device`, values of 1000 bytes, `defrag-lwm-pct 50`, as fast as 16 connections can. *Bytes written*: all that \
went to the file, defragmentation included, over the encoded bytes of the records that clients wrote. *Bytes taken*: slots in \
use over the encoded bytes of live records, at the end. A refused write would end the measurement.";
