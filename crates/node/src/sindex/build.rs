//! Filling a new index with the records that were there before it, a slice at a time.

use super::registry::Index;
use crate::maintain::{Cursor, Wish};
use crate::namespace::Namespace;
use crate::node::Notice;
use crate::now::Now;
use shipload_value::digest::PARTITION_COUNT;
use shipload_value::{Digest, PartitionId};
use std::sync::Arc;

/// Records that one slice looks at.
const SLICE_RECORDS: usize = 256;
/// Partitions without records that one slice may pass.
const SLICE_PARTITIONS: usize = 256;
/// Nanoseconds of a second.
const SECOND_NS: u64 = 1_000_000_000;

/// The index of a namespace that is being filled.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    index: Arc<Index>,
    cursor: Cursor,
    began_mono_ns: u64,
}

impl Builder {
    /// Fills the first index that is not complete with some more records.
    pub(crate) fn slice(&mut self, namespace: &Namespace, now: Now, notices: &mut Vec<Notice>) -> Wish {
        if self.running.as_ref().is_none_or(|running| running.index.is_gone()) {
            let indexes = namespace.sindexes.list();
            let next = indexes.iter().find(|index| !index.is_readable());
            let began_mono_ns = now.mono_ns;
            self.running = next.map(|index| Running {
                index: Arc::clone(index),
                cursor: Cursor::start(),
                began_mono_ns,
            });
        }
        let Some(running) = &mut self.running else { return Wish::At(u64::MAX) };
        if running.slice(namespace) {
            let index = &running.index;
            index.complete(now.mono_ns.saturating_sub(running.began_mono_ns) / SECOND_NS);
            let entries = namespace.index_usage(index).entries;
            let (namespace, index) = (namespace.name.clone(), index.name.clone());
            notices.push(Notice::IndexDone { namespace, index, entries });
            self.running = None;
        }
        Wish::More
    }
}

impl Running {
    /// Enters some more records; true when all are entered.
    fn slice(&mut self, namespace: &Namespace) -> bool {
        for _ in 0..SLICE_PARTITIONS {
            let Some((partition, after)) = self.cursor.place() else { return true };
            self.index.note_load(u64::from(partition.number()), u64::from(PARTITION_COUNT));
            let next = self.fill(namespace, partition, after.as_ref());
            self.cursor.advance(next);
            if next.is_some() {
                return false;
            }
        }
        self.cursor.place().is_none()
    }

    fn fill(&self, namespace: &Namespace, partition: PartitionId, after: Option<&Digest>) -> Option<Digest> {
        let mut stripe = namespace.stripe_of(partition);
        if self.index.is_gone() {
            return None;
        }
        stripe.fill_index(self.index.slot, partition, after, SLICE_RECORDS)
    }
}
