//! A band of nodes in virtual time: replication and migration machines over a network that loses, delays, repeats
//! and reorders, with views that the test dictates.

#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "a harness; each test file uses a part of it"
)]

mod check;
pub mod host;
mod rng;
mod views;

pub use host::{Host, Record};
pub use rng::Rng;

use check::Ledger;
use shipload_cluster::fabric::{Cut, Message, NamespaceId, cut, decode};
use shipload_cluster::identity::{NodeId, mix};
use shipload_cluster::migration::{self, Duty};
use shipload_cluster::replication::{self, Commit, Effect, WriteId};
use shipload_value::{Digest, PartitionId};
use std::collections::{BTreeMap, BTreeSet};

pub const NAMESPACE: NamespaceId = NamespaceId(7);

/// How bad the network is, and how the machines are set.
#[derive(Debug, Clone, Copy)]
pub struct Conditions {
    pub loss_pct: u64,
    pub repeat_pct: u64,
    pub delay_ms: u64,
    pub replication_factor: usize,
    pub partitions: u16,
    pub keys: u64,
    pub value_bytes: usize,
    pub replication: replication::Settings,
    pub migration: migration::Settings,
}

impl Default for Conditions {
    fn default() -> Self {
        Conditions {
            loss_pct: 5,
            repeat_pct: 5,
            delay_ms: 8,
            replication_factor: 2,
            partitions: 6,
            keys: 200,
            value_bytes: 16,
            replication: replication::Settings { resend_ms: 60, ..replication::Settings::default() },
            migration: migration::Settings {
                retry_ms: 60,
                outgoing_max: 3,
                incoming_max: 2,
                ..Default::default()
            },
        }
    }
}

#[derive(Debug)]
enum Event {
    Deliver { from: NodeId, to: NodeId, bytes: Vec<u8> },
    Install { to: NodeId, view: u64, duties: Vec<Duty> },
}

/// The band.
pub struct Band {
    pub conditions: Conditions,
    pub rng: Rng,
    pub now_ms: u64,
    pub hosts: BTreeMap<NodeId, Host>,
    /// Which part of a split network a node is in.
    pub sides: BTreeMap<NodeId, u8>,
    pub ledger: Ledger,
    pub bytes_sent: u64,
    pub keys: Vec<Digest>,
    events: BTreeMap<(u64, u64), Event>,
    event_count: u64,
    views: u64,
    checks: u64,
    expected: BTreeMap<NodeId, u64>,
    /// The newest duties of each side, and the members.
    latest: BTreeMap<u8, (BTreeSet<NodeId>, Vec<Duty>)>,
}

/// A digest as a hash would make it, but in one of the first partitions.
fn key(n: u64, partitions: u16) -> Digest {
    let mut bytes = [0; 20];
    for (word, chunk) in (0..).zip(bytes.chunks_mut(8)) {
        chunk.copy_from_slice(&mix(n ^ (word << 40)).to_le_bytes()[..chunk.len()]);
    }
    let [low, high] = ((n % u64::from(partitions)) as u16).to_le_bytes();
    bytes[0] = low;
    bytes[1] = (bytes[1] & 0xf0) | high;
    Digest(bytes)
}

impl Band {
    pub fn new(seed: u64, conditions: Conditions) -> Band {
        let keys = (0..conditions.keys).map(|n| key(n, conditions.partitions)).collect();
        Band {
            conditions,
            rng: Rng(seed),
            now_ms: 1000,
            hosts: BTreeMap::new(),
            sides: BTreeMap::new(),
            ledger: Ledger::default(),
            bytes_sent: 0,
            keys,
            events: BTreeMap::new(),
            event_count: 0,
            views: 0,
            checks: 0,
            expected: BTreeMap::new(),
            latest: BTreeMap::new(),
        }
    }

    pub fn partitions(&self) -> impl Iterator<Item = PartitionId> + use<> {
        (0..self.conditions.partitions).filter_map(PartitionId::new)
    }

    pub fn add(&mut self, id: u64) {
        let host = Host::new(NodeId(id), &self.conditions);
        self.hosts.insert(NodeId(id), host);
        self.sides.entry(NodeId(id)).or_insert(0);
    }

