//! Batches: many commands in one request.
//!
//! Guarantees: rows are executed in the order sent, but for those that other nodes master and those whose functions take
//! long, and a batch whose bytes do not make sense executes none. The
//! answer of a large batch is streamed in slices of bounded size where the client lets rows and verdict be separate.
//! Source: `guide/protocol.md` parts 4.1 and 4.2.

use crate::cluster::{Answer, Foreign};
use crate::command::{Command, Kind, Origin, Place, run};
use crate::config::ServiceKey;
use crate::node::Node;
use crate::now::Now;
use crate::peer::Executed;
use crate::query::{QueryJob, Step};
use crate::timing::{Histogram, Timing};
use crate::worker::Worker;
use shipload_value::Digest;
use shipload_wire::bits::{batch, info2};
use shipload_wire::code::ResultCode;
use shipload_wire::{Batch, Request, Row, reply};

/// Rows that are executed before other connections get their turn.
const SLICE_ROWS: usize = 4096;
/// Instructions of functions after which other connections get their turn: a few milliseconds.
const SLICE_INSTRUCTIONS: u64 = 1_000_000;
/// Bytes of answer after which the rest of a batch waits for room on the connection.
const SLICE_BYTES: usize = 1 << 20;
/// An answer that cannot be streamed may not grow above this.
const WHOLE_MAX: usize = 64 << 20;

/// How a batch answers rows that fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnError {
    /// Every row is answered, the last message says 0.
    AnswerAll,
    /// Every row is answered, the last message carries the last bad code.
    AnswerAllAndTell,
    /// The answer is one message with the first bad code.
    CodeOnly,
}

impl OnError {
    fn of(flags: u8) -> OnError {
        if flags & batch::RESPOND_ALL_KEYS != 0 {
            OnError::AnswerAll
        } else if flags & batch::ERROR_ACTION != 0 {
            OnError::AnswerAllAndTell
        } else {
            OnError::CodeOnly
        }
    }

    /// Remembers a row's code when it is a real error: a missing record or a false filter is none.
    pub(crate) fn note(self, bad: &mut Option<ResultCode>, code: ResultCode) {
        if matches!(code, ResultCode::Ok | ResultCode::NotFound | ResultCode::FilteredOut) {
            return;
        }
        match self {
            OnError::AnswerAll => {}
            OnError::AnswerAllAndTell => *bad = Some(code),
            OnError::CodeOnly => {
                bad.get_or_insert(code);
            }
        }
    }

    /// Appends a whole answer with these rows (messages without a frame).
    pub(crate) fn finish(self, rows: &[u8], bad: Option<ResultCode>, out: &mut Vec<u8>) {
        let result = bad.unwrap_or(ResultCode::Ok);
        if self == OnError::CodeOnly && bad.is_some() {
            return reply::last(out, result);
        }
        let mark = reply::begin_frame(out);
        out.extend_from_slice(rows);
        let info3 = shipload_wire::bits::info3::LAST;
        reply::header(out, &reply::ReplyHeader { info3, result, ..reply::ReplyHeader::default() });
        reply::end_frame(out, mark);
    }
}

/// A batch under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Progress {
    next_row: usize,
    on_error: OnError,
    /// The first or last bad code, whichever `on_error` wants.
    bad: Option<ResultCode>,
}

/// The rest of a batch whose answer did not fit into one slice.
#[derive(Debug)]
pub(crate) struct BatchJob {
    body: Vec<u8>,
    progress: Progress,
}

/// The place of whole batches in the histograms.
pub(crate) const TIMING: Timing = Timing { namespace: 0, histogram: Histogram::BatchIndex };

