//! Reading a socket: one system call a turn, and memory only for what was really received.
//!
//! A connection without leftovers is read into the thread's own large buffer, so idle connections hold nothing.
//! A frame that is not complete moves into the connection's inbox, which grows with the bytes that come, never
//! with the length that a frame announces.

use super::connection::{Connection, Reason};
use super::desk::Desk;
use rustix::buffer::spare_capacity;
use std::io::{self, ErrorKind, Read};
use std::sync::atomic::Ordering;

/// The least that a read into an inbox asks for.
const INBOX_STEP: usize = 4 << 10;

impl Connection {
    /// Reads once and executes what is complete.
    pub(super) fn receive(&mut self, desk: &mut Desk) -> io::Result<()> {
        if self.inbox.is_empty() { self.receive_shared(desk) } else { self.receive_more(desk) }
    }

    /// Executes what waits in the inbox.
    pub(super) fn execute_inbox(&mut self, desk: &mut Desk) {
        let mut received = std::mem::take(&mut self.inbox);
        let used = self.execute(&received, desk);
        if used < received.len() {
            received.drain(..used);
            // After a large frame the rest may be tiny: then its buffer is given back.
            if received.capacity() > 4 * received.len().max(INBOX_STEP) {
                received.shrink_to(INBOX_STEP);
            }
            self.inbox = received;
        }
    }

    /// Reads into the thread's buffer.
    fn receive_shared(&mut self, desk: &mut Desk) -> io::Result<()> {
        let mut input = std::mem::take(&mut desk.input);
        let outcome = self.socket.read(&mut input);
        let result = self.received(outcome, input.len(), desk);
        if let Ok(bytes @ 1..) = result {
            let received = input.get(..bytes).unwrap_or_default();
            let used = self.execute(received, desk);
            self.inbox.extend_from_slice(received.get(used..).unwrap_or_default());
        }
        desk.input = input;
        result.map(|_| ())
    }

    /// Reads behind the part of a frame that is there already.
    fn receive_more(&mut self, desk: &mut Desk) -> io::Result<()> {
        let have = self.inbox.len();
        // At most doubling keeps a lying length from costing memory, and copying cheap.
        let step = self.wanted.saturating_sub(have).min(have).max(INBOX_STEP);
        if desk.held.saturating_add(step) > desk.shared.tuning.held_max && have > desk.shared.tuning.read_size
        {
            self.refuse("a large frame while too many large frames are being received", desk);
            return Ok(());
        }
        self.inbox.reserve_exact(step);
        let asked = self.inbox.capacity() - have;
        let outcome =
            rustix::io::read(&self.socket, spare_capacity(&mut self.inbox)).map_err(io::Error::from);
        let bytes = self.received(outcome, asked, desk)?;
        if bytes > 0 && (self.inbox.len() >= self.wanted || self.wanted == 0) {
            self.execute_inbox(desk);
        }
        Ok(())
    }

    /// Takes note of what a read says about the socket: a short read means that it is drained, so no second
    /// one is needed to learn that.
    fn received(&mut self, outcome: io::Result<usize>, asked: usize, desk: &Desk) -> io::Result<usize> {
        match outcome {
            Ok(0) => {
                (self.ended, self.readable) = (true, false);
                Ok(0)
            }
            Ok(bytes) => {
                // When the client has closed its side, the end itself is still to be read.
                self.readable = bytes == asked || self.ending;
                self.touch(bytes, desk);
                Ok(bytes)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.readable = false;
                Ok(0)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Closes the connection because of what the client sent, and says so, at most once a second.
    pub(super) fn refuse(&mut self, what: &str, desk: &Desk) {
        let shared = &desk.shared;
        self.closing = Some(Reason::Misuse);
        self.pending = false;
        shared.bad_frames.fetch_add(1, Ordering::Relaxed);
        if let Some(left_out) = shared.throttles.bad_frame.pass(desk.now.mono_ns) {
            let peer = self.peer.address;
            tracing::warn!(%peer, left_out, "connection closed: the client sent {what}");
        }
    }
}
