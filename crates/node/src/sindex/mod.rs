//! Secondary indexes: what is indexed, how far each index is, and which keys a record has in it.
//!
//! Guarantees: an index agrees with the records under the same stripe lock under which they change, whoever changes
//! them; creating, renaming and deleting are serialized; an index answers queries only when it is complete.
//!
//! The idea: the stripes keep the keys (see `shipload_store::sindex`) and ask a [`catalog::Catalog`] which keys a
//! record has. The [`Registry`] hands a new catalog to every stripe when the definitions change. Maintenance then
//! runs once over all records that were there before. Source: `guide/protocol.md` parts 4.4, 4.7 and 12.1.

mod build;
mod catalog;
mod definition;
mod hash;
mod registry;
mod value;

pub(crate) use build::Builder;
pub(crate) use definition::{Collection, Definition, ValueType};
pub(crate) use hash::of as hash_of;
pub(crate) use registry::{CreateError, Index, Registry};
pub(crate) use value::{SET_KEY, Value};
