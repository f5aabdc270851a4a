//! One frame in, its answer out: which door a frame goes through.

use crate::batch;
use crate::cluster::Answer;
use crate::command::{self, Command, Origin, Place, run};
use crate::compress;
use crate::info::{InfoContext, Spreading};
use crate::node::Node;
use crate::now::Now;
use crate::peer::{Executed, Peer};
use crate::query;
use crate::timing::{Histogram, Timing};
use crate::worker::Worker;
use shipload_value::Digest;
use shipload_wire::bits::{info1, info2};
use shipload_wire::code::ResultCode;
use shipload_wire::{Frame, Request, admin, frame, reply};

/// Executes one frame: appends its answer to `out` as complete frames.
pub(crate) fn execute(
    node: &Node,
    worker: &mut Worker,
    frame: &Frame<'_>,
    peer: &Peer,
    now: Now,
    out: &mut Vec<u8>,
) -> Executed {
    match frame.kind {
        frame::MESSAGE => {
            if may_write(frame.body) {
                node.namespaces().iter().for_each(|namespace| namespace.make_room(frame.body.len()));
            }
            message(node, worker, frame.body, peer, now, out)
        }
        frame::INFO => {
            worker.node_counters().info_complete.inc();
            info(node, worker, frame.body, &InfoContext::from(peer), now, out)
        }
        frame::ADMIN => {
            admin::simple(out, ResultCode::SecurityNotSupported);
            DONE
        }
        frame::COMPRESSED => compressed(node, worker, frame.body, peer, now, out),
        frame::RESERVED => refuse(out, ResultCode::Parameter),
        _ => Executed::Close,
    }
}

/// What a command makes known to all nodes is known to them when its answer leaves, if they can be reached: whoever
/// was told that a set is truncated may write to it through any node.
fn info(
    node: &Node,
    worker: &mut Worker,
    body: &[u8],
    context: &InfoContext,
    now: Now,
    out: &mut Vec<u8>,
) -> Executed {
    let start = out.len();
    let spreading = Spreading { ticket: worker.waiting.ticket_for_later(node), ..Spreading::default() };
    node.info_frame(body, context, now, &spreading, out);
    match (spreading.ticket, spreading.count.get()) {
        (Some(ticket), count) if count > 0 => {
            let answer = Answer::Anyway(out.split_off(start));
            node.park(worker, (ticket, count), answer, None, now, out)
        }
        _ => DONE,
    }
}

/// Whether a message may write, judged by its first bytes.
fn may_write(body: &[u8]) -> bool {
    let [_, info1, info2, ..] = body else { return false };
    info1 & info1::BATCH_INDEX != 0 || info2 & info2::WRITE != 0
}

const DONE: Executed = Executed::Done { timing: None };

/// Answers a message without fields and operations.
fn refuse(out: &mut Vec<u8>, code: ResultCode) -> Executed {
    reply::simple(out, code, 0, 0);
    DONE
}

/// A compressed request is executed as what it holds.
fn compressed(
    node: &Node,
    worker: &mut Worker,
    body: &[u8],
    peer: &Peer,
    now: Now,
    out: &mut Vec<u8>,
) -> Executed {
    let executed =
        compress::unpacked(worker, body, |worker, inner| message(node, worker, inner.body, peer, now, out));
    executed.unwrap_or_else(|error| {
        worker.node_counters().demarshal_error.inc();
        refuse(out, error.result_code())
    })
}

fn message(
    node: &Node,
    worker: &mut Worker,
    body: &[u8],
    peer: &Peer,
    now: Now,
    out: &mut Vec<u8>,
) -> Executed {
    let start = out.len();
    let executed = plain_message(node, worker, body, peer, now, out);
    if matches!(executed, Executed::Done { .. }) && compress::is_permitted(body) {
        compress::pack(out, start);
    }
    executed
}

fn plain_message(
    node: &Node,
    worker: &mut Worker,
    body: &[u8],
    peer: &Peer,
    now: Now,
    out: &mut Vec<u8>,
) -> Executed {
    let request = match Request::decode(body) {
        Ok(request) => request,
        Err(error) => {
            worker.node_counters().demarshal_error.inc();
            return refuse(out, error.result_code());
        }
    };
    if request.header.info1 & info1::BATCH_INDEX != 0 {
        return batch::execute(node, worker, body, &request, now, out);
    }
    let Some(namespace) = request.fields.namespace.and_then(|name| node.namespace(name)) else {
        worker.node_counters().early_tsvc_client_error.inc();
        return refuse(out, ResultCode::NamespaceNotFound);
    };
    let place = Place { node, namespace, now };
    match request.fields.digest {
        Some(digest) => match Digest::from_slice(digest) {
            Some(digest) => match single(worker, place, &request, digest, out) {
                Ok(executed) => executed,
                Err(Later::Elsewhere) => node.hand_on(worker, namespace, digest, body, now, out),
                Err(Later::Function) => {
                    let timing = Timing { namespace: namespace.index, histogram: Histogram::Udf };
                    node.hand_over(worker, body, timing, now, out)
                }
            },
            None => refuse(out, ResultCode::Parameter),
        },
        None if request.fields.key.is_some() => refuse(out, ResultCode::UnsupportedFeature),
        None if place.exceeds_quota(request.fields.set.unwrap_or_default(), None) => {
            refuse(out, ResultCode::QuotaExceeded)
        }
        None => query::start(node, worker, place, body, &request, peer, out),
    }
}

/// Why a command was not executed; nothing is appended.
enum Later {
    /// Another node masters the partition.
    Elsewhere,
    /// Its function takes long.
    Function,
}

fn single(
    worker: &mut Worker,
    place: Place<'_>,
    request: &Request<'_>,
    digest: Digest,
    out: &mut Vec<u8>,
) -> Result<Executed, Later> {
    let header = &request.header;
    let command = Command {
        info1: header.info1,
        info2: header.info2,
        info3: header.info3,
        info4: header.info4,
        generation: header.generation,
        ttl: header.record_ttl,
        digest,
        fields: &request.fields,
        set: request.fields.set.unwrap_or_default(),
        filter: request.fields.filter,
        ops: request.ops.clone(),
        row: 0,
    };
    let mark = reply::begin_frame(out);
    worker.allow_hand_over(&place.node.functions);
    let (result, kind) = run(place, worker, &command, Origin::Client, out);
    worker.may_hand_over = false;
    if std::mem::take(&mut worker.hands_over) {
        out.truncate(mark.start());
        return Err(Later::Function);
    }
    if result == ResultCode::Unavailable {
        out.truncate(mark.start());
        return Err(Later::Elsewhere);
    }
    reply::end_frame(out, mark);
    let histogram = match kind {
        command::Kind::Read => Histogram::Read,
        command::Kind::Write | command::Kind::Delete => Histogram::Write,
        command::Kind::Udf => Histogram::Udf,
    };
    Ok(Executed::Done { timing: Some(Timing { namespace: place.namespace.index, histogram }) })
}
