//! The machine: its state, its ways in, what it tells about itself.

use super::duty::Duty;
use super::ground::Ground;
use super::pace::Credit;
use super::resolve::Resolving;
use super::task::{Led, Purpose, Task, Ticket};
use crate::fabric::{At, Item, Message, NamespaceId};
use crate::identity::NodeId;
use crate::replication::{ConflictPolicy, Effect, Effects};
use crate::version::Version;
use shipload_value::{Digest, PartitionId};
use std::collections::{BTreeMap, BTreeSet};

/// How much migration may do at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Comparisons that this node drives at a time (a few for each of `migrate-threads`).
    pub outgoing_max: usize,
    /// Partitions that may be filled here at a time (`migrate-max-num-incoming`).
    pub incoming_max: usize,
    /// Bytes not acknowledged on one stream above which migration adds nothing to it.
    pub window_bytes: usize,
    /// Estimated microseconds of processors that migration may cost in a millisecond; what partitions need that have too
    /// few copies costs a quarter.
    pub us_per_ms: u64,
    /// An answer that does not come is asked for again after so many milliseconds.
    pub retry_ms: u64,
    /// Who wins when copies have diverged.
    pub policy: ConflictPolicy,
    /// Copies that others need no more stay here, as copies that lack something: this node is about to leave, and when
    /// it is back, only what has changed has to travel.
    pub keeps_released: bool,
}

impl Default for Settings {
    fn default() -> Self {
        let policy = ConflictPolicy::default();
        Settings {
            outgoing_max: 8,
            incoming_max: 8,
            window_bytes: 256 << 10,
            us_per_ms: 1_000_000,
            retry_ms: 300,
            policy,
            keeps_released: false,
        }
    }
}

/// What is left to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Remaining {
    /// Fills that this node has to drive: `migrate_tx_partitions_remaining`.
    pub sends: u64,
    /// Those of them under way.
    pub sends_active: u64,
    /// Partitions to be filled or gathered here: `migrate_rx_partitions_remaining`.
    pub receives: u64,
    /// Copies that should be equal and are not yet looked at.
    pub verifies: u64,
    /// Copies that others, or this node, still have to drop.
    pub releases: u64,
}

impl Remaining {
    /// Whether partitions have their copies where they should be.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Remaining::default()
    }
}

/// The migration of one namespace.
#[derive(Debug)]
pub struct Migration {
    pub(super) me: NodeId,
    pub(super) namespace: NamespaceId,
    pub(super) settings: Settings,
    /// How many tasks there may be: more than may begin, while some go on that began under another limit.
    tasks_max: usize,
    pub(super) view: u64,
    pub(super) duties: BTreeMap<PartitionId, Duty>,
    pub(super) versions: BTreeMap<PartitionId, Version>,
    pub(super) led: BTreeMap<PartitionId, Led>,
    pub(super) waiting: BTreeSet<Ticket>,
    /// Tasks whose other side was busy, by the time when they may be tried again.
    pub(super) delayed: BTreeSet<(u64, Ticket)>,
    pub(super) tasks: BTreeMap<(PartitionId, NodeId), Task>,
    /// Partitions that are being filled here, with when somebody last asked.
    pub(super) incoming: BTreeMap<PartitionId, u64>,
    /// Partitions that are to be filled here and are not full yet.
    pub(super) unfilled: BTreeSet<PartitionId>,
    /// Copies here that the view's inventories did not know of, with when their masters were last asked.
    pub(super) strays: BTreeMap<PartitionId, u64>,
    /// Partitions whose masters, this node, wait for copies to be dropped.
    pub(super) releasing: BTreeSet<PartitionId>,
    pub(super) frozen: bool,
    /// Nothing was left to do, and nothing has happened since.
    pub(super) rests: bool,
    pub(super) rounds: u32,
    pub(super) credit: Credit,
    /// Records that are asked of copies which are not gathered yet.
    pub(super) resolving: BTreeMap<Digest, Resolving>,
}

