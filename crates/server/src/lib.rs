//! The shell: sockets, threads, files, time, configuration, metrics.
//!
//! Guarantees: a request is executed on the thread that read it, and its reply leaves in one write with the other
//! replies of the same turn; what a stranger can make the process hold is bounded; nothing is listened on that the
//! start did not tell. What a request *means* is the engine's business (`shipload-node`).

pub mod clock;
pub mod cluster;
pub mod conf;
pub mod disk;
pub mod exit;
mod functions;
pub mod host;
mod http;
mod image_variables;
pub mod listen;
pub mod logging;
mod maintenance;
pub mod options;
mod overlay;
pub mod ports;
pub mod run;
pub mod running;
mod service;
pub mod throttle;
pub mod tuning;

pub use exit::Exit;
pub use options::{LogFormat, Options, configure};
pub use run::run;
pub use running::{Launch, Running, StartError};
pub use tuning::Tuning;
