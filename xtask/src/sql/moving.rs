//! Queries while records move: a node joins and leaves, and every record is counted exactly once all the time.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::world::{Cluster, ask, send};

const ROWS: u64 = 20_000;
/// Rows of one request.
const BULK: u64 = 2000;
/// Queries after the cluster has changed, on each node.
const AFTER: usize = 5;
const PATIENCE: Duration = Duration::from_secs(60);

/// Fills a table, then lets a node join and leave while all nodes are asked.
pub(super) fn run(cluster: &mut Cluster, binary: &Path) -> Result<bool> {
    let Some(first) = cluster.nodes.first().map(|node| node.http) else { bail!("there are no nodes") };
    cluster.script(
        "create table moving (id bigint primary key, v bigint, s text);\ncreate index moving_v on moving (v);\n",
    )?;
    for start in (0..ROWS).step_by(usize::try_from(BULK)?) {
        let rows: Vec<Value> = (start..start + BULK).map(|id| json!([id, id % 7, "x".repeat(50)])).collect();
        let answer = send(
            first,
            &json!({"stmt": "insert into moving (id, v, s) values (?, ?, ?)", "bulk_args": rows}),
        )?;
        ensure!(answer.get("error").is_none(), "{answer}");
    }
    let addresses = cluster.doors();
    let stop = AtomicBool::new(false);
    let (asked, changed) = std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let (mut asked, mut left) = (0usize, AFTER);
            while left > 0 {
                if stop.load(Ordering::Relaxed) {
                    left -= 1;
                }
                for address in &addresses {
                    count(*address)?;
                    asked += 1;
                }
            }
            Ok::<_, anyhow::Error>(asked)
        });
        let changed = change(cluster, binary);
        stop.store(true, Ordering::Relaxed);
        (asking.join(), changed)
    });
    changed?;
    let asked = asked.map_err(|_| anyhow::anyhow!("the questioner panicked"))??;
    println!(
        "sql: {asked} queries while a node joined and left, each counted {ROWS} records once, three ways"
    );
    Ok(true)
}

/// Runs the cases while a fourth node joins and leaves, over and over; their tables must be there.
pub(super) fn cases(cluster: &Cluster, binary: &Path) -> Result<bool> {
    let (nodes, done) = (cluster.doors(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let held = super::cases::again(&nodes);
            done.store(true, Ordering::Relaxed);
            held
        });
        let mut changes = 0usize;
        while !done.load(Ordering::Relaxed) {
            let guest = cluster.guest(binary)?;
            let status = guest.process.stop(Signal::TERM, PATIENCE)?;
            ensure!(status.success(), "the node ended with {status}");
            cluster.wait()?;
            changes += 2;
        }
        println!("sql: {changes} changes of the cluster meanwhile");
        asking.join().map_err(|_| anyhow::anyhow!("the questioner panicked"))?
    })
}

/// A node joins; once it has its share it leaves again.
fn change(cluster: &mut Cluster, binary: &Path) -> Result<()> {
    cluster.join(binary)?;
    let Some(node) = cluster.nodes.pop() else { bail!("nothing has joined") };
    count(node.http)?;
    let status = node.process.stop(Signal::TERM, PATIENCE)?;
    ensure!(status.success(), "the node ended with {status}");
    cluster.wait()
}

/// Asks for all rows, for what nodes have measured of them, and for rows along an index.
fn count(address: std::net::SocketAddr) -> Result<()> {
    let (ids, values) = (ROWS * (ROWS - 1) / 2, (0..ROWS).map(|id| id % 7).sum::<u64>());
    let some = (0..ROWS).filter(|id| id % 7 == 3);
    for (statement, wanted) in [
        (
            "select count(*), count(distinct id), sum(id), sum(v) from moving",
            json!([[ROWS, ROWS, ids, values]]),
        ),
        ("select count(*), sum(id), sum(v) from moving", json!([[ROWS, ids, values]])),
        (
            "select count(*), count(distinct id), sum(id) from moving where v = 3",
            json!([[some.clone().count(), some.clone().count(), some.clone().sum::<u64>()]]),
        ),
    ] {
        let answer = ask(address, statement)?;
        ensure!(answer.get("rows") == Some(&wanted), "{statement}: wanted {wanted}, got {answer}");
    }
    Ok(())
}
