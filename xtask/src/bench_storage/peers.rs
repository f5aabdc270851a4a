//! Redis with an append-only file, and PostgreSQL with a table of keys and values.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;

use super::World;
use super::load::{Done, Target};
use crate::bench_records::counters::cpu_seconds;
use crate::postgres::{PORT, Postgres, succeed};
use crate::process::Process;

/// Redis, which keeps every write in a file.
pub(super) struct Redis {
    process: Process,
    target: Target,
}

impl Redis {
    /// Starts it; `fsync` is what it calls `appendfsync`.
    pub(super) fn start(world: &World<'_>, folder: &Path, fsync: &str, target: (u64, u64)) -> Result<Redis> {
        std::fs::create_dir_all(folder)?;
        let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let mut command = Command::new(&world.args.redis);
        command.args(["--port", &address.port().to_string(), "--bind", "127.0.0.1", "--save", ""]);
        command.args(["--appendonly", "yes", "--appendfsync", fsync, "--dir"]).arg(folder);
        let mut process = Process::start("redis-server", &mut command)
            .with_context(|| format!("no {}: apt-get install redis-server", world.args.redis.display()))?;
        process.wait_for(Duration::from_secs(20), |line| {
            line.contains("Ready to accept connections").then_some(())
        })?;
        let (records, value_bytes) = target;
        Ok(Redis { process, target: Target { address, peer: "redis", records, value_bytes } })
    }

    pub(super) fn target(&self) -> Target {
        self.target
    }

    pub(super) fn cpu_seconds(&self) -> Result<f64> {
        cpu_seconds(self.process.id())
    }

    pub(super) fn stop(self) -> Result<()> {
        let status = self.process.stop(Signal::TERM, Duration::from_secs(60))?;
        ensure!(status.success(), "Redis ended with {status}");
        Ok(())
    }
}

/// PostgreSQL with a table `kv`.
pub(super) struct Table {
    pub(super) server: Postgres,
    records: u64,
}

impl Table {
    pub(super) fn start(world: &World<'_>, settings: &[&str], records: u64, bytes: u64) -> Result<Table> {
        // Its user must reach the folder, which not every target directory allows.
        let folder = reachable(world.folder).join(format!("postgres-{}", std::process::id()));
        let server = Postgres::start(world.args.postgres.as_deref(), folder, settings)?;
        server.ask(&format!(
            "create table kv (id bigint primary key, value text not null);
            insert into kv select i, repeat('x', {bytes}) from generate_series(1, {records}) i;
            checkpoint;"
        ))?;
        Ok(Table { server, records })
    }

    /// Waits until the backends of the load are gone: only then the server knows what they took.
    fn settle(&self) -> Result<()> {
        let (until, mut last) = (Instant::now() + Duration::from_secs(5), -1.0);
        while Instant::now() < until {
            let now = self.server.cpu_seconds()?;
            if (now - last).abs() < f64::EPSILON {
                break;
            }
            last = now;
            std::thread::sleep(Duration::from_millis(300));
        }
        Ok(())
    }

    /// Runs a statement about `:id` on 16 connections for so many seconds.
    pub(super) fn run(&self, statement: &str, seconds: u64) -> Result<Done> {
        let script = self.server.folder().with_extension("pgbench");
        std::fs::write(&script, format!("\\set id random(1, {})\n{statement};\n", self.records))?;
        let mut pgbench = self.server.command("pgbench");
        pgbench.args(["-n", "-M", "prepared", "-c", "16", "-j", "1", "-T", &seconds.to_string(), "-f"]);
        pgbench.arg(&script).args(["-p", PORT, "-h"]).arg(self.server.folder()).arg("postgres");
        let printed = succeed(&mut pgbench);
        self.settle()?;
        let _ = std::fs::remove_file(&script);
        read(&printed?).context("pgbench printed something else")
    }
}

/// A folder on the same disk that every user reaches.
fn reachable(folder: &Path) -> &Path {
    let open = |folder: &&Path| {
        use std::os::unix::fs::PermissionsExt as _;
        folder.ancestors().all(|part| {
            std::fs::metadata(part).is_ok_and(|metadata| metadata.permissions().mode() & 0o001 != 0)
        })
    };
    Some(folder).filter(open).unwrap_or(Path::new("/var/tmp"))
}

fn read(printed: &str) -> Option<Done> {
    let after = |name: &str| printed.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let operations =
        after("number of transactions actually processed:")?.split('/').next()?.trim().parse().ok()?;
    let per_second = after("tps =")?.split_whitespace().next()?.parse().ok()?;
    let average_ms: f64 = after("latency average =")?.split_whitespace().next()?.parse().ok()?;
    Some(Done { operations, per_second, p50_us: average_ms * 1000.0, p99_us: f64::NAN })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pgbench_prints_is_read() {
        let printed = "number of transactions actually processed: 1234/0\nlatency average = 2.500 ms\n\
            initial connection time = 9 ms\ntps = 6172.839 (without initial connection time)\n";
        let done = read(printed).unwrap();
        assert_eq!((done.operations, done.per_second, done.p50_us), (1234, 6172.839, 2500.0));
        assert!(read("nothing").is_none());
    }
}
