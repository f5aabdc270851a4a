//! Shipload: one program that is the node, its tools and its demonstration.
//!
//! Each subcommand is one module. This file only chooses; what a subcommand promises stands in its module.

mod aql;
mod backup;
mod bench;
mod cache;
mod cli;
mod counter;
mod drill;
mod ending;
#[cfg(feature = "fleet")]
mod fleet;
mod health;
mod info;
mod runtime;
mod seed;
mod serve;
mod sql;
mod tail;
mod terminal;
mod up;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};

/// jemalloc keeps a long-running node's memory close to what its records need.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("shipload: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(args) => Ok(serve::run(&args)),
        Command::Up(args) => up::run(&args),
        Command::Counter(args) => counter::run(&args),
        Command::Health(args) => health::run(&args),
        Command::Aql(args) => aql::run(&args),
        Command::Info(args) => info::run(&args),
        Command::Sql(args) => sql::run(&args),
        #[cfg(feature = "sql")]
        Command::SqlDoor(args) => sql::door::run(&args),
        Command::Cache(args) => cache::run(&args),
        Command::Tail(args) => tail::run(&args),
        Command::Drill(args) => drill::run(&args),
        Command::Bench(args) => bench::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Backup(args) => backup::run_backup(&args),
        Command::Restore(args) => backup::run_restore(&args),
        #[cfg(feature = "fleet")]
        Command::Deploy(args) => fleet::run(fleet::Fleet::Deploy(args)),
        #[cfg(feature = "fleet")]
        Command::Scale(args) => fleet::run(fleet::Fleet::Scale(args)),
        #[cfg(feature = "fleet")]
        Command::Status(args) => fleet::run(fleet::Fleet::Status(args)),
        #[cfg(feature = "fleet")]
        Command::Rollout(args) => fleet::run(fleet::Fleet::Rollout(args)),
        #[cfg(feature = "fleet")]
        Command::Doctor(args) => fleet::run(fleet::Fleet::Doctor(args)),
        #[cfg(feature = "fleet")]
        Command::Watch(args) => fleet::run(fleet::Fleet::Watch(args)),
        #[cfg(feature = "fleet")]
        Command::Autoscale(args) => fleet::run(fleet::Fleet::Autoscale(args)),
        Command::Version => {
            println!("shipload {}", env!("CARGO_PKG_VERSION"));
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Prints a text. A reader that has seen enough, as in `shipload info | head`, is no failure.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
