//! Background queries: write operations applied to every matching record, a slice at a time.
//!
//! A slice collects the digests of matching records under the stripe's lock, and then runs the query's operations on
//! each as an ordinary write command: so records are locked one after the other, never together.

use super::pace::Pace;
use super::walk::{Along, Sets, Walk};
use crate::command::{Command, Origin, Place, run};
use crate::config::NamespaceKey;
use crate::jobs::{Job, JobKind, JobStatus};
use crate::node::{Node, Notice};
use crate::now::Now;
use crate::worker::Worker;
use shipload_store::SetId;
use shipload_value::Digest;
use shipload_wire::Request;
use shipload_wire::bits::info2;
use shipload_wire::code::ResultCode;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Records that are looked at in one slice.
const SLICE_RECORDS: usize = 128;

/// Instructions of functions after which others get their turn: a few milliseconds.
const SLICE_INSTRUCTIONS: u64 = 1_000_000;

/// A background query under way.
#[derive(Debug)]
pub(crate) struct BackgroundJob {
    namespace: usize,
    body: Vec<u8>,
    walk: Walk,
    sets: Sets,
    pace: Pace,
    job: Arc<Job>,
    /// Records that match and are not written yet.
    found: VecDeque<(Digest, SetId)>,
    /// Whether they may be written now.
    ready: bool,
}

/// What a background query wants after a slice.
#[derive(Debug)]
pub(crate) enum Turn {
    /// Another slice soon.
    More,
    /// Another slice when the monotonic clock has reached this.
    Wait(u64),
    /// Nothing: it has ended.
    Ended(Notice),
}

impl BackgroundJob {
    /// A query that is ready to be stepped; `body` is the message that it was asked by.
    pub(super) fn new(
        place: Place<'_>,
        body: Vec<u8>,
        sets: Sets,
        rps: u32,
        job: Arc<Job>,
        along: Along,
    ) -> BackgroundJob {
        let most = place.namespace.config.number(NamespaceKey::BackgroundQueryMaxRps);
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        let rps = if rps == 0 { most } else { rps.min(most) };
        let walk = Walk::all(along);
        job.partitions_total.store(walk.left() as u64, Ordering::Relaxed);
        let (namespace, pace) = (place.namespace.index, Pace::new(rps));
        BackgroundJob { namespace, body, walk, sets, pace, job, found: VecDeque::new(), ready: false }
    }

    /// Looks at some more records.
    pub(crate) fn step(&mut self, node: &Node, worker: &mut Worker, now: Now) -> Turn {
        if self.job.abort_wanted() {
            return self.end(node, worker, now, JobStatus::UserAborted);
        }
        if let Some(until) = self.pace.wait_until(now) {
            return Turn::Wait(until);
        }
        let place = Place { node, namespace: &node.namespaces()[self.namespace], now };
        if !self.ready && !self.collect(place) {
            return self.end(node, worker, now, JobStatus::Failed);
        }
        if self.ready {
            self.apply(worker, place);
            self.ready = !self.found.is_empty();
        }
        if self.ready || self.walk.present().is_some() {
            Turn::More
        } else {
            self.end(node, worker, now, JobStatus::DoneOk)
        }
    }

    /// Looks for matching records. False when the index has been deleted.
    ///
    /// The records that an index tells of are written only when the whole stripe is read: a write may give a record
    /// another place in the index, where it would be met again.
    fn collect(&mut self, place: Place<'_>) -> bool {
        let mut looked = 0;
        while looked < SLICE_RECORDS {
            let Some(reading) = self.walk.present() else { break };
            let stripe = place.namespace.stripe_at(reading.stripe());
            if !reading.is_there() {
                return false;
            }
            let mut whole = true;
            for met in reading.records(&stripe, self.sets) {
                if looked >= SLICE_RECORDS {
                    whole = false;
                    break;
                }
                looked += 1;
                if let Some(record) = &met.record
                    && stripe.serves(met.digest.partition())
                    && self.sets.holds(record.meta().set)
                    && place.namespace.is_live(record, place.now)
                    && reading.selects(place.namespace, met.bval, record)
                {
                    self.found.push_back((met.digest, record.meta().set));
                }
                self.walk.passed(&met);
            }
            if whole {
                looked += 1;
                let finished = self.walk.finish_part();
                self.job.partitions_done.fetch_add(finished, Ordering::Relaxed);
                self.ready |= self.walk.is_indexed() && !self.found.is_empty();
            }
            if self.ready {
                break;
            }
        }
        self.ready |= !self.walk.is_indexed() && !self.found.is_empty();
        true
    }

