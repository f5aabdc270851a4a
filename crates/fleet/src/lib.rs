//! The fleet: what watches containers, keeps load balancers and clusters current, and scales services.
//!
//! Guarantees: what is wanted is computed from a whole list, never from events; applying it twice changes nothing; a
//! container that is passed over is named with the reason; what runs is left running when something can't be read.
//! Docker schedules; nothing here does. Parts: [`route`] and [`aerospike`] are pure machines (a list in, actions out),
//! [`haproxy`] and [`engine`] are thin adapters, [`watch`], [`size`] and [`rollout`] drive them.

pub mod aerospike;
pub mod autoscale;
pub mod doctor;
pub mod engine;
pub mod haproxy;
pub mod info;
pub mod rollout;
pub mod route;
pub mod size;
pub mod status;
pub mod watch;
