//! The member's half of the agreement: promising, declaring, installing, reporting.
//!
//! Guarantees: a promise is only given to a ballot above all earlier ones; a view is only installed for the ballot
//! that is promised and declared, so the standings in it are those of this life and still true.

use std::sync::Arc;

use super::message::{Ballot, Message};
use super::view::{Committed, Standing};
use super::{Agreement, EPOCH_LEAP_MAX, Effect, Promise};
use crate::identity::NodeId;

/// In clusters larger than this, members report less often, so that the principal hears no more than this many
/// reports per period.
const REPORTS_PER_PERIOD: u64 = 16;

impl Agreement {
    /// Answers [`Effect::Declare`]: where this node stands.
    pub fn declared(&mut self, now_ms: u64, ballot: Ballot, standing: Standing, effects: &mut Vec<Effect>) {
        let Some(promise) = &mut self.promise else { return };
        if promise.ballot != ballot {
            return;
        }
        promise.declared = true;
        let standing = Standing { incarnation: self.incarnation, ..standing };
        if ballot.proposer == self.me {
            self.note_accept(self.me, ballot, standing);
            self.drive_proposal(now_ms, effects);
        } else {
            effects.push(Effect::Send { to: ballot.proposer, message: Message::Accept { ballot, standing } });
        }
    }

    /// Promises, when the ballot is above all that was promised before; asks for the standing (again, when the
    /// answer may have got lost: by now it may be another one, and the newest is the true one).
    pub(super) fn on_propose(
        &mut self,
        now_ms: u64,
        from: NodeId,
        ballot: Ballot,
        effects: &mut Vec<Effect>,
    ) {
        let honest =
            ballot.proposer == from && ballot.epoch <= self.epoch_seen.saturating_add(EPOCH_LEAP_MAX);
        if ballot == self.ballot_seen && ballot.epoch <= self.epoch() {
            // A late copy of what is done.
            return;
        }
        if !honest || ballot < self.ballot_seen || ballot.epoch <= self.epoch() {
            let epoch = self.epoch().max(self.ballot_seen.epoch);
            effects.push(Effect::Send { to: from, message: Message::Refuse { ballot, epoch } });
            return;
        }
        self.promise(now_ms, ballot, effects);
    }

    pub(super) fn promise(&mut self, now_ms: u64, ballot: Ballot, effects: &mut Vec<Effect>) {
        let until_ms = now_ms.saturating_add(self.settings.promise_ms);
        self.ballot_seen = self.ballot_seen.max(ballot);
        self.epoch_seen = self.epoch_seen.max(ballot.epoch);
        self.promise = Some(Promise { ballot, declared: false, until_ms });
        effects.push(Effect::Declare { ballot });
    }

    pub(super) fn on_commit(
        &mut self,
        now_ms: u64,
        from: NodeId,
        ballot: Ballot,
        committed: Arc<Committed>,
        effects: &mut Vec<Effect>,
    ) {
        let (epoch, key) = (committed.view.epoch, committed.view.key);
        if (epoch, key) == (self.epoch(), self.key()) {
            effects.push(Effect::Send { to: from, message: Message::Acknowledge { epoch, key } });
            return;
        }
        let promised = self.promise.is_some_and(|promise| promise.ballot == ballot && promise.declared);
        let mine =
            committed.standing(self.me).is_some_and(|standing| standing.incarnation == self.incarnation);
        if !promised || !mine || epoch != ballot.epoch || ballot.proposer != from {
            let epoch = self.epoch().max(self.ballot_seen.epoch);
            effects.push(Effect::Send { to: from, message: Message::Refuse { ballot, epoch } });
            return;
        }
        effects.push(Effect::Send { to: from, message: Message::Acknowledge { epoch, key } });
        self.install(now_ms, committed, effects);
    }

    pub(super) fn install(&mut self, now_ms: u64, committed: Arc<Committed>, effects: &mut Vec<Effect>) {
        self.epoch_seen = self.epoch_seen.max(committed.view.epoch);
        self.committed = Some(Arc::clone(&committed));
        self.promise = None;
        self.unsettled_since_ms = None;
        self.spreading = None;
        self.refusals = 0;
        self.status_at_ms = now_ms.saturating_add(self.status_period_ms());
        effects.push(Effect::Install { committed });
    }

    pub(super) fn expire_promise(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        if self.promise.is_some_and(|promise| now_ms >= promise.until_ms) {
            self.promise = None;
            effects.push(Effect::Thaw);
        }
    }

    fn status_period_ms(&self) -> u64 {
        let periods = (self.live.len() as u64).div_ceil(REPORTS_PER_PERIOD).max(1);
        self.settings.status_ms.saturating_mul(periods)
    }

    /// Members report to the principal; the principal reports to the nodes that it left out, so that they answer.
    pub(super) fn tell_status(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        let principal = self.principal();
        if principal != self.me {
            self.send_status(principal, effects);
        } else {
            let outside = |node: &&NodeId| {
                **node != self.me && self.committed.as_ref().is_none_or(|held| !held.view.contains(**node))
            };
            let left_out: Vec<NodeId> = self.live.keys().filter(outside).copied().collect();
            left_out.into_iter().for_each(|node| self.send_status(node, effects));
        }
        self.status_at_ms = now_ms.saturating_add(self.status_period_ms());
    }

    fn send_status(&self, to: NodeId, effects: &mut Vec<Effect>) {
        let message = Message::Status { epoch: self.epoch(), key: self.key(), epoch_seen: self.epoch_seen };
        effects.push(Effect::Send { to, message });
    }

    /// Somebody says which view holds there. The principal brings it up to date or makes a view above it; others
    /// that are behind report to the principal, who then knows.
    pub(super) fn on_status(
        &mut self,
        now_ms: u64,
        from: NodeId,
        held: (u64, u64),
        epoch_seen: u64,
        effects: &mut Vec<Effect>,
    ) {
        if epoch_seen > self.epoch_seen.saturating_add(EPOCH_LEAP_MAX) || held.0 > epoch_seen {
            return;
        }
        self.epoch_seen = self.epoch_seen.max(epoch_seen);
        let mine = (self.epoch(), self.key());
        if self.principal() != self.me {
            if from == self.principal() && held != mine {
                self.send_status(from, effects);
            }
            return;
        }
        if !self.committed.as_ref().is_some_and(|committed| committed.view.contains(from)) {
            self.lift_bar(now_ms, from);
        } else if held == mine {
            self.on_acknowledge(from, held.0, held.1);
        } else if held.0 >= mine.0 {
            self.forced = true;
        } else {
            self.spread_again(now_ms, from);
        }
    }

    /// It answers, so it is worth asking again: at once after the first silence, later not before its time.
    fn lift_bar(&mut self, now_ms: u64, node: NodeId) {
        if let Some(bar) = self.barred.get_mut(&node)
            && (bar.strikes <= 1 || now_ms >= bar.until_ms)
        {
            bar.lifted = true;
        }
    }
}
