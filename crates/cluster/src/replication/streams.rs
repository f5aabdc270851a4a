//! The machine: writes in, entries out; entries in, records changed.

use super::early::Early;
use super::effect::{Effect, Effects, WriteId};
use super::pending::Pending;
use super::post::{Branch, Post};
use super::records::Records;
use crate::fabric::{At, Item, Message, NamespaceId, Payload};
use crate::identity::NodeId;
use shipload_value::{Digest, PartitionId};
use std::collections::{BTreeMap, BTreeSet};

/// Entries that are sent again at a time, for each stream.
const RESEND_COUNT: usize = 256;

/// How patient the machine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Entries are sent again after so many milliseconds without an acknowledgement.
    pub resend_ms: u64,
    /// The same, when the receiver said that it is in another view.
    pub wrong_view_ms: u64,
    /// A write that waits longer is in doubt, in milliseconds.
    pub patience_ms: u64,
    /// Above so many bytes not acknowledged the engine should refuse writes ([`Replication::is_overloaded`]).
    pub unacked_bytes_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { resend_ms: 500, wrong_view_ms: 15, patience_ms: 1000, unacked_bytes_max: 64 << 20 }
    }
}

/// Which copies a write waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Commit {
    /// All that count.
    #[default]
    All,
    /// The master's.
    Master,
}

/// What a write did to a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<'a> {
    /// It is this now.
    Put(Payload<'a>),
    /// It is gone, since then (ms since 2010-01-01).
    Remove(u64),
}

/// The state of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flow {
    /// The last sequence sent.
    pub last: u64,
    /// The last sequence acknowledged.
    pub acked: u64,
    /// Bytes sent and not acknowledged.
    pub bytes: usize,
}

/// What happened so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Writes sent to other holders, each holder counted.
    pub writes_sent: u64,
    /// Writes of other masters applied.
    pub writes_applied: u64,
    /// Records (and removals) that migration shipped.
    pub migrated_sent: u64,
    /// Records (and removals) that migrations of others brought.
    pub migrated_received: u64,
    /// Entries sent again.
    pub resent: u64,
    /// Entries refused because of their view.
    pub wrong_view: u64,
    /// Entries that could not be applied, each try counted.
    pub unwritable: u64,
}

/// The streams of some partitions of one namespace.
#[derive(Debug)]
pub struct Replication {
    pub(super) me: NodeId,
    pub(super) namespace: NamespaceId,
    pub(super) settings: Settings,
    pub(super) view: u64,
    /// How many reigns have begun.
    pub(super) reigns: u64,
    pub(super) early: Early,
    pub(super) posts: BTreeMap<PartitionId, Post>,
    /// Partitions with entries that are not acknowledged.
    pub(super) active: BTreeSet<PartitionId>,
    pub(super) pending: Pending,
    pub(super) unacked_bytes: usize,
    pub(super) owing: Vec<(PartitionId, NodeId)>,
    pub(super) counters: Counters,
}

impl Replication {
    /// A machine that is in no view.
    #[must_use]
    pub fn new(me: NodeId, namespace: NamespaceId, settings: Settings) -> Replication {
        Replication {
            me,
            namespace,
            settings,
            view: 0,
            reigns: 0,
            early: Early::default(),
            posts: BTreeMap::new(),
            active: BTreeSet::new(),
            pending: Pending::default(),
            unacked_bytes: 0,
            owing: Vec::new(),
            counters: Counters::default(),
        }
    }

    /// The same machine, whose writes have ids behind `first`: so machines of several stripes never name two writes alike.
    #[must_use]
    pub fn with_ids_after(mut self, first: WriteId) -> Replication {
        self.pending.start_after(first);
        self
    }

    /// The view that the streams belong to; 0 before the first.
    #[must_use]
    pub fn view(&self) -> u64 {
        self.view
    }

    /// Whether a master of the partition has anybody, or anything, to tell of a write.
    #[must_use]
    pub fn is_heard(&self, partition: PartitionId) -> bool {
        self.posts.get(&partition).is_some_and(|post| !post.branches.is_empty() || post.removed.is_some())
    }

