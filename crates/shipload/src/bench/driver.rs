//! One thread that keeps its connections busy.
//!
//! ```text
//!  schedule --due--> idle connection --request--> server --answer--> stats, connection idle again
//! ```
//! One poll serves all connections; a request costs one write and one read. When every connection is busy,
//! operations that are due wait in the schedule and their latency keeps counting.

use super::alarm::{Alarm, TICK};
use super::connection::{Connection, Pending};
use super::dialect::Dialect;
use super::random::Random;
use super::schedule::Schedule;
use super::stats::{Outcome, Stats};
use super::workload::Work;
use mio::event::Event;
use mio::{Events, Interest, Poll, Token};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often measurements are handed over, in nanoseconds.
const PUBLISH_NS: u64 = 200_000_000;
/// How long a broken connection rests before it is opened again, in nanoseconds.
const REST_NS: u64 = 100_000_000;
/// How long a connection may take to come up at the start.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The same later on, when waiting for it keeps other connections waiting.
const RECONNECT_TIMEOUT: Duration = Duration::from_millis(100);
/// The alarm's token: no connection has it.
const ALARM: Token = Token(usize::MAX - 1);

/// What a thread is told.
pub(super) struct Orders {
    pub(super) address: SocketAddr,
    pub(super) connections: usize,
    pub(super) dialect: Box<dyn Dialect>,
    pub(super) work: Work,
    pub(super) schedule: Schedule,
    pub(super) random: Random,
    /// Operations that are due before this are not measured, in nanoseconds since the run began.
    pub(super) warm_ns: u64,
    /// An operation without an answer for this long is given up, in nanoseconds.
    pub(super) timeout_ns: u64,
}

/// What the threads and the one that watches them share.
#[derive(Debug)]
pub(super) struct Shared {
    /// Measurements since they were last collected.
    pub(super) stats: Mutex<Stats>,
    /// Set to end the run early.
    pub(super) stop: Arc<AtomicBool>,
}

impl Shared {
    pub(super) fn new() -> Shared {
        Shared { stats: Mutex::new(Stats::new()), stop: Arc::new(AtomicBool::new(false)) }
    }

    /// Whether the run is to end early.
    pub(super) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Adds the measurements of one thread and clears them.
    fn publish(&self, stats: &mut Stats) {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner).add(stats);
        stats.clear();
    }

    /// Takes what was measured since the last call.
    pub(super) fn collect(&self, into: &mut Stats) {
        let mut stats = self.stats.lock().unwrap_or_else(PoisonError::into_inner);
        into.add(&stats);
        stats.clear();
    }
}

/// A place for a connection, which may be broken for a while.
enum Slot {
    Open(Connection),
    /// Closed until this time.
    Resting(u64),
}

/// The thread's state.
pub(super) struct Driver<'a> {
    orders: Orders,
    shared: &'a Shared,
    start: Instant,
    poll: Poll,
    alarm: Alarm,
    slots: Vec<Slot>,
    /// Places whose connection is open and has nothing in flight, longest idle first.
    idle: VecDeque<usize>,
    /// Operations that were sent and not answered.
    in_flight: u64,
    /// There is no more work, however much time is left.
    exhausted: bool,
    stats: Stats,
}

