//! What migration stands on: the records and streams of a namespace.

use crate::replication::{Effects, Posting, Records, Replication};
use shipload_value::PartitionId;

/// The records and streams of a namespace, however they are divided and locked.
pub trait Ground {
    /// Runs `work` on the records and the streams of one partition, with nobody else changing either meanwhile.
    fn with(&mut self, partition: PartitionId, work: &mut dyn FnMut(&mut dyn Records, &mut Replication));

    /// Passes a new view on to all streams: [`Replication::on_view`], each with the postings of its partitions, then
    /// [`Replication::catch_up`].
    fn install(&mut self, now_ms: u64, view: u64, postings: Vec<Posting>, effects: &mut Effects);
}
