//! Processes that this benchmark starts: their resident memory, and their end when the benchmark ends.

use anyhow::{Context, bail};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A started process, killed by its id when it goes out of scope.
pub(super) struct Process {
    child: Child,
    name: String,
}

impl Process {
    /// Starts a program with its output thrown away.
    pub(super) fn start(program: &Path, arguments: &[String]) -> anyhow::Result<Process> {
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        Ok(Process { child, name: program.display().to_string() })
    }

    /// Connects as soon as the process listens.
    pub(super) fn connect(&mut self, port: u16) -> anyhow::Result<TcpStream> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Ok(stream) = TcpStream::connect(address) {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status} before it listened on {address}", self.name);
            }
            if Instant::now() > deadline {
                bail!("{} does not listen on {address} after 20 seconds", self.name);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Resident memory in bytes, now.
    pub(super) fn resident_bytes(&self) -> anyhow::Result<u64> {
        resident_bytes(self.child.id())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process may be gone already; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `VmRSS` of a process in bytes.
pub(super) fn resident_bytes(process: u32) -> anyhow::Result<u64> {
    let path = format!("/proc/{process}/status");
    let status = std::fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS line")?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse().context("VmRSS is no number")?;
    Ok(kilobytes * 1024)
}

/// Ports of 127.0.0.1 that were free a moment ago, all different.
pub(super) fn free_ports<const N: usize>() -> anyhow::Result<[u16; N]> {
    let mut listeners = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        *port = listener.local_addr()?.port();
        listeners.push(listener);
    }
    Ok(ports)
}
