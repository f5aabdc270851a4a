//! The thread that carries gossip: datagrams in and out, the engine's time, and what the seeds stand for.
//!
//! Guarantees: one thread alone hands datagrams and time to the engine. All datagrams that have arrived are read before
//! the engine hears of time, so that a late wake-up accuses nobody; a flood delays that only so far.
//!
//! ```text
//!  seeds ──► mail ──┐                                        ┌──► datagrams to other nodes
//!  datagrams ───────┴──► engine ──► tick ──► Outgoing ───────┼──► fabric messages, replies: to the event loops
//!                                                            └──► log
//! ```

use super::engine::Engine;
use super::heartbeat::Heartbeat;
use super::reach::Listening;
use super::scout::{Mailbox, Scout};
use super::seeds::SeedThread;
use super::{Resolve, SeedAddress};
use crate::clock::{Clock, Start};
use crate::exit;
use mio::{Events, Poll, Token, Waker};
use rustix::process::setpriority_process;
use rustix::thread::gettid;
use shipload_cluster::metadata::Entry;
use shipload_cluster::{Attributes, Inventory};
use shipload_node::cluster::{Founding, Join, Outgoing};
use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// So many datagrams are read at most before time goes on.
const DATAGRAMS_A_TURN: usize = 4096;
/// After so many datagrams their answers are sent.
const DATAGRAMS_A_FLUSH: usize = 64;
/// Larger than any datagram of ours, so that one that is too large is seen to be.
const BUFFER: usize = 2048;
/// How often a datagram that can't be sent is told of.
const TELL_NS: u64 = 60_000_000_000;
/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(1);
/// A turn that takes so long is told of: other nodes wait for answers meanwhile.
const SLOW_MS: u64 = 30;
/// A node that has seeds founds a cluster alone when none of them has answered for so long.
const FOUND_MS: u64 = 1500;
/// One that remembers other nodes waits longer: alone it would serve what it holds as if that were all. After a restart of
/// all engines of a Swarm these look for each other once a minute, and tell each other all once in half a minute more; until
/// then names and packets of one engine may be lost to another. With one other node it founds at once.
const FOUND_REMEMBERING_MS: u64 = 120_000;
const WAKE: Token = Token(usize::MAX);

/// What takes fabric messages and replies.
pub(crate) type Deliver = Arc<dyn Fn(Outgoing) + Send + Sync>;

/// What a node joins with.
pub(crate) struct Settings {
    /// Where it listens.
    pub(crate) listening: Listening,
    /// Where other nodes may be.
    pub(crate) seeds: Vec<SeedAddress>,
    /// Looks their names up.
    pub(crate) resolver: Arc<dyn Resolve>,
    /// What its data directory holds of partitions.
    pub(crate) inventory: Inventory,
    /// What its data directory holds of metadata.
    pub(crate) metadata: BTreeMap<String, Entry>,
    /// Whether its data directory remembers other nodes.
    pub(crate) remembers: bool,
}

/// Sends what the engine wants sent by datagram, and logs what it tells.
#[derive(Debug)]
struct Carrier {
    heartbeat: Heartbeat,
    start: Start,
    /// When the next datagram that can't be sent is told of.
    tell_at_ns: u64,
}

impl Carrier {
    /// Sends the datagrams and logs the notices; fabric messages and replies stay.
    fn carry(&mut self, out: &mut Outgoing) {
        for (to, bytes) in out.datagrams.drain(..) {
            if let Err(error) = self.heartbeat.send(to, &bytes) {
                self.complain(to, &error);
            }
        }
        log(out);
    }

    fn complain(&mut self, to: SocketAddr, error: &io::Error) {
        let now_ns = self.start.elapsed_ns();
        // Full buffers empty themselves, and gossip repeats what it has to say.
        let quiet = error.kind() == ErrorKind::WouldBlock || now_ns < self.tell_at_ns;
        if !quiet {
            self.tell_at_ns = now_ns + TELL_NS;
            tracing::warn!("a heartbeat to {to} can't be sent: {error}");
        }
    }
}

/// Lets this thread run before others that want the processor: it needs little of it, and needs that at once. Without
/// the right to do so (in most containers) it has its turn like all.
pub(super) fn hasten() {
    let _ = setpriority_process(Some(gettid()), -10);
}

/// Logs the notices.
pub(super) fn log(out: &mut Outgoing) {
    for notice in out.notices.drain(..) {
        if notice.is_warning() {
            tracing::warn!("{notice}");
        } else {
            tracing::info!("{notice}");
        }
    }
}

/// The running gossip of a node. Dropping it leaves the cluster and ends its threads.
#[derive(Debug)]
pub(crate) struct Gossip {
    mailbox: Arc<Mailbox>,
    seeds: Option<SeedThread>,
    thread: Option<JoinHandle<()>>,
}

