//! The program: started once in the mode in which it can load a new file without closing its ports, and found again by
//! a watcher that was restarted.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use thiserror::Error;

/// Why the load balancer does not run as wanted.
#[derive(Debug, Error)]
pub enum ProcessError {
    /// A file can't be written.
    #[error("{0} can't be written: {1}")]
    Write(PathBuf, io::Error),
    /// A program can't be started.
    #[error("{0} can't be started: {1}")]
    Start(PathBuf, io::Error),
    /// It does not take the file.
    #[error("HAProxy does not take the new file, the old one stays: {0}")]
    Refused(String),
}

/// A load balancer with its file.
#[derive(Debug, Clone)]
pub struct Balancer {
    /// The program.
    pub program: PathBuf,
    /// Its file.
    pub file: PathBuf,
    /// Where its number is kept.
    pub pid_file: PathBuf,
}

impl Balancer {
    /// The file as it is; empty when there is none.
    #[must_use]
    pub fn written(&self) -> String {
        fs::read_to_string(&self.file).unwrap_or_default()
    }

    /// Replaces the file at once, so that nobody ever reads half of it.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write(&self, text: &str) -> Result<(), ProcessError> {
        let new = self.beside();
        let failed = |error| ProcessError::Write(self.file.clone(), error);
        fs::write(&new, text).map_err(failed)?;
        fs::rename(&new, &self.file).map_err(failed)
    }

    /// Lets the program check a text before anything uses it.
    ///
    /// # Errors
    /// What the program says against it.
    pub fn check(&self, text: &str) -> Result<(), ProcessError> {
        let new = self.beside();
        fs::write(&new, text).map_err(|error| ProcessError::Write(new.clone(), error))?;
        let output = Command::new(&self.program).arg("-c").arg("-f").arg(&new).output();
        let output = output.map_err(|error| ProcessError::Start(self.program.clone(), error))?;
        if output.status.success() {
            return Ok(());
        }
        Err(ProcessError::Refused(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }

    fn beside(&self) -> PathBuf {
        self.file.with_extension("new")
    }

    /// The number of the running program; none when it does not run.
    #[must_use]
    pub fn running(&self) -> Option<u32> {
        let id = fs::read_to_string(&self.pid_file).ok()?.trim().parse().ok()?;
        // The number may belong to somebody else by now.
        let line = fs::read(format!("/proc/{id}/cmdline")).ok()?;
        let ours = self.file.as_os_str().as_encoded_bytes();
        line.windows(ours.len().max(1)).any(|part| part == ours).then_some(id)
    }

    /// Starts the program, or lets the running one load the file; whether it was started.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn load(&self, signal: &dyn Fn(u32) -> io::Result<()>) -> Result<bool, ProcessError> {
        let failed = |error| ProcessError::Start(self.program.clone(), error);
        if let Some(id) = self.running() {
            signal(id).map_err(failed)?;
            return Ok(false);
        }
        let child = Command::new(&self.program)
            .args(["-W", "-db", "-f"])
            .arg(absolute(&self.file))
            .stdin(Stdio::null())
            .spawn()
            .map_err(failed)?;
        fs::write(&self.pid_file, child.id().to_string())
            .map_err(|error| ProcessError::Write(self.pid_file.clone(), error))?;
        Ok(true)
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
