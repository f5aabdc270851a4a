//! What a node with a data directory writes down of the cluster, and what it makes of that after a restart.
//!
//! Guarantees: decoding is bounded and never panics. After an unclean end no copy counts as full, because its last writes
//! may be missing; what it lacks is compared and shipped, nothing else. Records of partitions that this node had
//! given away are not shown again. Little endian: format u8 = 1, clean u8, inventory, entries of metadata (name,
//! stamp, value), addresses of peers.

use crate::namespace::Namespace;
use crate::node::Node;
use shipload_cluster::cursor::{self, Malformed, Reader};
use shipload_cluster::identity::{decode_socket, encode_socket};
use shipload_cluster::metadata::{BYTES_MAX, ENTRIES_MAX, Entry, NAME_MAX, Stamp};
use shipload_cluster::version::Version;
use shipload_cluster::{Inventory, NodeId};
use shipload_value::PartitionId;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;

const FORMAT: u8 = 1;
/// Peers that are remembered.
const PEERS_MAX: usize = 1024;

/// What is written down.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kept {
    /// The node had stopped in order: all records are where the inventory says.
    pub clean: bool,
    /// What the node held.
    pub inventory: Inventory,
    /// What all nodes knew alike.
    pub metadata: BTreeMap<String, Entry>,
    /// Heartbeat addresses of the other nodes.
    pub peers: Vec<SocketAddr>,
}

impl Kept {
    /// The bytes to write down.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORMAT, u8::from(self.clean)];
        self.inventory.encode(&mut out);
        cursor::put_count(&mut out, self.metadata.len());
        for (name, entry) in &self.metadata {
            cursor::put_bytes(&mut out, name.as_bytes());
            cursor::put_u64(&mut out, entry.stamp.epoch);
            cursor::put_u64(&mut out, entry.stamp.counter);
            cursor::put_u64(&mut out, entry.stamp.node.0);
            out.push(u8::from(entry.bytes.is_some()));
            if let Some(bytes) = &entry.bytes {
                cursor::put_bytes(&mut out, bytes);
            }
        }
        cursor::put_count(&mut out, self.peers.len().min(PEERS_MAX));
        self.peers.iter().take(PEERS_MAX).for_each(|peer| encode_socket(*peer, &mut out));
        out
    }

    /// Reads what [`Kept::encode`] wrote.
    ///
    /// # Errors
    /// When the bytes are anything else.
    pub fn decode(bytes: &[u8]) -> Result<Kept, Malformed> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != FORMAT {
            return Err(Malformed("an unknown format of kept cluster state"));
        }
        let clean = reader.bool()?;
        let inventory = Inventory::decode(&mut reader)?;
        let mut metadata = BTreeMap::new();
        for _ in 0..reader.count(ENTRIES_MAX, 26)? {
            let name = reader.text(NAME_MAX)?.to_owned();
            let stamp = Stamp { epoch: reader.u64()?, counter: reader.u64()?, node: NodeId(reader.u64()?) };
            let bytes = if reader.bool()? { Some(reader.bytes(BYTES_MAX)?.to_vec()) } else { None };
            metadata.insert(name, Entry { stamp, bytes });
        }
        let peers = reader.count(PEERS_MAX, 7)?;
        let peers = (0..peers).map(|_| decode_socket(&mut reader)).collect::<Result<_, _>>()?;
        reader.finish()?;
        Ok(Kept { clean, inventory, metadata, peers })
    }
}

impl Node {
    /// What is to be written down now.
    #[must_use]
    pub fn keep(&self, clean: bool) -> Kept {
        let mut inventory = Inventory::default();
        for namespace in self.namespaces().iter().filter(|namespace| namespace.volume().is_some()) {
            // A partition that is held again must not bring back what it had before it was dropped. A device that
            // fails says so itself, and after that nothing of it is taken for full.
            let _ = namespace.keep_news();
            *inventory.namespace_mut(&namespace.name) = namespace.holdings.inventory();
        }
        let control = self.cluster.control.lock();
        let metadata = control.as_ref().map(|control| {
            control.metadata.entries().map(|(name, entry)| (name.to_owned(), entry.clone())).collect()
        });
        drop(control);
        let mut peers = self.alumni();
        peers.extend(self.cluster.peers().nodes.values().map(|attributes| attributes.heartbeat));
        Kept { clean, inventory, metadata: metadata.unwrap_or_default(), peers }
    }

    /// Moves when [`Node::keep`] has something new.
    #[must_use]
    pub fn keep_generation(&self) -> u64 {
        self.cluster.keep_generation.load(Ordering::Acquire)
    }

    /// What this node, whose namespaces are loaded, holds after a restart. `random` makes keys of copies that nothing is
    /// known of.
    #[must_use]
    pub fn restored(&self, kept: Option<&Kept>, random: u64) -> Inventory {
        let mut inventory = Inventory::default();
        for namespace in self.namespaces().iter().filter(|namespace| namespace.volume().is_some()) {
            let held = inventory.namespace_mut(&namespace.name);
            for partition in PartitionId::all() {
                let version = match kept {
                    Some(kept) => {
                        let written = kept.inventory.namespace(&namespace.name);
                        let version = written.and_then(|written| written.get(partition)).cloned();
                        version.map(|version| {
                            let full = version.full && kept.clean;
                            version.with_full(full)
                        })
                    }
                    // The records are there and what they belong to is not known: they have to be merged.
                    None => unknown(namespace, partition, random),
                };
                if version.is_none() {
                    namespace.drop_partition(partition);
                }
                held.set(partition, version);
            }
        }
        inventory
    }
}

/// The version of a copy that nothing is known of; none when there are no records.
fn unknown(namespace: &Namespace, partition: PartitionId, random: u64) -> Option<Version> {
    (namespace.partition_objects(partition) > 0).then(|| Version::born(random.max(1)).with_full(false))
}

#[cfg(test)]
mod tests {
    use super::Kept;
    use proptest::prelude::{any, proptest};
    use shipload_cluster::NodeId;
    use shipload_cluster::metadata::{Entry, Stamp};
    use shipload_cluster::version::Version;
    use shipload_value::PartitionId;

    fn kept() -> Kept {
        let mut kept = Kept { clean: true, ..Kept::default() };
        let held = kept.inventory.namespace_mut("test");
        held.set(PartitionId::new(7).unwrap(), Some(Version::born(3).confirmed(9)));
        let stamp = Stamp { epoch: 1, counter: 2, node: NodeId(3) };
        kept.metadata.insert("udf/a.lua".to_owned(), Entry { stamp, bytes: Some(b"x".to_vec()) });
        kept.metadata.insert("udf/b.lua".to_owned(), Entry { stamp, bytes: None });
        kept.peers = vec!["10.0.0.1:3002".parse().unwrap(), "[fe80::1]:3002".parse().unwrap()];
        kept
    }

    #[test]
    fn what_is_written_down_comes_back_and_no_part_of_it_does() {
        let bytes = kept().encode();
        assert_eq!(Kept::decode(&bytes), Ok(kept()));
        for cut in 0..bytes.len() {
            assert!(Kept::decode(&bytes[..cut]).is_err(), "{cut}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Kept::decode(&bytes);
        }
    }
}
