//! Foreground queries: records streamed to the client that asked.

use super::Step;
use super::answer::{self, Rows, Shape};
use super::groups::Groups;
use super::pace::Pace;
use super::walk::{Along, Reading, Sets, Walk};
use crate::command::view;
use crate::jobs::{Job, JobStatus};
use crate::namespace::Namespace;
use crate::node::Node;
use crate::now::Now;
use crate::timing::{Histogram, Timing};
use crate::worker::Worker;
use shipload_store::RecordRef;
use shipload_value::PartitionId;
use shipload_value::expr::{Program, Truth};
use shipload_wire::bits::info3;
use shipload_wire::code::ResultCode;
use shipload_wire::reply::{self, ReplyHeader};
use shipload_wire::{PartitionQuery, Request};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Records that are looked at under one lock.
const LOCK_RECORDS: usize = 128;
/// Records and partitions that are looked at before other connections get their turn.
const SLICE_LOOKS: usize = 8192;
/// What opening a partition counts for among the looks.
const PARTITION_LOOKS: usize = 8;
/// No frame of an answer is begun with more than this already in it.
const FRAME_BYTES: usize = 1 << 20;

/// A foreground query under way.
#[derive(Debug)]
pub(crate) struct Foreground {
    namespace: usize,
    /// The request, from which projections are decoded anew in each slice.
    body: Vec<u8>,
    walk: Walk,
    sets: Sets,
    filter: Option<Program>,
    /// What is measured, when measures are wanted instead of records.
    groups: Option<Box<Groups>>,
    /// Records still wanted; none when there is no limit.
    wanted: Option<u64>,
    pace: Pace,
    job: Option<Arc<Job>>,
    /// The latest moment that a step was told, monotonic nanoseconds.
    seen_mono_ns: u64,
    done: bool,
}

/// What one slice of a query works with.
struct Slice<'s> {
    worker: &'s mut Worker,
    namespace: &'s Namespace,
    request: &'s Request<'s>,
    now: Now,
    out: &'s mut Vec<u8>,
    /// Length of `out` at which to stop.
    limit: usize,
    /// How much has been looked at.
    looks: usize,
    wish: Wish<'s>,
}

/// What is wanted of records.
enum Wish<'s> {
    Records,
    Rows(Rows<'s>),
    Groups(Shape<'s>, Box<Groups>),
}

impl Slice<'_> {
    /// Whether no more should be read before what is there has been sent.
    fn is_full(&self) -> bool {
        match &self.wish {
            Wish::Groups(_, groups) => groups.is_full(),
            Wish::Rows(_) | Wish::Records => self.out.len() >= self.limit,
        }
    }
}

/// Why a look at a partition ended.
enum Looked {
    /// The partition has no more records.
    End,
    /// The lock was held long enough.
    Enough,
    /// The output is full.
    Full,
    /// As many records as wanted are sent.
    Limit,
    /// The pace says to wait.
    Wait(u64),
    /// The index was deleted.
    Gone,
}

impl Foreground {
    /// A query that is ready to be stepped; `body` is the message that it was asked by.
    pub(super) fn new(
        namespace: &Namespace,
        body: Vec<u8>,
        query: &PartitionQuery<'_>,
        sets: Sets,
        (filter, groups): (Option<Program>, Option<Box<Groups>>),
        job: Option<Arc<Job>>,
        along: Along,
    ) -> Foreground {
        let walk = Walk::asked(query, along);
        let wanted = (query.max_records != 0).then_some(query.max_records);
        let pace = Pace::new(query.records_per_second);
        let seen_mono_ns = job.as_ref().map_or(0, |job| job.spec.started_mono_ns);
        let namespace = namespace.index;
        Foreground {
            namespace,
            body,
            walk,
            sets,
            filter,
            groups,
            wanted,
            pace,
            job,
            seen_mono_ns,
            done: false,
        }
    }

    /// Its place in the histograms.
    pub(super) fn timing(&self) -> Timing {
        let histogram = if self.walk.is_indexed() { Histogram::SiQuery } else { Histogram::PiQuery };
        Timing { namespace: self.namespace, histogram }
    }