impl Migration {
    /// A machine in no view, holding what an earlier life has left (nothing, for a node without data).
    #[must_use]
    pub fn new(
        me: NodeId,
        namespace: NamespaceId,
        settings: Settings,
        versions: BTreeMap<PartitionId, Version>,
    ) -> Migration {
        Migration {
            me,
            namespace,
            settings,
            tasks_max: settings.outgoing_max,
            view: 0,
            duties: BTreeMap::new(),
            versions,
            led: BTreeMap::new(),
            waiting: BTreeSet::new(),
            delayed: BTreeSet::new(),
            tasks: BTreeMap::new(),
            incoming: BTreeMap::new(),
            unfilled: BTreeSet::new(),
            strays: BTreeMap::new(),
            releasing: BTreeSet::new(),
            frozen: false,
            rests: false,
            rounds: 0,
            credit: Credit::default(),
            resolving: BTreeMap::new(),
        }
    }

    /// Key of the view that the machine is in; 0 before the first.
    #[must_use]
    pub fn view(&self) -> u64 {
        self.view
    }

    /// The limits that hold.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// Changes the limits; what is under way goes on, also when it is more than may begin now.
    pub fn set_settings(&mut self, settings: Settings) {
        self.settings = settings;
        self.tasks_max = settings.outgoing_max.max(self.tasks.len());
    }

    /// What this node holds of a partition: its entry in the inventory.
    #[must_use]
    pub fn version(&self, partition: PartitionId) -> Option<&Version> {
        self.versions.get(&partition)
    }

    /// Whether this node shall hold the partition in the view that holds.
    #[must_use]
    pub fn owns(&self, partition: PartitionId) -> bool {
        self.duties.get(&partition).is_some_and(|duty| duty.owners.contains(&self.me))
    }

    /// What this node holds.
    pub fn versions(&self) -> impl Iterator<Item = (PartitionId, &Version)> {
        self.versions.iter().map(|(&partition, version)| (partition, version))
    }

    /// The inventory was told to a proposer: nothing may be dropped until a view is installed, or the proposal is
    /// given up ([`Migration::thaw`]).
    pub fn freeze(&mut self) {
        self.frozen = true;
    }

    /// See [`Migration::freeze`].
    pub fn thaw(&mut self) {
        self.frozen = false;
    }

    /// What is left to do.
    #[must_use]
    pub fn remaining(&self) -> Remaining {
        let under_way = self.tasks.values().filter(|task| task.purpose == Purpose::Fill);
        let mut remaining = Remaining {
            sends_active: under_way.count() as u64,
            receives: self.unfilled.len() as u64,
            releases: self.strays.len() as u64,
            ..Remaining::default()
        };
        // One pass: there may be thousands, and this is asked for often.
        for led in self.led.values() {
            remaining.sends += led.fills.len() as u64;
            remaining.receives += led.gathers.len() as u64;
            remaining.verifies += led.verifies.len() as u64;
            remaining.releases += led.releases.len() as u64;
        }
        remaining
    }

    /// Whether nothing is left to do: [`Migration::remaining`], but cheap while there is much.
    #[must_use]
    pub fn is_at_rest(&mut self) -> bool {
        let done = |led: &Led| {
            led.fills.is_empty()
                && led.gathers.is_empty()
                && led.verifies.is_empty()
                && led.releases.is_empty()
        };
        // Nothing but a view, a message or an entry makes new work.
        self.rests =
            self.rests || self.unfilled.is_empty() && self.strays.is_empty() && self.led.values().all(done);
        self.rests
    }

    /// What is under way, for people: one line for each comparison.
    #[must_use]
    pub fn unfinished(&self) -> Vec<String> {
        let tasks = self.tasks.iter();
        let lines = tasks.map(|((partition, peer), task)| format!("{} {peer} {task:?}", partition.number()));
        let waiting = self.waiting.iter().chain(self.delayed.iter().map(|(_, ticket)| ticket));
        lines.chain(waiting.map(|ticket| format!("{ticket:?}"))).collect()
    }

