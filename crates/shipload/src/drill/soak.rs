//! `shipload drill soak`: nothing fails, but the processors are busy: does anybody accuse anybody?
//!
//! Threads that only burn time compete with the nodes and with the load. Each line by which a node tells that another
//! one is gone is a false accusation, for none is.

use std::hint::spin_loop;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::runtime::Runtime;

use super::client::ClientArgs;
use super::cluster::{Cluster, Directory, Wish};
use super::failover::spread;
use super::verdict;
use super::writers::{self, Writers};

/// What a node logs when it takes another one for dead.
const GONE: &str = "is gone";
/// What a node logs when it was taken for dead itself.
const ACCUSED: &str = "had taken this one for dead";
/// What a node logs with each new view.
const VIEW: &str = "cluster of ";

/// Flags of the drill.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How long
    #[arg(long, default_value_t = 10.0, value_name = "MINUTES")]
    minutes: f64,
    /// Processes
    #[arg(long, default_value_t = 3, value_name = "COUNT", value_parser = clap::value_parser!(u8).range(2..=16))]
    nodes: u8,
    /// Threads that burn time [default: one for each processor]
    #[arg(long, value_name = "COUNT")]
    burners: Option<usize>,
    /// Writes a second
    #[arg(long, default_value_t = 1000, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    #[command(flatten)]
    client: ClientArgs,
    #[command(flatten)]
    shared: super::Shared,
}

/// Burns and counts.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let runtime = crate::runtime::start()?;
    let wish = args.shared.with_flags(Wish::on_loopback(args.nodes, 2)?);
    let mut cluster = Cluster::start(&wish, args.nodes, Directory::create(args.shared.keep_logs)?)?;
    let outcome = drill(args, &runtime, &cluster);
    super::end(&mut cluster, outcome)
}

fn drill(args: &Args, runtime: &Runtime, cluster: &Cluster) -> Result<bool> {
    let burners = args.burners.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, Into::into));
    let seeds: Vec<SocketAddr> = cluster.nodes.values().map(|node| node.orders.place.service()).collect();
    let client = runtime.block_on(args.client.connect(&seeds))?;
    let writers =
        Writers::start(runtime, &client, &args.client.write_policy(), &spread(cluster, 60)?, args.rate);
    let before = Counts::read(cluster)?;
    let fire = Fire::light(burners);
    let began = Instant::now();
    let end = began + Duration::from_secs_f64(args.minutes.max(0.0) * 60.0);
    println!(
        "{} nodes, {} writes a second, {burners} threads that burn time, {} minutes",
        args.nodes, args.rate, args.minutes
    );
    println!("minute   gone   accused   views");
    for minute in 1_u32.. {
        let next = (began + Duration::from_secs(60) * minute).min(end);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        let counts = Counts::read(cluster)?.since(before);
        println!("{minute:>6} {:>6} {:>9} {:>7}", counts.gone, counts.accused, counts.views);
        if next == end {
            break;
        }
    }
    drop(fire);
    let lanes = writers.stop(runtime);
    let ended = Instant::now();
    let gap = lanes.iter().map(|lane| lane.longest_gap(began, end)).max().unwrap_or_default();
    let read = runtime.block_on(writers::read_back(&client, &lanes))?;
    runtime.block_on(client.close()).ok();
    println!("longest gap in writes to a partition: {} ms", gap.as_millis());
    println!("writes acknowledged: {}", writers::acknowledged(&lanes));
    for (kind, count) in writers::errors(&lanes, began, ended) {
        println!("errors that the client told: {count} {kind}");
    }
    let counts = Counts::read(cluster)?.since(before);
    let calm = verdict(counts.gone + counts.accused == 0, "nobody was accused");
    Ok(verdict(read.lost + read.strange == 0, "every acknowledged write was read back") && calm)
}

/// Lines in all logs.
#[derive(Clone, Copy, Debug)]
struct Counts {
    gone: usize,
    accused: usize,
    views: usize,
}

impl Counts {
    fn read(cluster: &Cluster) -> Result<Counts> {
        let count = |text| cluster.logged(text);
        Ok(Counts { gone: count(GONE)?, accused: count(ACCUSED)?, views: count(VIEW)? })
    }

    fn since(self, before: Counts) -> Counts {
        Counts {
            gone: self.gone - before.gone,
            accused: self.accused - before.accused,
            views: self.views - before.views,
        }
    }
}

/// Threads that burn time until this is dropped.
struct Fire {
    out: Arc<AtomicBool>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Fire {
    fn light(threads: usize) -> Fire {
        let out = Arc::new(AtomicBool::new(false));
        let burn = |_| {
            let out = Arc::clone(&out);
            std::thread::spawn(move || {
                while !out.load(Ordering::Relaxed) {
                    spin_loop();
                }
            })
        };
        let threads = (0..threads).map(burn).collect();
        Fire { out, threads }
    }
}

impl Drop for Fire {
    fn drop(&mut self) {
        self.out.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A thread that only counts can't fail.
            let _ = thread.join();
        }
    }
}
