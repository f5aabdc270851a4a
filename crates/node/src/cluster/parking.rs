//! Requests whose answers wait: for copies of a write, for another node's answer.
//!
//! Guarantees: a parked request is answered exactly once, when all that it waits for has happened or its time is over.
//! What it waits for may happen before it is parked, because other threads do it: that is remembered.

use super::outgoing::{Outgoing, Reply, Requester};
use crate::batch::OnError;
use crate::timing::Timing;
use parking_lot::Mutex;
use shipload_cluster::NodeId;
use shipload_cluster::fabric::Message;
use shipload_wire::code::ResultCode;
use shipload_wire::response::messages_with_bytes;
use shipload_wire::{Cut, Limits, frame, reply};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

const SHELVES: usize = 16;

/// Names a request that is, or will be, parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ticket(pub(crate) u64);

/// One of the things that a parked request waits for.
#[derive(Debug)]
pub(super) enum Event {
    /// A write is on all copies that count.
    Held,
    /// Nobody knows whether a write will last.
    InDoubt,
    /// Another node's answer: complete frames, none when nobody would answer.
    Answered(Vec<u8>),
}

/// What the answer will be.
#[derive(Debug)]
pub(crate) enum Answer {
    /// This, in complete frames; replaced by another node's answer if there is one.
    Whole(Vec<u8>),
    /// This, whatever happens or does not happen in time.
    Anyway(Vec<u8>),
    /// The rows of a batch, some of them from other nodes.
    Batch {
        /// Messages without frames.
        rows: Vec<u8>,
        /// How the batch answers rows that fail.
        on_error: OnError,
        /// The first or last bad code so far.
        bad: Option<ResultCode>,
    },
}

impl Answer {
    /// Whether this is a batch that answers all its rows and has none yet.
    pub(super) fn is_untouched(&self) -> bool {
        matches!(self, Answer::Batch { rows, on_error: OnError::AnswerAll, bad: None } if rows.is_empty())
    }
}

/// A parked request.
#[derive(Debug)]
pub(crate) struct Parked {
    pub(crate) requester: Requester,
    pub(crate) answer: Answer,
    /// How many events it waits for.
    pub(crate) outstanding: u32,
    /// It is answered as timed out then, monotonic nanoseconds.
    pub(crate) deadline_mono_ns: u64,
    pub(crate) timing: Option<Timing>,
    pub(crate) began_mono_ns: u64,
}

#[derive(Debug)]
enum Place {
    /// Not parked yet.
    Early(Vec<Event>),
    Parked(Parked),
}

/// All parked requests of a node.
#[derive(Debug)]
pub(crate) struct Parking {
    me: NodeId,
    shelves: [Mutex<BTreeMap<Ticket, Place>>; SHELVES],
    last: AtomicU64,
}

impl Parking {
    pub(super) fn new(me: NodeId) -> Parking {
        Parking { me, shelves: std::array::from_fn(|_| Mutex::default()), last: AtomicU64::new(0) }
    }

