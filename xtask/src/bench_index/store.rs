//! The store alone: loaded and measured in a child process, then timed.

use super::CHILD_VARIABLE;
use super::process::resident_bytes;
use crate::workspace;
use anyhow::{Context, ensure};
use serde_json::{Value, json};
use shipload_store::{BinRef, Counts, Identity, LogConfig, Meta, STRIPE_COUNT, SetId, Stripe, stripe_of};
use shipload_value::{Digest, ParticleType};
use std::fmt;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// Operations of each kind that are timed.
const TIMED_OPERATIONS: u64 = 2_000_000;

/// How the columns come about.
pub(super) const NOTES: &str = "\
*Worst table*: bytes over records of the fullest-slack index table in the moment after it grew, among the tables \
of 200 records or more. *Worst total*: the highest of all index bytes over all records, looked at a thousand times \
from half the load to its end. *Log adds*: bytes written to blocks, headers and block ends included, less the \
value. Times are of one thread in nanoseconds, digests at random and the making of them included.";

/// One row of the table.
pub(super) struct Row(Value);

impl Row {
    pub(super) const HEAD: &str = "\
| records | index: worst table | worst total | at the end | log adds | resident | get | get, absent | put, same size \
| put, other size | insert |\n|---|---|---|---|---|---|---|---|---|---|---|";
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |name: &str| self.0.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN);
        write!(f, "| {} |", number("records"))?;
        for name in ["worst_table", "worst_total", "at_end", "log_adds", "resident"] {
            match number(name) {
                0.0 => write!(f, " none |")?,
                bytes => write!(f, " {bytes:.2} B |")?,
            }
        }
        for name in ["get_ns", "absent_ns", "same_ns", "other_ns", "insert_ns"] {
            write!(f, " {:.0} |", number(name))?;
        }
        Ok(())
    }
}

/// This program as the product is compiled: times of an unoptimized store would mislead, and filling it takes minutes.
pub(super) fn optimized() -> anyhow::Result<PathBuf> {
    let status = Command::new(workspace::cargo())
        .args(["build", "--quiet", "--release", "--package", "xtask"])
        .current_dir(workspace::root())
        .status()
        .context("cannot run cargo build")?;
    ensure!(status.success(), "xtask does not build");
    Ok(workspace::target_dir().join("release/xtask"))
}

/// Runs this same command in a process of its own and reads its row.
pub(super) fn in_child(program: &Path, records: u64) -> anyhow::Result<Row> {
    let output = Command::new(program)
        .args(std::env::args_os().skip(1))
        .env(CHILD_VARIABLE, records.to_string())
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("starting the child process")?;
    ensure!(output.status.success(), "the child process ended with {}", output.status);
    Ok(Row(serde_json::from_slice(&output.stdout).context("reading the child's row")?))
}

/// Measures and prints one row as JSON.
pub(super) fn child(records: u64, value_bytes: usize) -> anyhow::Result<()> {
    ensure!(records > 0, "at least one record");
    let before = resident_bytes(std::process::id())?;
    let mut store = Store::new(value_bytes);
    let started = Instant::now();
    let peaks = store.load(records)?;
    let insert_ns = nanoseconds(started, records);
    let resident = resident_bytes(std::process::id())?.saturating_sub(before);
    let counts = store.counts();
    ensure!(counts.objects == records, "{} records instead of {records}", counts.objects);
    let per_record = |bytes: u64| bytes as f64 / records as f64;
    let mut random = Random(7);
    let get_ns = timed(|_| store.get(&digest(random.next() % records)).map(|found| black_box(found) > 0));
    let absent_ns = timed(|number| store.get(&digest(records + number)).map(|found| found == 0));
    let same_ns = timed(|_| store.put(random.next() % records, value_bytes));
    let other_ns = timed(|number| {
        let shorter = usize::try_from(number % 16)?.min(value_bytes);
        store.put(random.next() % records, value_bytes - shorter)
    });
    let row = json!({
        "records": records,
        "worst_table": peaks.table,
        "worst_total": peaks.total,
        "at_end": per_record(counts.index_bytes),
        "log_adds": per_record(counts.log_used_bytes) - value_bytes as f64,
        "resident": per_record(resident),
        "get_ns": get_ns?, "absent_ns": absent_ns?, "same_ns": same_ns?, "other_ns": other_ns?,
        "insert_ns": insert_ns,
    });
    println!("{row}");
    Ok(())
}

