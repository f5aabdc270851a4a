//! The HTTP door: `POST /_sql` and `GET /`, as Crate's clients expect them.
//!
//! Sessions live as long as the connection, so that `SET` holds for the next request on it. Whoever mounts [`router`]
//! elsewhere hands in a [`Guest`] for each connection as an extension; without one every request is a session.

mod answer;
mod blobs;
mod home;
mod request;

use crate::execute::Sql;
use crate::session::Session;
use axum::Router;
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::http::{Extensions, HeaderMap, Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{any, get};
use axum::serve::IncomingStream;
use axum::{Extension, body::Bytes};
use std::io;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

/// Largest body of a request, in bytes, packed and unpacked.
const BODY_MAX: usize = 100 << 20;

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
    Router::new()
        .route("/_sql", any(statement))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        // The bytes of a blob are never held all at once.
        .route("/_blobs/{table}/{digest}", any(blobs::blob))
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
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let guest = guest.map_or_else(Guest::new, |Extension(ConnectInfo(guest))| guest);
    if method != Method::POST {
        return request::refuse_method().into_response();
    }
    let wishes = request::Wishes::of(&uri);
    let body = match request::read(&headers, &body, BODY_MAX) {
        Ok(body) => body,
        Err(error) => return answer::error(&error, wishes),
    };
    let mut session = guest.0.lock().await;
    let session = session.get_or_insert_with(|| request::session(&headers));
    answer::run(&sql, session, &body, wishes).await
}