    /// A ticket for a request that may have to be parked.
    pub(crate) fn ticket(&self) -> Ticket {
        Ticket(self.last.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn shelf(&self, ticket: Ticket) -> &Mutex<BTreeMap<Ticket, Place>> {
        let number = usize::try_from(ticket.0 % SHELVES as u64).unwrap_or(0);
        &self.shelves[number]
    }

    /// Parks a request. When everything that it waits for has happened already it is given back at once.
    pub(crate) fn park(&self, ticket: Ticket, mut parked: Parked) -> Option<Parked> {
        let mut shelf = self.shelf(ticket).lock();
        if let Some(Place::Early(events)) = shelf.remove(&ticket) {
            events.into_iter().for_each(|event| parked.take(event));
        }
        if parked.outstanding == 0 {
            return Some(parked);
        }
        shelf.insert(ticket, Place::Parked(parked));
        None
    }

    /// Something that a request waits for has happened.
    pub(super) fn happened(&self, ticket: Ticket, event: Event, out: &mut Outgoing) {
        // Not in one expression: the shelf would stay locked while its answer goes on, perhaps to the same shelf.
        let completed = note(&mut self.shelf(ticket).lock(), ticket, event);
        if let Some(parked) = completed {
            self.deliver(parked.into_reply(), out);
        }
    }

    /// The same, if the request is still here: gives it back when it waits for nothing more.
    fn happened_to_known(&self, ticket: Ticket, event: Event) -> Option<Parked> {
        let mut shelf = self.shelf(ticket).lock();
        if shelf.contains_key(&ticket) { note(&mut shelf, ticket, event) } else { None }
    }

    /// Another node has answered; not for a request that is not here any more.
    pub(super) fn answered(&self, ticket: Ticket, frames: &[u8], out: &mut Outgoing) {
        if let Some(parked) = self.happened_to_known(ticket, Event::Answered(frames.to_vec())) {
            self.deliver(parked.into_reply(), out);
        }
    }

    /// Nobody will ever know what became of a part of a request that is still here.
    pub(super) fn doubted(&self, ticket: Ticket, out: &mut Outgoing) {
        if let Some(parked) = self.happened_to_known(ticket, Event::InDoubt) {
            self.deliver(parked.into_reply(), out);
        }
    }

    /// Answers those whose time is over.
    pub(super) fn expire(&self, mono_ns: u64, out: &mut Outgoing) {
        for shelf in &self.shelves {
            let over = |place: &mut Place| match place {
                Place::Parked(parked) => parked.deadline_mono_ns <= mono_ns,
                Place::Early(_) => false,
            };
            let gone: Vec<_> = shelf.lock().extract_if(.., |_, place| over(place)).collect();
            for (_, place) in gone {
                if let Place::Parked(mut parked) = place {
                    parked.doubt();
                    self.deliver(parked.into_reply(), out);
                }
            }
        }
    }

    /// How many requests wait.
    pub(crate) fn len(&self) -> usize {
        self.shelves.iter().map(|shelf| shelf.lock().len()).sum()
    }

    /// Gives somebody an answer, wherever he is. A part of a request of this very node may complete the request.
    pub(crate) fn deliver(&self, reply: Reply, out: &mut Outgoing) {
        // Not by recursion: a request that has to be tried often may be part of a part of a part.
        let mut next = Some(reply);
        while let Some(reply) = next.take() {
            match reply.requester {
                Requester::Nobody => {}
                Requester::Client { .. } => out.replies.push(reply),
                Requester::Node { node, id, .. } if node == self.me => {
                    let completed = self.happened_to_known(Ticket(id), Event::Answered(reply.frames));
                    next = completed.map(Parked::into_reply);
                }
                Requester::Node { node, id, .. } => {
                    out.fabric.push((node, Message::ProxyReply { id, frames: reply.frames.into() }));
                }
            }
        }
    }
}

/// Notes what happened to a request; gives it back when it waits for nothing more.
fn note(shelf: &mut BTreeMap<Ticket, Place>, ticket: Ticket, event: Event) -> Option<Parked> {
    match shelf.get_mut(&ticket) {
        None => drop(shelf.insert(ticket, Place::Early(vec![event]))),
        Some(Place::Early(events)) => events.push(event),
        Some(Place::Parked(parked)) => {
            parked.take(event);
            if parked.outstanding == 0
                && let Some(Place::Parked(parked)) = shelf.remove(&ticket)
            {
                return Some(parked);
            }
        }
    }
    None
}

impl Parked {
    fn take(&mut self, event: Event) {
        self.outstanding = self.outstanding.saturating_sub(1);
        match (event, &mut self.answer) {
            (Event::Held, _) | (Event::Answered(_), Answer::Anyway(_)) => {}
            (Event::InDoubt, _) => self.doubt(),
            (Event::Answered(frames), Answer::Whole(whole)) => {
                *whole = frames;
                if whole.is_empty() {
                    reply::simple(whole, ResultCode::Unavailable, 0, 0);
                }
            }
            (Event::Answered(frames), Answer::Batch { rows, on_error, bad }) => {
                // Nothing hides that nobody knows what became of another part.
                if !take_rows(&frames, rows, *on_error, bad) && *bad != Some(ResultCode::Timeout) {
                    *bad = Some(ResultCode::Unavailable);
                }
            }
        }
    }

    /// Nobody knows what became of it.
    fn doubt(&mut self) {
        match &mut self.answer {
            Answer::Anyway(_) => {}
            Answer::Whole(whole) => {
                whole.clear();
                reply::simple(whole, ResultCode::Timeout, 0, 0);
            }
            Answer::Batch { bad, on_error, .. } => {
                *on_error = OnError::CodeOnly;
                *bad = Some(ResultCode::Timeout);
            }
        }
    }

    fn into_reply(self) -> Reply {
        let (requester, timing, began_mono_ns) = (self.requester, self.timing, self.began_mono_ns);
        Reply { requester, frames: self.frames(), timing, began_mono_ns }
    }

    /// The complete answer.
    pub(super) fn frames(self) -> Vec<u8> {
        match self.answer {
            Answer::Whole(whole) | Answer::Anyway(whole) => whole,
            Answer::Batch { rows, on_error, bad } => {
                let mut out = Vec::with_capacity(rows.len() + 64);
                on_error.finish(&rows, bad, &mut out);
                out
            }
        }
    }
}

/// Takes the rows out of another node's answer to a part of a batch. False when it is none.
fn take_rows(frames: &[u8], rows: &mut Vec<u8>, on_error: OnError, bad: &mut Option<ResultCode>) -> bool {
    let mut rest = frames;
    let mut ended = false;
    while let Cut::Frame { frame, consumed } = frame::cut(rest, &Limits::default()) {
        for message in messages_with_bytes(frame.body) {
            let Ok((message, bytes)) = message else { return false };
            if message.is_last() {
                ended = true;
            } else {
                rows.extend_from_slice(bytes);
                if let Some(code) = message.result() {
                    on_error.note(bad, code);
                }
            }
        }
        rest = rest.get(consumed..).unwrap_or_default();
    }
    ended
}

#[cfg(test)]
mod tests {
    use super::{Answer, Event, Outgoing, Parked, Parking, Requester, SHELVES, Ticket};
    use crate::batch::OnError;
    use shipload_cluster::NodeId;
    use shipload_wire::code::ResultCode;
    use shipload_wire::reply;

    fn parked(requester: Requester) -> Parked {
        let answer = Answer::Batch { rows: Vec::new(), on_error: OnError::AnswerAll, bad: None };
        Parked { requester, answer, outstanding: 1, deadline_mono_ns: 1, timing: None, began_mono_ns: 0 }
    }

    /// A part of a request may lie on the shelf of the request itself.
    #[test]
    fn an_answer_reaches_a_request_on_the_same_shelf() {
        let (said, heard) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let me = NodeId(1);
            let parking = Parking::new(me);
            let (whole, part) = (Ticket(1), Ticket(1 + SHELVES as u64));
            let client = Requester::Client { thread: 0, slot: 7, serial: 1 };
            let of_whole = Requester::Node { node: me, id: whole.0, hops: 0 };
            assert!(
                parking.park(whole, parked(client)).is_none()
                    && parking.park(part, parked(of_whole)).is_none()
            );
            let mut out = Outgoing::default();
            parking.happened(part, Event::Held, &mut out);
            said.send(out.replies.len()).unwrap();
        });
        assert_eq!(heard.recv_timeout(std::time::Duration::from_secs(20)), Ok(1));
    }