    /// A node dies for good, with all that it held.
    pub fn kill(&mut self, id: u64) {
        self.hosts.remove(&NodeId(id));
        for write in self.ledger.of_host(NodeId(id)) {
            self.ledger.in_doubt(write);
        }
    }

    fn at(&mut self, delay_ms: u64, event: Event) {
        self.event_count += 1;
        self.events.insert((self.now_ms + delay_ms, self.event_count), event);
    }

    /// Does what a host's machines want.
    pub fn run_effects(&mut self, id: NodeId, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Send { to, message } => self.send(id, to, &message),
                Effect::Committed(write) => self.ledger.committed((id, write)),
                Effect::InDoubt(write) => self.ledger.in_doubt((id, write)),
                Effect::Arrived { partition, from, item } => {
                    let now_ms = self.now_ms;
                    self.with(id, |host, effects| {
                        let Host { migration, ground, .. } = host;
                        migration.on_item(now_ms, partition, from, &item, ground, effects);
                    });
                }
                Effect::Resolved(_) => {}
                Effect::Progress(partition) => {
                    let now_ms = self.now_ms;
                    self.with(id, |host, effects| {
                        let Host { migration, ground, .. } = host;
                        migration.on_progress(now_ms, partition, ground, effects);
                    });
                }
                Effect::Drop(partition) => {
                    let host = self.hosts.get_mut(&id).unwrap();
                    host.ground.store.drop_partition(partition);
                }
                Effect::Master { view, partition, master } => {
                    let host = self.hosts.get_mut(&id).unwrap();
                    if view == host.view {
                        host.masters.insert(partition, master);
                    }
                }
                Effect::Hold { .. } => {}
            }
        }
    }

    fn with(&mut self, id: NodeId, act: impl FnOnce(&mut Host, &mut Vec<Effect>)) {
        let mut effects = Vec::new();
        if let Some(host) = self.hosts.get_mut(&id) {
            act(host, &mut effects);
            self.checks += 1;
            if self.checks.is_multiple_of(16) {
                host.check(&self.conditions);
            }
        }
        self.run_effects(id, effects);
    }

    fn send(&mut self, from: NodeId, to: NodeId, message: &Message<'_>) {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        self.bytes_sent += bytes.len() as u64;
        let copies = if self.rng.pct(self.conditions.loss_pct) {
            0
        } else {
            1 + u64::from(self.rng.pct(self.conditions.repeat_pct))
        };
        for _ in 0..copies {
            let delay_ms = self.rng.below(self.conditions.delay_ms + 1);
            self.at(delay_ms, Event::Deliver { from, to, bytes: bytes.clone() });
        }
    }

    fn deliver(&mut self, from: NodeId, to: NodeId, bytes: &[u8]) {
        if self.sides.get(&from) != self.sides.get(&to) {
            return;
        }
        let Ok(Cut::Frame(body, _)) = cut(bytes) else { panic!("a frame that is none") };
        let message = decode(body).unwrap();
        let now_ms = self.now_ms;
        self.with(to, |host, effects| {
            let Host { migration, ground, .. } = host;
            ground.streams.on_message(now_ms, from, message.clone(), &mut ground.store, effects);
            migration.on_message(now_ms, from, &message, ground, effects);
            ground.streams.flush(effects);
        });
    }

    /// Lets time pass; each millisecond may make writes (`writes_pct` of them do).
    pub fn run(&mut self, duration_ms: u64, writes_pct: u64) {
        let end_ms = self.now_ms + duration_ms;
        while self.now_ms < end_ms {
            self.now_ms += 1;
            while let Some(entry) = self.events.first_entry().filter(|entry| entry.key().0 <= self.now_ms) {
                match entry.remove() {
                    Event::Deliver { from, to, bytes } => self.deliver(from, to, &bytes),
                    Event::Install { to, view, duties } => self.install(to, view, duties),
                }
            }
            if self.now_ms.is_multiple_of(5) {
                let (now_ms, ids) = (self.now_ms, self.hosts.keys().copied().collect::<Vec<_>>());
                for id in ids {
                    self.with(id, |host, effects| {
                        let Host { migration, ground, .. } = host;
                        ground.streams.on_tick(now_ms, effects);
                        migration.on_tick(now_ms, ground, effects);
                    });
                }
            }
            if self.rng.pct(writes_pct) {
                self.write_anything();
            }
        }
    }

    /// Runs until nothing is left to migrate and no write waits; panics when that takes too long.
    pub fn settle(&mut self, writes_pct: u64) {
        for _ in 0..3000 {
            self.run(10, writes_pct);
            if writes_pct == 0 && self.is_quiet() || writes_pct > 0 && self.is_settled() {
                return;
            }
        }
        let left: Vec<_> = self.hosts.values().map(|host| (host.id, host.migration.remaining())).collect();
        for host in self.hosts.values() {
            eprintln!("{:?} waits for {:?}", host.id, host.migration.unfinished());
        }
        panic!("not settled: {left:?}");
    }

    /// The same for the nodes of one side, while others are elsewhere.
    pub fn settle_side(&mut self, side: u8) {
        for _ in 0..3000 {
            self.run(10, 0);
            let mut ours = self.hosts.values().filter(|host| self.sides[&host.id] == side);
            if ours.all(|host| self.is_done(host)) {
                return;
            }
        }
        panic!("side {side} is not settled");
    }

    fn is_done(&self, host: &Host) -> bool {
        host.view == self.views_of(host.id)
            && host.migration.remaining().is_nothing()
            && host.ground.streams.unacked_bytes() == 0
    }

    pub fn is_settled(&self) -> bool {
        self.hosts
            .values()
            .all(|host| host.view == self.views_of(host.id) && host.migration.remaining().is_nothing())
    }

    fn is_quiet(&self) -> bool {
        let idle = |host: &Host| {
            host.ground.streams.pending_writes() == 0 && host.ground.streams.unacked_bytes() == 0
        };
        self.is_settled() && self.hosts.values().all(idle)
    }

    /// A client writes or deletes a random record at a node that takes itself for the master.
    pub fn write_anything(&mut self) {
        let index = self.rng.below(self.keys.len() as u64) as usize;
        let digest = self.keys[index];
        let delete = self.rng.pct(20);
        self.write(&digest, delete);
    }

    pub fn write(&mut self, digest: &Digest, delete: bool) {
        // Side 9 is the void: nobody's client is there.
        let reachable = |host: &&Host| self.sides[&host.id] != 9;
        let leading = |host: &&Host| host.ground.streams.is_leading(digest.partition());
        let masters = self.hosts.values().filter(reachable).filter(leading);
        let masters: Vec<NodeId> = masters.map(|host| host.id).collect();
        let Some(&id) = self.rng.pick(&masters) else { return };
        let number = self.ledger.next();
        let (now_ms, side) = (self.now_ms, self.sides[&id]);
        let bytes = self.conditions.value_bytes;
        let mut outcome: Option<(WriteId, bool, Option<Record>)> = None;
        self.with(id, |host, effects| {
            let record =
                (!delete).then(|| host.ground.store.next(digest, now_ms, host.skew_ms, number, bytes));
            host.ground.store.set(digest, record.clone());
            let change = match &record {
                Some(record) => replication::Change::Put(record.image().into()),
                None => replication::Change::Remove(now_ms),
            };
            let (write, done) = host.ground.streams.on_write(now_ms, digest, change, Commit::All, effects);
            outcome = Some((write, done, record));
        });
        let (write, done, record) = outcome.unwrap();
        self.ledger.issued(*digest, side, (id, write), record, done);
    }

    fn install(&mut self, to: NodeId, view: u64, duties: Vec<Duty>) {
        let now_ms = self.now_ms;
        self.with(to, |host, effects| {
            if view <= host.view {
                return;
            }
            host.view = view;
            host.masters = duties.iter().map(|duty| (duty.partition, duty.master)).collect();
            let Host { migration, ground, .. } = host;
            migration.on_view(now_ms, view, duties, ground, effects);
        });
    }

    /// Sums a counter over all nodes.
    pub fn sum(&self, of: impl Fn(&replication::Counters) -> u64) -> u64 {
        self.hosts.values().map(|host| of(&host.ground.streams.counters())).sum()
    }

    /// The record as the master of its partition on a side has it.
    pub fn masters_copy(&self, digest: &Digest, side: u8) -> Option<Record> {
        let ours = self.hosts.values().filter(|host| self.sides[&host.id] == side);
        let master = ours.into_iter().find(|host| host.ground.streams.is_leading(digest.partition()));
        master.expect("a master").ground.store.get(digest).cloned()
    }
}
