//! Two members in virtual time, over a network that a test cuts for a while.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a test")]

use shipload_cluster::membership::{Effect, Membership, Settings};
use shipload_cluster::{Attributes, ClusterName, Incarnation, NodeId};
use std::collections::VecDeque;
use std::net::SocketAddr;

/// Members at 127.0.0.1, each with its number as its port; datagrams take a millisecond.
struct Pair {
    members: Vec<Membership>,
    on_the_way: VecDeque<(SocketAddr, SocketAddr, Vec<u8>)>,
    now_ms: u64,
    cut: bool,
    news: Vec<(usize, Effect)>,
}

fn at(number: usize) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], u16::try_from(number + 1).unwrap()))
}

impl Pair {
    fn new() -> Pair {
        let name = ClusterName::new("c").unwrap();
        let member = |number: usize| {
            let attributes = Attributes::at(at(number), at(number));
            let id = NodeId(number as u64 + 1);
            Membership::new(id, Incarnation(1), &name, attributes, Settings::default(), id.0)
        };
        let members = vec![member(0), member(1)];
        let mut pair = Pair { members, on_the_way: VecDeque::new(), now_ms: 0, cut: false, news: Vec::new() };
        let mut effects = Vec::new();
        pair.members[1].set_seeds(0, &[at(0)], &mut effects);
        pair.act(1, effects);
        pair
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
                if !self.cut && number < self.members.len() {
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
        let mut pair = Pair::new();
        pair.run(1000);
        assert_eq!(pair.news.len(), 2, "both are up: {:?}", pair.news);
        pair.news.clear();
        pair.cut = true;
        pair.run(cut_ms);
        pair.cut = false;
        pair.run(3000);
        assert_eq!(pair.news, [], "after a cut of {cut_ms} ms");
    }
}

#[test]
fn a_member_that_stays_silent_is_dead_and_comes_back() {
    let mut pair = Pair::new();
    pair.run(1000);
    pair.news.clear();
    pair.cut = true;
    pair.run(1000);
    let down = |number: usize| (number, Effect::Down { node: NodeId(2 - number as u64) });
    pair.news.sort_by_key(|(number, _)| *number);
    assert_eq!(pair.news, [down(0), down(1)]);
    pair.news.clear();
    pair.cut = false;
    pair.run(5000);
    let up =
        |number: usize| pair.news.iter().any(|(at, one)| *at == number && matches!(one, Effect::Up { .. }));
    assert!(up(0) && up(1), "{:?}", pair.news);
}
