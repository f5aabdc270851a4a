//! `cargo xtask ci`: everything that decides whether the project keeps its promises, in one run.
//!
//! The steps run one after the other, fast ones first; in the middle those that wait have beside them those that compute. A
//! failed step does not hide the later ones. Each is a command that can be typed alone. What a machine cannot do is said by
//! the step itself, never passed over in silence. A step whose processes have to be in time for something runs once more when it
//! fails, because machines that are shared stand still for seconds; the table tells which had to. The last line counts steps
//! in the plain form that test harnesses read.

mod steps;

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;

use crate::workspace;
use steps::{ALONE, COMPUTING, LAST, Step, WAITING};

/// Arguments of `cargo xtask ci`.
#[derive(Debug, Args)]
pub(crate) struct CiArgs {
    /// Run only the steps whose name contains this text
    #[arg(long)]
    pub(crate) only: Option<String>,
    /// Give up after so many minutes; steps that have not ended by then are told as left out
    #[arg(long)]
    pub(crate) minutes: Option<u64>,
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Passed,
    /// At the second try.
    Varied,
    Failed,
    LeftOut,
}

/// A line of the table at the end.
struct Row {
    name: &'static str,
    ended: Ended,
    seconds: u64,
}

/// Where a step may use the processors, and where it prints.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lane {
    /// Like everything else, to the terminal.
    Front,
    /// Only what nobody else wants, to a file that is shown later.
    Behind,
}

/// Runs the steps: `true` when none failed.
pub(crate) fn run(args: &CiArgs) -> Result<bool> {
    let run = Run { only: args.only.as_deref(), until: args.minutes.map(|it| Instant::now() + minutes(it)) };
    let mut summary = run.all(ALONE, Lane::Front)?;
    summary.extend(run.both(WAITING, COMPUTING)?);
    summary.extend(run.all(LAST, Lane::Front)?);
    println!("\n{:<17} {:<8} {:>8}", "step", "result", "seconds");
    for Row { name, ended, seconds } in &summary {
        let ended = match ended {
            Ended::Passed => "passed",
            Ended::Varied => "VARIES",
            Ended::Failed => "FAILED",
            Ended::LeftOut => "left out",
        };
        println!("{name:<17} {ended:<8} {seconds:>8}");
    }
    let count = |wanted| summary.iter().filter(|row| row.ended == wanted).count();
    let failed = count(Ended::Failed);
    let (varied, left_out) = (count(Ended::Varied), count(Ended::LeftOut));
    let passed = count(Ended::Passed) + varied;
    if varied > 0 {
        println!("\n{varied} of them passed at the second try only: what failed stands above");
    }
    println!("\nsteps: {passed} passed, {failed} failed, {left_out} skipped");
    Ok(failed == 0)
}

const fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

/// What holds for the whole run.
#[derive(Clone, Copy)]
struct Run<'a> {
    only: Option<&'a str>,
    until: Option<Instant>,
}

impl Run<'_> {
    fn chosen<'s>(&self, steps: &'s [Step]) -> impl Iterator<Item = &'s Step> {
        let only = self.only.unwrap_or_default().to_owned();
        steps.iter().filter(move |step| step.name.contains(&only))
    }

    fn all(&self, steps: &[Step], lane: Lane) -> Result<Vec<Row>> {
        self.chosen(steps).map(|step| self.one(step, lane)).collect()
    }

    /// Runs two lists at once, the second one on what the first one leaves of the processors.
    fn both(&self, first: &[Step], second: &'static [Step]) -> Result<Vec<Row>> {
        let mut summary = Vec::new();
        let behind = std::thread::scope(|scope| {
            let behind = scope.spawn(|| self.all(second, Lane::Behind));
            summary = self.all(first, Lane::Front)?;
            behind.join().map_err(|_| anyhow::anyhow!("the steps behind were not waited for"))?
        })?;
        for step in self.chosen(second) {
            println!("\n==> {}, meanwhile (cargo {})", step.name, step.words.join(" "));
            if let Ok(mut said) = File::open(said(step)) {
                io::copy(&mut said, &mut io::stdout())?;
            }
        }
        summary.extend(behind);
        Ok(summary)
    }

    fn one(&self, step: &Step, lane: Lane) -> Result<Row> {
        let began = Instant::now();
        let first = self.once(step, lane)?;
        let ended = judged(first, step.is_timed, || {
            println!("\nVARIES: {} failed; it runs once more", step.name);
            self.once(step, lane)
        })?;
        if ended == Ended::LeftOut {
            println!("\n{} is left out or cut off: the minutes of this run are gone", step.name);
        }
        Ok(Row { name: step.name, ended, seconds: began.elapsed().as_secs() })
    }

    fn once(&self, step: &Step, lane: Lane) -> Result<Ended> {
        let left = self.until.map(|until| until.saturating_duration_since(Instant::now()));
        let mut command = command(step, lane, left);
        if lane == Lane::Behind {
            let file = File::create(said(step)).with_context(|| cannot_run(step))?;
            command.stderr(file.try_clone()?).stdout(file);
        } else {
            println!("\n==> {} (cargo {})", step.name, step.words.join(" "));
        }
        if left == Some(Duration::ZERO) {
            return Ok(Ended::LeftOut);
        }
        Ok(ended(command.status().with_context(|| cannot_run(step))?))
    }
}

