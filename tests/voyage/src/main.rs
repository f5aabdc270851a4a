//! The scenario of the containers, end to end, on real Docker engines: each row of the table is an asserted step.
//!
//! Several engines run on this machine, each in namespaces of its own, as if they were hosts. Everything that is
//! started is ended by its id when this program ends, also after a failure. Nothing is pulled from anywhere.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod certificates;
mod development;
mod docker;
mod engines;
mod evidence;
mod fleet;
mod http;
mod images;
mod limits;
mod load;
mod production;
mod reaper;
mod scaling;
mod seen;
mod table;
mod trouble;
mod wait;
mod watching;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use crate::engines::Engines;
use crate::table::Table;

/// As many hosts.
const ENGINES: usize = 3;

/// Runs the scenario of the containers on real Docker engines.
#[derive(Debug, Parser)]
#[command(name = "shipload-voyage")]
struct Args {
    /// The folder that the image is built from, made by `cargo xtask image`
    #[arg(long, required_unless_present = "reap")]
    context: Option<PathBuf>,
    /// The folder with the files for Compose and Swarm mode
    #[arg(long, default_value = "deploy")]
    deploy: PathBuf,
    /// The program that runs outside of containers, when it is not the image's
    #[arg(long)]
    program: Option<PathBuf>,
    /// Where data, sockets and logs of the engines lie meanwhile
    #[arg(long, default_value = "/tmp/shipload-voyage")]
    folder: PathBuf,
    /// Only the parts whose name contains this text: development, limits, watch, production
    #[arg(long)]
    only: Option<String>,
    /// Where logs of all containers and answers of all nodes are kept when a step fails
    #[arg(long, default_value = "/tmp/shipload-voyage-failed")]
    evidence: PathBuf,
    /// Wait for the end of another process, and take away what it left
    #[arg(long, hide = true)]
    reap: bool,
    /// Leave engines running when a step fails, to look at them; ends with Enter
    #[arg(long)]
    hold: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if args.reap {
        if matches!(reaper::is_needed(), Ok(true))
            && let Ok(_turn) = engines::turn(&args.folder)
        {
            // The engines' processes need a moment to end with the one that started them.
            std::thread::sleep(std::time::Duration::from_secs(1));
            engines::remove(&args.folder, ENGINES);
        }
        return ExitCode::SUCCESS;
    }
    let mut table = Table::default();
    let result = run(&args, &mut table);
    table.print();
    match result {
        Ok(()) if table.all_hold() => ExitCode::SUCCESS,
        Ok(()) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("voyage: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args, table: &mut Table) -> Result<()> {
    let chosen = |name: &str| args.only.as_ref().is_none_or(|only| name.contains(only.as_str()));
    let context = args.context.as_deref().context("--context names the image's folder")?;
    let mut engines = Engines::start(&args.folder, ENGINES)?;
    let result = (|| {
        let digests = images::bring(&engines, context, table)?;
        if chosen("development") {
            development::run(&engines, &args.deploy, &digests, table)?;
        }
        if chosen("limits") {
            limits::run(&engines, table)?;
        }
        if chosen("watch") {
            watching::run(&mut engines, table)?;
        }
        if chosen("production") {
            let program = args.program.clone().unwrap_or_else(|| context.join("rootfs/shipload"));
            let tree = production::Tree { deploy: &args.deploy, program: &program, digests: &digests };
            production::run(&mut engines, &tree, table)?;
        }
        Ok(())
    })();
    if let Err(error) = &result {
        evidence::keep(&engines, &format!("{error:#}"), &args.evidence)?;
    }
    if let Err(error) = &result
        && args.hold
    {
        eprintln!("voyage: {error:#}\nthe engines of {} run on; Enter ends them", args.folder.display());
        std::io::stdin().read_line(&mut String::new())?;
    }
    result
}
