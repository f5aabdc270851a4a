//! Observers: what must be true of a world at rest, and how far from rest it is.

use crate::client::{chain_of_image, digest};
use crate::host::Host;
use crate::world::World;
use shipload_cluster::NodeId;
use shipload_value::PartitionId;
use std::collections::BTreeSet;

/// Seconds from the Unix epoch to 2010, and to the moment at which worlds begin.
const BEGIN_SINCE_2010_US: u64 = (1_790_000_000 - 1_262_304_000) * 1_000_000;
/// The most requests that may wait in a node.
const PARKED_MAX: usize = 2_000;
/// A request is handed on at most so often. Nodes that have no part in a partition don't hear that it was handed over:
/// they ask its master of before, who knows.
const HOPS_MAX: usize = 3;
/// The most bytes that may be on their way from a node.
const UNACKED_BYTES_MAX: usize = 64 << 20;

impl World {
    /// What keeps the world from rest; none when all nodes agree and every copy is where it belongs.
    #[must_use]
    pub fn unrest(&self) -> Option<String> {
        let members: Vec<NodeId> = self.hosts.keys().copied().collect();
        let first = self.hosts.values().next()?.node.cluster.status();
        for host in self.hosts.values() {
            let status = host.node.cluster.status();
            if !status.members.keys().eq(members.iter()) {
                let has: Vec<_> = status.members.keys().collect();
                return Some(format!("{} is in a view of {has:?} instead of {members:?}", host.id));
            }
            if status.key != first.key {
                return Some(format!(
                    "{} is in view {:X}, another node in {:X}",
                    host.id, status.key, first.key
                ));
            }
            if !status.integrity {
                return Some(format!("{} does not think that its view lasts", host.id));
            }
        }
        self.hosts.values().find_map(|host| {
            let status = host.node.migration_status(host.namespace());
            let moving = status.sends + status.receives + status.verifies + status.releases > 0;
            moving.then(|| format!("{} still moves: {status:?}", host.id))
        })
    }

    /// Runs until the world is at rest; how long that took, in milliseconds. A violation when it takes too long.
    pub fn settle(&mut self, bound_ms: u64) -> u64 {
        let began_us = self.now_us;
        while let Some(why) = self.unrest() {
            if self.now_us - began_us > bound_ms * 1000 {
                let lines = self.hosts.values().flat_map(|host| host.node.unfinished(host.namespace()));
                let lines: Vec<String> = lines.take(4).collect();
                self.violate(&format!("no rest after {bound_ms} ms: {why} {lines:?}"));
                break;
            }
            if !self.violations.is_empty() {
                break;
            }
            self.run_ms(50);
        }
        (self.now_us - began_us) / 1000
    }

    /// Queues stay within bounds whatever happens.
    pub fn check_queues(&mut self) {
        let mut wrong = Vec::new();
        for host in self.hosts.values() {
            let queues = host.node.queues();
            if queues.parked > PARKED_MAX || queues.unacked_bytes > UNACKED_BYTES_MAX {
                wrong.push(format!("queues of {} grow: {queues:?}", host.id));
            }
        }
        wrong.iter().for_each(|what| self.violate(what));
    }

    /// Everything that must be true at rest, when no client waits. What copies hold then is what counts from now on.
    pub fn check_rest(&mut self) {
        self.check_partitions();
        self.check_racks();
        self.check_records();
        self.check_registers();
        self.check_pages();
        let busy = |host: &&Host| {
            let queues = host.node.queues();
            queues.parked + queues.deferred + queues.pending_writes + queues.unacked_bytes + queues.waiters
                > 0
        };
        let busy = self
            .hosts
            .values()
            .find(busy)
            .map(|host| format!("{} at rest: {:?}", host.id, host.node.queues()));
        if let Some(what) = busy {
            self.violate(&what);
        }
        self.hosts.values().for_each(|host| host.node.assert_invariants());
        self.diverged = false;
        self.served.clear();
    }

    /// Copies of a partition are in as many racks as there can be.
    fn check_racks(&mut self) {
        let racks = self.settings.host.racks.max(1);
        let Some(map) = self.hosts.values().next().and_then(|host| host.node.partition_map(host.namespace()))
        else {
            return;
        };
        let all: BTreeSet<u64> = self.hosts.keys().map(|id| id.0 % racks).collect();
        for partition in PartitionId::all() {
            let owners = map.map.owners(partition);
            let used: BTreeSet<u64> = owners.iter().map(|owner| owner.0 % racks).collect();
            if used.len() < all.len().min(owners.len()) {
                let what = format!(
                    "the copies of {} are in {} racks of {}",
                    partition.number(),
                    used.len(),
                    all.len()
                );
                return self.violate(&what);
            }
        }
    }

