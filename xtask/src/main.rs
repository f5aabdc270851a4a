//! The project's scripts, as typed commands: `cargo xtask <command>`.
//!
//! Each command is one module that can be read alone. A command prints what it found, and its exit
//! status says whether the project keeps what it promises. Nothing here is part of the product.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod bench_index;
mod bench_model;
mod bench_records;
mod bench_sql;
mod bench_storage;
mod bench_web;
mod benchmarks_document;
mod ci;
mod cli;
mod clients;
mod cluster;
mod compat;
mod conform;
mod console;
mod counter;
mod crash;
mod deny;
mod docs;
mod drill;
mod fuzz;
mod golden;
mod image;
mod load;
mod manifests;
mod markdown;
mod postgres;
mod process;
mod sim;
mod sql;
mod tidy;
mod venv;
mod voyage;
mod web;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Bench, Cli, Command};

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Runs one command: `true` when all that it checks holds.
fn run(command: Command) -> anyhow::Result<bool> {
    match command {
        Command::Tidy(args) => tidy::run(&args),
        Command::Bench(Bench::Index(args)) => bench_index::run(&args).map(|()| true),
        Command::Bench(Bench::Model(args)) => bench_model::run(&args).map(|()| true),
        Command::Bench(Bench::Records(args)) => bench_records::run(&args).map(|()| true),
        Command::Bench(Bench::Sql(args)) => bench_sql::run(&args),
        Command::Bench(Bench::Storage(args)) => bench_storage::run(&args).map(|()| true),
        Command::Bench(Bench::Web(args)) => bench_web::run(&args).map(|()| true),
        Command::Ci(args) => ci::run(&args),
        Command::Clients(args) => clients::run(&args),
        Command::Compat(args) => compat::run(&args),
        Command::Conform(args) => conform::run(&args),
        Command::Counter(args) => counter::run(&args),
        Command::Crash(args) => crash::run(&args),
        Command::Deny => deny::run(),
        Command::Docs(args) => docs::run(&args),
        Command::Drill(args) => drill::run(&args),
        Command::Fuzz(args) => fuzz::run(&args),
        Command::Golden(args) => golden::run(&args),
        Command::Image(args) => image::run(&args),
        Command::Manifests => manifests::run(),
        Command::Sim(args) => sim::run(&args),
        Command::Sql(args) => sql::run(&args),
        Command::Voyage(args) => voyage::run(&args),
        Command::Web(args) => web::run(&args),
    }
}