    /// Writes some of the records that were found.
    fn apply(&mut self, worker: &mut Worker, place: Place<'_>) {
        let body = std::mem::take(&mut self.body);
        let most_instructions = worker.instructions.saturating_add(SLICE_INSTRUCTIONS);
        if let Ok(request) = Request::decode(&body) {
            for _ in 0..SLICE_RECORDS {
                if worker.instructions > most_instructions || self.job.abort_wanted() {
                    break;
                }
                let Some((digest, set)) = self.found.pop_front() else { break };
                self.pace.count();
                self.write(worker, place, &request, digest, set);
            }
        } else {
            self.found.clear();
        }
        self.body = body;
    }

    fn write(
        &self,
        worker: &mut Worker,
        place: Place<'_>,
        request: &Request<'_>,
        digest: Digest,
        set: SetId,
    ) {
        let set = worker.set_name(place.namespace, set).to_vec();
        let header = &request.header;
        // A function is known by the query's fields, whatever the bits say.
        let (info1, info2) = match self.job.spec.kind {
            JobKind::BackgroundUdf => (0, info2::WRITE),
            JobKind::BackgroundOps | JobKind::Basic | JobKind::Aggregation => (header.info1, header.info2),
        };
        let command = Command {
            info1,
            info2,
            info3: header.info3,
            info4: header.info4,
            generation: header.generation,
            ttl: header.record_ttl,
            digest,
            fields: &request.fields,
            set: &set,
            filter: request.fields.filter,
            ops: request.ops.clone(),
            row: 0,
        };
        let mut answer = Vec::new();
        let (code, _) = run(place, worker, &command, Origin::Background, &mut answer);
        let job = &self.job;
        job.recs_throttled.fetch_add(1, Ordering::Relaxed);
        let counter = if code == ResultCode::Ok {
            &job.recs_succeeded
        } else if code == ResultCode::FilteredOut {
            &job.recs_filtered_bins
        } else {
            &job.recs_failed
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn end(&self, node: &Node, worker: &Worker, now: Now, status: JobStatus) -> Turn {
        let counters = worker.counters(&node.namespaces()[self.namespace]);
        let udf = self.job.spec.kind == JobKind::BackgroundUdf;
        let counter = match (self.walk.is_indexed(), udf, status == JobStatus::DoneOk) {
            (false, false, true) => &counters.pi_query_ops_bg_complete,
            (false, false, false) => &counters.pi_query_ops_bg_abort,
            (false, true, true) => &counters.pi_query_udf_bg_complete,
            (false, true, false) => &counters.pi_query_udf_bg_abort,
            (true, false, true) => &counters.si_query_ops_bg_complete,
            (true, false, false) => &counters.si_query_ops_bg_abort,
            (true, true, true) => &counters.si_query_udf_bg_complete,
            (true, true, false) => &counters.si_query_udf_bg_abort,
        };
        counter.inc();
        self.job.finish(status, now.mono_ns);
        Turn::Ended(Notice::QueryDone {
            trid: self.job.spec.trid,
            succeeded: self.job.recs_succeeded.load(Ordering::Relaxed),
            failed: self.job.recs_failed.load(Ordering::Relaxed),
        })
    }
}
