//! A life: a cluster forms, faults come, faults stop, the cluster must come to rest and keep what it promised; several
//! times over.

use crate::canary::Canary;
use crate::draw::Draw;
use crate::figures::Figures;
use crate::host::HostSettings;
use crate::registers;
use crate::world::{Settings, World};
use shipload_cluster::NodeId;
use shipload_node::cluster::Founding;

/// A new cluster is at rest after so long, milliseconds.
const FORM_MS: u64 = 20_000;
/// After faults stop, rest comes within so long, milliseconds.
const REST_MS: u64 = 60_000;
/// Copies of which new masters don't know are gone after so long, milliseconds.
const UNTAINTED_MS: u64 = 15_000;
/// After clients stop, no request of theirs is under way any more, milliseconds.
const DRAIN_MS: u64 = 7_000;

/// How a life ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// A hash of all that happened.
    pub trace: u64,
    /// What was wrong; nothing in a good life.
    pub violations: Vec<String>,
    /// What happened.
    pub figures: Figures,
    /// How long each peace took, milliseconds.
    pub rests_ms: Vec<u64>,
}

/// How the world of a seed is.
#[must_use]
pub fn settings(seed: u64, canary: Option<Canary>) -> Settings {
    let mut draw = Draw::new(seed ^ 0x5e77_1265);
    let copies = draw.pick(&[2, 2, 2, 2, 3, 1]).unwrap_or(2);
    let latest_wins = draw.chance(400);
    let racks = draw.pick(&[1, 1, 2, 3]).unwrap_or(1);
    let disks = draw.chance(350);
    let skew_ms = draw.pick(&[0, 0, 50, 3_600_000]).unwrap_or(0);
    let fast_ppm = draw.pick(&[0, 100, 1_000]).unwrap_or(0);
    let cached = draw.chance(120) || matches!(canary, Some(Canary::NoTaint | Canary::NoStale));
    Settings {
        host: HostSettings { copies, latest_wins, racks, disks, cached },
        skew_ms,
        fast_ppm,
        canary,
        ..Settings::default()
    }
}

/// Lives a seed. `verbose` tells what happens, `watched` what becomes of a record.
#[must_use]
pub fn live(seed: u64, canary: Option<Canary>, verbose: bool, watched: Option<usize>) -> Outcome {
    let mut world = World::new(seed, settings(seed, canary));
    world.verbose = verbose;
    world.watched = watched;
    let mut rests_ms = Vec::new();
    form(&mut world);
    let rounds = world.draw.between((1, 3));
    for _ in 0..rounds {
        if !world.violations.is_empty() {
            break;
        }
        trouble(&mut world);
        rests_ms.push(peace(&mut world));
    }
    Outcome { seed, trace: world.trace, violations: world.violations, figures: world.figures, rests_ms }
}

/// Some nodes become a cluster.
fn form(world: &mut World) {
    let size = world.draw.between((1, 5));
    let first = world.next_address();
    world.start(10, &[], Founding::AtOnce);
    for index in 1..size {
        let pause_ms = world.draw.pick(&[0, 0, 30, 700]).unwrap_or(0);
        world.run_ms(pause_ms);
        world.start(10 + index, &[first], Founding::AfterMs(2_000));
    }
    world.settle(FORM_MS);
    if world.draw.chance(700) {
        world.info(NodeId(10), &registers::index_command());
    }
    world.wake_clients();
    let pause_ms = world.draw.between((200, 1_500));
    world.run_ms(pause_ms);
    world.diverged = false;
    if world.settings.host.cached {
        // Until then new masters don't know all copies, and nothing is trusted.
        world.run_ms(UNTAINTED_MS);
    }
}

/// Faults come.
fn trouble(world: &mut World) {
    let patience_ms = world.draw.pick(&[300, 1_000, 4_000]).unwrap_or(1_000);
    for _ in 0..world.draw.between((1, 6)) {
        world.fault();
        world.check_queues();
        let pause_ms = world.draw.between((1, patience_ms));
        world.run_ms(pause_ms);
    }
}

/// Faults stop: rest must come, and then everything is looked at.
fn peace(world: &mut World) -> u64 {
    world.say(|| "peace".to_owned());
    world.network.calm();
    world.mend();
    world.resume_all();
    let addresses = world.addresses();
    let nodes: Vec<NodeId> = world.hosts.keys().copied().collect();
    for node in nodes {
        world.touch(node, |host, now, out| {
            // The name service knows everybody: a node whose only seed is gone could not be found otherwise.
            host.node.set_candidates(now, &addresses, out);
            host.node.set_quiesced(now, false);
        });
    }
    if world.draw.chance(500) {
        world.network.slow_fabric.clear();
    }
    if world.draw.chance(500) {
        // What is written last is not written again: nothing heals it.
        let pause_ms = world.draw.between((0, 2_000));
        world.run_ms(pause_ms);
        world.clients_rest = true;
    }
    let took_ms = world.settle(REST_MS);
    if let Some(copies) = world.coming_copies.take().filter(|_| world.violations.is_empty()) {
        world.settings.host.copies = copies;
    }
    world.clients_rest = true;
    world.run_ms(DRAIN_MS);
    world.settle(REST_MS);
    if world.violations.is_empty() {
        world.check_rest();
        // Where clocks don't agree, a record of a fast one is younger than the truncate.
        if world.settings.skew_ms == 0 && world.violations.is_empty() && world.draw.chance(300) {
            world.truncate_registers();
        }
        world.wake_clients();
    }
    took_ms
}
