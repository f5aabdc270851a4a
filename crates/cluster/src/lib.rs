//! How nodes become one cluster: membership, views, partition map, replication, migration.
//!
//! Guarantees: every part is a machine. Events and the time go in, effects come out; no socket, thread, clock or
//! ambient randomness is touched, and the same seed gives the same life. Bytes from the network never panic.
//!
//! The idea, from the bottom: [`membership`] gossips who is alive, [`agreement`] turns that into numbered views that
//! all members share, [`map`] computes from a view and what its members hold ([`version`]) who owns which partition.
//! The machines refuse to know records: those are reached through small traits.

pub mod agreement;
pub mod cursor;
pub mod fabric;
pub mod identity;
pub mod map;
pub mod membership;
pub mod metadata;
pub mod migration;
pub mod replication;
pub mod version;

pub use agreement::View;
pub use cursor::{Malformed, Reader};
pub use identity::{Address, Attributes, ClusterName, Incarnation, NodeId};
pub use version::{Inventory, NamespaceInventory, Relation, Version};
