//! The primary index: for each partition a table of 32-byte entries in digest order.
//!
//! Guarantees: slot order is digest order, so that scans continue after any digest without extra state, and a
//! table costs at most 40 bytes a record at its worst moment (just grown). Refuses to look at records.

mod entry;
mod table;

pub(crate) use entry::{Entry, Key, Location};
pub(crate) use table::Table;
