//! `shipload autoscale`: follows policies, those of a file or in the labels of services.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use shipload_fleet::autoscale::{File, Measured, Policy, policy, wish};
use shipload_fleet::engine::{Engine, ServiceSeen};
use shipload_fleet::haproxy::Statistics;
use shipload_fleet::{size, status};

use super::{At, tell};
use crate::ending::Signals;

/// How long a step of a database may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// Flags of `shipload autoscale`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: At,
    /// A file of policies; services that it does not name follow their labels
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// The load balancer's statistics, where requests of pages are counted: http://NAME:PASSWORD@HOST/haproxy?stats
    #[arg(long, value_name = "ADDRESS")]
    balancer: Option<String>,
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
#[derive(Debug, Default)]
struct Past {
    changed: Option<Instant>,
    requests: Option<(u64, Instant)>,
}

/// One that looks again and again.
struct Scaler {
    engine: Engine,
    file: File,
    balancer: Option<Statistics>,
    dry_run: bool,
    past: BTreeMap<String, Past>,
    told: BTreeSet<String>,
    looks: u64,
}

pub(super) async fn run(args: &Args) -> Result<ExitCode> {
    let file = read(args)?;
    let address = args.balancer.as_deref().unwrap_or(&file.balancer);
    let balancer = (!address.is_empty()).then(|| Statistics::parse(address)).transpose();
    let balancer = balancer.map_err(|why| anyhow!("balancer: {why}"))?;
    let engine = args.at.connect().await?;
    let dry_run = args.dry_run || file.dry_run;
    let mut scaler =
        Scaler { engine, file, balancer, dry_run, past: BTreeMap::new(), told: BTreeSet::new(), looks: 0 };
    let mut signals = Signals::catch()?;
    loop {
        // A database may take minutes to come to rest; who ends the watch does not wait for that.
        let looked = tokio::select! {
            looked = scaler.look() => looked,
            () = signals.wait() => return Ok(ExitCode::SUCCESS),
        };
        match looked {
            // An engine that is away for a moment is looked at again; what runs is left running.
            Err(error) if !args.once => scaler.tell_once(format!("{error:#}")),
            result => result?,
        }
        if args.once {
            return Ok(ExitCode::SUCCESS);
        }
        tokio::select! {
            () = signals.wait() => return Ok(ExitCode::SUCCESS),
            () = tokio::time::sleep(Duration::from_secs(args.every_s)) => {}
        }
    }
}

fn read(args: &Args) -> Result<File> {
    let Some(path) = &args.policy else { return Ok(File::default()) };
    let text = std::fs::read_to_string(path).with_context(|| format!("{} can't be read", path.display()))?;
    File::parse(&text).map_err(|why| anyhow!("{}: {why}", path.display()))
}

impl Scaler {
    fn tell_once(&mut self, text: String) {
        if self.told.insert(text.clone()) {
            tell(text);
        }
    }

    async fn look(&mut self) -> Result<()> {
        self.looks += 1;
        let services = self.engine.services().await?;
        let names: Vec<&str> = services.iter().map(|service| service.name.as_str()).collect();
        let strangers: Vec<String> = self.file.strangers(&names).map(str::to_owned).collect();
        for stranger in strangers {
            self.tell_once(format!(
                "the file of policies has a section [{stranger}], but no service has that name"
            ));
        }
        for service in &services {
            match self.policy(service) {
                Ok(Some(policy)) => self.follow(service, &policy).await?,
                Ok(None) => {}
                Err(why) => self.tell_once(format!("{}: {why}", service.name)),
            }
        }
        Ok(())
    }

    fn policy(&mut self, service: &ServiceSeen) -> Result<Option<Policy>, String> {
        let labelled = policy(&service.labels);
        let Some(filed) = self.file.policy(&service.name).cloned() else { return labelled };
        if labelled != Ok(None) && labelled != Ok(Some(filed.clone())) {
            self.tell_once(format!("{}: the file of policies counts, its labels do not", service.name));
        }
        Ok(Some(filed))
    }

    async fn follow(&mut self, service: &ServiceSeen, policy: &Policy) -> Result<()> {
        let Some(now) = service.replicas else {
            self.tell_once(format!("{} has one task on each engine: nothing to scale", service.name));
            return Ok(());
        };
        let measured = self.measure(service, policy, now).await?;
        let missing = policy.unmeasured(&measured);
        // Requests are a difference between two looks.
        if !missing.is_empty() && self.looks > 1 {
            let why = "of pages, requests need --balancer; processor and memory need a task on this engine";
            self.tell_once(format!("{}: not measured: {} ({why})", service.name, missing.join(", ")));
        }
        let past = self.past.entry(service.name.clone()).or_default();
        let since = past.changed.map_or(u128::MAX, |when| when.elapsed().as_millis());
        let since_ms = u64::try_from(since).unwrap_or(u64::MAX);
        let Some(wish) = wish(policy, now, &measured, since_ms) else { return Ok(()) };
        let line = format!("{}: {now} -> {}: {}", service.name, wish.replicas, wish.why);
        if self.dry_run || policy.dry_run {
            tell(format!("{line} (not done)"));
            return Ok(());
        }
        tell(line);
        past.changed = Some(Instant::now());
        if let Err(error) = size::set(&self.engine, &service.name, wish.replicas, PATIENCE, &mut tell).await {
            let why = error.to_string();
            // What is refused is said with the name.
            tell(if why.starts_with(&service.name) { why } else { format!("{}: {why}", service.name) });
        }
        Ok(())
    }

    async fn measure(&mut self, service: &ServiceSeen, policy: &Policy, now: u64) -> Result<Measured> {
        let used = self.engine.usage(&service.name).await?;
        let mut measured =
            Measured { cpu_pct: used.processor_pct, memory_pct: used.memory_pct, ..Measured::default() };
        let mut total = None;
        if service.is_database() {
            // A cluster that can't be asked just now changes nothing.
            if let Ok(seen) = status::cluster(&self.engine, service).await {
                let percent = |most: Option<u64>| most.and_then(|pct| u32::try_from(pct).ok()).map(f64::from);
                let memory = seen.nodes.iter().map(|node| 100_u64.saturating_sub(node.free_memory_pct)).max();
                measured.memory_pct = percent(memory);
                measured.disk_pct = percent(seen.nodes.iter().map(|node| node.storage_pct).max());
                total = Some(seen.nodes.iter().map(|node| node.requests).sum::<u64>());
            }
        } else if let (Some(balancer), Some(_)) = (&self.balancer, policy.requests) {
            let backend = if policy.backend.is_empty() { &service.name } else { &policy.backend };
            match balancer.requests().await {
                Ok(counted) if counted.contains_key(backend) => total = counted.get(backend).copied(),
                Ok(counted) => {
                    let known: Vec<&str> = counted.keys().map(String::as_str).collect();
                    let why = format!(
                        "the load balancer has no {backend}; `backend` chooses of: {}",
                        known.join(", ")
                    );
                    self.tell_once(format!("{}: {why}", service.name));
                }
                Err(error) => self.tell_once(error.to_string()),
            }
        }
        let past = self.past.entry(service.name.clone()).or_default();
        if let Some(total) = total
            && let Some((before, when)) = past.requests.replace((total, Instant::now()))
            // One that restarted counts from nothing.
            && let Some(more) = total.checked_sub(before)
        {
            let more = u32::try_from(more).map_or(f64::from(u32::MAX), f64::from);
            let tasks = u32::try_from(now.max(1)).map_or(1.0, f64::from);
            measured.requests = Some(more / when.elapsed().as_secs_f64().max(0.001) / tasks);
        }
        Ok(measured)
    }
}
