//! `shipload drill cable`: a node's cable is pulled under load and plugged in again; what was counted stays counted.
//!
//! ```text
//!  node 1, node 2, node 3 -- switch -- the drill counts here, each counter in a partition of its own
//!      x
//! ```
//! Each counter is raised by one, again and again, and never tried twice: a raise is acknowledged, or it is in doubt. At the end of
//! a round, when all nodes are one cluster again, a counter must hold at least what was acknowledged, and at most what
//! was tried. In every second round the node is also stopped and started anew as soon as its cable is back, as engines do with
//! the containers of a host that they had given up.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use aerospike::{Bin, Client, WritePolicy};
use anyhow::Result;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::client::{self, ClientArgs, NUMBER};
use super::cluster::{Cluster, Directory, Wish, namespace_flags};
use super::keys::{self, PARTITIONS};
use super::network::{self, Network};
use super::verdict;

/// How long the cluster may take to be whole again.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long counting goes on before the cable is pulled, and after the cluster is whole again.
const AROUND: Duration = Duration::from_millis(500);
/// After a raise that failed.
const PAUSE: Duration = Duration::from_millis(10);
const NODES: u8 = 3;

/// Flags of the drill.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How often a cable is pulled; each time that of the next node
    #[arg(long, default_value_t = 4, value_name = "COUNT")]
    rounds: u32,
    /// Counters, each in a partition of its own
    #[arg(long, default_value_t = 48, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=4096))]
    counters: u16,
    /// How long the cable is out, in milliseconds
    #[arg(long, default_value_t = 3000, value_name = "MS")]
    out_ms: u64,
    #[command(flatten)]
    client: ClientArgs,
    #[command(flatten)]
    shared: super::Shared,
}

/// Pulls, plugs in, and checks.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    if let Some(reason) = network::missing() {
        return super::skip(&reason);
    }
    let runtime = crate::runtime::start()?;
    let network = Network::create(vec![0; usize::from(NODES)])?;
    let wish = args.shared.with_flags(Wish {
        places: network.places(),
        networks: network.networks(),
        flags: namespace_flags(2),
    });
    let mut cluster = Cluster::empty(Directory::create(args.shared.keep_logs)?);
    for number in 1..=NODES {
        cluster.add_with_data(wish.orders(number, &cluster.directory.log(number))?)?;
    }
    let outcome = drill(args, &runtime, &network, &mut cluster);
    super::end(&mut cluster, outcome)
}

fn drill(args: &Args, runtime: &Runtime, network: &Network, cluster: &mut Cluster) -> Result<bool> {
    println!("{NODES} nodes, 2 copies; {} counters; the cable is out for {} ms", args.counters, args.out_ms);
    cluster.wait_whole(PATIENCE)?;
    let seeds: Vec<SocketAddr> = cluster.nodes.values().map(|node| node.orders.place.service()).collect();
    let client = runtime.block_on(args.client.connect(&seeds))?;
    let mut counters: Vec<Arc<Counter>> = (0..args.counters).map(Counter::new).map(Arc::new).collect();
    let (mut lost, mut twice) = (0, 0);
    for round in 0..args.rounds {
        let number = u8::try_from(round % u32::from(NODES)).unwrap_or(0) + 1;
        let replaced = round % 2 == 1;
        let counting = Counting::start(runtime, &client, args.client.write_policy(), &counters);
        std::thread::sleep(AROUND);
        network.plug(number, false)?;
        std::thread::sleep(Duration::from_millis(args.out_ms));
        network.plug(number, true)?;
        if replaced {
            let (orders, _) = cluster.take(number)?.terminate()?;
            cluster.add(orders)?;
        }
        let whole = cluster.wait_whole(PATIENCE)?;
        std::thread::sleep(AROUND);
        let errors = counting.stop(runtime);
        cluster.wait_whole(PATIENCE)?;
        let found = runtime.block_on(check(&client, &mut counters))?;
        println!(
            "round {round}: node {number}{}, whole again after {:.1} s; {} acknowledged, {} in doubt {errors:?}, {} lost, {} twice",
            if replaced { " and started anew" } else { "" },
            whole.as_secs_f64(),
            found.acknowledged,
            found.in_doubt,
            found.lost,
            found.twice
        );
        (lost, twice) = (lost + found.lost, twice + found.twice);
    }
    runtime.block_on(client.close()).ok();
    let once = verdict(twice == 0, "nothing was counted that was not tried");
    Ok(verdict(lost == 0, "every acknowledged count is there") && once)
}

