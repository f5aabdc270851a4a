//! The thread that looks seeds up: asks, waits for nobody, and tells what all seeds stand for.
//!
//! A name server may keep silent, so each question has a short-lived thread of its own, and one slow seed does not
//! delay the others. When to ask is decided by [`SeedBook`].

use super::dns::{Resolve, ResolveError};
use super::seed_address::SeedAddress;
use super::seed_book::{SeedBook, SeedNews};
use crate::clock::Start;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// How often the list of seeds is looked at, for tips.
const LOOK_MS: u64 = 200;
/// Questions under way at the same time.
const QUESTIONS_MAX: usize = 16;

/// Whose seeds these are.
pub(super) trait Seeking: Send + Sync + 'static {
    /// The seeds, and a number that moves when they change.
    fn seeds(&self) -> (u64, Vec<SeedAddress>);

    /// Whether no other node is known.
    fn is_alone(&self) -> bool;

    /// Called every few hundred milliseconds with the addresses that all seeds stand for now.
    fn look(&self, addresses: &[SocketAddr]);
}

enum Event {
    Answer(SeedAddress, Result<Vec<IpAddr>, ResolveError>),
    Stop,
}

/// The running thread. Dropping it stops it.
#[derive(Debug)]
pub(super) struct SeedThread {
    events: Sender<Event>,
    thread: Option<JoinHandle<()>>,
}

impl SeedThread {
    pub(super) fn start(
        start: Start,
        seeking: Arc<dyn Seeking>,
        resolver: Arc<dyn Resolve>,
    ) -> io::Result<SeedThread> {
        let (events, received) = channel();
        let seeker = Seeker { start, seeking, resolver, events: events.clone(), book: SeedBook::default() };
        let thread = Builder::new().name("seeds".to_owned()).spawn(move || seeker.run(&received))?;
        Ok(SeedThread { events, thread: Some(thread) })
    }
}

