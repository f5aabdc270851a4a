//! Which seeds are to be asked for when, and what they stood for last.
//!
//! Guarantees: every seed is asked for again for ever, often while the node is alone or the seed has never had an
//! address; nothing is concluded from a seed that fails: what it stood for last is kept for a while, then dropped.
//! Pure: the time comes in, names are looked up by the caller.

use super::dns::ResolveError;
use super::seed_address::SeedAddress;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

/// How often a seed is asked for while the node is alone or the seed has never had an address.
const SEEK_MS: u64 = 500;
/// How often in company.
const REST_MS: u64 = 2000;
/// How long the last addresses of a seed count that has none now.
const KEEP_MS: u64 = 30_000;
/// How often a seed that fails is told of.
const TELL_MS: u64 = 60_000;

/// Something about a seed that belongs into the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SeedNews {
    /// It has addresses: for the first time, or again after it failed.
    Found(SeedAddress, Vec<IpAddr>),
    /// It has other addresses than before.
    Moved(SeedAddress, Vec<IpAddr>),
    /// It has none; told once, and then once a minute.
    Failed(SeedAddress, ResolveError),
}

#[derive(Debug)]
struct Entry {
    seed: SeedAddress,
    asked_ms: Option<u64>,
    in_flight: bool,
    addresses: Vec<IpAddr>,
    /// When it last had addresses.
    found_ms: Option<u64>,
    /// When its failing was last told; none while it does not fail.
    told_ms: Option<u64>,
}

/// All seeds with what is known of them.
#[derive(Debug, Default)]
pub(super) struct SeedBook {
    entries: Vec<Entry>,
}

impl SeedBook {
    /// From now on these are the seeds. Those that were there already keep what is known of them.
    pub(super) fn set_seeds(&mut self, seeds: &[SeedAddress]) {
        self.entries.retain(|entry| seeds.contains(&entry.seed));
        for seed in seeds {
            if !self.entries.iter().any(|entry| entry.seed == *seed) {
                self.entries.push(Entry {
                    seed: seed.clone(),
                    asked_ms: None,
                    in_flight: false,
                    addresses: Vec::new(),
                    found_ms: None,
                    told_ms: None,
                });
            }
        }
    }

    /// Which seeds to ask for now, at most so many; each is answered later by [`SeedBook::answered`].
    pub(super) fn due(&mut self, now_ms: u64, alone: bool, most: usize) -> Vec<SeedAddress> {
        let due = self.entries.iter_mut().filter(|entry| !entry.in_flight && entry.due_ms(alone) <= now_ms);
        let taken = due.take(most).map(|entry| {
            entry.asked_ms = Some(now_ms);
            entry.in_flight = true;
            entry.seed.clone()
        });
        taken.collect()
    }

    /// How many seeds are being asked for.
    pub(super) fn in_flight(&self) -> usize {
        self.entries.iter().filter(|entry| entry.in_flight).count()
    }

    /// What asking for a seed gave. The answer is what to log.
    pub(super) fn answered(
        &mut self,
        now_ms: u64,
        seed: &SeedAddress,
        answer: Result<Vec<IpAddr>, ResolveError>,
    ) -> Option<SeedNews> {
        let entry = self.entries.iter_mut().find(|entry| entry.seed == *seed)?;
        entry.in_flight = false;
        match answer {
            Ok(addresses) => {
                let first = entry.found_ms.is_none() || entry.told_ms.is_some();
                let moved = entry.addresses != addresses;
                (entry.found_ms, entry.told_ms) = (Some(now_ms), None);
                entry.addresses.clone_from(&addresses);
                match (first, moved) {
                    (true, _) => Some(SeedNews::Found(seed.clone(), addresses)),
                    (false, true) => Some(SeedNews::Moved(seed.clone(), addresses)),
                    (false, false) => None,
                }
            }
            Err(error) => {
                let tell = entry.told_ms.is_none_or(|told_ms| now_ms.saturating_sub(told_ms) >= TELL_MS);
                tell.then(|| {
                    entry.told_ms = Some(now_ms);
                    SeedNews::Failed(seed.clone(), error)
                })
            }
        }
    }

    /// All addresses that all seeds stand for now, in order.
    pub(super) fn addresses(&mut self, now_ms: u64) -> Vec<SocketAddr> {
        let mut all = BTreeSet::new();
        for entry in &mut self.entries {
            if entry.found_ms.is_some_and(|found_ms| now_ms.saturating_sub(found_ms) >= KEEP_MS) {
                entry.addresses.clear();
            }
            all.extend(entry.addresses.iter().map(|ip| SocketAddr::new(*ip, entry.seed.port)));
        }
        all.into_iter().collect()
    }

    /// When [`SeedBook::due`] has something next; `u64::MAX` when only answers are waited for.
    pub(super) fn wake_at_ms(&self, alone: bool) -> u64 {
        let resting = self.entries.iter().filter(|entry| !entry.in_flight);
        resting.map(|entry| entry.due_ms(alone)).min().unwrap_or(u64::MAX)
    }
}

