//! Nodes find each other and agree, whatever the network does: from seeds, in virtual time.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, unreachable_pub)]

mod fleet;

use std::net::SocketAddr;

use fleet::{Fleet, Tuning};
use rand::RngExt;
use shipload_cluster::NodeId;

/// After faults stop, all must agree within this much virtual time.
const CONVERGE_MS: u64 = 60_000;

fn start_all(fleet: &mut Fleet, ids: &[u64]) -> Vec<SocketAddr> {
    let mut seeds: Vec<SocketAddr> = Vec::new();
    for id in ids {
        let address = fleet.start(*id, "c", &seeds);
        seeds.push(address);
    }
    seeds
}

#[test]
fn three_nodes_become_one_cluster_quickly() {
    let mut fleet = Fleet::new(1, Tuning::default());
    start_all(&mut fleet, &[10, 20, 30]);
    let took_ms = fleet.run_until_settled(2_000);
    let view = fleet.nodes[&NodeId(10)].agreement.committed().unwrap().view.clone();
    assert_eq!(view.members, [NodeId(10), NodeId(20), NodeId(30)]);
    assert_eq!(view.principal(), Some(NodeId(30)));
    println!("three nodes agreed after {took_ms} ms");
}

#[test]
fn a_node_that_comes_back_at_another_address_is_the_same_node() {
    let mut fleet = Fleet::new(2, Tuning::default());
    let seeds = start_all(&mut fleet, &[10, 20, 30]);
    fleet.run_until_settled(2_000);
    fleet.crash(NodeId(20));
    fleet.run_for(100);
    fleet.start(20, "c", &seeds[..1]);
    fleet.run_until_settled(3_000);
    assert_eq!(fleet.nodes[&NodeId(30)].agreement.committed().unwrap().view.members.len(), 3);
}

#[test]
fn a_frozen_node_is_left_out_and_comes_back() {
    let mut fleet = Fleet::new(3, Tuning::default());
    start_all(&mut fleet, &[10, 20, 30]);
    fleet.run_until_settled(2_000);
    fleet.run_for(1_000);
    fleet.frozen.insert(NodeId(20));
    fleet.run_for(3_000);
    let members =
        |fleet: &Fleet, id| fleet.nodes[&NodeId(id)].agreement.committed().unwrap().view.members.clone();
    assert_eq!(members(&fleet, 10), [NodeId(10), NodeId(30)]);
    fleet.frozen.clear();
    fleet.run_until_settled(5_000);
    assert!(
        fleet.nodes[&NodeId(20)].downs.len() <= 2,
        "the frozen node accused others: {:?}",
        fleet.nodes[&NodeId(20)].downs
    );
    assert_eq!(members(&fleet, 10).len(), 3);
}

#[test]
fn two_halves_of_a_split_go_on_and_meet_again() {
    for seed in 0..20 {
        let mut fleet = Fleet::new(seed, Tuning::default());
        start_all(&mut fleet, &[10, 20, 30, 40]);
        fleet.run_until_settled(2_000);
        cut(&mut fleet, |left, right| (left.0 <= 20) != (right.0 <= 20));
        fleet.run_for(5_000);
        let members =
            |fleet: &Fleet, id| fleet.nodes[&NodeId(id)].agreement.committed().unwrap().view.members.clone();
        assert_eq!(members(&fleet, 10), [NodeId(10), NodeId(20)]);
        assert_eq!(members(&fleet, 40), [NodeId(30), NodeId(40)]);
        fleet.network.calm();
        fleet.run_until_settled(10_000);
    }
}

#[test]
fn a_pair_that_lost_each_other_meets_again_without_seeds() {
    let mut fleet = Fleet::new(5, Tuning::default());
    start_all(&mut fleet, &[10, 20]);
    fleet.run_until_settled(2_000);
    for id in [10, 20] {
        fleet.nodes.get_mut(&NodeId(id)).unwrap().membership.clear_seeds();
    }
    cut(&mut fleet, |_, _| true);
    fleet.run_for(30_000);
    fleet.network.calm();
    let took_ms = fleet.run_until_settled(10_000);
    println!("a split pair met again after {took_ms} ms");
}

#[test]
fn clusters_of_different_names_never_mix() {
    let mut fleet = Fleet::new(6, Tuning::default());
    let mut seeds = Vec::new();
    for id in 1..=6 {
        let name = if id % 2 == 0 { "even" } else { "odd" };
        let address = fleet.start(id, name, &seeds);
        seeds.push(address);
    }
    fleet.run_for(20_000);
    fleet.run_until_settled(20_000);
    let refused = |node: &fleet::node::Node| {
        node.refused.contains(&shipload_cluster::membership::Refusal::OtherCluster)
    };
    assert!(fleet.nodes.values().any(refused));
}

