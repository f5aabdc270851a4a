//! Values: particles, containers, numbers and expressions as pure functions on bytes.
//!
//! Guarantees: nothing here panics on any input, reads a clock, or allocates more than a small multiple of its
//! input. Knows nothing of records, sockets or result codes: what is refused is a [`Refusal`].

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

pub mod admit;
mod arguments;
pub mod bits;
pub mod canonical;
pub mod cdt;
pub mod describe;
pub mod digest;
pub mod expr;
pub mod geojson;
pub mod hll;
pub mod hll_particle;
pub mod msgpack;
pub mod number;
pub mod order;
pub mod particle;
pub mod refusal;
pub mod sketch;
pub mod strings;
pub mod text;

pub use admit::admit;
pub use digest::{Digest, PartitionId};
pub use particle::{OwnedParticle, Particle, ParticleType};
pub use refusal::Refusal;
