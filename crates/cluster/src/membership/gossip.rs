//! foca with its timers: what goes in is bytes and time, what comes out is bytes and news.
//!
//! Guarantees: timers fire in order of time, those of the same time in the order in which they were set. When this
//! process stood still, all timers are put off by as much, so that answers which wait in the socket are heard
//! before anybody is accused of silence.

use std::collections::BTreeMap;
use std::time::Duration;

use foca::{Foca, Member, NoCustomBroadcast, Notification, OwnedNotification, Runtime, State, Timer};
use rand::rngs::SmallRng;

use super::peer::{Peer, PeerCodec};
use super::settings::Settings;
use crate::identity::NodeId;

type Engine = Foca<Peer, PeerCodec, SmallRng, NoCustomBroadcast>;

/// What foca wanted done.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    pub(super) datagrams: Vec<(Peer, Vec<u8>)>,
    pub(super) news: Vec<OwnedNotification<Peer>>,
    timers: Vec<(Timer<Peer>, Duration)>,
}

impl Runtime<Peer> for &mut Wishes {
    fn notify(&mut self, notification: Notification<'_, Peer>) {
        self.news.push(notification.to_owned());
    }

    fn send_to(&mut self, to: Peer, data: &[u8]) {
        self.datagrams.push((to, data.to_vec()));
    }

    fn submit_after(&mut self, event: Timer<Peer>, after: Duration) {
        self.timers.push((event, after));
    }
}

/// foca with its timers.
pub(super) struct Gossip {
    engine: Engine,
    settings: Settings,
    sized_for: usize,
    timers: BTreeMap<(u64, u64), Timer<Peer>>,
    timers_set: u64,
    pub(super) wishes: Wishes,
}

impl std::fmt::Debug for Gossip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let members = self.engine.num_members();
        f.debug_struct("Gossip").field("me", self.engine.identity()).field("members", &members).finish()
    }
}

impl Gossip {
    pub(super) fn new(me: Peer, settings: Settings, rng: SmallRng) -> Gossip {
        Gossip {
            engine: Foca::new(me, settings.config(1), rng, PeerCodec),
            settings,
            sized_for: 1,
            timers: BTreeMap::new(),
            timers_set: 0,
            wishes: Wishes::default(),
        }
    }

    pub(super) fn me(&self) -> Peer {
        *self.engine.identity()
    }

    pub(super) fn member(&self, node: NodeId) -> Option<&Member<Peer>> {
        self.engine.iter_members().find(|member| member.id().node == node)
    }

    /// Bytes that another node's foca sent. False when they made no sense.
    pub(super) fn on_bytes(&mut self, now_ms: u64, bytes: &[u8]) -> Result<(), foca::Error> {
        let result = self.engine.handle_data(bytes, &mut self.wishes);
        self.settle(now_ms);
        result
    }

    pub(super) fn announce(&mut self, now_ms: u64, to: Peer) {
        // Encoding one's own header cannot fail; a failure would only mean that nothing is sent.
        let _ = self.engine.announce(to, &mut self.wishes);
        self.settle(now_ms);
    }

    pub(super) fn gossip(&mut self, now_ms: u64) {
        let _ = self.engine.gossip(&mut self.wishes);
        self.settle(now_ms);
    }

    pub(super) fn leave(&mut self, now_ms: u64) {
        let _ = self.engine.leave_cluster(&mut self.wishes);
        self.settle(now_ms);
    }

    pub(super) fn rename(&mut self, now_ms: u64, me: Peer) {
        let _ = self.engine.change_identity(me, &mut self.wishes);
        self.settle(now_ms);
    }

    /// After this node took a new name, foca probes nobody until it hears from somebody, and the only member it
    /// has may be dead by now. Telling it nothing makes it look at what it knows.
    pub(super) fn resume(&mut self, now_ms: u64) {
        let _ = self.engine.apply_many(std::iter::empty(), false, &mut self.wishes);
        self.settle(now_ms);
    }

    /// Says of a member what was found out otherwise than by probing.
    pub(super) fn rumour(&mut self, now_ms: u64, peer: Peer, incarnation: u16, state: State) {
        let update = std::iter::once(Member::new(peer, incarnation, state));
        let _ = self.engine.apply_many(update, true, &mut self.wishes);
        self.settle(now_ms);
    }

    pub(super) fn wake_at_ms(&self) -> u64 {
        self.timers.first_key_value().map_or(u64::MAX, |((at_ms, _), _)| *at_ms)
    }

    /// Fires what is due. Returns for how long this process stood still, when it did.
    pub(super) fn on_tick(&mut self, now_ms: u64) -> Option<u64> {
        let late_ms = now_ms.saturating_sub(self.wake_at_ms());
        if late_ms > self.settings.stall_ms {
            let by_ms = late_ms.saturating_add(self.settings.answer_ms);
            let timers = std::mem::take(&mut self.timers);
            let later =
                |((at_ms, order), timer): ((u64, u64), _)| ((at_ms.saturating_add(by_ms), order), timer);
            self.timers = timers.into_iter().map(later).collect();
            return Some(late_ms);
        }
        while let Some(entry) = self.timers.first_entry()
            && entry.key().0 <= now_ms
        {
            let timer = entry.remove();
            if self.is_refuted(&timer) {
                continue;
            }
            // An incomplete probe cycle is repaired by foca itself, which tells of it as an error.
            let _ = self.engine.handle_timer(timer, &mut self.wishes);
            self.settle(now_ms);
        }
        None
    }

    /// Whether a timer is about a suspicion that was refuted. foca 2.0 declares nobody dead then, but still tells the
    /// member that it is, and that one comes back under a new name for nothing.
    fn is_refuted(&self, timer: &Timer<Peer>) -> bool {
        let Timer::ChangeSuspectToDown { member_id, incarnation, .. } = timer else { return false };
        let member = self.member(member_id.node);
        member.is_some_and(|member| member.id() != member_id || member.incarnation() != *incarnation)
    }

    /// Sorts new timers in, and keeps the configuration in step with the size of the cluster.
    fn settle(&mut self, now_ms: u64) {
        for (timer, after) in self.wishes.timers.drain(..) {
            let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
            self.timers_set += 1;
            self.timers.insert((now_ms.saturating_add(after_ms), self.timers_set), timer);
        }
        let members = self.engine.num_members() + 1;
        if members != self.sized_for {
            self.sized_for = members;
            let _ = self.engine.set_config(self.settings.config(members));
        }
    }
}
