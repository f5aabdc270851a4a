//! `cargo xtask clients`: the suites of other official clients against nodes of ours.
//!
//! Each part fetches a published package with that client, in a folder below the target directory, runs what it
//! brings, and compares the tests that fail with `tests/clients/expectations.txt`: a known one may fail, for the reason
//! that stands there; any other is an error. Nothing of the packages is committed. The Rust client's suite is
//! `cargo xtask conform`.

mod c;
mod node;
mod python;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::cluster::Cluster;
use crate::process;
use crate::workspace;

/// Reasons for what fails, relative to the root.
const EXPECTATIONS: &str = "tests/clients/expectations.txt";

/// How the suites are run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this client: python, node, c
    #[arg(long)]
    only: Option<String>,
    /// Nodes to start, as one cluster of which the suites are told one address
    #[arg(long, default_value_t = 1, value_name = "COUNT", value_parser = clap::value_parser!(u8).range(1..=16))]
    nodes: u8,
    /// The program to test; the release build of this checkout when not given
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// What a suite did.
#[derive(Debug, Default, PartialEq, Eq)]
struct Ran {
    passed: usize,
    skipped: usize,
    /// Names of tests that failed, with what they said.
    failed: Vec<(String, String)>,
}

/// A suite: its name, and how it is run in a folder against a node.
type Suite = (&'static str, fn(&Path, SocketAddr) -> Result<Ran>);

const SUITES: [Suite; 3] = [("python", python::run), ("node", node::run), ("c", c::run)];

/// Runs the suites: `true` when nothing failed but what is known to.
pub(crate) fn run(args: &Args) -> Result<bool> {
    let binary = process::binary(args.binary.as_ref())?;
    let path = workspace::root().join(EXPECTATIONS);
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let known = known(&text);
    let mut holds = true;
    for (name, suite) in SUITES {
        if args.only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        let folder = workspace::target_dir().join("clients").join(name);
        std::fs::create_dir_all(&folder)?;
        // Each suite has nodes of its own, so that none meets another one's indexes and modules.
        let cluster = Cluster::start(&binary, usize::from(args.nodes))?;
        let ran = suite(&folder, cluster.service).with_context(|| format!("the {name} client's suite"))?;
        cluster.stop()?;
        ensure!(ran.passed > 0, "the {name} client's suite ran no test");
        holds &= report(name, &ran, &known);
    }
    Ok(holds)
}

/// Tells what became of a suite; whether nothing unknown failed.
fn report(name: &str, ran: &Ran, known: &BTreeMap<&str, &str>) -> bool {
    let reason = |test: &str| known.get(format!("{name}: {test}").as_str()).copied();
    let unknown = ran.failed.iter().filter(|(test, _)| reason(test).is_none()).count();
    println!(
        "{name}: {} passed, {} known to fail, {unknown} failed, {} left out by the suite itself",
        ran.passed,
        ran.failed.len() - unknown,
        ran.skipped
    );
    for (test, said) in &ran.failed {
        match reason(test) {
            Some(reason) => println!("  known: {test}: {reason}"),
            None => println!("  FAILED: {test}: {said}"),
        }
    }
    unknown == 0
}

/// The tests that may fail, as `client: name`, with the reasons: the comment line before.
fn known(text: &str) -> BTreeMap<&str, &str> {
    let mut reason = "";
    let mut known = BTreeMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.strip_prefix('#') {
            Some(comment) => reason = comment.trim(),
            None => drop(known.insert(line, reason)),
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use super::{Ran, known, report};

    #[test]
    fn only_unknown_failures_count() {
        let known = known("# it looks at the port\nnode: a port\n\n# other\nc: b\n");
        let ran =
            |test: &str| Ran { passed: 1, skipped: 0, failed: vec![(test.to_owned(), "said".to_owned())] };
        assert!(report("node", &ran("a port"), &known));
        assert!(!report("c", &ran("a port"), &known));
        assert!(!report("node", &ran("b"), &known));
    }
}
