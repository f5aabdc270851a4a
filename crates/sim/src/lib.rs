//! The simulator: whole nodes in one thread, from a seed.
//!
//! Guarantees: the same seed gives the same life, event by event; [`World::trace`] is a hash over all of them. Nodes are
//! the real ones (rooms `node`, `cluster`, `store`, `wire`): they are handed datagrams, messages, requests and the time,
//! and what they want sent is carried, late, twice or never. Observers look on from outside.
//!
//! ```text
//!   faults ─► network, processes ─► nodes ◄─ requests ─ clients ─► ledger ─► violations
//!                                     └────────── observers ───────────────────┘
//! ```
//!
//! Refuses to be fast by leaving something out: every message is encoded, carried and decoded.

pub mod canary;
mod carry;
pub mod client;
pub mod clock;
pub mod disk;
pub mod draw;
pub mod event;
mod faults;
pub mod figures;
mod handle;
pub mod host;
pub mod ledger;
pub mod life;
pub mod merge;
pub mod network;
mod observe;
pub mod pages;
mod register_traffic;
pub mod registers;
pub mod scale;
mod traffic;
mod visitors;
pub mod world;

pub use canary::Canary;
pub use figures::Figures;
pub use world::{Settings, World};
