//! `cargo xtask ci`: everything that decides whether the project keeps its promises, in one run.
//!
//! The steps run one after the other, two of them at once, fast ones first; a failed step does not hide the later ones. Each
//! is a command that can be typed alone. What a machine cannot do is said by the step itself, never passed
//! over in silence. The last line counts steps in the plain form that test harnesses read.

use std::fs::File;
use std::io;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;

use crate::workspace;

/// Arguments of `cargo xtask ci`.
#[derive(Debug, Args)]
pub(crate) struct CiArgs {
    /// Run only the steps whose name contains this text
    #[arg(long)]
    pub(crate) only: Option<String>,
}

/// One step: its name, and the words after `cargo`.
struct Step {
    name: &'static str,
    words: &'static [&'static str],
}

/// Whoever runs all steps gives up after 90 minutes, whatever has passed by then. On a machine that has to build
/// everything anew the longest steps, which are last, are left out, and say so.
const LONG_STEPS_UNTIL: Duration = Duration::from_secs(58 * 60);

/// The steps in the order in which they run.
const STEPS: [Step; 30] = [
    Step { name: "tidy", words: &["xtask", "tidy"] },
    Step { name: "format", words: &["fmt", "--all", "--check"] },
    Step {
        name: "lints",
        words: &["clippy", "--quiet", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"],
    },
    Step { name: "tests", words: &["test", "--workspace", "--locked", "--no-fail-fast"] },
    // The static program: all later steps test and measure what goes into the image.
    Step { name: "build", words: &["xtask", "image", "--context-only"] },
    Step { name: "licences", words: &["xtask", "deny"] },
    Step { name: "compat", words: &["xtask", "compat"] },
    Step { name: "golden", words: &["xtask", "golden"] },
    Step { name: "counter", words: &["xtask", "counter"] },
    Step { name: "crash", words: &["xtask", "crash"] },
    Step { name: "documents", words: &["xtask", "docs"] },
    Step { name: "conform", words: &["xtask", "conform"] },
    Step {
        name: "conform 3 nodes",
        words: &["xtask", "conform", "--nodes", "3", "src::cluster", "client", "src::scan", "src::query"],
    },
    Step { name: "clients python", words: &["xtask", "clients", "--only", "python", "--nodes", "3"] },
    Step { name: "clients c", words: &["xtask", "clients", "--only", "c", "--nodes", "3"] },
    Step { name: "sim canaries", words: &["xtask", "sim", "canaries"] },
    Step { name: "drills", words: &["xtask", "drill"] },
    Step { name: "manifests", words: &["xtask", "manifests"] },
    Step { name: "web rest", words: &["xtask", "web", "--only", "rest"] },
    Step { name: "web live", words: &["xtask", "web", "--only", "live"] },
    Step { name: "web client", words: &["xtask", "web", "--only", "client"] },
    Step { name: "web staleness", words: &["xtask", "web", "--only", "staleness"] },
    Step { name: "web values", words: &["xtask", "web", "--only", "values"] },
    Step { name: "web subscriptions", words: &["xtask", "web", "--only", "subscriptions"] },
    Step { name: "web console", words: &["xtask", "web", "--only", "console"] },
    Step { name: "web schema", words: &["xtask", "web", "--only", "schema", "--seconds", "30"] },
    Step { name: "fuzz", words: &["xtask", "fuzz", "--seconds", "20"] },
    Step { name: "bench index", words: &["xtask", "bench", "index", "--records", "300000"] },
    Step { name: "bench records", words: &["xtask", "bench", "records", "--seconds", "3", "--rounds", "2"] },
    Step {
        name: "bench model",
        words: &["xtask", "bench", "model", "--records", "100000", "--seconds", "1"],
    },
];

/// Two that run at the same time: the first one waits for engines most of its time, and the second one, which only
/// computes, steps back behind it.
const TOGETHER: [Step; 2] = [
    Step { name: "voyage", words: &["xtask", "voyage"] },
    Step { name: "sim", words: &["xtask", "sim", "--seeds", "500"] },
];

/// The longest ones.
const LONG_STEPS: &[Step] = &[Step { name: "sql", words: &["xtask", "sql"] }];

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Passed,
    Failed,
    LeftOut,
}

