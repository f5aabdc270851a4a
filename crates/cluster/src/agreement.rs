//! Which members make up the cluster, numbered and agreed.
//!
//! Guarantees: a view is installed once, by its own members only; epochs grow on every node; while messages get through,
//! all connected live nodes come to the same view, the one that the highest of them proposed. Nothing is stopped
//! for it: until the next view is installed, the last one holds. Two sides of a split each have their view, told
//! apart by their random keys.
//!
//! The idea: membership says who seems alive. The highest live id waits until that has settled, asks everybody to
//! accept a ballot, collects where each stands, and commits the members that answered:
//!
//! ```text
//!  highest id ── Propose(ballot) ──▶ member: promises, declares its standing (from now on it drops no copy)
//!             ◀── Accept(ballot, standing) ──
//!             ── Commit(view, standings) ──▶ member: installs
//!             ◀── Acknowledge ──
//! ```
//!
//! A member that stays silent is left out and asked again later. All messages may be lost, doubled or late; what
//! does not fit the ballot at hand is refused. Refuses to know who owns what: that is [`crate::map`].

mod accept;
mod message;
mod propose;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rand::SeedableRng;
use rand::rngs::SmallRng;

pub use self::message::{Ballot, Message};
use self::propose::{Proposal, Spreading};
pub use self::view::{Committed, Standing, View};
use crate::identity::{Incarnation, NodeId};

/// How patient the agreement is, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Without a membership change for so long, a view is proposed.
    pub settle_ms: u64,
    /// A proposal is sent again to those that did not answer.
    pub resend_ms: u64,
    /// Members that did not answer by then are left out.
    pub answer_ms: u64,
    /// A member that did not acknowledge its view by then is left out of the next one.
    pub acknowledge_ms: u64,
    /// A promise without a commit is void after that.
    pub promise_ms: u64,
    /// Members tell the principal where they are, so often in small clusters.
    pub status_ms: u64,
    /// A node that never had a view founds one alone only after that. Zero where there is nobody to wait for,
    /// a second or two where there are seeds, more where peers are remembered.
    pub alone_ms: u64,
    /// A silent member is asked again after that; twice as long each further time.
    pub bar_ms: u64,
    /// The longest that a silent member is not asked.
    pub bar_max_ms: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            settle_ms: 50,
            resend_ms: 100,
            // Gossip finds the dead within half a second, and they are waited for no longer; who is alive and only slow,
            // because it shares a busy machine, must not be left out.
            answer_ms: 1000,
            acknowledge_ms: 2500,
            promise_ms: 3500,
            status_ms: 1000,
            alone_ms: 0,
            bar_ms: 1000,
            bar_max_ms: 15_000,
        }
    }
}

/// What the agreement wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Send a message; it may get lost.
    Send {
        /// The receiver.
        to: NodeId,
        /// The message.
        message: Message,
    },
    /// Call [`Agreement::declared`] with this node's standing. From that moment until the next `Install` or `Thaw` no
    /// copy may be dropped, because others will rely on its being here.
    Declare {
        /// What the standing answers.
        ballot: Ballot,
    },
    /// The ballot that a standing was declared for came to nothing: copies may be dropped again.
    Thaw,
    /// This view holds from now on.
    Install {
        /// The view and its members' standings.
        committed: Arc<Committed>,
    },
}

/// A node that was silent when it was asked. It is asked again once it has spoken after `until_ms`.
#[derive(Debug, Clone, Copy)]
struct Bar {
    until_ms: u64,
    strikes: u32,
    lifted: bool,
}

/// A promise to a proposer.
#[derive(Debug, Clone, Copy)]
struct Promise {
    ballot: Ballot,
    declared: bool,
    until_ms: u64,
}

