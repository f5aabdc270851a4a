//! One node or several for a script: started, joined, and ended together.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::process::Node;

/// How long nodes may take to find each other.
const PATIENCE: Duration = Duration::from_secs(60);

/// Nodes that are one cluster.
pub(crate) struct Cluster {
    nodes: Vec<Node>,
    /// Where clients reach the first one.
    pub(crate) service: SocketAddr,
}

impl Cluster {
    /// Starts so many nodes and waits until each says that it sees all, and that all copies are in place.
    pub(crate) fn start(binary: &Path, count: usize) -> Result<Self> {
        let namespace = "test:replication-factor=2";
        let flags: &[&str] = &["--fabric-port", "0", "--heartbeat-port", "0", "--namespace", namespace];
        let mut first = Node::start(binary, if count > 1 { flags } else { &[] })?;
        let service = first.service;
        let mut nodes = Vec::new();
        if count > 1 {
            let seed = first.heartbeat()?.to_string();
            let flags = [flags, &["--seed", &seed]].concat();
            nodes = (1..count).map(|_| Node::start(binary, &flags)).collect::<Result<_>>()?;
        }
        nodes.insert(0, first);
        let cluster = Self { nodes, service };
        cluster.wait(binary)?;
        Ok(cluster)
    }

    fn wait(&self, binary: &Path) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        for node in &self.nodes {
            while !self.is_whole(binary, node.service)? {
                ensure!(Instant::now() < until, "the nodes do not become one cluster");
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        Ok(())
    }

    fn is_whole(&self, binary: &Path, node: SocketAddr) -> Result<bool> {
        let (host, port) = (node.ip().to_string(), node.port().to_string());
        let output = Command::new(binary)
            .args(["info", "-h", &host, "-p", &port, "-v", "statistics", "-l"])
            .output()
            .context("cannot run shipload info")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let is = |name: &str, wanted: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            value == Some(wanted)
        };
        let size = self.nodes.len().to_string();
        Ok(is("cluster_size", &size)
            && is("cluster_integrity", "true")
            && is("migrate_partitions_remaining", "0"))
    }

    /// Where clients reach each of them.
    pub(crate) fn services(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(|node| node.service).collect()
    }

    /// Ends all nodes as a container engine does; one that did not end well is an error.
    pub(crate) fn stop(self) -> Result<()> {
        for node in self.nodes {
            let status = node.stop()?;
            ensure!(status.success(), "a node ended with {status}");
        }
        Ok(())
    }
}
