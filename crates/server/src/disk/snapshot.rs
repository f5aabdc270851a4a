//! The file with the index of a clean stop, beside the records.
//!
//! Guarantees: a snapshot is whole under its name or not there; it is used only when the devices carry its mark, so that
//! one of another state is never believed. Whatever is wrong with it, the records are scanned instead. Byte by byte:
//! `docs/format/snapshot.md`.

use super::small::{beside, sync_directory};
use crate::host::load::processors;
use parking_lot::Mutex;
use shipload_node::Namespace;
use shipload_store::{
    Mark, SNAPSHOT_HEAD_SIZE, STRIPE_COUNT, SectionPlace, SnapshotError, SnapshotHead, Volume,
};
use std::fs::{self, File};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use thiserror::Error;

/// Threads at most; more would only wait for the disk.
const THREADS_MAX: u64 = 16;

/// Why a snapshot was not used or not written.
#[derive(Debug, Error)]
pub(super) enum SnapshotFileError {
    /// The operating system refuses.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is not what it should be.
    #[error("{0}")]
    Snapshot(#[from] SnapshotError),
    /// A device is out of service.
    #[error("{0}")]
    Fault(#[from] shipload_store::Fault),
}

/// Loads the index of a namespace that was just attached; false when there is no snapshot. After an error the namespace
/// must be attached again.
pub(super) fn load(namespace: &Namespace, volume: &Volume, path: &Path) -> Result<bool, SnapshotFileError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    let mut head = vec![0; SNAPSHOT_HEAD_SIZE];
    file.read_exact_at(&mut head, 0).map_err(|_| SnapshotError::NotOurs)?;
    let head = SnapshotHead::decode(&head, &volume.id(), volume.mark())?;
    let size = file.metadata()?.len();
    in_parallel(|stripe| {
        let place = head.sections.get(stripe).copied().unwrap_or_default();
        // No more is allocated than there is.
        let length = volume.sealed_length(place.length);
        if place.length > size || place.offset.checked_add(length).is_none_or(|end| end > size) {
            return Err(SnapshotError::NotOurs.into());
        }
        let mut section = vec![0; usize::try_from(length).unwrap_or(0)];
        file.read_exact_at(&mut section, place.offset)?;
        volume.unseal_section(place.offset, place.length, &mut section);
        place.check(&section)?;
        Ok(namespace.load_snapshot(stripe, &section)?)
    })?;
    namespace.finish_snapshot(head.latest_ms);
    Ok(true)
}

/// Does something for each stripe, on all processors; the first error ends it.
fn in_parallel(
    work: impl Fn(usize) -> Result<(), SnapshotFileError> + Sync,
) -> Result<(), SnapshotFileError> {
    let next = AtomicUsize::new(0);
    let whole = Mutex::new(Ok(()));
    let share = || {
        loop {
            let stripe = next.fetch_add(1, Ordering::Relaxed);
            if stripe >= STRIPE_COUNT {
                return;
            }
            if let Err(error) = work(stripe) {
                next.store(STRIPE_COUNT, Ordering::Relaxed);
                *whole.lock() = Err(error);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..processors().clamp(1, THREADS_MAX) {
            scope.spawn(share);
        }
    });
    whole.into_inner()
}

/// Describes a namespace to which nobody writes any more and that is flushed.
pub(super) fn store(namespace: &Namespace, volume: &Volume, path: &Path) -> Result<(), SnapshotFileError> {
    let began = Instant::now();
    let random = RandomState::new();
    let mark = (u128::from(random.hash_one(1)) << 64 | u128::from(random.hash_one(2))).to_le_bytes();
    let new = beside(path);
    let written = write(namespace, volume, &new, mark);
    let bytes = match written {
        Ok(bytes) => bytes,
        Err(error) => {
            // What is left of the attempt would only take room.
            let _ = fs::remove_file(&new);
            return Err(error);
        }
    };
    fs::rename(&new, path)?;
    sync_directory(path)?;
    // Only now the devices say that they are in the state that the file describes.
    namespace.set_mark(&mark)?;
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(namespace = namespace.name, mb = bytes >> 20, took_ms, "index written down");
    Ok(())
}

fn write(namespace: &Namespace, volume: &Volume, path: &Path, mark: Mark) -> Result<u64, SnapshotFileError> {
    let file = File::create(path)?;
    let mut sections = [SectionPlace::default(); STRIPE_COUNT];
    // Sections of an encrypted namespace begin at whole sectors.
    let mut offset = volume.sealed_length(SNAPSHOT_HEAD_SIZE as u64);
    for (stripe, place) in sections.iter_mut().enumerate() {
        let mut section = namespace.snapshot(stripe);
        *place = SectionPlace { offset, length: section.len() as u64, checksum: crc32c::crc32c(&section) };
        volume.seal_section(offset, &mut section);
        file.write_all_at(&section, offset)?;
        offset += section.len() as u64;
    }
    let latest_ms = namespace.latest_update_ms();
    let head = SnapshotHead { volume: volume.id(), mark, latest_ms, sections };
    file.write_all_at(&head.encode(), 0)?;
    file.sync_all()?;
    Ok(offset)
}
