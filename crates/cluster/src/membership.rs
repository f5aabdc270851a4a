//! Who is alive: SWIM gossip over datagrams.
//!
//! Guarantees: a member that is told of as up was heard from, and its attributes are known; load per node does not grow
//! with the cluster; a dead node is found in well under a second, a busy one is given the time to object.
//! Datagrams of other clusters, other versions or in pieces change nothing and are counted.
//!
//! The idea: `foca` does the gossip about names (node id, life, address). Around it stand three small things: an
//! envelope that keeps strangers out, the search for candidates (seeds, tips, former members) whose ids nobody
//! knows yet, and the exchange of attributes, which are too large to be gossiped. Refuses to open sockets, to resolve
//! names, and to decide what the members do together: that is [`crate::agreement`].

mod datagram;
mod gossip;
mod hearsay;
mod news;
mod peer;
mod seeds;
mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use foca::State;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use self::datagram::REFUSALS;
pub use self::datagram::{DATAGRAM_MAX, Refusal};
use self::gossip::Gossip;
use self::hearsay::Hearsay;
use self::news::Known;
use self::peer::Peer;
use self::seeds::Seeds;
pub use self::settings::Settings;
use crate::identity::{Attributes, ClusterName, Incarnation, NodeId};

/// What membership wants done, or has to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Send a datagram.
    Send {
        /// Where to.
        to: SocketAddr,
        /// At most [`DATAGRAM_MAX`] bytes.
        bytes: Vec<u8>,
    },
    /// A node is there, or is there again.
    Up {
        /// Its id.
        node: NodeId,
        /// Its life.
        incarnation: Incarnation,
        /// What it tells of itself.
        attributes: Box<Attributes>,
    },
    /// A node that was up started again unnoticed (higher incarnation), or tells something else of itself.
    Changed {
        /// Its id.
        node: NodeId,
        /// Its life.
        incarnation: Incarnation,
        /// What it tells of itself.
        attributes: Box<Attributes>,
    },
    /// A node is gone.
    Down {
        /// Its id.
        node: NodeId,
    },
    /// A datagram was refused: worth a line in the log. The same reason is told at most every ten seconds.
    Refused {
        /// Where it came from.
        from: SocketAddr,
        /// Why.
        refusal: Refusal,
    },
    /// Another process has this node's id: one of the two data directories is a copy.
    SameId {
        /// Where it is.
        from: SocketAddr,
    },
    /// Others had taken this node for dead; it has come back to them.
    Rejoined,
    /// This process stood still for so long, in milliseconds; nobody was accused for it.
    Stalled {
        /// How long.
        late_ms: u64,
    },
}

/// How often a notice of the same kind is told.
const NOTICE_EVERY_MS: u64 = 10_000;

/// A suspicion that did not come from probing.
#[derive(Debug, Clone, Copy)]
struct Doubt {
    peer: Peer,
    incarnation: u16,
    until_ms: u64,
}

/// The membership machine of one node.
#[derive(Debug)]
pub struct Membership {
    cluster: u64,
    settings: Settings,
    rng: SmallRng,
    gossip: Gossip,
    seeds: Seeds,
    attributes: Attributes,
    revision: u32,
    known: BTreeMap<NodeId, Known>,
    /// Members whose attributes are unknown, or those of an earlier life.
    asked: BTreeSet<NodeId>,
    ask_at_ms: u64,
    /// Where former members were, to be found again after a split.
    alumni: BTreeMap<NodeId, SocketAddr>,
    alumni_at_ms: u64,
    /// Members that have not confirmed this node's newest attributes.
    untold: BTreeSet<NodeId>,
    tell_at_ms: u64,
    doubts: Vec<Doubt>,
    hearsay: Hearsay,
    /// After a rejoin, the new name is repeated a few times: only one datagram carries it otherwise.
    repeats: u8,
    repeat_at_ms: u64,
    refused: BTreeMap<Refusal, u64>,
    noticed_ms: BTreeMap<Option<Refusal>, u64>,
    left: bool,
}

