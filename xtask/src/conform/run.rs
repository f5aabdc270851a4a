//! Runs tests, each in a process of its own: bounded in number and in time.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::suite::Test;
use crate::process::Process;

/// Lines of a failed test's output that are kept.
const LINES_KEPT: usize = 60;
/// How often a failed test is run again.
const AGAIN: usize = 2;

/// Bounds of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) jobs: u32,
    /// For one test.
    pub(crate) timeout: Duration,
}

/// How a test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    Failed,
    /// It did not end in time and was killed.
    Hung,
    /// It failed beside others, and passed when it was run again alone.
    PassedAlone,
    /// The suite runs it only on demand.
    Ignored,
    /// It looked at the node and left without testing anything, and said so.
    Skipped,
}

/// A test that was run.
#[derive(Clone, Debug)]
pub(crate) struct Ran {
    pub(crate) test: Test,
    /// The node that it saw.
    pub(crate) node: SocketAddr,
    pub(crate) outcome: Outcome,
    /// How long it ran; of several runs the last.
    pub(crate) took: Duration,
    /// The last lines of what it printed when it failed; when it skipped itself, the line that says why.
    pub(crate) printed: String,
}

impl Ran {
    /// The same, had the test passed beside the others.
    pub(crate) fn on_a_calm_day(&self) -> Ran {
        let outcome = if self.outcome == Outcome::PassedAlone { Outcome::Passed } else { self.outcome };
        Ran { outcome, ..self.clone() }
    }
}

/// Runs all tests against a node.
pub(crate) fn all(tests: &[Test], node: SocketAddr, limits: Limits) -> Result<Vec<Ran>> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(tests.len()));
    std::thread::scope(|scope| {
        for _ in 0..limits.jobs {
            scope.spawn(|| {
                while let Some(test) = tests.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let ran = one(test, node, limits.timeout);
                    results.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(ran);
                }
            });
        }
    });
    results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).into_iter().collect()
}

/// Runs a test that failed again, with nothing beside it, up to `AGAIN` times; with the result of the last time.
///
/// A test that passes then keeps what it printed when it failed.
pub(crate) fn again(failed: Ran, timeout: Duration) -> Result<Ran> {
    let mut last = failed;
    for _ in 0..AGAIN {
        let ran = one(&last.test, last.node, timeout)?;
        match ran.outcome {
            Outcome::Passed => return Ok(Ran { outcome: Outcome::PassedAlone, ..last }),
            Outcome::Failed | Outcome::Hung => last = ran,
            Outcome::PassedAlone | Outcome::Ignored | Outcome::Skipped => return Ok(ran),
        }
    }
    Ok(last)
}

fn one(test: &Test, node: SocketAddr, timeout: Duration) -> Result<Ran> {
    let began = Instant::now();
    let ran =
        |outcome, printed| Ok(Ran { test: test.clone(), node, outcome, took: began.elapsed(), printed });
    if test.ignored {
        return ran(Outcome::Ignored, String::new());
    }
    let mut command = Command::new(&test.binary);
    command
        .args(["--exact", &test.own_name, "--nocapture"])
        .current_dir(&test.directory)
        .env("AEROSPIKE_HOSTS", node.to_string())
        .env("AEROSPIKE_NAMESPACE", "test")
        .env("RUST_BACKTRACE", "0");
    let mut process = Process::start(&test.name, &mut command)?;
    match process.wait(timeout)? {
        Some(status) if status.success() => match skipped(&process.printed_to_the_end()) {
            Some(why) => ran(Outcome::Skipped, why),
            None => ran(Outcome::Passed, String::new()),
        },
        Some(_) => ran(Outcome::Failed, last_lines(&process.printed_to_the_end())),
        None => ran(Outcome::Hung, last_lines(&process.printed())),
    }
}

/// The line by which a test tells that it does not test this node.
fn skipped(printed: &str) -> Option<String> {
    let says_so = |line: &&str| line.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("skip"));
    let line = printed.lines().map(str::trim).find(says_so)?;
    let (_, why) = line.split_once(' ').unwrap_or(("", line));
    Some(why.trim().to_owned())
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES_KEPT)..].join("\n")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn outcomes_are_told_apart() {
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let limits = Limits { jobs: 2, timeout: Duration::from_secs(30) };
        let test = |binary: &str, ignored| Test {
            name: binary.to_owned(),
            own_name: "x".to_owned(),
            binary: PathBuf::from(binary),
            directory: PathBuf::from("/"),
            ignored,
        };
        let tests = [test("true", false), test("false", false), test("none", true)];
        let mut results = all(&tests, address, limits).unwrap();
        results.sort_by(|left, right| left.test.name.cmp(&right.test.name));
        let outcomes: Vec<Outcome> = results.iter().map(|ran| ran.outcome).collect();
        assert_eq!(outcomes, [Outcome::Failed, Outcome::Ignored, Outcome::Passed]);
    }

    /// A program in the shell that fails as often as `times` says, and then passes.
    fn fails(directory: &std::path::Path, times: usize) -> Ran {
        let program = directory.join(format!("fails{times}"));
        let source = directory.join(format!("source{times}"));
        let count = directory.join(format!("count{times}"));
        let text = format!(
            "#!/bin/sh\necho x >> {count}\necho no\ntest $(wc -l < {count}) -gt {times}\n",
            count = count.display()
        );
        std::fs::write(&source, text).unwrap();
        // By another process: a program that this one has open for writing in another thread's child can't be run.
        let status = Command::new("install").args(["-m", "755"]).args([&source, &program]).status().unwrap();
        assert!(status.success());
        let test = Test { binary: program, directory: PathBuf::from("/"), ..Test::named("a") };
        let node = SocketAddr::from(([127, 0, 0, 1], 1));
        let (outcome, took) = (Outcome::Failed, Duration::ZERO);
        Ran { test, node, outcome, took, printed: "the first time".to_owned() }
    }

    #[test]
    fn only_a_test_that_fails_each_time_has_failed() {
        let directory = std::env::temp_dir().join(format!("conform-again-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let after = |times| again(fails(&directory, times), Duration::from_secs(30)).unwrap();
        let (never, once, twice) = (after(0), after(1), after(2));
        std::fs::remove_dir_all(&directory).unwrap();
        assert_eq!((never.outcome, never.printed.as_str()), (Outcome::PassedAlone, "the first time"));
        assert_eq!((once.outcome, once.printed.as_str()), (Outcome::PassedAlone, "no"));
        assert_eq!(twice.outcome, Outcome::Failed);
    }

    #[test]
    fn a_test_that_skips_itself_says_why() {
        let printed = "\nrunning 1 test\nSkipping: requires >= 8.2.0\ntest a ... ok";
        assert_eq!(skipped(printed).as_deref(), Some("requires >= 8.2.0"));
        assert_eq!(skipped("one part is skipped\nok"), None);
    }

    #[test]
    fn only_the_end_of_a_long_output_is_kept() {
        let text = (0..100).map(|line| line.to_string()).collect::<Vec<_>>().join("\n");
        let kept = last_lines(&text);
        assert!(kept.starts_with("40\n") && kept.ends_with("\n99"));
    }
}
