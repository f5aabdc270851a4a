//! Changes of who listens to whom: new views, and the hand-over of a partition inside a view.

use super::effect::{Effects, WriteId};
use super::outlet::{Outlet, Queued};
use super::post::{Branch, Listener, Post, Posting};
use super::streams::{Replication, send};
use crate::fabric::{At, Item};
use crate::identity::NodeId;
use shipload_value::{Digest, PartitionId};
use std::collections::{BTreeMap, BTreeSet};

impl Replication {
    /// A new view, with what this node is in it. A master that stays one takes its unacknowledged writes along: to
    /// those that listened before, what they have not acknowledged; to new ones, all of it. Writes for partitions
    /// that this node masters no longer are in doubt.
    pub fn on_view(&mut self, now_ms: u64, view: u64, postings: Vec<Posting>, effects: &mut Effects) {
        self.early.note_over(std::mem::replace(&mut self.view, view));
        self.active.clear();
        self.unacked_bytes = 0;
        let mut before = std::mem::take(&mut self.posts);
        let mut continued = BTreeSet::new();
        for posting in postings {
            let old = before.remove(&posting.partition).filter(|old| old.leading && posting.leading);
            continued.extend(old.is_some().then_some(posting.partition));
            self.post(now_ms, posting, old, effects);
        }
        self.pending.give_up(|partition| !continued.contains(&partition), effects);
    }

    fn next_reign(&mut self) -> u64 {
        self.reigns += 1;
        self.reigns
    }

    fn post(&mut self, now_ms: u64, posting: Posting, old: Option<Post>, effects: &mut Effects) {
        let Posting { partition, leading, listeners, sources, gathering, keeps } = posting;
        let reign = old.as_ref().map_or_else(|| self.next_reign(), |old| old.reign);
        let carried = old.map(|old| old.branches).unwrap_or_default();
        let removed = gathering.then(BTreeSet::new);
        let mut post = Post { leading, reign, sources, removed, keeps, ..Post::default() };
        let everything = union(&carried);
        let at = At { namespace: self.namespace, partition, view: self.view };
        for Listener { peer, counted, greeting } in listeners {
            let mut branch = Branch { peer, counted, watched: false, outlet: Outlet::default() };
            let mine = carried.iter().find(|old| old.peer == peer);
            let writes: Vec<_> = match mine {
                Some(old) => old.outlet.queue().iter().filter_map(client_write).collect(),
                None => everything.clone(),
            };
            let writes = writes.into_iter().map(|(id, item)| (Some(id), item));
            for (id, item) in greeting.map(|item| (None, item)).into_iter().chain(writes) {
                let seq = branch.outlet.push(now_ms, item.clone(), id);
                self.unacked_bytes += item.size();
                self.active.insert(partition);
                effects.push(send(peer, at, seq, item));
            }
            post.branches.push(branch);
        }
        if !carried.is_empty() {
            self.pending.reconsider(partition, |id| awaited(&post, id), effects);
        }
        self.posts.insert(partition, post);
    }

    /// Makes writes wait for a listener from now on.
    pub(crate) fn count(&mut self, partition: PartitionId, peer: NodeId) {
        if let Some(branch) = self.posts.get_mut(&partition).and_then(|post| post.branch(peer)) {
            branch.counted = true;
        }
    }

    /// Tells of progress on a stream by effects, or stops that.
    pub(crate) fn watch(&mut self, partition: PartitionId, peer: NodeId, watched: bool) {
        if let Some(branch) = self.posts.get_mut(&partition).and_then(|post| post.branch(peer)) {
            branch.watched = watched;
        }
    }

    /// A listener has dropped its copy.
    pub(crate) fn unlisten(&mut self, partition: PartitionId, peer: NodeId, effects: &mut Effects) {
        let Some(post) = self.posts.get_mut(&partition) else { return };
        let Some(index) = post.branches.iter().position(|branch| branch.peer == peer) else { return };
        let branch = post.branches.remove(index);
        self.unacked_bytes -= branch.outlet.bytes();
        for queued in branch.outlet.queue() {
            if let Some(id) = queued.write {
                self.pending.held_by(id, peer, effects);
            }
        }
    }

