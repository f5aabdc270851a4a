//! Owners by rendezvous hashing, with racks, quiesced members and evenly spread masters.
//!
//! Guarantees: deterministic; 256 members take milliseconds; the set of owners of a partition depends on nothing but
//! the scores of its members (and racks, and who is quiesced), when there are two or more copies.

use std::cmp::Reverse;
use std::ops::RangeInclusive;

use shipload_value::PartitionId;
use shipload_value::digest::PARTITION_COUNT;

use crate::identity::{NodeId, mix};

/// What placement has to know of a member.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    pub(super) node: NodeId,
    pub(super) rack: u32,
    pub(super) quiesced: bool,
}

const PARTITIONS: usize = PARTITION_COUNT as usize;
/// With a single copy, a partition may go to one of so many members behind its first.
const SPARE: usize = 3;
/// How often masters are handed on: hand-overs may have to go from hand to hand.
const ROUNDS: usize = 16;

/// Owners of all partitions, as indices of members.
#[derive(Debug)]
pub(super) struct Placement<'a> {
    members: &'a [Member],
    /// The hash of each member.
    salts: Vec<u64>,
    copies: usize,
    /// `kept` members per partition in order of succession: the owners first, then spare ones.
    ranked: Vec<usize>,
    kept: usize,
}

impl Placement<'_> {
    /// The owners when each partition has so many copies, at least one and no more than members.
    pub(super) fn compute(members: &[Member], copies: usize) -> Placement<'_> {
        let salts = members.iter().map(|member| mix(member.node.0)).collect();
        let kept = if copies > 1 { copies } else { (1 + SPARE).min(members.len()) };
        let mut placement =
            Placement { members, salts, copies, ranked: Vec::with_capacity(PARTITIONS * kept), kept };
        let mut scored = Vec::with_capacity(members.len());
        for partition in PartitionId::all() {
            placement.rank_members(partition, &mut scored);
        }
        placement.spread_masters();
        placement
    }

    /// The owners of a partition, the rightful master first.
    pub(super) fn owners(&self, partition: PartitionId) -> &[usize] {
        let start = partition.index() * self.kept;
        self.ranked.get(start..start + self.copies).unwrap_or_default()
    }

    /// The place of any member in the succession of a partition; lower is earlier.
    pub(super) fn rank(&self, partition: PartitionId, index: usize) -> (usize, bool, u64) {
        let own = self.owners(partition).iter().position(|owner| *owner == index);
        let quiesced = self.members.get(index).is_some_and(|member| member.quiesced);
        (own.unwrap_or(usize::MAX), quiesced, u64::MAX - self.score(partition, index))
    }

    fn score(&self, partition: PartitionId, index: usize) -> u64 {
        mix(self.salts.get(index).copied().unwrap_or(0) ^ u64::from(partition.number()))
    }

    /// Appends the first members in the succession of a partition. The next one is always the highest score of the
    /// racks that have the fewest copies so far; quiesced members come after all others.
    fn rank_members(&mut self, partition: PartitionId, scored: &mut Vec<Scored>) {
        scored.clear();
        let all = self.members.iter().enumerate();
        scored.extend(all.map(|(index, member)| {
            let score = self.score(partition, index);
            Scored { awake: !member.quiesced, unused: Reverse(0), score, index, rack: member.rack }
        }));
        for _ in 0..self.kept {
            let best = scored.iter().enumerate().max_by_key(|(_, scored)| **scored);
            let Some(best) = best.map(|(position, _)| position) else { return };
            let best = scored.swap_remove(best);
            self.ranked.push(best.index);
            for mate in scored.iter_mut().filter(|mate| mate.rack == best.rack) {
                mate.unused.0 += 1;
            }
        }
    }

    /// Hands masters over from members that have too many to members that have fewer, where it costs least.
    fn spread_masters(&mut self) {
        let awake = self.members.iter().filter(|member| !member.quiesced).count();
        let sharing = if awake == 0 { self.members.len() } else { awake };
        let even = PARTITIONS / sharing.max(1);
        // A little slack keeps small differences from being evened out at the price of movement.
        let fair = even - even / 200..=even + 1 + even / 200;
        let mut counts = vec![0usize; self.members.len()];
        let firsts: Vec<usize> = self.ranked.iter().step_by(self.kept).copied().collect();
        firsts.into_iter().for_each(|index| add(&mut counts, index, 1));
        for _ in 0..ROUNDS {
            let mut offers = self.offers(&counts, &fair);
            offers.sort_unstable();
            let before = counts.clone();
            for offer in offers {
                self.hand_over(&offer, &mut counts, &fair);
            }
            if counts == before {
                break;
            }
        }
    }

    /// What members that have too many could hand over, and what could go to members that have too few, with the
    /// difference of scores that it would override.
    fn offers(&self, counts: &[usize], fair: &RangeInclusive<usize>) -> Vec<Offer> {
        let mut offers = Vec::new();
        for partition in PartitionId::all() {
            let ranked = self.ranked.get(partition.index() * self.kept..).unwrap_or_default();
            let Some((&master, others)) = ranked.get(..self.kept).and_then(<[usize]>::split_first) else {
                continue;
            };
            let score = self.score(partition, master);
            for (place, other) in others.iter().enumerate() {
                if self.quiesced(*other) == self.quiesced(master) && helps(counts, fair, master, *other) {
                    let cost = score.saturating_sub(self.score(partition, *other));
                    offers.push(Offer { cost, partition: partition.index(), place: place + 1 });
                }
            }
        }
        offers
    }

    fn hand_over(&mut self, offer: &Offer, counts: &mut [usize], fair: &RangeInclusive<usize>) {
        let start = offer.partition * self.kept;
        let Some(ranked) = self.ranked.get_mut(start..start + self.kept) else { return };
        let (Some(&from), Some(&to)) = (ranked.first(), ranked.get(offer.place)) else { return };
        if helps(counts, fair, from, to) {
            ranked.swap(0, offer.place);
            add(counts, from, -1);
            add(counts, to, 1);
        }
    }

    fn quiesced(&self, index: usize) -> bool {
        self.members.get(index).is_some_and(|member| member.quiesced)
    }
}

/// A member in the running for a partition: the greatest is the next in succession.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Scored {
    awake: bool,
    /// How many copies its rack has already.
    unused: Reverse<u32>,
    score: u64,
    index: usize,
    rack: u32,
}

/// A partition whose master could be another of its first members.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Offer {
    cost: u64,
    partition: usize,
    place: usize,
}

/// Whether handing a partition over brings two members nearer to what is fair.
fn helps(counts: &[usize], fair: &RangeInclusive<usize>, from: usize, to: usize) -> bool {
    let (from, to) = (get(counts, from), get(counts, to));
    to + 1 < from && (from > *fair.end() || to < *fair.start())
}

fn get(counts: &[usize], index: usize) -> usize {
    counts.get(index).copied().unwrap_or(0)
}

fn add(counts: &mut [usize], index: usize, by: isize) {
    if let Some(count) = counts.get_mut(index) {
        *count = count.saturating_add_signed(by);
    }
}
