//! PostgreSQL for a benchmark: a cluster of its own in a temporary folder, reached by its socket there.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;

use crate::process::Process;

/// The user that the server runs as when this is root, whom it refuses.
const USER: &str = "postgres";
/// The only thing on its socket's folder is this port.
pub(crate) const PORT: &str = "5999";

/// A server that answers.
pub(crate) struct Postgres {
    process: Option<Process>,
    folder: PathBuf,
    programs: PathBuf,
}

impl Postgres {
    /// Makes a cluster in a folder that does not exist yet, and starts it with these settings.
    pub(crate) fn start(programs: Option<&Path>, folder: PathBuf, settings: &[&str]) -> Result<Self> {
        let programs = match programs {
            Some(programs) => programs.to_path_buf(),
            None => newest().context("no PostgreSQL: apt-get install postgresql")?,
        };
        let mut made = Command::new("install");
        made.args(["-d", "-m", "700"]);
        if is_root() {
            made.args(["-o", USER]);
        }
        ensure!(made.arg(&folder).status()?.success(), "cannot make {}", folder.display());
        let mut postgres = Self { process: None, folder, programs };
        let data = postgres.folder.join("data");
        let mut init = postgres.command("initdb");
        init.args(["--auth=trust", "--no-sync", "--locale=C", "--encoding=UTF8", "-D"]).arg(&data);
        succeed(&mut init)?;
        let mut server = postgres.command("postgres");
        server.arg("-D").arg(&data).args(["-p", PORT, "-k"]).arg(&postgres.folder);
        for setting in ["listen_addresses="].iter().chain(settings) {
            server.args(["-c", setting]);
        }
        let mut process = Process::start("postgres", &mut server)?;
        process.wait_for(Duration::from_secs(60), |line| {
            line.contains("ready to accept connections").then_some(())
        })?;
        postgres.process = Some(process);
        Ok(postgres)
    }

    /// The operating system's number of its first process.
    pub(crate) fn id(&self) -> Result<u32> {
        self.process.as_ref().map(Process::id).context("PostgreSQL does not run")
    }

    /// Where its socket and its data lie.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A program as a user that the server accepts.
    pub(crate) fn command(&self, program: &str) -> Command {
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

    /// Runs statements.
    pub(crate) fn ask(&self, script: &str) -> Result<()> {
        let path = self.folder.with_extension("sql");
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
        result.map(|_| ())
    }

    /// Processor seconds of the server's first process, of all its processes that have ended, and of those that run.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
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
    pub(crate) fn stop(mut self) -> Result<()> {
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

/// Runs a program; what it printed.
pub(crate) fn succeed(command: &mut Command) -> Result<String> {
    let Output { status, stdout, stderr } =
        command.output().with_context(|| format!("cannot run {command:?}"))?;
    ensure!(status.success(), "{command:?} ended with {status}: {}", String::from_utf8_lossy(&stderr));
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}