/// Runs the steps: `true` when none failed.
pub(crate) fn run(args: &CiArgs) -> Result<bool> {
    let chosen = |step: &&Step| args.only.as_ref().is_none_or(|text| step.name.contains(text.as_str()));
    let began = Instant::now();
    let mut summary = Vec::new();
    for step in STEPS.iter().filter(chosen) {
        summary.push(one(step)?);
    }
    match TOGETHER.iter().filter(chosen).collect::<Vec<_>>()[..] {
        [first, second] => summary.extend(both(first, second)?),
        [alone] => summary.push(one(alone)?),
        _ => {}
    }
    for step in LONG_STEPS.iter().filter(chosen) {
        if args.only.is_none() && began.elapsed() > LONG_STEPS_UNTIL {
            let minutes = began.elapsed().as_secs() / 60;
            println!(
                "\n==> {} left out: {minutes} minutes are gone, and a run must end within 90",
                step.name
            );
            summary.push((step.name, Ended::LeftOut, 0));
        } else {
            summary.push(one(step)?);
        }
    }
    println!("\n{:<17} {:<8} {:>8}", "step", "result", "seconds");
    for (name, ended, seconds) in &summary {
        let ended = match ended {
            Ended::Passed => "passed",
            Ended::Failed => "FAILED",
            Ended::LeftOut => "left out",
        };
        println!("{name:<17} {ended:<8} {seconds:>8}");
    }
    let count = |wanted| summary.iter().filter(|(_, ended, _)| *ended == wanted).count();
    let failed = count(Ended::Failed);
    let (passed, left_out) = (count(Ended::Passed), count(Ended::LeftOut));
    println!("\nsteps: {passed} passed, {failed} failed, {left_out} skipped");
    Ok(failed == 0)
}

fn one(step: &Step) -> Result<(&'static str, Ended, u64)> {
    println!("\n==> {} (cargo {})", step.name, step.words.join(" "));
    let began = Instant::now();
    let status = command(step, &[]).status().with_context(|| cannot_run(step))?;
    Ok(row(step, status, began))
}

/// Runs two steps at once, the second one with less right to the processors; what it prints is shown when the first one
/// has ended.
fn both(first: &Step, second: &Step) -> Result<[(&'static str, Ended, u64); 2]> {
    let said = workspace::target_dir().join(format!("{}.log", second.name));
    let file = File::create(&said).with_context(|| format!("cannot write {}", said.display()))?;
    let began = Instant::now();
    let mut child = command(second, &["nice", "-n", "10"])
        .stderr(file.try_clone()?)
        .stdout(file)
        .spawn()
        .with_context(|| cannot_run(second))?;
    println!("\n==> {} (cargo {}) has begun; see below", second.name, second.words.join(" "));
    let waiter = std::thread::spawn(move || child.wait().map(|status| (status, Instant::now())));
    let first = one(first)?;
    let ended = waiter.join().map_err(|_| anyhow::anyhow!("{} was not waited for", second.name))?;
    let (status, end) = ended.with_context(|| cannot_run(second))?;
    println!("\n==> {} (cargo {})", second.name, second.words.join(" "));
    io::copy(&mut File::open(&said)?, &mut io::stdout())?;
    let (name, ended, _) = row(second, status, began);
    Ok([first, (name, ended, (end - began).as_secs())])
}

fn command(step: &Step, before: &[&str]) -> Command {
    let cargo = workspace::cargo();
    let mut command = match before {
        [] => Command::new(cargo),
        [program, words @ ..] => {
            let mut command = Command::new(program);
            command.args(words).arg(cargo);
            command
        }
    };
    command.args(step.words).current_dir(workspace::root());
    command
}

fn row(step: &Step, status: ExitStatus, began: Instant) -> (&'static str, Ended, u64) {
    let ended = if status.success() { Ended::Passed } else { Ended::Failed };
    (step.name, ended, began.elapsed().as_secs())
}

fn cannot_run(step: &Step) -> String {
    format!("cannot run cargo {}", step.words.join(" "))
}
