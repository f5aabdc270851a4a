//! What a drill does to a node, and how it makes it good again.

use anyhow::{Context, Result};

use super::cluster::Cluster;
use super::network::Network;
use super::node::Orders;

/// How a node fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum How {
    /// The process ends at once (SIGKILL); it comes back empty, with the same id
    Kill,
    /// The process stands still (SIGSTOP) until the others go on without it
    Stop,
    /// Its network cable is pulled; needs root and network namespaces
    Cut,
}

/// A node that failed.
#[derive(Debug)]
pub(super) enum Harmed {
    Killed(Orders),
    /// It still belongs to somebody else's list.
    Stopped(super::node::Node),
    Cut(super::node::Node),
}

/// Harms a node; it leaves the cluster's list.
pub(super) fn harm(how: How, cluster: &mut Cluster, number: u8, network: Option<&Network>) -> Result<Harmed> {
    let node = cluster.take(number)?;
    Ok(match how {
        How::Kill => Harmed::Killed(node.kill()?),
        How::Stop => {
            node.freeze(true)?;
            Harmed::Stopped(node)
        }
        How::Cut => {
            network.context("a cable without a network")?.plug(number, false)?;
            Harmed::Cut(node)
        }
    })
}

/// Makes it good; the node is in the cluster's list again.
pub(super) fn heal(harmed: Harmed, cluster: &mut Cluster, network: Option<&Network>) -> Result<()> {
    match harmed {
        Harmed::Killed(orders) => cluster.add(orders)?,
        Harmed::Stopped(node) => {
            node.freeze(false)?;
            cluster.nodes.insert(node.orders.number, node);
        }
        Harmed::Cut(node) => {
            network.context("a cable without a network")?.plug(node.orders.number, true)?;
            cluster.nodes.insert(node.orders.number, node);
        }
    }
    Ok(())
}
