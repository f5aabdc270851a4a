//! What can be typed after `cargo xtask`.
//!
//! The documents' check parses every `cargo xtask ...` line of README and docs with this same
//! definition, so a command or flag that is renamed here is found where it is described.

use clap::{Parser, Subcommand};

use crate::{
    bench_index, bench_model, bench_records, bench_sql, bench_storage, bench_web, ci, clients, compat,
    conform, counter, crash, docs, drill, fuzz, golden, image, sim, sql, tidy, voyage, web,
};

/// Typed scripts of the project.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, about, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// One script each.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check the house rules: import direction, names, sizes, documents (seconds)
    Tidy(tidy::Args),
    /// Measure, beside a peer in the same run
    #[command(subcommand)]
    Bench(Bench),
    /// Run everything that decides whether the project keeps its promises (under 45 minutes)
    Ci(ci::CiArgs),
    /// Run the suites of the official clients for Python, Node.js and C against nodes (minutes, needs PyPI and npm)
    Clients(clients::Args),
    /// Count what of the protocol is covered by recorded cases and tests, and name what is not (seconds)
    Compat(compat::Args),
    /// Run the official Rust client's own integration suite against a node (minutes)
    Conform(conform::Args),
    /// Run the Flask page with the client from PyPI against a node, and count its hits (under a minute)
    Counter(counter::Args),
    /// Kill a node under load again and again, and look what it still knows (minutes)
    Crash(crash::Args),
    /// Check licences, sources and doubled crates with cargo-deny (offline: no advisories)
    Deny,
    /// Run the commands of README and docs, and compare what they print
    Docs(docs::Args),
    /// Run short versions of all failure drills on real processes (minutes)
    Drill(drill::Args),
    /// Feed arbitrary bytes to all that a stranger reaches (a minute for each target)
    Fuzz(fuzz::Args),
    /// Play recorded answers of a real server against ours (under a minute)
    Golden(golden::Args),
    /// Build the container image: one static program, nothing else (minutes)
    Image(image::Args),
    /// Check the files for Kubernetes against its schemas (seconds, the first time with PyPI)
    Manifests,
    /// Live whole clusters in one thread, from seeds, with faults and observers (minutes)
    Sim(sim::Args),
    /// Run statements on three nodes and compare with PostgreSQL's answers (minutes, the first time to compile the engine)
    Sql(sql::Args),
    /// Run the scenario of the containers on real Docker engines in namespaces (minutes, needs root)
    Voyage(voyage::Args),
    /// Try the web door on real nodes: REST, the console in a browser, made-up requests (minutes)
    Web(web::Args),
}

/// What can be measured.
#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// Memory of a record: index, log, and the whole process beside Redis (minutes)
    Index(bench_index::BenchIndexArgs),
    /// Cost of operations inside values, filters and index queries, beside Redis and PostgreSQL (minutes)
    Model(bench_model::Args),
    /// Cost of an operation: processor time, latency, system calls, beside Redis (minutes)
    Records(bench_records::Args),
    /// Queries, beside PostgreSQL and DuckDB (minutes, the first time to compile the engine)
    Sql(bench_sql::Args),
    /// Durable records: writes, reads, overwrites and starts, beside Redis and PostgreSQL (two minutes)
    Storage(bench_storage::Args),
    /// REST beside nginx and Redis behind webdis, and idle WebSockets (a minute)
    Web(bench_web::Args),
}
