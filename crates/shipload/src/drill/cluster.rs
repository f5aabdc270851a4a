//! The nodes of a drill together, and what they say about their cluster.
//!
//! Waiting here is always for something that the nodes say, bounded by a patience, and never for a time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::interrupt;
use super::node::{Node, Orders};
use super::place::{self, Place};
use crate::info::Link;

/// How often nodes are asked while something is waited for.
const ASK_EVERY: Duration = Duration::from_millis(10);
/// Where a drill keeps its records.
pub(super) const NAMESPACE: &str = "test";

/// Nodes by number.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) nodes: BTreeMap<u8, Node>,
    /// Logs and data of this drill.
    pub(super) directory: Directory,
}

/// What a node says.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    pub(super) statistics: BTreeMap<String, String>,
    pub(super) namespace: BTreeMap<String, String>,
}

/// A directory for logs, gone when all went well.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) path: PathBuf,
    /// Stays after the end.
    pub(super) keep: bool,
}

impl Directory {
    /// A new one in the system's place for such things.
    pub(super) fn create(keep: bool) -> Result<Directory> {
        let path = std::env::temp_dir().join(format!("shipload-drill-{}", std::process::id()));
        std::fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        interrupt::add_directory(path.clone());
        Ok(Directory { path, keep })
    }

