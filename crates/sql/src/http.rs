//! The HTTP door: `POST /_sql` and `GET /`, as Crate's clients expect them.
//!
//! Sessions live as long as the connection, so that `SET` holds for the next request on it. Whoever mounts [`router`]
//! elsewhere hands in a [`Guest`] for each connection as an extension; without one every request is a session.

mod answer;
mod home;
mod request;

use crate::execute::Sql;
use crate::session::Session;
use axum::Router;
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{any, get};
use axum::serve::IncomingStream;
use axum::{Extension, body::Bytes};
use std::io;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::Mutex;

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
    Router::new()
        .route("/_sql", any(statement))
        .route("/", get(home::page))
        .route("/admin", get(|| async { Redirect::temporary("/") }))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .with_state(sql)
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
