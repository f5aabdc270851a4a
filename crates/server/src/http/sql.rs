//! SQL in the node: its paths for the web door, and the port for PostgreSQL's clients.
//!
//! It has a runtime of its own, whose threads step back behind those that serve records. What it wants of records it
//! asks for on lanes, as the web door does, so every rule of the record door holds here as well.

use super::glance::Glance;
use super::lanes::{Asked, Lanes, Open};
use super::records::{addresses, connect, seat};
use crate::host::{load, memory};
use crate::ports::Bound;
use crate::service::{Crew, Shared};
use async_trait::async_trait;
use parking_lot::Mutex;
use shipload_node::config::ServiceKey;
use shipload_node::statements::{List, Statements};
use shipload_sql::network::Hosts;
use shipload_sql::records::{Answers, Records, To, Transport};
use shipload_sql::system::Identity;
use shipload_sql::{engine, http, jobs, pg};
use shipload_web::{More, Trouble};
use shipload_wire::bits::info3;
use shipload_wire::frame::HEADER_SIZE;
use std::collections::HashMap;
use std::io;
use std::net::TcpListener;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// Requests and scans that one node may answer at the same time.
const LANES: usize = 256;
/// How far the threads step back behind others.
const NICE: i32 = 5;
/// How long statements under way may take to notice that the node stops.
const DRAIN: Duration = Duration::from_millis(200);

/// The doors for SQL.
pub(crate) struct Sql {
    runtime: Option<Runtime>,
    sql: Arc<shipload_sql::Sql>,
}

impl std::fmt::Debug for Sql {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sql").finish_non_exhaustive()
    }
}

impl Sql {
    /// Starts the runtime, and serves PostgreSQL's clients on these listeners.
    pub(crate) fn start(
        shared: &Arc<Shared>,
        crew: &Arc<Crew>,
        bound: &Bound,
        listeners: Vec<TcpListener>,
    ) -> io::Result<Sql> {
        let threads = usize::try_from(load::processors()).unwrap_or(1).max(2);
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("sql")
            .thread_stack_size(shipload_sql::STACK)
            .on_thread_start(|| {
                let thread = rustix::thread::gettid();
                let _ = rustix::process::setpriority_process(Some(thread), NICE);
            })
            .enable_all()
            .build()?;
        let files = shared.node.config().service.text(ServiceKey::SqlFiles);
        let identity = Identity {
            http: bound.http.map(|address| address.to_string()).unwrap_or_default(),
            pg_port: bound.pg.map_or(0, |address| address.port()),
            files: (!files.is_empty()).then(|| files.into()),
            hosts: Hosts::parse(&shared.node.config().service.text(ServiceKey::SqlHosts)),
        };
        let nodes = Nodes::new(Arc::clone(shared), Arc::clone(crew));
        let engine = engine::start(column_bytes(shared)).map_err(io::Error::other)?;
        let sql = shipload_sql::Sql::new(Records::new(Arc::new(nodes)), identity, Some(engine));
        let _ = shared.node.facts.statements.set(Box::new(Told(Arc::downgrade(&sql))));
        let _inside = runtime.enter();
        for listener in listeners {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            runtime.spawn(pg::serve(Arc::clone(&sql), listener));
        }
        Ok(Sql { runtime: Some(runtime), sql })
    }

    /// What the web door serves for SQL.
    pub(crate) fn paths(&self) -> Option<More> {
        let runtime = self.runtime.as_ref()?;
        let routes = http::paths(Arc::clone(&self.sql), runtime.handle().clone());
        Some(More { routes, greet: http::greeting })
    }
}

impl Drop for Sql {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(DRAIN);
        }
    }
}

/// What other nodes are told of this one's statements.
struct Told(Weak<shipload_sql::Sql>);

impl std::fmt::Debug for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Told").finish_non_exhaustive()
    }
}

impl Statements for Told {
    fn page(&self, list: List, from: Option<u64>) -> Option<String> {
        let list = match list {
            List::Running => jobs::List::Running,
            List::Ended => jobs::List::Ended,
            List::Measures => jobs::List::Measures,
        };
        Some(self.0.upgrade()?.jobs.page(list, from))
    }

