//! Gossip: the membership machine behind a lock of its own, held only for moments.
//!
//! What it finds out waits as [`News`] until control has time for it.

use super::Cluster;
use super::outgoing::{ClusterNotice, Outgoing};
use crate::node::Node;
use crate::now::Now;
use shipload_cluster::membership::{Effect, Membership};
use shipload_cluster::{Attributes, Incarnation, NodeId, agreement, metadata};
use std::net::SocketAddr;

/// What gossip has found out, for control.
#[derive(Debug)]
pub(super) enum News {
    /// A node is there, or tells something else of itself.
    Up { node: NodeId, incarnation: Incarnation, attributes: Box<Attributes> },
    /// A node is gone.
    Down { node: NodeId },
    /// This node's rack or wish to be quiet has changed.
    Wish,
    /// Another node says something about views.
    Agreement { from: NodeId, message: agreement::Message },
    /// Another node says something about what all know.
    Metadata { from: NodeId, message: metadata::Message },
}

/// Messages of other nodes that wait for control; more are lost, and said again.
const MESSAGES_MAX: usize = 4096;

impl Cluster {
    /// A message for control's thread: installing a view takes longer than a thread that serves clients has.
    pub(super) fn tell_control(&self, news: News) {
        let mut waiting = self.news.lock();
        if waiting.len() < MESSAGES_MAX {
            waiting.push_back(news);
        }
        drop(waiting);
        self.wake();
    }
}

impl Node {
    /// Lets an event into gossip. Nothing happens on a node that never joined.
    pub(super) fn with_gossip(
        &self,
        out: &mut Outgoing,
        event: impl FnOnce(&mut Membership, &mut Vec<Effect>),
    ) {
        let mut effects = Vec::new();
        {
            let mut gossip = self.cluster.gossip.lock();
            let Some(membership) = gossip.as_mut() else { return };
            event(membership, &mut effects);
            // Under the lock, so that news keep their order whatever thread brings them.
            let mut news = self.cluster.news.lock();
            effects.retain_mut(|effect| match as_news(effect) {
                Some(one) => {
                    news.push_back(one);
                    false
                }
                None => true,
            });
        }
        for effect in effects {
            match effect {
                Effect::Send { to, bytes } => out.datagrams.push((to, bytes)),
                Effect::Refused { from, refusal } => {
                    out.notices.push(ClusterNotice::Refused(from, refusal.to_string()));
                }
                Effect::SameId { from } => out.notices.push(ClusterNotice::SameId(from)),
                Effect::Rejoined => out.notices.push(ClusterNotice::Rejoined),
                Effect::Stalled { late_ms } => out.notices.push(ClusterNotice::Stalled(late_ms)),
                Effect::Up { .. } | Effect::Changed { .. } | Effect::Down { .. } => {}
            }
        }
        if !self.cluster.news.lock().is_empty() {
            self.cluster.wake();
        }
    }

    /// A datagram came to the heartbeat port.
    pub fn on_datagram(&self, now: Now, from: SocketAddr, bytes: &[u8], out: &mut Outgoing) {
        self.with_gossip(out, |membership, effects| {
            membership.on_datagram(now.mono_ms(), from, bytes, effects);
        });
    }

    /// Time has passed for gossip. Call it at the time that it answers, on the monotonic clock in nanoseconds, or
    /// earlier; call it after the datagrams that have arrived.
    pub fn gossip_tick(&self, now: Now, out: &mut Outgoing) -> u64 {
        let now_ms = now.mono_ms();
        let doubts = std::mem::take(&mut *self.cluster.doubts.lock());
        out.datagrams.append(&mut self.cluster.datagrams.lock());
        let mut wake_ms = u64::MAX;
        self.with_gossip(out, |membership, effects| {
            for node in doubts {
                membership.doubt(now_ms, node, effects);
            }
            membership.on_tick(now_ms, effects);
            wake_ms = membership.wake_at_ms();
        });
        wake_ms.saturating_mul(1_000_000).min(now.mono_ns.saturating_add(IDLE_NS)).max(now.mono_ns)
    }

    /// The addresses that all seeds have now.
    pub fn set_candidates(&self, now: Now, addresses: &[SocketAddr], out: &mut Outgoing) {
        self.with_gossip(out, |membership, effects| {
            membership.set_seeds(now.mono_ms(), addresses, effects);
        });
    }

    /// This node tells something else of itself from now on. What was wished for at run time stays.
    pub fn set_attributes(&self, now: Now, attributes: Attributes, out: &mut Outgoing) {
        self.change_attributes(now, out, |before| Attributes { quiesced: before.quiesced, ..attributes });
    }

    /// This node wants to master nothing, or to take its share again.
    pub fn set_quiesced(&self, now: Now, quiesced: bool) {
        let mut out = Outgoing::default();
        self.change_attributes(now, &mut out, |before| Attributes { quiesced, ..before });
        self.cluster.do_later(&mut out);
    }

    fn change_attributes(&self, now: Now, out: &mut Outgoing, change: impl FnOnce(Attributes) -> Attributes) {
        let mut wish = false;
        self.with_gossip(out, |membership, effects| {
            let before = membership.attributes().clone();
            let after = change(before.clone());
            wish = (before.rack, before.quiesced) != (after.rack, after.quiesced);
            membership.set_attributes(now.mono_ms(), after, effects);
        });
        if wish {
            self.cluster.news.lock().push_back(News::Wish);
            self.cluster.wake();
        }
    }

    /// What this node tells of itself; none before it joined.
    #[must_use]
    pub fn attributes(&self) -> Option<Attributes> {
        self.cluster.gossip.lock().as_ref().map(|membership| membership.attributes().clone())
    }

    /// This node's rack, and whether it wants to master nothing.
    pub(super) fn wish(&self) -> (u32, bool) {
        let gossip = self.cluster.gossip.lock();
        gossip.as_ref().map_or((0, false), |membership| {
            let attributes = membership.attributes();
            (attributes.rack, attributes.quiesced)
        })
    }

    /// Tells the others that this node goes.
    pub fn leave(&self, now: Now, out: &mut Outgoing) {
        self.with_gossip(out, |membership, effects| membership.leave(now.mono_ms(), effects));
    }

    /// Forgets where former members were.
    pub(crate) fn forget_alumni(&self) {
        if let Some(membership) = self.cluster.gossip.lock().as_mut() {
            membership.forget_alumni();
        }
    }

    /// Heartbeat addresses of former members.
    pub(super) fn alumni(&self) -> Vec<SocketAddr> {
        let gossip = self.cluster.gossip.lock();
        gossip.as_ref().map(|membership| membership.alumni().map(|(_, at)| at).collect()).unwrap_or_default()
    }
}

/// Between two ticks at most, in nanoseconds.
const IDLE_NS: u64 = 200_000_000;

/// Takes out what control has to know.
fn as_news(effect: &mut Effect) -> Option<News> {
    match effect {
        Effect::Up { node, incarnation, attributes } | Effect::Changed { node, incarnation, attributes } => {
            Some(News::Up { node: *node, incarnation: *incarnation, attributes: attributes.clone() })
        }
        Effect::Down { node } => Some(News::Down { node: *node }),
        Effect::Send { .. }
        | Effect::Refused { .. }
        | Effect::SameId { .. }
        | Effect::Rejoined
        | Effect::Stalled { .. } => None,
    }
}
