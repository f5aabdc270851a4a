//! The threads for functions: what takes a function longer than a service thread has time for.
//!
//! They are a few and nice, so that functions without end take only what the service threads leave of the processors.

use crate::clock::Clock;
use crate::host::load;
use crate::service::{Crew, Shared};
use parking_lot::{Condvar, Mutex};
use rustix::process::setpriority_process;
use rustix::thread::gettid;
use shipload_node::cluster::Outgoing;
use shipload_node::{FunctionTurn, Worker};
use std::sync::Arc;
use std::time::Duration;

/// The fewest threads: one function without end leaves room for another.
const THREADS_MIN: u64 = 2;
/// The most: each may hold a Lua state of `max-memory`.
const THREADS_MAX: u64 = 8;
/// How nice they are.
const NICE: i32 = 5;
/// How long a thread sleeps that nobody wakes.
const IDLE: Duration = Duration::from_secs(1);

/// How many threads there are for functions: one for each processor, within limits.
pub(crate) fn thread_count() -> u64 {
    load::processors().clamp(THREADS_MIN, THREADS_MAX)
}

/// Tells the threads that there is something to do.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    calls: Mutex<u64>,
    sound: Condvar,
}

impl Alarm {
    /// Wakes one thread.
    pub(crate) fn ring(&self) {
        *self.calls.lock() += 1;
        self.sound.notify_one();
    }

    /// Wakes all threads.
    pub(crate) fn ring_all(&self) {
        *self.calls.lock() += THREADS_MAX;
        self.sound.notify_all();
    }

    fn wait(&self, patience: Duration) {
        let mut calls = self.calls.lock();
        if *calls == 0 {
            self.sound.wait_for(&mut calls, patience);
        }
        *calls = calls.saturating_sub(1);
    }
}

/// Runs until the server stops.
pub(crate) fn run(shared: &Arc<Shared>, crew: &Crew, alarm: &Alarm) {
    // Not being nice is a disadvantage to others only.
    let _ = setpriority_process(Some(gettid()), NICE);
    let mut clock = Clock::new(shared.start);
    let mut worker = shared.node.function_worker();
    while !shared.is_stopping() {
        let now = clock.now();
        match shared.node.step_functions(&mut worker, now) {
            FunctionTurn::More => give_away(shared, crew, &mut worker),
            FunctionTurn::Idle(mono_ns) => {
                let patience = Duration::from_nanos(mono_ns.saturating_sub(now.mono_ns)).min(IDLE);
                alarm.wait(patience);
            }
        }
    }
}

/// What came of a step leaves, once its writes are on stable storage where that is promised.
fn give_away(shared: &Shared, crew: &Crew, worker: &mut Worker) {
    let mut outgoing = std::mem::take(&mut worker.outgoing);
    if worker.take_uncommitted() && shared.node.commit().is_err() {
        // Whether the writes hold is unknown, and silence is what says so.
        outgoing = Outgoing::default();
    }
    if !outgoing.is_empty() {
        crew.carry(outgoing);
    }
}
