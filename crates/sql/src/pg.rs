//! The PostgreSQL door: the same statements over its wire protocol.
//!
//! A connection is a session. Transactions are words only: each record is changed by itself, as in Crate.

mod arguments;
mod copy;
mod copy_out;
mod encode;
mod handlers;
mod startup;

use crate::execute::Sql;
use crate::session::Session;
use handlers::Handlers;
use pgwire::api::ConnectionManager;
use std::io;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Connections at the same time.
const CONNECTIONS_MAX: usize = 2000;

/// Serves a listener until it is dropped.
///
/// # Errors
/// When the listener fails.
pub async fn serve(sql: Arc<Sql>, listener: TcpListener) -> io::Result<()> {
    let manager = Arc::new(ConnectionManager::new());
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let (stream, _) = listener.accept().await?;
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!("a PostgreSQL connection is turned away: there are {CONNECTIONS_MAX}");
            continue;
        };
        let handlers = Handlers::new(Arc::clone(&sql), Session::new("crate"), Arc::clone(&manager));
        tokio::spawn(async move {
            if let Err(error) = pgwire::tokio::process_socket(stream, None, handlers).await {
                tracing::debug!("a PostgreSQL connection ended: {error}");
            }
            drop(place);
        });
    }
}
