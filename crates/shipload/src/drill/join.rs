//! `shipload drill join`: one more node under load; how long until it has its share, and what clients notice.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::runtime::Runtime;

use super::client::{self, ClientArgs};
use super::cluster::{self, Cluster, Directory, Wish};
use super::failover::base_lost;
use super::node::Node;
use super::traffic::{Mix, Traffic};
use super::{verdict, watch};

/// How long the share may take to arrive.
const PATIENCE: Duration = Duration::from_secs(300);

/// Flags of the drill.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Processes before the one that joins
    #[arg(long, default_value_t = 3, value_name = "COUNT", value_parser = clap::value_parser!(u8).range(1..=15))]
    nodes: u8,
    /// Records of 100 bytes
    #[arg(long, default_value_t = 300_000, value_name = "COUNT")]
    records: u64,
    /// Requests a second: reads and updates by halves
    #[arg(long, default_value_t = 2000, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// Seconds of load before and after
    #[arg(long, default_value_t = 10, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    #[command(flatten)]
    client: ClientArgs,
    #[command(flatten)]
    shared: super::Shared,
}

/// Lets a node join and prints what came of it.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let runtime = crate::runtime::start()?;
    let wish = args.shared.with_flags(Wish::on_loopback(args.nodes + 1, 2)?);
    let mut cluster = Cluster::start(&wish, args.nodes, Directory::create(args.shared.keep_logs)?)?;
    let outcome = drill(args, &runtime, &wish, &mut cluster);
    super::end(&mut cluster, outcome)
}

fn drill(args: &Args, runtime: &Runtime, wish: &Wish, cluster: &mut Cluster) -> Result<bool> {
    let seeds: Vec<SocketAddr> = cluster.nodes.values().map(|node| node.orders.place.service()).collect();
    let client = runtime.block_on(args.client.connect(&seeds))?;
    runtime.block_on(client::fill(&client, 0..args.records, 0, 100)).context("cannot write the records")?;
    cluster.wait_whole(PATIENCE)?;
    println!(
        "{} nodes, 2 copies; {} records of 100 bytes; {} requests a second, half of them updates; then one more node",
        args.nodes, args.records, args.rate
    );
    let mix = Mix { rate: args.rate, records: args.records, bytes: 100, reads: 50 };
    let traffic = Traffic::start(runtime, &client, &args.client.write_policy(), mix);
    let spell = Duration::from_secs(args.seconds);
    // The first second belongs to connections that are opened.
    std::thread::sleep(Duration::from_secs(1));
    let loaded = Instant::now();
    std::thread::sleep(spell);
    let number = args.nodes + 1;
    let mut links = cluster.links()?;
    let began = Instant::now();
    let node = Node::start(wish.orders(number, &cluster.directory.log(number))?)?;
    let open = began.elapsed();
    links.push(node.link()?);
    cluster.nodes.insert(number, node);
    let timeline = watch::until_whole(links, usize::from(number), began, PATIENCE)?;
    let (inside, ended) = (began + timeline.agreed, began + timeline.whole);
    std::thread::sleep(spell);
    let after = Instant::now();
    let samples = traffic.stop(runtime, Duration::from_millis(args.client.timeout_ms.into()));
    println!("the node answers after {} ms", open.as_millis());
    println!("it is in, by the word of all, after {} ms", timeline.agreed.as_millis());
    println!("all copies are in place after {:.1} s", timeline.whole.as_secs_f64());
    println!("\n                requests    p50, ms    p99, ms  p99.9, ms");
    let spans = [
        ("before", loaded, began),
        ("meanwhile", began, ended),
        ("  coming in", began, inside),
        ("  moving", inside, ended),
        ("after", ended, after),
    ];
    for (name, from, to) in spans {
        let ms = |percent| samples.percentile(from, to, percent).as_secs_f64() * 1000.0;
        let count = samples.count(from, to);
        println!("{name:<12} {count:>11} {:>10.2} {:>10.2} {:>10.2}", ms(50.0), ms(99.0), ms(99.9));
    }
    print_objects(cluster)?;
    for (kind, count) in samples.errors() {
        println!("errors that the client told: {count} {kind}");
    }
    let errors: u64 = samples.errors().values().sum();
    let lost = runtime.block_on(base_lost(&client, args.records))?;
    runtime.block_on(client.close()).ok();
    let calm = verdict(errors == 0, "no request failed");
    Ok(verdict(lost == 0, "every record was read back") && calm)
}

/// How evenly records are spread.
fn print_objects(cluster: &Cluster) -> Result<()> {
    println!("\nnode    objects   masters");
    for (number, node) in &cluster.nodes {
        let said = cluster::ask(&mut node.link()?)?;
        println!("{number:>4} {:>10} {:>9}", said.number("objects"), said.number("master_objects"));
    }
    println!();
    Ok(())
}
