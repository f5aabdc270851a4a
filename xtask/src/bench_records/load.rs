//! The load: `shipload bench` as a process of its own, and what its report says.

use std::fmt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::servers::Server;

/// Bytes of each value, as an object of `shipload bench`.
const OBJECT: &str = "B100";

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
        let output = Command::new(&self.binary)
            .args(["bench", "--json", "--object", OBJECT, "--peer", server.peer.name()])
            .args(["-h", &server.address.ip().to_string(), "-p", &server.address.port().to_string()])
            .args(["--keys", &self.keys.to_string(), "--connections", &self.connections.to_string()])
            .args(words)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .context("cannot run shipload bench")?;
        ensure!(output.status.success(), "shipload bench ended with {}", output.status);
        let report = serde_json::from_slice(&output.stdout).context("shipload bench printed no JSON")?;
        Answer::checked(report).with_context(|| format!("load on {}", server.peer.name()))
    }
}

/// A report of `shipload bench` in which every operation succeeded.
#[derive(Debug)]
pub(super) struct Answer(Value);

impl Answer {
    /// Figures of a run with failures would compare different work.
    fn checked(report: Value) -> Result<Self> {
        let missing = classes(&report).filter_map(|(_, class)| class["missing"].as_u64()).sum::<u64>();
        let errors = report["errors"].as_u64().context("the report has no errors")?;
        ensure!(errors == 0 && missing == 0, "{errors} operations failed, {missing} found no record");
        Ok(Self(report))
    }

    pub(super) fn operations(&self) -> Result<u64> {
        self.0["operations"].as_u64().context("the report has no operations")
    }

    /// What is kept of a run.
    pub(super) fn figures(&self, mix: Mix, cpu_seconds: f64) -> Result<Figures> {
        let operations = self.operations()?;
        ensure!(operations > 0 && cpu_seconds > 0.0, "{operations} operations in {cpu_seconds} CPU-seconds");
        let per_second = self.0["operations_per_second"].as_f64().context("the report has no rate")?;
        let latency = |percentile: &str| {
            classes(&self.0).filter_map(|(_, class)| class["latency_us"][percentile].as_f64()).collect()
        };
        let per_cpu_second = operations as f64 / cpu_seconds;
        Ok(Figures { mix, per_cpu_second, per_second, p50_us: latency("p50"), p99_us: latency("p99") })
    }
}

fn classes(report: &Value) -> impl Iterator<Item = (&String, &Value)> {
    report["classes"].as_object().into_iter().flatten()
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

    fn report(errors: u64, missing: u64) -> Value {
        let class = |p50: f64| json!({ "missing": missing, "latency_us": { "p50": p50, "p99": 900.0 } });
        let classes = json!({ "read": class(100.0), "write": class(120.0) });
        json!({ "operations": 1000, "operations_per_second": 500.0, "errors": errors, "classes": classes })
    }

    #[test]
    fn figures_are_read_from_the_report() {
        let figures = Answer::checked(report(0, 0)).unwrap().figures(Mix::EightyTwenty, 0.5).unwrap();
        assert_eq!((figures.per_cpu_second, figures.per_second), (2000.0, 500.0));
        assert_eq!((figures.p50_us, figures.p99_us), (vec![100.0, 120.0], vec![900.0, 900.0]));
    }

    #[test]
    fn a_run_with_failures_is_no_measurement() {
        assert!(Answer::checked(report(1, 0)).is_err());
        assert!(Answer::checked(report(0, 1)).is_err());
        assert!(Answer::checked(json!({})).is_err());
        assert!(Answer::checked(report(0, 0)).unwrap().figures(Mix::Get, 0.0).is_err());
    }
}
