//! `cargo xtask sim`: whole nodes in one thread, from seeds; each seed is lived twice and must go the same way.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::workspace;

/// Which lives.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: Option<What>,
    /// How many seeds to live
    #[arg(long, default_value_t = 500)]
    seeds: u64,
    /// Only this seed, telling all that happens
    #[arg(long)]
    seed: Option<u64>,
    /// With `--seed`: tell what becomes of this record
    #[arg(long, requires = "seed")]
    watch: Option<u64>,
    /// Threads; each lives one seed at a time
    #[arg(long, default_value_t = 2)]
    threads: u64,
}

/// Other things that the simulator does.
#[derive(Debug, clap::Subcommand)]
enum What {
    /// What a cluster costs by its size: 4, 16, 64 and 256 nodes
    Scale {
        /// No larger clusters than this
        #[arg(long, default_value_t = 256)]
        nodes: u64,
    },
    /// Plant each known bug, and live seeds until one finds it
    Canaries {
        /// Seeds until a bug counts as missed
        #[arg(long, default_value_t = 60)]
        seeds: u64,
    },
}

/// Builds the simulator and runs it: `true` when nothing was found.
pub(crate) fn run(args: &Args) -> Result<bool> {
    let mut build = Command::new(workspace::cargo());
    build.args(["build", "--quiet", "--profile", "sim", "--locked", "--package", "shipload-sim"]);
    let built = build.current_dir(workspace::root()).status().context("cannot run cargo build")?;
    ensure!(built.success(), "the simulator does not build");
    let mut words: Vec<String> = Vec::new();
    match &args.what {
        Some(What::Scale { nodes }) => words.extend(["--scale".to_owned(), nodes.to_string()]),
        Some(What::Canaries { seeds }) => {
            words.extend(["--canaries".to_owned(), "--seeds".to_owned(), seeds.to_string()]);
        }
        None => match args.seed {
            Some(seed) => words.extend(["--verbose".to_owned(), "--seed".to_owned(), seed.to_string()]),
            None => words.extend(["--seeds".to_owned(), args.seeds.to_string()]),
        },
    }
    words.extend(["--threads".to_owned(), args.threads.to_string()]);
    if let Some(record) = args.watch {
        words.extend(["--watch".to_owned(), record.to_string()]);
    }
    let program = workspace::target_dir().join("sim/shipload-sim");
    let status = Command::new(&program).args(&words).status();
    Ok(status.with_context(|| format!("cannot run {}", program.display()))?.success())
}
