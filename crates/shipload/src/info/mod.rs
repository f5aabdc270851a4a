//! `shipload info`: what a cluster looks like, as tables, as JSON, or as a raw answer.
//!
//! It speaks the info protocol itself and not through a client, because it must also show nodes that a
//! client would refuse or that do not answer at all. It starts at one node and walks to the peers.

mod link;
mod peers;
mod report;
mod sheet;
mod walk;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};

pub(crate) use self::link::Link;
use self::walk::Seen;
use crate::seed::{self, Seed};

/// Of each peer in an answer to `peers-clear-std` the first address.
pub(crate) fn peer_addresses(answer: &str) -> Vec<(String, u16)> {
    peers::read(answer).into_iter().filter_map(|peer| peer.addresses.into_iter().next()).collect()
}

/// What can be given on the command line.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    seed: Seed,
    /// Send this command to the node and print its raw answer; may be given several times
    #[arg(short = 'v', long = "value", value_name = "COMMAND", conflicts_with = "json")]
    value: Vec<String>,
    /// With `-v`: print each part of an answer on a line of its own
    #[arg(short = 'l', long = "lines", requires = "value")]
    lines: bool,
    /// Print everything that the nodes say as JSON
    #[arg(long)]
    json: bool,
    /// How long to wait for a node, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 2000, value_parser = clap::value_parser!(u64).range(1..))]
    timeout_ms: u64,
}

/// Asks and prints.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let (host, port) = args.seed.address();
    let timeout = Duration::from_millis(args.timeout_ms);
    let connect = || {
        Link::connect(&host, port, timeout).with_context(|| {
            let address = seed::join(&host, port);
            format!("no node answers at {address}; `shipload up` starts one, `-h` and `-p` name another")
        })
    };
    if !args.value.is_empty() {
        return print_raw(&mut connect()?, &args.value, args.lines);
    }
    let nodes = walk::from(connect()?, &host, port, timeout)?;
    let text = if args.json { format!("{:#}\n", report::json(&nodes)) } else { report::text(&nodes) };
    crate::print(&text)?;
    let all_answer = nodes.iter().all(|node| matches!(node.seen, Seen::Answers(_)));
    Ok(if all_answer { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// As `asinfo` does it: the bare value, and a status that tells scripts about errors.
fn print_raw(link: &mut Link, commands: &[String], lines: bool) -> Result<ExitCode> {
    let wanted: Vec<&str> = commands.iter().map(String::as_str).collect();
    let answers = link.ask(&wanted)?;
    let mut code = ExitCode::SUCCESS;
    for command in &wanted {
        // An answer without the command's name is an error of the whole request.
        let found = answers.iter().find(|(name, _)| name == command);
        let value = found.map_or_else(|| answers.first().map_or("", |(name, _)| name), |(_, value)| value);
        if found.is_none() || value.to_ascii_lowercase().contains("error:") {
            code = ExitCode::FAILURE;
        }
        let text = if lines { value.replace(';', "\n") } else { value.to_owned() };
        crate::print(&format!("{text}\n"))?;
    }
    Ok(code)
}
