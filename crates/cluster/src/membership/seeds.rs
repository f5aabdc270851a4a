//! Where other nodes may be: seeds, tips and former members.
//!
//! Guarantees: a candidate is sought again and again for as long as it is one, often by a node that is alone, seldom by
//! one that has company; nothing is concluded from silence. Refuses to resolve names: the shell does, and
//! hands in all addresses each time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use rand::RngExt;
use rand::rngs::SmallRng;

use super::settings::Settings;

/// Most addresses that are sought.
const CANDIDATES_MAX: usize = 1024;

#[derive(Debug, Clone, Copy)]
struct Candidate {
    seek_at_ms: u64,
    /// It turned out to be this very node.
    own: bool,
}

/// Where other nodes may be.
#[derive(Debug, Default)]
pub(super) struct Seeds {
    candidates: BTreeMap<SocketAddr, Candidate>,
    alone: bool,
}

impl Seeds {
    /// Adds a candidate, to be sought at once when it is new.
    pub(super) fn add(&mut self, now_ms: u64, address: SocketAddr) {
        if self.candidates.len() < CANDIDATES_MAX {
            self.candidates.entry(address).or_insert(Candidate { seek_at_ms: now_ms, own: false });
        }
    }

    /// Keeps only these candidates, and adds the new ones.
    pub(super) fn replace(&mut self, now_ms: u64, addresses: &[SocketAddr]) {
        let wanted: BTreeSet<_> = addresses.iter().collect();
        self.candidates.retain(|address, _| wanted.contains(address));
        addresses.iter().for_each(|address| self.add(now_ms, *address));
    }

    pub(super) fn clear(&mut self) {
        self.candidates.clear();
    }

    /// The candidate is this node itself: not sought any more.
    pub(super) fn is_own(&mut self, address: SocketAddr) {
        if let Some(candidate) = self.candidates.get_mut(&address) {
            candidate.own = true;
        }
    }

    /// Tells whether this node has company. One that just lost it seeks at once.
    pub(super) fn set_alone(&mut self, now_ms: u64, alone: bool) {
        if alone && !self.alone {
            self.candidates.values_mut().for_each(|candidate| candidate.seek_at_ms = now_ms);
        }
        self.alone = alone;
    }

    pub(super) fn wake_at_ms(&self) -> u64 {
        let sought = self.candidates.values().filter(|candidate| !candidate.own);
        sought.map(|candidate| candidate.seek_at_ms).min().unwrap_or(u64::MAX)
    }

    /// Whom to seek now.
    pub(super) fn due(&mut self, now_ms: u64, settings: &Settings, rng: &mut SmallRng) -> Vec<SocketAddr> {
        let mut due = Vec::new();
        for (address, candidate) in &mut self.candidates {
            if !candidate.own && candidate.seek_at_ms <= now_ms {
                due.push(*address);
                let wait_ms = if self.alone {
                    settings.seek_alone_ms
                } else {
                    // Spread, so that a hundred nodes do not seek a hundred seeds in step.
                    let least_ms = settings.seek_joined_ms.max(1);
                    rng.random_range(least_ms..=least_ms.saturating_mul(3))
                };
                candidate.seek_at_ms = now_ms.saturating_add(wait_ms.max(1));
            }
        }
        due
    }
}
