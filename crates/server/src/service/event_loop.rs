//! One service thread: waits for its sockets, and gives each connection its turn.
//!
//! Sockets are registered once, edge triggered, for both directions; after that a request costs one `recv`, one
//! `send`, and its share of one `epoll_wait`.

use super::accept::{self, Door};
use super::connection::{Connection, Next, Protocol, Reason};
use super::crew::{Crew, Mail};
use super::desk::{Desk, Shared};
use super::fabric::{FIRST_LINK, Links};
use super::timers::{Owner, Timers};
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token, Waker};
use shipload_node::Peer;
use slab::Slab;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

const EVENTS_A_TURN: usize = 1024;
const ACCEPTS_A_TURN: usize = 64;
/// After so many connections their replies are sent, whoever else waits: the first one must not wait for long.
const TURNS_A_SETTLE: usize = 32;
/// After so many bytes of replies they are sent, so that the output stays in the processor's cache.
const OUTPUT_A_SETTLE: usize = 256 << 10;
/// How long accepting rests after the process ran out of file descriptors.
const ACCEPT_RETRY_NS: u64 = 100_000_000;
const WAKE: Token = Token(usize::MAX);
/// Doors have the tokens from here on; slots of connections stay far below.
const FIRST_DOOR: usize = usize::MAX - 1024;

/// One service thread's sockets.
#[derive(Debug)]
pub(crate) struct EventLoop {
    pub(super) poll: Poll,
    /// All threads, and the number of this one.
    pub(super) crew: Arc<Crew>,
    pub(super) number: usize,
    pub(super) doors: Vec<Door>,
    pub(super) connections: Slab<Connection>,
    pub(super) links: Links,
    /// Connections with more to do, in the order of their next turns.
    again: VecDeque<usize>,
    timers: Timers,
    /// Connections whose turn is half done, each with its part of the output.
    turned: Vec<(Owner, Range<usize>)>,
    next_serial: u64,
    pub(super) next_sweep_mono_ns: u64,
    /// When draining ends, once the server stops.
    pub(super) drained_by_mono_ns: Option<u64>,
    pub(super) desk: Desk,
}

/// A thread's epoll instance and doors, before the threads know of each other.
#[derive(Debug)]
pub(crate) struct Station {
    poll: Poll,
    doors: Vec<Door>,
}

impl Station {
    /// An epoll instance that watches these doors, and what wakes it.
    pub(crate) fn open(mut doors: Vec<Door>) -> io::Result<(Station, Waker)> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKE)?;
        for (number, door) in doors.iter_mut().enumerate() {
            poll.registry().register(&mut door.listener, Token(FIRST_DOOR + number), Interest::READABLE)?;
        }
        Ok((Station { poll, doors }, waker))
    }
}

impl EventLoop {
    /// The loop of thread `number` of a crew.
    pub(crate) fn new(shared: Arc<Shared>, crew: Arc<Crew>, number: usize, station: Station) -> EventLoop {
        EventLoop {
            poll: station.poll,
            crew,
            number,
            doors: station.doors,
            connections: Slab::new(),
            links: Links::default(),
            again: VecDeque::new(),
            timers: Timers::default(),
            turned: Vec::new(),
            next_serial: 0,
            next_sweep_mono_ns: 0,
            drained_by_mono_ns: None,
            desk: Desk::new(shared),
        }
    }

