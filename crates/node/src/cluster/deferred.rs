//! Requests that wait until somebody is known to master their partitions.

use super::Cluster;
use super::outgoing::{Outgoing, Reply, Requester};
use crate::node::Node;
use crate::now::Now;
use crate::peer::{Executed, Peer};
use crate::worker::Worker;
use shipload_wire::code::ResultCode;
use shipload_wire::{Cut, Limits, frame, reply};
use std::net::{Ipv4Addr, SocketAddr};

/// A request waits for at most so long, in nanoseconds.
const PATIENCE_NS: u64 = 1_000_000_000;
/// The most requests that wait.
const DEFERRED_MAX: usize = 1 << 16;

/// A request that waits.
#[derive(Debug)]
pub(super) struct Deferred {
    pub(super) requester: Requester,
    /// Its frame.
    pub(super) frame: Vec<u8>,
    /// It is not tried before, monotonic nanoseconds.
    pub(super) after_mono_ns: u64,
    /// Nor after that.
    pub(super) until_mono_ns: u64,
}

impl Deferred {
    pub(super) fn deadline(now: Now) -> u64 {
        now.mono_ns.saturating_add(PATIENCE_NS)
    }
}

impl Cluster {
    /// Keeps a request for later; false when there are too many. What was tried in vain is tried again at the next tick,
    /// which nobody need hasten for it: that would be a tick without end.
    pub(super) fn defer(&self, request: Deferred, tried: bool) -> bool {
        let mut deferred = self.deferred.lock();
        let room = deferred.len() < DEFERRED_MAX;
        // While others wait, ticks come soon.
        let wake = room && !tried && deferred.is_empty();
        if room {
            deferred.push(request);
        }
        drop(deferred);
        if wake {
            self.wake();
        }
        room
    }

    /// Whether any request waits.
    pub(super) fn has_deferred(&self) -> bool {
        !self.deferred.lock().is_empty()
    }
}

impl Node {
    /// Tries the requests again that wait.
    pub(super) fn retry_deferred(&self, now: Now, out: &mut Outgoing) {
        let due = |request: &mut Deferred| request.after_mono_ns <= now.mono_ns;
        let requests: Vec<Deferred> = self.cluster.deferred.lock().extract_if(.., due).collect();
        if requests.is_empty() {
            return;
        }
        let mut worker = self.cluster.worker.lock();
        for Deferred { requester, frame, until_mono_ns, .. } in requests {
            let mut answer = Vec::new();
            if until_mono_ns <= now.mono_ns {
                // For a node, and for this one, no answer at all means that: it knows how to say so in a batch.
                if !matches!(requester, Requester::Node { .. }) {
                    reply::simple(&mut answer, ResultCode::Unavailable, 0, 0);
                }
            } else {
                worker.deferred_until = Some(until_mono_ns);
                let parked = self.execute_for(&mut worker, requester, &frame, now, &mut answer);
                worker.deferred_until = None;
                if parked {
                    continue;
                }
            }
            let began_mono_ns = now.mono_ns;
            let reply = Reply { requester, frames: answer, timing: None, began_mono_ns };
            self.cluster.parking.deliver(reply, out);
        }
        out.append(&mut worker.outgoing);
    }

    /// Executes the frame of somebody who has no connection here; true when the answer comes later.
    pub(crate) fn execute_for(
        &self,
        worker: &mut Worker,
        requester: Requester,
        bytes: &[u8],
        now: Now,
        answer: &mut Vec<u8>,
    ) -> bool {
        let Cut::Frame { frame, .. } = frame::cut(bytes, &Limits::default()) else { return false };
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let peer = Peer { address: nowhere, local: nowhere };
        worker.waiting.requester = requester;
        let executed = self.execute(worker, &frame, &peer, now, answer);
        worker.waiting.requester = Requester::Nobody;
        match executed {
            Executed::Parked => true,
            Executed::Done { .. } => false,
            Executed::Query(_) | Executed::Close => {
                answer.clear();
                false
            }
        }
    }
}
