//! Commands on one record: what a single request, a batch row, or a background query does to it.
//!
//! Guarantees: a command is atomic (on any error nothing is applied), and holds its stripe's lock from the first
//! look at the record to the last change. The message that answers it is appended as one header with operations;
//! framing is the caller's.
//!
//! ```text
//!  Command --shape--> Kind --read / write / delete / udf--> Verdict + operations --> one message
//!                             | policy (exists, generation, key, filter)
//!                             | apply (operations on the draft)
//! ```

mod answer;
mod apply;
mod cdt;
mod delete;
pub(crate) mod draft;
mod filter;
mod policy;
mod read;
pub(crate) mod refuse;
pub(crate) mod shape;
mod tally;
pub(crate) mod ttl;
mod udf;
pub(crate) mod view;
mod write;

pub(crate) use answer::Answer;
pub(crate) use filter::compile as compile_filter;
pub(crate) use read::project;
pub(crate) use shape::Kind;
pub(crate) use tally::Origin;
pub(crate) use udf::{FAILURE, NO_MODULE, SUCCESS, lua_record};

use crate::namespace::Namespace;
use crate::node::Node;
use crate::now::Now;
use crate::worker::Worker;
use shipload_cluster::replication::Commit;
use shipload_value::Digest;
use shipload_wire::bits::{info2, info3};
use shipload_wire::code::ResultCode;
use shipload_wire::reply::{self, ReplyHeader};
use shipload_wire::{Fields, Ops};

/// One command on one record, wherever it came from.
#[derive(Debug)]
pub(crate) struct Command<'a> {
    pub(crate) info1: u8,
    pub(crate) info2: u8,
    pub(crate) info3: u8,
    pub(crate) info4: u8,
    pub(crate) generation: u32,
    pub(crate) ttl: u32,
    pub(crate) digest: Digest,
    pub(crate) fields: &'a Fields<'a>,
    /// Name of the record's set.
    pub(crate) set: &'a [u8],
    /// The filter expression that counts: a row's own, or its batch's.
    pub(crate) filter: Option<&'a [u8]>,
    pub(crate) ops: Ops<'a>,
    /// Row of a batch, 0 otherwise; echoed in the answer.
    pub(crate) row: u32,
}

impl<'a> Command<'a> {
    pub(crate) fn has1(&self, bit: u8) -> bool {
        self.info1 & bit != 0
    }

    pub(crate) fn has2(&self, bit: u8) -> bool {
        self.info2 & bit != 0
    }

    pub(crate) fn has3(&self, bit: u8) -> bool {
        self.info3 & bit != 0
    }

    /// Which copies a write waits for.
    pub(crate) fn commit(&self) -> Commit {
        if self.has3(info3::COMMIT_MASTER) { Commit::Master } else { Commit::All }
    }
}

/// Where a command runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'n> {
    pub(crate) node: &'n Node,
    pub(crate) namespace: &'n Namespace,
    pub(crate) now: Now,
}

/// How a command ended, as its answer's header says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) result: ResultCode,
    pub(crate) generation: u32,
    pub(crate) void_time: u32,
}

impl Verdict {
    /// An ending that tells nothing about the record.
    pub(crate) fn bare(result: ResultCode) -> Verdict {
        Verdict { result, generation: 0, void_time: 0 }
    }

    /// An ending on a record with this metadata.
    pub(crate) fn on(result: ResultCode, meta: &shipload_store::Meta) -> Verdict {
        Verdict { result, generation: u32::from(meta.generation), void_time: meta.void_time }
    }
}

/// Executes a command and appends the message that answers it. Says how it ended and what kind it was.
pub(crate) fn run(
    place: Place<'_>,
    worker: &mut Worker,
    command: &Command<'_>,
    origin: Origin,
    out: &mut Vec<u8>,
) -> (ResultCode, Kind) {
    let mark = reply::header(out, &ReplyHeader::default());
    let mut answer = Answer::new(out, command);
    if origin == Origin::Batch && !command.has2(info2::WRITE) {
        answer = answer.into_reads();
    }
    let (kind, verdict) = match shape::classify(command) {
        Ok(kind) if place.exceeds_quota(command.set, Some(command.digest.partition())) => {
            (kind, Verdict::bare(ResultCode::QuotaExceeded))
        }
        Ok(kind) => (kind, dispatch(place, worker, command, (kind, origin), &mut answer)),
        Err(code) => (shape::presumed(command), Verdict::bare(code)),
    };
    if verdict.result == ResultCode::Unavailable {
        // Another node masters the partition: whoever called hands the command on.
        worker.tidy();
        return (verdict.result, kind);
    }
    if !matches!(verdict.result, ResultCode::Ok | ResultCode::Udf) {
        answer.clear();
    }
    let op_count = answer.count();
    let header = ReplyHeader {
        result: verdict.result,
        generation: verdict.generation,
        void_time: verdict.void_time,
        index: command.row,
        op_count,
        ..ReplyHeader::default()
    };
    reply::patch_header(out, mark, &header);
    tally::count(worker.counters(place.namespace), origin, kind, verdict.result);
    let changed = kind != Kind::Read && matches!(verdict.result, ResultCode::Ok | ResultCode::Udf);
    worker.uncommitted |= changed && place.namespace.durable.commits();
    worker.tidy();
    (verdict.result, kind)
}

fn dispatch(
    place: Place<'_>,
    worker: &mut Worker,
    command: &Command<'_>,
    (kind, origin): (Kind, Origin),
    answer: &mut Answer<'_>,
) -> Verdict {
    match kind {
        Kind::Read => read::run(place, worker, command, answer),
        Kind::Write => write::run(place, worker, command, answer),
        Kind::Delete => delete::run(place, worker, command),
        Kind::Udf => udf::run(place, worker, command, origin, answer),
    }
}
