//! `shipload drill split`: the network falls apart, both sides go on, and meet again.
//!
//! ```text
//!  node 1, node 2 -- switch a ==x== switch b -- node 3, node 4
//!  client a writes here                          client b writes here
//! ```
//! Some records are written on one side, some on the other, some on both in either order and with different numbers
//! of writes. Then each side is asked what it holds, and which generation. Afterwards each record must hold what the
//! conflict policy says: by generation the copy that was written more often, and later when that is equal; by
//! last-update time the one that was written later. A side that held no copy of a record begins to count anew. Then
//! one node after the other is killed and all records are read again, so that every copy is seen.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use aerospike::{Client, ErrorKind, Key, WritePolicy};
use anyhow::{Context, Result};
use tokio::runtime::Runtime;

use super::client::{self, ClientArgs, Head};
use super::cluster::{Cluster, Directory, NAMESPACE, Wish};
use super::network::{self, Network};
use super::{keys, verdict};

/// How long the parts may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between writes of the two sides to the same record, so that their times differ.
const APART: Duration = Duration::from_millis(50);
/// Writes that wait at the same time.
const TOGETHER: usize = 32;

/// Which copy wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Policy {
    /// The one that was written more often
    Generation,
    /// The one that was written last
    LastUpdateTime,
}

/// Flags of the drill.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Records
    #[arg(long, default_value_t = 6000, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(6..))]
    records: u64,
    /// The namespace's conflict-resolution-policy
    #[arg(long, value_enum, default_value_t = Policy::LastUpdateTime)]
    policy: Policy,
    #[command(flatten)]
    client: ClientArgs,
    #[command(flatten)]
    shared: super::Shared,
}

/// A side of the split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    A,
    B,
}

/// What is written to a record while the sides are apart, in this order. The number of a record modulo 6 chooses.
const PLANS: [&[Side]; 6] = [
    &[],
    &[Side::A],
    &[Side::B],
    &[Side::A, Side::B],
    &[Side::B, Side::A],
    // Side A writes more often, side B last.
    &[Side::A, Side::A, Side::B],
];

/// Splits, joins, and checks.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    if let Some(reason) = network::missing() {
        return super::skip(&reason);
    }
    let runtime = crate::runtime::start()?;
    let network = Network::create(vec![0, 0, 1, 1])?;
    let policy = match args.policy {
        Policy::Generation => "generation",
        Policy::LastUpdateTime => "last-update-time",
    };
    let namespace = format!("{NAMESPACE}:replication-factor=2:conflict-resolution-policy={policy}");
    let flags = vec!["--namespace".to_owned(), namespace];
    let wish = args.shared.with_flags(Wish { places: network.places(), networks: network.networks(), flags });
    let mut cluster = Cluster::start(&wish, 4, Directory::create(args.shared.keep_logs)?)?;
    let outcome = drill(args, &runtime, &network, &mut cluster);
    super::end(&mut cluster, outcome)
}

fn drill(args: &Args, runtime: &Runtime, network: &Network, cluster: &mut Cluster) -> Result<bool> {
    println!("4 nodes, 2 copies; {} records; policy {:?}", args.records, args.policy);
    let client = runtime.block_on(args.client.connect(&seeds(cluster, &[1, 2, 3, 4])?))?;
    runtime.block_on(client::fill(&client, 0..args.records, 0, 100)).context("cannot write the records")?;
    runtime.block_on(client.close()).ok();
    cluster.wait_whole(PATIENCE)?;
    network.join_switches(false)?;
    let apart = cluster.wait_parts(&[&[1, 2], &[3, 4]], PATIENCE)?;
    println!("apart: each side is a whole cluster of 2 after {:.1} s", apart.as_secs_f64());
    let Apart { counts, winners, strange } = write_apart(args, runtime, cluster)?;
    network.join_switches(true)?;
    let met = cluster.wait_whole(PATIENCE)?;
    println!("met again: one whole cluster of 4 after {:.1} s", met.as_secs_f64());
    let client = runtime.block_on(args.client.connect(&seeds(cluster, &[1, 2, 3, 4])?))?;
    let mut wrong = runtime.block_on(check(&client, &winners))? + strange;
    println!("records that do not hold the winner: {wrong}");
    for number in 1..=4 {
        let orders = cluster.take(number)?.kill()?;
        cluster.wait_agreed(PATIENCE)?;
        let seen = runtime.block_on(check(&client, &winners))?;
        println!("without node {number}: {seen}");
        wrong += seen;
        cluster.wait_whole(PATIENCE)?;
        cluster.add(orders)?;
        cluster.wait_whole(PATIENCE)?;
    }
    runtime.block_on(client.close()).ok();
    let served = verdict(counts.failed == 0, "both sides kept serving");
    Ok(verdict(wrong == 0, "every record holds the policy's winner, on all copies") && served)
}

fn seeds(cluster: &Cluster, numbers: &[u8]) -> Result<Vec<SocketAddr>> {
    numbers.iter().map(|number| Ok(cluster.node(*number)?.orders.place.service())).collect()
}

/// Writes of both sides.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    done: u64,
    failed: u64,
}

