//! A second process that tidies up when the first one ends without having done so: killed, or interrupted.
//!
//! It waits in a session of its own at the end of a pipe. A word on the pipe sends it home; the pipe's end without that
//! word means that nobody else will take the engines away. The engines' own processes end by themselves: the kernel
//! kills each keeper with its parent, and with the keeper all that the engine ran.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

const DONE: &[u8] = b"done";

/// The waiting process.
#[derive(Debug)]
pub(crate) struct Reaper(Child);

impl Reaper {
    /// Lets it wait for this process's end.
    pub(crate) fn start(folder: &Path) -> Result<Reaper> {
        let program = std::env::current_exe().context("this program has no path")?;
        let child = Command::new("setsid")
            .arg(program)
            .arg("--reap")
            .arg("--folder")
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .context("cannot run setsid, of util-linux")?;
        Ok(Reaper(child))
    }

    /// Sends it home: everything is tidy.
    pub(crate) fn dismiss(mut self) {
        // When it is gone already there is nobody to send home.
        if let Some(mut pipe) = self.0.stdin.take() {
            let _ = pipe.write_all(DONE);
        }
        let _ = self.0.wait();
    }
}

/// What the waiting process does: whether it has to tidy up.
pub(crate) fn is_needed() -> Result<bool> {
    let mut heard = Vec::new();
    std::io::stdin().read_to_end(&mut heard)?;
    Ok(heard != DONE)
}