/// The stripes of one namespace, without the locks that a node puts around them.
struct Store {
    stripes: Vec<Stripe>,
    value: Vec<u8>,
    meta: Meta,
}

/// Most index bytes a record.
struct Peaks {
    table: f64,
    total: f64,
}

impl Store {
    fn new(value_bytes: usize) -> Store {
        let stripe = |number: usize| {
            let stripe = u16::try_from(number).unwrap_or(u16::MAX);
            Stripe::new(Identity { namespace: [1; 16], stripe }, LogConfig::default())
        };
        let set = SetId::new(1).unwrap_or_default();
        let meta = Meta { generation: 1, void_time: 0, last_update_ms: 500_000_000_000, set };
        Store { stripes: (0..STRIPE_COUNT).map(stripe).collect(), value: vec![b'v'; value_bytes], meta }
    }

    fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        self.stripes.iter().for_each(|stripe| sum.add(stripe.counts()));
        sum
    }

    /// The bytes of the record's value; 0 when there is none.
    fn get(&self, digest: &Digest) -> anyhow::Result<usize> {
        let record = self.stripes[stripe_of(digest.partition())].get(digest);
        Ok(record.and_then(|record| record.bins().next()).map_or(0, |bin| bin.value.len()))
    }

    fn put(&mut self, number: u64, value_bytes: usize) -> anyhow::Result<bool> {
        let digest = digest(number);
        let bin = BinRef { name: b"v", kind: ParticleType::String, value: &self.value[..value_bytes] };
        let stripe = &mut self.stripes[stripe_of(digest.partition())];
        stripe.put(&digest, &self.meta, None, [bin].into_iter())?;
        if stripe.defrag_backlog() > 0 {
            stripe.defrag(4096);
        }
        Ok(true)
    }

    fn load(&mut self, records: u64) -> anyhow::Result<Peaks> {
        let mut peaks = Peaks { table: 0.0, total: 0.0 };
        let every = (records / 2000).max(1);
        for number in 0..records {
            self.put(number, self.value.len())?;
            let partition = digest(number).partition();
            let stripe = &self.stripes[stripe_of(partition)];
            let objects = stripe.partition_objects(partition);
            if objects >= 200 {
                let bytes = stripe.partition_index_bytes(partition);
                peaks.table = peaks.table.max(bytes as f64 / objects as f64);
            }
            if number >= records / 2 && number % every == 0 {
                let counts = self.counts();
                peaks.total = peaks.total.max(counts.index_bytes as f64 / counts.objects as f64);
            }
        }
        Ok(peaks)
    }
}

/// Times one operation, which tells whether it did what it should.
fn timed(mut operation: impl FnMut(u64) -> anyhow::Result<bool>) -> anyhow::Result<f64> {
    let started = Instant::now();
    for number in 0..TIMED_OPERATIONS {
        ensure!(operation(number)?, "operation {number} did not find what it should");
    }
    Ok(nanoseconds(started, TIMED_OPERATIONS))
}

fn nanoseconds(started: Instant, operations: u64) -> f64 {
    started.elapsed().as_secs_f64() * 1e9 / operations as f64
}

/// A uniform stand-in for a key's RIPEMD-160, which would cost more than what is measured.
fn digest(number: u64) -> Digest {
    let mut random = Random(number.wrapping_mul(0xd6e8_feb8_6659_fd93));
    let mut bytes = [0u8; 20];
    for chunk in bytes.chunks_mut(8) {
        let word = random.next().to_le_bytes();
        chunk.copy_from_slice(&word[..chunk.len()]);
    }
    Digest(bytes)
}

/// Splitmix: a short known generator, so that every run sees the same keys.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