    /// Nothing is on its way and nobody waits: [`Replication::on_tick`] need not be called.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.unacked_bytes == 0 && self.pending.len() == 0 && self.owing.is_empty() && self.active.is_empty()
    }

    /// Whether this node is the partition's master now.
    #[must_use]
    pub fn is_leading(&self, partition: PartitionId) -> bool {
        self.posts.get(&partition).is_some_and(|post| post.leading)
    }

    /// A number that is another one whenever this node has become the partition's master anew; none while it is not. It stays
    /// when the master stays one from a view to the next that it takes part in.
    #[must_use]
    pub fn reign(&self, partition: PartitionId) -> Option<u64> {
        self.posts.get(&partition).filter(|post| post.leading).map(|post| post.reign)
    }

    /// What happened so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Writes whose clients wait.
    #[must_use]
    pub fn pending_writes(&self) -> usize {
        self.pending.len()
    }

    /// Bytes sent and not acknowledged, on all streams.
    #[must_use]
    pub fn unacked_bytes(&self) -> usize {
        self.unacked_bytes
    }

    /// A holder is so slow that new writes should be refused.
    #[must_use]
    pub fn is_overloaded(&self) -> bool {
        self.unacked_bytes > self.settings.unacked_bytes_max
    }

    /// The master has changed a record: tells the other holders. Call it before the lock that the change was made
    /// under is released. The write is done when the answer says so, otherwise when an effect does.
    pub fn on_write(
        &mut self,
        now_ms: u64,
        digest: &Digest,
        change: Change<'_>,
        commit: Commit,
        effects: &mut Effects,
    ) -> (WriteId, bool) {
        let id = self.pending.next_id();
        let partition = digest.partition();
        let Some(post) = self.posts.get_mut(&partition) else { return (id, true) };
        if matches!(change, Change::Remove(_)) {
            post.note_removed(digest);
        }
        if post.branches.is_empty() {
            return (id, true);
        }
        let item = match change {
            Change::Put(image) => Item::Put { digest: *digest, migrated: false, image: image.into_owned() },
            Change::Remove(last_update_ms) => {
                Item::Remove { digest: *digest, migrated: false, last_update_ms }
            }
        };
        let at = At { namespace: self.namespace, partition, view: self.view };
        for branch in &mut post.branches {
            let seq = branch.outlet.push(now_ms, item.clone(), Some(id));
            self.unacked_bytes += item.size();
            self.counters.writes_sent += 1;
            effects.push(send(branch.peer, at, seq, item.clone()));
        }
        self.active.insert(partition);
        let counted = || post.branches.iter().filter(|branch| branch.counted).map(|branch| branch.peer);
        let peers: Vec<NodeId> = if commit == Commit::All { counted().collect() } else { Vec::new() };
        let done = peers.is_empty();
        if !done {
            self.pending.wait(id, partition, peers, now_ms + self.settings.patience_ms);
        }
        (id, done)
    }

    /// A message about streams arrived. Messages of other kinds do nothing.
    pub fn on_message(
        &mut self,
        now_ms: u64,
        from: NodeId,
        message: Message<'_>,
        records: &mut dyn Records,
        effects: &mut Effects,
    ) {
        let Some(at) = message.at().filter(|at| at.namespace == self.namespace) else { return };
        if at.view != self.view {
            return self.keep_or_refuse(from, at, message, effects);
        }
        match message {
            Message::Replica { at, seq, item } => self.on_entry(at, from, seq, item, records, effects),
            Message::Ack { at, seq } => self.on_ack(now_ms, at.partition, from, seq, effects),
            Message::WrongView { at, .. } => self.on_wrong_view(now_ms, at.partition, from),
            Message::Hello(_)
            | Message::Agreement(_)
            | Message::Metadata(_)
            | Message::Proxy { .. }
            | Message::ProxyReply { .. }
            | Message::Ask { .. }
            | Message::Busy { .. }
            | Message::Summary { .. }
            | Message::List { .. }
            | Message::Listing { .. }
            | Message::Pull { .. }
            | Message::Pulled { .. }
            | Message::Release { .. }
            | Message::Stray { .. }
            | Message::Released { .. } => {}
        }
    }

    /// Time passes: sends again what is overdue, gives up what waits too long. Call it every few milliseconds.
    pub fn on_tick(&mut self, now_ms: u64, effects: &mut Effects) {
        self.pending.expire(now_ms, effects);
        let patience_ms = self.settings.resend_ms;
        self.resend(effects, |branch| branch.outlet.overdue(now_ms, patience_ms, RESEND_COUNT));
    }

    /// A link to this peer is up again: whatever was on the way may be lost.
    pub fn on_link(&mut self, now_ms: u64, peer: NodeId, effects: &mut Effects) {
        self.resend(effects, |branch| {
            if branch.peer == peer { branch.outlet.overdue(now_ms, 0, usize::MAX) } else { Vec::new() }
        });
    }

    /// Ships a record as it is now, for a migration; what it weighs.
    pub(crate) fn ship(
        &mut self,
        now_ms: u64,
        peer: NodeId,
        digest: &Digest,
        records: &dyn Records,
        effects: &mut Effects,
    ) -> usize {
        let mut image = Vec::new();
        let item = match records.read(digest, &mut image) {
            Some(_) => Item::Put { digest: *digest, migrated: true, image: image.into() },
            None => Item::Remove { digest: *digest, migrated: true, last_update_ms: 0 },
        };
        let size = item.size();
        self.counters.migrated_sent += 1;
        self.tell(now_ms, digest.partition(), peer, item, effects);
        size
    }

    /// Appends an entry to one stream; its sequence.
    pub(crate) fn tell(
        &mut self,
        now_ms: u64,
        partition: PartitionId,
        peer: NodeId,
        item: Item<'static>,
        effects: &mut Effects,
    ) -> u64 {
        let at = At { namespace: self.namespace, partition, view: self.view };
        let Some(branch) = self.posts.get_mut(&partition).and_then(|post| post.branch(peer)) else {
            return 0;
        };
        let seq = branch.outlet.push(now_ms, item.clone(), None);
        self.unacked_bytes += item.size();
        self.active.insert(partition);
        effects.push(send(peer, at, seq, item));
        seq
    }

    /// The state of the stream to a peer.
    #[must_use]
    pub fn flow(&self, partition: PartitionId, peer: NodeId) -> Flow {
        let branch =
            self.posts.get(&partition).and_then(|post| post.branches.iter().find(|b| b.peer == peer));
        branch.map_or(Flow::default(), |Branch { outlet, .. }| Flow {
            last: outlet.last(),
            acked: outlet.acked_seq(),
            bytes: outlet.bytes(),
        })
    }

    fn on_ack(&mut self, now_ms: u64, partition: PartitionId, from: NodeId, seq: u64, effects: &mut Effects) {
        let Some(branch) = self.posts.get_mut(&partition).and_then(|post| post.branch(from)) else { return };
        let mut moved = false;
        branch.outlet.acked(now_ms, seq, |queued| {
            moved = true;
            self.unacked_bytes -= queued.item.size();
            if let Some(id) = queued.write {
                self.pending.held_by(id, from, effects);
            }
        });
        if moved && branch.watched {
            effects.push(Effect::Progress(partition));
        }
    }

    fn on_wrong_view(&mut self, now_ms: u64, partition: PartitionId, from: NodeId) {
        let Settings { resend_ms, wrong_view_ms, .. } = self.settings;
        if let Some(branch) = self.posts.get_mut(&partition).and_then(|post| post.branch(from)) {
            branch.outlet.hurry(now_ms, resend_ms, wrong_view_ms);
        }
    }

    fn resend(
        &mut self,
        effects: &mut Effects,
        mut overdue: impl FnMut(&mut Branch) -> Vec<(u64, Item<'static>)>,
    ) {
        let (posts, counters) = (&mut self.posts, &mut self.counters);
        let (namespace, view) = (self.namespace, self.view);
        self.active.retain(|&partition| {
            let Some(post) = posts.get_mut(&partition) else { return false };
            for branch in &mut post.branches {
                for (seq, item) in overdue(branch) {
                    counters.resent += 1;
                    effects.push(send(branch.peer, At { namespace, partition, view }, seq, item));
                }
            }
            post.branches.iter().any(|branch| !branch.outlet.queue().is_empty())
        });
    }

    /// Checks that counts and queues agree.
    pub fn assert_invariants(&self) {
        let outlets = || self.posts.values().flat_map(|post| &post.branches).map(|branch| &branch.outlet);
        outlets().for_each(|outlet| outlet.assert_invariants());
        assert_eq!(
            self.unacked_bytes,
            outlets().map(|outlet| outlet.bytes()).sum::<usize>(),
            "bytes not acknowledged"
        );
        self.posts.values().flat_map(|post| &post.inlets).for_each(|inlet| inlet.assert_invariants());
        let peers = self.posts.values().flat_map(|post| &post.branches).map(|branch| branch.peer);
        assert!(peers.into_iter().all(|peer| peer != self.me), "nobody sends to itself");
        let queued: BTreeSet<_> =
            self.posts.values().flat_map(|post| &post.branches).flat_map(queued).collect();
        for (id, _, peers) in self.pending.waits() {
            let on_the_way = |peer: &NodeId| queued.contains(&(id, *peer));
            assert!(peers.iter().all(on_the_way), "a write waits only for holders that it is on the way to");
        }
    }
}

/// Which writes are on the way to whom.
fn queued(branch: &Branch) -> impl Iterator<Item = (WriteId, NodeId)> {
    branch.outlet.queue().iter().filter_map(|queued| queued.write.map(|id| (id, branch.peer)))
}

pub(super) fn send(to: NodeId, at: At, seq: u64, item: Item<'static>) -> Effect {
    Effect::Send { to, message: Message::Replica { at, seq, item } }
}