impl Membership {
    /// The machine of a node that starts now. `incarnation` must be higher than in all its earlier lives.
    #[must_use]
    pub fn new(
        node: NodeId,
        incarnation: Incarnation,
        cluster: &ClusterName,
        attributes: Attributes,
        settings: Settings,
        seed: u64,
    ) -> Membership {
        let mut rng = SmallRng::seed_from_u64(seed);
        let me = Peer::new(node, incarnation, attributes.heartbeat);
        let gossip = Gossip::new(me, settings, SmallRng::seed_from_u64(rng.next_u64()));
        let mut seeds = Seeds::default();
        seeds.set_alone(0, true);
        Membership {
            cluster: cluster.hash(),
            settings,
            rng,
            gossip,
            seeds,
            attributes,
            revision: 1,
            known: BTreeMap::new(),
            asked: BTreeSet::new(),
            ask_at_ms: u64::MAX,
            alumni: BTreeMap::new(),
            alumni_at_ms: u64::MAX,
            untold: BTreeSet::new(),
            tell_at_ms: u64::MAX,
            doubts: Vec::new(),
            hearsay: Hearsay::default(),
            repeats: 0,
            repeat_at_ms: u64::MAX,
            refused: REFUSALS.into_iter().map(|refusal| (refusal, 0)).collect(),
            noticed_ms: BTreeMap::new(),
            left: false,
        }
    }

    /// What this node tells of itself.
    #[must_use]
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// The other members that are up, by id.
    pub fn members(&self) -> impl Iterator<Item = (NodeId, Incarnation, &Attributes)> {
        self.known.iter().filter_map(|(node, known)| {
            let told = known.told.as_ref()?;
            Some((*node, known.peer.incarnation, &told.attributes))
        })
    }

    /// Where former members were.
    pub fn alumni(&self) -> impl Iterator<Item = (NodeId, SocketAddr)> {
        self.alumni.iter().map(|(node, address)| (*node, *address))
    }

    /// How many datagrams were refused, by reason.
    pub fn refused(&self) -> impl Iterator<Item = (Refusal, u64)> {
        self.refused.iter().map(|(refusal, count)| (*refusal, *count))
    }

    /// The addresses that all seeds have now; candidates that are not among them are dropped.
    pub fn set_seeds(&mut self, now_ms: u64, addresses: &[SocketAddr], effects: &mut Vec<Effect>) {
        self.seeds.replace(now_ms, addresses);
        self.on_tick(now_ms, effects);
    }

    /// One more candidate, kept until [`Membership::set_seeds`] or [`Membership::clear_seeds`].
    pub fn announce(&mut self, now_ms: u64, address: SocketAddr, effects: &mut Vec<Effect>) {
        self.seeds.add(now_ms, address);
        self.on_tick(now_ms, effects);
    }

    /// Forgets all candidates.
    pub fn clear_seeds(&mut self) {
        self.seeds.clear();
    }

    /// Forgets the former members.
    pub fn forget_alumni(&mut self) {
        self.alumni.clear();
        self.alumni_at_ms = u64::MAX;
    }

    /// This node tells something else of itself from now on.
    pub fn set_attributes(&mut self, now_ms: u64, attributes: Attributes, effects: &mut Vec<Effect>) {
        if attributes == self.attributes {
            return;
        }
        let moved = attributes.heartbeat != self.attributes.heartbeat;
        self.attributes = attributes;
        self.revision = self.revision.saturating_add(1);
        self.untold = self.known.keys().copied().collect();
        self.tell_at_ms = now_ms;
        if moved {
            let me = self.gossip.me();
            let renamed =
                Peer { rejoin: me.rejoin.saturating_add(1), heartbeat: self.attributes.heartbeat, ..me };
            self.gossip.rename(now_ms, renamed);
            self.repeat(now_ms);
        }
        self.on_tick(now_ms, effects);
    }