    /// Who asks again for what was not done must not do so for what may have been done.
    #[test]
    fn a_part_in_doubt_is_not_hidden_by_one_that_was_not_done() {
        for doubt_first in [true, false] {
            let parking = Parking::new(NodeId(1));
            let client = Requester::Client { thread: 0, slot: 7, serial: 1 };
            let ticket = parking.ticket();
            assert!(parking.park(ticket, Parked { outstanding: 2, ..parked(client) }).is_none());
            let mut out = Outgoing::default();
            if doubt_first {
                parking.doubted(ticket, &mut out);
                parking.answered(ticket, &[], &mut out);
            } else {
                parking.answered(ticket, &[], &mut out);
                parking.doubted(ticket, &mut out);
            }
            let mut wanted = Vec::new();
            reply::last(&mut wanted, ResultCode::Timeout);
            assert_eq!(out.replies.iter().map(|reply| &reply.frames).collect::<Vec<_>>(), [&wanted]);
        }
    }

    /// Parts of parts, as deep as never before, need no deep stack.
    #[test]
    fn an_answer_goes_through_any_number_of_parts() {
        let me = NodeId(1);
        let parking = Parking::new(me);
        let client = Requester::Client { thread: 0, slot: 7, serial: 1 };
        let mut requester = client;
        for _ in 0..100_000 {
            let ticket = parking.ticket();
            assert!(parking.park(ticket, parked(requester)).is_none(), "it waits for one event");
            requester = Requester::Node { node: me, id: ticket.0, hops: 0 };
        }
        let mut frames = Vec::new();
        reply::last(&mut frames, ResultCode::Ok);
        let mut out = Outgoing::default();
        parking.answered(Ticket(100_000), &frames, &mut out);
        assert_eq!(out.replies.iter().map(|reply| reply.requester).collect::<Vec<_>>(), [client]);
        assert_eq!((parking.len(), &out.replies[0].frames), (0, &frames));
    }
}
