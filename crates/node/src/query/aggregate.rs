//! Aggregations: a stream function of a module run over the records of a query.
//!
//! Records are copied under the stripe's lock, some at a time, and go through the function's stream without it. What
//! comes out is sent as it comes, one message each; the client combines the results of all nodes. A function that fails
//! ends the query with its text and code 1. Source: `guide/protocol.md` part 4.6.

use super::Step;
use super::pace::Pace;
use super::walk::{Reading, Sets, Walk};
use crate::command::{FAILURE, NO_MODULE, SUCCESS, lua_record, view};
use crate::functions::moment;
use crate::jobs::{Job, JobStatus};
use crate::namespace::Namespace;
use crate::node::Node;
use crate::now::Now;
use crate::timing::{Histogram, Timing};
use crate::worker::Worker;
use shipload_lua::record::Record;
use shipload_lua::{Lease, LoadError, StreamRun};
use shipload_store::RecordRef;
use shipload_value::expr::{Program, Truth};
use shipload_value::{OwnedParticle, ParticleType};
use shipload_wire::Request;
use shipload_wire::bits::op;
use shipload_wire::code::ResultCode;
use shipload_wire::reply::{self, ReplyHeader};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Records that are looked at under one lock.
const LOCK_RECORDS: usize = 128;
/// Bytes of records that are copied under one lock.
const LOCK_BYTES: usize = 1 << 20;
/// Records and partitions that are looked at before other connections get their turn.
const SLICE_LOOKS: usize = 2048;
/// Instructions of functions after which other connections get their turn: a few milliseconds.
const SLICE_INSTRUCTIONS: u64 = 1_000_000;
/// What opening a partition counts for among the looks.
const PARTITION_LOOKS: usize = 8;

/// What an aggregation starts with.
pub(super) struct Begin {
    pub(super) walk: Walk,
    pub(super) records_per_second: u32,
    pub(super) sets: Sets,
    pub(super) filter: Option<Program>,
    pub(super) job: Arc<Job>,
}

/// An aggregation under way.
#[derive(Debug)]
pub(crate) struct Aggregate {
    namespace: usize,
    /// The request, which names the function.
    body: Vec<u8>,
    walk: Walk,
    sets: Sets,
    filter: Option<Program>,
    pace: Pace,
    job: Arc<Job>,
    stream: Option<(Lease, StreamRun)>,
    /// Copies that are not through the stream yet.
    copies: VecDeque<Record>,
    seen_mono_ns: u64,
    done: bool,
}

/// Why an aggregation ended early.
enum Failure {
    /// The function failed.
    Function(String),
    /// The index was deleted.
    Gone,
    /// Another node masters a partition that is to be read.
    Elsewhere,
}

impl Aggregate {
    /// An aggregation that is ready to be stepped; `body` is the message that it was asked by.
    pub(super) fn new(namespace: &Namespace, body: Vec<u8>, begin: Begin) -> Aggregate {
        let Begin { walk, records_per_second, sets, filter, job } = begin;
        Aggregate {
            namespace: namespace.index,
            body,
            walk,
            sets,
            filter,
            pace: Pace::new(records_per_second),
            seen_mono_ns: job.spec.started_mono_ns,
            job,
            stream: None,
            copies: VecDeque::new(),
            done: false,
        }
    }

    /// Its place in the histograms.
    pub(super) fn timing(&self) -> Timing {
        let histogram = if self.walk.is_indexed() { Histogram::SiQuery } else { Histogram::PiQuery };
        Timing { namespace: self.namespace, histogram }
    }

    /// Takes some more records in, and appends what comes out.
    pub(super) fn step(
        &mut self,
        node: &Node,
        worker: &mut Worker,
        now: Now,
        out: &mut Vec<u8>,
        room: usize,
    ) -> Step {
        self.seen_mono_ns = now.mono_ns;
        let namespace = &node.namespaces()[self.namespace];
        if self.job.abort_wanted() {
            return self.end(worker, namespace, now, out, ResultCode::QueryAborted);
        }
        let started = out.len();
        let limit = started.saturating_add(room.max(1));
        let step = match self.run(node, worker, now, out, limit) {
            Ok(Some(step)) => step,
            Ok(None) => self.end(worker, namespace, now, out, ResultCode::Ok),
            Err(Failure::Gone) => self.end(worker, namespace, now, out, ResultCode::IndexNotFound),
            Err(Failure::Elsewhere) => self.end(worker, namespace, now, out, ResultCode::Unavailable),
            Err(Failure::Function(text)) => {
                let text = OwnedParticle { kind: ParticleType::String, bytes: text.into_bytes() };
                message(out, FAILURE, Some(&text));
                self.end(worker, namespace, now, out, ResultCode::ServerError)
            }
        };
        self.job.net_io_bytes.fetch_add((out.len() - started) as u64, Ordering::Relaxed);
        step
    }

