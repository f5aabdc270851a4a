//! How nervous gossip is, and what that means for a cluster of a given size.

use std::num::{NonZeroU8, NonZeroUsize};
use std::time::Duration;

use foca::{Config, PeriodicParams};

use super::datagram::{DATAGRAM_MAX, ENVELOPE};

/// How nervous gossip is, in milliseconds. All nodes of a cluster should have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// A node probes one other node this often.
    pub probe_ms: u64,
    /// Without an answer for so long, other nodes are asked to probe as well. Less than half of `probe_ms`.
    pub answer_ms: u64,
    /// A suspect that does not object for so long is dead; more in clusters of over eight nodes.
    pub suspect_ms: u64,
    /// News is sent on this often, while there is any.
    pub gossip_ms: u64,
    /// A random member is asked for its list of members this often.
    pub exchange_ms: u64,
    /// A random dead node is tried again this often, for a day.
    pub dead_ms: u64,
    /// Seeds and former members are sought this often by a node that is alone.
    pub seek_alone_ms: u64,
    /// Seeds are sought this often, up to three times as long, by a node that has company.
    pub seek_joined_ms: u64,
    /// A question to a member (attributes) is repeated this often.
    pub ask_ms: u64,
    /// A tick that comes so late means that this process stood still: nobody is accused for what was missed.
    pub stall_ms: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            probe_ms: 100,
            answer_ms: 45,
            suspect_ms: 300,
            gossip_ms: 100,
            exchange_ms: 10_000,
            dead_ms: 1000,
            seek_alone_ms: 500,
            seek_joined_ms: 10_000,
            ask_ms: 200,
            stall_ms: 100,
        }
    }
}

/// Dead nodes are remembered, and tried again, for a day.
const REMEMBER_DEAD: Duration = Duration::from_secs(24 * 3600);
const ONE: NonZeroUsize = NonZeroUsize::MIN;
const THREE: NonZeroUsize = ONE.saturating_add(2);

impl Settings {
    /// What foca is to do in a cluster of so many members. News must be repeated, and suspects must be given time,
    /// in proportion to the logarithm of the size.
    pub(super) fn config(&self, members: usize) -> Config {
        let doublings = u8::try_from(members.max(2).ilog2()).unwrap_or(u8::MAX);
        let patience_ms = u64::from(doublings.saturating_sub(3)).saturating_mul(60);
        let every = |period_ms: u64, num_members| {
            Some(PeriodicParams { frequency: Duration::from_millis(period_ms.max(1)), num_members })
        };
        Config {
            probe_period: Duration::from_millis(self.probe_ms.max(2)),
            probe_rtt: Duration::from_millis(self.answer_ms.clamp(1, self.probe_ms.max(2) - 1)),
            num_indirect_probes: THREE,
            max_transmissions: NonZeroU8::MIN.saturating_add(5).saturating_add(doublings.saturating_mul(2)),
            suspect_to_down_after: Duration::from_millis(self.suspect_ms.saturating_add(patience_ms).max(1)),
            remove_down_after: Some(REMEMBER_DEAD),
            max_packet_size: NonZeroUsize::new(DATAGRAM_MAX - ENVELOPE).unwrap_or(ONE),
            notify_down_members: true,
            periodic_announce: every(self.exchange_ms, ONE),
            periodic_announce_to_down_members: every(self.dead_ms, ONE),
            periodic_gossip: every(self.gossip_ms, THREE),
        }
    }
}