    /// A message about migration arrived. Messages of other kinds and other views do nothing.
    pub fn on_message(
        &mut self,
        now_ms: u64,
        from: NodeId,
        message: &Message<'_>,
        ground: &mut dyn Ground,
        effects: &mut Effects,
    ) {
        let Some(at) = message.at().filter(|at| at.namespace == self.namespace && at.view == self.view)
        else {
            return;
        };
        let partition = at.partition;
        self.rests = false;
        match message {
            Message::Ask { round, filling, .. } => {
                self.on_ask(now_ms, at, from, *round, *filling, ground, effects);
            }
            Message::List { round, buckets, .. } => {
                self.on_list(now_ms, at, from, *round, *buckets, ground, effects);
            }
            Message::Pull { round, digests, .. } => self.on_pull(at, from, *round, digests, ground, effects),
            Message::Release { .. } => self.on_release(at, from, ground, effects),
            Message::Busy { round, .. } => self.on_busy(now_ms, partition, from, *round, ground, effects),
            Message::Summary { round, summary, .. } => {
                self.on_summary(now_ms, partition, from, *round, summary, ground, effects);
            }
            Message::Listing { round, buckets, stamps, .. } => {
                self.on_listing(now_ms, (partition, from), *round, *buckets, stamps, ground, effects);
            }
            Message::Pulled { round, records, .. } => {
                self.on_pulled(now_ms, (partition, from), *round, records, ground, effects);
            }
            Message::Stray { .. } => self.on_stray(at, from, effects),
            Message::Released { .. } => self.on_released(partition, from, ground, effects),
            Message::Hello(_)
            | Message::Agreement(_)
            | Message::Metadata(_)
            | Message::Proxy { .. }
            | Message::ProxyReply { .. }
            | Message::Replica { .. }
            | Message::Ack { .. }
            | Message::WrongView { .. } => {}
        }
    }

    /// An entry for migration arrived on a stream: [`Effect::Arrived`].
    pub fn on_item(
        &mut self,
        now_ms: u64,
        partition: PartitionId,
        from: NodeId,
        item: &Item<'_>,
        ground: &mut dyn Ground,
        effects: &mut Effects,
    ) {
        self.rests = false;
        match item {
            Item::Filling(version) => self.on_version(partition, version, false, effects),
            Item::Full(version) => self.on_version(partition, version, true, effects),
            Item::Lead(tails) => self.on_lead(now_ms, partition, from, tails, ground, effects),
            Item::Put { .. } | Item::Remove { .. } | Item::After { .. } => {}
        }
    }

    /// A stream has room again: [`Effect::Progress`].
    pub fn on_progress(
        &mut self,
        now_ms: u64,
        partition: PartitionId,
        ground: &mut dyn Ground,
        effects: &mut Effects,
    ) {
        self.rests = false;
        let of_partition = (partition, NodeId(0))..=(partition, NodeId(u64::MAX));
        let peers: Vec<_> = self.tasks.range(of_partition).map(|(key, _)| *key).collect();
        for key in peers {
            self.pump(now_ms, key, ground, effects);
        }
        self.start(now_ms, ground, effects);
    }

    /// Time passes. Call it every few milliseconds.
    pub fn on_tick(&mut self, now_ms: u64, ground: &mut dyn Ground, effects: &mut Effects) {
        while let Some((_, ticket)) = self.delayed.first().copied().filter(|(at_ms, _)| *at_ms <= now_ms) {
            self.delayed.pop_first();
            self.waiting.insert(ticket);
        }
        let patience_ms = self.settings.retry_ms * 8;
        self.credit.refill(now_ms, self.settings.us_per_ms);
        self.incoming.retain(|_, asked_ms| now_ms < *asked_ms + patience_ms);
        let keys: Vec<_> = self.tasks.keys().copied().collect();
        for key in keys {
            self.pump(now_ms, key, ground, effects);
            self.ask_again(now_ms, key, effects);
        }
        self.start(now_ms, ground, effects);
        self.remind(now_ms, effects);
        self.resolve_again(now_ms, effects);
    }

    pub(super) fn at(&self, partition: PartitionId) -> At {
        At { namespace: self.namespace, partition, view: self.view }
    }

    /// This node holds this version now.
    pub(super) fn hold(&mut self, partition: PartitionId, version: Option<Version>, effects: &mut Effects) {
        match &version {
            Some(version) => self.versions.insert(partition, version.clone()),
            None => self.versions.remove(&partition),
        };
        effects.push(Effect::Hold { partition, version });
    }

    /// Checks that tasks, tickets and what is led agree.
    pub fn assert_invariants(&self) {
        assert!(self.tasks.len() <= self.tasks_max, "comparisons at a time are bounded");
        for (partition, peer) in self.tasks.keys() {
            assert!(
                self.led.contains_key(partition),
                "only the master of {partition:?} compares with {peer:?}"
            );
        }
        for (partition, led) in &self.led {
            assert_eq!(
                self.versions.get(partition),
                Some(&led.version),
                "the master's version of {partition:?}"
            );
            assert!(!led.is_settled || led.fills.is_empty() && led.gathers.is_empty(), "settled means full");
        }
    }
}
