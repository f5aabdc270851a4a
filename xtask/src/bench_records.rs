//! `cargo xtask bench records`: what one operation on a record costs, beside Redis in the same run.
//!
//! Both servers hold the same keys and values. Each round runs each mix on both, one after the other and with the
//! order swapped every round, so that what else the machine does falls on both. The load is `shipload bench`, which
//! speaks both protocols with one loop. Prints Markdown tables and asserts no time: figures are to be read.

pub(crate) mod counters;
mod load;
pub(crate) mod servers;
mod tables;

use std::path::PathBuf;

use anyhow::{Context, Result};

use self::load::{Figures, Loader, Mix};
use self::servers::Server;
use self::tables::Measured;
use crate::{benchmarks_document, process};

/// The name of the marks in the document.
pub(crate) const MARK: &str = "bench-records";

/// Seconds of the run under strace, which slows a server down and whose times are not used.
const TRACED_SECONDS: u64 = 2;

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Seconds of each run
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Rounds, each with every mix on both servers
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,
    /// Keys that both servers hold
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    keys: u64,
    /// Connections, each with one request on its way
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    /// Put the tables into docs/benchmarks.md
    #[arg(long)]
    write: bool,
    /// The program to measure; the release build of this checkout when not given
    #[arg(long)]
    binary: Option<PathBuf>,
    /// The peer's program
    #[arg(long, default_value = "redis-server")]
    redis: PathBuf,
}

/// Measures and prints.
pub(crate) fn run(args: &Args) -> Result<()> {
    let binary = process::binary(args.binary.as_ref())?;
    let servers = [Server::shipload(&binary)?, Server::redis(&args.redis)?];
    let loader = Loader { binary, keys: args.keys, connections: args.connections };
    for server in &servers {
        loader.fill(server)?;
    }
    let mut measured = Measured::default();
    for round in 0..args.rounds {
        for mix in Mix::ALL {
            for server in in_turn(&servers, round) {
                let figures = measure(&loader, server, mix, args.seconds)?;
                eprintln!("round {} of {}: {} {figures}", round + 1, args.rounds, server.peer.name());
                measured.add(mix, server.peer, figures);
            }
        }
    }
    trace(&loader, &servers, &mut measured)?;
    let text = tables::markdown(&measured);
    println!("{text}");
    for server in servers {
        server.stop()?;
    }
    if args.write { benchmarks_document::write(MARK, &text) } else { Ok(()) }
}

/// The servers in this round's order.
fn in_turn(servers: &[Server; 2], round: u64) -> [&Server; 2] {
    let [first, second] = servers;
    if round.is_multiple_of(2) { [first, second] } else { [second, first] }
}

/// One run of one mix, with the processor time that the server took for it.
fn measure(loader: &Loader, server: &Server, mix: Mix, seconds: u64) -> Result<Figures> {
    let before = counters::cpu_seconds(server.id())?;
    let answer = loader.run(server, mix, seconds)?;
    let cpu_seconds = counters::cpu_seconds(server.id())? - before;
    answer.figures(mix, cpu_seconds).with_context(|| format!("{} of {}", mix.name(), server.peer.name()))
}

/// Counts system calls in runs of their own; a machine that does not let us is told of once.
fn trace(loader: &Loader, servers: &[Server; 2], measured: &mut Measured) -> Result<()> {
    for mix in Mix::ALL {
        for server in servers {
            let tracer = match counters::Tracer::attach(server.id()) {
                Ok(tracer) => tracer,
                Err(error) => {
                    let reason = format!("{error:#}");
                    let line = reason.lines().map(str::trim).filter(|line| !line.is_empty());
                    measured.untraced = Some(line.collect::<Vec<_>>().join(" "));
                    return Ok(());
                }
            };
            let operations = loader.run(server, mix, TRACED_SECONDS)?.operations()?;
            measured.trace(mix, server.peer, tracer.detach()?.per_operation(operations));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::servers::Peer;
    use super::*;

    #[test]
    fn a_run_on_the_peer_needs_the_peer() {
        let error = Server::redis(std::path::Path::new("/no/such/redis-server")).err().unwrap();
        assert!(format!("{error:#}").contains("apt-get install redis-server"), "{error:#}");
    }

    #[test]
    fn peers_have_different_names() {
        assert_ne!(Peer::Shipload.name(), Peer::Redis.name());
    }
}
