//! A few members in virtual time, over a network that a test cuts for a while.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a test")]

use shipload_cluster::membership::{Effect, Membership, Settings};
use shipload_cluster::{Attributes, ClusterName, Incarnation, NodeId};
use std::collections::VecDeque;
use std::net::SocketAddr;

/// Members at 127.0.0.1, each with its number as its port; datagrams take a millisecond.
struct Few {
    members: Vec<Membership>,
    on_the_way: VecDeque<(SocketAddr, SocketAddr, Vec<u8>)>,
    now_ms: u64,
    /// Nothing comes from this one, and nothing gets there.
    cut_off: Option<usize>,
    news: Vec<(usize, Effect)>,
}

fn at(number: usize) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], u16::try_from(number + 1).unwrap()))
}

impl Few {
    fn new(count: usize, seed: u64) -> Few {
        let name = ClusterName::new("c").unwrap();
        let member = |number: usize| {
            let attributes = Attributes::at(at(number), at(number));
            let id = NodeId(number as u64 + 1);
            Membership::new(id, Incarnation(1), &name, attributes, Settings::default(), id.0 + seed * 100)
        };
        let members = (0..count).map(member).collect();
        let mut few =
            Few { members, on_the_way: VecDeque::new(), now_ms: 0, cut_off: None, news: Vec::new() };
        for number in 1..count {
            let mut effects = Vec::new();
            few.members[number].set_seeds(0, &[at(0)], &mut effects);
            few.act(number, effects);
        }
        few
    }

    fn act(&mut self, number: usize, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Send { to, bytes } => self.on_the_way.push_back((at(number), to, bytes)),
                other => self.news.push((number, other)),
            }
        }
    }

    fn run(&mut self, for_ms: u64) {
        for _ in 0..for_ms {
            self.now_ms += 1;
            for (from, to, bytes) in std::mem::take(&mut self.on_the_way) {
                let number = usize::from(to.port() - 1);
                let ends = [Some(usize::from(from.port() - 1)), Some(number)];
                let lost = self.cut_off.is_some() && ends.contains(&self.cut_off);
                if !lost && number < self.members.len() {
                    let mut effects = Vec::new();
                    self.members[number].on_datagram(self.now_ms, from, &bytes, &mut effects);
                    self.act(number, effects);
                }
            }
            for number in 0..self.members.len() {
                if self.members[number].wake_at_ms() <= self.now_ms {
                    let mut effects = Vec::new();
                    self.members[number].on_tick(self.now_ms, &mut effects);
                    self.act(number, effects);
                }
                self.members[number].assert_invariants();
            }
        }
    }
}

#[test]
fn a_suspicion_that_is_refuted_has_no_consequences() {
    for cut_ms in (50..=250).step_by(10) {
        let mut pair = Few::new(2, 0);
        pair.run(1000);
        assert_eq!(pair.news.len(), 2, "both are up: {:?}", pair.news);
        pair.news.clear();
        pair.cut_off = Some(1);
        pair.run(cut_ms);
        pair.cut_off = None;
        pair.run(3000);
        assert_eq!(pair.news, [], "after a cut of {cut_ms} ms");
    }
}

#[test]
fn a_member_that_stays_silent_is_dead_and_comes_back() {
    let mut pair = Few::new(2, 0);
    pair.run(1000);
    pair.news.clear();
    pair.cut_off = Some(1);
    pair.run(1000);
    let down = |number: usize| (number, Effect::Down { node: NodeId(2 - number as u64) });
    pair.news.sort_by_key(|(number, _)| *number);
    assert_eq!(pair.news, [down(0), down(1)]);
    pair.news.clear();
    pair.cut_off = None;
    pair.run(5000);
    let up =
        |number: usize| pair.news.iter().any(|(at, one)| *at == number && matches!(one, Effect::Up { .. }));
    assert!(up(0) && up(1), "{:?}", pair.news);
}

#[test]
fn those_who_hear_each_other_do_not_believe_that_one_of_them_is_dead() {
    for seed in 0..50 {
        let mut few = Few::new(3, seed);
        few.run(2000);
        few.cut_off = Some(1);
        few.run(2000);
        few.news.clear();
        // Who was cut off has taken the others for dead, and says so when it is back.
        few.cut_off = None;
        few.run(5000);
        let gone: Vec<_> = few.news.iter().filter(|(_, one)| matches!(one, Effect::Down { .. })).collect();
        assert!(gone.is_empty(), "seed {seed}: {gone:?}");
        assert!(
            few.members.iter().all(|member| member.members().count() == 2),
            "seed {seed}: {:?}",
            few.news
        );
    }
}

#[test]
fn a_farewell_is_believed_also_by_those_who_hear_of_it_from_others() {
    for seed in 0..20 {
        let mut few = Few::new(3, seed);
        few.run(2000);
        few.news.clear();
        let mut effects = Vec::new();
        let now_ms = few.now_ms;
        few.members[1].leave(now_ms, &mut effects);
        // Only one of the others gets it from the leaver itself.
        effects.retain(|effect| !matches!(effect, Effect::Send { to, .. } if *to == at(2)));
        few.act(1, effects);
        few.run(700);
        let gone: Vec<_> = few.news.iter().filter(|(_, one)| matches!(one, Effect::Down { .. })).collect();
        assert_eq!(gone.len(), 2, "seed {seed}: {:?}", few.news);
    }
}
