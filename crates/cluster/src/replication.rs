//! Replication: every holder of a partition applies the master's writes in the master's order.
//!
//! Guarantees: a holder's copy after entry `n` of its stream is the master's copy at the moment of entry `n`, for
//! every record that the stream or the comparison before it has touched. A write is reported as committed only
//! when every holder that counts has applied it. Nothing is applied that was sent in another view.
//!
//! The idea: from the master to each other holder runs one numbered stream per partition and view. Its entries are
//! applied strictly in order, acknowledged by "up to here", and sent again until they are. Migration ships its
//! records through the same stream, so that it can never overtake, or be overtaken by, a write: no rule is needed
//! about who is newer. Several threads and connections may carry a stream; what comes too early waits its turn.
//!
//! ```text
//!  client write --+                                  +-- Put, Remove: Records
//!  migration -----+--> outlet 1 2 3 4 ... ~~~> inlet +-- Full, Filling, Lead: an Effect for `migration`
//!                            ^------- Ack n ---------+
//! ```
//!
//! One [`Replication`] serves any set of partitions of one namespace: the engine has one behind each stripe's lock.
//! Refuses to know which holders there should be: `migration` tells.

mod buckets;
mod early;
mod effect;
mod inlet;
mod install;
mod outlet;
mod pending;
mod post;
mod receive;
mod records;
mod stamp;
mod streams;

pub use buckets::{BUCKETS, Buckets, Summary, bucket_of};
pub use effect::{Effect, Effects, WriteId};
pub use post::{Listener, Posting};
pub use records::{Records, Unwritable};
pub use stamp::{ConflictPolicy, Stamp};
pub use streams::{Change, Commit, Counters, Flow, Replication, Settings};
