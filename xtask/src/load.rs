//! The load of benchmarks: `shipload bench` as a process of its own, and its report.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// What every run against a server has in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load<'a> {
    pub(crate) binary: &'a Path,
    pub(crate) address: SocketAddr,
    /// The word that `shipload bench --peer` knows.
    pub(crate) peer: &'a str,
    pub(crate) keys: u64,
    /// Bytes of a value.
    pub(crate) value_bytes: u64,
    pub(crate) connections: u32,
}

impl Load<'_> {
    /// Makes a run, and gives its report. A run with failures is an error: its figures would compare different work.
    pub(crate) fn run(&self, words: &[&str]) -> Result<Value> {
        let object = format!("B{}", self.value_bytes);
        let output = Command::new(self.binary)
            .args(["bench", "--json", "--object", &object, "--peer", self.peer])
            .args(["-h", &self.address.ip().to_string(), "-p", &self.address.port().to_string()])
            .args(["--keys", &self.keys.to_string(), "--connections", &self.connections.to_string()])
            .args(["--timeout", "20s"])
            .args(words)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .context("cannot run shipload bench")?;
        ensure!(output.status.success(), "shipload bench ended with {}", output.status);
        let report = serde_json::from_slice(&output.stdout).context("shipload bench printed no JSON")?;
        checked(&report).with_context(|| format!("load on {}", self.peer))?;
        Ok(report)
    }
}

/// The operations of a report, which must all have succeeded.
pub(crate) fn checked(report: &Value) -> Result<u64> {
    let missing = classes(report).filter_map(|class| class["missing"].as_u64()).sum::<u64>();
    let errors = report["errors"].as_u64().context("the report has no errors")?;
    let codes = &report["codes"];
    ensure!(errors == 0 && missing == 0, "{errors} operations failed, {missing} found no record: {codes}");
    report["operations"].as_u64().context("the report has no operations")
}

/// Operations per second of the clock.
pub(crate) fn per_second(report: &Value) -> Result<f64> {
    report["operations_per_second"].as_f64().context("the report has no rate")
}

/// A percentile (`p50`, `p99`) in microseconds: of reads, then of writes; only of the kinds that the run had.
pub(crate) fn latency_us(report: &Value, percentile: &str) -> Vec<f64> {
    classes(report).filter_map(|class| class["latency_us"][percentile].as_f64()).collect()
}

fn classes(report: &Value) -> impl Iterator<Item = &Value> {
    report["classes"].as_object().into_iter().flatten().map(|(_, class)| class)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{checked, latency_us, per_second};

    #[test]
    fn a_run_with_failures_is_no_measurement() {
        let report = |errors: u64, missing: u64| {
            let class = |p50: f64| json!({ "missing": missing, "latency_us": { "p50": p50 } });
            let classes = json!({ "read": class(100.0), "write": class(120.0) });
            json!({ "operations": 1000, "operations_per_second": 500.0, "errors": errors, "classes": classes })
        };
        let good = report(0, 0);
        assert_eq!((checked(&good).unwrap(), per_second(&good).unwrap()), (1000, 500.0));
        assert_eq!(latency_us(&good, "p50"), [100.0, 120.0]);
        assert!(checked(&report(1, 0)).is_err() && checked(&report(0, 1)).is_err());
        assert!(checked(&json!({})).is_err());
    }
}