impl Drop for SeedThread {
    fn drop(&mut self) {
        // A thread that ended already has nobody to tell.
        let _ = self.events.send(Event::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Seeker {
    start: Start,
    seeking: Arc<dyn Seeking>,
    resolver: Arc<dyn Resolve>,
    events: Sender<Event>,
    book: SeedBook,
}

impl Seeker {
    fn run(mut self, received: &Receiver<Event>) {
        let mut known = None;
        loop {
            let (generation, seeds) = self.seeking.seeds();
            if known != Some(generation) {
                known = Some(generation);
                self.book.set_seeds(&seeds);
            }
            let alone = self.seeking.is_alone();
            let free = QUESTIONS_MAX.saturating_sub(self.book.in_flight());
            for seed in self.book.due(self.now_ms(), alone, free) {
                self.ask(&seed);
            }
            self.seeking.look(&self.book.addresses(self.now_ms()));
            let wait_ms = self.book.wake_at_ms(alone).saturating_sub(self.now_ms()).clamp(1, LOOK_MS);
            match received.recv_timeout(Duration::from_millis(wait_ms)) {
                Ok(Event::Answer(seed, answer)) => self.note(&seed, answer),
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn now_ms(&self) -> u64 {
        self.start.elapsed_ns() / 1_000_000
    }

    fn ask(&mut self, seed: &SeedAddress) {
        // An address needs no name server.
        if let Ok(ip) = seed.host.parse() {
            return self.note(seed, Ok(vec![ip]));
        }
        let (resolver, events) = (Arc::clone(&self.resolver), self.events.clone());
        let asked = seed.clone();
        let spawned = Builder::new().name("resolve".to_owned()).spawn(move || {
            let answer = resolver.resolve(&asked.host);
            // When nobody waits any more, the server has ended.
            let _ = events.send(Event::Answer(asked, answer));
        });
        if spawned.is_err() {
            // The machine has no thread to give just now: the same question comes again in a moment.
            self.note(seed, Err(ResolveError::NotFound));
        }
    }

    fn note(&mut self, seed: &SeedAddress, answer: Result<Vec<IpAddr>, ResolveError>) {
        match self.book.answered(self.now_ms(), seed, answer) {
            Some(SeedNews::Found(seed, addresses)) => tracing::info!("seed {seed} is {}", list(&addresses)),
            Some(SeedNews::Moved(seed, addresses)) => {
                tracing::debug!("seed {seed} is {} now", list(&addresses));
            }
            // Normal while containers start; it may also be a slip of the hand.
            Some(SeedNews::Failed(seed, error)) => tracing::warn!("seed {seed}: {error}; it is tried again"),
            None => {}
        }
    }
}

/// Addresses as a text; of many only the first few.
fn list(addresses: &[IpAddr]) -> String {
    const SHOWN: usize = 8;
    let shown: Vec<String> = addresses.iter().take(SHOWN).map(ToString::to_string).collect();
    let more = addresses.len().saturating_sub(SHOWN);
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::{SeedThread, Seeking};
    use crate::clock::Start;
    use crate::cluster::dns::{Resolve, ResolveError};
    use crate::cluster::seed_address::SeedAddress;
    use parking_lot::Mutex;
    use std::net::{IpAddr, SocketAddr};
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Duration;

    const DEADLINE: Duration = Duration::from_secs(120);

    struct Host {
        seeds: Mutex<(u64, Vec<SeedAddress>)>,
        looked: Sender<Vec<SocketAddr>>,
    }

    impl Seeking for Host {
        fn seeds(&self) -> (u64, Vec<SeedAddress>) {
            self.seeds.lock().clone()
        }
        fn is_alone(&self) -> bool {
            true
        }
        fn look(&self, addresses: &[SocketAddr]) {
            let _ = self.looked.send(addresses.to_vec());
        }
    }

    /// Knows `db`, and later more of it; the question for `silent` hangs until the test ends.
    struct Names {
        db: Mutex<Vec<IpAddr>>,
        hang: Mutex<Receiver<()>>,
    }

    impl Resolve for Names {
        fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
            match host {
                "db" => Ok(self.db.lock().clone()),
                "silent" => {
                    let _ = self.hang.lock().recv();
                    Err(ResolveError::NotFound)
                }
                _ => Err(ResolveError::NotFound),
            }
        }
    }

    fn wait_for(looked: &Receiver<Vec<SocketAddr>>, expected: &[&str]) {
        loop {
            let addresses = looked.recv_timeout(DEADLINE).expect("the thread looks again and again");
            if addresses.iter().map(ToString::to_string).collect::<Vec<_>>() == expected {
                return;
            }
        }
    }

    #[test]
    fn a_silent_seed_delays_nobody_and_new_addresses_are_found() {
        let (looked, receiver) = channel();
        let (_end, hang) = channel();
        let seeds = |list: &[&str]| list.iter().filter_map(|text| SeedAddress::parse(text, 3002)).collect();
        let host = Arc::new(Host { seeds: Mutex::new((1, seeds(&["silent", "db", "nobody"]))), looked });
        let names = Arc::new(Names { db: Mutex::new(vec![[10, 0, 0, 1].into()]), hang: Mutex::new(hang) });
        let seeking: Arc<dyn Seeking> = Arc::<Host>::clone(&host);
        let resolver: Arc<dyn Resolve> = Arc::<Names>::clone(&names);
        let thread = SeedThread::start(Start::now(), seeking, resolver).expect("a thread");
        wait_for(&receiver, &["10.0.0.1:3002"]);
        names.db.lock().push([10, 0, 0, 2].into());
        wait_for(&receiver, &["10.0.0.1:3002", "10.0.0.2:3002"]);
        *host.seeds.lock() = (2, seeds(&["db", "10.0.0.9:3102"]));
        wait_for(&receiver, &["10.0.0.1:3002", "10.0.0.2:3002", "10.0.0.9:3102"]);
        *host.seeds.lock() = (3, Vec::new());
        wait_for(&receiver, &[]);
        drop(thread);
    }
}
