//! Memory limits: when writes stop, and when records are evicted.

use crate::config::NamespaceKey;
use crate::namespace::{Namespace, Usage};
use crate::node::{Node, Notice};
use std::sync::atomic::Ordering;

/// What the last look at the limits said.
#[derive(Debug, Default)]
pub(super) struct Limits {
    stopped: bool,
    breached: bool,
}

impl Limits {
    /// Compares what is used with what is allowed, and tells commands and eviction.
    pub(super) fn check(&mut self, node: &Node, namespace: &Namespace, notices: &mut Vec<Notice>) {
        let usage = namespace.usage();
        let memory_used_pct = match node.facts.system_free_mem_pct.load(Ordering::Relaxed) {
            0 => 0,
            free => 100u64.saturating_sub(free),
        };
        let stop = stop_reason(namespace, &usage, memory_used_pct);
        let breach = breach_reason(namespace, &usage, memory_used_pct);
        namespace.state.stop_writes.store(stop.is_some(), Ordering::Relaxed);
        namespace.state.hwm_breached.store(breach.is_some(), Ordering::Relaxed);
        let name = || namespace.name.clone();
        match &stop {
            Some(reason) if !self.stopped => {
                notices.push(Notice::StopWrites { namespace: name(), reason: reason.clone() });
            }
            None if self.stopped => notices.push(Notice::StopWritesOver { namespace: name() }),
            Some(_) | None => {}
        }
        if let (Some(reason), false) = (&breach, self.breached) {
            notices.push(Notice::Evicting { namespace: name(), reason: reason.clone() });
        }
        (self.stopped, self.breached) = (stop.is_some(), breach.is_some());
    }
}

/// Why writes must stop, if they must. A limit of 0 is none.
fn stop_reason(namespace: &Namespace, usage: &Usage, memory_used_pct: u64) -> Option<String> {
    if let Some(fault) = namespace.volume().and_then(|volume| volume.fault()) {
        return Some(fault.to_string());
    }
    let setting = |key| namespace.config.number(key);
    let used = setting(NamespaceKey::StopWritesUsedPct);
    if usage.data_size != 0 && used != 0 && usage.data_used_pct() >= used {
        return Some(format!("data-used-pct {} >= stop-writes-used-pct {used}", usage.data_used_pct()));
    }
    let avail = setting(NamespaceKey::StopWritesAvailPct);
    // On devices room can be made, and whoever writes waits for it; only where there is none writes stop.
    let no_room = namespace.volume().is_none() || namespace.is_hopeless();
    if no_room && usage.data_size != 0 && usage.data_avail_pct() < avail {
        return Some(format!("data-avail-pct {} < stop-writes-avail-pct {avail}", usage.data_avail_pct()));
    }
    let memory = setting(NamespaceKey::StopWritesSysMemoryPct);
    if memory != 0 && memory_used_pct >= memory {
        return Some(format!("memory used {memory_used_pct} % >= stop-writes-sys-memory-pct {memory}"));
    }
    if usage.index_budget != 0 && usage.counts.all_index_bytes() >= usage.index_budget {
        let bytes = usage.counts.all_index_bytes();
        return Some(format!("indexes take {bytes} bytes >= indexes-memory-budget {}", usage.index_budget));
    }
    None
}

/// Why records must be evicted, if they must.
fn breach_reason(namespace: &Namespace, usage: &Usage, memory_used_pct: u64) -> Option<String> {
    let setting = |key| namespace.config.number(key);
    let used = setting(NamespaceKey::EvictUsedPct);
    if used != 0 && usage.data_used_pct() >= used {
        return Some(format!("data-used-pct {} >= evict-used-pct {used}", usage.data_used_pct()));
    }
    let memory = setting(NamespaceKey::EvictSysMemoryPct);
    if memory != 0 && memory_used_pct >= memory {
        return Some(format!("memory used {memory_used_pct} % >= evict-sys-memory-pct {memory}"));
    }
    let index = setting(NamespaceKey::EvictIndexesMemoryPct);
    if index != 0 && usage.index_used_pct() >= index {
        return Some(format!("indexes use {} % >= evict-indexes-memory-pct {index}", usage.index_used_pct()));
    }
    None
}
