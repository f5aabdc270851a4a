//! What membership does with what it hears: names from gossip, candidates that answer, attributes that are told.
//!
//! Guarantees: `Up` comes once per stay of a member and only with attributes of its present life; `Down` only after
//! `Up`. A question is repeated until it is answered or the member is gone.

use std::net::SocketAddr;

use foca::{Member, OwnedNotification, State};

use super::datagram::{Body, Refusal};
use super::peer::Peer;
use super::{Effect, Membership, NOTICE_EVERY_MS};
use crate::identity::{Attributes, Incarnation, NodeId};

/// What is known of a member.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) peer: Peer,
    /// What it told of itself; the others hear of the member only then.
    pub(super) told: Option<Told>,
}

/// What a member told of itself.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) incarnation: Incarnation,
    pub(super) revision: u32,
    pub(super) attributes: Attributes,
}

/// Former members that are remembered.
const ALUMNI_MAX: usize = 1024;

impl Membership {
    /// Takes in one datagram.
    pub(super) fn hear(
        &mut self,
        now_ms: u64,
        from: SocketAddr,
        bytes: &[u8],
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        match Body::open(bytes, self.cluster)? {
            Body::Gossip(bytes) => self.gossip(now_ms, bytes),
            Body::Seek(peer) => {
                self.check_own(now_ms, from, peer, effects)?;
                self.send(from, &Body::Found(self.gossip.me()), effects);
                Ok(())
            }
            Body::Found(peer) => {
                self.check_own(now_ms, from, peer, effects)?;
                self.gossip.announce(now_ms, peer);
                Ok(())
            }
            Body::Ask(_) => {
                self.tell(from, effects);
                Ok(())
            }
            Body::Tell { node, incarnation, revision, attributes } => {
                self.on_told(from, (node, incarnation, revision), *attributes, effects);
                Ok(())
            }
            Body::Heard { node, incarnation, revision } => {
                if (incarnation, revision) == (self.gossip.me().incarnation, self.revision) {
                    self.untold.remove(&node);
                }
                Ok(())
            }
        }
    }

    /// Takes in gossip; what somebody says of a death is measured by what was heard from the member itself.
    fn gossip(&mut self, now_ms: u64, bytes: &[u8]) -> Result<(), Refusal> {
        let tempered = self.hearsay.temper(now_ms, self.settings.suspect_ms, bytes);
        let taken = self.gossip.on_bytes(now_ms, &tempered.bytes);
        if taken.is_ok()
            && let Some(from) = tempered.from
        {
            self.hearsay.heard(now_ms, from);
        }
        for peer in tempered.doubted {
            self.watch(now_ms, peer);
        }
        taken.map_err(|error| match error {
            foca::Error::DataFromOurselves | foca::Error::IndirectForOurselves => Refusal::Own,
            foca::Error::DataTooBig
            | foca::Error::NotUndead
            | foca::Error::SameIdentity
            | foca::Error::NotConnected
            | foca::Error::IncompleteProbeCycle
            | foca::Error::MalformedPacket
            | foca::Error::Encode(_)
            | foca::Error::Decode(_)
            | foca::Error::CustomBroadcast(_)
            | foca::Error::InvalidConfig => Refusal::Malformed,
        })
    }

    /// A suspect that was not found out by probing has as much time to object as any other.
    fn watch(&mut self, now_ms: u64, peer: Peer) {
        let suspect = |member: &&Member<Peer>| *member.id() == peer && member.state() == State::Suspect;
        let Some(member) = self.gossip.member(peer.node).filter(suspect) else { return };
        let incarnation = member.incarnation();
        if self.doubts.iter().all(|doubt| (doubt.peer, doubt.incarnation) != (peer, incarnation)) {
            let until_ms = now_ms.saturating_add(self.settings.suspect_ms);
            self.doubts.push(super::Doubt { peer, incarnation, until_ms });
        }
    }

