//! Requests whose functions take too long for a service thread: handed over to the threads for functions.

use super::answer_later::Waiting;
use super::outgoing::Requester;
use super::parking::Ticket;
use crate::functions::{Handed, patience_ns};
use crate::node::Node;
use crate::now::Now;
use crate::peer::Executed;
use crate::timing::Timing;
use crate::worker::Worker;
use shipload_wire::code::ResultCode;
use shipload_wire::{frame, reply};

impl Node {
    /// Hands a request over, of which nothing was done yet. `body` is the message.
    pub(crate) fn hand_over(
        &self,
        worker: &Worker,
        body: &[u8],
        timing: Timing,
        now: Now,
        out: &mut Vec<u8>,
    ) -> Executed {
        let mut frame = Vec::with_capacity(frame::HEADER_SIZE + body.len());
        frame.extend_from_slice(&frame::header(frame::MESSAGE, body.len()));
        frame.extend_from_slice(body);
        let handed = Handed {
            requester: worker.waiting.requester,
            frame,
            timing: Some(timing),
            began_mono_ns: now.mono_ns,
            is_part: false,
            deferred_until: worker.deferred_until,
        };
        match self.functions.lane.hand_over(handed) {
            Ok(()) => Executed::Parked,
            Err(_) => {
                reply::simple(out, ResultCode::DeviceOverload, 0, 0);
                Executed::Done { timing: None }
            }
        }
    }

    /// Parts of a batch that this node does itself, but not now: the batch waits for them. They are to be handed over when
    /// it is parked.
    pub(super) fn own_parts(&self, worker: &mut Worker, requests: Vec<Vec<u8>>, now: Now) -> Vec<Handed> {
        let hops = worker.waiting.requester.hops();
        let deferred_until = worker.deferred_until;
        let part = |frame| {
            let ticket = worker.waiting.wait(self);
            worker.waiting.have_patience(patience_ns(self.config()));
            let requester = Requester::Node { node: self.id(), id: ticket.0, hops };
            let began_mono_ns = now.mono_ns;
            Handed { requester, frame, timing: None, began_mono_ns, is_part: true, deferred_until }
        };
        requests.into_iter().map(part).collect()
    }

    /// Hands parts of a batch over that is parked.
    pub(super) fn hand_over_parts(&self, worker: &mut Worker, parts: Vec<Handed>) {
        for part in parts {
            if let Err(Handed { requester: Requester::Node { id, .. }, .. }) =
                self.functions.lane.hand_over(part)
            {
                self.cluster.parking.answered(Ticket(id), &[], &mut worker.outgoing);
            }
        }
    }
}

impl Waiting {
    /// The request under way is answered as timed out only so many nanoseconds later.
    fn have_patience(&mut self, ns: u64) {
        self.more_patience_ns = self.more_patience_ns.saturating_add(ns);
    }
}
