//! `cargo xtask crash`: a real process under load, killed at random moments, and what it still knows afterwards.
//!
//! Each mode has a data directory that lives through all its rounds. A round starts the node, compares every record
//! with what may have come back, writes, deletes and truncates over several connections, and kills the process
//! (SIGKILL). Some rounds kill it while it starts. What the operating system loses when the machine dies is not tested
//! here but in the store's own tests, with a disk that tears and forgets.

mod all;
mod client;
mod ledger;
mod writer;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::process::{self, Node};
use crate::workspace;
use client::Client;
use writer::{KEYS, Writer};

/// Connections that write at the same time.
const WRITERS: u64 = 4;
/// On top of the flush interval: the time that the flush thread needs to notice and to write.
const SLACK: Duration = Duration::from_millis(1000);

/// The settings of a namespace of which nothing but the index and the open blocks is in memory.
const INDEX_ONLY: &str = "commit-to-device=true:storage-engine=device:storage-engine.post-write-cache=0";

/// How the crash test runs.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Rounds in all
    #[arg(long, default_value_t = 200)]
    rounds: u32,
    /// Rounds in which all three nodes of a cluster die at once
    #[arg(long, default_value_t = 6)]
    cluster_rounds: u32,
    /// Chooses what is written and when the process dies; another one at each run when not given
    #[arg(long)]
    seed: Option<u64>,
    /// The program to test; the release build of this checkout when not given
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// A way to keep records, and its data directory.
struct Mode {
    name: &'static str,
    settings: &'static str,
    /// What an acknowledged write may be missing for; none when it may never be.
    interval: Option<Duration>,
    /// The longest time under load, in milliseconds.
    load_ms: u64,
    folder: PathBuf,
    writers: Vec<Writer>,
    rounds: u32,
    oldest_loss: Duration,
}

impl Mode {
    fn all(root: &Path, seed: u64) -> Vec<Mode> {
        let mode = |name, settings, interval, load_ms| Mode {
            name,
            settings,
            interval,
            load_ms,
            folder: root.join(name),
            writers: (0..WRITERS).map(|number| Writer::new(number, seed)).collect(),
            rounds: 0,
            oldest_loss: Duration::ZERO,
        };
        vec![
            mode("commit-to-device", "commit-to-device=true", None, 500),
            mode("flush-100ms", "flush-max-ms=100", Some(Duration::from_millis(100)), 700),
            mode("index-only", INDEX_ONLY, None, 500),
            mode("flush-1s", "flush-max-ms=1000", Some(Duration::from_millis(1000)), 2500),
        ]
    }

    fn flags(&self) -> Vec<String> {
        let mut flags: Vec<String> =
            ["--fabric-port", "0", "--heartbeat-port", "0"].map(str::to_owned).into();
        flags.extend(["--data".to_owned(), self.folder.display().to_string()]);
        let namespace = format!("test:storage-engine.filesize=24M:storage-engine.{}", self.settings);
        flags.extend(["--namespace".to_owned(), namespace]);
        flags
    }
}

/// Runs the rounds: `true` when nothing was missing, resurrected or mixed.
pub(crate) fn run(args: &Args) -> Result<bool> {
    let binary = process::binary(args.binary.as_ref())?;
    let since_1970 = std::time::UNIX_EPOCH.elapsed().context("the clock stands before 1970")?;
    let seed = args.seed.unwrap_or(u64::from(since_1970.subsec_nanos()));
    let root = workspace::target_dir().join(format!("crash-{}", std::process::id()));
    let began = Instant::now();
    println!("crash: seed {seed}, folder {}", root.display());
    let mut modes = Mode::all(&root, seed);
    let mut random = Random(seed);
    let mut findings = Vec::new();
    for round in 0..args.rounds {
        let chosen = match round % 10 {
            0..=3 => 0,
            4..=6 => 1,
            7..=8 => 2,
            _ => 3,
        };
        let Some(mode) = modes.get_mut(chosen) else { continue };
        let found = one_round(mode, &binary, &mut random).with_context(|| format!("round {round}"))?;
        findings.extend(found.into_iter().map(|text| format!("round {round}, {}: {text}", mode.name)));
        if findings.len() > 20 {
            break;
        }
    }
    // What the last round of each mode left behind is looked at too.
    for mode in modes.iter_mut().filter(|mode| mode.rounds > 0) {
        let node = start(mode, &binary)?;
        let found = check(mode, &node, Instant::now())?;
        findings.extend(found.into_iter().map(|text| format!("after all rounds, {}: {text}", mode.name)));
        let status = node.stop()?;
        ensure!(status.success(), "the node ended with {status}");
    }
    report(&modes, began.elapsed());
    findings.extend(all::run(&binary, &root.join("all"), args.cluster_rounds).context("all nodes at once")?);
    findings.iter().for_each(|finding| eprintln!("crash: {finding}"));
    if findings.is_empty() {
        std::fs::remove_dir_all(&root).context("cannot remove the folder")?;
    }
    let ran: u32 = modes.iter().map(|mode| mode.rounds).sum();
    let each: Vec<String> = modes.iter().map(|mode| format!("{} {}", mode.name, mode.rounds)).collect();
    println!("crash: {ran} rounds ({}), {} findings", each.join(", "), findings.len());
    Ok(findings.is_empty())
}

