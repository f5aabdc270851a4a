//! What expressions see of a record: stored, or under work.

use super::Command;
use super::draft::Draft;
use crate::now::{EPOCH_2010_S, Now};
use shipload_store::{KeyRef, Meta, RecordRef};
use shipload_value::expr::{self, Clock, RecordView};
use shipload_value::{Digest, Particle};

/// The moment at which expressions are evaluated.
pub(crate) fn clock(now: Now) -> Clock {
    Clock { unix_ms: now.unix_ns / 1_000_000 }
}

/// A record's metadata beside its bins.
#[derive(Debug, Clone)]
pub(crate) struct Header<'a> {
    digest: Digest,
    /// None for a record that does not exist yet.
    meta: Option<Meta>,
    /// Encoded size of the stored record in bytes.
    size: usize,
    set: &'a [u8],
}

impl<'a> Header<'a> {
    /// Of a stored record in the set with this name.
    pub(crate) fn stored(record: &RecordRef<'_>, set: &'a [u8]) -> Header<'a> {
        Header { digest: record.digest(), meta: Some(record.meta()), size: record.size(), set }
    }

    /// Of a record that does not exist yet.
    pub(crate) fn missing(command: &Command<'a>) -> Header<'a> {
        Header { digest: command.digest, meta: None, size: 0, set: command.set }
    }

    fn meta<'v>(&'v self, key: Option<KeyRef<'v>>) -> Option<expr::Meta<'v>> {
        self.meta.map(|meta| expr::Meta {
            digest: self.digest,
            set_name: self.set,
            key: key.map(|key| (key.kind, key.bytes)),
            void_time: meta.void_time,
            last_update_ms: meta.last_update_ms + EPOCH_2010_S * 1000,
            record_size: self.size as u64,
        })
    }
}

/// A stored record.
#[derive(Debug)]
pub(crate) struct StoredView<'v, 'r> {
    pub(crate) record: &'v RecordRef<'r>,
    pub(crate) header: &'v Header<'v>,
}

impl RecordView for StoredView<'_, '_> {
    fn bin(&self, name: &[u8]) -> Option<Particle<'_>> {
        self.record.bin(name).map(|bin| bin.particle())
    }

    fn meta(&self) -> Option<expr::Meta<'_>> {
        self.header.meta(self.record.key())
    }
}

/// A record under work.
#[derive(Debug)]
pub(crate) struct DraftView<'v> {
    pub(crate) draft: &'v Draft,
    pub(crate) header: &'v Header<'v>,
    pub(crate) key: Option<KeyRef<'v>>,
}

impl RecordView for DraftView<'_> {
    fn bin(&self, name: &[u8]) -> Option<Particle<'_>> {
        self.draft.get(name)
    }

    fn meta(&self) -> Option<expr::Meta<'_>> {
        self.header.meta(self.key)
    }
}
