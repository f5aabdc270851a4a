//! The load on durable records, and what is kept of a run.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Result;

use crate::load::{self, Load};

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
        let Target { address, peer, records: keys, value_bytes } = target;
        let report =
            Load { binary: &self.binary, address, peer, keys, value_bytes, connections: 16 }.run(words)?;
        let worst = |percentile: &str| load::latency_us(&report, percentile).into_iter().fold(0.0, f64::max);
        Ok(Done {
            operations: load::checked(&report)?,
            per_second: load::per_second(&report)?,
            p50_us: worst("p50"),
            p99_us: worst("p99"),
        })
    }
}