/// The agreement machine of one node.
#[derive(Debug)]
pub struct Agreement {
    me: NodeId,
    incarnation: Incarnation,
    settings: Settings,
    rng: SmallRng,
    started_ms: u64,
    live: BTreeMap<NodeId, Incarnation>,
    barred: BTreeMap<NodeId, Bar>,
    committed: Option<Arc<Committed>>,
    /// The highest epoch that was heard of: the next ballot goes above it.
    epoch_seen: u64,
    /// The highest ballot that was promised, kept after the promise is void.
    ballot_seen: Ballot,
    promise: Option<Promise>,
    proposal: Option<Proposal>,
    spreading: Option<Spreading>,
    /// A view is wanted although the members are those of the last one.
    forced: bool,
    /// Proposals are not started before that.
    settle_until_ms: u64,
    /// When the first of the changes came that are settling now.
    unsettled_since_ms: Option<u64>,
    /// Refused proposals in a row, for the backoff.
    refusals: u32,
    status_at_ms: u64,
}

impl Agreement {
    /// The machine of a node that starts now. `seed` decides keys and jitter.
    #[must_use]
    pub fn new(
        me: NodeId,
        incarnation: Incarnation,
        settings: Settings,
        seed: u64,
        now_ms: u64,
    ) -> Agreement {
        Agreement {
            me,
            incarnation,
            settings,
            rng: SmallRng::seed_from_u64(seed),
            started_ms: now_ms,
            live: BTreeMap::from([(me, incarnation)]),
            barred: BTreeMap::new(),
            committed: None,
            epoch_seen: 0,
            ballot_seen: Ballot { epoch: 0, proposer: NodeId(0) },
            promise: None,
            proposal: None,
            spreading: None,
            forced: false,
            settle_until_ms: now_ms + settings.settle_ms,
            unsettled_since_ms: Some(now_ms),
            refusals: 0,
            status_at_ms: now_ms + settings.status_ms,
        }
    }

    /// The view that holds, with its members' standings.
    #[must_use]
    pub fn committed(&self) -> Option<&Arc<Committed>> {
        self.committed.as_ref()
    }

    /// The highest live node: it proposes.
    #[must_use]
    pub fn principal(&self) -> NodeId {
        self.live.last_key_value().map_or(self.me, |(node, _)| *node)
    }

    /// Whether the view that holds has exactly the live nodes, and no other view is being made.
    #[must_use]
    pub fn integrity(&self) -> bool {
        let Some(committed) = &self.committed else { return false };
        self.promise.is_none()
            && self.proposal.is_none()
            && committed.view.members.iter().eq(self.live.keys())
    }

