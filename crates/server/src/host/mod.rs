//! What the machine and the container around this process are like: read from `/proc` and `/sys`, never written.
//!
//! Everything here may be missing on some system; then the answer is "unknown", and nothing fails.

pub mod container;
pub mod identity;
pub mod interfaces;
pub mod load;
pub mod memory;
pub(crate) mod published;
