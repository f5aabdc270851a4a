//! Programs that a script starts: what they print, when they are ready, and how they end.
//!
//! Ready means a line that the program prints, never a time that was waited. A program lives no longer than
//! the value that stands for it: dropping it kills it, by its id.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::image;

/// A program that runs.
pub(crate) struct Process {
    name: String,
    child: Child,
    lines: Receiver<Line>,
    seen: Vec<Line>,
}

/// A line that a program printed.
struct Line {
    text: String,
    stream: Stream,
}

/// Where it printed it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stream {
    Output,
    Error,
}

impl Process {
    /// Starts a program; all that it prints is kept.
    pub(crate) fn start(name: &str, command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let (sender, lines) = channel();
        if let Some(stdout) = child.stdout.take() {
            follow(stdout, Stream::Output, sender.clone());
        }
        if let Some(stderr) = child.stderr.take() {
            follow(stderr, Stream::Error, sender);
        }
        Ok(Self { name: name.to_owned(), child, lines, seen: Vec::new() })
    }

    /// The operating system's number of it.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Reads lines until one gives what is wanted.
    pub(crate) fn wait_for<T>(
        &mut self,
        patience: Duration,
        wanted: impl Fn(&str) -> Option<T>,
    ) -> Result<T> {
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                let printed = self.printed();
                bail!("{} is not ready; it printed:\n{printed}", self.name);
            };
            let found = wanted(&line.text);
            self.seen.push(line);
            if let Some(found) = found {
                return Ok(found);
            }
        }
    }

    /// What it printed so far, on both streams.
    pub(crate) fn printed(&mut self) -> String {
        self.seen.extend(self.lines.try_iter());
        join(self.seen.iter())
    }

    /// What it printed so far on its standard output.
    pub(crate) fn output(&mut self) -> String {
        self.seen.extend(self.lines.try_iter());
        join(self.seen.iter().filter(|line| line.stream == Stream::Output))
    }

    /// Sends a signal and waits for the end; a program that does not end in time is killed, which is an error.
    pub(crate) fn stop(mut self, signal: Signal, patience: Duration) -> Result<ExitStatus> {
        let id =
            i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("a process without id")?;
        kill_process(id, signal).with_context(|| format!("cannot signal {}", self.name))?;
        match self.wait(patience)? {
            Some(status) => Ok(status),
            None => {
                let printed = self.printed();
                bail!("{} does not end within {patience:?}; it printed:\n{printed}", self.name)
            }
        }
    }

    /// All that an ended program printed. Its last lines may still be on their way; a program of its own that
    /// it left behind may hold its output open, so the wait is bounded.
    pub(crate) fn printed_to_the_end(&mut self) -> String {
        let deadline = Instant::now() + Duration::from_secs(2);
        while let Ok(line) = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            self.seen.push(line);
        }
        self.printed()
    }

    /// Waits for the end: how it ended, or nothing when the patience ended first.
    pub(crate) fn wait(&mut self, patience: Duration) -> Result<Option<ExitStatus>> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn join<'a>(lines: impl Iterator<Item = &'a Line>) -> String {
    lines.map(|line| line.text.as_str()).collect::<Vec<_>>().join("\n")
}

/// Reads lines until the program closes its end.
fn follow(pipe: impl Read + Send + 'static, stream: Stream, sender: Sender<Line>) {
    std::thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            line.clear();
            if sender.send(Line { text, stream }).is_err() {
                return;
            }
        }
    });
}

/// A node of its own for a script, on ports that the system chooses.
pub(crate) struct Node {
    process: Process,
    /// Where clients reach it.
    pub(crate) service: SocketAddr,
}

impl Node {
    /// Starts `shipload serve` with these flags added.
    pub(crate) fn start(binary: &Path, flags: &[&str]) -> Result<Self> {
        let mut command = Command::new(binary);
        command.args([
            "serve",
            "--address",
            "127.0.0.1",
            "--port",
            "0",
            "--info-port",
            "0",
            "--http-port",
            "0",
        ]);
        command.args(["--log-level", "info"]).args(flags).env("NO_COLOR", "1");
        let mut process = Process::start("shipload serve", &mut command)?;
        let service = process.wait_for(Duration::from_secs(20), service_address)?;
        Ok(Self { process, service })
    }

    /// The operating system's number of it.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Where other nodes gossip with it. To be asked for once.
    pub(crate) fn heartbeat(&mut self) -> Result<SocketAddr> {
        self.process.wait_for(Duration::from_secs(20), |line| address_of("heartbeat port ", line))
    }

    /// Ends it as a container engine does, and says how it ended. One of several hands over first what it masters.
    pub(crate) fn stop(self) -> Result<ExitStatus> {
        self.process.stop(Signal::TERM, Duration::from_secs(20))
    }
}

/// The address in the line by which a node tells what is open to whom.
fn service_address(line: &str) -> Option<SocketAddr> {
    address_of("service port ", line)
}

fn address_of(port: &str, line: &str) -> Option<SocketAddr> {
    line.split_once(port)?.1.split_whitespace().next()?.parse().ok()
}

/// Runs a program to its end; when it does not succeed, its output is the error.
pub(crate) fn succeed(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}");
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {shown}"))?;
    if !output.status.success() {
        let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
        bail!("{shown} ended with {}: {out}{err}", output.status);
    }
    Ok(())
}

/// The program to test: the one that is given, else this checkout's, as it goes into the image, built when it is not new.
pub(crate) fn binary(given: Option<&PathBuf>) -> Result<PathBuf> {
    match given {
        Some(path) => path.canonicalize().with_context(|| format!("there is no {}", path.display())),
        None => image::program(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Process {
        Process::start("sh", Command::new("sh").args(["-c", script])).unwrap()
    }

    #[test]
    fn ready_is_a_line_on_either_stream() {
        let mut process = shell("echo one; echo 'port 5' >&2; exec sleep 60");
        let port =
            process.wait_for(Duration::from_secs(10), |line| line.strip_prefix("port ").map(str::to_owned));
        assert_eq!(port.unwrap(), "5");
        let status = process.stop(Signal::TERM, Duration::from_secs(10)).unwrap();
        assert!(!status.success());
    }

    #[test]
    fn who_is_never_ready_is_shown_with_what_it_printed() {
        let error = shell("echo nothing here").wait_for(Duration::from_secs(10), |_| None::<()>).unwrap_err();
        assert!(error.to_string().contains("nothing here"));
    }

    #[test]
    fn a_nodes_address_is_read_from_its_log() {
        let line = "2026-11-21T10:00:00Z  INFO shipload_server::run: service port 127.0.0.1:4711 is open to this machine";
        assert_eq!(service_address(line), Some(SocketAddr::from(([127, 0, 0, 1], 4711))));
        assert_eq!(service_address("info port 127.0.0.1:1"), None);
    }
}
