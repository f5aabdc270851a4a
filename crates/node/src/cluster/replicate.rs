//! Telling other holders of a record that was just changed here.

use super::image;
use super::shard::Shard;
use crate::command::Place;
use crate::worker::Worker;
use shipload_cluster::replication::{Change, Commit};
use shipload_value::Digest;

/// The length of an ordinary image, so that it is allocated once.
const IMAGE_BYTES: usize = 256;

impl Place<'_> {
    /// Tells the other holders of the partition what became of a record. Call it under the lock that it was changed
    /// under. The request under way waits for them, as far as `commit` says.
    pub(crate) fn replicate(&self, worker: &mut Worker, shard: &mut Shard, digest: &Digest, commit: Commit) {
        self.namespace.changes.written(self.now, shard, digest);
        self.namespace.sketch.written(self.now, digest);
        let (stripe, Some(streams)) = shard.split() else { return };
        if !streams.replication.is_heard(digest.partition()) {
            return;
        }
        let change = match stripe.get(digest) {
            Some(record) => {
                let mut image = Vec::with_capacity(IMAGE_BYTES);
                let set = worker.set_name(self.namespace, record.meta().set);
                image::encode(&record, set, &mut image);
                Change::Put(image.into())
            }
            None => Change::Remove(self.namespace.last_update_ms(self.now)),
        };
        let commit = if worker.waiting.may_wait() { commit } else { Commit::Master };
        let effects = worker.waiting.effects_of(self.namespace.index);
        let (id, done) = streams.replication.on_write(self.now.mono_ms(), digest, change, commit, effects);
        self.namespace.holdings.mark_active(digest.partition());
        if !done {
            let ticket = worker.waiting.wait(self.node);
            streams.waiters.insert(id, ticket);
        }
    }
}
