//! `cargo xtask conform`: the official Rust client's own integration suite against a node.
//!
//! The suite is taken from the published crate that the workspace depends on; nothing of it is committed.
//! Each test runs in a process of its own with a time limit, so that one that hangs or crashes costs only
//! itself. A test that fails is run again alone: when it passes then, it is named and counted as varying, because
//! many of the suite's tests look at the clock. What does not pass yet stands in a committed file with its reason;
//! anything else that fails each time is an error, and so is a listed test that passes now. `COMPAT.md` holds the
//! table.

mod announce;
mod expectations;
mod run;
mod suite;
mod table;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

use self::expectations::{Expectations, Verdict};
use self::run::{Outcome, Ran};
use self::suite::Test;
use crate::cluster::Cluster;
use crate::process;
use crate::workspace;

/// Reasons for what does not pass, relative to the root.
const EXPECTATIONS: &str = "tests/conform/expectations.txt";
/// The document with the table, relative to the root.
const DOCUMENT: &str = "COMPAT.md";
/// Failed tests that are run again; that more fail at once is no chance.
const AGAIN_AT_MOST: usize = 12;

/// How the suite is run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Run only tests whose name contains one of these texts; the table is not looked at then
    filter: Vec<String>,
    /// Write the table into COMPAT.md
    #[arg(long, conflicts_with = "filter")]
    write: bool,
    /// Show what failed tests print
    #[arg(long)]
    show: bool,
    /// Tests that run at the same time
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..))]
    jobs: u32,
    /// Seconds for one test; some are slow by design, because they ask for few records a second
    #[arg(long, default_value_t = 300)]
    timeout_s: u64,
    /// The program to test; the release build of this checkout when not given
    #[arg(long, conflicts_with = "against")]
    binary: Option<PathBuf>,
    /// A node that runs already, as host:port, instead of one that is started
    #[arg(long, value_name = "ADDRESS")]
    against: Option<SocketAddr>,
    /// Nodes to start, as one cluster of which the suite is told one address
    #[arg(long, default_value_t = 1, value_name = "COUNT", value_parser = clap::value_parser!(u8).range(1..=16))]
    nodes: u8,
}