/// Executes a batch request; `body` is the message that `request` was decoded from.
pub(crate) fn execute(
    node: &Node,
    worker: &mut Worker,
    body: &[u8],
    request: &Request<'_>,
    now: Now,
    out: &mut Vec<u8>,
) -> Executed {
    worker.node_counters().batch_index_initiate.inc();
    let batch = match check(node, request) {
        Ok(batch) => batch,
        Err(code) => {
            worker.node_counters().batch_index_error.inc();
            reply::last(out, code);
            return Executed::Done { timing: Some(TIMING) };
        }
    };
    let mut progress = Progress { next_row: 0, on_error: OnError::of(batch.flags), bad: None };
    let slice = Slice { node, now, filter: request.fields.filter, room: SLICE_BYTES };
    if node.cluster.is_joined() && slice.needs_others(&batch) {
        return slice.run_with_others(worker, &batch, progress, out);
    }
    match slice.run(worker, &batch, &mut progress, out) {
        Step::Done => Executed::Done { timing: Some(TIMING) },
        Step::More | Step::WaitUntilMono(_) => {
            Executed::Query(Box::new(QueryJob::batch(BatchJob { body: body.to_vec(), progress })))
        }
    }
}

impl BatchJob {
    /// Executes some more rows.
    pub(crate) fn step(
        &mut self,
        node: &Node,
        worker: &mut Worker,
        now: Now,
        out: &mut Vec<u8>,
        room: usize,
    ) -> Step {
        let decoded = Request::decode(&self.body).ok();
        let batch = decoded.as_ref().and_then(|request| Batch::decode(request.fields.batch?).ok());
        let (Some(request), Some(batch)) = (&decoded, batch) else { return Step::Done };
        let room = room.clamp(1, SLICE_BYTES);
        let slice = Slice { node, now, filter: request.fields.filter, room };
        slice.run(worker, &batch, &mut self.progress, out)
    }
}

/// Checks everything that refuses a whole batch.
fn check<'a>(node: &Node, request: &Request<'a>) -> Result<Batch<'a>, ResultCode> {
    let field = request.fields.batch.ok_or(ResultCode::Parameter)?;
    let batch = Batch::decode(field).map_err(|error| error.result_code())?;
    let most = node.config().service.number(ServiceKey::BatchMaxRequests);
    if most != 0 && u64::from(batch.count) > most {
        return Err(ResultCode::BatchTooManyKeys);
    }
    for row in batch.rows() {
        let row = row.map_err(|error| error.result_code())?;
        row.fields.namespace.and_then(|name| node.namespace(name)).ok_or(ResultCode::Parameter)?;
    }
    Ok(batch)
}

/// What one slice of a batch works with.
struct Slice<'a> {
    node: &'a Node,
    now: Now,
    filter: Option<&'a [u8]>,
    room: usize,
}

