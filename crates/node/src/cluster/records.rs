//! The records of one stripe, as replication and migration see them.
//!
//! Dead records (expired, truncated) are shown as long as no sweep has removed them, in all methods alike.

use super::image::{self, Image};
use crate::namespace::Namespace;
use shipload_cluster::replication::{Records, Stamp, Summary, Unwritable, bucket_of};
use shipload_store::{Meta, RecordRef, StoreError, Stripe};
use shipload_value::{Digest, PartitionId};

/// A stripe of a namespace.
pub(super) struct StripeRecords<'a> {
    pub(super) namespace: &'a Namespace,
    pub(super) stripe: &'a mut Stripe,
}

impl StripeRecords<'_> {
    /// Appends the image of a record and makes its stamp.
    fn image(&self, record: &RecordRef<'_>, out: &mut Vec<u8>) -> Stamp {
        let meta = record.meta();
        let start = out.len();
        {
            let sets = self.namespace.sets();
            image::encode(record, sets.name(meta.set), out);
        }
        image::stamp(record.digest(), &meta, out.get(start..).unwrap_or_default())
    }
}

impl Records for StripeRecords<'_> {
    fn count(&self, partition: PartitionId) -> u64 {
        self.stripe.partition_objects(partition)
    }

    fn summary(&self, partition: PartitionId) -> Box<Summary> {
        let mut summary = Box::new(Summary::default());
        let mut scratch = Vec::new();
        for record in self.stripe.scan(partition, None) {
            scratch.clear();
            summary.toggle(&self.image(&record, &mut scratch));
        }
        summary
    }

    fn list(&self, partition: PartitionId, bucket: u8, out: &mut Vec<Stamp>) {
        let mut scratch = Vec::new();
        // A scan goes down from below a digest: the first one of the bucket above, if there is one.
        let above = bucket.checked_add(1).map(|next| first_of(partition, next));
        let records = self.stripe.scan(partition, above.as_ref());
        for record in records.take_while(|record| bucket_of(&record.digest()) == bucket) {
            scratch.clear();
            out.push(self.image(&record, &mut scratch));
        }
    }

    fn read(&self, digest: &Digest, image: &mut Vec<u8>) -> Option<Stamp> {
        self.stripe.get(digest).map(|record| self.image(&record, image))
    }

    fn stamp(&self, digest: &Digest, bytes: &[u8]) -> Option<Stamp> {
        Image::decode(bytes).map(|decoded| image::stamp(*digest, &decoded.meta, bytes))
    }

    fn write(&mut self, digest: &Digest, image: &[u8]) -> Result<(), Unwritable> {
        let image = Image::decode(image).ok_or(Unwritable::Malformed)?;
        let known = self.namespace.sets().find(image.set);
        let set = known.or_else(|| self.namespace.add_set(image.set)).ok_or(Unwritable::Malformed)?;
        let meta = Meta { set, ..image.meta };
        self.namespace.note_update(meta.last_update_ms);
        let put = self.stripe.put(digest, &meta, image.key, image.bins());
        self.namespace.sketch.changed(digest);
        match put {
            Ok(_) => Ok(()),
            Err(StoreError::BinName | StoreError::TooManyBins | StoreError::RecordTooBig) => {
                Err(Unwritable::Malformed)
            }
            Err(_) => Err(Unwritable::Full),
        }
    }

    fn remove(&mut self, digest: &Digest) {
        // A full volume has no room for the tombstone: the copy stays, and the next comparison finds it.
        let _ = self.stripe.remove(digest);
        self.namespace.sketch.changed(digest);
    }
}

/// The lowest digest of a bucket.
fn first_of(partition: PartitionId, bucket: u8) -> Digest {
    let [low, high] = partition.number().to_le_bytes();
    let mut digest = [0; 20];
    let [first, second, third, ..] = &mut digest;
    (*first, *second, *third) = (low, high | (bucket & 0xf0), bucket << 4);
    Digest(digest)
}