impl<'a> Driver<'a> {
    /// Opens all connections.
    pub(super) fn new(orders: Orders, shared: &'a Shared) -> io::Result<Driver<'a>> {
        let poll = Poll::new()?;
        let alarm = Alarm::new(poll.registry(), ALARM)?;
        let mut driver = Driver {
            slots: Vec::with_capacity(orders.connections),
            idle: VecDeque::with_capacity(orders.connections),
            orders,
            shared,
            start: Instant::now(),
            poll,
            alarm,
            in_flight: 0,
            exhausted: false,
            stats: Stats::new(),
        };
        for index in 0..driver.orders.connections {
            let slot = driver.open(index, CONNECT_TIMEOUT)?;
            driver.slots.push(slot);
        }
        Ok(driver)
    }

    /// Works until the schedule ends or the work is done, then waits for the answers that are still due.
    /// Times count from `start`, the same for all threads.
    pub(super) fn run(mut self, start: Instant) -> io::Result<()> {
        self.start = start;
        let mut events = Events::with_capacity(1024);
        let (mut next_publish, mut next_check) = (PUBLISH_NS, REST_NS);
        let mut now = self.now_ns();
        while !self.finished(now) {
            self.send_due();
            let timeout = self.wait_time()?;
            match self.poll.poll(&mut events, Some(timeout)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                Ok(()) | Err(_) => {}
            }
            for event in events.iter().filter(|event| event.token() != ALARM) {
                self.serve(event.token().0, event);
            }
            now = self.now_ns();
            if now >= next_check {
                next_check = now.saturating_add(REST_NS / 2);
                self.check(now);
            }
            if now >= next_publish {
                next_publish = now.saturating_add(PUBLISH_NS);
                self.shared.publish(&mut self.stats);
            }
        }
        self.count_unfinished(now);
        self.shared.publish(&mut self.stats);
        Ok(())
    }

    /// Nothing more will be sent and nothing more is waited for.
    fn finished(&self, now: u64) -> bool {
        let sent = self.exhausted || self.orders.schedule.next_ns(now).is_none();
        let patience_ends = self.orders.schedule.end_ns().saturating_add(self.orders.timeout_ns);
        self.shared.stopped() || (sent && self.in_flight == 0) || now >= patience_ends
    }

    /// Gives every operation that is due to an idle connection.
    fn send_due(&mut self) {
        while !self.exhausted && !self.idle.is_empty() {
            let now = self.now_ns();
            let Some(due_ns) = self.orders.schedule.take(now) else { return };
            let Some(operation) = self.orders.work.next(&mut self.orders.random) else {
                self.exhausted = true;
                return;
            };
            let Some(index) = self.idle.pop_front() else { return };
            let Some(Slot::Open(connection)) = self.slots.get_mut(index) else { continue };
            self.orders.dialect.request(operation, &mut self.orders.random, connection.output());
            let pending = Pending { class: operation.class, due_ns, sent_ns: now };
            self.in_flight += 1;
            if connection.send(pending).is_err() {
                self.give_up(index, Loss::Connection);
            }
        }
    }

    /// How long to poll: until the next operation is due, when a connection is there for it.
    fn wait_time(&mut self) -> io::Result<Duration> {
        if self.exhausted || self.idle.is_empty() {
            return Ok(TICK);
        }
        let now = self.now_ns();
        match self.orders.schedule.next_ns(now) {
            Some(due) if due > now => self.alarm.arm(Duration::from_nanos(due - now)),
            Some(_) => Ok(Duration::ZERO),
            None => Ok(TICK),
        }
    }

    /// Moves the bytes of one connection.
    fn serve(&mut self, index: usize, event: &Event) {
        let Some(Slot::Open(connection)) = self.slots.get_mut(index) else { return };
        let flushed = if event.is_writable() { connection.flush() } else { Ok(()) };
        match flushed.and_then(|()| connection.receive(&*self.orders.dialect)) {
            Ok(None) => {}
            Ok(Some((pending, outcome))) => self.answered(index, pending, outcome),
            Err(_) => self.give_up(index, Loss::Connection),
        }
    }

    fn answered(&mut self, index: usize, pending: Pending, outcome: Outcome) {
        let now = self.now_ns();
        self.in_flight -= 1;
        self.idle.push_back(index);
        if pending.due_ns >= self.orders.warm_ns {
            self.stats.record(pending.class, pending.due_ns, now, outcome);
        }
    }

    /// Looks for operations without an answer and for connections to open again.
    fn check(&mut self, now: u64) {
        for index in 0..self.slots.len() {
            match &self.slots[index] {
                Slot::Open(connection) => {
                    let sent_ns = connection.pending.map_or(now, |pending| pending.sent_ns);
                    if now.saturating_sub(sent_ns) > self.orders.timeout_ns {
                        self.give_up(index, Loss::Timeout);
                    }
                }
                Slot::Resting(until) if *until <= now => {
                    let slot = self.open(index, RECONNECT_TIMEOUT);
                    self.slots[index] = slot.unwrap_or(Slot::Resting(now.saturating_add(REST_NS)));
                }
                Slot::Resting(_) => {}
            }
        }
    }

    /// Closes a connection and counts the operation that was lost with it.
    fn give_up(&mut self, index: usize, loss: Loss) {
        let rest = Slot::Resting(self.now_ns().saturating_add(REST_NS));
        let Slot::Open(connection) = std::mem::replace(&mut self.slots[index], rest) else { return };
        self.idle.retain(|other| *other != index);
        let Some(pending) = connection.pending else { return };
        self.in_flight -= 1;
        if pending.due_ns < self.orders.warm_ns {
            return;
        }
        let stats = self.stats.class_mut(pending.class);
        match loss {
            Loss::Connection => stats.lost += 1,
            Loss::Timeout => stats.timeouts += 1,
        }
    }

    fn open(&mut self, index: usize, timeout: Duration) -> io::Result<Slot> {
        let mut connection = Connection::open(self.orders.address, timeout)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut connection.stream, Token(index), interest)?;
        self.idle.push_back(index);
        Ok(Slot::Open(connection))
    }

    /// What was due and did not end, unless the run was ended early.
    fn count_unfinished(&mut self, now: u64) {
        if !self.shared.stopped() {
            let overdue = if self.exhausted { 0 } else { self.orders.schedule.overdue(now) };
            self.stats.unfinished = self.in_flight.saturating_add(overdue);
        }
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Why an operation has no answer.
#[derive(Debug, Clone, Copy)]
enum Loss {
    Connection,
    Timeout,
}