    /// Whether a standing was declared and the view that it is for is still awaited: drop no copy meanwhile.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.promise.is_some()
    }

    /// Membership: a node is live, or lives again, or its incarnation changed.
    pub fn member_up(
        &mut self,
        now_ms: u64,
        node: NodeId,
        incarnation: Incarnation,
        effects: &mut Vec<Effect>,
    ) {
        if node == self.me {
            return;
        }
        let before = self.live.get(&node).copied();
        if before.is_none_or(|before| before < incarnation) {
            self.live.insert(node, incarnation);
            self.barred.remove(&node);
            self.unsettle(now_ms);
            self.yield_to_higher();
        }
        self.on_tick(now_ms, effects);
    }

    /// Membership: a node is gone.
    pub fn member_down(&mut self, now_ms: u64, node: NodeId, effects: &mut Vec<Effect>) {
        if node == self.me || self.live.remove(&node).is_none() {
            return;
        }
        self.barred.remove(&node);
        self.unsettle(now_ms);
        if let Some(proposal) = &mut self.proposal {
            proposal.forget(node);
        }
        if let Some(spreading) = &mut self.spreading {
            spreading.waiting.remove(&node);
        }
        self.on_tick(now_ms, effects);
    }

    /// Wants a new view though the members are the same, because a rack, a replication factor or a node's wish to
    /// be quiet changed. Only the principal can; others answer false.
    pub fn recluster(&mut self, now_ms: u64, effects: &mut Vec<Effect>) -> bool {
        if self.principal() != self.me {
            return false;
        }
        self.forced = true;
        self.on_tick(now_ms, effects);
        true
    }

    /// A message came in. `from` is who the connection belongs to.
    pub fn on_message(&mut self, now_ms: u64, from: NodeId, message: Message, effects: &mut Vec<Effect>) {
        // A node that membership does not know (yet, or any more) gets no answer: it will ask again.
        if from == self.me || !self.live.contains_key(&from) {
            return;
        }
        match message {
            Message::Propose { ballot } => self.on_propose(now_ms, from, ballot, effects),
            Message::Accept { ballot, standing } => self.on_accept(now_ms, from, ballot, standing, effects),
            Message::Refuse { ballot, epoch } => self.on_refuse(now_ms, ballot, epoch),
            Message::Commit { ballot, committed } => self.on_commit(now_ms, from, ballot, committed, effects),
            Message::Acknowledge { epoch, key } => self.on_acknowledge(from, epoch, key),
            Message::Status { epoch, key, epoch_seen } => {
                self.on_status(now_ms, from, (epoch, key), epoch_seen, effects);
            }
        }
        self.on_tick(now_ms, effects);
    }

    /// Time has passed. May be called at any moment, must be called at [`Agreement::wake_at_ms`].
    pub fn on_tick(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        self.expire_promise(now_ms, effects);
        self.drive_proposal(now_ms, effects);
        self.drive_spreading(now_ms, effects);
        if self.proposes_at_ms().is_some_and(|at_ms| now_ms >= at_ms) {
            self.propose(now_ms, effects);
        }
        if now_ms >= self.status_at_ms {
            self.tell_status(now_ms, effects);
        }
    }

    /// When [`Agreement::on_tick`] must be called next.
    #[must_use]
    pub fn wake_at_ms(&self) -> u64 {
        let mut wake = self.status_at_ms;
        if let Some(promise) = &self.promise {
            wake = wake.min(promise.until_ms);
        }
        if let Some(proposal) = &self.proposal {
            wake = wake.min(proposal.wake_at_ms());
        }
        if let Some(spreading) = &self.spreading {
            wake = wake.min(spreading.wake_at_ms());
        }
        wake.min(self.proposes_at_ms().unwrap_or(wake))
    }

    /// Panics when the machine has become impossible: for simulators and tests.
    pub fn assert_invariants(&self) {
        if let Some(committed) = &self.committed {
            let members = &committed.view.members;
            assert!(committed.view.contains(self.me), "a node is a member of its own view");
            assert!(members.is_sorted_by(|one, next| one < next), "members are sorted and unique");
            assert_eq!(members.len(), committed.standings.len(), "each member has a standing");
            assert!(
                committed.view.key != 0 && committed.view.epoch <= self.epoch_seen,
                "epochs are remembered"
            );
        }
        if let Some(promise) = &self.promise {
            assert!(promise.ballot.epoch > self.epoch(), "a promise is for a view to come");
            assert!(promise.ballot <= self.ballot_seen, "a promise is never below what was promised before");
        }
        if let Some(proposal) = &self.proposal {
            assert_eq!(proposal.ballot.proposer, self.me, "a proposal is one's own");
            assert_eq!(self.principal(), self.me, "only the highest live node proposes");
        }
        assert!(self.live.contains_key(&self.me), "a node is live to itself");
        assert!(!self.barred.contains_key(&self.me), "a node does not bar itself");
    }

    fn epoch(&self) -> u64 {
        self.committed.as_ref().map_or(0, |committed| committed.view.epoch)
    }

    fn key(&self) -> u64 {
        self.committed.as_ref().map_or(0, |committed| committed.view.key)
    }

    /// Puts proposals off until membership is quiet, but not for ever: a node that comes and goes must not keep
    /// the others from agreeing.
    fn unsettle(&mut self, now_ms: u64) {
        let since = *self.unsettled_since_ms.get_or_insert(now_ms);
        let latest = since.saturating_add(self.settings.settle_ms.saturating_mul(4));
        self.settle_until_ms = now_ms.saturating_add(self.settings.settle_ms).min(latest.max(now_ms));
    }

    /// Whom a view would ask: the live nodes without the silent ones.
    fn candidates(&self) -> BTreeSet<NodeId> {
        let asked = |node: &NodeId| self.barred.get(node).is_none_or(|bar| bar.lifted);
        self.live.keys().copied().filter(asked).collect()
    }
}

/// Epochs that are further ahead than this of all that was seen are taken for damage, not for progress.
const EPOCH_LEAP_MAX: u64 = 1 << 40;
