//! One client's connection: what it holds, and what a turn of the event loop does for it.
//!
//! A turn has two halves. [`Connection::exchange`] sends what waits, runs one slice of a query, executes the
//! requests that are there and reads once. [`Connection::settle`] sends all new replies together; the event loop
//! calls it after the first halves of other connections, because clients that are answered together come back
//! together, and then one `epoll_wait` serves more of them. Whatever remains to be done is told as [`Next`], so
//! that one busy connection never keeps the others waiting for more than a turn.

use super::desk::Desk;
use super::unsent::Unsent;
use mio::net::TcpStream;
use shipload_node::{Peer, QueryJob, Step};
use std::io;
use std::ops::Range;

/// What a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Frames of the client protocol.
    Client,
    /// The same from within this process: nobody's connection, which is neither counted nor reaped when it is idle.
    Inside,
    /// Info and security commands in frames, on the port for tools; records are not served there.
    Admin,
    /// The info port before its first byte: lines of text or frames.
    InfoUnknown,
    /// Info commands as lines of text.
    InfoText,
    /// Info commands in frames; other frames are refused.
    InfoFrames,
    /// Messages between nodes; such connections are links and never [`Connection`]s.
    Fabric,
}

/// What the event loop does with a connection after its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Wait for the socket.
    Rest,
    /// More to do: another turn, after everybody else had one.
    Again,
    /// Another turn when the monotonic clock has reached this.
    At(u64),
    /// Close it.
    Close(Reason),
}

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// The client closed it, or it broke.
    Peer,
    /// The client sent what the protocol does not allow; it has been logged.
    Misuse,
    /// The server stops.
    Stop,
    /// Its writes can't be put on stable storage.
    Lost,
}

/// A query whose answer is being sent.
#[derive(Debug)]
struct Running {
    job: Box<QueryJob>,
    started_mono_ns: u64,
    /// Throttled until then; 0 when it is not.
    wait_until_mono_ns: u64,
}

/// One client's connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) socket: TcpStream,
    pub(super) peer: Peer,
    pub(super) protocol: Protocol,
    /// Never used twice in a thread, unlike the connection's slot.
    pub(super) serial: u64,
    /// When bytes last came in or left, monotonic nanoseconds.
    pub(super) active_mono_ns: u64,
    /// It waits for another turn already.
    pub(super) queued: bool,
    /// The socket may hold bytes, as far as epoll has told.
    pub(super) readable: bool,
    /// The client will send nothing more; its last bytes may still be unread.
    pub(super) ending: bool,
    /// The end of the client's bytes was read.
    pub(super) ended: bool,
    /// Nothing more is executed; it closes once its replies are sent.
    pub(super) closing: Option<Reason>,
    /// Received bytes that are not executed yet: a part of a frame, or requests that have to wait.
    pub(super) inbox: Vec<u8>,
    /// The inbox may hold complete requests.
    pub(super) pending: bool,
    /// Bytes that the frame at the start of the inbox has in all, as far as known.
    pub(super) wanted: usize,
    /// Bytes at the start of the inbox that hold no line end.
    pub(super) scanned: usize,
    pub(super) unsent: Unsent,
    /// What the thread's sum of held memory contains for this connection.
    pub(super) accounted: usize,
    running: Option<Box<Running>>,
    /// A request waits for its answer from other nodes.
    parked: bool,
    /// That answer, until it is sent.
    answer: Vec<u8>,
}

impl Connection {
    pub(super) fn new(
        socket: TcpStream,
        peer: Peer,
        protocol: Protocol,
        serial: u64,
        mono_ns: u64,
    ) -> Connection {
        Connection {
            socket,
            peer,
            protocol,
            serial,
            active_mono_ns: mono_ns,
            queued: false,
            readable: false,
            ending: false,
            ended: false,
            closing: None,
            inbox: Vec::new(),
            pending: false,
            wanted: 0,
            scanned: 0,
            unsent: Unsent::default(),
            accounted: 0,
            running: None,
            parked: false,
            answer: Vec::new(),
        }
    }

    /// A request waits for its answer from other nodes; nothing else is executed meanwhile.
    pub(super) fn park(&mut self) {
        self.parked = true;
    }

    pub(super) fn is_parked(&self) -> bool {
        self.parked
    }

    /// The answer is there; the next turn sends it.
    pub(super) fn unpark(&mut self, answer: Vec<u8>) {
        self.parked = false;
        self.answer = answer;
    }