/// What both sides have done.
struct Apart {
    counts: Counts,
    /// For each record what it must hold at the end.
    winners: Vec<Option<u64>>,
    /// Records that did not hold what their side had written, while the sides were apart.
    strange: u64,
}

/// Carries the plans out, step by step, and looks at what each side holds then.
fn write_apart(args: &Args, runtime: &Runtime, cluster: &Cluster) -> Result<Apart> {
    let a = runtime.block_on(args.client.connect(&seeds(cluster, &[1, 2])?))?;
    let b = runtime.block_on(args.client.connect(&seeds(cluster, &[3, 4])?))?;
    let policy = args.client.write_policy();
    let mut counts = [Counts::default(); 2];
    for step in 0..3 {
        for (index, (side, client)) in [(Side::A, &a), (Side::B, &b)].into_iter().enumerate() {
            let mine = (0..args.records).filter(|number| plan(*number).get(step) == Some(&side));
            let one = runtime.block_on(write_all(client, &policy, mine, step))?;
            counts[index].done += one.done;
            counts[index].failed += one.failed;
        }
        std::thread::sleep(APART);
    }
    let keys = all(args.records);
    let (held_a, held_b) = runtime.block_on(async {
        let held = (client::heads(&a, &keys).await, client::heads(&b, &keys).await);
        a.close().await.ok();
        b.close().await.ok();
        held
    });
    let (held_a, held_b) = (held_a?, held_b?);
    for (name, counts) in ["a", "b"].into_iter().zip(counts) {
        println!("side {name}: {} writes acknowledged, {} failed", counts.done, counts.failed);
    }
    let mut strange = 0;
    for (side, held) in [(Side::A, &held_a), (Side::B, &held_b)] {
        let wrong = |(number, head): &(u64, &Option<Head>)| {
            last_written(*number, side).is_some_and(|last| head.map(|head| head.number) != Some(last))
        };
        strange += (0..args.records).zip(held).filter(wrong).count() as u64;
    }
    let winners = held_a.into_iter().zip(held_b).map(|(a, b)| winner(args.policy, [a, b])).collect();
    let [a, b] = counts;
    Ok(Apart { counts: Counts { done: a.done + b.done, failed: a.failed + b.failed }, winners, strange })
}

fn plan(number: u64) -> &'static [Side] {
    usize::try_from(number % PLANS.len() as u64)
        .ok()
        .and_then(|index| PLANS.get(index))
        .copied()
        .unwrap_or(&[])
}

/// What a write of this step to this record leaves in it.
fn written(number: u64, step: usize) -> u64 {
    number + (step as u64 + 1) * 1_000_000_000
}

/// What a record must hold at the end, by what either side holds before they meet. Numbers grow with time.
fn winner(policy: Policy, sides: [Option<Head>; 2]) -> Option<u64> {
    let heads = sides.into_iter().flatten();
    let head = match policy {
        Policy::LastUpdateTime => heads.max_by_key(|head| head.number),
        Policy::Generation => heads.max_by_key(|head| (head.generation, head.number)),
    };
    head.map(|head| head.number)
}

/// What a side must hold before they meet: what it wrote last. What it did not write, it may not have.
fn last_written(number: u64, side: Side) -> Option<u64> {
    plan(number).iter().rposition(|one| *one == side).map(|step| written(number, step))
}

async fn write_all(
    client: &Arc<Client>,
    policy: &WritePolicy,
    numbers: impl Iterator<Item = u64>,
    step: usize,
) -> Result<Counts> {
    let mut counts = Counts::default();
    let mut running = tokio::task::JoinSet::new();
    let mut numbers = numbers.peekable();
    while numbers.peek().is_some() || !running.is_empty() {
        while let Some(number) = numbers.next_if(|_| running.len() < TOGETHER) {
            let (client, policy) = (Arc::clone(client), policy.clone());
            running.spawn(async move {
                let bins = client::bins(written(number, step), 100);
                client.put(&policy, &keys::anywhere(number), &bins).await
            });
        }
        match running.join_next().await.transpose()? {
            Some(Ok(())) => counts.done += 1,
            Some(Err(error)) => {
                counts.failed += 1;
                if counts.failed == 1 && !matches!(error.kind(), ErrorKind::Timeout) {
                    println!("a write failed: {error}");
                }
            }
            None => {}
        }
    }
    Ok(counts)
}

/// Records that do not hold the winner.
async fn check(client: &Client, winners: &[Option<u64>]) -> Result<u64> {
    let found = client::numbers(client, &all(winners.len() as u64)).await?;
    Ok(winners.iter().zip(found).filter(|(winner, found)| *winner != found).count() as u64)
}

fn all(records: u64) -> Vec<Key> {
    (0..records).map(keys::anywhere).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_winner_by_either_policy() {
        let often = Some(Head { generation: 3, number: 10 });
        let late = Some(Head { generation: 2, number: 20 });
        assert_eq!(winner(Policy::Generation, [often, late]), Some(10));
        assert_eq!(winner(Policy::LastUpdateTime, [often, late]), Some(20));
        assert_eq!(winner(Policy::Generation, [None, late]), Some(20));
        assert_eq!(last_written(5, Side::A), Some(written(5, 1)));
        assert_eq!(last_written(1, Side::B), None);
    }
}
