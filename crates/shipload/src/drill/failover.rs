//! `shipload drill failover`: nodes fail under load, one after the other; what clients saw.
//!
//! A gap is the longest time in which no write to a partition succeeded, from the moment of the failure until the
//! remaining nodes have all copies in place again. Every write that was acknowledged is read back twice in each
//! round: from the nodes that are left, and after the node is back.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aerospike::Client;
use anyhow::{Context, Result};
use tokio::runtime::Runtime;

use super::client::{self, ClientArgs};
use super::cluster::{Cluster, Directory, Wish, namespace_flags};
use super::harm::{self, How};
use super::network::{self, Network};
use super::report::{self, Row};
use super::roles::{self, Roles};
use super::watch::{self, Timeline};
use super::writers::{self, Lane, ReadBack, Writers};
use super::{keys, verdict};

/// How long copies may take to be whole again.
const PATIENCE: Duration = Duration::from_secs(180);
/// Writes go on for so long after all is whole, so that late answers are seen.
const AFTER: Duration = Duration::from_millis(500);

/// Flags of the drill.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How a node fails
    #[arg(long, value_enum, default_value_t = How::Kill)]
    how: How,
    /// How often
    #[arg(long, default_value_t = 10, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Processes
    #[arg(long, default_value_t = 3, value_name = "COUNT", value_parser = clap::value_parser!(u8).range(2..=16))]
    nodes: u8,
    /// Records that lie there while all this happens, of 100 bytes
    #[arg(long, default_value_t = 50_000, value_name = "COUNT")]
    records: u64,
    /// Writes a second
    #[arg(long, default_value_t = 2000, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// Partitions that are written to, so that each has its own clock
    #[arg(long, default_value_t = 60, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=4096))]
    partitions: u16,
    #[command(flatten)]
    client: ClientArgs,
    #[command(flatten)]
    shared: super::Shared,
}

/// Runs the rounds and prints the table.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let network = match args.how {
        How::Kill | How::Stop => None,
        How::Cut => match network::missing() {
            Some(reason) => return super::skip(&reason),
            None => Some(Network::create(vec![0; usize::from(args.nodes)])?),
        },
    };
    let runtime = crate::runtime::start()?;
    let wish = match &network {
        None => Wish::on_loopback(args.nodes, 2)?,
        Some(network) => {
            Wish { places: network.places(), networks: network.networks(), flags: namespace_flags(2) }
        }
    };
    let wish = args.shared.with_flags(wish);
    let mut cluster = Cluster::start(&wish, args.nodes, Directory::create(args.shared.keep_logs)?)?;
    let outcome = drill(args, &runtime, &mut cluster, network.as_ref());
    super::end(&mut cluster, outcome)
}

fn drill(args: &Args, runtime: &Runtime, cluster: &mut Cluster, network: Option<&Network>) -> Result<bool> {
    let seeds: Vec<SocketAddr> = cluster.nodes.values().map(|node| node.orders.place.service()).collect();
    let client = runtime.block_on(args.client.connect(&seeds))?;
    runtime.block_on(client::fill(&client, 0..args.records, 0, 100)).context("cannot write the records")?;
    cluster.wait_whole(PATIENCE)?;
    let partitions = spread(cluster, usize::from(args.partitions))?;
    let writers = Writers::start(runtime, &client, &args.client.write_policy(), &partitions, args.rate);
    crate::print(&introduction(args))?;
    let mut field = Field { args, runtime, cluster, network, client: &client, lanes: &writers.lanes };
    let mut rows = Vec::new();
    for round in 1..=args.rounds {
        let row = field.round(round)?;
        crate::print(&report::line(&row))?;
        rows.push(row);
    }
    let lanes = writers.stop(runtime);
    let last = runtime.block_on(writers::read_back(&client, &lanes))?;
    let base = runtime.block_on(base_lost(&client, args.records))?;
    // Closing can only fail when all is closed already.
    runtime.block_on(client.close()).ok();
    crate::print(&report::summary(&rows, writers::acknowledged(&lanes), args.records, base))?;
    let lost =
        rows.iter().map(|row| row.read.lost + row.read.strange).sum::<u64>() + last.lost + last.strange;
    Ok(verdict(lost + base == 0, "every acknowledged write was read back"))
}

