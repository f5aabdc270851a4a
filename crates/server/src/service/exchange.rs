//! From received bytes to executed requests, one frame or line after the other.

use super::connection::{Connection, Protocol};
use super::desk::Desk;
use super::text;
use shipload_node::Executed;
use shipload_wire::frame::{self, Cut, Frame};

/// What became of the bytes at the start of a buffer.
pub(super) enum Taken {
    /// So many bytes were a request, which is executed.
    Used(usize),
    /// The request is not complete; so many bytes are wanted in all, as far as known.
    Incomplete(usize),
    /// The connection is being closed.
    Refused,
}

impl Connection {
    /// Executes the complete requests at the start of `received`; how many bytes they had.
    pub(super) fn execute(&mut self, received: &[u8], desk: &mut Desk) -> usize {
        let mut used = 0;
        self.wanted = 0;
        while used < received.len() && self.is_open(desk) {
            let rest = received.get(used..).unwrap_or_default();
            match self.execute_one(rest, desk) {
                Taken::Used(bytes) => used += bytes,
                Taken::Incomplete(wanted) => {
                    self.wanted = wanted;
                    self.pending = false;
                    return used;
                }
                Taken::Refused => return received.len(),
            }
        }
        self.pending = used < received.len();
        used
    }

    fn execute_one(&mut self, rest: &[u8], desk: &mut Desk) -> Taken {
        if self.protocol == Protocol::InfoUnknown {
            // No info command begins with this byte.
            let framed = rest.first() == Some(&frame::VERSION);
            self.protocol = if framed { Protocol::InfoFrames } else { Protocol::InfoText };
        }
        match self.protocol {
            Protocol::InfoText => text::execute_line(self, rest, desk),
            Protocol::Client
            | Protocol::Inside
            | Protocol::Admin
            | Protocol::InfoUnknown
            | Protocol::InfoFrames
            | Protocol::Fabric => self.execute_frame(rest, desk),
        }
    }

    fn execute_frame(&mut self, rest: &[u8], desk: &mut Desk) -> Taken {
        match frame::cut(rest, &desk.limits) {
            Cut::Incomplete { need } => Taken::Incomplete(need),
            Cut::Frame { frame, consumed } => {
                if !self.serves(frame.kind) {
                    self.refuse("a frame of a kind that is not served on this port", desk);
                    return Taken::Refused;
                }
                self.answer(&frame, desk);
                Taken::Used(consumed)
            }
            Cut::Refuse(refusal) => {
                self.refuse(&refusal.to_string(), desk);
                Taken::Refused
            }
        }
    }

    /// Whether frames of this kind are answered on the port that the client came to.
    fn serves(&self, kind: u8) -> bool {
        match self.protocol {
            Protocol::Client | Protocol::Inside => true,
            Protocol::Admin => kind == frame::INFO || kind == frame::ADMIN,
            Protocol::InfoUnknown | Protocol::InfoText | Protocol::InfoFrames => kind == frame::INFO,
            Protocol::Fabric => false,
        }
    }

    /// Lets the engine answer one frame.
    pub(super) fn answer(&mut self, frame: &Frame<'_>, desk: &mut Desk) {
        let Desk { shared, worker, output, now, .. } = desk;
        match shared.node.execute(worker, frame, &self.peer, *now, output) {
            Executed::Done { timing } => desk.finish_command(timing),
            Executed::Query(job) => self.start_query(job, desk),
            Executed::Parked => self.park(),
            Executed::Close => self.refuse("a request that ends the connection", desk),
        }
    }
}
