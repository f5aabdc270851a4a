//! Steady writes to chosen partitions, and a ledger of what was acknowledged.
//!
//! Each lane writes to one partition, one record after the other, whether or not earlier writes have been answered:
//! a node that hangs does not stop the clock of who watches it. Every write holds its own number, so reading back
//! tells which writes are there; a record is written again only after all others of its lane.
//!
//! ```text
//!  lane: partition 17   write 0, 1, 2, ...  -> record 0, 1, 2, ... 1023, 0, ...
//!        ledger         acknowledged <= what a read finds <= tried
//! ```

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aerospike::{Client, WritePolicy};
use anyhow::Result;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::{client, keys};

/// Records of a lane.
const RECORDS: u64 = 1024;
/// Numbers of lanes' records begin here, so that no other record of a drill has one.
const FIRST: u64 = 1 << 40;
/// Writes of a lane that may wait for their answers at the same time.
const WAITING_MAX: u64 = 256;

/// One partition that is written to.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) partition: u16,
    book: Mutex<Book>,
    waiting: AtomicU64,
}

/// What is known of a lane's writes.
#[derive(Debug, Default)]
struct Book {
    /// For each record the numbers of the last write that was tried and of the last that was acknowledged, plus 1.
    records: BTreeMap<u64, (u64, u64)>,
    /// When writes were acknowledged.
    times: Vec<Instant>,
    /// What went wrong, and when.
    errors: Vec<(Instant, String)>,
    /// Ticks without a write because too many waited.
    skipped: u64,
    acknowledged: u64,
}

impl Lane {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_write(&self, number: u64) -> bool {
        let mut book = self.book();
        if self.waiting.load(Ordering::Relaxed) >= WAITING_MAX {
            book.skipped += 1;
            return false;
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        book.records.entry(number % RECORDS).or_default().0 = number + 1;
        true
    }

    fn done(&self, number: u64, result: aerospike::Result<()>) {
        let now = Instant::now();
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        let mut book = self.book();
        match result {
            Ok(()) => {
                let (_, acknowledged) = book.records.entry(number % RECORDS).or_default();
                *acknowledged = (*acknowledged).max(number + 1);
                book.times.push(now);
                book.acknowledged += 1;
            }
            Err(error) => book.errors.push((now, client::kind(&error))),
        }
    }

    /// The longest time without a successful write, between these two moments.
    pub(super) fn longest_gap(&self, from: Instant, to: Instant) -> Duration {
        let book = self.book();
        let inside = book.times.iter().copied().filter(|time| *time > from && *time < to);
        let mut times: Vec<Instant> = std::iter::once(from).chain(inside).chain([to]).collect();
        times.sort();
        times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
    }
}

/// Lanes that run.
pub(super) struct Writers {
    pub(super) lanes: Vec<Arc<Lane>>,
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

/// What reading everything back has shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ReadBack {
    /// Acknowledged writes that were looked for.
    pub(super) acknowledged: u64,
    /// Of these, the ones that are gone.
    pub(super) lost: u64,
    /// Records that hold what nobody wrote.
    pub(super) strange: u64,
}

impl Writers {
    /// Begins to write to these partitions, `rate` writes a second in all.
    pub(super) fn start(
        runtime: &Runtime,
        client: &Arc<Client>,
        policy: &WritePolicy,
        partitions: &[u16],
        rate: u32,
    ) -> Writers {
        let stop = Arc::new(AtomicBool::new(false));
        let lane = |partition: &u16| {
            Arc::new(Lane { partition: *partition, book: Mutex::default(), waiting: AtomicU64::new(0) })
        };
        let lanes: Vec<Arc<Lane>> = partitions.iter().map(lane).collect();
        let interval = Duration::from_secs_f64(partitions.len().max(1) as f64 / f64::from(rate.max(1)));
        let tasks = lanes.iter().enumerate().map(|(index, lane)| {
            // Lanes take turns, so that the load is even.
            let offset = interval.mul_f64(index as f64 / partitions.len() as f64);
            let (lane, client, policy, stop) =
                (Arc::clone(lane), Arc::clone(client), policy.clone(), Arc::clone(&stop));
            runtime.spawn(run(lane, client, policy, stop, offset, interval))
        });
        let tasks = tasks.collect();
        Writers { lanes, stop, tasks }
    }

    /// Ends all lanes; answers that are still awaited are waited for.
    pub(super) fn stop(self, runtime: &Runtime) -> Vec<Arc<Lane>> {
        self.stop.store(true, Ordering::Relaxed);
        runtime.block_on(async {
            for task in self.tasks {
                // A task that panicked has told so.
                let _ = task.await;
            }
            while self.lanes.iter().any(|lane| lane.waiting.load(Ordering::Relaxed) > 0) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        self.lanes
    }
}

async fn run(
    lane: Arc<Lane>,
    client: Arc<Client>,
    policy: WritePolicy,
    stop: Arc<AtomicBool>,
    offset: Duration,
    interval: Duration,
) {
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + offset, interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        if lane.try_write(number) {
            let (lane, client, policy) = (Arc::clone(&lane), Arc::clone(&client), policy.clone());
            tokio::spawn(async move {
                let key = keys::in_partition(lane.partition, FIRST + number % RECORDS);
                let result = client.put(&policy, &key, &client::bins(number, 100)).await;
                lane.done(number, result);
            });
        }
        number += 1;
    }
}

/// Errors of all lanes between two moments, by kind.
pub(super) fn errors(lanes: &[Arc<Lane>], from: Instant, to: Instant) -> BTreeMap<String, u64> {
    let mut kinds = BTreeMap::new();
    for lane in lanes {
        for (_, kind) in lane.book().errors.iter().filter(|(time, _)| *time >= from && *time <= to) {
            *kinds.entry(kind.clone()).or_default() += 1;
        }
    }
    kinds
}

/// Writes that were acknowledged so far.
pub(super) fn acknowledged(lanes: &[Arc<Lane>]) -> u64 {
    lanes.iter().map(|lane| lane.book().acknowledged).sum()
}

/// Reads everything back that was ever acknowledged.
pub(super) async fn read_back(client: &Client, lanes: &[Arc<Lane>]) -> Result<ReadBack> {
    let mut result = ReadBack::default();
    for lane in lanes {
        let wanted: Vec<(u64, u64)> = lane
            .book()
            .records
            .iter()
            .filter(|(_, (_, acknowledged))| *acknowledged > 0)
            .map(|(record, (_, acknowledged))| (*record, *acknowledged - 1))
            .collect();
        let wanted_keys: Vec<_> =
            wanted.iter().map(|(record, _)| keys::in_partition(lane.partition, FIRST + record)).collect();
        let found = client::numbers(client, &wanted_keys).await?;
        let book = lane.book();
        for ((record, acknowledged), found) in wanted.iter().zip(found) {
            // Lanes may run meanwhile, so what was tried is looked up after the read.
            let tried = book.records.get(record).map_or(0, |(tried, _)| *tried);
            result.acknowledged += 1;
            result.lost += u64::from(found.is_none_or(|found| found < *acknowledged));
            result.strange += u64::from(found.is_some_and(|found| found >= tried));
        }
    }
    Ok(result)
}
