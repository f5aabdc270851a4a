//! Connections: a bounded number of them, HTTP/1.1 and HTTP/2 on the same port.
//!
//! When all places are taken, a few more connections get one for a short time, so that somebody who asks for metrics
//! or health is answered even then.

mod guest;

pub use guest::Work;

use crate::Web;
use crate::router::{Front, router};
use axum::body::Body;
use axum::http::{Extensions, Request};
use guest::Guest;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tower::ServiceExt as _;

/// How long a connection may go without an answer leaving.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long headers may take.
const HEADER_TIME: Duration = Duration::from_secs(10);
/// Bytes of a request's headers, at most.
const HEADERS_MAX: usize = 64 << 10;
/// Streams of one HTTP/2 connection, at most.
const STREAMS_MAX: u32 = 128;
/// Connections above the limit, and how long they are kept.
const EXTRA: usize = 16;
const EXTRA_PATIENCE: Duration = Duration::from_secs(2);
/// After an error of `accept` (no file descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long answers may take to leave once the server stops.
const DRAIN: Duration = Duration::from_secs(1);

/// Serves until `stop` is true or gone. Answers under way get a moment to leave.
///
/// # Errors
/// When a listener can't be used.
pub async fn serve(
    web: Web,
    listeners: Vec<std::net::TcpListener>,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(web.settings.connections_max));
    let extra = Arc::new(Semaphore::new(EXTRA));
    let app = router(web.clone());
    let greet = web.more.as_ref().map(|more| more.greet);
    let history = tokio::spawn(crate::history::keep(web));
    let mut doors = JoinSet::new();
    for listener in listeners {
        let listener = TcpListener::from_std(listener)?;
        let door = Door {
            app: app.clone(),
            greet,
            places: Arc::clone(&places),
            extra: Arc::clone(&extra),
            stop: stop.clone(),
        };
        doors.spawn(door.run(listener));
    }
    let _ = stop.wait_for(|stop| *stop).await;
    let all = async { while doors.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(DRAIN, all).await;
    history.abort();
    Ok(())
}

struct Door {
    app: Front,
    greet: Option<fn() -> Extensions>,
    places: Arc<Semaphore>,
    extra: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
}

impl Door {
    async fn run(self, listener: TcpListener) {
        let mut guests = JoinSet::new();
        let mut stop = self.stop.clone();
        loop {
            let (place, patience) = tokio::select! {
                place = self.place() => place,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            match accepted {
                Ok((stream, _)) => {
                    // Small answers must not wait for each other.
                    let _ = stream.set_nodelay(true);
                    let work = Work::default();
                    let guest = Guest::new(stream, patience, place, work.clone());
                    let greeting = self.greet.map(|greet| {
                        let mut greeting = greet();
                        greeting.insert(work);
                        greeting
                    });
                    guests.spawn(one(self.app.clone(), guest, greeting, self.stop.clone()));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
            while guests.try_join_next().is_some() {}
        }
        while guests.join_next().await.is_some() {}
    }

    /// A place for the next connection, and how long it may go without an answer.
    async fn place(&self) -> (OwnedSemaphorePermit, Duration) {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return (place, PATIENCE);
        }
        let (places, extra) = (Arc::clone(&self.places), Arc::clone(&self.extra));
        let (place, patience) = tokio::select! {
            place = places.acquire_owned() => (place, PATIENCE),
            place = extra.acquire_owned() => (place, EXTRA_PATIENCE),
        };
        (place.expect("invariant: nobody closes the semaphores"), patience)
    }
}

async fn one(app: Front, guest: Guest, greeting: Option<Extensions>, mut stop: watch::Receiver<bool>) {
    let guest = TokioIo::new(guest);
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIME).max_buf_size(HEADERS_MAX);
    let header_list = u32::try_from(HEADERS_MAX).unwrap_or(u32::MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(header_list);
    let app = app.map_request(move |mut request: Request<Incoming>| {
        if let Some(greeting) = &greeting {
            request.extensions_mut().extend(greeting.clone());
        }
        request.map(Body::new)
    });
    let service = TowerToHyperService::new(app);
    let connection = builder.serve_connection_with_upgrades(guest, service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stop.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
