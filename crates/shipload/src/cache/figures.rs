//! What the cache counts.

use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Counters since the start.
#[derive(Debug, Default)]
pub(super) struct Figures {
    hits: AtomicU64,
    collapsed: AtomicU64,
    misses: AtomicU64,
    revalidated: AtomicU64,
    unchanged: AtomicU64,
    passed: AtomicU64,
    purged: AtomicU64,
    failed: AtomicU64,
    sketches: AtomicU64,
    sketch_bytes: AtomicUsize,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Answered from a copy.
    Hit,
    /// Answered with another one's answer.
    Collapsed,
    /// Asked for, because there was no copy.
    Miss,
    /// Asked whether the copy still holds, and it did not.
    Revalidated,
    /// Asked whether the copy still holds, and it did.
    Unchanged,
    /// Handed on as it was.
    Passed,
    /// No node answered.
    Failed,
}

impl Fate {
    /// As the header `Cache-Status` says it.
    pub(super) fn status(self) -> &'static str {
        match self {
            Fate::Hit => "shipload; hit",
            Fate::Collapsed => "shipload; fwd=miss; collapsed",
            Fate::Miss => "shipload; fwd=uri-miss",
            Fate::Revalidated | Fate::Unchanged => "shipload; fwd=stale",
            Fate::Passed | Fate::Failed => "shipload; fwd=bypass",
        }
    }
}

impl Figures {
    pub(super) fn count(&self, fate: Fate) {
        let counter = match fate {
            Fate::Hit => &self.hits,
            Fate::Collapsed => &self.collapsed,
            Fate::Miss => &self.misses,
            Fate::Revalidated => &self.revalidated,
            Fate::Unchanged => &self.unchanged,
            Fate::Passed => &self.passed,
            Fate::Failed => &self.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn purged(&self, copies: usize) {
        self.purged.fetch_add(copies as u64, Ordering::Relaxed);
    }

    pub(super) fn sketch_fetched(&self, bytes: usize) {
        self.sketches.fetch_add(1, Ordering::Relaxed);
        self.sketch_bytes.store(bytes, Ordering::Relaxed);
    }

    /// All of them, as JSON, with what is held.
    pub(super) fn view(&self, (copies, bytes): (usize, usize)) -> Value {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        json!({
            "hits": of(&self.hits),
            "collapsed": of(&self.collapsed),
            "misses": of(&self.misses),
            "revalidated": of(&self.revalidated) + of(&self.unchanged),
            "unchanged": of(&self.unchanged),
            "passed": of(&self.passed),
            "purged": of(&self.purged),
            "failed": of(&self.failed),
            "sketches": of(&self.sketches),
            "sketchBytes": self.sketch_bytes.load(Ordering::Relaxed),
            "copies": copies,
            "bytes": bytes,
        })
    }
}
