//! The mixes of operations, and what is kept of a run.

use std::fmt;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use serde_json::Value;

use super::servers::Server;
use crate::load::{self, Load};

/// Bytes of each value.
const VALUE_BYTES: u64 = 100;

/// A mix of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mix {
    Get,
    Set,
    EightyTwenty,
}

impl Mix {
    pub(super) const ALL: [Mix; 3] = [Mix::Get, Mix::Set, Mix::EightyTwenty];

    pub(super) fn name(self) -> &'static str {
        match self {
            Mix::Get => "get",
            Mix::Set => "set (update)",
            Mix::EightyTwenty => "80-20",
        }
    }

    /// The word that `shipload bench --workload` knows.
    fn workload(self) -> &'static str {
        match self {
            Mix::Get => "R",
            Mix::Set => "U",
            Mix::EightyTwenty => "RU,80",
        }
    }
}

/// How every run is made.
pub(super) struct Loader {
    pub(super) binary: PathBuf,
    pub(super) keys: u64,
    pub(super) connections: u32,
}

impl Loader {
    /// Writes every key once.
    pub(super) fn fill(&self, server: &Server) -> Result<()> {
        let operations = self.bench(server, &["--workload", "I"])?.operations()?;
        ensure!(operations == self.keys, "{operations} of {} keys were written", self.keys);
        Ok(())
    }

    /// Runs a mix. Nothing is left out for warming up: all that the server did must stand in the report, because its
    /// processor time is read over the whole run.
    pub(super) fn run(&self, server: &Server, mix: Mix, seconds: u64) -> Result<Answer> {
        let duration = format!("{seconds}s");
        self.bench(server, &["--workload", mix.workload(), "--duration", &duration, "--warmup", "0s"])
    }

    fn bench(&self, server: &Server, words: &[&str]) -> Result<Answer> {
        let Loader { binary, keys, connections } = self;
        let (address, peer) = (server.address, server.peer.name());
        let (keys, connections) = (*keys, *connections);
        Load { binary, address, peer, keys, value_bytes: VALUE_BYTES, connections }.run(words).map(Answer)
    }
}

/// A report of `shipload bench` in which every operation succeeded.
#[derive(Debug)]
pub(super) struct Answer(Value);

impl Answer {
    pub(super) fn operations(&self) -> Result<u64> {
        load::checked(&self.0)
    }

    /// What is kept of a run.
    pub(super) fn figures(&self, mix: Mix, cpu_seconds: f64) -> Result<Figures> {
        let operations = self.operations()?;
        ensure!(operations > 0 && cpu_seconds > 0.0, "{operations} operations in {cpu_seconds} CPU-seconds");
        Ok(Figures {
            mix,
            per_cpu_second: operations as f64 / cpu_seconds,
            per_second: load::per_second(&self.0)?,
            p50_us: load::latency_us(&self.0, "p50"),
            p99_us: load::latency_us(&self.0, "p99"),
        })
    }
}

/// One run.
#[derive(Clone, Debug)]
pub(super) struct Figures {
    pub(super) mix: Mix,
    /// Operations per second of processor time of the server process.
    pub(super) per_cpu_second: f64,
    /// Operations per second of the clock.
    pub(super) per_second: f64,
    /// Microseconds, reads first, then writes; only the kinds that the mix has.
    pub(super) p50_us: Vec<f64>,
    pub(super) p99_us: Vec<f64>,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, cpu, rate) = (self.mix.name(), self.per_cpu_second, self.per_second);
        write!(f, "{name}: {cpu:.0} operations per CPU-second, {rate:.0} per second")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn figures_are_read_from_the_report() {
        let class = |p50: f64| json!({ "missing": 0, "latency_us": { "p50": p50, "p99": 900.0 } });
        let classes = json!({ "read": class(100.0), "write": class(120.0) });
        let report =
            json!({ "operations": 1000, "operations_per_second": 500.0, "errors": 0, "classes": classes });
        let figures = Answer(report.clone()).figures(Mix::EightyTwenty, 0.5).unwrap();
        assert_eq!((figures.per_cpu_second, figures.per_second), (2000.0, 500.0));
        assert_eq!((figures.p50_us, figures.p99_us), (vec![100.0, 120.0], vec![900.0, 900.0]));
        assert!(Answer(report).figures(Mix::Get, 0.0).is_err());
    }
}