    /// A candidate may be this node itself, under one of its addresses; or another process with its id.
    fn check_own(
        &mut self,
        now_ms: u64,
        from: SocketAddr,
        peer: Peer,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let me = self.gossip.me();
        if peer.node != me.node {
            return Ok(());
        }
        if (peer.incarnation, peer.heartbeat) == (me.incarnation, me.heartbeat) {
            self.seeds.is_own(from);
        } else if peer.incarnation > me.incarnation && self.may_notice(now_ms, None) {
            effects.push(Effect::SameId { from });
        }
        Err(Refusal::Own)
    }

    fn on_told(
        &mut self,
        from: SocketAddr,
        (node, incarnation, revision): (NodeId, Incarnation, u32),
        attributes: Attributes,
        effects: &mut Vec<Effect>,
    ) {
        let me = self.gossip.me().node;
        let Some(known) = self.known.get_mut(&node) else { return };
        // An earlier life's answer may come late; a later life is not known to gossip yet, and asked for then.
        if known.peer.incarnation != incarnation {
            return;
        }
        let before = known.told.as_ref().map(|told| (told.incarnation, told.revision));
        if before.is_none_or(|before| before < (incarnation, revision)) {
            let told = Box::new(attributes.clone());
            known.told = Some(Told { incarnation, revision, attributes });
            effects.push(match before {
                None => Effect::Up { node, incarnation, attributes: told },
                Some(_) => Effect::Changed { node, incarnation, attributes: told },
            });
        }
        self.asked.remove(&node);
        self.send(from, &Body::Heard { node: me, incarnation, revision }, effects);
    }

    /// Hands out what foca wanted sent, and takes in its news, until nothing is left of either.
    pub(super) fn drain(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        for (to, bytes) in std::mem::take(&mut self.gossip.wishes.datagrams) {
            self.send(to.heartbeat, &Body::Gossip(&bytes), effects);
        }
        for news in std::mem::take(&mut self.gossip.wishes.news) {
            match news {
                OwnedNotification::MemberUp(peer) => self.joined(now_ms, peer, effects),
                OwnedNotification::Rename(_, peer) => self.renamed(now_ms, peer, effects),
                OwnedNotification::MemberDown(peer) => self.gone(now_ms, peer.node, effects),
                OwnedNotification::Rejoin(_) => {
                    effects.push(Effect::Rejoined);
                    self.repeat(now_ms);
                }
                OwnedNotification::Active | OwnedNotification::Idle | OwnedNotification::Defunct => {}
            }
        }
        let alone = self.known.is_empty();
        self.seeds.set_alone(now_ms, alone);
        if alone && !self.alumni.is_empty() {
            self.alumni_at_ms = self.alumni_at_ms.min(now_ms.saturating_add(self.settings.seek_alone_ms));
        } else {
            self.alumni_at_ms = u64::MAX;
        }
    }

    fn joined(&mut self, now_ms: u64, peer: Peer, effects: &mut Vec<Effect>) {
        if peer.node == self.gossip.me().node {
            return;
        }
        self.alumni.remove(&peer.node);
        self.known.insert(peer.node, Known { peer, told: None });
        self.ask(now_ms, peer.node, effects);
    }

    fn renamed(&mut self, now_ms: u64, peer: Peer, effects: &mut Vec<Effect>) {
        if let Some(known) = self.known.get_mut(&peer.node) {
            known.peer = peer;
            if known.told.as_ref().is_none_or(|told| told.incarnation < peer.incarnation) {
                self.ask(now_ms, peer.node, effects);
            }
        }
    }

    fn gone(&mut self, now_ms: u64, node: NodeId, effects: &mut Vec<Effect>) {
        let Some(known) = self.known.remove(&node) else { return };
        self.untold.remove(&node);
        self.asked.remove(&node);
        self.doubts.retain(|doubt| doubt.peer.node != node);
        if self.alumni.len() < ALUMNI_MAX {
            self.alumni.insert(node, known.peer.heartbeat);
            self.alumni_at_ms = now_ms;
        }
        if known.told.is_some() {
            effects.push(Effect::Down { node });
        }
    }

