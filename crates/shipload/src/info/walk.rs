//! From one node to all: the seed names its peers, and each is asked for itself, all at the same time.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use super::link::Link;
use super::peers::{self, Peer};
use crate::seed;

/// A node of the cluster.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// The address under which it was looked for.
    pub(crate) name: String,
    /// Its node id.
    pub(crate) id: String,
    pub(crate) seen: Seen,
}

/// What came of asking a node.
#[derive(Clone, Debug)]
pub(crate) enum Seen {
    Answers(Answers),
    /// Nobody answered: why.
    Silent(String),
}

/// What a node says about itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answers {
    /// Where it was reached.
    pub(crate) ip: String,
    pub(crate) build: String,
    pub(crate) cluster_name: String,
    pub(crate) statistics: Values,
    pub(crate) namespaces: BTreeMap<String, Values>,
    pub(crate) sets: Vec<Values>,
}

/// Names and values of one answer.
pub(crate) type Values = BTreeMap<String, String>;

/// Walks from a connected seed to all nodes, in the order of their names.
pub(crate) fn from(mut link: Link, host: &str, port: u16, timeout: Duration) -> Result<Vec<Node>> {
    let answers = link.ask(&["node", "peers-clear-std"])?;
    let id = value(&answers, "node").context("the node does not say who it is")?;
    let peers = peers::read(&value(&answers, "peers-clear-std").unwrap_or_default());
    let name = seed::join(host, port);
    let mut nodes = vec![Node { name, id, seen: seen(ask(&mut link)) }];
    nodes.extend(thread::scope(|scope| {
        let visits: Vec<_> = peers.iter().map(|peer| scope.spawn(move || visit(peer, timeout))).collect();
        visits
            .into_iter()
            .zip(&peers)
            .map(|(visit, peer)| visit.join().unwrap_or_else(|_| lost(peer)))
            .collect::<Vec<_>>()
    }));
    nodes.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(nodes)
}

/// A peer whose visit went wrong in this program.
fn lost(peer: &Peer) -> Node {
    Node {
        name: peer.node.clone(),
        id: peer.node.clone(),
        seen: Seen::Silent("could not be asked".to_owned()),
    }
}

/// Asks a peer at the first of its addresses that answers.
fn visit(peer: &Peer, timeout: Duration) -> Node {
    let mut failure = "it has no address".to_owned();
    for (host, port) in &peer.addresses {
        match Link::connect(host, *port, timeout).and_then(|mut link| ask(&mut link)) {
            Ok(answers) => {
                return Node {
                    name: seed::join(host, *port),
                    id: peer.node.clone(),
                    seen: Seen::Answers(answers),
                };
            }
            Err(error) => failure = format!("{error:#}"),
        }
    }
    let name =
        peer.addresses.first().map_or_else(|| peer.node.clone(), |(host, port)| seed::join(host, *port));
    Node { name, id: peer.node.clone(), seen: Seen::Silent(failure) }
}

fn seen(answers: Result<Answers>) -> Seen {
    match answers {
        Ok(answers) => Seen::Answers(answers),
        Err(error) => Seen::Silent(format!("{error:#}")),
    }
}

fn ask(link: &mut Link) -> Result<Answers> {
    let general = link.ask(&["build", "cluster-name", "statistics", "namespaces", "sets"])?;
    let text = |name: &str| value(&general, name).unwrap_or_default();
    let names: Vec<String> =
        text("namespaces").split(';').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let commands: Vec<String> = names.iter().map(|name| format!("namespace/{name}")).collect();
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    let details = if commands.is_empty() { Vec::new() } else { link.ask(&commands)? };
    let detail = |name: &String| value(&details, &format!("namespace/{name}")).unwrap_or_default();
    Ok(Answers {
        ip: link.address.to_string(),
        build: text("build"),
        cluster_name: text("cluster-name"),
        statistics: values(&text("statistics"), ';'),
        namespaces: names.iter().map(|name| (name.clone(), values(&detail(name), ';'))).collect(),
        sets: text("sets").split(';').map(|set| values(set, ':')).filter(|set| !set.is_empty()).collect(),
    })
}

fn value(answers: &[(String, String)], name: &str) -> Option<String> {
    answers.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone())
}

fn values(text: &str, separator: char) -> Values {
    let pairs = text.split(separator).filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
