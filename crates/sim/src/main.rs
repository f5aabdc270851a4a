//! Lives many seeds, each twice, and says what was found. `cargo xtask sim` builds and runs it.

use shipload_sim::Figures;
use shipload_sim::canary::{self, Canary};
use shipload_sim::life::{Outcome, live};
use shipload_sim::scale::{Scale, scale};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Lives make and drop very many small things.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What was asked for.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    first: u64,
    count: u64,
    threads: u64,
    once: bool,
    verbose: bool,
    canary: Option<Canary>,
    canaries: bool,
    watched: Option<usize>,
    scale: Option<u64>,
}

fn main() -> ExitCode {
    match wanted() {
        Ok(wanted) if wanted.canaries => canaries(wanted),
        Ok(wanted) if wanted.scale.is_some() => sizes(wanted),
        Ok(wanted) => seeds(wanted),
        Err(what) => {
            eprintln!("shipload-sim: {what}");
            eprintln!(
                "usage: shipload-sim [--seeds N] [--first S] [--seed S] [--threads N] [--once] [--verbose]"
            );
            eprintln!("                    [--canary NAME] [--canaries]");
            ExitCode::from(2)
        }
    }
}

fn wanted() -> Result<Wanted, String> {
    let mut wanted = Wanted {
        first: 0,
        count: 100,
        threads: 2,
        once: false,
        verbose: false,
        canary: None,
        canaries: false,
        watched: None,
        scale: None,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || {
            let text = words.next().unwrap_or_default();
            text.parse::<u64>().map_err(|_| format!("{word} wants a number, not '{text}'"))
        };
        match word.as_str() {
            "--seeds" => wanted.count = number()?,
            "--first" => wanted.first = number()?,
            "--seed" => (wanted.first, wanted.count) = (number()?, 1),
            "--threads" => wanted.threads = number()?.max(1),
            "--scale" => wanted.scale = Some(number()?),
            "--watch" => wanted.watched = usize::try_from(number()?).ok(),
            "--once" => wanted.once = true,
            "--verbose" => wanted.verbose = true,
            "--canaries" => wanted.canaries = true,
            "--canary" => {
                let name = words.next().unwrap_or_default();
                let found = canary::ALL.iter().chain(&canary::UNFOUND).find(|(_, known)| *known == name);
                wanted.canary = Some(found.ok_or_else(|| format!("no canary is named '{name}'"))?.0);
            }
            _ => return Err(format!("'{word}' is not known")),
        }
    }
    Ok(wanted)
}

/// Lives one seed; a panic is a violation like others.
fn guarded(seed: u64, wanted: Wanted) -> Outcome {
    let lived = catch_unwind(AssertUnwindSafe(|| live(seed, wanted.canary, wanted.verbose, wanted.watched)));
    lived.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Outcome {
            seed,
            trace: 0,
            violations: vec![format!("panic: {}", text.unwrap_or_default())],
            figures: Figures::default(),
            rests_ms: Vec::new(),
        }
    })
}

/// Lives all seeds on some threads; `each` hears of every one.
fn run(wanted: Wanted, each: impl Fn(Outcome) -> bool + Sync) {
    let next = AtomicU64::new(wanted.first);
    let end = wanted.first.saturating_add(wanted.count);
    std::thread::scope(|scope| {
        for _ in 0..wanted.threads.min(wanted.count) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let mut outcome = guarded(seed, wanted);
                    if !wanted.once && outcome.violations.is_empty() {
                        let again = guarded(seed, wanted);
                        if again.trace != outcome.trace {
                            outcome.violations.push("the second run went another way".to_owned());
                        }
                    }
                    if !each(outcome) {
                        next.store(end, Ordering::Relaxed);
                    }
                }
            });
        }
    });
}

fn seeds(wanted: Wanted) -> ExitCode {
    let began = Instant::now();
    let sum = Mutex::new((Figures::default(), Vec::new(), Vec::new()));
    run(wanted, |outcome| {
        if !outcome.violations.is_empty() {
            println!("seed {}:", outcome.seed);
            outcome.violations.iter().for_each(|what| println!("  {what}"));
        }
        if let Ok(mut sum) = sum.lock() {
            sum.0.add(&outcome.figures);
            sum.2.extend(outcome.rests_ms);
            if !outcome.violations.is_empty() {
                sum.1.push(outcome.seed);
            }
        }
        true
    });
    let Ok((figures, mut wrong, mut rests_ms)) = sum.into_inner() else { return ExitCode::FAILURE };
    let times = if wanted.once { 1 } else { 2 };
    let cpu_minutes = cpu_seconds().unwrap_or_else(|| began.elapsed().as_secs_f64()) / 60.0;
    let hours = figures.virtual_ms as f64 / 3_600_000.0 * f64::from(times);
    rests_ms.sort_unstable();
    wrong.sort_unstable();
    println!("{figures}");
    if let (Some(median), Some(worst)) = (rests_ms.get(rests_ms.len() / 2), rests_ms.last()) {
        println!("rest after faults: {median} ms (median), {worst} ms (worst)");
    }
    println!("{:.2} virtual hours per CPU-minute, each seed {times} times", hours / cpu_minutes);
    println!(
        "{} seeds in {} s: {} passed, {} failed {wrong:?}",
        wanted.count,
        began.elapsed().as_secs(),
        wanted.count - wrong.len() as u64,
        wrong.len()
    );
    if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What this process has had of the processors.
fn cpu_seconds() -> Option<f64> {
    /// Ticks of this file in a second, on every Linux.
    const TICKS: f64 = 100.0;
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    // Behind the name in brackets; user and system time are the 12th and 13th words.
    let words: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |place: usize| words.get(place)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS)
}

/// Plants each bug in turn: seeds are lived until one finds it.
fn canaries(wanted: Wanted) -> ExitCode {
    let mut missed = 0;
    for (canary, name) in canary::ALL {
        let found = Mutex::new(None);
        let lived = AtomicU64::new(0);
        run(Wanted { canary: Some(canary), once: true, ..wanted }, |outcome| {
            lived.fetch_add(1, Ordering::Relaxed);
            let wrong = outcome.violations.into_iter().next();
            if let (Some(what), Ok(mut found)) = (wrong, found.lock()) {
                *found = found.take().or(Some((outcome.seed, what)));
                return false;
            }
            true
        });
        match found.into_inner() {
            Ok(Some((seed, what))) => {
                let what: String = what.chars().take(120).collect();
                println!("canary {name}: found by seed {seed} after {} lives: {what}", lived.into_inner());
            }
            Ok(None) | Err(_) => {
                missed += 1;
                println!("canary {name}: MISSED in {} lives", lived.into_inner());
            }
        }
    }
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Clusters of 4, 16, 64 and 256 nodes, up to the size that was asked for.
fn sizes(wanted: Wanted) -> ExitCode {
    println!(
        "nodes  gossip B/s  fabric B/s  formed ms  agreed ms  map us  (bytes: sent by each node at rest)"
    );
    let most = wanted.scale.unwrap_or(u64::MAX);
    for nodes in [4, 16, 64, 256].into_iter().filter(|nodes| *nodes <= most) {
        match scale(nodes) {
            Ok(Scale { gossip_bytes, fabric_bytes, formed_ms, agreed_ms, map_us, .. }) => println!(
                "{nodes:>5}  {gossip_bytes:>10}  {fabric_bytes:>10}  {formed_ms:>9}  {agreed_ms:>9}  {map_us:>6}"
            ),
            Err(what) => {
                println!("{nodes:>5}  {what}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
