//! What happened in a life, counted: faults, messages, notices, answers. Rare branches show here.

use std::collections::BTreeMap;
use std::fmt;

/// Counts by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// Faults by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Branches by name.
    pub branches: BTreeMap<&'static str, u64>,
    /// Events that were handled.
    pub events: u64,
    /// Virtual time, in milliseconds.
    pub virtual_ms: u64,
    /// Writes that were acknowledged.
    pub acknowledged: u64,
    /// Writes that nobody knows of.
    pub doubtful: u64,
    /// Reads that were answered.
    pub reads: u64,
}

impl Figures {
    /// One more fault.
    pub fn fault(&mut self, kind: &'static str) {
        *self.faults.entry(kind).or_default() += 1;
    }

    /// A branch was taken.
    pub fn branch(&mut self, name: &'static str) {
        *self.branches.entry(name).or_default() += 1;
    }

    /// Adds those of another life.
    pub fn add(&mut self, other: &Figures) {
        other.faults.iter().for_each(|(kind, count)| *self.faults.entry(kind).or_default() += count);
        other.branches.iter().for_each(|(name, count)| *self.branches.entry(name).or_default() += count);
        self.events += other.events;
        self.virtual_ms += other.virtual_ms;
        self.acknowledged += other.acknowledged;
        self.doubtful += other.doubtful;
        self.reads += other.reads;
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |counts: &BTreeMap<&'static str, u64>| {
            counts.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
        };
        writeln!(f, "faults: {}", list(&self.faults))?;
        writeln!(f, "branches: {}", list(&self.branches))?;
        write!(
            f,
            "events {}, virtual hours {:.2}, writes acknowledged {}, in doubt {}, reads {}",
            self.events,
            self.virtual_ms as f64 / 3_600_000.0,
            self.acknowledged,
            self.doubtful,
            self.reads
        )
    }
}
