//! What functions take longer for than a service thread has time: done by threads that the shell keeps for that.
//!
//! Guarantees: a request that was handed over is answered once, to the requester that it came from; what waits is bounded.
//! A node whose shell keeps no such threads runs every function where its request came in.

use super::Functions;
use crate::cluster::{Reply, Requester};
use crate::config::ServiceKey;
use crate::node::Node;
use crate::now::Now;
use crate::query::{BackgroundJob, Turn};
use crate::timing::Timing;
use crate::worker::Worker;
use parking_lot::Mutex;
use shipload_wire::code::ResultCode;
use shipload_wire::reply;
use std::collections::VecDeque;
use std::fmt;
use std::sync::OnceLock;

/// The most requests that wait.
const WAITING_MAX: usize = 1 << 16;

/// A request that was handed over.
#[derive(Debug)]
pub(crate) struct Handed {
    pub(crate) requester: Requester,
    /// Its frame.
    pub(crate) frame: Vec<u8>,
    pub(crate) timing: Option<Timing>,
    /// When it was handed over, monotonic nanoseconds.
    pub(crate) began_mono_ns: u64,
    /// It is a part of a batch of this very node, which waits for it as long as it has to.
    pub(crate) is_part: bool,
    /// See [`Worker::deferred_until`].
    pub(crate) deferred_until: Option<u64>,
}

#[derive(Debug)]
enum Task {
    Request(Handed),
    Query(BackgroundJob),
}

#[derive(Debug, Default)]
struct Tasks {
    ready: VecDeque<Task>,
    /// Background queries that wait for a moment on the monotonic clock.
    later: Vec<(u64, BackgroundJob)>,
}

/// The way to the threads for functions.
#[derive(Default)]
pub(crate) struct Lane {
    tasks: Mutex<Tasks>,
    waker: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

/// What a thread for functions does after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FunctionTurn {
    /// The next step at once.
    More,
    /// Nothing until somebody wakes it or the monotonic clock has reached this, in nanoseconds.
    Idle(u64),
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lane({} ready)", self.tasks.lock().ready.len())
    }
}

impl Lane {
    /// Takes a request; gives it back when too many wait.
    pub(crate) fn hand_over(&self, handed: Handed) -> Result<(), Handed> {
        let mut tasks = self.tasks.lock();
        if tasks.ready.len() >= WAITING_MAX {
            return Err(handed);
        }
        tasks.ready.push_back(Task::Request(handed));
        drop(tasks);
        self.wake();
        Ok(())
    }

    fn query(&self, job: BackgroundJob) {
        self.tasks.lock().ready.push_back(Task::Query(job));
        self.wake();
    }

    fn query_later(&self, mono_ns: u64, job: BackgroundJob) {
        self.tasks.lock().later.push((mono_ns, job));
    }

    /// The next task, or when there may be one.
    fn next(&self, mono_ns: u64) -> Result<Task, u64> {
        let mut tasks = self.tasks.lock();
        let due = tasks.later.iter().position(|(at, _)| *at <= mono_ns);
        if let Some(due) = due {
            let (_, job) = tasks.later.swap_remove(due);
            tasks.ready.push_back(Task::Query(job));
        }
        let first = tasks.later.iter().map(|(at, _)| *at).min();
        tasks.ready.pop_front().ok_or(first.unwrap_or(u64::MAX))
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.get() {
            waker();
        }
    }
}

impl Functions {
    /// The shell keeps threads that call [`Node::step_functions`], and wakes one when this is called.
    pub fn set_waker(&self, waker: impl Fn() + Send + Sync + 'static) {
        // Only the first one counts: a node has one shell.
        let _ = self.lane.waker.set(Box::new(waker));
    }

    /// Whether there are threads for functions.
    pub(crate) fn has_threads(&self) -> bool {
        self.lane.waker.get().is_some()
    }
}

impl Node {
    /// Scratch and counters for a thread that is kept for functions.
    #[must_use]
    pub fn function_worker(&self) -> Worker {
        let mut worker = self.worker();
        worker.is_for_functions = true;
        worker
    }

    /// Gives a background query that calls a function to the threads for functions.
    pub(crate) fn take_background_function(&self, job: BackgroundJob) {
        self.functions.lane.query(job);
    }

    /// One step of a thread for functions. What comes of it is in [`Worker::outgoing`].
    pub fn step_functions(&self, worker: &mut Worker, now: Now) -> FunctionTurn {
        match self.functions.lane.next(now.mono_ns) {
            Err(mono_ns) => return FunctionTurn::Idle(mono_ns),
            Ok(Task::Request(handed)) => self.serve_handed(worker, handed, now),
            Ok(Task::Query(mut job)) => {
                // Background queries write as clients do.
                self.namespaces().iter().for_each(|namespace| namespace.make_room(0));
                match job.step(self, worker, now) {
                    Turn::More => self.functions.lane.query(job),
                    Turn::Wait(mono_ns) => self.functions.lane.query_later(mono_ns, job),
                    Turn::Ended(notice) => self.functions.log.lock().push(notice),
                }
            }
        }
        self.run_waiting_effects(worker, now);
        FunctionTurn::More
    }

    fn serve_handed(&self, worker: &mut Worker, handed: Handed, now: Now) {
        let Handed { requester, frame, timing, began_mono_ns, is_part, deferred_until } = handed;
        let mut answer = Vec::new();
        let patience_ms = self.config().service.number(ServiceKey::TransactionMaxMs);
        let waited_ns = now.mono_ns.saturating_sub(began_mono_ns);
        if patience_ms != 0 && !is_part && waited_ns > patience_ms.saturating_mul(1_000_000) {
            reply::simple(&mut answer, ResultCode::Timeout, 0, 0);
        } else {
            worker.deferred_until = deferred_until;
            let parked = self.execute_for(worker, requester, &frame, now, &mut answer);
            worker.deferred_until = None;
            if parked {
                return;
            }
        }
        let reply = Reply { requester, frames: answer, timing, began_mono_ns };
        self.cluster.parking.deliver(reply, &mut worker.outgoing);
    }
}
