//! Requests for partitions that another node masters: handed on over the fabric, the answer relayed.
//!
//! A client whose map is old is served, not failed. While nobody is known to master a partition, or this node is just
//! becoming its master, the request waits here instead.

use super::batch_rows::Foreign;
use super::deferred::Deferred;
use super::outgoing::{Outgoing, Requester};
use super::parking::{Answer, Ticket};
use crate::batch;
use crate::namespace::Namespace;
use crate::node::Node;
use crate::now::Now;
use crate::peer::Executed;
use crate::worker::Worker;
use shipload_cluster::NodeId;
use shipload_cluster::fabric::Message;
use shipload_value::PartitionId;
use shipload_wire::code::ResultCode;
use shipload_wire::{frame, reply};

/// A request is handed on at most so often: a partition that is being handed over may need two.
const HOPS_MAX: u8 = 4;

impl Node {
    /// Hands a request for one record on to the partition's master. `body` is the message.
    pub(crate) fn hand_on(
        &self,
        worker: &mut Worker,
        namespace: &Namespace,
        partition: PartitionId,
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
        match self.next_hop(worker, namespace.holdings.master(partition)) {
            Some((master, hops)) => {
                let ticket = worker.waiting.wait(self);
                let message = Message::Proxy { id: ticket.0, hops, frame: request.into() };
                worker.outgoing.fabric.push((master, message));
                worker.counters(namespace).client_proxy_complete.inc();
                self.park_with(worker, Answer::Whole(Vec::new()), None, now, out)
            }
            None => self.defer(worker, worker.waiting.requester, request, now, out),
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
        foreign: Foreign,
        answer: Answer,
        filter: Option<&[u8]>,
        now: Now,
        out: &mut Vec<u8>,
    ) -> Executed {
        let hops = worker.waiting.requester.hops();
        for (master, request) in foreign.into_requests(filter) {
            let ticket = worker.waiting.wait(self);
            match self.next_hop(worker, master) {
                Some((master, hops)) => {
                    let message = Message::Proxy { id: ticket.0, hops, frame: request.into() };
                    worker.outgoing.fabric.push((master, message));
                }
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
        self.park_with(worker, answer, Some(batch::TIMING), now, out)
    }

    /// A request that was handed on under this number could not be sent: it is answered as not available.
    pub fn refuse_handed_on(&self, id: u64, out: &mut Outgoing) {
        self.cluster.parking.answered(Ticket(id), &[], out);
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
        if self.cluster.defer(Deferred { requester, frame, until_mono_ns }) {
            return Executed::Parked;
        }
        reply::simple(out, ResultCode::Unavailable, 0, 0);
        Executed::Done { timing: None }
    }
}
