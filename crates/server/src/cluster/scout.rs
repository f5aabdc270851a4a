//! What the thread of the seeds finds out, and how the thread of the gossip gets it.

use super::SeedAddress;
use super::engine::Engine;
use super::heartbeat::Heartbeat;
use super::reach::{Listening, Machine, Reach};
use super::seeds::Seeking;
use crate::clock::Start;
use mio::Waker;
use parking_lot::Mutex;
use shipload_cluster::Attributes;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::Sender;

/// How often interfaces are looked at while the seeds stay the same.
const LOOK_NS: u64 = 2_000_000_000;

/// What waits for the thread of the gossip.
#[derive(Debug, Default)]
pub(super) struct Mail {
    /// The addresses that all seeds stand for now.
    pub(super) candidates: Option<Vec<SocketAddr>>,
    /// What this node is to announce.
    pub(super) attributes: Option<Attributes>,
    /// Say farewell, and then tell here.
    pub(super) leave: Option<Sender<()>>,
    /// End.
    pub(super) stop: bool,
}

/// Mail, and the bell that goes with it.
#[derive(Debug)]
pub(super) struct Mailbox {
    mail: Mutex<Mail>,
    waker: Waker,
}

impl Mailbox {
    pub(super) fn new(waker: Waker) -> Mailbox {
        Mailbox { mail: Mutex::default(), waker }
    }

    pub(super) fn wake(&self) {
        // It fails only without a kernel's eventfd, and then the next tick comes all the same.
        let _ = self.waker.wake();
    }

    /// What has come since the last call.
    pub(super) fn open(&self) -> Mail {
        std::mem::take(&mut self.mail.lock())
    }

    pub(super) fn leave(&self, said: Sender<()>) {
        self.mail.lock().leave = Some(said);
        self.wake();
    }

    pub(super) fn stop(&self) {
        self.mail.lock().stop = true;
        self.wake();
    }
}

/// Looks out for the gossip: on the thread of the seeds.
pub(super) struct Scout {
    engine: Arc<dyn Engine>,
    listening: Listening,
    /// The addresses that gossip is bound to.
    bound: Vec<SocketAddr>,
    /// Multicast groups, which are sought like any other address.
    groups: Vec<SocketAddr>,
    mailbox: Arc<Mailbox>,
    start: Start,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    reach: Reach,
    candidates: Vec<SocketAddr>,
    attributes: Option<Attributes>,
    look_at_ns: u64,
    looked: bool,
    warned: bool,
}

impl Scout {
    pub(super) fn new(
        engine: Arc<dyn Engine>,
        listening: Listening,
        heartbeat: &Heartbeat,
        mailbox: Arc<Mailbox>,
        start: Start,
    ) -> Scout {
        let (bound, groups) = (heartbeat.addresses().to_vec(), heartbeat.groups().to_vec());
        Scout { engine, listening, bound, groups, mailbox, start, seen: Mutex::default() }
    }

    /// What to announce now.
    pub(super) fn attributes(&self, seeds: &[SocketAddr]) -> Attributes {
        self.attributes_with(&mut self.seen.lock().reach, seeds)
    }

    fn attributes_with(&self, reach: &mut Reach, seeds: &[SocketAddr]) -> Attributes {
        let (rack, alternate) = (self.engine.rack(), self.engine.alternate());
        let listening = Listening { rack, alternate, ..self.listening.clone() };
        reach.attributes(&listening, seeds, &Machine)
    }

    /// A node that is bound to loopback and has seeds elsewhere is a slip of the hand.
    fn warn(&self, seen: &mut Seen) {
        let near = self.bound.iter().all(|own| own.ip().is_loopback());
        if let Some(far) = seen.candidates.iter().find(|seed| near && !seed.ip().is_loopback())
            && !seen.warned
        {
            seen.warned = true;
            tracing::warn!(
                "the seed {far} is on another machine, but heartbeats go through loopback only; \
                 --address any, or heartbeat.address, opens them"
            );
        }
    }
}

impl Seeking for Scout {
    fn seeds(&self) -> (u64, Vec<SeedAddress>) {
        self.engine.seeds()
    }

    fn is_alone(&self) -> bool {
        self.engine.is_alone()
    }

    fn look(&self, addresses: &[SocketAddr]) {
        let sendable = |seed: &&SocketAddr| self.bound.iter().any(|own| own.is_ipv4() == seed.is_ipv4());
        let mut candidates: Vec<SocketAddr> = addresses.iter().filter(sendable).copied().collect();
        let mut seen = self.seen.lock();
        let now_ns = self.start.elapsed_ns();
        let moved = candidates != seen.candidates || (!seen.looked && !self.groups.is_empty());
        if !moved && now_ns < seen.look_at_ns {
            return;
        }
        seen.look_at_ns = now_ns + LOOK_NS;
        let attributes = self.attributes_with(&mut seen.reach, &candidates);
        let changed = seen.attributes.as_ref() != Some(&attributes);
        seen.candidates.clone_from(&candidates);
        seen.attributes = Some(attributes.clone());
        seen.looked = true;
        self.warn(&mut seen);
        drop(seen);
        candidates.extend(&self.groups);
        if moved || changed {
            let mut mail = self.mailbox.mail.lock();
            mail.attributes = Some(attributes);
            if moved {
                mail.candidates = Some(candidates);
            }
            drop(mail);
            self.mailbox.wake();
        }
    }
}
