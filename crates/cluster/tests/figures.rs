//! What it costs to be a member, and how fast a death is noticed. Run with `--nocapture` to see the figures.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, unreachable_pub)]

mod fleet;

use fleet::{Fleet, Tuning};
use rand::RngExt;
use shipload_cluster::NodeId;

/// A fleet of so many nodes that agrees, started from one seed node.
fn fleet_of(size: u64, seed: u64) -> Fleet {
    let mut fleet = Fleet::new(seed, Tuning::default());
    fleet.checked = size <= 16;
    let first = fleet.start(1, "c", &[]);
    for id in 2..=size {
        fleet.start(id, "c", &[first]);
    }
    fleet.run_until_settled(30_000);
    fleet
}

struct Death {
    first_ms: u64,
    last_ms: u64,
    view_ms: u64,
}

/// Kills a node at a random moment: when the first and the last of the others noticed, and when all had a new view.
fn kill(size: u64, seed: u64, hint: bool) -> Death {
    let mut fleet = fleet_of(size, seed);
    let wait_ms = 3_000 + fleet.rng.random_range(0..500);
    fleet.run_for(wait_ms);
    fleet.nodes.values_mut().for_each(|node| node.downs.clear());
    let victim = fleet.pick().unwrap();
    let dead_ms = fleet.now_ms;
    fleet.crash(victim);
    if hint {
        // Connections of a killed process break at once where its host still answers.
        for id in fleet.nodes.keys().copied().collect::<Vec<NodeId>>() {
            fleet.touch(id, |node, now_ms| {
                node.with_membership(now_ms, |membership, effects| membership.doubt(now_ms, victim, effects));
            });
        }
    }
    fleet.run_until_settled(10_000);
    let noticed: Vec<u64> = fleet
        .nodes
        .values()
        .map(|node| node.downs.iter().find(|(_, id)| *id == victim).unwrap().0 - dead_ms)
        .collect();
    for node in fleet.nodes.values() {
        assert!(node.downs.iter().all(|(_, id)| *id == victim), "a living node was accused");
    }
    Death {
        first_ms: *noticed.iter().min().unwrap(),
        last_ms: *noticed.iter().max().unwrap(),
        view_ms: fleet.now_ms - dead_ms,
    }
}

fn median_and_worst(mut values: Vec<u64>) -> (u64, u64) {
    values.sort_unstable();
    (values[values.len() / 2], values[values.len() - 1])
}

#[test]
fn a_death_is_noticed_in_well_under_a_second() {
    for (size, seeds, hint) in [(3, 60, false), (3, 60, true), (16, 10, false), (64, 2, false)] {
        let deaths: Vec<Death> = (0..seeds).map(|seed| kill(size, seed, hint)).collect();
        let first = median_and_worst(deaths.iter().map(|death| death.first_ms).collect());
        let last = median_and_worst(deaths.iter().map(|death| death.last_ms).collect());
        let view = median_and_worst(deaths.iter().map(|death| death.view_ms).collect());
        let hinted = if hint { ", connections break" } else { "" };
        println!(
            "{size} nodes{hinted}: first noticed after {} ms (worst {}), all after {} ms ({}), new view everywhere after {} ms ({})",
            first.0, first.1, last.0, last.1, view.0, view.1
        );
        if size <= 16 {
            assert!(view.0 < 1_000 && view.1 < 1_500, "too slow");
        }
    }
}

#[test]
fn being_a_member_costs_the_same_in_a_large_cluster() {
    let mut costs = Vec::new();
    for size in [4u64, 16, 64, 256] {
        let mut fleet = fleet_of(size, size);
        // News of the beginning dies out first.
        fleet.run_for(15_000);
        let (bytes, datagrams, fabric) =
            (fleet.network.datagram_bytes, fleet.network.datagrams, fleet.network.fabric_bytes);
        fleet.run_for(10_000);
        let per_node = |after: u64, before: u64| (after - before) as f64 / 10.0 / size as f64;
        let cost = per_node(fleet.network.datagram_bytes, bytes);
        println!(
            "{size} nodes at rest, per node and second: {cost:.0} bytes in {:.1} datagrams; agreement {:.0} bytes",
            per_node(fleet.network.datagrams, datagrams),
            per_node(fleet.network.fabric_bytes, fabric)
        );
        costs.push(cost);
    }
    assert!(costs[3] < costs[0] * 2.0, "the load grows with the cluster: {costs:?}");
}
