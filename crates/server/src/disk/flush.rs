//! The thread that puts what was written on stable storage, every `flush-max-ms` or when much has gathered.

use crate::maintenance::Bell;
use crate::service::Shared;
use shipload_node::config::NamespaceKey;
use shipload_node::{Namespace, Node};
use shipload_store::{Fault, Volume};
use std::time::Duration;

/// How often it is looked whether much has gathered.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Bytes of new blocks that are written at once, whatever the time.
const MUCH_BYTES: u64 = 8 << 20;
/// `flush-max-ms` when it is 0.
const FLUSH_MS: u64 = 1000;

/// One namespace's flushes.
#[derive(Debug, Default)]
struct Rhythm {
    flushed_mono_ns: u64,
    fault: Option<Fault>,
}

/// Runs until the bell rings.
pub(crate) fn run(shared: &Shared, bell: &Bell) {
    let namespaces = shared.node.namespaces();
    let mut rhythms: Vec<Rhythm> = namespaces.iter().map(|_| Rhythm::default()).collect();
    if namespaces.iter().all(|namespace| namespace.volume().is_none()) {
        return;
    }
    while !bell.wait(LOOK_EVERY) {
        for (namespace, rhythm) in namespaces.iter().zip(&mut rhythms) {
            if let Some(volume) = namespace.volume() {
                rhythm.beat(namespace, volume, shared.start.elapsed_ns());
            }
        }
    }
}

impl Rhythm {
    fn beat(&mut self, namespace: &Namespace, volume: &Volume, mono_ns: u64) {
        let flush_ms = match namespace.config.number(NamespaceKey::FlushMaxMs) {
            0 => FLUSH_MS,
            flush_ms => flush_ms,
        };
        let due = mono_ns.saturating_sub(self.flushed_mono_ns) >= flush_ms.saturating_mul(1_000_000);
        // On a small volume less is much: blocks that were freed are free only after a flush.
        let much = MUCH_BYTES.min(volume.total_bytes() / 32);
        if !due && volume.waiting_bytes() < much {
            return;
        }
        self.flushed_mono_ns = mono_ns;
        let fault = namespace.flush().err();
        if fault != self.fault {
            match &fault {
                Some(fault) => tracing::error!(namespace = namespace.name, "{fault}; writes are refused"),
                None => tracing::info!(namespace = namespace.name, "there is room on the device again"),
            }
            self.fault = fault;
        }
    }
}

/// The last flush, when nobody writes any more; whether everything is on stable storage now.
pub(crate) fn flush_all(node: &Node) -> bool {
    let mut clean = true;
    for namespace in node.namespaces() {
        // The second flush syncs what the first one wiped.
        if let Err(fault) = namespace.flush().and_then(|_| namespace.flush()) {
            tracing::error!(namespace = namespace.name, "{fault}; the last writes may be lost");
            clean = false;
        }
    }
    clean
}
