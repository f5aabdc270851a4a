//! The records of a namespace as replication and migration see them.

use super::buckets::Summary;
use super::stamp::Stamp;
use shipload_value::{Digest, PartitionId};
use thiserror::Error;

/// Why a record could not be written here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Unwritable {
    /// There is no room; it may be tried again.
    #[error("no room for a replicated record")]
    Full,
    /// The image is no record that this node can read.
    #[error("a replicated record is malformed")]
    Malformed,
}

/// The records of one namespace. Images are opaque here: the implementor's encoding, equal on all nodes.
///
/// Records that are dead (expired, truncated) may be shown or not, but in all methods alike.
pub trait Records {
    /// How many records the partition has, about.
    fn count(&self, partition: PartitionId) -> u64;

    /// The hashes of the partition's buckets. Each bucket is taken at one moment, all of them need not be taken
    /// at the same.
    fn summary(&self, partition: PartitionId) -> Box<Summary>;

    /// Appends the stamps of all records of one bucket, in ascending or descending digest order.
    fn list(&self, partition: PartitionId, bucket: u8, out: &mut Vec<Stamp>);

    /// Appends a record's image, and tells its stamp; none when there is no such record.
    fn read(&self, digest: &Digest, image: &mut Vec<u8>) -> Option<Stamp>;

    /// What a record with this image is compared by; none when the image is malformed.
    fn stamp(&self, digest: &Digest, image: &[u8]) -> Option<Stamp>;

    /// Creates or replaces a record, exactly as the image says.
    fn write(&mut self, digest: &Digest, image: &[u8]) -> Result<(), Unwritable>;

    /// Removes a record if it is there.
    fn remove(&mut self, digest: &Digest);
}