/// Partitions such that each node masters about as many of them.
pub(super) fn spread(cluster: &Cluster, count: usize) -> Result<Vec<u16>> {
    let mut lists = Vec::new();
    for node in cluster.nodes.values() {
        let mut mine = roles::ask(&mut node.link()?)?.master;
        // Neighbours share a stripe's lock with nobody in particular; any order will do that is not by number.
        mine.sort_by_key(|partition| keys::mix(u64::from(*partition)));
        lists.push(mine.into_iter());
    }
    let mut partitions = Vec::new();
    while partitions.len() < count {
        let before = partitions.len();
        partitions.extend(lists.iter_mut().filter_map(Iterator::next));
        if partitions.len() == before {
            break;
        }
    }
    partitions.truncate(count);
    Ok(partitions)
}

/// Records of the base that are not what they were.
pub(super) async fn base_lost(client: &Client, records: u64) -> Result<u64> {
    let mut lost = 0;
    for begin in (0..records).step_by(10_000) {
        let range = begin..(begin + 10_000).min(records);
        let wanted: Vec<_> = range.clone().map(keys::anywhere).collect();
        let found = client::numbers(client, &wanted).await?;
        lost += range.zip(found).filter(|(number, found)| *found != Some(*number)).count() as u64;
    }
    Ok(lost)
}

/// What a round needs.
struct Field<'a> {
    args: &'a Args,
    runtime: &'a Runtime,
    cluster: &'a mut Cluster,
    network: Option<&'a Network>,
    client: &'a Client,
    lanes: &'a [Arc<Lane>],
}

impl Field<'_> {
    fn round(&mut self, round: u32) -> Result<Row> {
        let nodes = u32::from(self.args.nodes);
        let number = u8::try_from(round.saturating_sub(1) % nodes)? + 1;
        let roles = roles::ask(&mut self.cluster.node(number)?.link()?)?;
        let others = self.cluster.nodes.iter().filter(|(other, _)| **other != number);
        let links = others.map(|(_, node)| node.link()).collect::<Result<Vec<_>>>()?;
        let left = links.len();
        let began = Instant::now();
        let harmed = harm::harm(self.args.how, self.cluster, number, self.network)?;
        let timeline = watch::until_whole(links, left, began, PATIENCE)?;
        std::thread::sleep(AFTER);
        let ended = Instant::now();
        let mut read = self.read_back()?;
        let healed = Instant::now();
        harm::heal(harmed, self.cluster, self.network)?;
        self.cluster.wait_whole(PATIENCE)?;
        let back = healed.elapsed();
        let again = self.read_back()?;
        read.lost += again.lost;
        read.strange += again.strange;
        Ok(self.row(round, number, &roles, (began, ended), timeline, back, read))
    }

    fn read_back(&self) -> Result<ReadBack> {
        self.runtime.block_on(writers::read_back(self.client, self.lanes))
    }

    #[expect(clippy::too_many_arguments, reason = "all that a round has found")]
    fn row(
        &self,
        round: u32,
        node: u8,
        roles: &Roles,
        (began, ended): (Instant, Instant),
        timeline: Timeline,
        back: Duration,
        read: ReadBack,
    ) -> Row {
        let gap = |partitions: &[u16]| {
            let lanes = self.lanes.iter().filter(|lane| partitions.contains(&lane.partition));
            lanes.map(|lane| lane.longest_gap(began, ended)).max().unwrap_or_default()
        };
        Row {
            round,
            node,
            master_gap: gap(&roles.master),
            replica_gap: gap(&roles.replica),
            other_gap: gap(&roles.none),
            timeline,
            back,
            errors: writers::errors(self.lanes, began, Instant::now()),
            read,
        }
    }
}

fn introduction(args: &Args) -> String {
    let how = match args.how {
        How::Kill => "killed",
        How::Stop => "frozen",
        How::Cut => "cut off",
    };
    format!(
        "{} nodes, 2 copies; {} records of 100 bytes; {} writes a second to {} partitions; a node is {how}, {} rounds\n\
         official Rust client, tend {} ms, time limit {} ms\n\n{}",
        args.nodes,
        args.records,
        args.rate,
        args.partitions,
        args.rounds,
        args.client.tend_ms,
        args.client.timeout_ms,
        report::heading()
    )
}
