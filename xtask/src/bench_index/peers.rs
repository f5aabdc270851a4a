//! The whole server process beside Redis: the same keys and values in both, resident memory of both.

use super::BenchIndexArgs;
use super::load;
use super::process::{Process, free_ports};
use anyhow::{Context, ensure};
use std::fmt;
use std::path::Path;
use std::time::Instant;

/// How the columns come about.
pub(super) const NOTES: &str = "\
Resident memory (`VmRSS`) after the load, less what the process took when it was empty and had answered its first \
connection, over the number of records. Keys are strings of 16 bytes; Redis keeps them, Shipload keeps their \
20-byte digests. Redis runs with `--save '' --appendonly no`, Shipload with its defaults.";

/// What one server took.
struct Measured {
    empty_bytes: u64,
    full_bytes: u64,
    seconds: f64,
}

/// One row of the table.
pub(super) struct Row {
    records: u64,
    value_bytes: usize,
    shipload: Measured,
    redis: Measured,
}

impl Row {
    pub(super) const HEAD: &str = "\
| records | value | Shipload a record | Redis a record | ratio | Shipload process | Redis process | load, Shipload | load, Redis |\n\
|---|---|---|---|---|---|---|---|---|";
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ours, theirs) = (self.shipload.per_record(self.records), self.redis.per_record(self.records));
        write!(
            f,
            "| {} | {} B | {ours:.1} B | {theirs:.1} B | {:.2} |",
            self.records,
            self.value_bytes,
            ours / theirs
        )?;
        let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        write!(f, " {:.1} MiB |", mebibytes(self.shipload.full_bytes))?;
        write!(f, " {:.1} MiB |", mebibytes(self.redis.full_bytes))?;
        write!(f, " {:.1} s | {:.1} s |", self.shipload.seconds, self.redis.seconds)
    }
}

impl Measured {
    fn per_record(&self, records: u64) -> f64 {
        self.full_bytes.saturating_sub(self.empty_bytes) as f64 / records as f64
    }
}

/// Loads both, one after the other, and reads their memory.
pub(super) fn compare(args: &BenchIndexArgs, binary: &Path, records: u64) -> anyhow::Result<Row> {
    ensure!(records > 0, "at least one record");
    let value = vec![b'v'; args.value_bytes];
    let shipload = measure_shipload(binary, records, &value).context("measuring Shipload")?;
    let redis = measure_redis(&args.redis, records, &value).context("measuring Redis")?;
    Ok(Row { records, value_bytes: args.value_bytes, shipload, redis })
}

fn measure_shipload(binary: &Path, records: u64, value: &[u8]) -> anyhow::Result<Measured> {
    let [service, fabric, heartbeat, info, http] = free_ports()?;
    let mut arguments: Vec<String> =
        ["serve", "--address", "127.0.0.1", "--namespace", "test"].map(str::to_string).to_vec();
    let ports = [
        ("--port", service),
        ("--fabric-port", fabric),
        ("--heartbeat-port", heartbeat),
        ("--info-port", info),
        ("--http-port", http),
    ];
    for (flag, port) in ports {
        arguments.extend([flag.to_string(), port.to_string()]);
    }
    measure(Process::start(binary, &arguments)?, service, |stream| load::shipload(stream, records, value))
}

fn measure_redis(binary: &Path, records: u64, value: &[u8]) -> anyhow::Result<Measured> {
    let [port] = free_ports()?;
    let port_text = port.to_string();
    let arguments =
        ["--port", &port_text, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"].map(str::to_string);
    measure(Process::start(binary, &arguments)?, port, |stream| load::redis(stream, records, value))
}

fn measure(
    mut process: Process,
    port: u16,
    load: impl FnOnce(std::net::TcpStream) -> anyhow::Result<()>,
) -> anyhow::Result<Measured> {
    let stream = process.connect(port)?;
    let empty_bytes = process.resident_bytes()?;
    let started = Instant::now();
    load(stream)?;
    let seconds = started.elapsed().as_secs_f64();
    Ok(Measured { empty_bytes, full_bytes: process.resident_bytes()?, seconds })
}
