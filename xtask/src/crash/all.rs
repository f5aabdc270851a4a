//! All nodes of a cluster die at once under the load of a counter, and come back with every hit that they acknowledged.
//!
//! `shipload up --data` runs three nodes in one process, so that one SIGKILL ends all of them at the same moment.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::client::Client;
use crate::process::Process;

/// Connections that hit at the same time.
const VISITORS: u64 = 8;
/// The record that counts, and its set.
const COUNTER: (&str, u64) = ("counter", 0);

/// Runs rounds; what is wrong after them.
pub(super) fn run(binary: &Path, folder: &Path, rounds: u32) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    // How many hits each visitor was told are counted; one more may have been under way.
    let mut acked: Vec<u64> = (0..VISITORS).map(|_| 0).collect();
    let mut sent = 0;
    for round in 0..rounds {
        let (process, service) = up(binary, folder)?;
        findings
            .extend(check(service, &acked, sent)?.into_iter().map(|text| format!("round {round}: {text}")));
        sent += hit(service, &mut acked, Duration::from_millis(300 + u64::from(round % 4) * 200), process)?;
    }
    let (process, service) = up(binary, folder)?;
    findings.extend(check(service, &acked, sent)?);
    let total: u64 = acked.iter().sum();
    ensure!(total > 0, "nothing was acknowledged");
    println!(
        "crash: all three nodes killed at once, {rounds} rounds: {total} hits acknowledged, {sent} sent, all there"
    );
    let status = process.stop(rustix::process::Signal::TERM, Duration::from_secs(30))?;
    ensure!(status.success(), "the nodes ended with {status}");
    Ok(findings)
}

/// Three nodes with what they had before.
fn up(binary: &Path, folder: &Path) -> Result<(Process, SocketAddr)> {
    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let mut command = Command::new(binary);
    command.args(["up", "--nodes", "3", "--info-port", "0", "--http-port", "0", "--port", &port.to_string()]);
    command.arg("--data").arg(folder).env("NO_COLOR", "1");
    let mut process = Process::start("shipload up", &mut command)?;
    process.wait_for(Duration::from_secs(60), |line| line.contains("Ctrl-C ends it").then_some(()))?;
    Ok((process, SocketAddr::from(([127, 0, 0, 1], port))))
}

/// Hits until the process is killed, which is after `load`. How many hits were sent.
fn hit(service: SocketAddr, acked: &mut [u64], load: Duration, process: Process) -> Result<u64> {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let visit = |visitor: u64, acked: &mut u64| -> Result<u64> {
            let mut client = Client::connect(service)?;
            let mut sent = 0;
            while !stop.load(Ordering::Relaxed) {
                sent += 1;
                // First the hit itself, then the number of all hits: as the page of the example does.
                let number = *acked;
                let done = client.put(&set(visitor), number, &number.to_le_bytes()).is_ok_and(is_ok)
                    && client.increment(COUNTER.0, COUNTER.1).is_ok_and(is_ok);
                if !done {
                    break;
                }
                *acked += 1;
            }
            Ok(sent)
        };
        let visitors: Vec<_> = (0..VISITORS)
            .zip(acked)
            .map(|(visitor, acked)| scope.spawn(move || visit(visitor, acked)))
            .collect();
        let until = Instant::now() + load;
        std::thread::sleep(until.saturating_duration_since(Instant::now()));
        drop(process);
        stop.store(true, Ordering::Relaxed);
        let mut sent = 0;
        for visitor in visitors {
            sent += visitor.join().map_err(|_| anyhow::anyhow!("a visitor panicked"))??;
        }
        Ok(sent)
    })
}

fn is_ok(code: shipload_wire::code::ResultCode) -> bool {
    code == shipload_wire::code::ResultCode::Ok
}

fn set(visitor: u64) -> String {
    format!("hits{visitor}")
}

/// Looks for every acknowledged hit.
fn check(service: SocketAddr, acked: &[u64], sent: u64) -> Result<Vec<String>> {
    let mut client = Client::connect(service)?;
    let mut findings = Vec::new();
    for (visitor, &acked) in (0..).zip(acked) {
        for number in 0..acked {
            if client.get(&set(visitor), number)?.as_deref() != Some(&number.to_le_bytes()) {
                findings.push(format!("hit {number} of visitor {visitor} is gone"));
            }
        }
    }
    let total: u64 = acked.iter().sum();
    let counted = match client.get(COUNTER.0, COUNTER.1)? {
        Some(bytes) => u64::from_be_bytes(bytes.try_into().ok().context("the counter is no number")?),
        None => 0,
    };
    if counted < total || counted > sent {
        findings.push(format!("the counter says {counted}, acknowledged are {total}, sent were {sent}"));
    }
    Ok(findings)
}
