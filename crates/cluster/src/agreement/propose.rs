//! The principal's half of the agreement: proposing, committing, spreading.
//!
//! Guarantees: at most one proposal at a time; a commit holds exactly the standings that were declared for its ballot;
//! a member that stays silent delays a view by `answer_ms` once, and is then barred for growing times.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rand::{Rng, RngExt};

use super::message::{Ballot, Message};
use super::view::{Committed, Standing, View};
use super::{Agreement, Bar, EPOCH_LEAP_MAX, Effect};
use crate::identity::{NodeId, mix};

/// A proposal that waits for answers.
#[derive(Debug)]
pub(super) struct Proposal {
    pub(super) ballot: Ballot,
    waiting: BTreeSet<NodeId>,
    accepted: BTreeMap<NodeId, Standing>,
    resend_at_ms: u64,
    deadline_ms: u64,
}

impl Proposal {
    pub(super) fn wake_at_ms(&self) -> u64 {
        self.resend_at_ms.min(self.deadline_ms)
    }

    /// The node is gone: neither awaited nor a member.
    pub(super) fn forget(&mut self, node: NodeId) {
        self.waiting.remove(&node);
        self.accepted.remove(&node);
    }
}

/// A commit that not all members have acknowledged.
#[derive(Debug)]
pub(super) struct Spreading {
    ballot: Ballot,
    pub(super) waiting: BTreeSet<NodeId>,
    resend_at_ms: u64,
    deadline_ms: u64,
}

impl Spreading {
    pub(super) fn wake_at_ms(&self) -> u64 {
        self.resend_at_ms.min(self.deadline_ms)
    }
}

impl Agreement {
    /// When a view should be proposed; none while none is wanted or another node is to propose.
    pub(super) fn proposes_at_ms(&self) -> Option<u64> {
        if self.principal() != self.me || self.proposal.is_some() {
            return None;
        }
        let Some(committed) = &self.committed else {
            let alone_until_ms = self.started_ms.saturating_add(self.settings.alone_ms);
            let not_before_ms = if self.live.len() == 1 { alone_until_ms } else { 0 };
            return Some(self.settle_until_ms.max(not_before_ms));
        };
        let candidates = self.candidates();
        let lasts = |(node, standing): (NodeId, &Standing)| {
            candidates.contains(&node)
                && self.live.get(&node).is_some_and(|incarnation| *incarnation <= standing.incarnation)
        };
        let wanted = self.forced
            || !committed.members().all(lasts)
            || candidates.iter().any(|node| !committed.view.contains(*node));
        wanted.then_some(self.settle_until_ms)
    }

    /// A higher node is live: the proposal is its business now.
    pub(super) fn yield_to_higher(&mut self) {
        if self.principal() != self.me {
            self.proposal = None;
            self.spreading = None;
        }
    }

    pub(super) fn propose(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        let ballot = Ballot {
            epoch: self.epoch_seen.max(self.ballot_seen.epoch).saturating_add(1),
            proposer: self.me,
        };
        let waiting = self.candidates();
        self.forced = false;
        self.unsettled_since_ms = None;
        self.spreading = None;
        self.proposal = Some(Proposal {
            ballot,
            waiting,
            accepted: BTreeMap::new(),
            resend_at_ms: now_ms.saturating_add(self.settings.resend_ms),
            deadline_ms: now_ms.saturating_add(self.settings.answer_ms),
        });
        self.send_proposal(effects);
        self.promise(now_ms, ballot, effects);
    }

    fn send_proposal(&self, effects: &mut Vec<Effect>) {
        let Some(proposal) = &self.proposal else { return };
        for node in proposal.waiting.iter().filter(|node| **node != self.me) {
            effects.push(Effect::Send { to: *node, message: Message::Propose { ballot: proposal.ballot } });
        }
    }

    pub(super) fn on_accept(
        &mut self,
        now_ms: u64,
        from: NodeId,
        ballot: Ballot,
        standing: Standing,
        effects: &mut Vec<Effect>,
    ) {
        self.note_accept(from, ballot, standing);
        self.drive_proposal(now_ms, effects);
    }

    pub(super) fn note_accept(&mut self, from: NodeId, ballot: Ballot, standing: Standing) {
        let Some(proposal) = &mut self.proposal else { return };
        if proposal.ballot == ballot
            && (proposal.waiting.remove(&from) || proposal.accepted.contains_key(&from))
        {
            proposal.accepted.insert(from, standing);
        }
    }

    /// Somebody promised to a higher ballot, or has a later view: the next proposal goes above it, after a while
    /// that grows and differs between proposers, so that two of them do not chase each other.
    pub(super) fn on_refuse(&mut self, now_ms: u64, ballot: Ballot, epoch: u64) {
        let proposed = self.proposal.as_ref().is_some_and(|proposal| proposal.ballot == ballot);
        let spread = self.spreading.as_ref().is_some_and(|spreading| spreading.ballot == ballot);
        if (!proposed && !spread) || epoch > self.epoch_seen.saturating_add(EPOCH_LEAP_MAX) {
            return;
        }
        self.epoch_seen = self.epoch_seen.max(epoch);
        self.proposal = None;
        self.spreading = None;
        self.forced = true;
        self.refusals = (self.refusals + 1).min(5);
        let most_ms = self.settings.settle_ms.max(1) << self.refusals;
        let wait_ms = if self.refusals <= 1 { 0 } else { self.rng.random_range(0..most_ms) };
        self.settle_until_ms = self.settle_until_ms.max(now_ms.saturating_add(wait_ms));
    }

