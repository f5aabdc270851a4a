//! Requests that were handed on, and what becomes of them when the node that has them is gone.
//!
//! Guarantees: nobody waits for a node that is known to be gone. What was surely not executed, or only reads, is tried again
//! by the node that the client came to; of a write that may have been executed the client is told so at once.

use super::deferred::Deferred;
use super::outgoing::{Outgoing, Requester};
use super::parking::Ticket;
use crate::node::Node;
use crate::now::Now;
use parking_lot::Mutex;
use shipload_cluster::NodeId;
use std::collections::BTreeMap;

/// What could not be sent is tried again after so long, nanoseconds.
const PAUSE_NS: u64 = 20_000_000;

/// A request that another node has.
#[derive(Debug)]
pub(super) struct Errand {
    /// Its frame.
    pub(super) frame: Vec<u8>,
    /// How often it had been handed on before.
    pub(super) hops: u8,
    /// It may change something.
    pub(super) writes: bool,
    /// It is not tried again after that, monotonic nanoseconds.
    pub(super) until_mono_ns: u64,
}

/// All of them, by who has them and who waits.
#[derive(Debug, Default)]
pub(super) struct Errands(Mutex<BTreeMap<(NodeId, Ticket), Errand>>);

impl Errands {
    pub(super) fn note(&self, to: NodeId, ticket: Ticket, errand: Errand) {
        self.0.lock().insert((to, ticket), errand);
    }

    /// The node has answered, or was never asked; none when it has done so before, or was given up.
    pub(super) fn take(&self, to: NodeId, ticket: Ticket) -> Option<Errand> {
        self.0.lock().remove(&(to, ticket))
    }

    fn of(&self, node: NodeId) -> Vec<(Ticket, Errand)> {
        let all = (node, Ticket(0))..=(node, Ticket(u64::MAX));
        self.0.lock().extract_if(all, |_, _| true).map(|((_, ticket), errand)| (ticket, errand)).collect()
    }

    /// Forgets those whose clients were answered long ago.
    fn expire(&self, mono_ns: u64) {
        self.0.lock().retain(|_, errand| mono_ns < errand.until_mono_ns.saturating_add(KEPT_NS));
    }
}

/// An errand is forgotten so long after its time, nanoseconds: by then its client was answered.
const KEPT_NS: u64 = 2_000_000_000;

impl Node {
    /// A request that was handed on under this number could not be sent: somebody else may do it soon.
    pub fn not_sent(&self, to: NodeId, id: u64, now: Now, out: &mut Outgoing) {
        if let Some(errand) = self.cluster.errands.take(to, Ticket(id)) {
            self.try_again(Ticket(id), errand, now, out);
        }
    }

    /// A node is gone, or the connection to it is: it answers nothing of what it has.
    pub(super) fn give_up_errands(&self, node: NodeId, now: Now, out: &mut Outgoing) {
        for (ticket, errand) in self.cluster.errands.of(node) {
            if errand.writes {
                self.cluster.parking.doubted(ticket, out);
            } else {
                self.try_again(ticket, errand, now, out);
            }
        }
    }

    /// Connections that broke since the last call; what was forgotten by all.
    pub(super) fn tend_errands(&self, now: Now, out: &mut Outgoing) {
        let broken = std::mem::take(&mut *self.cluster.broken.lock());
        broken.into_iter().for_each(|node| self.give_up_errands(node, now, out));
        self.cluster.errands.expire(now.mono_ns);
    }

    fn try_again(&self, ticket: Ticket, errand: Errand, now: Now, out: &mut Outgoing) {
        let Errand { frame, hops, until_mono_ns, .. } = errand;
        let requester = Requester::Node { node: self.id(), id: ticket.0, hops };
        let after_mono_ns = now.mono_ns.saturating_add(PAUSE_NS);
        if !self.cluster.defer(Deferred { requester, frame, after_mono_ns, until_mono_ns }, false) {
            self.cluster.parking.answered(ticket, &[], out);
        }
    }
}