/// A counter, and what is known of it.
#[derive(Debug)]
struct Counter {
    partition: u16,
    acknowledged: AtomicI64,
    in_doubt: AtomicI64,
}

impl Counter {
    fn new(number: u16) -> Counter {
        // Neighbours in number lie in different stripes and on different nodes.
        let partition = number.wrapping_mul(85) % PARTITIONS;
        Counter { partition, acknowledged: AtomicI64::new(0), in_doubt: AtomicI64::new(0) }
    }

    fn key(&self) -> aerospike::Key {
        keys::in_partition(self.partition, u64::from(self.partition))
    }
}

/// Counters that are raised.
struct Counting {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<BTreeMap<String, u64>>>,
}

impl Counting {
    fn start(
        runtime: &Runtime,
        client: &Arc<Client>,
        mut policy: WritePolicy,
        counters: &[Arc<Counter>],
    ) -> Counting {
        policy.base_policy.max_retries = 0;
        let stop = Arc::new(AtomicBool::new(false));
        let task = |counter: &Arc<Counter>| {
            let (client, policy) = (Arc::clone(client), policy.clone());
            runtime.spawn(raise(client, policy, Arc::clone(counter), Arc::clone(&stop)))
        };
        let tasks = counters.iter().map(task).collect();
        Counting { stop, tasks }
    }

    /// Waits for the answers that are still awaited; what went wrong, by kind.
    fn stop(self, runtime: &Runtime) -> BTreeMap<String, u64> {
        self.stop.store(true, Ordering::Relaxed);
        let mut kinds = BTreeMap::new();
        for task in self.tasks {
            // A task that panicked has told so.
            for (kind, count) in runtime.block_on(task).unwrap_or_default() {
                *kinds.entry(kind).or_default() += count;
            }
        }
        kinds
    }
}

async fn raise(
    client: Arc<Client>,
    policy: WritePolicy,
    counter: Arc<Counter>,
    stop: Arc<AtomicBool>,
) -> BTreeMap<String, u64> {
    let mut kinds = BTreeMap::new();
    let (key, one) = (counter.key(), [Bin::new(NUMBER, 1.into())]);
    while !stop.load(Ordering::Relaxed) {
        match client.add(&policy, &key, &one).await {
            Ok(()) => {
                counter.acknowledged.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                counter.in_doubt.fetch_add(1, Ordering::Relaxed);
                *kinds.entry(client::kind(&error)).or_default() += 1;
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    kinds
}

/// What the counters have shown.
#[derive(Debug, Default)]
struct Found {
    acknowledged: i64,
    in_doubt: i64,
    /// Acknowledged and gone.
    lost: i64,
    /// Counted and never tried.
    twice: i64,
}

/// Reads all counters, and begins the books anew with what they hold.
async fn check(client: &Client, counters: &mut [Arc<Counter>]) -> Result<Found> {
    let wanted: Vec<_> = counters.iter().map(|counter| counter.key()).collect();
    let mut found = Found::default();
    for (counter, held) in counters.iter().zip(client::numbers(client, &wanted).await?) {
        let held = i64::try_from(held.unwrap_or(0)).unwrap_or(i64::MAX);
        let acknowledged = counter.acknowledged.swap(held, Ordering::Relaxed);
        let in_doubt = counter.in_doubt.swap(0, Ordering::Relaxed);
        let (lost, twice) = ((acknowledged - held).max(0), (held - acknowledged - in_doubt).max(0));
        if lost + twice > 0 {
            let partition = counter.partition;
            println!("partition {partition}: {acknowledged} acknowledged, {in_doubt} in doubt, {held} held");
        }
        found.acknowledged += acknowledged;
        found.in_doubt += in_doubt;
        found.lost += lost;
        found.twice += twice;
    }
    Ok(found)
}
