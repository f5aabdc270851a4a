//! `shipload autoscale`: follows the policies in the labels of services.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use shipload_fleet::autoscale::{Measured, policy, wish};
use shipload_fleet::engine::Engine;
use shipload_fleet::{size, status};

use super::{At, tell};
use crate::ending::Signals;

/// Flags of `shipload autoscale`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: At,
    /// Say what would be changed, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Look once and end
    #[arg(long)]
    once: bool,
    /// Between two looks, in seconds
    #[arg(long, default_value_t = 15, value_name = "S", value_parser = clap::value_parser!(u64).range(1..))]
    every_s: u64,
}

/// What is remembered of a service.
#[derive(Debug)]
struct Past {
    changed: Option<Instant>,
    requests: Option<(u64, Instant)>,
}

pub(super) async fn run(args: &Args) -> Result<ExitCode> {
    let engine = args.at.connect().await?;
    let mut signals = Signals::catch()?;
    let mut past = BTreeMap::new();
    loop {
        look(&engine, args, &mut past).await?;
        if args.once {
            return Ok(ExitCode::SUCCESS);
        }
        tokio::select! {
            () = signals.wait() => return Ok(ExitCode::SUCCESS),
            () = tokio::time::sleep(Duration::from_secs(args.every_s)) => {}
        }
    }
}

async fn look(engine: &Engine, args: &Args, past: &mut BTreeMap<String, Past>) -> Result<()> {
    for service in engine.services().await? {
        let policy = match policy(&service.labels) {
            Ok(Some(policy)) => policy,
            Ok(None) => continue,
            Err(why) => {
                tell(format!("{}: {why}", service.name));
                continue;
            }
        };
        let Some(now) = service.replicas else {
            tell(format!("{} has one task on each engine: nothing to scale", service.name));
            continue;
        };
        let past = past.entry(service.name.clone()).or_insert(Past { changed: None, requests: None });
        let mut measured =
            Measured { cpu_pct: engine.processor_pct(&service.name).await?, ..Measured::default() };
        if service.is_database()
            && let Ok(seen) = status::cluster(engine, &service).await
        {
            let used = seen.nodes.iter().map(|node| 100_u64.saturating_sub(node.free_memory_pct)).max();
            measured.memory_pct = used.and_then(|pct| u32::try_from(pct).ok()).map(f64::from);
            let total = seen.nodes.iter().map(|node| node.requests).sum::<u64>();
            if let Some((before, when)) = past.requests.replace((total, Instant::now())) {
                let more = u32::try_from(total.saturating_sub(before)).map_or(0.0, f64::from);
                let tasks = u32::try_from(now.max(1)).map_or(1.0, f64::from);
                measured.requests = Some(more / when.elapsed().as_secs_f64().max(0.001) / tasks);
            }
        }
        let since_ms = past
            .changed
            .map_or(u64::MAX, |when| u64::try_from(when.elapsed().as_millis()).unwrap_or(u64::MAX));
        let Some(wish) = wish(&policy, now, &measured, since_ms) else { continue };
        let line = format!("{}: {now} -> {}: {}", service.name, wish.replicas, wish.why);
        if args.dry_run {
            tell(format!("{line} (not done)"));
            continue;
        }
        tell(line);
        past.changed = Some(Instant::now());
        let patience = Duration::from_secs(600);
        if let Err(error) = size::set(engine, &service.name, wish.replicas, patience, &mut tell).await {
            tell(format!("{}: {error}", service.name));
        }
    }
    Ok(())
}