fn report(modes: &[Mode], took: Duration) {
    println!(
        "{:<18} {:>6} {:>10} {:>10} {:>10} {:>9}",
        "mode", "rounds", "written", "deleted", "truncated", "lost ms"
    );
    for mode in modes {
        let sum = |count: fn(&Writer) -> u64| mode.writers.iter().map(count).sum::<u64>();
        println!(
            "{:<18} {:>6} {:>10} {:>10} {:>10} {:>9}",
            mode.name,
            mode.rounds,
            sum(|writer| writer.acked_writes),
            sum(|writer| writer.acked_deletes),
            sum(|writer| writer.acked_truncates),
            mode.oldest_loss.as_millis(),
        );
    }
    println!("crash: {:.0} seconds", took.as_secs_f64());
}

/// Starts, compares, writes, kills.
fn one_round(mode: &mut Mode, binary: &Path, random: &mut Random) -> Result<Vec<String>> {
    mode.rounds += 1;
    if random.below(8) == 0 {
        die_while_starting(mode, binary, Duration::from_millis(random.below(80)))?;
    }
    let node = start(mode, binary)?;
    let found = check(mode, &node, Instant::now())?;
    let load = Duration::from_millis(30 + random.below(mode.load_ms));
    let stop = AtomicBool::new(false);
    let service = node.service;
    let killed = std::thread::scope(|scope| {
        let writers: Vec<_> =
            mode.writers.iter_mut().map(|writer| scope.spawn(|| writer.run(service, &stop))).collect();
        std::thread::sleep(load);
        let killed = Instant::now();
        drop(node);
        stop.store(true, Ordering::Relaxed);
        writers
            .into_iter()
            .try_for_each(|writer| {
                writer.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a writer panicked")))
            })
            .map(|()| killed)
    })?;
    mode.writers.iter_mut().for_each(|writer| writer.ledger.died(killed));
    Ok(found)
}

fn start(mode: &Mode, binary: &Path) -> Result<Node> {
    let flags = mode.flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    Node::start(binary, &flags)
}

fn die_while_starting(mode: &Mode, binary: &Path, after: Duration) -> Result<()> {
    let mut command = Command::new(binary);
    command.args(["serve", "--address", "127.0.0.1", "--port", "0", "--info-port", "0", "--http-port", "0"]);
    command.args(mode.flags()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().context("cannot start the node")?;
    std::thread::sleep(after);
    child.kill().context("cannot kill the node")?;
    child.wait().context("cannot wait for the node")?;
    Ok(())
}

/// Compares every record with what may have come back, and goes on from what is there.
fn check(mode: &mut Mode, node: &Node, now: Instant) -> Result<Vec<String>> {
    let mut client = Client::connect(node.service)?;
    let mut findings = Vec::new();
    for writer in &mut mode.writers {
        for key in 0..KEYS {
            let found = match client.get(&writer.set, key)? {
                None => None,
                Some(bytes) => match writer::version_of(&bytes) {
                    Some(version) => Some(version),
                    None => {
                        findings.push(format!("set {} key {key}: a mixed record", writer.set));
                        continue;
                    }
                },
            };
            match writer.ledger.check(key, found, mode.interval.map(|interval| interval + SLACK), now) {
                Ok(age) => mode.oldest_loss = mode.oldest_loss.max(age),
                Err(text) => findings.push(format!("set {} key {key}: {text}", writer.set)),
            }
        }
    }
    Ok(findings)
}

/// Numbers that look random, the same for the same seed.
#[derive(Debug, Clone)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }
}
