//! `cargo xtask bench web`: what a REST request costs, beside nginx with a static file and Redis behind webdis in the same run,
//! and what a WebSocket costs on which nothing happens.
//!
//! All three hold one record or file of about the same size. Each round puts the same load of `wrk` on one after the other; the
//! processor time of a server's processes is read before and after. Prints Markdown tables and asserts no time.

mod load;
mod servers;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use self::load::{Figures, Kind, load};
use self::servers::{Server, World};
use crate::{benchmarks_document, process, workspace};

/// The name of the marks in the document.
pub(crate) const MARK: &str = "bench-web";

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Seconds of each run
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Rounds, each with every kind of request on every server
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,
    /// Connections, each with one request on its way
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    /// WebSockets on which nothing happens; 0 leaves them out
    #[arg(long, default_value_t = 10_000)]
    sockets: u32,
    /// Put the tables into docs/benchmarks.md
    #[arg(long)]
    write: bool,
    /// The program to measure; the release build of this checkout when not given
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// Measures and prints.
pub(crate) fn run(args: &Args) -> Result<()> {
    let binary = process::binary(args.binary.as_ref())?;
    let world = World::new(binary, args.sockets)?;
    let servers = [Server::shipload(&world)?, Server::nginx(&world)?, Server::webdis(&world)?];
    let mut all: Vec<(usize, Kind, Figures)> = Vec::new();
    for round in 0..args.rounds {
        for kind in Kind::ALL {
            for (place, server) in servers.iter().enumerate().filter(|(_, server)| server.does(kind)) {
                let figures = load(server, kind, args.connections, args.seconds)?;
                eprintln!("round {} of {}: {} {figures}", round + 1, args.rounds, server.name);
                all.push((place, kind, figures));
            }
        }
    }
    let mut text = table(&servers, &all, args.connections);
    if args.sockets > 0 {
        text.push_str(&idle(&servers[0], args.sockets)?);
    }
    println!("{text}");
    if args.write { benchmarks_document::write(MARK, &text) } else { Ok(()) }
}

fn table(servers: &[Server], all: &[(usize, Kind, Figures)], connections: u32) -> String {
    let mut text = format!(
        "Over HTTP/1.1 on {connections} connections; medians of the rounds.\n\n\
         | request | server | requests per CPU-second | µs of processor time | p50 ms | p99 ms |\n\
         |---|---|---:|---:|---:|---:|\n"
    );
    for kind in Kind::ALL {
        for (place, server) in servers.iter().enumerate() {
            let of = |figure: fn(&Figures) -> f64| {
                let found = all.iter().filter(|(at, what, _)| (*at, *what) == (place, kind));
                median(found.map(|(.., figures)| figure(figures)).collect())
            };
            let Some(per_second) = of(|figures| figures.per_cpu_second()) else { continue };
            let [p50, p99] = [of(|one| one.p50_ms), of(|one| one.p99_ms)].map(Option::unwrap_or_default);
            // Writing into a String cannot fail.
            let _ = writeln!(
                text,
                "| {} | {} | {per_second:.0} | {:.1} | {p50:.2} | {p99:.2} |",
                kind.name(),
                server.name,
                1e6 / per_second
            );
        }
    }
    text
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Opens WebSockets and leaves them alone.
fn idle(server: &Server, sockets: u32) -> Result<String> {
    eprintln!("{sockets} WebSockets");
    let script = workspace::root().join("tests").join("web").join("idle.mjs");
    let words = [server.url.clone(), server.id().to_string(), sockets.to_string()];
    let output = Command::new("node").arg(script).args(words).output().context("Node.js is needed")?;
    ensure!(output.status.success(), "idle.mjs: {}", String::from_utf8_lossy(&output.stdout));
    let seen: Value = serde_json::from_slice(&output.stdout).context("idle.mjs printed no JSON")?;
    let number = |name: &str| seen[name].as_f64().unwrap_or(f64::NAN);
    Ok(format!(
        "\n{sockets} WebSockets on which nothing happens take {:.1} KiB each, the whole process {:.0} MiB; they were opened in {:.1} s. \
         One among them was told of a change after {:.0} ms.\n",
        number("bytes") / 1024.0,
        number("resident") / 1048576.0,
        number("seconds"),
        number("delay")
    ))
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_the_one_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(Vec::new()), None);
    }
}
