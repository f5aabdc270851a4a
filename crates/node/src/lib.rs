//! The engine: one node as a plain value.
//!
//! Guarantees: [`Node::execute`] never panics on any frame, holds no lock across waiting, and allocates nothing
//! for common requests once its worker is warm. Time, randomness, sockets and threads stay outside: the shell
//! hands in frames and [`Now`], and gets bytes and [`Executed`] back.

mod batch;
mod changes;
pub mod cluster;
mod command;
mod compress;
pub mod config;
pub mod counters;
mod durable;
mod execute;
pub mod facts;
pub mod functions;
pub mod info;
pub mod jobs;
pub mod latency;
mod maintain;
pub mod modules;
pub mod namespace;
pub mod node;
pub mod now;
pub mod peer;
pub mod query;
mod quota;
mod set_rules;
mod sindex;
mod sketch;
pub mod statements;
pub mod timing;
pub mod truncate;
pub mod worker;

pub use facts::{Facts, Listen};
pub use functions::FunctionTurn;
pub use namespace::{Namespace, Usage};
pub use node::{Identity, Maintained, Node, Notice};
pub use now::Now;
pub use peer::{Executed, Peer};
pub use query::{QueryJob, Step};
pub use shipload_lua::LogLevel;
pub use timing::{Histogram, Timing};
pub use truncate::{Target, TruncateError};
pub use worker::Worker;