    /// Where a node logs.
    pub(super) fn log(&self, number: u8) -> PathBuf {
        self.path.join(format!("node-{number}.log"))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if self.keep {
            eprintln!("logs of the nodes: {}", self.path.display());
        } else {
            // What can't be removed is the system's to clean up.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// How a drill wants its nodes.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) places: Vec<Place>,
    /// Network namespaces, one for each place, or none.
    pub(super) networks: Vec<String>,
    /// More flags of `shipload serve`.
    pub(super) flags: Vec<String>,
}

impl Wish {
    /// Nodes on loopback addresses, with this many copies of each record.
    pub(super) fn on_loopback(nodes: u8, copies: u8) -> Result<Wish> {
        Ok(Wish { places: place::on_loopback(nodes)?, networks: Vec::new(), flags: namespace_flags(copies) })
    }

    /// What the node with this number is started with. All nodes but itself are its seeds.
    pub(super) fn orders(&self, number: u8, log: &Path) -> Result<Orders> {
        let index = usize::from(number).checked_sub(1).context("nodes are counted from 1")?;
        let place = *self.places.get(index).context("a node without a place")?;
        let others = self.places.iter().filter(|other| **other != place);
        Ok(Orders {
            number,
            place,
            seeds: others.map(|other| other.heartbeat().to_string()).collect(),
            flags: self.flags.clone(),
            network: self.networks.get(index).cloned(),
            log: log.to_owned(),
        })
    }
}

/// Flags for the namespace of a drill.
pub(super) fn namespace_flags(copies: u8) -> Vec<String> {
    vec!["--namespace".to_owned(), format!("{NAMESPACE}:replication-factor={copies}")]
}

impl Cluster {
    /// Starts the first `count` places of a wish and waits until they are one cluster.
    pub(super) fn start(wish: &Wish, count: u8, directory: Directory) -> Result<Cluster> {
        let mut cluster = Cluster::empty(directory);
        for number in 1..=count {
            let orders = wish.orders(number, &cluster.directory.log(number))?;
            cluster.nodes.insert(number, Node::spawn(orders)?);
        }
        for node in cluster.nodes.values_mut() {
            node.wait_until_open()?;
        }
        cluster.wait_whole(Duration::from_secs(30))?;
        Ok(cluster)
    }

    /// No nodes yet.
    pub(super) fn empty(directory: Directory) -> Cluster {
        Cluster { nodes: BTreeMap::new(), directory }
    }

    /// Starts a node with a data directory of its own.
    pub(super) fn add_with_data(&mut self, mut orders: Orders) -> Result<()> {
        let data = self.directory.path.join(format!("data-{}", orders.number));
        orders.flags.extend(["--data".to_owned(), data.display().to_string()]);
        self.add(orders)
    }

    /// Starts a node.
    pub(super) fn add(&mut self, orders: Orders) -> Result<()> {
        self.nodes.insert(orders.number, Node::start(orders)?);
        Ok(())
    }

    /// Takes a node out of the list, to do something with it.
    pub(super) fn take(&mut self, number: u8) -> Result<Node> {
        self.nodes.remove(&number).with_context(|| format!("there is no node {number}"))
    }

    /// A node of the list.
    pub(super) fn node(&self, number: u8) -> Result<&Node> {
        self.nodes.get(&number).with_context(|| format!("there is no node {number}"))
    }

    /// A connection to each node of the list.
    pub(super) fn links(&self) -> Result<Vec<Link>> {
        self.nodes.values().map(Node::link).collect()
    }

    /// Waits until all nodes of the list, and no others, are one cluster with all copies in place: how long it took.
    pub(super) fn wait_whole(&self, patience: Duration) -> Result<Duration> {
        let all: Vec<u8> = self.nodes.keys().copied().collect();
        self.wait_parts(&[&all], patience)
    }

    /// Waits until each of these groups is a cluster of its own with all copies in place.
    pub(super) fn wait_parts(&self, parts: &[&[u8]], patience: Duration) -> Result<Duration> {
        self.wait(parts, patience, "are no whole cluster", is_whole)
    }

    /// Waits until all nodes of the list are one cluster, whatever copies are missing.
    pub(super) fn wait_agreed(&self, patience: Duration) -> Result<Duration> {
        let all: Vec<u8> = self.nodes.keys().copied().collect();
        self.wait(&[&all], patience, "do not agree", is_agreed)
    }

    fn wait(
        &self,
        parts: &[&[u8]],
        patience: Duration,
        what: &str,
        holds: fn(&[Said], usize) -> bool,
    ) -> Result<Duration> {
        let began = Instant::now();
        for part in parts {
            loop {
                // A busy node may answer late; it is asked again.
                let said = part.iter().map(|number| ask(&mut self.node(*number)?.link()?)).collect();
                let said: Result<Vec<Said>> = said;
                if said.as_ref().is_ok_and(|said| holds(said, part.len())) {
                    break;
                }
                if began.elapsed() > patience {
                    bail!("after {patience:?} the nodes {part:?} {what}:\n{}", describe(&said?));
                }
                std::thread::sleep(ASK_EVERY);
            }
        }
        Ok(began.elapsed())
    }

    /// Adds up a number that each node says of the namespace.
    pub(super) fn sum(&self, name: &str) -> Result<u64> {
        let mut sum = 0;
        for node in self.nodes.values() {
            sum += ask(&mut node.link()?)?.number(name);
        }
        Ok(sum)
    }

    /// How often any node of the list logged a line with this text.
    pub(super) fn logged(&self, text: &str) -> Result<usize> {
        self.nodes.values().map(|node| node.logged(text)).sum()
    }
}

/// Asks a node.
pub(super) fn ask(link: &mut Link) -> Result<Said> {
    let namespace = format!("namespace/{NAMESPACE}");
    let answers = link.ask(&["statistics", &namespace])?;
    let find = |wanted: &str| answers.iter().find(|(name, _)| name == wanted).map(|(_, value)| pairs(value));
    Ok(Said {
        statistics: find("statistics").context("no statistics")?,
        namespace: find(&namespace).context("no namespace")?,
    })
}

fn pairs(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split(';').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

impl Said {
    /// A number of the statistics, or else of the namespace; 0 when there is none.
    pub(super) fn number(&self, name: &str) -> u64 {
        let value = self.statistics.get(name).or_else(|| self.namespace.get(name));
        value.and_then(|value| value.parse().ok()).unwrap_or(0)
    }

    fn text(&self, name: &str) -> &str {
        self.statistics.get(name).map_or("", String::as_str)
    }

    /// Whether nothing is on its way.
    pub(super) fn is_settled(&self) -> bool {
        self.number("migrate_partitions_remaining") == 0
    }
}

/// All say the same cluster of this size.
pub(super) fn is_agreed(said: &[Said], size: usize) -> bool {
    let key = said.first().map_or("", |first| first.text("cluster_key"));
    said.iter().all(|one| {
        one.number("cluster_size") == size as u64
            && one.text("cluster_key") == key
            && one.text("cluster_integrity") == "true"
    })
}

/// They are agreed, and all copies are in place.
pub(super) fn is_whole(said: &[Said], size: usize) -> bool {
    is_agreed(said, size) && said.iter().all(Said::is_settled)
}

fn describe(said: &[Said]) -> String {
    let line = |one: &Said| {
        let names = ["cluster_size", "cluster_key", "cluster_integrity", "migrate_partitions_remaining"];
        names.map(|name| format!("{name}={}", one.text(name))).join(" ")
    };
    said.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(size: u64, key: &str, remaining: u64) -> Said {
        let text = format!(
            "cluster_size={size};cluster_key={key};cluster_integrity=true;migrate_partitions_remaining={remaining}"
        );
        Said { statistics: pairs(&text), namespace: pairs("objects=7;evict=") }
    }

    #[test]
    fn whole_is_one_key_and_nothing_on_its_way() {
        assert!(is_whole(&[said(2, "A", 0), said(2, "A", 0)], 2));
        assert!(!is_whole(&[said(2, "A", 0), said(2, "B", 0)], 2));
        assert!(!is_whole(&[said(2, "A", 0), said(2, "A", 1)], 2));
        assert!(is_agreed(&[said(2, "A", 0), said(2, "A", 1)], 2));
        assert!(!is_agreed(&[said(1, "A", 0)], 2));
        assert_eq!(said(1, "A", 0).number("objects"), 7);
        assert_eq!(said(1, "A", 0).number("evict"), 0);
    }
}
