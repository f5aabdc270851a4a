//! The service threads as a group: who of them takes connections, and how connections change hands.
//!
//! ```text
//!  accepted at any thread ──► the least loaded active thread ──► served there, buffers and all
//!                                        ▲
//!      balancer: "give 8 to thread 1" ───┘ between two turns, when nothing of the connection is under way
//! ```
//!
//! Fewer threads that are awake serve the same load with fewer wake-ups and fewer system calls: the balancer
//! ([`super::balance`]) lets only as many be active as there is work for.

use super::connection::{Connection, Protocol};
use mio::Waker;
use mio::net::TcpStream;
use parking_lot::Mutex;
use shipload_node::cluster::{Outgoing, Reply, Requester};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What one thread sends to another.
#[derive(Debug)]
pub(super) enum Mail {
    /// A connection that was just accepted.
    Newcomer { socket: TcpStream, address: SocketAddr, local: SocketAddr, protocol: Protocol },
    /// A connection with its leftovers.
    Moved(Box<Connection>),
    /// Hand so many connections to that thread.
    Give { count: usize, to: usize },
    /// Send and answer this.
    Carry(Box<Outgoing>),
    /// Answers of parked requests of that thread's connections.
    Replies(Vec<Reply>),
}

/// One service thread as the others see it.
#[derive(Debug)]
struct Seat {
    waker: Waker,
    mail: Mutex<Vec<Mail>>,
    /// Time spent on turns since the start; only the thread itself adds to it.
    busy_ns: AtomicU64,
    /// Connections that sit here or are on their way here.
    connections: AtomicUsize,
}

/// All service threads.
#[derive(Debug)]
pub(crate) struct Crew {
    seats: Vec<Seat>,
    /// The first so many threads take connections.
    active: AtomicUsize,
    /// Whose turn it is to take long work.
    #[cfg(feature = "sql")]
    turn: AtomicUsize,
}

impl Crew {
    /// A crew with a waker for each thread, in the order of their numbers. One thread is active.
    pub(crate) fn new(wakers: Vec<Waker>) -> Arc<Crew> {
        let seat = |waker| Seat {
            waker,
            mail: Mutex::default(),
            busy_ns: AtomicU64::new(0),
            connections: AtomicUsize::new(0),
        };
        Arc::new(Crew {
            seats: wakers.into_iter().map(seat).collect(),
            active: AtomicUsize::new(1),
            #[cfg(feature = "sql")]
            turn: AtomicUsize::new(0),
        })
    }

    /// Wakes all threads, so that they notice a stop.
    pub(crate) fn wake_all(&self) {
        for seat in &self.seats {
            // A thread that can't be woken notices at its next sweep.
            let _ = seat.waker.wake();
        }
    }

    /// How many threads there are.
    pub(crate) fn len(&self) -> usize {
        self.seats.len()
    }

    /// How many threads take connections.
    pub(crate) fn active(&self) -> usize {
        self.active.load(Ordering::Relaxed)
    }

    /// Lets the first `active` threads take connections.
    pub(crate) fn set_active(&self, active: usize) {
        self.active.store(active.clamp(1, self.len().max(1)), Ordering::Relaxed);
    }

    /// Time that a thread has spent on turns since the start, in nanoseconds.
    pub(crate) fn busy_ns(&self, thread: usize) -> u64 {
        self.seats.get(thread).map_or(0, |seat| seat.busy_ns.load(Ordering::Relaxed))
    }

    /// Connections of a thread.
    pub(crate) fn connections(&self, thread: usize) -> usize {
        self.seats.get(thread).map_or(0, |seat| seat.connections.load(Ordering::Relaxed))
    }

    /// Asks thread `from` to hand over connections.
    pub(crate) fn ask(&self, from: usize, count: usize, to: usize) {
        self.send(from, Mail::Give { count, to });
    }

    /// The active thread with the fewest connections; it is the caller's in case of a draw.
    pub(super) fn place(&self, caller: usize) -> usize {
        let active = 0..self.active();
        active.min_by_key(|thread| (self.connections(*thread), *thread != caller)).unwrap_or(caller)
    }

    /// Takes in a connection that this process has made to itself; it is never turned away.
    pub(crate) fn seat_inside(&self, socket: std::net::TcpStream) {
        self.seat_at(self.place(0), socket);
    }

    /// The same at one thread after the other, active or not: for work that is long enough to be shared among all.
    #[cfg(feature = "sql")]
    pub(crate) fn seat_around(&self, socket: std::net::TcpStream) {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        self.seat_at(turn % self.seats.len().max(1), socket);
    }

    fn seat_at(&self, thread: usize, socket: std::net::TcpStream) {
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let socket = TcpStream::from_std(socket);
        let mail = Mail::Newcomer { socket, address: here, local: here, protocol: Protocol::Inside };
        self.send(thread, mail);
    }

    /// Puts something into a thread's box and wakes it.
    pub(super) fn send(&self, to: usize, mail: Mail) {
        let Some(seat) = self.seats.get(to) else { return };
        match mail {
            Mail::Newcomer { .. } | Mail::Moved(_) => self.arrive(to),
            Mail::Give { .. } | Mail::Carry(_) | Mail::Replies(_) => {}
        }
        seat.mail.lock().push(mail);
        let _ = seat.waker.wake();
    }

    /// Has a thread send and answer what came of something outside of the service threads: the one of the first answer.
    pub(crate) fn carry(&self, outgoing: Outgoing) {
        let to = outgoing.replies.iter().find_map(|reply| match reply.requester {
            Requester::Client { thread, .. } => Some(thread as usize),
            Requester::Node { .. } | Requester::Nobody => None,
        });
        self.send(to.unwrap_or(0), Mail::Carry(Box::new(outgoing)));
    }

    /// Empties a thread's box.
    pub(super) fn receive(&self, thread: usize) -> Vec<Mail> {
        self.seats.get(thread).map(|seat| std::mem::take(&mut *seat.mail.lock())).unwrap_or_default()
    }

    /// Counts a connection of a thread.
    pub(super) fn arrive(&self, thread: usize) {
        if let Some(seat) = self.seats.get(thread) {
            seat.connections.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a connection of a thread that is gone.
    pub(super) fn leave(&self, thread: usize) {
        if let Some(seat) = self.seats.get(thread) {
            seat.connections.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Adds to the time that the calling thread has spent on turns.
    pub(super) fn add_busy(&self, thread: usize, ns: u64) {
        if let Some(seat) = self.seats.get(thread) {
            let busy_ns = seat.busy_ns.load(Ordering::Relaxed).wrapping_add(ns);
            seat.busy_ns.store(busy_ns, Ordering::Relaxed);
        }
    }
}
