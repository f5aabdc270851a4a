//! The load: `shipload bench` as a process of its own, and what its report says.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// How every run is made.
pub(super) struct Loader {
    pub(super) binary: PathBuf,
}

/// A server, and how it is spoken to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    pub(super) address: SocketAddr,
    /// The word that `shipload bench --peer` knows.
    pub(super) peer: &'static str,
    pub(super) records: u64,
    /// Bytes of a value.
    pub(super) value_bytes: u64,
}

/// What one run did.
#[derive(Debug, Clone, Copy)]
pub(super) struct Done {
    pub(super) operations: u64,
    pub(super) per_second: f64,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
}

impl Loader {
    /// Writes every record once.
    pub(super) fn fill(&self, target: Target) -> Result<Done> {
        self.bench(target, &["--workload", "I"])
    }

    /// Updates (U) or reads (R) records at random for so many seconds.
    pub(super) fn run(&self, target: Target, workload: &str, seconds: u64) -> Result<Done> {
        let duration = format!("{seconds}s");
        self.bench(target, &["--workload", workload, "--duration", &duration, "--warmup", "0s"])
    }

    /// Updates records at random so many times.
    pub(super) fn update(&self, target: Target, operations: u64) -> Result<Done> {
        self.bench(target, &["--workload", "U", "--operations", &operations.to_string()])
    }

    fn bench(&self, target: Target, words: &[&str]) -> Result<Done> {
        let Target { address, peer, records, value_bytes } = target;
        let output = Command::new(&self.binary)
            .args(["bench", "--json", "--object", &format!("B{value_bytes}"), "--peer", peer])
            .args(["-h", &address.ip().to_string(), "-p", &address.port().to_string()])
            .args(["--keys", &records.to_string(), "--connections", "16", "--timeout", "20s"])
            .args(words)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .context("cannot run shipload bench")?;
        ensure!(output.status.success(), "shipload bench ended with {}", output.status);
        let report: Value =
            serde_json::from_slice(&output.stdout).context("shipload bench printed no JSON")?;
        let errors = report["errors"].as_u64().context("the report has no errors")?;
        ensure!(errors == 0, "{errors} operations failed: {}", report["codes"]);
        let latency = |percentile: &str| {
            let classes = report["classes"].as_object().into_iter().flatten();
            let each = classes.filter_map(|(_, class)| class["latency_us"][percentile].as_f64());
            each.fold(0.0, f64::max)
        };
        Ok(Done {
            operations: report["operations"].as_u64().context("the report has no operations")?,
            per_second: report["operations_per_second"].as_f64().context("the report has no rate")?,
            p50_us: latency("p50"),
            p99_us: latency("p99"),
        })
    }
}
