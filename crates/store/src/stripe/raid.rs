//! Raiding tombs: letting tombstones go when no older copy of their records is left.
//!
//! Guarantees: bounded work a call. A tombstone goes only after a walk over all blocks that were there when the walk
//! began has met no older copy of its record, and after the blocks freed before the end of the walk are wiped.
//!
//! The idea: older copies lie in older blocks; new blocks get copies of what lives only. So a walk over the blocks in
//! the order of their numbers, whatever happens meanwhile, misses none.

use super::Stripe;
use crate::block::HEADER_SIZE;
use crate::record::decode;

/// What a slice of a raid did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Raided {
    /// Tombstones that went.
    pub tombstones: u64,
    /// There is more to do.
    pub more: bool,
}

/// Where a raid is.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    phase: Phase,
}

#[derive(Debug, Default, Clone, Copy)]
enum Phase {
    #[default]
    Idle,
    /// In this block, at this offset.
    Walking { number: u32, sequence: u64, offset: u32 },
    /// Waiting for so many flushes to end since.
    Waiting { flushes: u64 },
}

impl Stripe {
    /// Walks over about `budget_bytes` of blocks when there are many tombstones. `flushes` counts the flushes of the
    /// volume that have ended.
    pub fn raid(&mut self, budget_bytes: usize, flushes: u64) -> Raided {
        let Some(tombs) = &mut self.tombs else { return Raided::default() };
        match self.raid.phase {
            Phase::Idle => {
                if tombs.len() < 2 * tombs.left_by_raid + self.log.config().tombstones_min {
                    return Raided::default();
                }
                tombs.iter_mut().for_each(|tomb| (tomb.covers, tomb.judged) = (false, true));
                self.raid.phase = self.raid_block(0, flushes);
            }
            Phase::Walking { number, sequence, offset } => {
                self.raid_slice(number, sequence, offset, budget_bytes, flushes);
            }
            // One flush may have been under way when the walk ended; the one after it wipes, the next one syncs that.
            Phase::Waiting { flushes: since } if flushes >= since + 3 => {
                self.raid.phase = Phase::Idle;
                return Raided { tombstones: self.raid_end(), more: false };
            }
            Phase::Waiting { .. } => return Raided::default(),
        }
        Raided { tombstones: 0, more: matches!(self.raid.phase, Phase::Walking { .. }) }
    }

    /// The first block from `number` on.
    fn raid_block(&self, number: u32, flushes: u64) -> Phase {
        let offset = u32::try_from(HEADER_SIZE).unwrap_or(u32::MAX);
        match self.log.blocks_from(number).next() {
            Some((number, sequence)) => Phase::Walking { number, sequence, offset },
            None => Phase::Waiting { flushes },
        }
    }

    fn raid_slice(&mut self, number: u32, sequence: u64, mut offset: u32, budget_bytes: usize, flushes: u64) {
        let mut looked = 0;
        let whole = !self.log.is_block(number, sequence) || self.log.bring_in(number);
        while looked < budget_bytes {
            let here = self.log.is_block(number, sequence).then(|| self.log.behind(number, offset)).flatten();
            let readable = here.filter(|_| whole);
            let Some((location, record)) =
                readable.and_then(|at| Some((at, decode(self.log.bytes(at)).ok()?)))
            else {
                // The end of the block, or a place that only a walk from its start would get past: then nothing is
                // known of what is behind it, and no tombstone may go.
                let damaged = here.is_some();
                self.log.let_go(number, sequence);
                if damaged {
                    self.raid.phase = Phase::Idle;
                    self.tombs.iter_mut().for_each(|tombs| tombs.left_by_raid = tombs.len());
                } else {
                    self.raid.phase = self.raid_block(number.saturating_add(1), flushes);
                }
                return;
            };
            let (digest, size, is_record) = (record.digest(), record.size(), !record.is_tombstone());
            let tomb = self.tombs.as_mut().and_then(|tombs| tombs.get_mut(&digest));
            if let Some(tomb) = tomb.filter(|tomb| is_record && tomb.location != location) {
                tomb.covers = true;
            }
            looked += size;
            offset = offset.saturating_add(u32::try_from(size).unwrap_or(u32::MAX));
        }
        self.raid.phase = Phase::Walking { number, sequence, offset };
    }

    fn raid_end(&mut self) -> u64 {
        let Some(tombs) = &mut self.tombs else { return 0 };
        let gone = tombs.extract(|tomb| tomb.judged && !tomb.covers);
        tombs.iter_mut().for_each(|tomb| (tomb.covers, tomb.judged) = (true, false));
        tombs.left_by_raid = tombs.len();
        gone.iter().for_each(|tomb| self.release_tomb(tomb.location));
        gone.len() as u64
    }
}
