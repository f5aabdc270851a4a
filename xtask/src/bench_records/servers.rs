//! The two servers under load: started on free ports of this machine, ended when the value goes, also after errors.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;

use crate::process::{Node, Process};

/// Which server, and so which protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Peer {
    Shipload,
    Redis,
}

impl Peer {
    /// Also the word that `shipload bench --peer` knows.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Peer::Shipload => "shipload",
            Peer::Redis => "redis",
        }
    }
}

/// A server that answers.
pub(crate) struct Server {
    pub(crate) peer: Peer,
    pub(crate) address: SocketAddr,
    running: Running,
}

enum Running {
    Shipload(Node),
    Redis(Process),
}

impl Server {
    /// A node with its defaults.
    pub(crate) fn shipload(binary: &Path) -> Result<Self> {
        let node = Node::start(binary, &[])?;
        Ok(Self { peer: Peer::Shipload, address: node.service, running: Running::Shipload(node) })
    }

    /// Redis with its defaults but without snapshots, which would take processor time at random.
    pub(crate) fn redis(binary: &Path) -> Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(binary);
        command.args(["--port", &address.port().to_string(), "--bind", "127.0.0.1"]).args([
            "--save",
            "",
            "--appendonly",
            "no",
        ]);
        let mut process = Process::start("redis-server", &mut command)
            .with_context(|| format!("no {}: apt-get install redis-server", binary.display()))?;
        process.wait_for(Duration::from_secs(20), |line| {
            line.contains("Ready to accept connections").then_some(())
        })?;
        Ok(Self { peer: Peer::Redis, address, running: Running::Redis(process) })
    }

    /// The operating system's number of it.
    pub(crate) fn id(&self) -> u32 {
        match &self.running {
            Running::Shipload(node) => node.id(),
            Running::Redis(process) => process.id(),
        }
    }

    /// Ends it; a node that crashed under load is an error.
    pub(crate) fn stop(self) -> Result<()> {
        let name = self.peer.name();
        let status = match self.running {
            Running::Shipload(node) => node.stop()?,
            Running::Redis(process) => process.stop(Signal::TERM, Duration::from_secs(10))?,
        };
        ensure!(status.success(), "{name} ended with {status}");
        Ok(())
    }
}

/// An address that was free a moment ago: Redis cannot be told to choose one and say which.
fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("no free port")?;
    listener.local_addr().context("no free port")
}