impl Gossip {
    /// Joins, and gossips from then on. Fabric messages and replies go to `deliver`.
    ///
    /// # Errors
    /// When the machine has no thread or epoll instance to give.
    pub(crate) fn start(
        engine: Arc<dyn Engine>,
        start: Start,
        mut heartbeat: Heartbeat,
        settings: Settings,
        deliver: Deliver,
    ) -> io::Result<Gossip> {
        let poll = Poll::new()?;
        heartbeat.register(poll.registry())?;
        let mailbox = Arc::new(Mailbox::new(Waker::new(poll.registry(), WAKE)?));
        let waker = Arc::clone(&mailbox);
        engine.set_waker(Box::new(move || waker.wake()));
        engine.set_configured_seeds(&settings.seeds);
        let nobody = settings.seeds.is_empty() && heartbeat.groups().is_empty();
        let founding = match (nobody, settings.remembers) {
            (_, true) => Founding::AfterMs(FOUND_REMEMBERING_MS),
            (true, false) => Founding::AtOnce,
            (false, false) => Founding::AfterMs(FOUND_MS),
        };
        let scout =
            Scout::new(Arc::clone(&engine), settings.listening, &heartbeat, Arc::clone(&mailbox), start);
        let carrier = Carrier { heartbeat, start, tell_at_ns: 0 };
        let literal: Vec<SocketAddr> = settings.seeds.iter().filter_map(SeedAddress::literal).collect();
        let mut clock = Clock::new(start);
        let join = Join {
            incarnation: clock.now().unix_ns / 1_000_000,
            random: RandomState::new().hash_one(0),
            attributes: scout.attributes(&literal),
            founding,
            inventory: settings.inventory,
            metadata: settings.metadata,
        };
        let mut turner = Turner {
            engine,
            carrier,
            mailbox: Arc::clone(&mailbox),
            deliver,
            clock,
            buffer: vec![0; BUFFER],
            out: Outgoing::default(),
        };
        // On this thread, so that nobody is served before the node knows what it may serve.
        let attributes = turner.join(join);
        let thread = Builder::new().name("cluster".to_owned()).spawn(move || {
            hasten();
            if let Err(error) = turner.run(poll, attributes) {
                exit::environment("thread cluster can't go on", &error);
            }
        })?;
        let mut gossip = Gossip { mailbox, seeds: None, thread: Some(thread) };
        gossip.seeds = Some(SeedThread::start(start, Arc::new(scout), settings.resolver)?);
        Ok(gossip)
    }

    /// Tells the other nodes that this one goes. The engine still hears of time afterwards. Returns when the farewell
    /// is on its way.
    pub(crate) fn leave(&self) {
        let (said, done) = channel();
        self.mailbox.leave(said);
        // A machine that is too busy for a farewell may go without: the others find out.
        let _ = done.recv_timeout(FAREWELL);
    }
}

impl Drop for Gossip {
    fn drop(&mut self) {
        drop(self.seeds.take());
        self.mailbox.stop();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has told so.
            let _ = thread.join();
        }
    }
}

/// The thread's own.
struct Turner {
    engine: Arc<dyn Engine>,
    carrier: Carrier,
    mailbox: Arc<Mailbox>,
    deliver: Deliver,
    clock: Clock,
    buffer: Vec<u8>,
    out: Outgoing,
}

impl Turner {
    /// Joins; the answer is what this node announces.
    fn join(&mut self, join: Join) -> Attributes {
        let attributes = join.attributes.clone();
        self.engine.join(self.clock.now(), join, &mut self.out);
        self.flush();
        attributes
    }

    fn run(mut self, mut poll: Poll, mut attributes: Attributes) -> io::Result<()> {
        let mut events = Events::with_capacity(16);
        let (mut next_ns, mut left) = (0, false);
        loop {
            let wait = Duration::from_nanos(u64::saturating_sub(next_ns, self.clock.now().mono_ns));
            match poll.poll(&mut events, Some(wait)) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                Ok(()) | Err(_) => {}
            }
            let woken_ns = self.clock.now().mono_ns;
            let heard_all = self.hear();
            let mail = self.mailbox.open();
            // First where this node is, then where others may be: who is sought is told the right address.
            if let Some(changed) = mail.attributes.filter(|changed| *changed != attributes) {
                attributes = changed.clone();
                self.engine.set_attributes(self.clock.now(), changed, &mut self.out);
            }
            if let Some(candidates) = mail.candidates {
                self.engine.set_candidates(self.clock.now(), &candidates, &mut self.out);
            }
            next_ns = self.engine.tick(self.clock.now(), &mut self.out);
            if !left && (mail.stop || mail.leave.is_some()) {
                left = true;
                self.engine.leave(self.clock.now(), &mut self.out);
            }
            self.flush();
            let took_ms = self.clock.now().mono_ns.saturating_sub(woken_ns) / 1_000_000;
            if took_ms >= SLOW_MS {
                tracing::debug!(took_ms, "a turn of the cluster's thread was slow");
            }
            if let Some(said) = mail.leave {
                // Who asked may have lost patience.
                let _ = said.send(());
            }
            if mail.stop {
                return Ok(());
            }
            if !heard_all {
                next_ns = 0;
            }
        }
    }

    /// Reads what has arrived; false when there is more.
    fn hear(&mut self) -> bool {
        for number in 1..=DATAGRAMS_A_TURN {
            let Some((from, length)) = self.carrier.heartbeat.receive(&mut self.buffer) else { return true };
            let bytes = self.buffer.get(..length).unwrap_or_default();
            self.engine.on_datagram(self.clock.now(), from, bytes, &mut self.out);
            if number % DATAGRAMS_A_FLUSH == 0 {
                self.flush();
            }
        }
        false
    }

    fn flush(&mut self) {
        self.carrier.carry(&mut self.out);
        if !self.out.is_empty() {
            (self.deliver)(std::mem::take(&mut self.out));
        }
    }
}

#[cfg(test)]
#[path = "gossip_tests.rs"]
mod tests;
