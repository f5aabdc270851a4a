//! Service threads: one event loop per core, each with its own listener and its own connections.
//!
//! ```text
//!  epoll ──► accept ──► Connection ──► cut frames ──► Node::execute ──► replies of this turn ──► one send
//!               │            ▲ one recv into the thread's buffer; only leftovers are kept        │
//!               │            └────────────── unsent bytes wait for room in the socket ◄──────────┘
//!               └ at the least loaded active thread; connections move only between turns (see crew.rs)
//! ```
//!
//! Guarantees: no lock, queue or thread hop between a request's bytes and its execution; a connection that is
//! idle holds no buffer; what strangers can make a thread hold is bounded ([`crate::tuning`]).

mod accept;
mod balance;
mod connection;
mod crew;
mod desk;
mod event_loop;
mod exchange;
mod fabric;
mod input;
mod link;
mod sweep;
mod text;
mod timers;
mod unsent;

pub(crate) use accept::Door;
pub(crate) use balance::Balancer;
pub(crate) use crew::Crew;
pub(crate) use desk::Shared;
pub(crate) use event_loop::{EventLoop, Station};
