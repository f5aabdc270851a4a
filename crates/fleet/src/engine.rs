//! A container engine, over its own interface: what runs, what is wanted, and a hint when something changes.
//!
//! Read-only except where a name says otherwise ([`Engine::set_replicas`], [`Engine::restart_tasks`],
//! [`Engine::run_in`], [`Engine::visit`]). A container that is gone while it is looked at is gone, and no error.

mod connect;
mod examine;
mod exec;
mod image;
mod list;
mod network;
mod raw;
mod service;
mod tls;
mod visit;

pub use connect::EngineError;
pub use image::is_pinned;
pub use network::Usage;
pub use service::{ServiceSeen, TaskSeen};
pub use tls::Tls;

use bollard::Docker;

/// A connected engine.
#[derive(Debug, Clone)]
pub struct Engine {
    docker: Docker,
    /// How it is talked to when it listens with TLS.
    secure: Option<tls::Secure>,
    /// Where it was found.
    pub host: String,
}