    /// First half of a turn: sends what waits, executes what is there, and appends the answers to the thread's
    /// output. An error means that the connection is broken.
    pub(super) fn exchange(&mut self, desk: &mut Desk) -> io::Result<()> {
        desk.own_from = desk.output.len();
        let sent = self.unsent.flush(&mut self.socket)?;
        self.touch(sent, desk);
        if !self.answer.is_empty() {
            desk.output.append(&mut self.answer);
            self.answer = Vec::new();
        }
        self.step_query(desk);
        if self.pending && self.is_open(desk) {
            self.execute_inbox(desk);
        }
        let was_running = self.is_running();
        if self.readable && !desk.draining && self.is_open(desk) {
            self.receive(desk)?;
        }
        // A short query ends in the turn that it came in.
        if self.is_running() && !was_running {
            self.step_query(desk);
        }
        Ok(())
    }

    /// Second half of a turn: sends the connection's part of the thread's output, and says what comes next.
    pub(super) fn settle(&mut self, desk: &mut Desk, own: Range<usize>) -> Next {
        if desk.lost {
            // Whether the writes hold is unknown, and silence is what says so.
            return Next::Close(Reason::Lost);
        }
        let next = match self.unsent.send(&mut self.socket, &mut desk.output, own) {
            Ok(sent) => {
                self.touch(sent, desk);
                desk.own_from = desk.output.len();
                self.next(desk)
            }
            Err(_) => Next::Close(Reason::Peer),
        };
        let held = self.held();
        desk.account(self.accounted, held);
        self.accounted = held;
        next
    }

    /// Memory in buffers of its own, in bytes.
    pub(super) fn held(&self) -> usize {
        self.inbox.capacity() + self.unsent.held()
    }

    /// Whether a request is being answered that takes longer than a turn.
    pub(super) fn is_running(&self) -> bool {
        self.running.is_some() || self.parked
    }

    /// Whether another thread may take over: nothing is under way, only leftovers may wait.
    pub(super) fn can_move(&self) -> bool {
        self.running.is_none() && self.closing.is_none() && !self.queued && !self.parked
    }

    /// Whether the next request may be executed.
    pub(super) fn is_open(&self, desk: &Desk) -> bool {
        self.running.is_none() && self.closing.is_none() && !self.parked && self.room(desk) > 0
    }

    /// From now on the connection answers this query and nothing else.
    pub(super) fn start_query(&mut self, job: Box<QueryJob>, desk: &Desk) {
        let started_mono_ns = desk.now.mono_ns;
        self.running = Some(Box::new(Running { job, started_mono_ns, wait_until_mono_ns: 0 }));
    }

    fn room(&self, desk: &Desk) -> usize {
        desk.unsent_high().saturating_sub(self.unsent.len() + desk.output.len().saturating_sub(desk.own_from))
    }

    /// Remembers that the connection is alive when bytes moved.
    pub(super) fn touch(&mut self, bytes: usize, desk: &Desk) {
        if bytes > 0 {
            self.active_mono_ns = desk.now.mono_ns;
        }
    }

    /// One slice of the running query, when there is room for its answer and it is not throttled.
    fn step_query(&mut self, desk: &mut Desk) {
        let room = self.room(desk).min(desk.shared.tuning.query_slice);
        let Some(running) = self.running.as_mut() else { return };
        if room == 0 || running.wait_until_mono_ns > desk.now.mono_ns {
            return;
        }
        running.wait_until_mono_ns = 0;
        let Desk { shared, worker, output, now, .. } = desk;
        match running.job.step(&shared.node, worker, *now, output, room) {
            Step::More => {}
            Step::WaitUntilMono(mono_ns) => running.wait_until_mono_ns = mono_ns,
            Step::Done => {
                desk.finish_query(running.job.timing(), running.started_mono_ns);
                self.running = None;
            }
        }
    }

    /// What remains to be done.
    fn next(&self, desk: &Desk) -> Next {
        if let (Some(reason), true) = (self.closing, self.unsent.is_empty()) {
            return Next::Close(reason);
        }
        if let Some(running) = &self.running {
            return match (self.room(desk), running.wait_until_mono_ns) {
                (0, _) => Next::Rest,
                (_, 0) => Next::Again,
                (_, mono_ns) => Next::At(mono_ns),
            };
        }
        if self.closing.is_some() || self.parked || self.room(desk) == 0 {
            return Next::Rest;
        }
        if self.pending || (self.readable && !desk.draining) {
            return Next::Again;
        }
        match (self.unsent.is_empty(), self.ended, desk.draining) {
            (true, true, _) => Next::Close(Reason::Peer),
            (true, false, true) => Next::Close(Reason::Stop),
            (_, _, _) => Next::Rest,
        }
    }
}
