//! The world in which a document's commands run: an empty directory, and names that mean the program under test.

use std::ffi::OsString;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::process::Process;
use crate::workspace;

/// Longest time for a command that ends, and for one to get ready.
const PATIENCE: Duration = Duration::from_secs(600);
/// Longest time for a command in the background to end after Ctrl-C.
const END_PATIENCE: Duration = Duration::from_secs(5);

/// A directory and the commands that run in its background. Dropping it ends and removes all.
pub(crate) struct World {
    directory: PathBuf,
    path: OsString,
    background: Vec<Process>,
}

impl World {
    /// An empty directory in which `shipload` is this binary.
    pub(crate) fn new(binary: &Path) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("shipload-docs-{}-{number}", std::process::id()));
        let programs = directory.join("bin");
        std::fs::create_dir_all(directory.join("work"))?;
        std::fs::create_dir_all(&programs)?;
        symlink(binary, programs.join("shipload")).context("cannot link the program")?;
        let cargo = programs.join("cargo");
        std::fs::write(&cargo, cargo_script())?;
        std::fs::set_permissions(&cargo, std::fs::Permissions::from_mode(0o755))?;
        let mut path = programs.into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        Ok(Self { directory, path, background: Vec::new() })
    }

    /// Runs commands to their end: what they print on standard output.
    pub(crate) fn run(&mut self, script: &str) -> Result<String> {
        let mut process = Process::start("the command", &mut self.command(script))?;
        match process.wait(PATIENCE)? {
            Some(status) if status.success() => {
                // Messages beside the output, such as a download's progress, are not in the documents.
                process.printed_to_the_end();
                Ok(process.output())
            }
            Some(status) => bail!("ends with {status}; it printed:\n{}", process.printed_to_the_end()),
            None => bail!("does not end within {PATIENCE:?}; it printed:\n{}", process.printed()),
        }
    }

    /// Starts a command that goes on running: what it printed until it was ready.
    pub(crate) fn start(&mut self, script: &str, ready: &str) -> Result<String> {
        let mut process = Process::start("the command", &mut self.command(script))?;
        process.wait_for(PATIENCE, |line| line.contains(ready).then_some(()))?;
        let printed = process.output();
        self.background.push(process);
        Ok(printed)
    }

    /// Ends what runs in the background as Ctrl-C does; each must end in time.
    pub(crate) fn end(mut self) -> Result<()> {
        while let Some(mut process) = self.background.pop() {
            signal_group(&process, Signal::INT);
            if process.wait(END_PATIENCE)?.is_none() {
                bail!("0: a command in the background does not end within {END_PATIENCE:?} after Ctrl-C");
            }
        }
        Ok(())
    }

    /// A group of its own, so that Ctrl-C reaches what the script started as well.
    fn command(&self, script: &str) -> Command {
        let mut command = Command::new("bash");
        if super::is_inside() {
            // There is no network to look anything up in; what is needed was fetched by the build.
            command.env("CARGO_NET_OFFLINE", "true");
        }
        command
            .args(["-euo", "pipefail", "-c", script])
            .current_dir(self.directory.join("work"))
            .env("PATH", &self.path)
            .env("HOME", &self.directory)
            .env("NO_COLOR", "1")
            .process_group(0);
        command
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for process in &self.background {
            signal_group(process, Signal::KILL);
        }
        self.background.clear();
        // A directory that stays behind in the temporary files is no reason to fail.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Signals a process and all that it started; a group that has ended needs no signal.
fn signal_group(process: &Process, signal: Signal) {
    if let Some(group) = i32::try_from(process.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, signal);
    }
}

/// `cargo run ... -- ARGUMENTS` means the program under test; everything else is the real cargo, in the checkout.
fn cargo_script() -> String {
    let root = workspace::root();
    let cargo = workspace::cargo();
    let home = std::env::var("HOME").unwrap_or_default();
    format!(
        "#!/bin/sh\nif [ \"$1\" = run ]; then\n  while [ $# -gt 0 ] && [ \"$1\" != -- ]; do shift; done\n  \
         [ $# -gt 0 ] && shift\n  exec shipload \"$@\"\nfi\ncd '{}' && HOME='{home}' exec '{cargo}' \"$@\"\n",
        root.display()
    )
}