    /// Appends some more of the answer.
    pub(super) fn step(
        &mut self,
        node: &Node,
        worker: &mut Worker,
        now: Now,
        out: &mut Vec<u8>,
        room: usize,
    ) -> Step {
        let namespace = &node.namespaces()[self.namespace];
        self.seen_mono_ns = now.mono_ns;
        if self.job.as_ref().is_some_and(|job| job.abort_wanted()) {
            return self.end(worker, namespace, now, out, ResultCode::QueryAborted);
        }
        let body = std::mem::take(&mut self.body);
        let started = out.len();
        let step = match Request::decode(&body) {
            Ok(request) => {
                let limit = started.saturating_add(room.clamp(1, FRAME_BYTES));
                let wish = match (Shape::asked(&request), self.groups.take()) {
                    (Some(shape), Some(groups)) => Wish::Groups(shape, groups),
                    (Some(shape), None) => Wish::Rows(Rows::new(shape)),
                    (None, _) => Wish::Records,
                };
                let mut slice =
                    Slice { worker, namespace, request: &request, now, out, limit, looks: 0, wish };
                let step = self.slice(&mut slice);
                if let Wish::Groups(_, groups) = slice.wish {
                    self.groups = Some(groups);
                }
                step.unwrap_or_else(|end| self.end(worker, namespace, now, out, end))
            }
            Err(_) => self.end(worker, namespace, now, out, ResultCode::QueryGeneric),
        };
        self.body = body;
        if let Some(job) = &self.job {
            job.net_io_bytes.fetch_add((out.len() - started) as u64, Ordering::Relaxed);
        }
        step
    }

    /// Fills one frame with records.
    ///
    /// # Errors
    /// The code with which the query has come to its end, 0 when all went well.
    fn slice(&mut self, slice: &mut Slice<'_>) -> Result<Step, ResultCode> {
        let mark = reply::begin_frame(slice.out);
        let empty = slice.out.len();
        let step = self.walk_on(slice);
        if let (Wish::Groups(_, groups), Err(ResultCode::Ok)) = (&mut slice.wish, step) {
            groups.flush(slice.out, None);
        }
        if slice.out.len() == empty {
            slice.out.truncate(mark.start());
        } else {
            reply::end_frame(slice.out, mark);
        }
        step
    }

    fn walk_on(&mut self, slice: &mut Slice<'_>) -> Result<Step, ResultCode> {
        while slice.looks < SLICE_LOOKS {
            let reading = self.walk.present().ok_or(ResultCode::Ok)?;
            slice.looks += PARTITION_LOOKS;
            let looked = self.look(slice, &reading);
            match &mut slice.wish {
                Wish::Rows(rows) => rows.close(slice.out),
                Wish::Groups(_, groups) if groups.is_full() => groups.flush(slice.out, self.walk.after()),
                Wish::Groups(..) | Wish::Records => {}
            }
            match looked {
                Looked::End => {
                    if let (Wish::Groups(_, groups), Some(partition)) =
                        (&mut slice.wish, self.walk.partition())
                    {
                        groups.finish(partition);
                    }
                    let finished = self.walk.finish_part();
                    if let Some(job) = &self.job {
                        job.partitions_done.fetch_add(finished, Ordering::Relaxed);
                    }
                }
                Looked::Enough => {}
                Looked::Full => return Ok(Step::More),
                Looked::Limit => return Err(ResultCode::Ok),
                Looked::Wait(until) => return Ok(Step::WaitUntilMono(until)),
                Looked::Gone => return Err(ResultCode::IndexNotFound),
            }
        }
        Ok(Step::More)
    }

    /// Reads on in the present part, under one lock.
    fn look(&mut self, slice: &mut Slice<'_>, reading: &Reading) -> Looked {
        let stripe = slice.namespace.stripe_at(reading.stripe());
        if !reading.is_there() {
            return Looked::Gone;
        }
        let foreign = self.walk.foreign(&stripe, &slice.namespace.holdings);
        if !foreign.is_empty() {
            if let Wish::Groups(_, groups) = &mut slice.wish {
                groups.flush(slice.out, self.walk.after());
            }
            // The client goes on with these at the node that masters them now, after the last record it got.
            foreign.iter().for_each(|partition| unavailable(slice.out, *partition));
            self.walk.give_up(&foreign);
            return Looked::Enough;
        }
        for (seen, met) in reading.records(&stripe, self.sets).enumerate() {
            if self.wanted == Some(0) {
                return Looked::Limit;
            }
            if seen >= LOCK_RECORDS {
                return Looked::Enough;
            }
            if slice.is_full() {
                return Looked::Full;
            }
            slice.looks += 1;
            if let Some(record) = &met.record
                && self.sets.holds(record.meta().set)
                && slice.namespace.is_live(record, slice.now)
                && reading.selects(slice.namespace, met.bval, record)
            {
                if let Some(until) = self.pace.wait_until(slice.now) {
                    return Looked::Wait(until);
                }
                self.record(slice, record, met.bval);
            }
            self.walk.passed(&met);
        }
        if self.wanted == Some(0) { Looked::Limit } else { Looked::End }
    }

