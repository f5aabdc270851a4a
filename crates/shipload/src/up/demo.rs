//! The counter page: for each visit three writes and one read, through the official Rust client.
//!
//! The same page as `examples/counter` has in Python: a record for each hit, a counter for all hits, a counter
//! for each server that took hits. One client serves all visitors.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use aerospike::{Bin, Bins, Client, ClientPolicy, Host, Key, ReadPolicy, Value, WritePolicy};
use anyhow::{Context, Result};
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

/// Opens the page's port on this machine.
pub(crate) async fn listen(port: u16) -> Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", port)).await.with_context(|| {
        format!(
            "the page can't be opened on port {port}; choose another with --demo-port, or stop what uses it"
        )
    })
}

/// The running page.
pub(crate) struct Demo {
    client: Arc<Client>,
    stop: oneshot::Sender<()>,
    server: JoinHandle<std::io::Result<()>>,
}

impl Demo {
    /// Connects to a node and serves the page.
    pub(crate) async fn start(listener: TcpListener, node: SocketAddr) -> Result<Self> {
        let hosts = vec![Host::new(&node.ip().to_string(), node.port())];
        let client =
            Client::new(&ClientPolicy::default(), &hosts).await.context("the page can't reach the node")?;
        let client = Arc::new(client);
        let counter = Counter::new(Arc::clone(&client), host_address::find().await);
        let router = Router::new().route("/", get(page)).with_state(Arc::new(counter));
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(async move {
            let server = axum::serve(listener, router);
            // Who drops the sender wants an end as well.
            server.with_graceful_shutdown(async { stopped.await.unwrap_or_default() }).await
        });
        Ok(Self { client, stop, server })
    }

    /// Ends the page. Visitors who keep a connection open are not waited for.
    pub(crate) async fn stop(self) {
        // The server may have ended by itself; then nobody listens and nothing is left to stop.
        self.stop.send(()).ok();
        let patience = std::time::Duration::from_millis(200);
        tokio::time::timeout(patience, self.server).await.ok();
        self.client.close().await.ok();
    }
}

/// What a visit needs.
struct Counter {
    client: Arc<Client>,
    /// The address of this server, under which it counts its own hits.
    server: String,
    /// Stands in the ids of the hits; random, because a hardware address is nobody's business.
    node_id: [u8; 6],
    policy: WritePolicy,
}

impl Counter {
    fn new(client: Arc<Client>, server: String) -> Self {
        let [first, rest @ ..] = *Uuid::new_v4().as_bytes();
        // The multicast bit marks an id that is no hardware address (RFC 9562, 6.10).
        let node_id = [first | 1, rest[0], rest[1], rest[2], rest[3], rest[4]];
        let policy = WritePolicy { send_key: true, ..WritePolicy::default() };
        Self { client, server, node_id, policy }
    }

    /// Counts one visit and returns how many there were.
    async fn visit(&self) -> aerospike::Result<Value> {
        let id = Uuid::now_v1(&self.node_id).to_string();
        let hit = [Bin::new("server", self.server.as_str().into()), Bin::new("ts", now_ms().into())];
        self.client.put(&self.policy, &key(HITS, &id)?, &hit).await?;
        let one = [Bin::new("total", 1.into())];
        self.client.add(&self.policy, &key(SUMMARY, TOTAL_HITS)?, &one).await?;
        self.client.add(&self.policy, &key(SUMMARY, &self.server)?, &one).await?;
        let record = self.client.get(&ReadPolicy::default(), &key(SUMMARY, TOTAL_HITS)?, Bins::All).await?;
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
    match counter.visit().await {
        Ok(total) => (StatusCode::OK, format!("Hello World! I have been seen by {total}.")),
        Err(error) => {
            let text = format!("Hummm - err: {error} looks like we have an issue, let me try again");
            (StatusCode::SERVICE_UNAVAILABLE, text)
        }
    }
}