    /// Serves until the server stops and the replies have left.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_A_TURN);
        loop {
            match self.poll.poll(&mut events, Some(self.patience())) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                Ok(()) | Err(_) => {}
            }
            let began_mono_ns = self.desk.begin_turn();
            for event in &events {
                self.ready(event);
            }
            self.turns_again();
            self.links_again();
            while let Some(owner) = self.timers.due(self.desk.now.mono_ns) {
                self.wake_owner(owner);
            }
            self.settle();
            self.serve_cluster();
            self.accept_late();
            self.sweep();
            if self.desk.shared.is_stopping() && self.is_drained() {
                return Ok(());
            }
            self.crew.add_busy(self.number, self.desk.mono_ns().saturating_sub(began_mono_ns));
        }
    }

    /// How long the loop may wait for events.
    fn patience(&self) -> Duration {
        if !self.again.is_empty()
            || self.links.wants_turn()
            || self.doors.iter().any(|door| door.waiting && door.retry_mono_ns == 0)
        {
            return Duration::ZERO;
        }
        let mono_ns = self.desk.now.mono_ns;
        let due = self.timers.next_mono_ns().unwrap_or(u64::MAX).min(self.next_sweep_mono_ns);
        let due = self.drained_by_mono_ns.map_or(due, |end| due.min(end));
        let retry = self.doors.iter().filter(|door| door.waiting).map(|door| door.retry_mono_ns).min();
        // Never exactly zero: the kernel counts in milliseconds, and rounding down would spin.
        Duration::from_nanos(due.min(retry.unwrap_or(due)).saturating_sub(mono_ns))
            .max(Duration::from_millis(1))
    }

    fn ready(&mut self, event: &Event) {
        match event.token() {
            WAKE => self.read_mail(),
            Token(token) if token >= FIRST_DOOR => self.accept(token - FIRST_DOOR),
            Token(token) if token >= FIRST_LINK => self.link_ready(token - FIRST_LINK, event),
            Token(slot) => {
                let Some(connection) = self.connections.get_mut(slot) else { return };
                connection.readable |= event.is_readable() || event.is_read_closed();
                connection.ending |= event.is_read_closed();
                if event.is_write_closed() {
                    self.close(slot, Reason::Peer);
                } else if !connection.queued {
                    self.turn(slot);
                }
            }
        }
    }

    /// First half of a connection's turn.
    pub(super) fn turn(&mut self, slot: usize) {
        let Some(connection) = self.connections.get_mut(slot) else { return };
        let owner = Owner { slot, serial: connection.serial };
        let from = self.desk.output.len();
        self.desk.serve(self.number, owner);
        if connection.exchange(&mut self.desk).is_err() {
            self.close(slot, Reason::Peer);
            return;
        }
        let to = self.desk.output.len();
        self.turned.push((owner, from..to));
        if self.turned.len() >= TURNS_A_SETTLE || to >= OUTPUT_A_SETTLE {
            self.settle();
        }
    }

    /// Second half of the turns since the last call: replies leave.
    pub(super) fn settle(&mut self) {
        self.desk.commit();
        let mut turned = std::mem::take(&mut self.turned);
        for (owner, own) in turned.drain(..) {
            // A slot may have been closed since, and used again for somebody else.
            let same = |connection: &&mut Connection| connection.serial == owner.serial;
            let Some(connection) = self.connections.get_mut(owner.slot).filter(same) else { continue };
            match connection.settle(&mut self.desk, own) {
                Next::Rest => {}
                Next::Again if connection.queued => {}
                Next::Again => {
                    connection.queued = true;
                    self.again.push_back(owner.slot);
                }
                Next::At(mono_ns) => self.timers.set(mono_ns, owner),
                Next::Close(reason) => self.close(owner.slot, reason),
            }
        }
        self.turned = turned;
        self.desk.clear_output();
    }

    /// One turn for each connection that had more to do.
    fn turns_again(&mut self) {
        for _ in 0..self.again.len() {
            let Some(slot) = self.again.pop_front() else { return };
            // The slot may have been closed and used again since; a turn too many does no harm.
            if let Some(connection) = self.connections.get_mut(slot) {
                connection.queued = false;
                self.turn(slot);
            }
        }
    }

    fn wake_owner(&mut self, owner: Owner) {
        let waiting = self.connections.get(owner.slot);
        if waiting.is_some_and(|connection| connection.serial == owner.serial && !connection.queued) {
            self.turn(owner.slot);
        }
    }

    pub(super) fn close(&mut self, slot: usize, reason: Reason) {
        if let Some(connection) = self.connections.try_remove(slot) {
            self.desk.account(connection.accounted, 0);
            accept::dismiss(&self.desk.shared, connection.protocol);
            self.crew.leave(self.number);
            tracing::trace!(peer = %connection.peer.address, ?reason, "connection closed");
        }
    }

    fn accept(&mut self, door: usize) {
        for _ in 0..ACCEPTS_A_TURN {
            let Some(open) = self.doors.get_mut(door) else { return };
            (open.waiting, open.retry_mono_ns) = (true, 0);
            match open.listener.accept() {
                Ok((socket, peer)) => self.welcome(door, socket, peer),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    open.waiting = false;
                    return;
                }
                Err(error) if accept::is_of_the_connection(&error) => {}
                Err(error) => {
                    let mono_ns = self.desk.now.mono_ns;
                    open.retry_mono_ns = mono_ns + ACCEPT_RETRY_NS;
                    if let Some(left_out) = self.desk.shared.throttles.accept.pass(mono_ns) {
                        tracing::warn!(%error, left_out, "can't accept connections just now");
                    }
                    return;
                }
            }
        }
    }

    /// Doors where connections wait that epoll will not tell of again.
    fn accept_late(&mut self) {
        let mono_ns = self.desk.now.mono_ns;
        for door in 0..self.doors.len() {
            if self.doors.get(door).is_some_and(|open| open.waiting && open.retry_mono_ns <= mono_ns) {
                self.accept(door);
            }
        }
    }

    /// Finds a thread for a new connection.
    fn welcome(&mut self, door: usize, socket: TcpStream, address: SocketAddr) {
        let Some(door) = self.doors.get(door) else { return };
        if door.protocol == Protocol::Fabric {
            return self.welcome_link(socket, address);
        }
        if !accept::admit(&self.desk.shared, address, self.desk.now.mono_ns) {
            return;
        }
        let wildcard = door.address.ip().is_unspecified();
        let local = if wildcard { socket.local_addr().unwrap_or(door.address) } else { door.address };
        let protocol = door.protocol;
        let place = self.crew.place(self.number);
        if place == self.number {
            self.crew.arrive(place);
            self.seat_newcomer(socket, Peer { address, local }, protocol);
        } else {
            self.crew.send(place, Mail::Newcomer { socket, address, local, protocol });
        }
    }

    fn seat_newcomer(&mut self, socket: TcpStream, peer: Peer, protocol: Protocol) {
        self.next_serial += 1;
        let mono_ns = self.desk.now.mono_ns;
        self.seat(Connection::new(socket, peer, protocol, self.next_serial, mono_ns));
    }

    /// Gives a connection, which is counted already, a slot and watches its socket.
    fn seat(&mut self, mut connection: Connection) -> Option<usize> {
        let entry = self.connections.vacant_entry();
        let slot = entry.key();
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(&mut connection.socket, Token(slot), interest) {
            tracing::warn!(%error, peer = %connection.peer.address, "connection turned away");
            accept::dismiss(&self.desk.shared, connection.protocol);
            self.crew.leave(self.number);
            return None;
        }
        self.desk.account(0, connection.accounted);
        entry.insert(connection);
        Some(slot)
    }

    /// What other threads have sent.
    pub(super) fn read_mail(&mut self) {
        for mail in self.crew.receive(self.number) {
            match mail {
                Mail::Newcomer { socket, address, local, protocol } => {
                    self.seat_newcomer(socket, Peer { address, local }, protocol);
                }
                Mail::Moved(mut connection) => {
                    self.next_serial += 1;
                    connection.serial = self.next_serial;
                    // What epoll told the other thread is unknown here, so the socket is looked at once.
                    connection.readable = true;
                    if let Some(slot) = self.seat(*connection) {
                        self.turn(slot);
                    }
                }
                Mail::Give { count, to } => self.give(count, to),
                Mail::Carry(outgoing) => self.carry_out(*outgoing),
                Mail::Replies(replies) => replies.into_iter().for_each(|reply| self.give_answer(reply)),
            }
        }
    }

    /// Hands connections over that have nothing under way.
    fn give(&mut self, count: usize, to: usize) {
        // Half-done turns end first: then no reply of a connection is left in this thread's output.
        self.settle();
        let free = |connection: &Connection| connection.can_move();
        let slots = self.connections.iter().filter(|(_, connection)| free(connection)).map(|(slot, _)| slot);
        let slots: Vec<usize> = slots.take(count).collect();
        for slot in slots {
            let Some(mut connection) = self.connections.try_remove(slot) else { continue };
            self.desk.account(connection.accounted, 0);
            self.crew.leave(self.number);
            if let Err(error) = self.poll.registry().deregister(&mut connection.socket) {
                tracing::warn!(%error, peer = %connection.peer.address, "connection lost on its way to another thread");
                accept::dismiss(&self.desk.shared, connection.protocol);
                continue;
            }
            self.crew.send(to, Mail::Moved(Box::new(connection)));
        }
    }
}