/// Runs the suite and compares.
pub(crate) fn run(args: &Args) -> Result<bool> {
    let root = workspace::root();
    let text = std::fs::read_to_string(root.join(EXPECTATIONS))
        .with_context(|| format!("cannot read {EXPECTATIONS}"))?;
    let expectations = Expectations::read(&text).with_context(|| EXPECTATIONS.to_owned())?.on(args.nodes);
    let binaries = suite::build()?;
    let tests = suite::list(&binaries, &args.filter)?;
    let (cluster, nodes) = cluster(args)?;
    let limits = run::Limits { jobs: args.jobs, timeout: Duration::from_secs(args.timeout_s) };
    let mut results = all(tests, &expectations, &nodes, limits)?;
    results.sort_by(|left, right| left.test.name.cmp(&right.test.name));
    let results = run_again(results, &expectations, limits.timeout)?;
    let judged: Vec<(&Ran, Verdict<'_>)> = results.iter().map(|ran| (ran, expectations.judge(ran))).collect();
    print!("{}", table::text(&judged));
    let mut holds = report(&judged, args.show);
    // A node that crashed on the way is a failure whatever the tests say.
    if let Some(Err(error)) = cluster.map(Cluster::stop) {
        eprintln!("conform: {error:#}");
        holds = false;
    }
    if args.filter.is_empty() {
        holds &= all_used(&expectations, &results);
        // The table tells of one node. In a cluster the same tests pass, and some that need one.
        if args.nodes == 1 {
            holds &= document(&root, &expectations, &results, args.write)?;
        }
    }
    Ok(holds)
}

/// Runs all tests: most beside others, some alone, and some with a node that announces another version.
fn all(
    tests: Vec<Test>,
    expectations: &Expectations,
    nodes: &[SocketAddr],
    limits: run::Limits,
) -> Result<Vec<Ran>> {
    let node = nodes.first().copied().context("no node to test")?;
    let (announced, own): (Vec<Test>, Vec<Test>) =
        tests.into_iter().partition(|test| expectations.announced(&test.name).is_some());
    let (alone, together): (Vec<Test>, Vec<Test>) =
        own.into_iter().partition(|test| expectations.is_alone(&test.name));
    let mut results = run::all(&together, node, limits)?;
    let mut versions: BTreeMap<&str, Vec<Test>> = BTreeMap::new();
    for test in announced {
        let version = expectations.announced(&test.name).unwrap_or_default();
        versions.entry(version).or_default().push(test);
    }
    for (version, tests) in versions {
        results.extend(run::all(&tests, announce::relay(nodes, version)?, limits)?);
    }
    // Last, because the node is still busy with what they asked when they have ended.
    results.extend(run::all(&alone, node, run::Limits { jobs: 1, ..limits })?);
    Ok(results)
}

/// Runs what failed unexpectedly again, alone.
fn run_again(results: Vec<Ran>, expectations: &Expectations, timeout: Duration) -> Result<Vec<Ran>> {
    let failed = |ran: &Ran| expectations.judge(ran) == Verdict::Unexpected;
    let count = results.iter().filter(|ran| failed(ran)).count();
    if count > AGAIN_AT_MOST {
        eprintln!("conform: {count} tests failed; that is no chance, none is run again");
        return Ok(results);
    }
    results.into_iter().map(|ran| if failed(&ran) { run::again(ran, timeout) } else { Ok(ran) }).collect()
}

fn cluster(args: &Args) -> Result<(Option<Cluster>, Vec<SocketAddr>)> {
    if let Some(address) = args.against {
        return Ok((None, vec![address]));
    }
    let binary = process::binary(args.binary.as_ref())?;
    let cluster = Cluster::start(&binary, usize::from(args.nodes))?;
    let nodes = cluster.services();
    Ok((Some(cluster), nodes))
}

/// Names what is not as expected.
fn report(judged: &[(&Ran, Verdict<'_>)], show: bool) -> bool {
    let mut holds = true;
    for (ran, verdict) in judged {
        let name = &ran.test.name;
        match verdict {
            Verdict::Unexpected => {
                holds = false;
                eprintln!("failed: {name} ({})", describe(ran.outcome));
                if show {
                    eprintln!("{}\n", ran.printed.trim_end());
                }
            }
            Verdict::PassesNow(_) => {
                holds = false;
                eprintln!("passes now: {name}; take it out of {EXPECTATIONS}");
            }
            Verdict::PassedAlone(_) => {
                eprintln!("VARIES: {name} failed beside others and passed alone; it printed:");
                eprintln!("{}\n", ran.printed.trim_end());
            }
            Verdict::Passed
            | Verdict::PassedAs(_)
            | Verdict::LeftOut(_)
            | Verdict::NotYet(_)
            | Verdict::Varies(_) => {}
        }
    }
    holds
}

fn describe(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed | Outcome::PassedAlone => "passed",
        Outcome::Ignored | Outcome::Skipped => "left out",
        Outcome::Failed => "failed",
        Outcome::Hung => "did not end in time",
    }
}

/// Names patterns that no test has: the suite has changed, or a name is misspelled.
fn all_used(expectations: &Expectations, results: &[Ran]) -> bool {
    let names: Vec<&str> = results.iter().map(|ran| ran.test.name.as_str()).collect();
    let unused = expectations.unused(&names);
    for pattern in &unused {
        eprintln!("no test is called `{pattern}`; take it out of {EXPECTATIONS}");
    }
    unused.is_empty()
}

/// Compares or writes the table in the document.
fn document(
    root: &std::path::Path,
    expectations: &Expectations,
    results: &[Ran],
    write: bool,
) -> Result<bool> {
    let path = root.join(DOCUMENT);
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {DOCUMENT}"))?;
    // What passed only alone today passed simply on another day: the document tells of the node, not of this run.
    let calm: Vec<Ran> = results.iter().map(Ran::on_a_calm_day).collect();
    let judged: Vec<(&Ran, Verdict<'_>)> = calm.iter().map(|ran| (ran, expectations.judge(ran))).collect();
    let wanted = table::replace(&text, &table::markdown(&judged)).with_context(|| DOCUMENT.to_owned())?;
    if wanted == text {
        return Ok(true);
    }
    if write {
        std::fs::write(&path, wanted).with_context(|| format!("cannot write {DOCUMENT}"))?;
        println!("conform: {DOCUMENT} is brought up to date");
        return Ok(true);
    }
    // What fails decides, not the table: a test that skips itself may say so in other words on another machine.
    eprintln!("conform: the table in {DOCUMENT} is old; `cargo xtask conform --write` brings it up to date");
    Ok(true)
}