    /// One master, the rightful one, and full copies of one version at its owners; nothing elsewhere.
    fn check_partitions(&mut self) {
        let mut wrong = Vec::new();
        let Some(map) = self.hosts.values().next().and_then(|host| host.node.partition_map(host.namespace()))
        else {
            return self.violate("there is no map");
        };
        for partition in PartitionId::all() {
            let owners = map.map.owners(partition);
            let number = partition.number();
            let mut counts = Vec::new();
            for host in self.hosts.values() {
                let namespace = host.namespace();
                let leads = host.node.leads(namespace, partition);
                if leads != (owners.first() == Some(&host.id)) {
                    wrong.push(format!("{} masters {number}: {leads}, owners {owners:?}", host.id));
                }
                if self.reached(host, partition) != owners.first().copied() {
                    wrong.push(format!("a request for {number} that comes to {} finds no master", host.id));
                }
                let version = host.node.held_version(namespace, partition);
                let objects = namespace.partition_objects(partition);
                if owners.contains(&host.id) {
                    counts.push(objects);
                    let known = host.node.known_master(namespace, partition);
                    if known != owners.first().copied() {
                        wrong.push(format!("{} takes {known:?} for the master of {number}", host.id));
                    }
                    if !version.is_some_and(|version| version.full && version.key == map.map.key()) {
                        wrong.push(format!("{}'s copy of {number} is not full in this view", host.id));
                    }
                } else if version.is_some() || objects > 0 {
                    wrong.push(format!("{} holds {objects} records of {number} and owns none", host.id));
                }
            }
            if counts.iter().any(|count| Some(count) != counts.first()) {
                wrong.push(format!("owners of {number} hold {counts:?} records"));
            }
        }
        wrong.iter().for_each(|what| self.violate(what));
    }

    /// Tells of changes of the watched record's copies.
    pub(crate) fn watch(&mut self) {
        let Some(record) = self.watched else { return };
        let name = digest(record);
        let partition = name.partition();
        for (id, host) in &self.hosts {
            let namespace = host.namespace();
            let chain = host.node.held_image(namespace, &name).and_then(|image| chain_of_image(&image));
            let chain = chain.map(|(chain, generation, ms)| {
                format!("{} generation {generation} of {ms}", String::from_utf8_lossy(&chain))
            });
            let version = host.node.held_version(namespace, partition).map(|version| {
                let key = |key: &u64| format!("{:.4}", format!("{key:016X}"));
                let lineage: Vec<String> = version.lineage().iter().map(key).collect();
                format!(
                    "{} {} {}",
                    key(&version.key),
                    if version.full { "full" } else { "part" },
                    lineage.join(" ")
                )
            });
            let line = format!(
                "{}holds {} as {}",
                if host.node.leads(namespace, partition) { "leads and " } else { "" },
                chain.unwrap_or_default(),
                version.unwrap_or_default()
            );
            if self.last_seen.get(id) != Some(&line) {
                println!("{:>10.3} {id}: {line}", self.now_us as f64 / 1000.0);
                self.last_seen.insert(*id, line);
            }
        }
    }

    /// Who serves a request that comes to this node, handed on from node to node.
    fn reached(&self, host: &Host, partition: PartitionId) -> Option<NodeId> {
        let mut at = host;
        for _ in 0..HOPS_MAX {
            let next = at.node.known_master(at.namespace(), partition)?;
            if next == at.id {
                return at.node.leads(at.namespace(), partition).then_some(next);
            }
            at = self.hosts.get(&next)?;
        }
        None
    }

    /// All copies of a record are equal byte by byte, nothing acknowledged is missing, and after a split the winner won
    /// by its right.
    fn check_records(&mut self) {
        let latest_wins = self.settings.host.latest_wins;
        let skew_us = 2 * self.settings.skew_ms * 1000 + 2_000;
        let mut wrong = Vec::new();
        let mut settled = Vec::new();
        for record in 0..self.settings.records {
            let name = digest(record);
            let mut images: Vec<(NodeId, Vec<u8>)> = Vec::new();
            for host in self.hosts.values() {
                images.extend(host.node.held_image(host.namespace(), &name).map(|image| (host.id, image)));
            }
            if let Some(other) = images.iter().find(|(_, image)| *image != images[0].1) {
                let chain = |image: &[u8]| {
                    chain_of_image(image).map(|(chain, generation, ms)| {
                        (String::from_utf8_lossy(&chain).into_owned(), generation, ms)
                    })
                };
                wrong.push(format!(
                    "record {record} (partition {}) differs: {} has {:?}, {} has {:?}",
                    name.partition().number(),
                    images[0].0,
                    chain(&images[0].1),
                    other.0,
                    chain(&other.1),
                ));
                continue;
            }
            let (chain, generation, updated_ms) = match images.first() {
                Some((_, image)) => match chain_of_image(image) {
                    Some(held) => held,
                    None => {
                        wrong.push(format!("record {record} has an image that nobody wrote"));
                        continue;
                    }
                },
                None => (Vec::new(), 0, 0),
            };
            let updated_us = (updated_ms * 1000).saturating_sub(BEGIN_SINCE_2010_US);
            let held = self.ledger.check(record, &chain, u64::MAX, self.diverged).and_then(|()| {
                let skew_us = latest_wins.then_some(skew_us);
                self.ledger.check_winner(record, &chain, generation, updated_us, skew_us)
            });
            match held {
                Ok(()) => settled.push((record, chain, generation)),
                Err(what) => wrong.push(format!("at rest: {what}")),
            }
        }
        wrong.iter().for_each(|what| self.violate(what));
        for (record, chain, generation) in settled {
            self.ledger.settle(record, chain, generation);
        }
    }
}
