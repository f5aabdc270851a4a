//! Queries over the primary index (scans) or a secondary one: by partition, resumable in slices.
//!
//! Guarantees: within a partition records come in descending digest order, or in index order; `max_records` is met
//! exactly when there are that many; a record comes once; a stripe's lock is held for a bounded number of records; a query that is dropped or aborted
//! leaves nothing behind. Source: `guide/protocol.md` parts 4.3 to 4.6.
//!
//! ```text
//!  request --start--> refusal | foreground job (stepped by the connection's thread)
//!                             | background job (stepped by maintenance)
//! ```

mod aggregate;
mod answer;
mod background;
mod foreground;
mod groups;
mod index_walk;
mod pace;
mod selection;
mod start;
mod walk;

pub(crate) use background::{BackgroundJob, Turn};
pub(crate) use start::start;

use crate::batch::{self, BatchJob};
use crate::node::Node;
use crate::now::Now;
use crate::timing::Timing;
use crate::worker::Worker;
use aggregate::Aggregate;
use foreground::Foreground;

/// A long answer under way: of a query, or of a large batch. Dropping it before it is done aborts it.
#[derive(Debug)]
pub struct QueryJob {
    work: Work,
}

#[derive(Debug)]
enum Work {
    Query(Box<Foreground>),
    Aggregate(Box<Aggregate>),
    Batch(BatchJob),
}

/// What a long answer wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Call again as soon as the connection's output has room.
    More,
    /// Send what is there, and call again when the monotonic clock has reached this (nanoseconds): the query is
    /// throttled.
    WaitUntilMono(u64),
    /// The last message is appended; the job may be dropped.
    Done,
}

impl QueryJob {
    pub(crate) fn batch(job: BatchJob) -> QueryJob {
        QueryJob { work: Work::Batch(job) }
    }

    pub(crate) fn query(job: Foreground) -> QueryJob {
        QueryJob { work: Work::Query(Box::new(job)) }
    }

    pub(crate) fn aggregate(job: Aggregate) -> QueryJob {
        QueryJob { work: Work::Aggregate(Box::new(job)) }
    }

    /// Appends about `room` bytes of the answer to `out`, as complete frames; more only when one record is larger.
    pub fn step(
        &mut self,
        node: &Node,
        worker: &mut Worker,
        now: Now,
        out: &mut Vec<u8>,
        room: usize,
    ) -> Step {
        let step = match &mut self.work {
            Work::Query(job) => job.step(node, worker, now, out, room),
            Work::Aggregate(job) => job.step(node, worker, now, out, room),
            Work::Batch(job) => job.step(node, worker, now, out, room),
        };
        node.run_waiting_effects(worker, now);
        step
    }

    /// Where to count the time that the whole answer took.
    #[must_use]
    pub fn timing(&self) -> Timing {
        match &self.work {
            Work::Query(job) => job.timing(),
            Work::Aggregate(job) => job.timing(),
            Work::Batch(_) => batch::TIMING,
        }
    }
}
