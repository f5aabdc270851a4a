//! `cargo xtask drill`: short versions of all drills of `shipload drill`, on real processes.
//!
//! The drills judge themselves: nothing acknowledged is lost, conflicts end as the policy says, a node that comes back
//! is sent what changed, nobody is accused on busy processors. No figure is compared with a wish here; a busy machine
//! may be slow. A drill that does not hold runs once more, and that it had to is said aloud.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{process, web};

/// Words after `shipload drill`.
const DRILLS: [&[&str]; 10] = [
    &["failover", "--rounds", "3", "--records", "10000"],
    &["failover", "--how", "stop", "--rounds", "1", "--records", "10000"],
    &["failover", "--how", "cut", "--rounds", "1", "--records", "10000"],
    &["join", "--records", "50000", "--seconds", "3"],
    &["neighbours"],
    &["restart", "--records", "50000"],
    &["split", "--records", "1200"],
    &["split", "--records", "1200", "--policy", "generation"],
    &["cable", "--rounds", "2"],
    &["soak", "--minutes", "0.5"],
];

/// A drill of the web door, which `cargo xtask web` runs as well: not one of those above.
const STALENESS: &str = "staleness";

/// Which drills, and of which program.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this drill; also `staleness`, how old reads through caches are
    #[arg(value_name = "DRILL", conflicts_with = "only")]
    drill: Option<String>,
    /// Only drills whose words contain this text
    #[arg(long)]
    only: Option<String>,
    /// The program to test; the release build of this checkout when not given
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// Runs them one after the other: `true` when all hold.
pub(crate) fn run(args: &Args) -> Result<bool> {
    let binary = process::binary(args.binary.as_ref())?;
    if args.drill.as_deref() == Some(STALENESS) {
        return web::staleness(&binary);
    }
    let chosen = |words: &&[&str]| args.drill.as_deref().is_none_or(|drill| words.first() == Some(&drill));
    let drills: Vec<&[&str]> = DRILLS.into_iter().filter(chosen).collect();
    ensure!(!drills.is_empty(), "there is no drill '{}'", args.drill.as_deref().unwrap_or_default());
    let mut failed = Vec::new();
    for words in drills {
        let line = words.join(" ");
        if args.only.as_ref().is_some_and(|only| !line.contains(only.as_str())) {
            continue;
        }
        let held = || -> Result<bool> {
            println!("\n--> shipload drill {line}");
            let status = Command::new(&binary).arg("drill").args(words).status();
            Ok(status.with_context(|| format!("cannot run {}", binary.display()))?.success())
        };
        if held()? {
            continue;
        }
        // Some of what drills promise (no request fails, nobody is accused) a machine that stands still can break.
        println!("VARIES: shipload drill {line} did not hold; it runs once more, alone");
        if !held()? {
            failed.push(line);
        }
    }
    for line in &failed {
        eprintln!("failed: shipload drill {line}");
    }
    Ok(failed.is_empty())
}
