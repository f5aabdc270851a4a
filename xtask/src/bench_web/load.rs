//! The load: wrk, and what it tells.

use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::servers::Server;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Get,
    Put,
}

impl Kind {
    pub(super) const ALL: [Kind; 2] = [Kind::Get, Kind::Put];

    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Get => "GET",
            Kind::Put => "PUT",
        }
    }
}

/// What a run told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Figures {
    pub(super) requests: f64,
    pub(super) cpu_seconds: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
}

impl Figures {
    pub(super) fn per_cpu_second(&self) -> f64 {
        self.requests / self.cpu_seconds
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.0} requests per CPU-second", self.per_cpu_second())
    }
}

/// Puts one kind of load on a server.
pub(super) fn load(server: &Server, kind: Kind, connections: u32, seconds: u64) -> Result<Figures> {
    let before = server.cpu_seconds()?;
    let output = Command::new("wrk")
        .args(["-t1", "--latency", "--timeout", "10s"])
        .args([format!("-c{connections}"), format!("-d{seconds}s")])
        .args(server.words(kind)?)
        .output()
        .context("wrk is needed: apt-get install wrk")?;
    let cpu_seconds = server.cpu_seconds()? - before;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "wrk: {text}{}", String::from_utf8_lossy(&output.stderr));
    figures(&text, cpu_seconds).with_context(|| format!("{} of {}: {text}", kind.name(), server.name))
}

/// Reads wrk's report. Answers that are refusals make it useless.
fn figures(report: &str, cpu_seconds: f64) -> Result<Figures> {
    if let Some(bad) = report.lines().find(|line| line.contains("Non-2xx") || line.contains("Socket errors"))
    {
        bail!("{}", bad.trim());
    }
    let mut lines = report.lines().map(str::trim);
    // Other lines have shares that may end alike.
    let line = |word: &str| lines.clone().find(|line| line.starts_with(word));
    let percentile = |word: &str| line(word)?.split_whitespace().nth(1).and_then(milliseconds);
    let (p50_ms, p99_ms) = (percentile("50%"), percentile("99%"));
    let requests = lines.find_map(|line| line.split_once(" requests in ")?.0.parse().ok());
    let missing = "wrk's report is not as expected";
    Ok(Figures {
        requests: requests.context(missing)?,
        cpu_seconds,
        p50_ms: p50_ms.context(missing)?,
        p99_ms: p99_ms.context(missing)?,
    })
}

fn milliseconds(text: &str) -> Option<f64> {
    let units = [("us", 0.001), ("ms", 1.0), ("s", 1000.0)];
    units.into_iter().find_map(|(unit, factor)| Some(text.strip_suffix(unit)?.parse::<f64>().ok()? * factor))
}

#[cfg(test)]
mod tests {
    use super::figures;

    #[test]
    fn a_report_is_read_and_refusals_are_no_figures() {
        let report = "    Req/Sec    66.86k     8.97k   95.01k    67.50%\n  Latency Distribution\n     50%  250.00us\n     90%    1.00ms\n     99%    2.50ms\n  1000 requests in 4.00s, 1.00MB read\n";
        let seen = figures(report, 0.5).unwrap();
        assert_eq!((seen.per_cpu_second(), seen.p50_ms, seen.p99_ms), (2000.0, 0.25, 2.5));
        assert!(figures(&format!("{report}  Non-2xx or 3xx responses: 5\n"), 0.5).is_err());
        assert!(figures("", 0.5).is_err());
    }
}
