//! Plain reads of records that this node masters, answered on the thread that asks.
//!
//! Such a read needs nobody else: it takes the record's lock as short as a service thread does, and is counted and limited
//! alike. Whatever turns out to need more (the master has changed, the record is being fetched) is not answered here, and
//! asked for on a lane.

use crate::clock::Clock;
use crate::service::{Crew, Shared};
use parking_lot::Mutex;
use shipload_cluster::NodeId;
use shipload_node::{Executed, Peer, Worker};
use shipload_value::PartitionId;
use shipload_wire::frame::{self, Cut, HEADER_SIZE};
use shipload_wire::{Limits, Response, ResultCode};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// What a thread needs for a read.
struct Desk {
    worker: Worker,
    clock: Clock,
}

/// Reads on the threads of the web door.
pub(super) struct Glance {
    shared: Arc<Shared>,
    crew: Arc<Crew>,
    /// Those that nobody uses just now; there are never more than threads.
    desks: Mutex<Vec<Desk>>,
}

impl Glance {
    pub(super) fn new(shared: Arc<Shared>, crew: Arc<Crew>) -> Glance {
        Glance { shared, crew, desks: Mutex::default() }
    }

    /// The answer to one frame; none when it has to be asked for.
    pub(super) fn read(&self, frame: &[u8], namespace: &str, partition: u16) -> Option<Vec<u8>> {
        let node = &self.shared.node;
        let place = node.namespace(namespace.as_bytes())?;
        let master = node.known_master(place, PartitionId::new(partition)?)?;
        if master != NodeId(node.id().0) {
            return None;
        }
        let Cut::Frame { frame, .. } = frame::cut(frame, &Limits::default()) else { return None };
        let desk = self.desks.lock().pop();
        let mut desk =
            desk.unwrap_or_else(|| Desk { worker: node.worker(), clock: Clock::new(self.shared.start) });
        let mut out = Vec::with_capacity(512);
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let began = desk.clock.now();
        let executed =
            node.execute(&mut desk.worker, &frame, &Peer { address: here, local: here }, began, &mut out);
        // A read may renew its record: the other holders are told, and a device as well.
        let lost = desk.worker.take_uncommitted() && node.commit().is_err();
        let outgoing = std::mem::take(&mut desk.worker.outgoing);
        if !outgoing.is_empty() {
            self.crew.carry(outgoing);
        }
        let answered = match executed {
            Executed::Done { timing } if !lost && is_final(&out) => {
                if let Some(timing) = timing {
                    let elapsed_ns = desk.clock.now().mono_ns.saturating_sub(began.mono_ns);
                    node.record_latency(&desk.worker, timing, elapsed_ns);
                }
                Some(out)
            }
            Executed::Done { .. } | Executed::Query(_) | Executed::Parked | Executed::Close => None,
        };
        self.desks.lock().push(desk);
        answered
    }
}

/// Whether an answer would be the same on a lane.
fn is_final(answer: &[u8]) -> bool {
    let message = Response::decode(answer.get(HEADER_SIZE..).unwrap_or_default());
    message.is_ok_and(|message| message.result().is_some_and(|result| result != ResultCode::Unavailable))
}
