//! The thread of control: views, migration, what waits for its time.
//!
//! Installing a view may take a while on a node with many records. That is why gossip has a thread of its own: nobody
//! looks dead because he is busy with his new share.

use super::gossip::{Deliver, hasten, log};
use crate::clock::Clock;
use crate::service::Shared;
use parking_lot::{Condvar, Mutex};
use shipload_node::cluster::Outgoing;
use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// Turns that take longer are told in the log, microseconds.
const SLOW_US: u64 = 3000;

/// What the thread is told.
#[derive(Debug, Default)]
struct Call {
    wanted: bool,
    stop: bool,
}

#[derive(Debug, Default)]
struct Alarm {
    call: Mutex<Call>,
    sound: Condvar,
}

impl Alarm {
    fn ring(&self, stop: bool) {
        let mut call = self.call.lock();
        call.wanted = true;
        call.stop |= stop;
        self.sound.notify_one();
    }

    /// Waits so long, or until it rings; whether the thread has to end.
    fn wait(&self, patience: Duration) -> bool {
        let mut call = self.call.lock();
        if !call.wanted && !call.stop {
            self.sound.wait_for(&mut call, patience);
        }
        call.wanted = false;
        call.stop
    }
}

/// The running thread. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct ControlThread {
    alarm: Arc<Alarm>,
    thread: Option<JoinHandle<()>>,
}

impl ControlThread {
    /// Starts it; fabric messages and replies go to `deliver`.
    ///
    /// # Errors
    /// When the machine has no thread to give.
    pub(crate) fn start(shared: &Arc<Shared>, deliver: Deliver) -> io::Result<ControlThread> {
        let alarm = Arc::new(Alarm::default());
        let ring = Arc::clone(&alarm);
        shared.node.cluster.set_control_waker(move || ring.ring(false));
        let (shared, heard) = (Arc::clone(shared), Arc::clone(&alarm));
        let thread =
            Builder::new().name("control".to_owned()).spawn(move || run(&shared, &heard, &deliver))?;
        Ok(ControlThread { alarm, thread: Some(thread) })
    }
}

impl Drop for ControlThread {
    fn drop(&mut self) {
        self.alarm.ring(true);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has told so.
            let _ = thread.join();
        }
    }
}

fn run(shared: &Shared, alarm: &Alarm, deliver: &Deliver) {
    hasten();
    let mut clock = Clock::new(shared.start);
    let mut out = Outgoing::default();
    loop {
        let woken_ns = clock.now().mono_ns;
        let next_ns = shared.node.control_tick(clock.now(), &mut out);
        let took_us = clock.now().mono_ns.saturating_sub(woken_ns) / 1000;
        if took_us >= SLOW_US {
            tracing::debug!(took_us, "a turn of control was slow");
        }
        log(&mut out);
        if !out.is_empty() {
            deliver(std::mem::take(&mut out));
        }
        if alarm.wait(Duration::from_nanos(next_ns.saturating_sub(clock.now().mono_ns))) {
            return;
        }
    }
}
