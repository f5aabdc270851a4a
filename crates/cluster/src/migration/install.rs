//! A new view: what this node holds in it, whom it sends to, what it has to compare.

use super::duty::Duty;
use super::ground::Ground;
use super::machine::Migration;
use super::task::{Led, Purpose, Ticket};
use crate::fabric::Item;
use crate::identity::NodeId;
use crate::replication::{Effects, Listener, Posting};
use crate::version::Version;
use shipload_value::PartitionId;
use std::collections::BTreeMap;

impl Migration {
    /// A view is installed. `duties` may be those of all partitions; every member is given the same.
    pub fn on_view(
        &mut self,
        now_ms: u64,
        view: u64,
        duties: impl IntoIterator<Item = Duty>,
        ground: &mut dyn Ground,
        effects: &mut Effects,
    ) {
        self.view = view;
        self.frozen = false;
        self.rests = false;
        self.led.clear();
        self.waiting.clear();
        self.delayed.clear();
        self.tasks.clear();
        self.incoming.clear();
        self.unfilled.clear();
        self.strays.clear();
        self.releasing.clear();
        self.resolving.clear();
        let (me, versions) = (self.me, &self.versions);
        let concerns = |duty: &Duty| duty.concerns(me) || versions.contains_key(&duty.partition);
        let duties: BTreeMap<_, _> =
            duties.into_iter().filter(concerns).map(|duty| (duty.partition, duty)).collect();
        let postings = duties.values().map(|duty| self.enter(now_ms, duty, effects)).collect();
        self.duties = duties;
        ground.install(now_ms, view, postings, effects);
        let led: Vec<PartitionId> = self.led.keys().copied().collect();
        for partition in led {
            self.queue(now_ms, partition, ground, effects);
        }
        self.start(now_ms, ground, effects);
    }

    /// What this node holds and is for one partition.
    fn enter(&mut self, now_ms: u64, duty: &Duty, effects: &mut Effects) -> Posting {
        let partition = duty.partition;
        let mine = self.versions.get(&partition).cloned();
        let mut posting = Posting {
            partition,
            leading: duty.master == self.me,
            listeners: Vec::new(),
            sources: vec![duty.master, duty.rightful()],
            gathering: false,
            keeps: (duty.master != self.me).then_some(self.settings.policy),
        };
        if posting.leading {
            let led = self.lead(duty, mine);
            posting.gathering = !led.gathers.is_empty();
            posting.listeners = listeners(duty, &led);
            self.hold(partition, Some(led.version.clone()), effects);
            self.led.insert(partition, led);
        } else if duty.fills.contains(&self.me) {
            self.unfilled.insert(partition);
        } else if !duty.concerns(self.me) {
            // It began to be filled after the inventory was told.
            self.strays.insert(partition, now_ms);
        }
        posting
    }

    fn lead(&self, duty: &Duty, mine: Option<Version>) -> Led {
        let mut gathers = duty.gathers.clone();
        let version = match (mine, &duty.source) {
            (Some(version), _) if version.full => version.confirmed(self.view),
            // A part of something is a descendant of nothing: the copy that it was filled from may come back.
            (Some(_), _) => Version::born(self.view).with_full(false),
            (None, None) => Version::born(self.view),
            // The copy that was promised is gone: whoever has anything has to give it, nobody may follow this.
            (None, Some(promised)) => {
                let others = duty.equals.iter().chain(&duty.fills).chain(&duty.extras);
                for node in others.filter(|node| **node != self.me) {
                    if !gathers.iter().any(|(other, _)| other == node) {
                        gathers.push((*node, promised.clone()));
                    }
                }
                Version::born(self.view).with_full(false)
            }
        };
        // A partial copy is the best there is when nobody has anything that it lacks.
        let full = version.full || gathers.is_empty();
        let withheld =
            |node: &&NodeId| duty.lacked.contains(node) || gathers.iter().any(|(other, _)| other == *node);
        let withheld = duty.fills.iter().filter(withheld).copied().collect();
        let is_fresh = duty.source.is_none();
        let verified = |node: &NodeId| !is_fresh && duty.owners.contains(node);
        Led {
            version: version.with_full(full),
            gathers,
            fills: duty.fills.clone(),
            withheld,
            verifies: duty.equals.iter().copied().filter(verified).collect(),
            releases: Vec::new(),
            is_settled: false,
        }
    }

    /// Queues what is to be done next for a partition that this node masters; settles it when there is nothing.
    pub(super) fn queue(
        &mut self,
        now_ms: u64,
        partition: PartitionId,
        ground: &mut dyn Ground,
        effects: &mut Effects,
    ) {
        let (Some(led), Some(duty)) = (self.led.get(&partition), self.duties.get(&partition)) else { return };
        let mut records = 0;
        ground.with(partition, &mut |store, _| records = store.count(partition));
        let ticket = |spare, purpose, peer| Ticket { spare, purpose, records, partition, peer };
        if !led.gathers.is_empty() {
            self.waiting.extend(led.gathers.iter().map(|(node, _)| ticket(false, Purpose::Gather, *node)));
            return;
        }
        if led.fills.is_empty() && led.verifies.is_empty() {
            return self.settle(now_ms, partition, ground, effects);
        }
        let spare = |node: &NodeId| !duty.counted_fills().contains(node);
        self.waiting.extend(led.fills.iter().map(|node| ticket(spare(node), Purpose::Fill, *node)));
        self.waiting.extend(led.verifies.iter().map(|node| ticket(true, Purpose::Verify, *node)));
    }

    /// This node's copy as an entry of a stream says: it is being filled, or full.
    pub(super) fn on_version(
        &mut self,
        partition: PartitionId,
        version: &[u8],
        full: bool,
        effects: &mut Effects,
    ) {
        let Ok(version) = Version::decode(&mut crate::cursor::Reader::new(version)) else { return };
        if full {
            self.unfilled.remove(&partition);
            self.incoming.remove(&partition);
        }
        self.hold(partition, Some(version.with_full(full)), effects);
    }
}

fn listeners(duty: &Duty, led: &Led) -> Vec<Listener> {
    // Only the master's word confirms a copy in a view: a view that its master never saw must leave no trace.
    let confirmed = || Some(full(&led.version));
    let equals = duty.equals.iter().map(|&peer| Listener { peer, counted: true, greeting: confirmed() });
    let fills = duty.fills.iter().map(|&peer| Listener {
        peer,
        counted: duty.counted_fills().contains(&peer),
        // A copy that is gathered keeps its version until it is: its own records must not be forgotten. So does its twin,
        // which is there if the one that is gathered dies.
        greeting: (!led.withheld.contains(&peer)).then(|| filling(&led.version)),
    });
    equals.chain(fills).collect()
}

/// The entry that tells an owner that its copy is being filled from a copy of this version.
pub(super) fn filling(version: &Version) -> Item<'static> {
    Item::Filling(encoded(&Version::filling(version)))
}

/// The entry that tells an owner that its copy is full.
pub(super) fn full(version: &Version) -> Item<'static> {
    Item::Full(encoded(&version.clone().with_full(true)))
}

fn encoded(version: &Version) -> crate::fabric::Payload<'static> {
    let mut bytes = Vec::new();
    version.encode(&mut bytes);
    bytes.into()
}
