//! The same records as tables: dialect, catalogue, engine, doors.
//!
//! Namespaces are schemas, sets are tables, user keys are primary keys, bins are columns. Any node answers any statement
//! over the whole cluster, on records that the other doors wrote a moment ago.
//!
//! ```text
//!   http, pg ─► execute::Sql ─► fast path: key, row, eval ─► records ─► nodes
//!                        └────► engine (feature): plans, joins, aggregates ─┘
//! ```

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "the parser's and the engine's enums grow with their versions"
)]

pub mod blobs;
pub mod catalog;
pub mod column_type;
#[cfg(feature = "engine")]
pub mod engine;
pub mod engine_door;
pub mod error;
pub mod execute;
pub mod front;
pub mod glob;
pub mod http;
pub mod jobs;
pub mod network;
#[cfg(feature = "engine")]
pub mod pg;
pub mod records;
pub mod session;
pub mod system;
pub mod value;

/// Stack that threads need which run statements, in bytes: trees of statements may be thousands of levels deep. It is only
/// set aside; what no statement touches costs nothing.
pub const STACK: usize = 256 << 20;

pub use column_type::Type;
pub use error::{Kind, SqlError};
pub use execute::{Outcome, RowSet, Sql};
pub use session::Session;
pub use value::Value;
