//! Observers: what clients were told, and what the copies must look like at rest.

use super::{Band, Record};
use shipload_cluster::identity::NodeId;
use shipload_cluster::replication::WriteId;
use shipload_value::Digest;
use std::collections::BTreeMap;

#[derive(Debug, Clone)]
struct Attempt {
    write: (NodeId, WriteId),
    record: Option<Record>,
    /// The client was told that it is done.
    acked: bool,
}

/// Every write that was tried, by record and side, in order.
#[derive(Debug, Default)]
pub struct Ledger {
    attempts: BTreeMap<(Digest, u8), Vec<Attempt>>,
    open: BTreeMap<(NodeId, WriteId), (Digest, u8)>,
    count: u64,
    pub acked: u64,
    pub doubtful: u64,
}

impl Ledger {
    pub fn next(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    pub fn issued(
        &mut self,
        digest: Digest,
        side: u8,
        write: (NodeId, WriteId),
        record: Option<Record>,
        acked: bool,
    ) {
        self.attempts.entry((digest, side)).or_default().push(Attempt { write, record, acked });
        if acked {
            self.acked += 1;
        } else {
            self.open.insert(write, (digest, side));
        }
    }

    pub fn committed(&mut self, write: (NodeId, WriteId)) {
        if let Some(key) = self.open.remove(&write) {
            let attempts = self.attempts.get_mut(&key).unwrap();
            attempts.iter_mut().filter(|a| a.write == write).for_each(|a| a.acked = true);
            self.acked += 1;
        }
    }

    pub fn in_doubt(&mut self, write: (NodeId, WriteId)) {
        self.doubtful += u64::from(self.open.remove(&write).is_some());
    }

    pub fn of_host(&self, id: NodeId) -> Vec<(NodeId, WriteId)> {
        self.open.keys().filter(|write| write.0 == id).copied().collect()
    }

    /// What a record may be on a side: what the last acknowledged write made of it, or any that was tried since.
    pub fn allowed(&self, digest: &Digest, side: u8) -> Vec<Option<Record>> {
        let attempts = self.attempts.get(&(*digest, side)).map_or(&[][..], |attempts| attempts);
        let last = attempts.iter().rposition(|attempt| attempt.acked);
        let since = attempts.get(last.unwrap_or(0)..).unwrap_or_default();
        let nothing = last.is_none().then_some(None);
        nothing.into_iter().chain(since.iter().map(|attempt| attempt.record.clone())).collect()
    }

    /// Whether somebody tried to delete the record.
    pub fn was_deleted(&self, digest: &Digest, side: u8) -> bool {
        let attempts = self.attempts.get(&(*digest, side));
        attempts.is_some_and(|attempts| attempts.iter().any(|attempt| attempt.record.is_none()))
    }

    /// Begins anew with the present state of all records as acknowledged.
    pub fn restart(&mut self, side: u8, states: impl Iterator<Item = (Digest, Option<Record>)>) {
        self.attempts.retain(|(_, other), _| *other != side);
        for (digest, record) in states {
            let attempt = Attempt { write: (NodeId(0), WriteId(self.next())), record, acked: true };
            self.attempts.insert((digest, side), vec![attempt]);
        }
    }
}

impl Band {
    /// All owners equal byte by byte, nobody else holds anything, one master: the rightful one.
    pub fn check_copies(&self, side: u8) {
        for partition in self.partitions() {
            let owners = self.owners(side, partition);
            let rightful = self.hosts[&owners[0]].ground.store.partition(partition);
            for (id, host) in self.hosts.iter().filter(|(id, _)| self.sides[id] == side) {
                assert_eq!(host.ground.streams.is_leading(partition), *id == owners[0], "one master");
                let held = host.ground.store.partition(partition);
                let version = host.migration.version(partition);
                if owners.contains(id) {
                    assert_eq!(held, rightful, "copies of {partition:?} at {id}");
                    assert_eq!(host.masters[&partition], owners[0], "{id} knows who masters {partition:?}");
                    assert!(version.unwrap().full, "{partition:?} at {id} is full");
                    assert_eq!(version.unwrap().key, host.view, "{partition:?} at {id} is of this view");
                } else {
                    assert!(held.is_empty() && version.is_none(), "{id} owns nothing of {partition:?}");
                }
            }
        }
    }

    /// No acknowledged write is lost and none that was overwritten came back.
    pub fn check_writes(&self, side: u8) {
        for digest in &self.keys {
            let held = self.read_at(digest, side);
            let allowed = self.ledger.allowed(digest, side);
            assert!(allowed.contains(&held), "{digest:?} is {held:?}, allowed {allowed:?}");
        }
    }

    pub fn read_at(&self, digest: &Digest, side: u8) -> Option<Record> {
        let owner = self.owners(side, digest.partition())[0];
        self.hosts[&owner].ground.store.get(digest).cloned()
    }
}
