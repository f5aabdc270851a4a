//! What a service thread looks after now and then: connections that do nothing, and the end of them all.

use super::connection::{Connection, Protocol, Reason};
use super::event_loop::EventLoop;
use shipload_node::config::ServiceKey;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// How often idle and stalled connections are looked for.
const SWEEP_NS: u64 = 1_000_000_000;

impl EventLoop {
    /// Closes connections that were idle for `proto-fd-idle-ms`, and those that leave replies unread.
    pub(super) fn sweep(&mut self) {
        let mono_ns = self.desk.now.mono_ns;
        if mono_ns < self.next_sweep_mono_ns {
            return;
        }
        self.sweep_links();
        let shared = Arc::clone(&self.desk.shared);
        let idle_ns =
            shared.node.config().service.number(ServiceKey::ProtoFdIdleMs).saturating_mul(1_000_000);
        let stall_ns = u64::try_from(shared.tuning.stall.as_nanos()).unwrap_or(u64::MAX);
        let shortest_ns = if idle_ns == 0 { stall_ns } else { stall_ns.min(idle_ns) };
        self.next_sweep_mono_ns = mono_ns + (shortest_ns / 4).clamp(1_000_000, SWEEP_NS);
        let over = |connection: &Connection, limit_ns: u64| {
            mono_ns.saturating_sub(connection.active_mono_ns) > limit_ns
        };
        let mut gone = Vec::new();
        for (slot, connection) in &self.connections {
            let stalled = !connection.unsent.is_empty() && over(connection, stall_ns);
            let inside = connection.protocol == Protocol::Inside;
            let idle = idle_ns > 0 && !inside && !connection.is_running() && over(connection, idle_ns);
            if stalled || idle {
                gone.push((slot, stalled, connection.peer.address));
            }
        }
        for (slot, stalled, peer) in gone {
            if stalled {
                shared.stalled_connections.fetch_add(1, Ordering::Relaxed);
                if let Some(left_out) = shared.throttles.stalled.pass(mono_ns) {
                    tracing::warn!(%peer, left_out, "connection closed: the client does not read its replies");
                }
            } else {
                shared.node.facts.reaped_fds.fetch_add(1, Ordering::Relaxed);
            }
            self.close(slot, Reason::Stop);
        }
    }

    /// Once the server stops: closes the doors, gives every connection a last turn, and tells whether all
    /// replies have left or the time for that is over.
    pub(super) fn is_drained(&mut self) -> bool {
        let mono_ns = self.desk.now.mono_ns;
        let Some(end_mono_ns) = self.drained_by_mono_ns else {
            let drain_ns = u64::try_from(self.desk.shared.tuning.drain.as_nanos()).unwrap_or(u64::MAX);
            self.drained_by_mono_ns = Some(mono_ns.saturating_add(drain_ns));
            self.desk.draining = true;
            self.doors.clear();
            // Connections on their way to this thread are as good as here.
            self.read_mail();
            let slots: Vec<usize> = self.connections.iter().map(|(slot, _)| slot).collect();
            for slot in slots {
                self.turn(slot);
            }
            self.settle();
            return self.connections.is_empty();
        };
        self.connections.is_empty() || mono_ns >= end_mono_ns
    }
}
