//! The beginning of a query's result, kept up to date record by record.
//!
//! ```text
//!  | skipped | the list that subscribers see | slack |   unknown
//!                                            border -'
//! ```
//!
//! Guarantees: as long as [`Kept::is_short`] is false, the first `wanted` entries are those that a run of the query would
//! give. The slack is there so that a record that leaves is followed by one that is known already; only when it is used
//! up the query has to run again.

use crate::schema::RecordView;
use crate::select::Standing;
use shipload_value::Digest;
use std::cmp::Ordering;
use std::sync::Arc;

/// A record of a list.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) digest: Digest,
    pub(crate) view: Arc<RecordView>,
}

impl Entry {
    /// The same version of the same record.
    pub(crate) fn is_same(&self, other: &Entry) -> bool {
        self.digest == other.digest && self.view.etag() == other.view.etag()
    }
}

/// What is known of a query's result.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    entries: Vec<Entry>,
    /// Every matching record up to this one is among the entries; without it every one at all.
    border: Option<Arc<RecordView>>,
}

impl Kept {
    /// From a run that was asked for at most `most` records.
    pub(crate) fn of_run(entries: Vec<Entry>, most: usize) -> Kept {
        let full = entries.len() >= most;
        let border = entries.last().filter(|_| full).map(|entry| Arc::clone(&entry.view));
        Kept { entries, border }
    }

    /// A record is now like this (none: it does not match, or is not there). At most `most` entries stay. Tells whether
    /// anything is different.
    pub(crate) fn apply(
        &mut self,
        standing: &Standing,
        digest: Digest,
        now: Option<&Arc<RecordView>>,
        most: usize,
    ) -> bool {
        let was = self.entries.iter().position(|entry| entry.digest == digest);
        if was.is_none() && now.is_none() {
            return false;
        }
        if let Some(was) = was {
            self.entries.remove(was);
        }
        let Some(now) = now else { return true };
        let beyond = |border: &Arc<RecordView>| standing.compare(now, border) == Ordering::Greater;
        if self.border.as_ref().is_some_and(beyond) {
            return was.is_some();
        }
        let place = self.entries.partition_point(|entry| standing.compare(&entry.view, now).is_lt());
        self.entries.insert(place, Entry { digest, view: Arc::clone(now) });
        if self.entries.len() > most {
            self.entries.truncate(most);
            self.border = self.entries.last().map(|entry| Arc::clone(&entry.view));
        }
        true
    }

    /// Whether it is known older than this version of a record: then what is told of that version is no news.
    pub(crate) fn is_newer(&self, digest: Digest, view: &RecordView) -> bool {
        let known = self.entries.iter().find(|entry| entry.digest == digest);
        known.is_some_and(|entry| entry.view.version() > view.version())
    }

    /// Removes what has expired by now (milliseconds since 1970); gives their digests.
    pub(crate) fn expire(&mut self, now_ms: u64) -> Vec<Digest> {
        let expired = |entry: &Entry| entry.view.expires().is_some_and(|at| at <= now_ms);
        let gone = self.entries.extract_if(.., |entry| expired(entry));
        gone.map(|entry| entry.digest).collect()
    }

    /// When the next one expires, milliseconds since 1970.
    pub(crate) fn next_expiry(&self) -> Option<u64> {
        self.entries.iter().filter_map(|entry| entry.view.expires()).min()
    }

    /// Whether there may be more records than are known among the first `wanted`.
    pub(crate) fn is_short(&self, wanted: usize) -> bool {
        self.border.is_some() && self.entries.len() < wanted
    }

    /// A part of it.
    pub(crate) fn window(&self, offset: usize, limit: usize) -> Vec<Entry> {
        self.entries.iter().skip(offset).take(limit).cloned().collect()
    }
}
