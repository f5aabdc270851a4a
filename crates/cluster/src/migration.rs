//! Migration: makes all holders of a partition equal after a view, and moves mastership to its rightful owner.
//!
//! Guarantees: what is equal already does not travel, only differing records do. When a partition is settled, all
//! owners hold what the master held, byte by byte, whatever was written meanwhile. A copy is dropped only when all
//! owners are full, and at any moment every full copy is one that writes wait for. Lost messages and new views in
//! the middle only cost time: what was shipped is not shipped again.
//!
//! The idea: the acting master drives everything about its partition.
//!
//! ```text
//!   gather   copies that diverged (other side of a split; partial copies without a full one): compare, pull those
//!            records that win by the conflict policy, write them like any client's write
//!   fill     owners that are behind: compare, ship what differs through their streams, then say `Full`
//!   verify   owners that should be equal: the same; finds what an unlucky end of the last view left behind
//!   settle   `Lead` to the rightful master if that is another one; it releases the copies that nobody needs
//! ```
//!
//! A record that somebody wants while copies are gathered is asked of those copies first ([`Migration::resolve`]).
//!
//! To compare: the other side tells 256 bucket hashes, then the stamps of the records in buckets that differ. It
//! always speaks first, the master looks at its own copy later: what was written in between is on the stream
//! behind, so nothing is missed. Refuses to choose owners or masters: `map` does, `Duty` says what follows from it.

mod compare;
mod drive;
mod duty;
mod ground;
mod install;
mod machine;
mod pace;
mod resolve;
mod serve;
mod settle;
mod task;

pub use duty::Duty;
pub use ground::Ground;
pub use machine::{Migration, Remaining, Settings};
