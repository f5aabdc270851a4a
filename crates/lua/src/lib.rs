//! Functions in Lua: what a registered module may do, and the types that it works with.
//!
//! Guarantees: a script sees no file, network, process or clock but the moment that it is given; it stops after a
//! bounded number of instructions, a bounded amount of memory and, where the host has a clock, a bounded time, and
//! cannot catch the error that stops it; no script makes the host panic. Modules don't see each other's globals.
//! A function works on a copy of one record; what it saved comes back as a [`record::Change`] for the engine to apply.
//!
//! How: [`LuaPool`] keeps Lua states by module, each with the prelude (`prelude/*.lua`, the API in Lua on a few host
//! functions) and the module's compiled code. A call takes a state, and gives it back when it has ended well.
//! Source: `guide/protocol.md` parts 4.8, 4.9 and 12.5.

mod api;
mod budget;
mod buffer;
mod calendar;
mod check;
mod convert;
mod error;
mod host;
mod instance;
mod pattern;
mod pool;
pub mod record;
mod text;

pub use budget::{Clock, Limits};
pub use check::{CompileError, compile};
pub use error::{CallError, LoadError};
pub use host::{LogLevel, LogLine};
pub use instance::{Moment, Returned, StreamRun};
pub use pool::{Lease, Library, LuaPool};