    /// Repeats this node's new name a few times.
    pub(super) fn repeat(&mut self, now_ms: u64) {
        self.gossip.resume(now_ms);
        self.repeats = 4;
        self.repeat_at_ms = now_ms.saturating_add(self.settings.gossip_ms / 2);
    }

    fn ask(&mut self, now_ms: u64, node: NodeId, effects: &mut Vec<Effect>) {
        let me = self.gossip.me().node;
        let Some(known) = self.known.get(&node) else { return };
        let to = known.peer.heartbeat;
        self.asked.insert(node);
        self.ask_at_ms = self.ask_at_ms.min(now_ms.saturating_add(self.settings.ask_ms));
        self.send(to, &Body::Ask(me), effects);
    }

    fn tell(&self, to: SocketAddr, effects: &mut Vec<Effect>) {
        let me = self.gossip.me();
        let (node, incarnation, attributes) = (me.node, me.incarnation, Box::new(self.attributes.clone()));
        self.send(to, &Body::Tell { node, incarnation, revision: self.revision, attributes }, effects);
    }

    /// Repeats questions without answer, and tells newer attributes to those who have not confirmed them.
    pub(super) fn ask_and_tell(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        if now_ms >= self.ask_at_ms {
            self.ask_at_ms = u64::MAX;
            let asked = self.asked.clone();
            asked.into_iter().for_each(|node| self.ask(now_ms, node, effects));
        }
        if now_ms >= self.tell_at_ms {
            let told: Vec<SocketAddr> =
                self.untold.iter().filter_map(|node| Some(self.known.get(node)?.peer.heartbeat)).collect();
            told.iter().for_each(|to| self.tell(*to, effects));
            self.tell_at_ms =
                if told.is_empty() { u64::MAX } else { now_ms.saturating_add(self.settings.ask_ms) };
        }
    }

    /// Seeks the candidates whose time has come; members are not sought.
    pub(super) fn seek(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        let mut sought = self.seeds.due(now_ms, &self.settings, &mut self.rng);
        sought.retain(|address| self.known.values().all(|known| known.peer.heartbeat != *address));
        if now_ms >= self.alumni_at_ms {
            sought.extend(self.alumni.values());
            let alone = self.known.is_empty();
            self.alumni_at_ms =
                if alone { now_ms.saturating_add(self.settings.seek_alone_ms.max(1)) } else { u64::MAX };
        }
        let me = self.gossip.me();
        sought.into_iter().for_each(|to| self.send(to, &Body::Seek(me), effects));
    }

    /// A suspect that has not objected in time is dead.
    pub(super) fn settle_doubts(&mut self, now_ms: u64) {
        let (due, rest) =
            std::mem::take(&mut self.doubts).into_iter().partition(|doubt| now_ms >= doubt.until_ms);
        self.doubts = rest;
        let due: Vec<super::Doubt> = due;
        for doubt in due {
            let silent = self.gossip.member(doubt.peer.node).is_some_and(|member| {
                *member.id() == doubt.peer
                    && member.incarnation() == doubt.incarnation
                    && member.state() == State::Suspect
            });
            if silent {
                self.gossip.rumour(now_ms, doubt.peer, doubt.incarnation, State::Down);
            }
        }
    }

    fn send(&self, to: SocketAddr, body: &Body<'_>, effects: &mut Vec<Effect>) {
        effects.push(Effect::Send { to, bytes: body.seal(self.cluster) });
    }

    pub(super) fn may_notice(&mut self, now_ms: u64, kind: Option<Refusal>) -> bool {
        let last = self.noticed_ms.get(&kind);
        let may = last.is_none_or(|last| now_ms >= last.saturating_add(NOTICE_EVERY_MS));
        if may {
            self.noticed_ms.insert(kind, now_ms);
        }
        may
    }
}
