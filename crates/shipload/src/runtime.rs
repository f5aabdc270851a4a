//! The runtime under the tools that use the official client. The server itself has none.

use anyhow::{Context, Result};

/// A small runtime: the client's own tasks need a thread beside the one that waits for the user.
pub(crate) fn start() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the threads of the client")
}