    /// Sends one record that is of a wanted set and alive, if the filter lets it through.
    fn record(&mut self, slice: &mut Slice<'_>, record: &RecordRef<'_>, bval: Option<i64>) {
        self.pace.count();
        let passed = self.deliver(slice, record, bval);
        if passed {
            self.wanted = self.wanted.map(|wanted| wanted - 1);
        }
        if let Some(job) = &self.job {
            let throttled = u64::from(self.pace.is_limited());
            job.recs_throttled.fetch_add(throttled, Ordering::Relaxed);
            let counter = if passed { &job.recs_succeeded } else { &job.recs_filtered_bins };
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Appends or measures a record; false when nothing of it is to be sent.
    fn deliver(&self, slice: &mut Slice<'_>, record: &RecordRef<'_>, bval: Option<i64>) -> bool {
        let Slice { worker, namespace, request, now, out, .. } = slice;
        let clock = view::clock(*now);
        let header = view::Header::stored(record, worker.set_name(namespace, record.meta().set));
        let view = view::StoredView { record, header: &header };
        let passes = || self.filter.as_ref().is_none_or(|filter| filter.filter(&view, clock) == Truth::True);
        match &mut slice.wish {
            Wish::Groups(shape, groups) => groups.take(shape, record, passes, (&view, clock)),
            _ if !passes() => false,
            Wish::Rows(rows) => {
                rows.append(out, record);
                true
            }
            Wish::Records => {
                let set = worker.set_name(namespace, record.meta().set).to_vec();
                let found = answer::Found { record, set: &set, bval };
                answer::append(&mut worker.scratch, request, *now, out, found)
            }
        }
    }

    fn end(
        &mut self,
        worker: &Worker,
        namespace: &Namespace,
        now: Now,
        out: &mut Vec<u8>,
        result: ResultCode,
    ) -> Step {
        self.done = true;
        reply::last(out, result);
        self.count_end(worker, namespace, result);
        if let Some(job) = &self.job {
            let status = if result == ResultCode::Ok {
                JobStatus::DoneOk
            } else if result == ResultCode::QueryAborted {
                JobStatus::UserAborted
            } else {
                JobStatus::Failed
            };
            job.finish(status, now.mono_ns);
        }
        Step::Done
    }

    fn count_end(&self, worker: &Worker, namespace: &Namespace, result: ResultCode) {
        let counters = worker.counters(namespace);
        let ok = result == ResultCode::Ok;
        let aborted = result == ResultCode::QueryAborted;
        let counter = match (self.walk.is_indexed(), self.job.is_some()) {
            (false, false) if ok => &counters.pi_query_short_basic_complete,
            (false, false) => &counters.pi_query_short_basic_error,
            (false, true) if ok => &counters.pi_query_long_basic_complete,
            (false, true) if aborted => &counters.pi_query_long_basic_abort,
            (false, true) => &counters.pi_query_long_basic_error,
            (true, false) if ok => &counters.si_query_short_basic_complete,
            (true, false) => &counters.si_query_short_basic_error,
            (true, true) if ok => &counters.si_query_long_basic_complete,
            (true, true) if aborted => &counters.si_query_long_basic_abort,
            (true, true) => &counters.si_query_long_basic_error,
        };
        counter.inc();
    }
}

impl Drop for Foreground {
    fn drop(&mut self) {
        if let (Some(job), false) = (&self.job, self.done) {
            job.finish(JobStatus::ConnectionLost, self.seen_mono_ns);
        }
    }
}

/// Tells that a partition is not read here, or not to its end.
fn unavailable(out: &mut Vec<u8>, partition: PartitionId) {
    let header = ReplyHeader {
        info3: info3::PARTITION_DONE,
        result: ResultCode::Unavailable,
        generation: u32::from(partition.number()),
        ..ReplyHeader::default()
    };
    reply::header(out, &header);
}
