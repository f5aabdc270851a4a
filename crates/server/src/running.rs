//! A server inside this process: opened ports, running threads, and a way to stop them.
//!
//! `shipload serve`, `shipload up` and tests all start a node through [`Launch`]; only `serve` adds signals and
//! log sinks around it.

use crate::clock::{Clock, Start};
use crate::cluster::{self, ControlThread, Deliver, Gossip, Keeper, LOOK_EVERY};
use crate::disk::{self, Storage, StorageError};
use crate::exit;
use crate::functions;
use crate::host::{identity, load, memory};
use crate::http;
use crate::listen::ListenError;
use crate::maintenance::{self, Bell};
use crate::ports::{Bound, Opened, UnknownAddress, open};
use crate::service::{Crew, EventLoop, Shared, Station};
use crate::tuning::Tuning;
use mio::Waker;
use shipload_node::config::{Config, ConfigError, NamespaceKey, ServiceKey};
use shipload_node::{Listen, Node};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};
use thiserror::Error;
use tokio::sync::oneshot;

/// Why a server did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// A port can't be opened.
    #[error("{0}")]
    Listen(#[from] ListenError),
    /// A word that is no address of this machine.
    #[error("{0}")]
    Address(#[from] UnknownAddress),
    /// The configuration contradicts itself.
    #[error("configuration: {0}")]
    Config(#[from] ConfigError),
    /// `node-id` is no hexadecimal number.
    #[error("configuration: node-id '{0}' is no id; allowed: 1 to 16 hexadecimal digits, not all 0")]
    NodeId(String),
    /// Files, devices or the data directory can't be used.
    #[error("{0}")]
    Storage(#[from] StorageError),
    /// Threads or epoll instances can't be made.
    #[error("the machine does not give what is needed: {0}")]
    Machine(#[from] io::Error),
}

/// How to start a server.
#[derive(Debug)]
pub struct Launch {
    /// The node's configuration.
    pub config: Config,
    /// Limits of the event loops.
    pub tuning: Tuning,
    /// Port 0 means "any free port" for info and HTTP too, not "none". For tests and local clusters.
    pub any_port: bool,
}

impl Launch {
    /// A server with this configuration.
    #[must_use]
    pub fn new(config: Config) -> Launch {
        Launch { config, tuning: Tuning::default(), any_port: false }
    }

    /// Opens all ports and starts all threads; the ports serve when this returns.
    ///
    /// # Errors
    /// When a port can't be opened or the configuration contradicts itself. Nothing runs then.
    pub fn start(self) -> Result<Running, StartError> {
        let start = Start::now();
        let node_id = parse_node_id(&self.config.service.text(ServiceKey::NodeId))?;
        share_memory(&self.config);
        let storage = Storage::open(&self.config)?;
        let threads = thread_count(&self.config);
        let Opened { bound, listen, doors, heartbeat, http, pg } =
            open(&self.config.network, threads, self.any_port)?;
        let node_id = match storage.directory() {
            Some(directory) => {
                Some(identity::kept(directory, node_id, bound.service).map_err(StorageError::from)?)
            }
            None => node_id,
        };
        let identity = identity::identify(node_id, bound.service);
        let node = Node::new(self.config, identity)?;
        storage.attach(&node)?;
        tell(&node, start, listen);
        node.functions.pool.set_clock(Arc::new(move || start.elapsed_ns()));
        let shared = Arc::new(Shared::new(node, self.tuning, start));
        // All stations exist before the first loop runs, so that a failure leaves no half-started server.
        let stations: io::Result<Vec<(Station, Waker)>> = doors.into_iter().map(Station::open).collect();
        let (stations, wakers) = stations?.into_iter().unzip::<_, _, Vec<_>, Vec<_>>();
        let crew = Crew::new(wakers);
        let deliver = Arc::clone(&crew);
        let deliver: Deliver = Arc::new(move |outgoing| deliver.carry(outgoing));
        let (keeper, kept) = match storage.directory() {
            Some(directory) => {
                let (keeper, kept) = Keeper::open(directory).map_err(StorageError::from)?;
                (Some(Arc::new(keeper)), kept)
            }
            None => (None, None),
        };
        let gossip = cluster::join(&shared, heartbeat, &bound, kept.as_ref(), Arc::clone(&deliver))?;
        let control = ControlThread::start(&shared, deliver)?;
        let mut running = Running {
            bound,
            shared: Arc::clone(&shared),
            crew: Arc::clone(&crew),
            bell: Arc::new(Bell::default()),
            functions: Arc::default(),
            gossip: Some(gossip),
            control: Some(control),
            keeper,
            http_stop: None,
            sql: None,
            storage,
            described: false,
            threads: Vec::new(),
        };
        for (number, station) in stations.into_iter().enumerate() {
            let service = EventLoop::new(Arc::clone(&shared), Arc::clone(&crew), number, station);
            running.spawn(format!("service-{number}"), move || service.run())?;
        }
        running.spawn_functions()?;
        running.spawn_maintenance()?;
        running.spawn_flush()?;
        running.spawn_keeper()?;
        let sql = http::Sql::start(&shared, &crew, &running.bound, pg)?;
        running.spawn_http(http, &sql)?;
        running.sql = Some(sql);
        Ok(running)
    }
}

/// How long a hand-over may take.
const HAND_OVER: Duration = Duration::from_secs(3);
const HAND_OVER_LOOK: Duration = Duration::from_millis(10);
/// How long clients are given to follow a hand-over: the interval at which they look, and a little.
const CLIENTS_FOLLOW: Duration = Duration::from_millis(1200);

/// A running server. Dropping it stops it.
#[derive(Debug)]
pub struct Running {
    bound: Bound,
    shared: Arc<Shared>,
    crew: Arc<Crew>,
    bell: Arc<Bell>,
    functions: Arc<functions::Alarm>,
    gossip: Option<Gossip>,
    control: Option<ControlThread>,
    keeper: Option<Arc<Keeper>>,
    http_stop: Option<oneshot::Sender<()>>,
    sql: Option<http::Sql>,
    storage: Storage,
    described: bool,
    threads: Vec<JoinHandle<()>>,
}

impl Running {
    /// Starts a server with this configuration.
    ///
    /// # Errors
    /// As [`Launch::start`].
    pub fn start(config: Config) -> Result<Running, StartError> {
        Launch::new(config).start()
    }

    /// The addresses that it really listens on.
    #[must_use]
    pub fn ports(&self) -> &Bound {
        &self.bound
    }

    /// The engine.
    #[must_use]
    pub fn node(&self) -> &Node {
        &self.shared.node
    }

    /// Bytes that all connections hold now in partly received requests and unsent replies.
    #[must_use]
    pub fn buffered_bytes(&self) -> u64 {
        self.shared.buffered_bytes.load(Ordering::Relaxed)
    }

    /// For each service thread the connections that it has.
    #[must_use]
    pub fn connections_by_thread(&self) -> Vec<usize> {
        (0..self.crew.len()).map(|thread| self.crew.connections(thread)).collect()
    }

    /// Hands over what this node masters, if others can take it, and serves on until clients have followed. Takes a
    /// few seconds at most; a node that is alone has nobody to hand anything to.
    pub fn hand_over(&self) {
        let node = &self.shared.node;
        if node.cluster.peers().nodes.values().all(|peer| peer.quiesced) {
            return;
        }
        tracing::info!("handing over what this node masters");
        node.set_quiesced(Clock::new(self.shared.start).now(), true);
        let began = Instant::now();
        while node.masters_anything() && began.elapsed() < HAND_OVER {
            std::thread::sleep(HAND_OVER_LOOK);
        }
        if node.masters_anything() {
            tracing::warn!(
                "not everything could be handed over in time; the others take it when this node is gone"
            );
            return;
        }
        // Clients look for a new map once a second; until they have it, requests are handed on from here.
        if node.facts.client_connections.load(Ordering::Relaxed) > 0 {
            std::thread::sleep(CLIENTS_FOLLOW);
        }
    }

    /// Stops accepting, lets replies leave, and ends all threads. Takes at most about the drain time.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // The farewell comes first: from then on the other nodes send nothing here.
        if let Some(gossip) = &self.gossip {
            gossip.leave();
        }
        self.shared.stopping.store(true, Ordering::Release);
        self.crew.wake_all();
        self.bell.ring();
        self.functions.ring_all();
        drop(self.http_stop.take());
        self.sql = None;
        for thread in self.threads.drain(..) {
            // A thread that panicked has told so; the others still end in order.
            let _ = thread.join();
        }
        // Requests that wait for other nodes have needed its time until now.
        drop(self.control.take());
        drop(self.gossip.take());
        let clean = disk::flush_all(&self.shared.node);
        if clean && !self.described {
            self.described = true;
            self.storage.describe(&self.shared.node);
        }
        if let Some(keeper) = self.keeper.take() {
            keeper.end(&self.shared.node, clean);
        }
    }

    fn spawn(
        &mut self,
        name: String,
        work: impl FnOnce() -> io::Result<()> + Send + 'static,
    ) -> Result<(), StartError> {
        let label = name.clone();
        let thread = Builder::new().name(name).spawn(move || {
            if let Err(error) = work() {
                exit::environment(&format!("thread {label} can't go on"), &error);
            }
        })?;
        self.threads.push(thread);
        Ok(())
    }

    fn spawn_functions(&mut self) -> Result<(), StartError> {
        let alarm = Arc::clone(&self.functions);
        self.shared.node.functions.set_waker(move || alarm.ring());
        for number in 0..functions::thread_count() {
            let (shared, crew) = (Arc::clone(&self.shared), Arc::clone(&self.crew));
            let alarm = Arc::clone(&self.functions);
            self.spawn(format!("function-{number}"), move || {
                functions::run(&shared, &crew, &alarm);
                Ok(())
            })?;
        }
        Ok(())
    }

    fn spawn_maintenance(&mut self) -> Result<(), StartError> {
        let (shared, crew, bell) = (Arc::clone(&self.shared), Arc::clone(&self.crew), Arc::clone(&self.bell));
        self.spawn("maintenance".to_owned(), move || {
            maintenance::run(&shared, &crew, &bell);
            Ok(())
        })
    }

    fn spawn_flush(&mut self) -> Result<(), StartError> {
        let (shared, bell) = (Arc::clone(&self.shared), Arc::clone(&self.bell));
        self.spawn("flush".to_owned(), move || {
            disk::run_flush(&shared, &bell);
            Ok(())
        })
    }

    fn spawn_keeper(&mut self) -> Result<(), StartError> {
        let Some(keeper) = self.keeper.clone() else { return Ok(()) };
        let (shared, bell) = (Arc::clone(&self.shared), Arc::clone(&self.bell));
        keeper.look(&shared.node);
        self.spawn("keeper".to_owned(), move || {
            while !bell.wait(LOOK_EVERY) {
                keeper.look(&shared.node);
            }
            Ok(())
        })
    }

    fn spawn_http(
        &mut self,
        listeners: Vec<std::net::TcpListener>,
        sql: &http::Sql,
    ) -> Result<(), StartError> {
        if listeners.is_empty() {
            return Ok(());
        }
        let (sender, receiver) = oneshot::channel();
        self.http_stop = Some(sender);
        let (shared, crew) = (Arc::clone(&self.shared), Arc::clone(&self.crew));
        let more = sql.paths();
        self.spawn("http".to_owned(), move || http::run(shared, crew, more, listeners, receiver))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// `service-threads`, or one for each processor.
fn thread_count(config: &Config) -> usize {
    let wanted = match config.service.number(ServiceKey::ServiceThreads) {
        0 => load::processors(),
        wanted => wanted,
    };
    usize::try_from(wanted).unwrap_or(1).max(1)
}

fn parse_node_id(text: &str) -> Result<Option<u64>, StartError> {
    if text.is_empty() {
        return Ok(None);
    }
    let id = u64::from_str_radix(text.trim_start_matches("0x"), 16).ok().filter(|id| *id != 0);
    id.map(Some).ok_or_else(|| StartError::NodeId(text.to_owned()))
}

/// Namespaces without a `data-size` share what memory there is, after those that have one.
///
/// The engine's own marks (`stop-writes-used-pct`, `stop-writes-sys-memory-pct`) keep the room for indexes,
/// buffers and the rest of the machine.
fn share_memory(config: &Config) {
    let Some(memory) = memory::read() else { return };
    let given: u64 = config.namespaces().iter().map(|one| one.number(NamespaceKey::DataSize)).sum();
    let open: Vec<_> =
        config.namespaces().iter().filter(|one| one.number(NamespaceKey::DataSize) == 0).collect();
    let left = memory.limit_bytes.saturating_sub(given).max(memory.limit_bytes / 8);
    for namespace in &open {
        namespace.keys.put_number(NamespaceKey::DataSize, left / open.len() as u64);
    }
}

/// Tells the engine what it can't find out itself.
fn tell(node: &Node, start: Start, listen: Listen) {
    node.facts.started_mono_ns.store(start.elapsed_ns(), Ordering::Relaxed);
    *node.facts.listen.write() = listen;
    // Measured before the first request, so that limits hold from the start.
    maintenance::measure(&node.facts, &mut load::LoadMeter::default());
}

#[cfg(test)]
#[path = "running_tests.rs"]
mod tests;