/// What becomes of a step that ended so: one that is timed and failed is tried `again`.
fn judged(first: Ended, is_timed: bool, again: impl FnOnce() -> Result<Ended>) -> Result<Ended> {
    if first != Ended::Failed || !is_timed {
        return Ok(first);
    }
    Ok(match again()? {
        Ended::Passed => Ended::Varied,
        // It has failed, and nothing says otherwise.
        Ended::Varied | Ended::Failed | Ended::LeftOut => Ended::Failed,
    })
}

/// How `timeout` tells that it ended the command, and that it had to kill it.
const TIMED_OUT: [i32; 2] = [124, 137];

fn ended(status: ExitStatus) -> Ended {
    match status.code() {
        Some(0) => Ended::Passed,
        Some(code) if TIMED_OUT.contains(&code) => Ended::LeftOut,
        _ => Ended::Failed,
    }
}

/// Where the tests of properties read what their random cases come from.
const RANDOM_SEED: &str = "PROPTEST_RNG_SEED";

fn command(step: &Step, lane: Lane, left: Option<Duration>) -> Command {
    let mut words: Vec<String> = Vec::new();
    if let Some(left) = left {
        words.extend(["timeout", "--signal=INT", "--kill-after=15"].map(str::to_owned));
        words.push(left.as_secs().max(1).to_string());
    }
    if lane == Lane::Behind {
        words.extend(["chrt", "--idle", "0"].map(str::to_owned));
    }
    words.push(workspace::cargo());
    words.extend(step.words.iter().map(|word| (*word).to_owned()));
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).current_dir(workspace::root());
    // Made-up cases are the same in every run, unless somebody wants others.
    if std::env::var_os(RANDOM_SEED).is_none() {
        command.env(RANDOM_SEED, "1795345496");
    }
    command
}

/// Where a step behind writes what it says.
fn said(step: &Step) -> PathBuf {
    workspace::target_dir().join(format!("{}.log", step.name.replace(' ', "-")))
}

fn cannot_run(step: &Step) -> String {
    format!("cannot run cargo {}", step.words.join(" "))
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    #[test]
    fn a_step_that_time_cut_off_did_not_fail() {
        let code = |code: i32| ended(ExitStatus::from_raw(code << 8));
        assert_eq!([code(0), code(1), code(101)], [Ended::Passed, Ended::Failed, Ended::Failed]);
        assert_eq!([code(124), code(137)], [Ended::LeftOut, Ended::LeftOut]);
    }

    #[test]
    fn only_what_is_timed_and_failed_is_tried_again() {
        use Ended::{Failed, LeftOut, Passed, Varied};
        let never = || -> Result<Ended> { panic!("tried again") };
        for first in [Passed, Failed, LeftOut] {
            assert_eq!(judged(first, false, never).expect("a verdict"), first);
        }
        assert_eq!(judged(Passed, true, never).expect("a verdict"), Passed);
        assert_eq!(judged(LeftOut, true, never).expect("a verdict"), LeftOut);
        for (again, wanted) in [(Passed, Varied), (Failed, Failed), (LeftOut, Failed)] {
            assert_eq!(judged(Failed, true, || Ok(again)).expect("a verdict"), wanted);
        }
    }

    #[test]
    fn nothing_begins_when_the_minutes_are_gone() {
        let run = Run { only: Some("tidy"), until: Some(Instant::now()) };
        let rows = run.all(ALONE, Lane::Front).expect("a row");
        assert_eq!(
            rows.iter().map(|row| (row.name, row.ended)).collect::<Vec<_>>(),
            [("tidy", Ended::LeftOut)]
        );
    }
}
