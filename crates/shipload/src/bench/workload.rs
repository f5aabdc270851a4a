//! What is asked for: the mix of reads and writes, and the key of each operation.

use super::random::Random;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// Whether an operation reads or writes; latencies are kept apart by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Read,
    Write,
}

impl Class {
    pub(super) const ALL: [Class; 2] = [Class::Read, Class::Write];

    pub(super) fn index(self) -> usize {
        match self {
            Class::Read => 0,
            Class::Write => 1,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Class::Read => "read",
            Class::Write => "write",
        }
    }
}

/// The mix of operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Workload {
    /// Every key is written once, in order.
    Insert,
    /// Random keys: this many of a hundred operations read, the others write.
    ReadUpdate {
        /// 0 to 100.
        read_pct: u8,
    },
}

impl FromStr for Workload {
    type Err = String;

    fn from_str(text: &str) -> Result<Workload, String> {
        let (letters, number) = text.split_once(',').unwrap_or((text, ""));
        match (letters.to_ascii_uppercase().as_str(), number) {
            ("I", "") => Ok(Workload::Insert),
            ("R", "") => Ok(Workload::ReadUpdate { read_pct: 100 }),
            ("U", "") => Ok(Workload::ReadUpdate { read_pct: 0 }),
            ("RU", number) => match number.parse() {
                Ok(read_pct @ 0..=100) => Ok(Workload::ReadUpdate { read_pct }),
                Ok(_) | Err(_) => Err(format!("`{text}`: RU needs the percentage of reads, as in RU,80")),
            },
            (_, _) => Err(format!(
                "`{text}`: use I (insert every key once), R (read), U (update) or RU,<percentage of reads>"
            )),
        }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Workload::Insert => f.write_str("I"),
            Workload::ReadUpdate { read_pct } => write!(f, "RU,{read_pct}"),
        }
    }
}

/// One operation to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Operation {
    pub(super) class: Class,
    /// Number of the key, 0 to keys - 1.
    pub(super) key: u64,
}

/// One thread's share of the work.
#[derive(Debug, Clone)]
pub(super) struct Work {
    workload: Workload,
    keys: u64,
    /// Keys still to insert.
    inserts: Range<u64>,
    /// Operations still to make; none when only time ends the run.
    remaining: Option<u64>,
}

impl Work {
    /// The share of thread `index` of `count` threads.
    pub(super) fn share(
        workload: Workload,
        keys: u64,
        operations: Option<u64>,
        index: u64,
        count: u64,
    ) -> Work {
        let part = |total: u64| {
            let at = |number: u64| u128::from(total) * u128::from(number) / u128::from(count.max(1));
            let cut =
                |number: u64| u64::try_from(at(number)).expect("invariant: a part is at most the whole");
            cut(index)..cut(index + 1)
        };
        let remaining = operations.map(|total| {
            let Range { start, end } = part(total);
            end - start
        });
        Work { workload, keys, inserts: part(keys), remaining }
    }

    /// The next operation; none when this thread's share is done.
    pub(super) fn next(&mut self, random: &mut Random) -> Option<Operation> {
        if let Some(remaining) = &mut self.remaining {
            *remaining = remaining.checked_sub(1)?;
        }
        match self.workload {
            Workload::Insert => self.inserts.next().map(|key| Operation { class: Class::Write, key }),
            Workload::ReadUpdate { read_pct } => {
                let class = if random.below(100) < u64::from(read_pct) { Class::Read } else { Class::Write };
                Some(Operation { class, key: random.below(self.keys) })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Class, Random, Work, Workload};

    #[test]
    fn mixes_are_read_and_printed() {
        for (text, printed) in [("i", "I"), ("R", "RU,100"), ("u", "RU,0"), ("ru,80", "RU,80")] {
            assert_eq!(text.parse::<Workload>().unwrap().to_string(), printed);
        }
        for wrong in ["", "RU", "RU,", "RU,101", "RU,x", "I,5", "X", "RU,-1"] {
            assert!(wrong.parse::<Workload>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_key_is_inserted_once_by_some_thread() {
        let mut seen = vec![0; 1001];
        for index in 0..7 {
            let mut work = Work::share(Workload::Insert, 1001, None, index, 7);
            while let Some(operation) = work.next(&mut Random::new(1)) {
                assert_eq!(operation.class, Class::Write);
                seen[usize::try_from(operation.key).unwrap()] += 1;
            }
        }
        assert!(seen.iter().all(|count| *count == 1));
    }

    #[test]
    fn the_mix_and_the_count_are_kept() {
        let mut random = Random::new(3);
        let mut reads = 0;
        let mut total = 0;
        for index in 0..3 {
            let mut work = Work::share(Workload::ReadUpdate { read_pct: 80 }, 50, Some(10_000), index, 3);
            while let Some(operation) = work.next(&mut random) {
                assert!(operation.key < 50);
                total += 1;
                reads += u32::from(operation.class == Class::Read);
            }
        }
        assert_eq!(total, 10_000);
        assert!((7800..8200).contains(&reads), "{reads}");
    }
}
