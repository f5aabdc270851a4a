//! `cargo xtask fuzz`: runs each fuzz target for a while on the kept corpus; a crash fails.
//!
//! The targets are built once with the sanitizer, into a folder of their own so that nothing of it mixes with the
//! product's build. Then `fuzz/run` runs them, two at a time, because the time is the point and not the number.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, bail, ensure};

use crate::workspace;

/// What is known to work with the pinned toolchain.
const VERSION: &str = "0.13.2";
/// Lines of a target's output that are shown when it found nothing.
const QUIET_LINES: usize = 4;

/// How long, and which.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only these targets; all when none is given
    targets: Vec<String>,
    /// Seconds for each target
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Targets that run at the same time
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    jobs: u32,
}

/// Runs the targets: `true` when none crashed.
pub(crate) fn run(args: &Args) -> Result<bool> {
    let root = workspace::root();
    let installed = cargo_fuzz(&root).arg("--version").output();
    ensure!(
        installed.is_ok_and(|output| output.status.success()),
        "cargo-fuzz is not installed: cargo install cargo-fuzz --locked --version {VERSION}"
    );
    let chosen = chosen(&root, &args.targets)?;
    let status = cargo_fuzz(&root).arg("build").status().context("cannot run cargo fuzz")?;
    ensure!(status.success(), "the fuzz targets do not build");
    let outputs = run_all(&chosen, args.jobs, |target| one(&root, target, args.seconds));
    let mut holds = true;
    for (target, output) in outputs {
        holds &= report(&target, &output?);
    }
    Ok(holds)
}

/// The targets to run, each with a kept corpus.
fn chosen(root: &Path, wanted: &[String]) -> Result<Vec<String>> {
    let manifest =
        std::fs::read_to_string(root.join("fuzz/Cargo.toml")).context("cannot read fuzz/Cargo.toml")?;
    let known = targets(&manifest);
    ensure!(!known.is_empty(), "fuzz/Cargo.toml has no targets");
    if let Some(unknown) = wanted.iter().find(|target| !known.contains(target)) {
        bail!("there is no target `{unknown}`; there are: {}", known.join(", "));
    }
    let chosen = if wanted.is_empty() { known } else { wanted.to_vec() };
    for target in &chosen {
        let corpus = root.join("fuzz/corpus").join(target);
        ensure!(corpus.is_dir(), "the target `{target}` has no fuzz/corpus/{target}");
    }
    Ok(chosen)
}

/// `cargo fuzz` in the checkout. The pinned toolchain is a stable one; the variable lets it take the sanitizer's flags.
fn cargo_fuzz(root: &Path) -> Command {
    let mut command = Command::new(workspace::cargo());
    command.arg("fuzz").current_dir(root).envs(environment());
    command
}

fn environment() -> [(&'static str, PathBuf); 2] {
    [("CARGO_TARGET_DIR", workspace::target_dir().join("fuzz")), ("RUSTC_BOOTSTRAP", PathBuf::from("1"))]
}

/// Names of the programs in the manifest, so that a new target is never forgotten.
fn targets(manifest: &str) -> Vec<String> {
    let sections = manifest.split("[[bin]]").skip(1);
    let name = |section: &str| {
        let line = section.lines().find_map(|line| line.trim().strip_prefix("name"))?;
        Some(line.trim_start().strip_prefix('=')?.trim().trim_matches('"').to_owned())
    };
    sections.filter_map(name).collect()
}

/// Runs one thing for each target, at most `jobs` at the same time; the results stand in the targets' order.
fn run_all<T: Send>(targets: &[String], jobs: u32, run: impl Fn(&str) -> T + Sync) -> Vec<(String, T)> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(target) = targets.get(number) else { return done };
            done.push((number, target.clone(), run(target)));
        }
    };
    let mut done: Vec<(usize, String, T)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).flatten().collect()
    });
    done.sort_by_key(|(number, ..)| *number);
    done.into_iter().map(|(_, target, result)| (target, result)).collect()
}

fn one(root: &Path, target: &str, seconds: u64) -> Result<Output> {
    println!("fuzz: {target} for {seconds} seconds");
    Command::new("bash")
        .args(["fuzz/run", &seconds.to_string(), target])
        .current_dir(root)
        .envs(environment())
        .stdin(Stdio::null())
        .output()
        .context("cannot run fuzz/run")
}

/// Shows the end of a quiet run, and all of one that crashed.
fn report(target: &str, output: &Output) -> bool {
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        eprintln!(
            "{text}\nfuzz: {target} FAILED, {}; the input is in fuzz/artifacts/{target}/",
            output.status
        );
        return false;
    }
    let statistics: Vec<&str> =
        text.lines().filter(|line| line.starts_with("stat::")).take(QUIET_LINES).collect();
    println!("fuzz: {target} found nothing; {}", statistics.join(", "));
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_the_programs_of_the_manifest() {
        let manifest =
            "[package]\nname = \"x\"\n[[bin]]\nname = \"frame\"\npath = \"a\"\n\n[[bin]]\nname=\"info\"\n";
        assert_eq!(targets(manifest), ["frame", "info"]);
    }

    #[test]
    fn every_target_has_a_kept_corpus() {
        let root = workspace::root();
        assert!(chosen(&root, &[]).unwrap().contains(&"frame".to_owned()));
        assert!(chosen(&root, &["no-such".to_owned()]).is_err());
    }

    #[test]
    fn every_target_runs_once_and_in_order() {
        let names: Vec<String> = ["a", "b", "c"].map(str::to_owned).to_vec();
        let results = run_all(&names, 2, |target| format!("{target}!"));
        let texts: Vec<&str> = results.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["a!", "b!", "c!"]);
    }
}
