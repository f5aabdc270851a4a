//! What a service thread has at hand while it serves one connection after the other.

use super::timers::Owner;
use crate::clock::{Clock, Start};
use crate::throttle::Throttles;
use crate::tuning::Tuning;
use shipload_node::cluster::Requester;
use shipload_node::{Node, Now, Timing, Worker};
use shipload_wire::Limits;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A reply buffer that grew larger than this is given back to the allocator after its turn.
const OUTPUT_KEPT: usize = 1 << 20;

/// What all threads of the server share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The engine.
    pub(crate) node: Node,
    /// Limits of the event loops.
    pub(crate) tuning: Tuning,
    /// Rate limits of warnings.
    pub(crate) throttles: Throttles,
    /// The process's start.
    pub(crate) start: Start,
    /// Set once, when the server has to end.
    pub(crate) stopping: AtomicBool,
    /// Connections turned away because `proto-fd-max` was reached.
    pub(crate) refused_connections: AtomicU64,
    /// Frames that the protocol does not allow.
    pub(crate) bad_frames: AtomicU64,
    /// Bytes that connections of all threads hold in buffers of their own.
    pub(crate) buffered_bytes: AtomicU64,
    /// Connections closed because they left replies unread for too long.
    pub(crate) stalled_connections: AtomicU64,
}

impl Shared {
    pub(crate) fn new(node: Node, tuning: Tuning, start: Start) -> Shared {
        Shared {
            node,
            tuning,
            throttles: Throttles::default(),
            start,
            stopping: AtomicBool::new(false),
            refused_connections: AtomicU64::new(0),
            bad_frames: AtomicU64::new(0),
            buffered_bytes: AtomicU64::new(0),
            stalled_connections: AtomicU64::new(0),
        }
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}

/// One service thread's tools and buffers.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) shared: Arc<Shared>,
    pub(super) worker: Worker,
    pub(super) limits: Limits,
    /// Where sockets are read into, [`Tuning::read_size`] bytes.
    pub(super) input: Vec<u8>,
    /// Replies of the connections that were served since output was last sent, one after the other.
    pub(super) output: Vec<u8>,
    /// Where the replies of the connection that is being served begin.
    pub(super) own_from: usize,
    /// The time as last read.
    pub(super) now: Now,
    /// Bytes that the thread's connections hold in buffers of their own.
    pub(super) held: usize,
    /// Writes of this turn could not be put on stable storage: no reply may leave.
    pub(super) lost: bool,
    /// The server ends: nothing more is read.
    pub(super) draining: bool,
    clock: Clock,
    /// When this turn of the event loop began; requests are timed from here, so waiting for the connections
    /// that were served before in the same turn counts.
    turn_mono_ns: u64,
}

impl Desk {
    pub(super) fn new(shared: Arc<Shared>) -> Desk {
        let mut clock = Clock::new(shared.start);
        let now = clock.now();
        Desk {
            worker: shared.node.worker(),
            limits: Limits::default(),
            input: vec![0; shared.tuning.read_size.max(64)],
            output: Vec::with_capacity(shared.tuning.read_size),
            own_from: 0,
            now,
            held: 0,
            lost: false,
            draining: false,
            clock,
            turn_mono_ns: now.mono_ns,
            shared,
        }
    }

    /// Reads the clock at the start of a turn of the event loop; the answer is the monotonic side.
    pub(super) fn begin_turn(&mut self) -> u64 {
        self.now = self.clock.now();
        self.turn_mono_ns = self.now.mono_ns;
        self.lost = false;
        self.turn_mono_ns
    }

    /// The next requests are those of this connection.
    pub(super) fn serve(&mut self, thread: usize, owner: Owner) {
        let thread = u32::try_from(thread).unwrap_or(u32::MAX);
        let Owner { slot, serial } = owner;
        self.worker.set_requester(Requester::Client { thread, slot: slot as u64, serial });
    }

    /// The monotonic clock just now, without changing the time that commands see.
    pub(super) fn mono_ns(&self) -> u64 {
        self.shared.start.elapsed_ns()
    }

    /// Reads the clock after a command: the one clock read of a request.
    pub(super) fn finish_command(&mut self, timing: Option<Timing>) {
        self.now = self.clock.now();
        if let Some(timing) = timing {
            let elapsed_ns = self.now.mono_ns.saturating_sub(self.turn_mono_ns);
            self.shared.node.record_latency(&self.worker, timing, elapsed_ns);
        }
    }

    /// Puts the writes since the last call on stable storage where that is promised, before their replies leave.
    pub(super) fn commit(&mut self) {
        self.lost |= self.worker.take_uncommitted() && self.shared.node.commit().is_err();
    }

    /// Counts the time of a command that took several turns.
    pub(super) fn finish_query(&mut self, timing: Timing, started_mono_ns: u64) {
        self.now = self.clock.now();
        let elapsed_ns = self.now.mono_ns.saturating_sub(started_mono_ns);
        self.shared.node.record_latency(&self.worker, timing, elapsed_ns);
    }

    /// Notes that a connection holds `after` bytes now and held `before`.
    pub(super) fn account(&mut self, before: usize, after: usize) {
        if before != after {
            self.held = (self.held + after).saturating_sub(before);
            let change = (after as u64).wrapping_sub(before as u64);
            // Wrapping turns a decrease into an addition that ends at the right sum.
            self.shared.buffered_bytes.fetch_add(change, Ordering::Relaxed);
        }
    }

    /// Unsent bytes that a connection may have before it has to wait.
    pub(super) fn unsent_high(&self) -> usize {
        let tuning = &self.shared.tuning;
        if self.held > tuning.held_max { tuning.unsent_high / 16 } else { tuning.unsent_high }
    }

    /// Makes the output empty once all of it is sent, and gives its buffer back if a large answer made it large.
    pub(super) fn clear_output(&mut self) {
        self.output.clear();
        self.own_from = 0;
        if self.output.capacity() > OUTPUT_KEPT {
            self.output = Vec::with_capacity(self.shared.tuning.read_size);
        }
    }
}
