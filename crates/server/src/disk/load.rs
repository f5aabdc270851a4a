//! Loading the records of a namespace, on all processors at once.

use super::{StorageError, snapshot};
use crate::host::load::processors;
use parking_lot::Mutex;
use shipload_node::Namespace;
use shipload_store::{LoadReport, Volume, VolumeError};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Slots that a thread takes at once.
const SLOTS_A_PIECE: u32 = 64;
/// Threads at most; more would only wait for the devices.
const THREADS_MAX: u64 = 16;
/// Damaged slots that are told of one by one.
const TOLD_MAX: usize = 20;

/// Puts an empty namespace on its volume and loads what lies there: the index of a clean stop when there is one, else
/// all blocks.
pub(super) fn load(
    namespace: &Namespace,
    volume: &Arc<Volume>,
    described: Option<&Path>,
) -> Result<(), StorageError> {
    let began = Instant::now();
    let took_ms = || u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    namespace.attach(Arc::clone(volume))?;
    match described.map(|path| (path, snapshot::load(namespace, volume, path))) {
        Some((_, Ok(true))) => {
            let objects = namespace.usage().counts.objects;
            let took_ms = took_ms();
            namespace.note_start(took_ms, true);
            tracing::info!(
                namespace = namespace.name,
                objects,
                took_ms,
                "index loaded, as it was written down"
            );
            return Ok(());
        }
        Some((path, Err(error))) => {
            let path = path.display();
            tracing::warn!(namespace = namespace.name, "{path}: {error}; all records are read instead");
            // What was loaded until then is thrown away.
            namespace.attach(Arc::clone(volume))?;
        }
        Some((_, Ok(false))) | None => {}
    }
    scan(namespace, volume)?;
    namespace.note_start(took_ms(), false);
    Ok(())
}

fn scan(namespace: &Namespace, volume: &Volume) -> Result<(), StorageError> {
    let began = Instant::now();
    let mut report = load_pieces(namespace, volume)?;
    namespace.finish_load(&mut report);
    for slot in report.skipped.iter().take(TOLD_MAX) {
        tracing::warn!(namespace = namespace.name, "{slot}");
    }
    if report.skipped.len() > TOLD_MAX {
        tracing::warn!(namespace = namespace.name, slots = report.skipped.len(), "damaged slots in all");
    }
    tracing::info!(
        namespace = namespace.name,
        objects = namespace.usage().counts.objects,
        blocks = report.blocks,
        copies = report.records,
        mb = report.bytes >> 20,
        took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        "records loaded"
    );
    Ok(())
}

fn load_pieces(namespace: &Namespace, volume: &Volume) -> Result<LoadReport, VolumeError> {
    let mut pieces = Vec::new();
    for (device, &slots) in (0u16..).zip(volume.slot_counts()) {
        let step = usize::try_from(SLOTS_A_PIECE).unwrap_or(1);
        pieces.extend((0..slots).step_by(step).map(|from| (device, from, slots.min(from + SLOTS_A_PIECE))));
    }
    let next = AtomicUsize::new(0);
    let whole = Mutex::new(Ok(LoadReport::default()));
    let work = || {
        while let Some(&(device, from, to)) = pieces.get(next.fetch_add(1, Ordering::Relaxed)) {
            let loaded = namespace.load(device, from..to);
            let mut whole = whole.lock();
            match (&mut *whole, loaded) {
                (Ok(report), Ok(loaded)) => report.merge(loaded),
                (Ok(_), Err(error)) => *whole = Err(error),
                (Err(_), _) => return,
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..processors().clamp(1, THREADS_MAX) {
            scope.spawn(work);
        }
    });
    whole.into_inner()
}
