//! What a node needs from the machine to be one of many: names looked up, datagrams carried, addresses found out.
//!
//! Guarantees: names are asked for again for ever and nothing ever waits for one; absence of a name removes nobody;
//! what arrived is read before anybody may be accused of silence. What the datagrams mean, and who the members
//! are, is the engine's business (`shipload-node`).

mod control;
mod dns;
mod engine;
mod gossip;
mod heartbeat;
mod join;
mod keep;
pub(crate) mod multicast;
mod outside;
mod reach;
mod scout;
mod seed_address;
mod seed_book;
mod seeds;

pub(crate) use control::ControlThread;
pub(crate) use gossip::{Deliver, Gossip};
pub(crate) use heartbeat::Heartbeat;
pub(crate) use join::join;
pub(crate) use keep::{Keeper, LOOK_EVERY};

pub use dns::{Resolve, ResolveError, Resolver, Trouble};
pub use seed_address::SeedAddress;
