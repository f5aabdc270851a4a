//! One node of the band: a map of records, the streams over it, the migration over both.

use super::{Conditions, NAMESPACE};
use shipload_cluster::identity::{NodeId, mix};
use shipload_cluster::migration::{Ground, Migration};
use shipload_cluster::replication::{
    Effects, Posting, Records, Replication, Stamp, Summary, Unwritable, bucket_of,
};
use shipload_value::{Digest, PartitionId};
use std::collections::BTreeMap;

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub last_update_ms: u64,
    pub generation: u16,
    pub value: Vec<u8>,
}

impl Record {
    pub fn image(&self) -> Vec<u8> {
        let mut image = self.last_update_ms.to_le_bytes().to_vec();
        image.extend_from_slice(&self.generation.to_le_bytes());
        image.extend_from_slice(&self.value);
        image
    }

    pub fn of_image(image: &[u8]) -> Option<Record> {
        let (time, rest) = image.split_first_chunk::<8>()?;
        let (generation, value) = rest.split_first_chunk::<2>()?;
        Some(Record {
            last_update_ms: u64::from_le_bytes(*time),
            generation: u16::from_le_bytes(*generation),
            value: value.to_vec(),
        })
    }

    pub fn stamp(&self, digest: &Digest) -> Stamp {
        let check = self.value.iter().fold(7, |hash, byte| mix(hash ^ u64::from(*byte))) as u32;
        Stamp { digest: *digest, last_update_ms: self.last_update_ms, generation: self.generation, check }
    }
}

/// The records of a node.
#[derive(Debug, Default, Clone)]
pub struct Store {
    records: BTreeMap<PartitionId, BTreeMap<Digest, Record>>,
}

impl Store {
    pub fn partition(&self, partition: PartitionId) -> BTreeMap<Digest, Record> {
        self.records.get(&partition).cloned().unwrap_or_default()
    }

    pub fn get(&self, digest: &Digest) -> Option<&Record> {
        self.records.get(&digest.partition())?.get(digest)
    }

    pub fn set(&mut self, digest: &Digest, record: Option<Record>) {
        let records = self.records.entry(digest.partition()).or_default();
        match record {
            Some(record) => records.insert(*digest, record),
            None => records.remove(digest),
        };
    }

    pub fn drop_partition(&mut self, partition: PartitionId) {
        self.records.remove(&partition);
    }

    pub fn len(&self) -> usize {
        self.records.values().map(BTreeMap::len).sum()
    }

    /// What the next write makes of a record.
    pub fn next(&self, digest: &Digest, now_ms: u64, skew_ms: u64, number: u64, bytes: usize) -> Record {
        let old = self.get(digest);
        let mut value = number.to_le_bytes().to_vec();
        value.resize(bytes.max(8), 0);
        Record {
            last_update_ms: (now_ms + skew_ms).max(old.map_or(0, |old| old.last_update_ms)),
            generation: old.map_or(1, |old| old.generation.wrapping_add(1).max(1)),
            value,
        }
    }
}

impl Records for Store {
    fn count(&self, partition: PartitionId) -> u64 {
        self.records.get(&partition).map_or(0, |records| records.len() as u64)
    }

    fn summary(&self, partition: PartitionId) -> Box<Summary> {
        let mut summary = Box::new(Summary::default());
        let records = self.records.get(&partition).into_iter().flatten();
        records.for_each(|(digest, record)| summary.toggle(&record.stamp(digest)));
        summary
    }

    fn list(&self, partition: PartitionId, bucket: u8, out: &mut Vec<Stamp>) {
        let Some(records) = self.records.get(&partition) else { return };
        // A bucket's records are neighbours.
        let [low, high] = partition.number().to_le_bytes();
        let mut first = [0; 20];
        first[..3].copy_from_slice(&[low, high | (bucket & 0xf0), bucket << 4]);
        let members = records.range(Digest(first)..).take_while(|(digest, _)| bucket_of(digest) == bucket);
        out.extend(members.map(|(digest, record)| record.stamp(digest)));
    }

    fn read(&self, digest: &Digest, image: &mut Vec<u8>) -> Option<Stamp> {
        let record = self.get(digest)?;
        image.extend_from_slice(&record.image());
        Some(record.stamp(digest))
    }

    fn stamp(&self, digest: &Digest, image: &[u8]) -> Option<Stamp> {
        Record::of_image(image).map(|record| record.stamp(digest))
    }

    fn write(&mut self, digest: &Digest, image: &[u8]) -> Result<(), Unwritable> {
        let record = Record::of_image(image).ok_or(Unwritable::Malformed)?;
        self.set(digest, Some(record));
        Ok(())
    }

    fn remove(&mut self, digest: &Digest) {
        self.set(digest, None);
    }
}

/// Records and streams of one node, without locks.
#[derive(Debug)]
pub struct Floor {
    pub store: Store,
    pub streams: Replication,
}

impl Ground for Floor {
    fn with(&mut self, _: PartitionId, work: &mut dyn FnMut(&mut dyn Records, &mut Replication)) {
        work(&mut self.store, &mut self.streams);
    }

    fn install(&mut self, now_ms: u64, view: u64, postings: Vec<Posting>, effects: &mut Effects) {
        self.streams.on_view(now_ms, view, postings, effects);
        self.streams.catch_up(&mut self.store, effects);
    }
}

/// A node.
#[derive(Debug)]
pub struct Host {
    pub id: NodeId,
    pub view: u64,
    pub skew_ms: u64,
    pub ground: Floor,
    pub migration: Migration,
    /// Who serves each partition in this node's eyes.
    pub masters: BTreeMap<PartitionId, NodeId>,
}

impl Host {
    pub fn new(id: NodeId, conditions: &Conditions) -> Host {
        let streams = Replication::new(id, NAMESPACE, conditions.replication);
        let migration = Migration::new(id, NAMESPACE, conditions.migration, BTreeMap::new());
        let ground = Floor { store: Store::default(), streams };
        Host { id, view: 0, skew_ms: 0, ground, migration, masters: BTreeMap::new() }
    }

    /// What must be true of a node at any time.
    pub fn check(&self, conditions: &Conditions) {
        self.ground.streams.assert_invariants();
        self.migration.assert_invariants();
        // A window may be passed by one record and what clients write meanwhile, not by a whole partition.
        let window =
            conditions.migration.window_bytes + conditions.keys as usize * (conditions.value_bytes + 90);
        let bound = window * conditions.migration.outgoing_max + 64 * 1024;
        assert!(self.ground.streams.unacked_bytes() <= bound, "bytes on the way are bounded");
    }
}