impl Entry {
    fn due_ms(&self, alone: bool) -> u64 {
        let period_ms = if alone || self.found_ms.is_none() { SEEK_MS } else { REST_MS };
        self.asked_ms.map_or(0, |asked_ms| asked_ms.saturating_add(period_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::{SeedBook, SeedNews};
    use crate::cluster::dns::ResolveError;
    use crate::cluster::seed_address::SeedAddress;
    use std::net::IpAddr;

    fn seed(host: &str) -> SeedAddress {
        SeedAddress::parse(host, 3002).expect("a seed")
    }

    fn ips(last: &[u8]) -> Vec<IpAddr> {
        last.iter().map(|last| IpAddr::from([10, 0, 0, *last])).collect()
    }

    fn hosts(seeds: &[SeedAddress]) -> Vec<&str> {
        seeds.iter().map(|seed| seed.host.as_str()).collect()
    }

    #[test]
    fn seeds_are_asked_for_again_for_ever() {
        let mut book = SeedBook::default();
        book.set_seeds(&[seed("a"), seed("b")]);
        let mut asked = [0, 0];
        for now_ms in 0..60_000 {
            // In company from the tenth second on; `b` never has an address.
            for due in book.due(now_ms, now_ms < 10_000, 9) {
                let is_a = due.host == "a";
                asked[usize::from(!is_a)] += 1;
                let answer = if is_a { Ok(ips(&[1])) } else { Err(ResolveError::NotFound) };
                book.answered(now_ms, &due, answer);
            }
        }
        assert_eq!(asked, [20 + 25, 120]);
    }

    #[test]
    fn what_is_being_asked_for_is_not_asked_for_again() {
        let mut book = SeedBook::default();
        book.set_seeds(&[seed("a"), seed("b"), seed("c")]);
        assert_eq!(hosts(&book.due(0, true, 2)), ["a", "b"]);
        assert_eq!((book.in_flight(), book.wake_at_ms(true)), (2, 0));
        assert_eq!(hosts(&book.due(0, true, 2)), ["c"]);
        assert_eq!(book.wake_at_ms(true), u64::MAX);
        assert!(book.due(100_000, true, 9).is_empty());
        book.answered(100_000, &seed("b"), Err(ResolveError::NotFound));
        assert_eq!(hosts(&book.due(100_000, true, 9)), ["b"]);
    }

    #[test]
    fn new_seeds_are_asked_for_at_once_and_old_ones_are_forgotten() {
        let mut book = SeedBook::default();
        book.set_seeds(&[seed("a")]);
        book.due(0, true, 9);
        book.answered(0, &seed("a"), Ok(ips(&[1, 2])));
        book.set_seeds(&[seed("b"), seed("a")]);
        assert_eq!(hosts(&book.due(1, true, 9)), ["b"]);
        book.set_seeds(&[seed("b")]);
        assert!(book.addresses(1).is_empty());
        assert_eq!(book.answered(2, &seed("a"), Ok(ips(&[1]))), None, "late, and nobody wants it");
        assert!(book.addresses(2).is_empty());
    }

    #[test]
    fn addresses_outlive_a_failure_for_a_while() {
        let mut book = SeedBook::default();
        book.set_seeds(&[seed("a"), seed("b:3102")]);
        book.due(0, true, 9);
        book.answered(0, &seed("a"), Ok(ips(&[2, 1])));
        book.answered(5000, &seed("b:3102"), Ok(ips(&[1])));
        let text = |book: &mut SeedBook, now_ms| {
            book.addresses(now_ms).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(text(&mut book, 5000), ["10.0.0.1:3002", "10.0.0.1:3102", "10.0.0.2:3002"]);
        book.answered(29_000, &seed("a"), Err(ResolveError::NotFound));
        assert_eq!(text(&mut book, 29_999).len(), 3);
        assert_eq!(text(&mut book, 30_000), ["10.0.0.1:3102"]);
        assert!(text(&mut book, 35_000).is_empty());
    }

    #[test]
    fn a_seed_that_fails_is_told_once_a_minute() {
        let mut book = SeedBook::default();
        book.set_seeds(&[seed("a")]);
        let mut told = Vec::new();
        let mut answer = |now_ms, answer| told.extend(book.answered(now_ms, &seed("a"), answer));
        for now_ms in (0..=120_000).step_by(500) {
            answer(now_ms, Err(ResolveError::NotFound));
        }
        answer(121_000, Ok(ips(&[1])));
        answer(122_000, Ok(ips(&[1])));
        answer(123_000, Ok(ips(&[2])));
        answer(124_000, Err(ResolveError::NotFound));
        answer(125_000, Ok(ips(&[2])));
        let failed = || SeedNews::Failed(seed("a"), ResolveError::NotFound);
        let expected = [
            failed(),
            failed(),
            failed(),
            SeedNews::Found(seed("a"), ips(&[1])),
            SeedNews::Moved(seed("a"), ips(&[2])),
            failed(),
            SeedNews::Found(seed("a"), ips(&[2])),
        ];
        assert_eq!(told, expected);
    }
}