    /// This node has dropped its copy: what still comes is acknowledged, since nobody needs it here, and forgotten.
    pub(crate) fn leave(&mut self, partition: PartitionId) {
        if let Some(post) = self.posts.get_mut(&partition) {
            post.has_left = true;
        }
    }

    /// The copies are gathered: deletes need not be remembered any more.
    pub(crate) fn gathered(&mut self, partition: PartitionId) {
        if let Some(post) = self.posts.get_mut(&partition) {
            post.removed = None;
            post.resolved.clear();
        }
    }

    /// Whether this node, the master, may answer for a record: not while another copy may have a newer state of it that nobody
    /// has looked for yet. See `Migration::resolve`.
    #[must_use]
    pub fn may_answer(&self, digest: &Digest) -> bool {
        let certain = |post: &Post| post.removed.is_none() || post.resolved.contains(digest);
        self.posts.get(&digest.partition()).is_some_and(|post| post.leading && certain(post))
    }

    /// Whether this node is the partition's master, and no other copy has anything that it lacks.
    #[must_use]
    pub fn is_certain(&self, partition: PartitionId) -> bool {
        self.posts.get(&partition).is_some_and(|post| post.leading && post.removed.is_none())
    }

    /// The record was asked of all copies.
    pub(crate) fn resolved(&mut self, digest: &Digest) {
        if let Some(post) = self.posts.get_mut(&digest.partition()) {
            post.note_resolved(digest);
        }
    }

    /// Whether the record was deleted while copies were gathered.
    pub(crate) fn was_removed(&self, digest: &Digest) -> bool {
        let post = self.posts.get(&digest.partition());
        post.and_then(|post| post.removed.as_ref()).is_some_and(|removed| removed.contains(digest))
    }

    /// This node masters the partition no longer: `to`, a listener, does, once it has applied what is before.
    pub(crate) fn hand_over(
        &mut self,
        now_ms: u64,
        partition: PartitionId,
        to: NodeId,
        effects: &mut Effects,
    ) -> u64 {
        let Some(post) = self.posts.get_mut(&partition) else { return 0 };
        post.leading = false;
        let others = post.branches.iter().filter(|branch| branch.peer != to);
        let tails = others.map(|branch| (branch.peer, branch.outlet.last())).collect();
        self.tell(now_ms, partition, to, Item::Lead(tails), effects)
    }

    /// This node masters the partition from now on. `tails` are where the streams of the master before end.
    pub(crate) fn take_over(
        &mut self,
        now_ms: u64,
        partition: PartitionId,
        before: NodeId,
        listeners: &[NodeId],
        tails: &[(NodeId, u64)],
        effects: &mut Effects,
    ) {
        let reign = self.next_reign();
        let Some(post) = self.posts.get_mut(&partition) else { return };
        post.leading = true;
        post.reign = reign;
        post.branches = listeners
            .iter()
            .map(|&peer| Branch { peer, counted: true, watched: false, outlet: Outlet::default() })
            .collect();
        // Also to those that have nothing to wait for: it tells them who masters the partition now.
        for &peer in listeners.iter().filter(|peer| **peer != before) {
            let seq = tails.iter().find(|(tail, _)| *tail == peer).map_or(0, |(_, seq)| *seq);
            self.tell(now_ms, partition, peer, Item::After { node: before, seq }, effects);
        }
    }
}

/// The client's write that an entry belongs to.
fn client_write(queued: &Queued) -> Option<(WriteId, Item<'static>)> {
    queued.write.map(|id| (id, queued.item.clone()))
}

/// Every client's write that some listener has not acknowledged, in the order in which they were made.
fn union(branches: &[Branch]) -> Vec<(WriteId, Item<'static>)> {
    let queues = branches.iter().flat_map(|branch| branch.outlet.queue());
    queues.filter_map(client_write).collect::<BTreeMap<_, _>>().into_iter().collect()
}

/// The listeners that count and that the write is on the way to.
fn awaited(post: &Post, id: WriteId) -> Vec<NodeId> {
    let has = |branch: &&Branch| branch.outlet.queue().iter().any(|queued| queued.write == Some(id));
    post.branches.iter().filter(|branch| branch.counted).filter(has).map(|branch| branch.peer).collect()
}
