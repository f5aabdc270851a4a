//! Requests at a steady rate to any of many records, and how long each of them took.
//!
//! The time of a request counts from the moment when it was due: a client that waits for one answer before it sends
//! the next request would not notice a node that stands still.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aerospike::{Bins, Client, ReadPolicy, WritePolicy};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::{client, keys};

/// Tasks that send requests.
const TASKS: u32 = 32;

/// One request.
#[derive(Clone, Debug)]
struct Sample {
    due: Instant,
    took: Duration,
    error: Option<String>,
}

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mix {
    /// Requests a second.
    pub(super) rate: u32,
    /// The records have the numbers from 0 up to here, and hold them.
    pub(super) records: u64,
    /// Bytes of a record.
    pub(super) bytes: usize,
    /// So many of a hundred requests read; the others write the same again.
    pub(super) reads: u64,
}

/// Requests that are being sent.
pub(super) struct Traffic {
    stop: Arc<AtomicBool>,
    samples: Arc<Mutex<Vec<Sample>>>,
    tasks: Vec<JoinHandle<()>>,
}

/// All requests that were sent.
pub(super) struct Samples(Vec<Sample>);

impl Traffic {
    /// Begins.
    pub(super) fn start(runtime: &Runtime, client: &Arc<Client>, write: &WritePolicy, mix: Mix) -> Traffic {
        let stop = Arc::new(AtomicBool::new(false));
        let samples = Arc::new(Mutex::new(Vec::new()));
        let mut read = ReadPolicy::default();
        read.base_policy.total_timeout = write.base_policy.total_timeout;
        let source = Arc::new(Source { client: Arc::clone(client), write: write.clone(), read, mix });
        let interval = Duration::from_secs_f64(f64::from(TASKS) / f64::from(mix.rate.max(1)));
        let tasks = (0..TASKS).map(|task| {
            let offset = interval.mul_f64(f64::from(task) / f64::from(TASKS));
            let (source, stop, samples) = (Arc::clone(&source), Arc::clone(&stop), Arc::clone(&samples));
            runtime.spawn(run(source, stop, samples, u64::from(task), offset, interval))
        });
        let tasks = tasks.collect();
        Traffic { stop, samples, tasks }
    }

    /// Ends it, after the last answer.
    pub(super) fn stop(self, runtime: &Runtime, patience: Duration) -> Samples {
        self.stop.store(true, Ordering::Relaxed);
        runtime.block_on(async {
            for task in self.tasks {
                // A task that panicked has told so.
                let _ = task.await;
            }
            // Requests that are still under way end with the client's own time limit.
            tokio::time::sleep(patience).await;
        });
        Samples(std::mem::take(&mut *self.samples.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// What the tasks share.
struct Source {
    client: Arc<Client>,
    write: WritePolicy,
    read: ReadPolicy,
    mix: Mix,
}

impl Source {
    async fn one(&self, draw: u64) -> aerospike::Result<()> {
        let number = draw % self.mix.records.max(1);
        let key = keys::anywhere(number);
        if (draw >> 32) % 100 < self.mix.reads {
            return self.client.get(&self.read, &key, Bins::All).await.map(drop);
        }
        self.client.put(&self.write, &key, &client::bins(number, self.mix.bytes)).await
    }
}

async fn run(
    source: Arc<Source>,
    stop: Arc<AtomicBool>,
    samples: Arc<Mutex<Vec<Sample>>>,
    task: u64,
    offset: Duration,
    interval: Duration,
) {
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + offset, interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    for count in 0_u64.. {
        let due = ticks.tick().await.into_std();
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let (source, samples) = (Arc::clone(&source), Arc::clone(&samples));
        tokio::spawn(async move {
            let error =
                source.one(keys::mix(task << 40 | count)).await.err().map(|error| client::kind(&error));
            let sample = Sample { due, took: due.elapsed(), error };
            samples.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
        });
    }
}

impl Samples {
    /// The time within which so many of a hundred requests were answered, of those due between two moments.
    pub(super) fn percentile(&self, from: Instant, to: Instant, percent: f64) -> Duration {
        let mut times: Vec<Duration> = self.between(from, to).map(|sample| sample.took).collect();
        times.sort();
        let rank = (times.len() as f64 * percent / 100.0).ceil();
        // A rank is no larger than the number of times.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank within a list")]
        times.get((rank as usize).saturating_sub(1)).copied().unwrap_or_default()
    }

    /// How many requests were due between two moments.
    pub(super) fn count(&self, from: Instant, to: Instant) -> usize {
        self.between(from, to).count()
    }

    /// Requests that failed, by kind.
    pub(super) fn errors(&self) -> BTreeMap<&str, u64> {
        let mut kinds = BTreeMap::new();
        for kind in self.0.iter().filter_map(|sample| sample.error.as_deref()) {
            *kinds.entry(kind).or_default() += 1;
        }
        kinds
    }

    fn between(&self, from: Instant, to: Instant) -> impl Iterator<Item = &Sample> {
        self.0.iter().filter(move |sample| sample.due >= from && sample.due < to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_a_window() {
        let begin = Instant::now();
        let sample = |ms| Sample { due: begin, took: Duration::from_millis(ms), error: None };
        let samples = Samples((1..=100).map(sample).collect());
        let end = begin + Duration::from_secs(1);
        assert_eq!(samples.percentile(begin, end, 99.0), Duration::from_millis(99));
        assert_eq!(samples.percentile(begin, end, 50.0), Duration::from_millis(50));
        assert_eq!(samples.percentile(end, end, 50.0), Duration::ZERO);
        assert_eq!(samples.count(begin, end), 100);
    }
}
