//! One node of a drill: a process of this same program, which can be killed, frozen and started again.
//!
//! Dropping it kills the process, by its id. What it logs goes into a file of its own, over all its lives.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::interrupt;
use super::place::Place;
use crate::info::Link;

/// How long a node may take to open its ports.
const START: Duration = Duration::from_secs(20);
/// How long an answer to an info command may take.
const ANSWER: Duration = Duration::from_millis(500);

/// What a node is started with.
#[derive(Clone, Debug)]
pub(super) struct Orders {
    /// From 1.
    pub(super) number: u8,
    /// Where it listens.
    pub(super) place: Place,
    /// Heartbeat ports where others may be.
    pub(super) seeds: Vec<String>,
    /// More flags of `shipload serve`.
    pub(super) flags: Vec<String>,
    /// The network namespace that it runs in, when it has one.
    pub(super) network: Option<String>,
    /// Where it logs.
    pub(super) log: PathBuf,
}

impl Orders {
    /// The same id in every life.
    pub(super) fn id(&self) -> String {
        format!("{:X}", 0xD0_u32 + u32::from(self.number))
    }

    fn command(&self) -> Result<Command> {
        let program = std::env::current_exe().context("this program does not know where it is")?;
        let mut command = match &self.network {
            None => Command::new(program),
            Some(network) => {
                let mut command = Command::new("nsenter");
                command.arg(format!("--net=/run/netns/{network}")).arg(program);
                command
            }
        };
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SHIPLOAD_"))
        {
            command.env_remove(name);
        }
        command.arg("serve").args(self.place.flags()).args(&self.flags);
        command.args(["--set", &format!("service.node-id={}", self.id()), "--log-level", "info"]);
        for seed in &self.seeds {
            command.args(["--seed", seed]);
        }
        command.env("NO_COLOR", "1").stdin(Stdio::null()).stdout(Stdio::null()).stderr(self.log_file()?);
        Ok(command)
    }

    fn log_file(&self) -> Result<File> {
        let file = OpenOptions::new().create(true).append(true).open(&self.log);
        file.with_context(|| format!("cannot open {}", self.log.display()))
    }
}

/// A node that runs.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) orders: Orders,
    child: Child,
}

impl Node {
    /// Starts it; it answers when this returns.
    pub(super) fn start(orders: Orders) -> Result<Node> {
        let mut node = Node::spawn(orders)?;
        node.wait_until_open()?;
        Ok(node)
    }

    /// Starts it and returns at once.
    pub(super) fn spawn(orders: Orders) -> Result<Node> {
        let child = orders.command()?.spawn().context("cannot start a node")?;
        interrupt::add_process(child.id());
        Ok(Node { orders, child })
    }

    pub(super) fn wait_until_open(&mut self) -> Result<()> {
        let until = Instant::now() + START;
        while self.link().is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("node {} ended with {status}; see {}", self.orders.number, self.orders.log.display());
            }
            if Instant::now() > until {
                bail!(
                    "node {} does not open its port; see {}",
                    self.orders.number,
                    self.orders.log.display()
                );
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// A connection for info commands.
    pub(super) fn link(&self) -> Result<Link> {
        Link::connect(&self.orders.place.ip.to_string(), self.orders.place.port, ANSWER)
    }

    /// Ends the process at once, as a crash does; its ports are free when this returns.
    pub(super) fn kill(mut self) -> Result<Orders> {
        self.signal(Signal::KILL)?;
        self.child.wait()?;
        Ok(self.orders.clone())
    }

    /// Ends it as a container engine does.
    pub(super) fn terminate(mut self) -> Result<(Orders, ExitStatus)> {
        self.signal(Signal::TERM)?;
        let status = self.child.wait()?;
        Ok((self.orders.clone(), status))
    }

    /// Freezes it, or lets it go on.
    pub(super) fn freeze(&self, frozen: bool) -> Result<()> {
        self.signal(if frozen { Signal::STOP } else { Signal::CONT })
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let id =
            i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("a process without id")?;
        kill_process(id, signal).context("cannot signal a node")
    }

    /// How many lines of the log contain this.
    pub(super) fn logged(&self, text: &str) -> Result<usize> {
        count_lines(&self.orders.log, text)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
        interrupt::remove_process(self.child.id());
    }
}

fn count_lines(path: &Path, text: &str) -> Result<usize> {
    let log = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(String::from_utf8_lossy(&log).lines().filter(|line| line.contains(text)).count())
}
