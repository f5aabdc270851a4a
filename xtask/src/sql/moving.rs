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
    cluster.script("create table moving (id bigint primary key, v bigint, s text);\n")?;
    for start in (0..ROWS).step_by(usize::try_from(BULK)?) {
        let rows: Vec<Value> = (start..start + BULK).map(|id| json!([id, id % 7, "x".repeat(50)])).collect();
        let answer = send(
            first,
            &json!({"stmt": "insert into moving (id, v, s) values (?, ?, ?)", "bulk_args": rows}),
        )?;
        ensure!(answer.get("error").is_none(), "{answer}");
    }
    let addresses: Vec<_> = cluster.nodes.iter().map(|node| node.http).collect();
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
    println!("sql: {asked} queries while a node joined and left, each counted {ROWS} records once");
    Ok(true)
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

fn count(address: std::net::SocketAddr) -> Result<()> {
    let answer = ask(address, "select count(*), count(distinct id), sum(id), sum(v) from moving")?;
    let (ids, values) = (ROWS * (ROWS - 1) / 2, (0..ROWS).map(|id| id % 7).sum::<u64>());
    let wanted = json!([[ROWS, ROWS, ids, values]]);
    ensure!(answer.get("rows") == Some(&wanted), "wanted {wanted}, got {answer}");
    Ok(())
}
