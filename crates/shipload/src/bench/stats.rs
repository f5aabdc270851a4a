//! What was measured: latencies and outcomes by class.

use super::workload::Class;
use hdrhistogram::Histogram;
use std::collections::BTreeMap;

/// Latencies above this are counted as this, in nanoseconds.
const LONGEST_NS: u64 = 600_000_000_000;
/// Decimal digits that a recorded latency keeps.
const DIGITS: u8 = 3;

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It did what was asked.
    Done,
    /// There was no such record.
    Missing,
    /// The server refused it, with this code.
    Refused(u8),
}

/// Measurements of one class.
#[derive(Debug, Clone)]
pub(super) struct ClassStats {
    /// Latencies of answered operations, refused ones too, in nanoseconds.
    pub(super) latencies: Histogram<u64>,
    /// Operations that found no record; they count as answered.
    pub(super) missing: u64,
    /// Refused operations by code.
    pub(super) refused: BTreeMap<u8, u64>,
    /// Operations that were lost with their connection.
    pub(super) lost: u64,
    /// Operations without an answer in time.
    pub(super) timeouts: u64,
}

impl ClassStats {
    fn new() -> ClassStats {
        let latencies =
            Histogram::new_with_max(LONGEST_NS, DIGITS).expect("invariant: valid histogram bounds");
        ClassStats { latencies, missing: 0, refused: BTreeMap::new(), lost: 0, timeouts: 0 }
    }

    /// Answered operations.
    pub(super) fn operations(&self) -> u64 {
        self.latencies.len()
    }

    /// Operations that did not end well.
    pub(super) fn errors(&self) -> u64 {
        self.refused.values().sum::<u64>() + self.lost + self.timeouts
    }

    fn add(&mut self, other: &ClassStats) {
        self.latencies.add(&other.latencies).expect("invariant: histograms have the same bounds");
        self.missing += other.missing;
        self.lost += other.lost;
        self.timeouts += other.timeouts;
        for (code, count) in &other.refused {
            *self.refused.entry(*code).or_default() += count;
        }
    }
}

/// Measurements of all classes; additive.
#[derive(Debug, Clone)]
pub(super) struct Stats {
    classes: [ClassStats; 2],
    /// Operations that were due and neither answered nor failed when the run was over.
    pub(super) unfinished: u64,
    /// When the last answer came, in nanoseconds since the run began.
    pub(super) last_ns: u64,
}

impl Stats {
    pub(super) fn new() -> Stats {
        Stats { classes: [ClassStats::new(), ClassStats::new()], unfinished: 0, last_ns: 0 }
    }

    pub(super) fn class(&self, class: Class) -> &ClassStats {
        &self.classes[class.index()]
    }

    pub(super) fn class_mut(&mut self, class: Class) -> &mut ClassStats {
        &mut self.classes[class.index()]
    }

    /// An answer came at `now_ns`, to an operation that was due at `due_ns`.
    pub(super) fn record(&mut self, class: Class, due_ns: u64, now_ns: u64, outcome: Outcome) {
        self.last_ns = self.last_ns.max(now_ns);
        let stats = self.class_mut(class);
        stats.latencies.saturating_record(now_ns.saturating_sub(due_ns));
        match outcome {
            Outcome::Done => {}
            Outcome::Missing => stats.missing += 1,
            Outcome::Refused(code) => *stats.refused.entry(code).or_default() += 1,
        }
    }

    /// Adds what another thread or another second measured.
    pub(super) fn add(&mut self, other: &Stats) {
        for (mine, theirs) in self.classes.iter_mut().zip(&other.classes) {
            mine.add(theirs);
        }
        self.unfinished += other.unfinished;
        self.last_ns = self.last_ns.max(other.last_ns);
    }

    /// Forgets everything and keeps the memory.
    pub(super) fn clear(&mut self) {
        for class in &mut self.classes {
            class.latencies.reset();
            class.refused.clear();
            (class.missing, class.lost, class.timeouts) = (0, 0, 0);
        }
        (self.unfinished, self.last_ns) = (0, 0);
    }

    /// Answered operations of all classes.
    pub(super) fn operations(&self) -> u64 {
        self.classes.iter().map(ClassStats::operations).sum()
    }

    /// Operations of all classes that did not end well.
    pub(super) fn errors(&self) -> u64 {
        self.classes.iter().map(ClassStats::errors).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::{Class, Outcome, Stats};

    #[test]
    fn percentiles_are_those_of_what_was_recorded() {
        let mut stats = Stats::new();
        for micros in 1..=1000 {
            stats.record(Class::Read, 5_000, 5_000 + micros * 1000, Outcome::Done);
        }
        let read = &stats.class(Class::Read).latencies;
        for (percentile, expected_us) in [(50.0, 500.0), (90.0, 900.0), (99.0, 990.0), (99.9, 999.0)] {
            let micros = read.value_at_percentile(percentile) as f64 / 1000.0;
            assert!((micros - expected_us).abs() <= 2.0, "{percentile}: {micros}");
        }
        assert_eq!(stats.class(Class::Write).operations(), 0);
    }

    #[test]
    fn sums_keep_outcomes_apart() {
        let mut one = Stats::new();
        one.record(Class::Write, 0, 10, Outcome::Refused(8));
        one.record(Class::Read, 0, 20, Outcome::Missing);
        one.class_mut(Class::Read).timeouts += 1;
        let mut sum = one.clone();
        sum.add(&one);
        assert_eq!(sum.class(Class::Write).refused[&8], 2);
        assert_eq!((sum.class(Class::Read).missing, sum.operations(), sum.errors()), (2, 4, 4));
        assert_eq!(sum.last_ns, 20);
        sum.clear();
        assert_eq!((sum.operations(), sum.errors(), sum.last_ns), (0, 0, 0));
    }

    #[test]
    fn a_clock_that_steps_back_and_endless_waits_are_recorded() {
        let mut stats = Stats::new();
        stats.record(Class::Read, 10, 5, Outcome::Done);
        stats.record(Class::Read, 0, u64::MAX, Outcome::Done);
        assert_eq!(stats.operations(), 2);
    }
}
