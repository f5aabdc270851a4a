//! `shipload bench`: load over the protocol, and what the server made of it, seen from outside.
//!
//! Guarantees: with a rate, latency counts from the time an operation was *due*, so a stalled server cannot hide
//! its stall; the same random seed asks for the same keys; every answer that is not a success is counted by code.
//! The idea: few threads, each with one poll over many connections and requests that are built once and patched, so
//! that the generator leaves the processor to the server. It talks to one address and follows no partition map.

mod alarm;
mod args;
mod connection;
mod dialect;
mod driver;
mod random;
mod records;
mod redis;
mod report;
mod schedule;
mod shape;
mod stats;
mod workload;

#[cfg(test)]
mod bench_tests;

pub(crate) use args::BenchArgs;

use anyhow::{Context as _, anyhow};
use args::Peer;
use dialect::Dialect;
use driver::{Driver, Orders, Shared};
use random::Random;
use records::{Keyspace, Records};
use redis::Redis;
use report::{Report, Setting};
use schedule::Schedule;
use stats::Stats;
use std::io::{self, IsTerminal as _};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::thread;
use std::time::{Duration, Instant};
use workload::{Work, Workload};

/// Runs the load and prints the report to standard output.
pub(crate) fn run(args: &BenchArgs) -> anyhow::Result<()> {
    let shared = Shared::new();
    stop_on_interrupt(&shared)?;
    let report = measure(args, &shared)?;
    let text = if args.json { format!("{}\n", report.json()) } else { report.text() };
    crate::print(&text).context("cannot print the report")
}

/// Ends the run, with a report, at the first interrupt; the second one ends the program.
fn stop_on_interrupt(shared: &Shared) -> anyhow::Result<()> {
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, shared.stop.clone())
            .and_then(|_| signal_hook::flag::register(signal, shared.stop.clone()))
            .context("cannot listen for interrupts")?;
    }
    Ok(())
}

/// Runs the load and returns what was measured.
fn measure(args: &BenchArgs, shared: &Shared) -> anyhow::Result<Report> {
    let (host, port) = args.seed.address();
    let address = resolve(&host, port)?;
    let threads = thread_count(args);
    let warmup = warmup(args);
    let drivers = (0..threads)
        .map(|index| {
            Driver::new(orders(args, address, index, threads, warmup)?, shared).map_err(anyhow::Error::from)
        })
        .collect::<anyhow::Result<Vec<_>>>()
        .with_context(|| format!("cannot connect to {address}; is a node listening there?"))?;

    let start = Instant::now();
    let mut total = Stats::new();
    thread::scope(|scope| {
        let handles: Vec<_> =
            drivers.into_iter().map(|driver| scope.spawn(move || driver.run(start))).collect();
        let running = || handles.iter().any(|handle| !handle.is_finished());
        watch(args, shared, start, &mut total, running);
        handles.into_iter().try_for_each(|handle| {
            handle
                .join()
                .map_err(|_| anyhow!("a thread panicked"))?
                .context("cannot wait for the connections")
        })
    })?;
    shared.collect(&mut total);
    let measured_ns = total.last_ns.saturating_sub(nanoseconds(warmup));
    let code_text = match args.peer {
        Peer::Shipload => records::code_text,
        Peer::Redis => redis::code_text,
    };
    Ok(Report {
        setting: setting(args, address, threads),
        stats: total,
        seconds: measured_ns as f64 / 1e9,
        code_text,
    })
}

/// Collects measurements until the threads are done, and tells how it goes once a second.
fn watch(args: &BenchArgs, shared: &Shared, start: Instant, total: &mut Stats, running: impl Fn() -> bool) {
    let shown = args.progress || io::stderr().is_terminal();
    let mut interval = Stats::new();
    let mut last = start;
    let mut second = 0;
    while running() {
        thread::sleep(Duration::from_millis(20));
        let elapsed = last.elapsed();
        if elapsed < Duration::from_secs(1) {
            continue;
        }
        last = Instant::now();
        second += 1;
        interval.clear();
        shared.collect(&mut interval);
        total.add(&interval);
        if shown {
            eprintln!("{}", report::progress_line(second, elapsed.as_secs_f64(), &interval));
        }
    }
}

/// What thread `index` of `threads` has to do.
fn orders(
    args: &BenchArgs,
    address: SocketAddr,
    index: u32,
    threads: u32,
    warmup: Duration,
) -> anyhow::Result<Orders> {
    let (place, count) = (u64::from(index), u64::from(threads));
    let connections = args.connections / threads + u32::from(index < args.connections % threads);
    let end_ns = match (args.workload, args.operations) {
        (Workload::Insert, _) | (_, Some(_)) => u64::MAX,
        (Workload::ReadUpdate { .. }, None) => nanoseconds(warmup + args.duration),
    };
    Ok(Orders {
        address,
        connections: usize::try_from(connections)?,
        dialect: dialect(args)?,
        work: Work::share(args.workload, args.keys, args.operations, place, count),
        schedule: Schedule::new(args.rate, place, count, end_ns),
        random: Random::new(args.random_seed.wrapping_add(place << 32)),
        warm_ns: nanoseconds(warmup),
        timeout_ns: nanoseconds(args.timeout),
    })
}

fn dialect(args: &BenchArgs) -> anyhow::Result<Box<dyn Dialect>> {
    Ok(match args.peer {
        Peer::Redis => Box::new(Redis::new(&args.key_prefix, args.keys, &args.object)),
        Peer::Shipload => {
            let space = Keyspace {
                namespace: args.namespace.clone(),
                set: args.set.clone(),
                prefix: args.key_prefix.clone(),
                keys: args.keys,
                send_key: args.send_key,
            };
            let timeout_ms = u32::try_from(args.timeout.as_millis()).unwrap_or(u32::MAX);
            Box::new(Records::new(&space, &args.object, timeout_ms)?)
        }
    })
}

fn setting(args: &BenchArgs, address: SocketAddr, threads: u32) -> Setting {
    Setting {
        peer: args.peer.name(),
        target: address.to_string(),
        connections: args.connections,
        threads,
        keys: args.keys,
        object: args.object.to_string(),
        workload: args.workload.to_string(),
        rate: args.rate,
    }
}

/// Half of the cores, so that the server has the other half, and no more than there are connections.
fn thread_count(args: &BenchArgs) -> u32 {
    let cores = thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1));
    args.threads.unwrap_or((cores / 2).max(1)).min(args.connections)
}

fn warmup(args: &BenchArgs) -> Duration {
    match (args.warmup, args.workload, args.operations) {
        (Some(warmup), _, _) => warmup,
        (None, Workload::ReadUpdate { .. }, None) => Duration::from_secs(1),
        (None, _, _) => Duration::ZERO,
    }
}

fn resolve(host: &str, port: u16) -> anyhow::Result<SocketAddr> {
    let mut addresses =
        (host, port).to_socket_addrs().with_context(|| format!("cannot find the host {host}"))?;
    addresses.next().with_context(|| format!("the host {host} has no address"))
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