#[test]
fn a_busy_but_living_cluster_accuses_nobody() {
    let mut fleet = Fleet::new(7, Tuning::default());
    start_all(&mut fleet, &[10, 20, 30, 40, 50]);
    fleet.run_until_settled(2_000);
    fleet.nodes.values_mut().for_each(|node| node.downs.clear());
    fleet.network.delay_ms = 0..=40;
    fleet.network.loss_permille = 10;
    // Each node stands still for up to 200 ms now and then, as on a machine with too little CPU.
    let end_ms = fleet.now_ms + 600_000;
    while fleet.now_ms < end_ms {
        let node = fleet.pick().unwrap();
        fleet.frozen.insert(node);
        let pause_ms = fleet.rng.random_range(20..=200);
        fleet.run_for(pause_ms);
        fleet.frozen.remove(&node);
        fleet.run_for(300);
    }
    let downs: usize = fleet.nodes.values().map(|node| node.downs.len()).sum();
    assert_eq!(downs, 0, "accusations in ten minutes");
}

fn cut(fleet: &mut Fleet, apart: impl Fn(NodeId, NodeId) -> bool) {
    for (left, one) in &fleet.nodes {
        for (right, other) in &fleet.nodes {
            if left != right && apart(*left, *right) {
                fleet.network.cut.insert((one.address, other.address));
            }
        }
    }
}

/// One random life of a fleet: faults for a while, then calm. Returns the trace and how long the peace took.
fn live(seed: u64) -> (u64, u64) {
    let mut fleet = Fleet::new(seed, Tuning::default());
    let size = fleet.rng.random_range(1..=6u64);
    let mut addresses = vec![fleet.start(100, "c", &[])];
    for id in 1..size {
        let seeds = addresses.clone();
        // Some seeds answer late: they are told of but not there yet.
        if fleet.rng.random_range(0..4) == 0 {
            fleet.run_for(700);
        }
        let address = fleet.start(100 + id, "c", &seeds);
        addresses.push(address);
    }
    fleet.network.delay_ms = 0..=fleet.rng.random_range(1..=30);
    fleet.network.loss_permille = [0, 20, 100, 300][fleet.rng.random_range(0..4)];
    fleet.network.double_permille = [0, 50, 300][fleet.rng.random_range(0..3)];
    // In half of the lives one fault comes before the last one could heal.
    let most_ms = [300, 3_000][fleet.rng.random_range(0..2)];
    for _ in 0..fleet.rng.random_range(1..12) {
        fault(&mut fleet, size);
        let ms = fleet.rng.random_range(1..most_ms);
        fleet.run_for(ms);
    }
    fleet.network.calm();
    fleet.frozen.clear();
    let everywhere: Vec<SocketAddr> = fleet.nodes.values().map(|node| node.address).collect();
    // In the end the name service knows everybody: a node whose only seed is dead could not be found otherwise.
    for id in fleet.nodes.keys().copied().collect::<Vec<_>>() {
        fleet.touch(id, |node, now_ms| node.set_seeds(now_ms, &everywhere));
    }
    let took_ms = fleet.run_until_settled(CONVERGE_MS);
    // Peace lasts.
    let views: Vec<_> = fleet.nodes.values().map(|node| node.agreement.committed().cloned()).collect();
    fleet.run_for(5_000);
    let later: Vec<_> = fleet.nodes.values().map(|node| node.agreement.committed().cloned()).collect();
    assert_eq!(views, later, "a view at rest changed");
    (fleet.trace, took_ms)
}

fn fault(fleet: &mut Fleet, size: u64) {
    let Some(node) = fleet.pick() else { return };
    match fleet.rng.random_range(0..7) {
        0 => fleet.crash(node),
        1 | 2 => {
            let id = 100 + fleet.rng.random_range(0..size);
            let seeds: Vec<SocketAddr> = fleet.nodes.values().map(|node| node.address).collect();
            fleet.start(id, "c", &seeds);
        }
        3 => {
            let side = fleet.rng.random_range(0..64u64);
            cut(fleet, |left, right| (side >> (left.0 - 100) ^ side >> (right.0 - 100)) & 1 == 1);
        }
        4 => {
            // One way only.
            let other = fleet.pick().unwrap();
            let pair = (fleet.address(node), fleet.address(other));
            fleet.network.cut.insert(pair);
        }
        5 => {
            fleet.frozen.insert(node);
        }
        _ => {
            fleet.network.cut.clear();
            fleet.frozen.clear();
        }
    }
}

#[test]
fn whatever_happens_the_living_agree_in_the_end() {
    let seeds: u64 = std::env::var("FLEET_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(200);
    let first: u64 = std::env::var("FLEET_FIRST").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut took: Vec<u64> = Vec::new();
    for seed in first..first + seeds {
        let outcome = std::panic::catch_unwind(|| live(seed));
        let Ok((_, took_ms)) = outcome else { panic!("seed {seed}") };
        took.push(took_ms);
    }
    took.sort_unstable();
    println!(
        "{seeds} lives: agreed after {} ms (median), {} ms (worst)",
        took[took.len() / 2],
        took[took.len() - 1]
    );
}

#[test]
fn the_same_seed_leaves_the_same_trace() {
    for seed in 0..10 {
        assert_eq!(live(seed), live(seed), "seed {seed}");
    }
    assert_ne!(live(1).0, live(2).0);
}