impl Slice<'_> {
    fn run(
        &self,
        worker: &mut Worker,
        batch: &Batch<'_>,
        progress: &mut Progress,
        out: &mut Vec<u8>,
    ) -> Step {
        let mark = reply::begin_frame(out);
        let whole = progress.on_error == OnError::CodeOnly;
        let most_instructions = worker.instructions.saturating_add(SLICE_INSTRUCTIONS);
        for (done, row) in batch.rows().skip(progress.next_row).enumerate() {
            let grown = out.len() - mark.start();
            let enough = done >= SLICE_ROWS || worker.instructions > most_instructions;
            if !whole && (grown >= self.room || enough) {
                reply::end_frame(out, mark);
                return Step::More;
            }
            progress.next_row += 1;
            let Ok(row) = row else { break };
            let kept = out.len();
            let code = self.row(worker, &row, out);
            progress.on_error.note(&mut progress.bad, code);
            if whole && (progress.bad.is_some() || grown > WHOLE_MAX) {
                out.truncate(kept);
                progress.bad.get_or_insert(ResultCode::BatchQueuesFull);
            }
        }
        finish(worker, progress, out, mark)
    }

    /// Whether the batch cannot be streamed, because it writes (its answer waits for copies) or has rows for others.
    fn needs_others(&self, batch: &Batch<'_>) -> bool {
        let namespace = |row: &Row<'_>| row.fields.namespace.and_then(|name| self.node.namespace(name));
        batch.rows().flatten().any(|row| {
            let writes = row.info2 & info2::WRITE != 0;
            writes
                || namespace(&row).is_some_and(|ns| {
                    ns.holdings.is_gathering()
                        || !ns.holdings.is_served_by(self.node.id(), Digest(*row.digest).partition())
                })
        })
    }

    /// Whether this node masters the partition of a row.
    fn masters(&self, row: &Row<'_>) -> bool {
        let namespace = row.fields.namespace.and_then(|name| self.node.namespace(name));
        let partition = Digest(*row.digest).partition();
        namespace.is_some_and(|namespace| namespace.holdings.master(partition) == Some(self.node.id()))
    }

    /// Executes all rows at once; those that other nodes master are handed on, those whose functions take long are handed
    /// over.
    fn run_with_others(
        &self,
        worker: &mut Worker,
        batch: &Batch<'_>,
        mut progress: Progress,
        out: &mut Vec<u8>,
    ) -> Executed {
        let start = out.len();
        let mut foreign = Foreign::default();
        let most_instructions = worker.instructions.saturating_add(SLICE_INSTRUCTIONS);
        worker.allow_hand_over(&self.node.functions);
        for row in batch.rows().flatten() {
            let enough = worker.may_hand_over && worker.instructions > most_instructions;
            if enough && row.fields.udf_function.is_some() && self.masters(&row) {
                foreign.add_own(&row, false);
                continue;
            }
            let kept = out.len();
            let code = self.row(worker, &row, out);
            if std::mem::take(&mut worker.hands_over) {
                out.truncate(kept);
                foreign.add_own(&row, true);
            } else if code == ResultCode::Unavailable {
                out.truncate(kept);
                if let Some(namespace) = row.fields.namespace.and_then(|name| self.node.namespace(name)) {
                    self.node.ask_copies(worker, namespace, &Digest(*row.digest), self.now);
                }
                foreign.add(self.node, &row);
            } else {
                progress.on_error.note(&mut progress.bad, code);
            }
            if out.len() - start > WHOLE_MAX {
                progress.on_error = OnError::CodeOnly;
                progress.bad.get_or_insert(ResultCode::BatchQueuesFull);
                break;
            }
        }
        worker.may_hand_over = false;
        let rows = out.split_off(start);
        let Progress { on_error, bad, .. } = progress;
        worker.node_counters().batch_index_complete.inc();
        if foreign.is_empty() {
            on_error.finish(&rows, bad, out);
            return Executed::Done { timing: Some(TIMING) };
        }
        let answer = Answer::Batch { rows, on_error, bad };
        self.node.hand_on_rows(worker, foreign, answer, self.filter, self.now, out)
    }

    /// Executes one row; says its code.
    fn row(&self, worker: &mut Worker, row: &Row<'_>, out: &mut Vec<u8>) -> ResultCode {
        let Some(namespace) = row.fields.namespace.and_then(|name| self.node.namespace(name)) else {
            return ResultCode::Parameter;
        };
        let command = Command {
            info1: row.info1,
            info2: row.info2,
            info3: row.info3,
            info4: row.info4,
            generation: row.generation.map_or(0, u32::from),
            ttl: row.ttl.unwrap_or(0),
            digest: Digest(*row.digest),
            fields: &row.fields,
            set: row.fields.set.unwrap_or_default(),
            filter: row.fields.filter.or(self.filter),
            ops: row.ops.clone(),
            row: row.index,
        };
        let place = Place { node: self.node, namespace, now: self.now };
        let (code, _kind): (ResultCode, Kind) = run(place, worker, &command, Origin::Batch, out);
        code
    }
}

fn finish(worker: &Worker, progress: &Progress, out: &mut Vec<u8>, mark: reply::Mark) -> Step {
    let result = progress.bad.unwrap_or(ResultCode::Ok);
    if progress.on_error == OnError::CodeOnly && progress.bad.is_some() {
        out.truncate(mark.start());
        reply::last(out, result);
        worker.node_counters().batch_index_error.inc();
        return Step::Done;
    }
    let info3 = shipload_wire::bits::info3::LAST;
    reply::header(out, &reply::ReplyHeader { info3, result, ..reply::ReplyHeader::default() });
    reply::end_frame(out, mark);
    worker.node_counters().batch_index_complete.inc();
    Step::Done
}
