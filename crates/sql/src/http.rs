//! The HTTP door: `POST /_sql` and `GET /`, as Crate's clients expect them.
//!
//! Sessions live as long as the connection, so that `SET` holds for the next request on it. Whoever mounts [`router`]
//! elsewhere hands in a [`Guest`] for each connection as an extension; without one every request is a session.

mod answer;
mod blobs;
mod home;
mod request;

use crate::error::{Kind, Result, SqlError};
use crate::execute::Sql;
use crate::session::Session;
use axum::Extension;
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{Extensions, HeaderMap, Method, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{any, get};
use axum::serve::IncomingStream;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Largest body of a request, in bytes, packed and unpacked.
const BODY_MAX: usize = 100 << 20;
/// Bodies up to this size need no room.
const BODY_SMALL: usize = 64 << 10;
const KIB: usize = 1 << 10;
/// Room for larger bodies that are being received, in KiB, in the whole process.
static BODIES: Semaphore = Semaphore::const_new(512 << 10);
/// How long a body may wait for room, and how long it may take to arrive.
const BODY_TURN: Duration = Duration::from_secs(10);
const BODY_TIME: Duration = Duration::from_secs(60);

/// A connection's session.
#[derive(Clone)]
pub struct Guest(Arc<Mutex<Option<Session>>>);

impl Guest {
    /// A connection that has said nothing yet.
    #[must_use]
    pub fn new() -> Guest {
        Guest(Arc::default())
    }
}

impl Default for Guest {
    fn default() -> Guest {
        Guest::new()
    }
}

impl Connected<IncomingStream<'_, TcpListener>> for Guest {
    fn connect_info(_: IncomingStream<'_, TcpListener>) -> Guest {
        Guest::new()
    }
}

/// The door's paths: `/_sql`, and `/` for those that want JSON.
pub fn router(sql: Arc<Sql>) -> Router {
    statements()
        .route("/", get(home::page))
        .route("/admin", get(|| async { Redirect::temporary("/") }))
        .with_state(sql)
}

fn statements() -> Router<Arc<Sql>> {
    Router::new().route("/_sql", any(statement)).route("/_blobs/{table}/{digest}", any(blobs::blob))
}

/// The paths that a node's web door serves beside its own. Statements run on `runtime`, and end when their client goes.
pub fn paths(sql: Arc<Sql>, runtime: Handle) -> Router {
    let elsewhere = move |request: Request, next: Next| {
        let runtime = runtime.clone();
        async move {
            let mut task = Elsewhere(runtime.spawn(next.run(request)));
            (&mut task.0).await.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
        }
    };
    statements().layer(from_fn(elsewhere)).with_state(sql)
}

/// What each request of a connection to [`paths`] must carry, made once for each connection.
#[must_use]
pub fn greeting() -> Extensions {
    let mut greeting = Extensions::new();
    greeting.insert(ConnectInfo(Guest::new()));
    greeting
}

/// A request that another runtime answers. Nobody answers it any more when this is dropped.
struct Elsewhere(JoinHandle<Response>);

impl Drop for Elsewhere {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Serves a listener of its own until it is dropped.
///
/// # Errors
/// When the listener fails.
pub async fn serve(sql: Arc<Sql>, listener: TcpListener) -> io::Result<()> {
    axum::serve(listener, router(sql).into_make_service_with_connect_info::<Guest>()).await
}

async fn statement(
    State(sql): State<Arc<Sql>>,
    guest: Option<Extension<ConnectInfo<Guest>>>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let guest = guest.map_or_else(Guest::new, |Extension(ConnectInfo(guest))| guest);
    if head.method != Method::POST {
        return request::refuse_method().into_response();
    }
    let wishes = request::Wishes::of(&head.uri);
    let body = match receive(&head.headers, body).await {
        Ok((body, _room)) => request::read(&head.headers, &body, BODY_MAX),
        Err(error) => Err(error),
    };
    let body = match body {
        Ok(body) => body,
        Err(error) => return answer::error(&error, wishes),
    };
    let mut session = guest.0.lock().await;
    let session = session.get_or_insert_with(|| request::session(&head.headers));
    answer::run(&sql, session, &body, wishes).await
}

/// A whole body, and the room that it takes until it is read.
async fn receive(headers: &HeaderMap, body: Body) -> Result<(Bytes, Option<SemaphorePermit<'static>>)> {
    let told =
        headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let size = told.unwrap_or(BODY_MAX).min(BODY_MAX);
    let room = if size > BODY_SMALL {
        let wanted = u32::try_from(size.div_ceil(KIB)).unwrap_or(u32::MAX);
        let room = timeout(BODY_TURN, BODIES.acquire_many(wanted)).await;
        let full = || SqlError::new(Kind::TooMany, "too many large requests are being received");
        Some(room.map_err(|_| full())?.map_err(|_| full())?)
    } else {
        None
    };
    let late = |_| SqlError::new(Kind::Syntax, "the body does not arrive");
    let body = timeout(BODY_TIME, to_bytes(body, BODY_MAX)).await.map_err(late)?;
    let wrong = |error| SqlError::new(Kind::Syntax, format!("the body can't be read: {error}"));
    Ok((body.map_err(wrong)?, room))
}
