//! Updates of small records, by how soon they are on stable storage.

use std::fmt::Write as _;

use anyhow::Result;

use super::World;
use super::load::Done;
use super::node::Node;
use super::peers::{Redis, Table};
use crate::bench_records::counters::cpu_seconds;

const VALUE_BYTES: u64 = 100;

/// All contenders, and the table.
pub(super) fn measure(world: &World<'_>) -> Result<String> {
    let mut text = format!(
        "### Updates of {} records with {VALUE_BYTES} bytes\n\n\
        | server | on stable storage | writes/s | writes per CPU-second | p50 | p99 |\n|---|---|---:|---:|---:|---:|\n",
        world.size.records
    );
    for (server, when) in
        [("Shipload", "within a second"), ("Redis", "within a second"), ("PostgreSQL", "within a second")]
            .into_iter()
            .chain([
                ("Shipload", "before the reply"),
                ("Redis", "before the reply"),
                ("PostgreSQL", "before the reply"),
            ])
    {
        let soon = when == "before the reply";
        let (done, cpu) = match server {
            "Shipload" => shipload(world, soon)?,
            "Redis" => redis(world, soon)?,
            _ => postgres(world, soon)?,
        };
        let p99 = if done.p99_us.is_nan() { "-".to_owned() } else { format!("{:.0} us", done.p99_us) };
        let row = format!(
            "| {server} | {when} | {:.0} | {:.0} | {:.0} us | {p99} |\n",
            done.per_second,
            done.operations as f64 / cpu.max(0.001),
            done.p50_us
        );
        eprint!("{row}");
        text.push_str(&row);
    }
    let _ = writeln!(text, "\n{NOTES}");
    Ok(text)
}

fn shipload(world: &World<'_>, soon: bool) -> Result<(Done, f64)> {
    let folder = world.folder.join(if soon { "commit" } else { "flush" });
    let settings = [format!("commit-to-device={soon}"), "filesize=1G".to_owned()];
    let node = Node::start(world, &folder, "memory", &settings)?;
    let target = node.target(world.size.records, VALUE_BYTES);
    world.loader.fill(target)?;
    let before = cpu_seconds(node.id())?;
    let done = world.loader.run(target, "U", world.size.seconds)?;
    let cpu = cpu_seconds(node.id())? - before;
    node.stop()?;
    std::fs::remove_dir_all(&folder)?;
    Ok((done, cpu))
}

fn redis(world: &World<'_>, soon: bool) -> Result<(Done, f64)> {
    let fsync = if soon { "always" } else { "everysec" };
    let folder = world.folder.join(fsync);
    let redis = Redis::start(world, &folder, fsync, (world.size.records, VALUE_BYTES))?;
    world.loader.fill(redis.target())?;
    let before = redis.cpu_seconds()?;
    let done = world.loader.run(redis.target(), "U", world.size.seconds)?;
    let cpu = redis.cpu_seconds()? - before;
    redis.stop()?;
    std::fs::remove_dir_all(&folder)?;
    Ok((done, cpu))
}

fn postgres(world: &World<'_>, soon: bool) -> Result<(Done, f64)> {
    let commit = if soon { "synchronous_commit=on" } else { "synchronous_commit=off" };
    let table = Table::start(world, &[commit, "shared_buffers=1GB"], world.size.records, VALUE_BYTES)?;
    let before = table.server.cpu_seconds()?;
    let statement = format!(
        "insert into kv values (:id, repeat('y', {VALUE_BYTES})) on conflict (id) do update set value = excluded.value"
    );
    let done = table.run(&statement, world.size.seconds)?;
    let cpu = table.server.cpu_seconds()? - before;
    table.server.stop()?;
    Ok((done, cpu))
}

const NOTES: &str = "\
16 connections, one request under way on each; processor time of the server only. *Within a second*: `flush-max-ms 1000`, \
`appendfsync everysec`, `synchronous_commit=off`. *Before the reply*: `commit-to-device true`, `appendfsync always`, \
`synchronous_commit=on`. Records are kept in memory as well (Shipload `storage-engine memory` with a file, PostgreSQL \
`shared_buffers=1GB`). PostgreSQL: single-row upserts by `pgbench` with prepared statements, whose p50 is an average.";
