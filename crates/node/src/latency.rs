//! How long commands took: histograms with doubling bounds, kept by each worker for itself.
//!
//! A histogram has exactly one writer, so a record is two plain stores without a bus lock. One list of bounds
//! serves both units of `latencies:`: the powers of two of a microsecond and of a millisecond. Above 512 µs every
//! doubling is cut in two at 1000 µs times a power of two, which makes both exact.
//!
//! `latencies:` shows a window, not the whole life of the node. [`Slices`] remembers the totals at two past
//! moments at least ten seconds apart, so that the window is ten to twenty seconds long and always full.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::counters::Counter;
use crate::node::Node;
use crate::now::Now;
use crate::timing::{Histogram, Timing};
use crate::worker::{Worker, WorkerShared};

#[cfg(test)]
mod latency_tests;

/// How many bounds a histogram has.
pub const BUCKETS: usize = 44;
/// How long a slice of time is, in nanoseconds.
const SLICE_NS: u64 = 10_000_000_000;
/// The histograms that each namespace has, in the order in which `latencies:` shows them.
pub const OF_NAMESPACE: [Histogram; 8] = [
    Histogram::Read,
    Histogram::Write,
    Histogram::Udf,
    Histogram::BatchSubRead,
    Histogram::BatchSubWrite,
    Histogram::BatchSubUdf,
    Histogram::PiQuery,
    Histogram::SiQuery,
];

impl Histogram {
    /// The name in `latencies:`, without the namespace.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Histogram::BatchIndex => "batch-index",
            Histogram::Read => "read",
            Histogram::Write => "write",
            Histogram::Udf => "udf",
            Histogram::BatchSubRead => "batch-sub-read",
            Histogram::BatchSubWrite => "batch-sub-write",
            Histogram::BatchSubUdf => "batch-sub-udf",
            Histogram::PiQuery => "pi-query",
            Histogram::SiQuery => "si-query",
        }
    }

    /// The place among the histograms of a namespace; none for the one that belongs to the node.
    fn place(self) -> Option<usize> {
        OF_NAMESPACE.iter().position(|histogram| *histogram == self)
    }
}

/// One histogram of one worker.
#[derive(Debug)]
struct Doublings {
    buckets: [Counter; BUCKETS],
    sum_ns: Counter,
}

impl Doublings {
    fn new() -> Doublings {
        Doublings { buckets: std::array::from_fn(|_| Counter::default()), sum_ns: Counter::default() }
    }

    fn record(&self, elapsed_ns: u64) {
        if let Some(bucket) = self.buckets.get(bucket_of(elapsed_ns)) {
            bucket.inc();
        }
        self.sum_ns.add(elapsed_ns);
    }
}

/// The histograms of one worker. Aligned so that no two workers write into one cache line.
#[derive(Debug)]
#[repr(align(128))]
pub struct Histograms {
    batch_index: Doublings,
    namespaces: Vec<[Doublings; OF_NAMESPACE.len()]>,
}

impl Histograms {
    /// Empty histograms for this many namespaces.
    #[must_use]
    pub fn new(namespaces: usize) -> Histograms {
        let of_namespace = || std::array::from_fn(|_| Doublings::new());
        Histograms {
            batch_index: Doublings::new(),
            namespaces: (0..namespaces).map(|_| of_namespace()).collect(),
        }
    }

    /// Counts one command. Only the owner of the worker may call this.
    pub fn record(&self, timing: Timing, elapsed_ns: u64) {
        if let Some(doublings) = self.find(timing) {
            doublings.record(elapsed_ns);
        }
    }

    fn find(&self, timing: Timing) -> Option<&Doublings> {
        match timing.histogram.place() {
            None => Some(&self.batch_index),
            Some(place) => self.namespaces.get(timing.namespace)?.get(place),
        }
    }
}

/// Which bucket a time falls into: bucket `i` holds what is at least `bound_us(i - 1)` and less than `bound_us(i)`.
fn bucket_of(elapsed_ns: u64) -> usize {
    let us = elapsed_ns / 1_000;
    let Some(log) = us.checked_ilog2() else { return 0 };
    let log = log.min(25);
    let bucket = if log < 9 {
        log + 1
    } else {
        let halfway = 1_000_u64 << (log - 9);
        10 + 2 * (log - 9) + u32::from(us >= halfway)
    };
    usize::try_from(bucket).unwrap_or(BUCKETS).min(BUCKETS - 1)
}

/// The upper bound of a bucket in microseconds, not included; the last bucket has none.
#[must_use]
pub fn bound_us(bucket: usize) -> Option<u64> {
    match bucket {
        0..=9 => Some(1 << bucket),
        10..=42 if bucket.is_multiple_of(2) => Some(1_000 << ((bucket - 10) / 2)),
        10..=42 => Some(1_024 << ((bucket - 11) / 2)),
        _ => None,
    }
}

/// The sums of one histogram over all workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// Commands in each bucket.
    pub buckets: [u64; BUCKETS],
    /// All their times together, in nanoseconds.
    pub sum_ns: u64,
}

impl Totals {
    const EMPTY: Totals = Totals { buckets: [0; BUCKETS], sum_ns: 0 };

