//! The HTTP port: health, readiness and metrics, for supervisors and for Prometheus.
//!
//! It has a thread and a small runtime of its own, so that a slow scraper never delays a record. Nothing here
//! changes anything; there is no login yet, so nothing here tells a record's content either.

mod door;
mod encode;
mod metrics;

use crate::service::Shared;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use door::Door;
use metrics::Scraper;
use parking_lot::Mutex;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};

/// Connections at the same time, on all addresses together.
const CONNECTIONS_MAX: usize = 64;
/// How long a connection may go without an answer leaving.
const PATIENCE: Duration = Duration::from_secs(20);
const INDEX: &str = "Shipload\n\n\
    /healthz   the process is alive\n\
    /readyz    the node serves clients\n\
    /metrics   statistics for Prometheus\n";
const NOT_FOUND: &str = "There is nothing here. What there is:\n\n\
    /healthz\n/readyz\n/metrics\n";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the handlers share.
#[derive(Clone)]
struct Pages {
    shared: Arc<Shared>,
    scraper: Arc<Mutex<Scraper>>,
}

/// Serves on these listeners until `stop` is sent or dropped. Blocks; runs on a thread of its own.
pub(crate) fn run(
    shared: Arc<Shared>,
    listeners: Vec<TcpListener>,
    stop: oneshot::Receiver<()>,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let scraper = Arc::new(Mutex::new(Scraper::new(Arc::clone(&shared))));
    let app = router(Pages { shared, scraper });
    runtime.block_on(async move {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut servers = tokio::task::JoinSet::new();
        for listener in listeners {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let door = Door::new(listener, Arc::clone(&places), PATIENCE);
            let app = app.clone();
            servers.spawn(async move { axum::serve(door, app).await });
        }
        // Requests here take microseconds: what is not answered when the stop comes is cut off.
        let _ = stop.await;
        servers.abort_all();
        Ok(())
    })
}

fn router(pages: Pages) -> Router {
    Router::new()
        .route("/", get(|| async { INDEX }))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .fallback(|| async { (StatusCode::NOT_FOUND, NOT_FOUND) })
        .with_state(pages)
}

async fn ready(State(pages): State<Pages>) -> impl IntoResponse {
    if pages.shared.is_stopping() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    } else {
        (StatusCode::OK, "ready\n")
    }
}

async fn metrics(State(pages): State<Pages>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, PROMETHEUS)], pages.scraper.lock().scrape())
}
