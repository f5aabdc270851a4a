//! The thread that keeps house: the engine's own work in slices, and once a second what the machine is like.

use crate::clock::Clock;
use crate::host::load::{self, LoadMeter};
use crate::host::memory;
use crate::service::{Balancer, Crew, Shared};
use parking_lot::{Condvar, Mutex};
use shipload_node::config::ServiceKey;
use shipload_node::{Facts, LogLevel, Notice};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long one slice of the engine's work may take.
const SLICE_NS: u64 = 1_000_000;
/// How often the balance of the service threads is looked at.
const LOOK_EVERY_NS: u64 = 250_000_000;
const FACTS_EVERY_NS: u64 = 1_000_000_000;
/// The thread rests at least so long between slices, so that housekeeping never takes a core for itself.
const REST_MIN: Duration = Duration::from_millis(1);

/// Wakes the maintenance thread early, when the server stops.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rung: Mutex<bool>,
    sound: Condvar,
}

impl Bell {
    pub(crate) fn ring(&self) {
        *self.rung.lock() = true;
        self.sound.notify_all();
    }

    /// Waits so long, or until the bell rings; whether it did.
    pub(crate) fn wait(&self, patience: Duration) -> bool {
        let mut rung = self.rung.lock();
        if !*rung {
            self.sound.wait_for(&mut rung, patience);
        }
        *rung
    }
}

/// Runs until the bell rings.
pub(crate) fn run(shared: &Arc<Shared>, crew: &Crew, bell: &Bell) {
    let mut clock = Clock::new(shared.start);
    let mut meter = LoadMeter::default();
    let (mut facts_due_ns, mut look_due_ns) = (0, 0);
    let (mut balancer, mut idle_meter) = (Balancer::default(), LoadMeter::default());
    let mut ticked_mono_ns = clock.now().mono_ns;
    loop {
        let now = clock.now();
        let tick_ns = shared.node.config().service.number(ServiceKey::TickerInterval) * 1_000_000_000;
        if tick_ns > 0 && now.mono_ns.saturating_sub(ticked_mono_ns) >= tick_ns {
            ticked_mono_ns = now.mono_ns;
            tick(shared);
        }
        if now.mono_ns >= facts_due_ns {
            facts_due_ns = now.mono_ns + FACTS_EVERY_NS;
            measure(&shared.node.facts, &mut meter);
        }
        if crew.len() > 1 && now.mono_ns >= look_due_ns {
            look_due_ns = now.mono_ns + LOOK_EVERY_NS;
            // Without a measurement every processor may be idle: then threads are limited by work alone.
            let idle_pct = idle_meter.measure().map_or(u64::MAX, |load| load.idle_pct);
            balancer.look(crew, idle_pct, now.mono_ns);
        }
        let maintained = shared.node.maintain(now, SLICE_NS);
        maintained.notices.iter().for_each(log);
        let look_due_ns = if crew.len() > 1 { look_due_ns } else { u64::MAX };
        let due_ns = maintained.next_mono_ns.min(facts_due_ns).min(look_due_ns);
        let rest = Duration::from_nanos(due_ns.saturating_sub(clock.now().mono_ns)).max(REST_MIN);
        if bell.wait(rest) {
            return;
        }
    }
}

/// Writes down what only the operating system knows.
pub(crate) fn measure(facts: &Facts, meter: &mut LoadMeter) {
    let set = |fact: &AtomicU64, value: u64| fact.store(value, Ordering::Relaxed);
    if let Some((resident_kbytes, threads)) = load::process_size() {
        set(&facts.process_memory_kbytes, resident_kbytes);
        set(&facts.threads, threads);
    }
    if let Some(load) = meter.measure() {
        set(&facts.process_cpu_pct, load.process_pct);
        set(&facts.system_total_cpu_pct, load.total_pct);
        set(&facts.system_user_cpu_pct, load.user_pct);
        set(&facts.system_kernel_cpu_pct, load.kernel_pct);
    }
    if let Some(memory) = memory::read() {
        set(&facts.system_free_mem_kbytes, memory.free_bytes / 1024);
        // 0 stands for "not measured yet", so a machine without free memory shows 1.
        set(&facts.system_free_mem_pct, memory.free_pct().max(1));
    }
}

/// The line that tells every few seconds how the node is.
fn tick(shared: &Shared) {
    let facts = &shared.node.facts;
    let get = |fact: &AtomicU64| fact.load(Ordering::Relaxed);
    tracing::info!(
        connections = get(&facts.client_connections),
        resident_mb = get(&facts.process_memory_kbytes) / 1024,
        cpu_pct = get(&facts.process_cpu_pct),
        system_free_mem_pct = get(&facts.system_free_mem_pct),
        buffered_kb = get(&shared.buffered_bytes) / 1024,
        "ticker"
    );
    for namespace in shared.node.namespaces() {
        let usage = namespace.usage();
        tracing::info!(
            namespace = namespace.name,
            objects = usage.counts.objects,
            data_used_mb = usage.counts.record_bytes >> 20,
            index_used_mb = usage.counts.index_bytes >> 20,
            stop_writes = namespace.state.stop_writes.load(Ordering::Relaxed),
            "ticker"
        );
    }
}

fn log(notice: &Notice) {
    match notice {
        Notice::StopWrites { namespace, reason } => {
            tracing::warn!(namespace, reason, "writes are refused from now on");
        }
        Notice::StopWritesOver { namespace } => tracing::info!(namespace, "writes are taken again"),
        Notice::Evicting { namespace, reason } => {
            tracing::warn!(namespace, reason, "records are being evicted");
        }
        Notice::Damage { namespace, text } => tracing::warn!(namespace, "{text}"),
        Notice::NsupDone { namespace, expired, evicted, took_ms } => {
            tracing::info!(namespace, expired, evicted, took_ms, "expiry pass done");
        }
        Notice::TruncateDone { namespace, set, removed } => {
            tracing::info!(namespace, set, removed, "truncate done");
        }
        Notice::IndexDone { namespace, index, entries } => {
            tracing::info!(namespace, index, entries, "a new index is complete");
        }
        Notice::FunctionLog { module, level, text } => log_function(module, *level, text),
        Notice::QueryDone { trid, succeeded, failed } => {
            tracing::info!(trid, succeeded, failed, "background query done");
        }
    }
}

/// Writes what a function logged, with the importance that it chose.
fn log_function(module: &str, level: LogLevel, text: &str) {
    match level {
        LogLevel::Trace => tracing::trace!(target: "udf", module, "{text}"),
        LogLevel::Debug => tracing::debug!(target: "udf", module, "{text}"),
        LogLevel::Info => tracing::info!(target: "udf", module, "{text}"),
        LogLevel::Warn => tracing::warn!(target: "udf", module, "{text}"),
    }
}
