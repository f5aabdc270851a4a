//! A node with files, and what it says of them.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::World;
use super::load::Target;
use crate::process;

/// A node of which the namespace `test` lies on files in a folder.
pub(super) struct Node {
    node: process::Node,
}

impl Node {
    /// Starts a node on this folder, with settings of `storage-engine` as `key=value`.
    pub(super) fn start(world: &World<'_>, folder: &Path, engine: &str, settings: &[String]) -> Result<Node> {
        let mut namespace = format!("test:storage-engine={engine}");
        settings.iter().for_each(|setting| namespace.push_str(&format!(":storage-engine.{setting}")));
        let folder = folder.display().to_string();
        let flags =
            ["--fabric-port", "0", "--heartbeat-port", "0", "--data", &folder, "--namespace", &namespace];
        Ok(Node { node: process::Node::start(&world.loader.binary, &flags)? })
    }

    pub(super) fn target(&self, records: u64, value_bytes: u64) -> Target {
        Target { address: self.node.service, peer: "shipload", records, value_bytes }
    }

    pub(super) fn id(&self) -> u32 {
        self.node.id()
    }

    /// Ends it in order.
    pub(super) fn stop(self) -> Result<()> {
        let status = self.node.stop()?;
        ensure!(status.success(), "the node ended with {status}");
        Ok(())
    }

    /// A number of `namespace/test`.
    pub(super) fn number(&self, name: &str) -> Result<f64> {
        let text = info(self.node.service, "namespace/test")?;
        let value = text.split(';').find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name));
        let (_, value) = value.with_context(|| format!("namespace/test says nothing of {name}"))?;
        match value {
            "true" => Ok(1.0),
            "false" => Ok(0.0),
            value => value.parse().with_context(|| format!("{name} is {value}")),
        }
    }

    /// Resident memory in bytes.
    pub(super) fn resident_bytes(&self) -> Result<f64> {
        self.status_bytes("VmRSS")
    }

    /// A size that the system tells of the process, in bytes.
    pub(super) fn status_bytes(&self, name: &str) -> Result<f64> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let line = line.with_context(|| format!("no {name}"))?;
        let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kilobytes * 1024.0)
    }
}

/// A count that was told as a number.
#[expect(clippy::cast_possible_truncation, reason = "counts are whole and not negative")]
pub(super) fn whole(number: f64) -> u64 {
    number as u64
}

/// The answer to an info command.
fn info(address: SocketAddr, command: &str) -> Result<String> {
    let mut socket = TcpStream::connect(address).context("cannot connect")?;
    socket.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut out = Vec::new();
    shipload_wire::request::info(&mut out, &[command]);
    socket.write_all(&out)?;
    let mut head = [0; 8];
    socket.read_exact(&mut head)?;
    let [_, _, size @ ..] = head;
    let size = size.iter().fold(0u64, |sum, byte| (sum << 8) | u64::from(*byte));
    let mut body = vec![0; usize::try_from(size)?];
    socket.read_exact(&mut body)?;
    let text = String::from_utf8_lossy(&body);
    Ok(text.split_once('\t').map_or("", |(_, value)| value).trim_end().to_owned())
}
