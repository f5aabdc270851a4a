//! `shipload drill restart`: a node is away while some records change; how many records it is sent when it is back.
//!
//! A node with a data directory is stopped as a container engine stops it, and started on another address with the
//! same directory. A node without one would come back empty, so it is frozen until the others have gone on without
//! it, and then goes on itself.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::runtime::Runtime;

use super::client::{self, ClientArgs};
use super::cluster::{self, Cluster, Directory, Wish};
use super::keys;
use super::node::Orders;
use super::place;
use super::verdict;

/// How long copies may take to be whole again.
const PATIENCE: Duration = Duration::from_secs(600);
/// What a changed record's number is raised by.
const CHANGED: u64 = 1 << 40;

/// Flags of the drill.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Records of 100 bytes
    #[arg(long, default_value_t = 1_000_000, value_name = "COUNT")]
    records: u64,
    /// One record of so many changes meanwhile
    #[arg(long, default_value_t = 100, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    changed_of: u64,
    /// The nodes keep their records in memory only; one is frozen instead of stopped
    #[arg(long)]
    memory: bool,
    #[command(flatten)]
    client: ClientArgs,
    #[command(flatten)]
    shared: super::Shared,
}

/// Stops, changes, starts, counts.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let runtime = crate::runtime::start()?;
    // One place more than nodes: the one that comes back goes there.
    let wish = args.shared.with_flags(Wish { places: place::on_loopback(4)?, ..Wish::on_loopback(1, 2)? });
    let mut cluster = Cluster::empty(Directory::create(args.shared.keep_logs)?);
    for number in 1..=3 {
        let orders = wish.orders(number, &cluster.directory.log(number))?;
        if args.memory { cluster.add(orders) } else { cluster.add_with_data(orders) }?;
    }
    let outcome = drill(args, &runtime, &wish, &mut cluster);
    super::end(&mut cluster, outcome)
}

fn drill(args: &Args, runtime: &Runtime, wish: &Wish, cluster: &mut Cluster) -> Result<bool> {
    cluster.wait_whole(PATIENCE)?;
    let seeds: Vec<SocketAddr> = cluster.nodes.values().map(|node| node.orders.place.service()).collect();
    let client = runtime.block_on(args.client.connect(&seeds))?;
    println!("3 nodes, 2 copies; {} records of 100 bytes; one of {} changes", args.records, args.changed_of);
    runtime.block_on(client::fill(&client, 0..args.records, 0, 100)).context("cannot write the records")?;
    cluster.wait_whole(PATIENCE)?;
    let node = cluster.take(3)?;
    let share = cluster::ask(&mut node.link()?)?.number("objects");
    let id = node.orders.id();
    let received =
        if args.memory { cluster::ask(&mut node.link()?)?.number("migrate_record_receives") } else { 0 };
    let away = if args.memory {
        node.freeze(true)?;
        Away::Frozen(node)
    } else {
        let (orders, status) = node.terminate()?;
        println!("node 3 has ended with {status}");
        Away::Stopped(moved(orders, wish)?)
    };
    let whole = cluster.wait_whole(PATIENCE)?;
    println!("the others have all copies after {:.1} s", whole.as_secs_f64());
    let changed = || (0..args.records).step_by(usize::try_from(args.changed_of).unwrap_or(usize::MAX));
    runtime.block_on(client::fill(&client, changed(), CHANGED, 100)).context("cannot change records")?;
    let sent = cluster.sum("migrate_records_transmitted")?;
    match away {
        Away::Frozen(node) => {
            node.freeze(false)?;
            cluster.nodes.insert(3, node);
        }
        Away::Stopped(orders) => cluster.add(orders)?,
    }
    let back = cluster.wait_whole(PATIENCE)?;
    let said = cluster::ask(&mut cluster.node(3)?.link()?)?;
    let others =
        cluster.sum("migrate_records_transmitted")? - said.number("migrate_records_transmitted") - sent;
    let received = said.number("migrate_record_receives") - received;
    println!(
        "node {id} is back at {}; all copies are in place after {:.1} s",
        cluster.node(3)?.orders.place.ip,
        back.as_secs_f64()
    );
    println!("its share of the records:              {share:>9}");
    println!("records that changed while it was away: {:>8}", changed().count());
    println!("of these in its share, about:          {:>9}", share / args.changed_of);
    println!("records that the others have sent:     {others:>9}");
    println!("records that it has received:          {received:>9}");
    let lost = runtime.block_on(lost(&client, args))?;
    runtime.block_on(client.close()).ok();
    let near = verdict(received <= share / args.changed_of * 2 + 100, "it received about what changed");
    Ok(verdict(lost == 0, "every record is as it was last written") && near)
}

/// A node that is away.
enum Away {
    Frozen(super::node::Node),
    Stopped(Orders),
}

/// The same node at the place that is left.
fn moved(orders: Orders, wish: &Wish) -> Result<Orders> {
    let place = *wish.places.last().context("no place is left")?;
    Ok(Orders { place, ..orders })
}

async fn lost(client: &aerospike::Client, args: &Args) -> Result<u64> {
    let mut lost = 0;
    for begin in (0..args.records).step_by(10_000) {
        let range = begin..(begin + 10_000).min(args.records);
        let wanted: Vec<_> = range.clone().map(keys::anywhere).collect();
        let found = client::numbers(client, &wanted).await?;
        let expected =
            |number: u64| number + if number.is_multiple_of(args.changed_of) { CHANGED } else { 0 };
        lost += range.zip(found).filter(|(number, found)| *found != Some(expected(*number))).count() as u64;
    }
    Ok(lost)
}