    /// Sends again, gives up on the silent, commits when nobody is awaited any more.
    pub(super) fn drive_proposal(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        let Some(proposal) = &mut self.proposal else { return };
        if proposal.waiting.is_empty() || now_ms >= proposal.deadline_ms {
            self.conclude(now_ms, effects);
        } else if now_ms >= proposal.resend_at_ms {
            proposal.resend_at_ms = now_ms.saturating_add(self.settings.resend_ms);
            self.send_proposal(effects);
        }
    }

    fn conclude(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        let Some(mut proposal) = self.proposal.take() else { return };
        proposal.waiting.remove(&self.me);
        proposal.waiting.iter().for_each(|node| self.bar(now_ms, *node));
        let promised = self.promise.is_some_and(|promise| promise.ballot == proposal.ballot);
        if !promised || !proposal.accepted.contains_key(&self.me) {
            // This node has promised to somebody else meanwhile, or has not declared itself: not this time.
            self.forced = true;
            self.settle_until_ms = self.settle_until_ms.max(now_ms.saturating_add(self.settings.settle_ms));
            return;
        }
        self.barred.retain(|node, _| !proposal.accepted.contains_key(node));
        let (members, standings): (Vec<_>, Vec<_>) = proposal.accepted.into_iter().unzip();
        let view = View { epoch: proposal.ballot.epoch, key: self.draw_key(proposal.ballot), members };
        let committed = Arc::new(Committed { view, standings });
        // The others hear of it before this node takes its time to install it.
        let mut installing = Vec::new();
        self.install(now_ms, Arc::clone(&committed), &mut installing);
        let waiting = committed.view.members.iter().copied().filter(|node| *node != self.me).collect();
        self.spreading = Some(Spreading {
            ballot: proposal.ballot,
            waiting,
            resend_at_ms: now_ms,
            deadline_ms: now_ms.saturating_add(self.settings.acknowledge_ms),
        });
        self.drive_spreading(now_ms, effects);
        effects.append(&mut installing);
    }

    /// A key that no other view has: random, and spread over ballot and life in case two nodes draw alike.
    fn draw_key(&mut self, ballot: Ballot) -> u64 {
        let salt = mix(ballot.epoch ^ mix(ballot.proposer.0 ^ mix(self.incarnation.0)));
        mix(self.rng.next_u64() ^ salt).max(1)
    }

    fn bar(&mut self, now_ms: u64, node: NodeId) {
        let strikes = self.barred.get(&node).map_or(0, |bar| bar.strikes).min(10);
        let wait_ms = self.settings.bar_ms.saturating_mul(1 << strikes).min(self.settings.bar_max_ms);
        let until_ms = now_ms.saturating_add(wait_ms);
        self.barred.insert(node, Bar { until_ms, strikes: strikes + 1, lifted: false });
    }

    pub(super) fn on_acknowledge(&mut self, from: NodeId, epoch: u64, key: u64) {
        if (epoch, key) == (self.epoch(), self.key())
            && let Some(spreading) = &mut self.spreading
        {
            spreading.waiting.remove(&from);
            if spreading.waiting.is_empty() {
                self.spreading = None;
            }
        }
    }

    /// A member lost the commit, though it had seemed to have it.
    pub(super) fn spread_again(&mut self, now_ms: u64, node: NodeId) {
        let Some(committed) = &self.committed else { return };
        let ballot = Ballot { epoch: committed.view.epoch, proposer: self.me };
        if self.spreading.is_none() {
            self.spreading = Some(Spreading {
                ballot,
                waiting: BTreeSet::from([node]),
                resend_at_ms: now_ms,
                deadline_ms: now_ms.saturating_add(self.settings.acknowledge_ms),
            });
        }
    }

    /// Sends the commit until all have acknowledged it; who does not in time is left out of the next view.
    pub(super) fn drive_spreading(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        let (Some(spreading), Some(committed)) = (&mut self.spreading, &self.committed) else { return };
        if spreading.waiting.is_empty() {
            self.spreading = None;
        } else if now_ms >= spreading.deadline_ms {
            let silent = std::mem::take(&mut spreading.waiting);
            self.spreading = None;
            silent.into_iter().for_each(|node| self.bar(now_ms, node));
        } else if now_ms >= spreading.resend_at_ms {
            spreading.resend_at_ms = now_ms.saturating_add(self.settings.resend_ms);
            for node in &spreading.waiting {
                let message = Message::Commit { ballot: spreading.ballot, committed: Arc::clone(committed) };
                effects.push(Effect::Send { to: *node, message });
            }
        }
    }
}
