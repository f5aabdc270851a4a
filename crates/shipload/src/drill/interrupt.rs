//! An interrupted drill leaves nothing behind: no processes, no networks, no files.
//!
//! Values of this program are not dropped when a signal ends it, so what would outlive it is on a list here.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::network;

/// The exit status after Ctrl-C, as shells have it.
const STATUS: i32 = 130;

/// What has to go when this program goes.
static LEFT: Mutex<Left> = Mutex::new(Left {
    processes: BTreeSet::new(),
    links: Vec::new(),
    networks: Vec::new(),
    directories: Vec::new(),
});

#[derive(Debug)]
struct Left {
    processes: BTreeSet<u32>,
    links: Vec<String>,
    networks: Vec<String>,
    directories: Vec<PathBuf>,
}

fn left(edit: impl FnOnce(&mut Left)) {
    edit(&mut LEFT.lock().unwrap_or_else(PoisonError::into_inner));
}

/// A process was started.
pub(super) fn add_process(id: u32) {
    left(|left| left.processes.extend([id]));
}

/// It is gone.
pub(super) fn remove_process(id: u32) {
    left(|left| left.processes.retain(|one| *one != id));
}

/// A directory was made.
pub(super) fn add_directory(path: PathBuf) {
    left(|left| left.directories.push(path));
}

/// Links and network namespaces that are about to be made.
pub(super) fn add_network(links: Vec<String>, networks: Vec<String>) {
    left(|left| {
        left.links.extend(links);
        left.networks.extend(networks);
    });
}

/// From now on Ctrl-C and SIGTERM end everything that is on the list, and then this program.
pub(super) fn watch() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("cannot watch for Ctrl-C")?;
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            // The list stays locked, so that nothing is added any more.
            let left = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
            for id in &left.processes {
                // It may be gone already.
                let _ =
                    i32::try_from(*id).ok().and_then(Pid::from_raw).map(|id| kill_process(id, Signal::KILL));
            }
            network::remove(&left.links, &left.networks);
            for path in &left.directories {
                // What can't be removed is the system's to clean up.
                let _ = std::fs::remove_dir_all(path);
            }
            eprintln!("interrupted; its nodes are gone");
            std::process::exit(STATUS);
        }
    });
    Ok(())
}
