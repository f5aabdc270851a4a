//! `shipload drill`: failures on purpose, on processes of this machine, and what clients saw of them.
//!
//! Each drill starts nodes of its own, as processes of this same program, on addresses and ports that nobody else
//! uses, puts load on them through the official client, lets something happen, and checks that nothing is lost. The
//! figures are measured from outside; the status is 0 only when everything that was promised held.

mod cable;
mod client;
mod cluster;
mod failover;
mod harm;
mod interrupt;
mod join;
mod keys;
mod neighbours;
mod network;
mod node;
mod place;
mod report;
mod restart;
mod roles;
mod soak;
mod split;
mod traffic;
mod watch;
mod writers;

use std::process::ExitCode;

use anyhow::Result;

use self::cluster::{Cluster, Wish};

/// What can be drilled.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Drill {
    /// Nodes fail one after the other: the longest gap in writes, and whether every acknowledged write is there
    Failover(failover::Args),
    /// Nothing fails, but the processors are busy: nobody may take another node for dead
    Soak(soak::Args),
    /// One more node under load: how long until it has its share, and what clients notice
    Join(join::Args),
    /// A node is away while some records change: how many records it is sent when it is back
    Restart(restart::Args),
    /// Strangers at the ports between nodes, and a node that stands still: none may get in, nothing may be lost
    Neighbours(neighbours::Args),
    /// The network falls apart, both sides go on and meet again: which writes win (needs root)
    Split(split::Args),
    /// A node's cable is pulled under load and plugged in again: what was counted stays counted (needs root)
    Cable(cable::Args),
}

/// Flags of all drills.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Shared {
    /// Another flag for every node, such as --set=service.migrate-threads=2; may be given several times
    #[arg(long, value_name = "FLAG", allow_hyphen_values = true)]
    node_flag: Vec<String>,
    /// Keep the nodes' logs
    #[arg(long)]
    keep_logs: bool,
}

impl Shared {
    fn with_flags(&self, mut wish: Wish) -> Wish {
        wish.flags.extend(self.node_flag.iter().cloned());
        wish
    }
}

/// Runs a drill: success when all that it checks holds.
pub(crate) fn run(drill: &Drill) -> Result<ExitCode> {
    interrupt::watch()?;
    match drill {
        Drill::Failover(args) => failover::run(args),
        Drill::Soak(args) => soak::run(args),
        Drill::Join(args) => join::run(args),
        Drill::Restart(args) => restart::run(args),
        Drill::Neighbours(args) => neighbours::run(args),
        Drill::Split(args) => split::run(args),
        Drill::Cable(args) => cable::run(args),
    }
}

/// Ends a drill whose nodes still run: who found something wants to see the logs.
fn end(cluster: &mut Cluster, outcome: Result<bool>) -> Result<ExitCode> {
    let holds = outcome.inspect_err(|_| cluster.directory.keep = true)?;
    cluster.directory.keep |= !holds;
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints whether a promise held.
fn verdict(holds: bool, what: &str) -> bool {
    println!("{}: {what}", if holds { "held" } else { "BROKEN" });
    holds
}

/// A drill that this machine can't do.
#[expect(clippy::unnecessary_wraps, reason = "it ends a drill, which may fail")]
fn skip(reason: &str) -> Result<ExitCode> {
    println!("skipped: {reason}");
    Ok(ExitCode::SUCCESS)
}