    /// How many commands were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    fn add(&mut self, doublings: &Doublings) {
        for (total, bucket) in self.buckets.iter_mut().zip(&doublings.buckets) {
            *total = total.wrapping_add(bucket.get());
        }
        self.sum_ns = self.sum_ns.wrapping_add(doublings.sum_ns.get());
    }

    fn since(&self, before: &Totals) -> Totals {
        let mut since = *self;
        for (left, right) in since.buckets.iter_mut().zip(before.buckets) {
            *left = left.saturating_sub(right);
        }
        since.sum_ns = since.sum_ns.saturating_sub(before.sum_ns);
        since
    }

    /// How many took at least `bound_us` microseconds, which must be a bound of some bucket.
    fn at_least(&self, bound: u64) -> u64 {
        let below = |bucket: usize| bound_us(bucket).is_some_and(|upper| upper <= bound);
        self.buckets.iter().enumerate().filter(|(bucket, _)| !below(*bucket)).map(|(_, count)| count).sum()
    }
}

/// One histogram with its name, for `latencies:` and for metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Place of the namespace in [`Node::namespaces`]; none for the histogram of the node.
    pub namespace: Option<usize>,
    /// Which histogram.
    pub histogram: Histogram,
    /// What it counted.
    pub totals: Totals,
}

/// All histograms of a node, summed over its workers, the node's own first.
fn sum(workers: &[Arc<WorkerShared>], namespaces: usize) -> Vec<Named> {
    let node = [(None, Histogram::BatchIndex)].into_iter();
    let all = node.chain(
        (0..namespaces).flat_map(|place| OF_NAMESPACE.into_iter().map(move |which| (Some(place), which))),
    );
    all.map(|(namespace, histogram)| {
        let timing = Timing { namespace: namespace.unwrap_or(0), histogram };
        let mut totals = Totals::EMPTY;
        for doublings in workers.iter().filter_map(|worker| worker.latency.find(timing)) {
            totals.add(doublings);
        }
        Named { namespace, histogram, totals }
    })
    .collect()
}

#[derive(Debug, Default)]
struct Mark {
    mono_ns: u64,
    totals: Vec<Named>,
}

/// The totals at past moments, from which the window of `latencies:` is made.
#[derive(Debug, Default)]
pub struct Slices {
    marks: Mutex<Option<[Mark; 2]>>,
}

impl Slices {
    /// Remembers the present totals when the last slice is over. `totals` is called only then.
    fn advance(&self, mono_ns: u64, totals: impl FnOnce() -> Vec<Named>) {
        let mut marks = self.marks.lock();
        match marks.as_mut() {
            None => {
                *marks = Some([Mark { mono_ns, totals: Vec::new() }, Mark { mono_ns, totals: Vec::new() }]);
            }
            Some([old, young]) if mono_ns.saturating_sub(young.mono_ns) >= SLICE_NS => {
                std::mem::swap(old, young);
                *young = Mark { mono_ns, totals: totals() };
            }
            Some(_) => {}
        }
    }

    /// What was counted since the older mark, and how long ago that is.
    fn window(&self, mono_ns: u64, present: &[Named]) -> (u64, Vec<Totals>) {
        let marks = self.marks.lock();
        let Some([old, _]) = marks.as_ref() else {
            return (0, present.iter().map(|named| named.totals).collect());
        };
        let before = |place: usize| old.totals.get(place).map_or(Totals::EMPTY, |named| named.totals);
        let since = present.iter().enumerate().map(|(place, named)| named.totals.since(&before(place)));
        (mono_ns.saturating_sub(old.mono_ns), since.collect())
    }
}

impl Node {
    /// Counts how long a command took, from the first byte read to the last byte of its answer appended.
    pub fn record_latency(&self, worker: &Worker, timing: Timing, elapsed_ns: u64) {
        worker.shared.latency.record(timing, elapsed_ns);
    }

    /// All latency histograms since the start of the node, for metrics.
    #[must_use]
    pub fn latency_totals(&self) -> Vec<Named> {
        sum(&self.workers(), self.namespaces().len())
    }

    /// Ends a slice of `latencies:` when it is time; cheap otherwise. Called by [`Node::maintain`].
    pub fn advance_latency_slices(&self, now: Now) {
        self.latency_slices.advance(now.mono_ns, || self.latency_totals());
    }

    /// The answer to `latencies:` for all histograms: name and the text after the colon.
    pub(crate) fn latency_window(&self, microseconds: bool, now: Now) -> Vec<(String, String)> {
        self.advance_latency_slices(now);
        let present = self.latency_totals();
        let (elapsed_ns, window) = self.latency_slices.window(now.mono_ns, &present);
        let name = |named: &Named| match named.namespace.and_then(|place| self.namespaces().get(place)) {
            Some(namespace) => format!("{{{}}}-{}", namespace.name, named.histogram.name()),
            None => named.histogram.name().to_owned(),
        };
        let unit_us = if microseconds { 1 } else { 1_000 };
        let shown = present.iter().zip(window).map(|(named, since)| {
            let value =
                if named.totals.count() == 0 { String::new() } else { show(&since, unit_us, elapsed_ns) };
            (name(named), value)
        });
        shown.collect()
    }
}

/// Unit, operations per second, and the percentages above 1, 2, 4, ... 65536 units.
#[allow(clippy::cast_precision_loss, reason = "rates and percentages are rounded to a few digits")]
fn show(window: &Totals, unit_us: u64, elapsed_ns: u64) -> String {
    let count = window.count();
    let seconds = (elapsed_ns as f64 / 1e9).max(1.0);
    let unit = if unit_us == 1 { "usec" } else { "msec" };
    let mut text = format!("{unit},{:.1}", count as f64 / seconds);
    for doubling in 0..17 {
        let slower = window.at_least(unit_us << doubling);
        let percent = if count == 0 { 0.0 } else { slower as f64 * 100.0 / count as f64 };
        text.push_str(&format!(",{percent:.2}"));
    }
    text
}