    /// None at the end.
    fn run(
        &mut self,
        node: &Node,
        worker: &mut Worker,
        now: Now,
        out: &mut Vec<u8>,
        limit: usize,
    ) -> Result<Option<Step>, Failure> {
        let (mut lease, stream) = match self.stream.take() {
            Some(stream) => stream,
            None => self.open(node, now)?,
        };
        let namespace = &node.namespaces()[self.namespace];
        let (mut looks, mut instructions) = (0, 0_u64);
        let outcome = loop {
            while instructions < SLICE_INSTRUCTIONS
                && let Some(record) = self.copies.pop_front()
            {
                let results = lease.push(&stream, record, moment(now)).map_err(failed)?;
                results.iter().for_each(|value| message(out, SUCCESS, value.as_ref()));
                instructions = instructions.saturating_add(lease.instructions());
            }
            if looks >= SLICE_LOOKS || out.len() >= limit || instructions >= SLICE_INSTRUCTIONS {
                break Some(Step::More);
            }
            let Some(reading) = self.walk.present() else { break None };
            looks += PARTITION_LOOKS + LOCK_RECORDS / 8;
            let wait = self.collect(worker, namespace, &reading, now)?;
            looks += self.copies.len();
            if let Some(until) = wait.filter(|_| self.copies.is_empty()) {
                break Some(Step::WaitUntilMono(until));
            }
        };
        if outcome.is_none() {
            let results = lease.finish(&stream, moment(now)).map_err(failed)?;
            results.iter().for_each(|value| message(out, SUCCESS, value.as_ref()));
        }
        if let Ok(request) = Request::decode(&self.body) {
            node.functions.note(request.fields.udf_package.unwrap_or_default(), lease.take_log());
        }
        self.stream = Some((lease, stream));
        Ok(outcome)
    }

    /// Calls the stream function.
    fn open(&self, node: &Node, now: Now) -> Result<(Lease, StreamRun), Failure> {
        let missing = || Failure::Function(NO_MODULE.to_owned());
        let request = Request::decode(&self.body).map_err(|_| missing())?;
        let fields = &request.fields;
        let module = fields.udf_package.unwrap_or_default();
        let mut lease = node.functions.take(node.config(), module).map_err(|error| match error {
            LoadError::NoModule => missing(),
            LoadError::Failed(text) => failed(text),
        })?;
        let function = String::from_utf8_lossy(fields.udf_function.unwrap_or_default());
        let args = fields.udf_args.unwrap_or_default();
        let stream = lease.open(&function, args, moment(now)).map_err(failed)?;
        Ok((lease, stream))
    }

    /// Copies matching records of the present part, under one lock. Says when to go on if the pace says to wait.
    fn collect(
        &mut self,
        worker: &mut Worker,
        namespace: &Namespace,
        reading: &Reading,
        now: Now,
    ) -> Result<Option<u64>, Failure> {
        let stripe = namespace.stripe_at(reading.stripe());
        if !reading.is_there() {
            return Err(Failure::Gone);
        }
        if !self.walk.foreign(&stripe, &namespace.holdings).is_empty() {
            return Err(Failure::Elsewhere);
        }
        let mut bytes = 0;
        for (seen, met) in reading.records(&stripe, self.sets).enumerate() {
            if seen >= LOCK_RECORDS || bytes >= LOCK_BYTES {
                return Ok(None);
            }
            if let Some(record) = &met.record
                && self.sets.holds(record.meta().set)
                && namespace.is_live(record, now)
                && reading.selects(namespace, met.bval, record)
            {
                if let Some(until) = self.pace.wait_until(now) {
                    return Ok(Some(until));
                }
                bytes += record.size();
                self.take(worker, namespace, record, now);
            }
            self.walk.passed(&met);
        }
        let finished = self.walk.finish_part();
        self.job.partitions_done.fetch_add(finished, Ordering::Relaxed);
        Ok(None)
    }

    /// Copies one record if the filter lets it through.
    fn take(&mut self, worker: &mut Worker, namespace: &Namespace, record: &RecordRef<'_>, now: Now) {
        self.pace.count();
        let set = worker.set_name(namespace, record.meta().set).to_vec();
        let passed = self.filter.as_ref().is_none_or(|filter| {
            let header = view::Header::stored(record, &set);
            let view = view::StoredView { record, header: &header };
            filter.filter(&view, view::clock(now)) == Truth::True
        });
        let counter = if passed { &self.job.recs_succeeded } else { &self.job.recs_filtered_bins };
        counter.fetch_add(1, Ordering::Relaxed);
        let throttled = u64::from(self.pace.is_limited());
        self.job.recs_throttled.fetch_add(throttled, Ordering::Relaxed);
        if passed {
            self.copies.push_back(lua_record(namespace, record, &set, now));
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
        self.stream = None;
        reply::last(out, result);
        let counters = worker.counters(namespace);
        let (ok, aborted) = (result == ResultCode::Ok, result == ResultCode::QueryAborted);
        let counter = match self.walk.is_indexed() {
            false if ok => &counters.pi_query_aggr_complete,
            false if aborted => &counters.pi_query_aggr_abort,
            false => &counters.pi_query_aggr_error,
            true if ok => &counters.si_query_aggr_complete,
            true if aborted => &counters.si_query_aggr_abort,
            true => &counters.si_query_aggr_error,
        };
        counter.inc();
        let status = match (ok, aborted) {
            (true, _) => JobStatus::DoneOk,
            (false, true) => JobStatus::UserAborted,
            (false, false) => JobStatus::Failed,
        };
        self.job.finish(status, now.mono_ns);
        Step::Done
    }
}

impl Drop for Aggregate {
    fn drop(&mut self) {
        if !self.done {
            self.job.finish(JobStatus::ConnectionLost, self.seen_mono_ns);
        }
    }
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn failed(error: impl ToString) -> Failure {
    Failure::Function(format!("UDF: Execution Error 2 : {}", error.to_string()))
}

/// Appends one result as a message in a frame of its own.
fn message(out: &mut Vec<u8>, name: &[u8], value: Option<&OwnedParticle>) {
    let mark = reply::begin_frame(out);
    reply::header(out, &ReplyHeader { op_count: 1, ..ReplyHeader::default() });
    let (kind, bytes) = value.map_or((0, &[][..]), |value| (value.kind.number(), &value.bytes));
    reply::op(out, op::READ, kind, name, bytes);
    reply::end_frame(out, mark);
}