    /// Something else than gossip speaks against a member: its connections broke. It is suspected at once, and dead
    /// unless it objects in time.
    pub fn doubt(&mut self, now_ms: u64, node: NodeId, effects: &mut Vec<Effect>) {
        let Some(member) = self.gossip.member(node) else { return };
        let (peer, incarnation) = (*member.id(), member.incarnation());
        if self.left || member.state() != State::Alive || self.doubts.iter().any(|doubt| doubt.peer == peer) {
            return;
        }
        self.doubts.push(Doubt {
            peer,
            incarnation,
            until_ms: now_ms.saturating_add(self.settings.suspect_ms),
        });
        self.gossip.rumour(now_ms, peer, incarnation, State::Suspect);
        self.gossip.gossip(now_ms);
        self.on_tick(now_ms, effects);
    }

    /// Tells the others that this node goes. Afterwards it hears and says nothing.
    pub fn leave(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        self.gossip.leave(now_ms);
        // The farewell is worth more than three datagrams: who misses it has to find out by silence.
        self.gossip.gossip(now_ms);
        self.drain(now_ms, effects);
        self.left = true;
    }

    /// A datagram came in.
    pub fn on_datagram(&mut self, now_ms: u64, from: SocketAddr, bytes: &[u8], effects: &mut Vec<Effect>) {
        if self.left {
            return;
        }
        if let Err(refusal) = self.hear(now_ms, from, bytes, effects) {
            *self.refused.entry(refusal).or_default() += 1;
            if refusal != Refusal::Own && self.may_notice(now_ms, Some(refusal)) {
                effects.push(Effect::Refused { from, refusal });
            }
        }
        self.drain(now_ms, effects);
    }

    /// Time has passed. May be called at any moment, must be called at [`Membership::wake_at_ms`]. Call it after the
    /// datagrams that have arrived, so that nobody is accused while its answer waits.
    pub fn on_tick(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        if self.left {
            return;
        }
        if let Some(late_ms) = self.gossip.on_tick(now_ms) {
            self.doubts.iter_mut().for_each(|doubt| doubt.until_ms = doubt.until_ms.saturating_add(late_ms));
            effects.push(Effect::Stalled { late_ms });
        }
        self.settle_doubts(now_ms);
        self.drain(now_ms, effects);
        self.seek(now_ms, effects);
        self.ask_and_tell(now_ms, effects);
        if now_ms >= self.repeat_at_ms {
            self.gossip.gossip(now_ms);
            self.repeats = self.repeats.saturating_sub(1);
            self.repeat_at_ms =
                if self.repeats == 0 { u64::MAX } else { now_ms.saturating_add(self.settings.gossip_ms) };
            self.drain(now_ms, effects);
        }
    }

    /// When [`Membership::on_tick`] must be called next.
    #[must_use]
    pub fn wake_at_ms(&self) -> u64 {
        if self.left {
            return u64::MAX;
        }
        let doubts = self.doubts.iter().map(|doubt| doubt.until_ms);
        let own = [
            self.gossip.wake_at_ms(),
            self.seeds.wake_at_ms(),
            self.alumni_at_ms,
            self.ask_at_ms,
            self.tell_at_ms,
            self.repeat_at_ms,
        ];
        own.into_iter().chain(doubts).min().unwrap_or(u64::MAX)
    }

    /// Panics when the machine has become impossible: for simulators and tests.
    pub fn assert_invariants(&self) {
        let me = self.gossip.me();
        assert!(!self.known.contains_key(&me.node), "a node is not its own peer");
        assert!(self.known.keys().all(|node| !self.alumni.contains_key(node)), "members are not alumni");
        assert!(self.asked.iter().all(|node| self.known.contains_key(node)), "only members are asked");
        assert!(self.untold.iter().all(|node| self.known.contains_key(node)), "only members are told");
        for (node, known) in &self.known {
            assert_eq!(*node, known.peer.node, "members are filed under their ids");
            assert!(self.left || self.gossip.member(*node).is_some(), "members are those of gossip");
        }
    }
}
