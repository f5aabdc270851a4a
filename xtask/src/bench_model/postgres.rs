//! PostgreSQL under load: a cluster of its own in a temporary folder, asked by `psql`.
//!
//! Each measurement is a few runs of `psql` with scripts of many statements. Their backends end with them, and then the
//! server's first process knows what processor time they took.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;

use super::{Case, ELEMENTS, FILTERED, Work};
use crate::process::Process;

/// The user that the server runs as when this is root, whom it refuses.
const USER: &str = "postgres";
/// The only thing on its socket's folder is this port.
const PORT: &str = "5999";

/// A server with the data.
pub(super) struct Postgres {
    process: Option<Process>,
    folder: PathBuf,
    programs: PathBuf,
    records: i64,
}

impl Postgres {
    /// Makes a cluster, starts it and writes the data.
    pub(super) fn start(programs: Option<&Path>, records: i64) -> Result<Self> {
        let programs = match programs {
            Some(programs) => programs.to_path_buf(),
            None => newest().context("no PostgreSQL: apt-get install postgresql")?,
        };
        let folder = std::env::temp_dir().join(format!("bench-model-{}", std::process::id()));
        let mut made = Command::new("install");
        made.args(["-d", "-m", "700"]);
        if is_root() {
            made.args(["-o", USER]);
        }
        ensure!(made.arg(&folder).status()?.success(), "cannot make {}", folder.display());
        let mut postgres = Self { process: None, folder, programs, records };
        let data = postgres.folder.join("data");
        let mut init = postgres.command("initdb");
        init.args(["--auth=trust", "--no-sync", "--locale=C", "--encoding=UTF8", "-D"]).arg(&data);
        succeed(&mut init)?;
        let mut server = postgres.command("postgres");
        server.arg("-D").arg(&data).args(["-p", PORT, "-k"]).arg(&postgres.folder);
        for setting in [
            "listen_addresses=",
            "fsync=off",
            "synchronous_commit=off",
            "autovacuum=off",
            "shared_buffers=1GB",
            "max_parallel_workers_per_gather=0",
        ] {
            server.args(["-c", setting]);
        }
        let mut process = Process::start("postgres", &mut server)?;
        process.wait_for(Duration::from_secs(60), |line| {
            line.contains("ready to accept connections").then_some(())
        })?;
        postgres.process = Some(process);
        postgres.ask(&setup(records))?;
        Ok(postgres)
    }

    /// A program as a user that the server accepts.
    fn command(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", USER, "--regid", USER, "--clear-groups"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir("/").stdin(Stdio::null());
        command
    }

    fn ask(&self, script: &str) -> Result<()> {
        let path = std::env::temp_dir().join(format!("bench-model-{}.sql", std::process::id()));
        std::fs::write(&path, script)?;
        let mut psql = self.command("psql");
        psql.args([
            "-X",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-o",
            "/dev/null",
            "-p",
            PORT,
            "-d",
            "postgres",
            "-h",
        ]);
        let result = succeed(psql.arg(&self.folder).arg("-f").arg(&path));
        let _ = std::fs::remove_file(&path);
        result
    }

    /// Works for about so many seconds.
    pub(super) fn measure(&self, case: Case, seconds: u64) -> Result<Work> {
        let (mut operations, mut count) = (0, 1);
        let before = self.cpu_seconds()?;
        let until = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < until {
            let script: String =
                (0..count).map(|turn| statement(case, turn + operations, self.records)).collect();
            self.ask(&script)?;
            operations += count;
            count = (count * 4).min(2000);
        }
        Ok(Work { operations: operations.unsigned_abs(), cpu_seconds: self.cpu_seconds()? - before })
    }

    /// Processor seconds of the server's first process, of all its processes that have ended, and of those that run.
    fn cpu_seconds(&self) -> Result<f64> {
        let id = self.process.as_ref().context("PostgreSQL does not run")?.id();
        let mut ticks = ticks(id, 4).context("an odd stat file")?;
        for entry in std::fs::read_dir("/proc")?.flatten() {
            let child =
                entry.file_name().to_string_lossy().parse().ok().filter(|child| parent(*child) == Some(id));
            ticks += child.and_then(|child| self::ticks(child, 2)).unwrap_or(0);
        }
        Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
    }

    /// Ends the server.
    pub(super) fn stop(mut self) -> Result<()> {
        // A fast stop waits for nobody.
        let process = self.process.take().context("PostgreSQL does not run")?;
        let status = process.stop(Signal::INT, Duration::from_secs(30))?;
        ensure!(status.success(), "PostgreSQL ended with {status}");
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // The server goes before its folder.
        self.process = None;
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The fields of a process's stat file behind its name.
fn stat(id: u32) -> Option<Vec<u64>> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(')')?;
    Some(fields.split_whitespace().map(|field| field.parse().unwrap_or(0)).collect())
}

fn parent(id: u32) -> Option<u32> {
    u32::try_from(*stat(id)?.get(1)?).ok()
}

/// Processor ticks: user and kernel time, and with four fields those of ended children.
fn ticks(id: u32, fields: usize) -> Option<u64> {
    Some(stat(id)?.iter().skip(11).take(fields).sum())
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The folder with the programs of the newest version that is installed.
fn newest() -> Option<PathBuf> {
    let versions =
        std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten().map(|entry| entry.path().join("bin"));
    versions.filter(|path| path.join("initdb").exists()).max()
}

fn succeed(command: &mut Command) -> Result<()> {
    let Output { status, stderr, .. } =
        command.output().with_context(|| format!("cannot run {command:?}"))?;
    ensure!(status.success(), "{command:?} ended with {status}: {}", String::from_utf8_lossy(&stderr));
    Ok(())
}

fn setup(records: i64) -> String {
    let last = ELEMENTS - 1;
    format!(
        "create table c (id int primary key, l jsonb, m jsonb);
        insert into c select 1, (select jsonb_agg(i) from generate_series(0, {last}) i),
            (select jsonb_object_agg(i::text, i * 7919 % 10007) from generate_series(0, {last}) i);
        create table n (a bigint, body jsonb);
        insert into n select i, jsonb_build_object('a', i) from generate_series(0, {records} - 1) i;
        create index on n (a);
        analyze;\n"
    )
}

fn statement(case: Case, turn: i64, records: i64) -> String {
    match case {
        Case::Append => format!(
            "update c set l = l || '{turn}'::jsonb where id = 1;\nupdate c set l = l - -1 where id = 1;\n"
        ),
        Case::Put => {
            let key = turn * 7 % ELEMENTS;
            format!("update c set m = jsonb_set(m, '{{{key}}}', '{turn}') where id = 1;\n")
        }
        Case::Rank => {
            "select e.key, e.value from c, jsonb_each(c.m) e where id = 1 order by e.value desc limit 10;\n"
                .to_owned()
        }
        Case::Filter => format!("select count(*) from n where (body->>'a')::bigint % {FILTERED} = 0;\n"),
        Case::Few | Case::Many => {
            let begin = turn % (records - case.selected(records));
            let end = begin + case.selected(records) - 1;
            format!("select count(body->>'a') from n where a between {begin} and {end};\n")
        }
    }
}
