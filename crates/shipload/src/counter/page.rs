//! The counter page: for each visit three writes and one read, through the official Rust client.
//!
//! The same page as `examples/counter` has in Python: a record for each hit, a counter for all hits, a counter
//! for each server that took hits. One client serves all visitors.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aerospike::{Bin, Bins, Client, ClientPolicy, Host, Key, ReadPolicy, Value, WritePolicy};
use anyhow::{Context, Result, anyhow};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::host_address;

/// Where the page keeps its records.
const NAMESPACE: &str = "test";
/// One record for each visit.
const HITS: &str = "hits";
/// The counters.
const SUMMARY: &str = "summary";
/// The counter of all visits.
const TOTAL_HITS: &str = "total_hits";

/// How long a visitor is kept waiting for the first node.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(20);
/// An engine's name server says nothing of a name that it does not know yet, and the system's resolver would wait ten
/// seconds for that; who asks anew is told as soon as the name is there.
const NAME_PATIENCE: Duration = Duration::from_secs(1);

/// The running page.
pub(crate) struct Page {
    counter: Arc<Counter>,
    stop: oneshot::Sender<()>,
    server: JoinHandle<std::io::Result<()>>,
}

impl Page {
    /// Serves the page at once; until it has a node, it says so.
    pub(crate) async fn serve(listener: TcpListener) -> Self {
        let counter = Arc::new(Counter::new(host_address::find().await));
        let router = Router::new().route("/", get(page)).route("/healthz", get(|| async { "ok" }));
        let router = router.route("/readyz", get(ready));
        let router = router.with_state(Arc::clone(&counter));
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(async move {
            let server = axum::serve(listener, router);
            // Who drops the sender wants an end as well.
            server.with_graceful_shutdown(async { stopped.await.unwrap_or_default() }).await
        });
        Self { counter, stop, server }
    }

    /// Connects to a cluster by one of its nodes.
    ///
    /// # Errors
    /// When the name `host` stands for nothing yet, or no node answers there at `port`.
    pub(crate) async fn connect(&self, host: &str, port: u16) -> Result<()> {
        let found = tokio::time::timeout(NAME_PATIENCE, tokio::net::lookup_host((host, port)));
        let found = found.await.map_err(|_| anyhow!("the name server keeps silent about {host}"))?;
        let found = found.with_context(|| format!("{host} stands for no address"))?;
        let hosts: Vec<Host> = found.map(|address| Host::new(&address.ip().to_string(), port)).collect();
        let client = Client::new(&ClientPolicy::default(), &hosts).await;
        // Somebody else may have connected meanwhile; one client is enough.
        self.counter.client.set(client.context("the page can't reach a node")?).ok();
        Ok(())
    }

    /// From now on health checks are told that this page goes; visitors are still served.
    pub(crate) fn say_farewell(&self) {
        self.counter.leaving.store(true, Ordering::Relaxed);
    }

    /// Ends the page. Visitors who keep a connection open are not waited for.
    pub(crate) async fn stop(self) {
        // The server may have ended by itself; then nobody listens and nothing is left to stop.
        self.stop.send(()).ok();
        let patience = Duration::from_millis(200);
        tokio::time::timeout(patience, self.server).await.ok();
        if let Some(client) = self.counter.client.get() {
            client.close().await.ok();
        }
    }
}

/// What a visit needs.
struct Counter {
    /// There once a node was reached.
    client: OnceLock<Client>,
    /// Whether the page is about to end.
    leaving: AtomicBool,
    /// The address of this server, under which it counts its own hits.
    server: String,
    /// Stands in the ids of the hits; random, because a hardware address is nobody's business.
    node_id: [u8; 6],
    policy: WritePolicy,
}

impl Counter {
    fn new(server: String) -> Self {
        let [first, rest @ ..] = *Uuid::new_v4().as_bytes();
        // The multicast bit marks an id that is no hardware address (RFC 9562, 6.10).
        let node_id = [first | 1, rest[0], rest[1], rest[2], rest[3], rest[4]];
        let policy = WritePolicy { send_key: true, ..WritePolicy::default() };
        Self { client: OnceLock::new(), leaving: AtomicBool::new(false), server, node_id, policy }
    }

    /// Counts one visit and returns how many there were.
    async fn visit(&self, client: &Client) -> aerospike::Result<Value> {
        let id = Uuid::now_v1(&self.node_id).to_string();
        let hit = [Bin::new("server", self.server.as_str().into()), Bin::new("ts", now_ms().into())];
        client.put(&self.policy, &key(HITS, &id)?, &hit).await?;
        let one = [Bin::new("total", 1.into())];
        client.add(&self.policy, &key(SUMMARY, TOTAL_HITS)?, &one).await?;
        client.add(&self.policy, &key(SUMMARY, &self.server)?, &one).await?;
        let record = client.get(&ReadPolicy::default(), &key(SUMMARY, TOTAL_HITS)?, Bins::All).await?;
        Ok(record.bins.get("total").cloned().unwrap_or(Value::Nil))
    }
}

fn key(set: &str, name: &str) -> aerospike::Result<Key> {
    Key::new(NAMESPACE, set, name.into())
}

/// Milliseconds since 1970.
fn now_ms() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

async fn page(State(counter): State<Arc<Counter>>) -> (StatusCode, String) {
    // Load balancers may send visitors before their first look at a new page.
    let until = tokio::time::Instant::now() + PATIENCE;
    while counter.client.get().is_none() && tokio::time::Instant::now() < until {
        tokio::time::sleep(LOOK).await;
    }
    let visited = match counter.client.get() {
        Some(client) => counter.visit(client).await.map_err(|error| error.to_string()),
        None => Err("no node was reached yet".to_owned()),
    };
    match visited {
        Ok(total) => (StatusCode::OK, format!("Hello World! I have been seen by {total}.")),
        Err(error) => {
            let text = format!("Hummm - err: {error} looks like we have an issue, let me try again");
            (StatusCode::SERVICE_UNAVAILABLE, text)
        }
    }
}

/// For load balancers: whether visitors should come here. It counts nothing.
async fn ready(State(counter): State<Arc<Counter>>) -> (StatusCode, &'static str) {
    if counter.leaving.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, "leaving");
    }
    match counter.client.get() {
        Some(_) => (StatusCode::OK, "ok"),
        None => (StatusCode::SERVICE_UNAVAILABLE, "no node was reached yet"),
    }
}
