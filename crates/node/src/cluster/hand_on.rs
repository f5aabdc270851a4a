//! Requests for partitions that another node masters: handed on over the fabric, the answer relayed.
//!
//! A client whose map is old is served, not failed. While nobody is known to master a partition, or this node is just
//! becoming its master, or has to ask other copies for the record first, the request waits here instead.

use super::batch_rows::Foreign;
use super::deferred::Deferred;
use super::errands::Errand;
use super::outgoing::Requester;
use super::parking::{Answer, Ticket};
use crate::batch;
use crate::namespace::Namespace;
use crate::node::Node;
use crate::now::Now;
use crate::peer::Executed;
use crate::worker::Worker;
use shipload_cluster::NodeId;
use shipload_cluster::fabric::Message;
use shipload_value::Digest;
use shipload_wire::code::ResultCode;
use shipload_wire::{frame, reply};

/// A request is handed on at most so often: a partition that is being handed over may need two.
const HOPS_MAX: u8 = 4;
/// Where a frame of one command has its second byte of bits: those are about writing.
const INFO2_AT: usize = frame::HEADER_SIZE + 2;

impl Node {
    /// Hands a request for one record on to the partition's master. `body` is the message.
    pub(crate) fn hand_on(
        &self,
        worker: &mut Worker,
        namespace: &Namespace,
        digest: Digest,
        body: &[u8],
        now: Now,
        out: &mut Vec<u8>,
    ) -> Executed {
        if !worker.waiting.may_wait() {
            reply::simple(out, ResultCode::Unavailable, 0, 0);
            return Executed::Done { timing: None };
        }
        let mut request = Vec::with_capacity(frame::HEADER_SIZE + body.len());
        request.extend_from_slice(&frame::header(frame::MESSAGE, body.len()));
        request.extend_from_slice(body);
        self.ask_copies(worker, namespace, &digest, now);
        match self.next_hop(worker, namespace.holdings.master(digest.partition())) {
            Some((master, hops)) => {
                let ticket = worker.waiting.wait(self);
                let writes = request.get(INFO2_AT).is_some_and(|info2| *info2 != 0);
                self.send_on(worker, master, ticket, hops, request, writes, now);
                worker.counters(namespace).client_proxy_complete.inc();
                self.park_with(worker, Answer::Whole(Vec::new()), None, now, out)
            }
            None => self.defer(worker, worker.waiting.requester, request, now, out),
        }
    }

    /// Lets the copies of a record be asked that are not gathered yet, if that is what a request has to wait for here.
    pub(crate) fn ask_copies(&self, worker: &mut Worker, namespace: &Namespace, digest: &Digest, now: Now) {
        if namespace.holdings.master(digest.partition()) != Some(self.id()) {
            return;
        }
        let effects = worker.waiting.effects_of(namespace.index);
        if let Some(migration) = namespace.migration.lock().as_mut() {
            migration.resolve(now.mono_ms(), digest, effects);
        }
    }

    /// Whether a request goes on to this master, and how often it was handed on then; none when it should wait here.
    fn next_hop(&self, worker: &Worker, master: Option<NodeId>) -> Option<(NodeId, u8)> {
        let hops = worker.waiting.requester.hops();
        master.filter(|master| *master != self.id() && hops < HOPS_MAX).map(|master| (master, hops + 1))
    }

    /// Hands some rows of a batch on, each to the master of its partition, and parks the answer until all are back.
    pub(crate) fn hand_on_rows(
        &self,
        worker: &mut Worker,
        mut foreign: Foreign,
        answer: Answer,
        filter: Option<&[u8]>,
        now: Now,
        out: &mut Vec<u8>,
    ) -> Executed {
        let (requester, hops) = (worker.waiting.requester, worker.waiting.requester.hops());
        let own = foreign.take_own(filter);
        let mut requests = foreign.into_requests(filter);
        let is_part = matches!(requester, Requester::Node { .. }) && answer.is_untouched();
        if is_part
            && own.is_empty()
            && requests.len() == 1
            && requests.iter().all(|(master, ..)| self.next_hop(worker, *master).is_none())
            && let Some((.., request)) = requests.pop()
        {
            // None of its rows was done: it waits as what it is, not as a part of itself.
            return self.defer(worker, requester, request, now, out);
        }
        for (master, writes, request) in requests {
            let ticket = worker.waiting.wait(self);
            match self.next_hop(worker, master) {
                Some((master, hops)) => self.send_on(worker, master, ticket, hops, request, writes, now),
                None => {
                    // Answered by this very node, a little later.
                    let requester = Requester::Node { node: self.id(), id: ticket.0, hops };
                    let _waits = self.defer(worker, requester, request, now, &mut Vec::new());
                }
            }
        }
        if !worker.waiting.may_wait() {
            reply::last(out, ResultCode::Unavailable);
            return Executed::Done { timing: None };
        }
        let own = self.own_parts(worker, own, now);
        let executed = self.park_with(worker, answer, Some(batch::TIMING), now, out);
        self.hand_over_parts(worker, own);
        executed
    }

    #[expect(clippy::too_many_arguments, reason = "what a request is and where it goes")]
    fn send_on(
        &self,
        worker: &mut Worker,
        to: NodeId,
        ticket: Ticket,
        hops: u8,
        request: Vec<u8>,
        writes: bool,
        now: Now,
    ) {
        let until_mono_ns = worker.deferred_until.unwrap_or_else(|| Deferred::deadline(now));
        let errand = Errand { frame: request.clone(), hops: hops.saturating_sub(1), writes, until_mono_ns };
        self.cluster.errands.note(to, ticket, errand);
        worker.outgoing.fabric.push((to, Message::Proxy { id: ticket.0, hops, frame: request.into() }));
    }

    fn defer(
        &self,
        worker: &Worker,
        requester: Requester,
        frame: Vec<u8>,
        now: Now,
        out: &mut Vec<u8>,
    ) -> Executed {
        let until_mono_ns = worker.deferred_until.unwrap_or_else(|| Deferred::deadline(now));
        let tried = worker.deferred_until.is_some();
        if self.cluster.defer(Deferred { requester, frame, after_mono_ns: 0, until_mono_ns }, tried) {
            return Executed::Parked;
        }
        if !matches!(requester, Requester::Node { .. }) {
            reply::simple(out, ResultCode::Unavailable, 0, 0);
        }
        Executed::Done { timing: None }
    }
}