    fn kill(&self, id: Option<&str>) -> Option<usize> {
        Some(self.0.upgrade()?.jobs.kill(id, ""))
    }
}

/// Bytes of columns that may be kept: a part of what is free now.
fn column_bytes(shared: &Shared) -> usize {
    let percent = shared.node.config().service.number(ServiceKey::SqlColumnMemoryPct);
    let free = memory::read().map_or(0, |memory| memory.free_bytes);
    usize::try_from(free / 100 * percent).unwrap_or(0)
}

/// Lanes to this node and to the others.
struct Nodes {
    shared: Arc<Shared>,
    here: Arc<Lanes>,
    /// For scans: each where it is its turn among the service threads. A connection that is kept would sit with the others,
    /// and two scans of one statement would wait for each other.
    scans: Arc<Lanes>,
    others: Mutex<HashMap<String, Arc<Lanes>>>,
    glance: Glance,
}

impl Nodes {
    fn new(shared: Arc<Shared>, crew: Arc<Crew>) -> Nodes {
        let here = |crew: Arc<Crew>, at: fn(&Crew, std::net::TcpStream)| -> Open {
            Box::new(move || {
                let seated = seat(&crew, at);
                Box::pin(async move { seated })
            })
        };
        let glance = Glance::new(Arc::clone(&shared), Arc::clone(&crew));
        Nodes {
            shared,
            glance,
            here: Lanes::sized(here(Arc::clone(&crew), Crew::seat_inside), LANES),
            scans: Lanes::fresh(here(crew, Crew::seat_around), LANES),
            others: Mutex::default(),
        }
    }

    /// Lanes to a node by the address that it tells clients. Another one that it has may be better from here.
    fn lanes(&self, to: &To) -> Arc<Lanes> {
        let To::Node(address) = to else { return Arc::clone(&self.here) };
        let peers = self.shared.node.cluster.peers();
        let peer = peers
            .nodes
            .values()
            .find(|attributes| attributes.service.iter().any(|told| told.to_string() == *address));
        let all = peer.map_or_else(|| vec![address.clone()], addresses);
        let name = all.join(" ");
        let mut others = self.others.lock();
        // Nodes come and go; what is not used any more is closed when it was many.
        if others.len() > peers.nodes.len().saturating_add(16) {
            others.clear();
        }
        let open = move || -> Open { Box::new(move || Box::pin(connect(all.clone()))) };
        Arc::clone(others.entry(name).or_insert_with(|| Lanes::sized(open(), LANES)))
    }
}

#[async_trait]
impl Transport for Nodes {
    async fn send(&self, to: &To, request: Vec<u8>) -> io::Result<Box<dyn Answers>> {
        let lanes = match to {
            To::Own if is_scan(&request) => Arc::clone(&self.scans),
            To::Own | To::Node(_) => self.lanes(to),
        };
        let asked = lanes.ask(request).await.map_err(failed)?;
        Ok(Box::new(LaneAnswers(asked)))
    }

    fn glance(&self, request: &[u8], namespace: &str, partition: u16) -> Option<Vec<u8>> {
        let mut frame = self.glance.read(request, namespace, partition)?;
        frame.drain(..HEADER_SIZE.min(frame.len()));
        Some(frame)
    }
}

struct LaneAnswers(Asked);

#[async_trait]
impl Answers for LaneAnswers {
    async fn next(&mut self) -> io::Result<Option<(u8, Vec<u8>)>> {
        let mut frame = self.0.next().await.map_err(failed)?;
        let kind = frame.get(1).copied().unwrap_or(0);
        frame.drain(..HEADER_SIZE.min(frame.len()));
        Ok(Some((kind, frame)))
    }

    fn finish(self: Box<Self>) {
        self.0.finish();
    }
}

/// Whether a request reads partitions.
fn is_scan(frame: &[u8]) -> bool {
    /// The third byte of flags.
    const INFO3_AT: usize = HEADER_SIZE + 3;
    frame.get(INFO3_AT).is_some_and(|info3| info3 & info3::PARTITION_DONE != 0)
}

fn failed(trouble: Trouble) -> io::Error {
    io::Error::other(trouble)
}
