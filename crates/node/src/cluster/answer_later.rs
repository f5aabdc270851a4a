//! What a worker collects while it executes a request: whom to tell, and whether the answer has to wait.

use super::outgoing::Requester;
use super::parking::{Answer, Parked, Ticket};
use crate::node::Node;
use crate::now::Now;
use crate::peer::Executed;
use crate::timing::Timing;
use crate::worker::Worker;
use shipload_cluster::replication::Effects;

/// A parked request is answered as timed out after so many nanoseconds; writes are given up earlier by replication.
const PATIENCE_NS: u64 = 2_000_000_000;

/// The same for what was done here already, while other nodes don't say that they know it.
pub(super) const ANYWAY_NS: u64 = 500_000_000;

/// The request under way, as far as other nodes have to do with it.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// Who is to be answered.
    pub(crate) requester: Requester,
    /// What the machines wanted done, for each namespace that was touched.
    pub(crate) effects: Vec<(usize, Effects)>,
    /// How much longer than usual the answer may take, nanoseconds.
    pub(super) more_patience_ns: u64,
    ticket: Option<Ticket>,
    count: u32,
}

impl Waiting {
    /// The effects of a namespace.
    pub(crate) fn effects_of(&mut self, namespace: usize) -> &mut Effects {
        let found = self.effects.iter().position(|(index, _)| *index == namespace);
        let at = found.unwrap_or_else(|| {
            self.effects.push((namespace, Effects::new()));
            self.effects.len() - 1
        });
        &mut self.effects[at].1
    }

    /// The request waits for one more event.
    pub(crate) fn wait(&mut self, node: &Node) -> Ticket {
        self.count += 1;
        *self.ticket.get_or_insert_with(|| node.cluster.parking.ticket())
    }

    /// Whether anybody could be answered later.
    pub(crate) fn may_wait(&self) -> bool {
        self.requester != Requester::Nobody
    }

    /// A ticket for what is not counted yet; none when nobody could be answered later.
    pub(crate) fn ticket_for_later(&self, node: &Node) -> Option<Ticket> {
        self.may_wait().then(|| node.cluster.parking.ticket())
    }

    fn take(&mut self) -> Option<(Ticket, u32)> {
        let count = std::mem::take(&mut self.count);
        self.ticket.take().map(|ticket| (ticket, count))
    }
}

impl Node {
    /// Ends a request: does what it wants done elsewhere, and parks its answer if that has to wait.
    pub(crate) fn end_request(
        &self,
        worker: &mut Worker,
        executed: Executed,
        start: usize,
        now: Now,
        out: &mut Vec<u8>,
    ) -> Executed {
        let executed = match worker.waiting.take() {
            None => executed,
            Some(ticket) => match executed {
                Executed::Done { timing } => {
                    let answer = Answer::Whole(out.split_off(start));
                    self.park(worker, ticket, answer, timing, now, out)
                }
                // Nothing of these is answered by a single reply.
                Executed::Query(_) | Executed::Close | Executed::Parked => executed,
            },
        };
        self.run_waiting_effects(worker, now);
        executed
    }

    /// Parks an answer under the tickets of the request under way.
    pub(crate) fn park_with(
        &self,
        worker: &mut Worker,
        answer: Answer,
        timing: Option<Timing>,
        now: Now,
        out: &mut Vec<u8>,
    ) -> Executed {
        match worker.waiting.take() {
            Some(ticket) => self.park(worker, ticket, answer, timing, now, out),
            None => Executed::Done { timing },
        }
    }

    pub(crate) fn park(
        &self,
        worker: &mut Worker,
        (ticket, outstanding): (Ticket, u32),
        answer: Answer,
        timing: Option<Timing>,
        now: Now,
        out: &mut Vec<u8>,
    ) -> Executed {
        let patience_ns = if matches!(answer, Answer::Anyway(_)) { ANYWAY_NS } else { PATIENCE_NS };
        let patience_ns = patience_ns.saturating_add(std::mem::take(&mut worker.waiting.more_patience_ns));
        let parked = Parked {
            requester: worker.waiting.requester,
            answer,
            outstanding,
            deadline_mono_ns: now.mono_ns.saturating_add(patience_ns),
            timing,
            began_mono_ns: now.mono_ns,
        };
        match self.cluster.parking.park(ticket, parked) {
            None => Executed::Parked,
            Some(parked) => {
                out.append(&mut parked.frames());
                Executed::Done { timing }
            }
        }
    }

    /// Does what the machines wanted done during the requests since the last call.
    pub(crate) fn run_waiting_effects(&self, worker: &mut Worker, now: Now) {
        while let Some((namespace, effects)) = worker.waiting.effects.pop() {
            if let Some(namespace) = self.namespaces().get(namespace) {
                self.act(namespace, effects, now, &mut worker.outgoing);
            }
        }
    }
}
