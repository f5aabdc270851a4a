//! Small lives, each with one thing that can go wrong.

use shipload_node::cluster::Founding;
use shipload_sim::{Settings, World};

fn three(seed: u64) -> World {
    let mut world = World::new(seed, Settings::default());
    world.verbose = std::env::var("SIM_VERBOSE").is_ok();
    let first = world.next_address();
    world.start(1, &[], Founding::AtOnce);
    world.start(2, &[first], Founding::AfterMs(1500));
    world.start(3, &[first], Founding::AfterMs(1500));
    world
}

fn assert_fine(world: &World) {
    assert!(world.violations.is_empty(), "{:#?}", world.violations);
}

#[test]
fn three_nodes_form_a_cluster_and_keep_what_is_written() {
    let mut world = three(1);
    let took_ms = world.settle(20_000);
    assert_fine(&world);
    world.wake_clients();
    world.run_ms(3_000);
    world.clients_rest = true;
    world.run_ms(8_000);
    world.settle(10_000);
    world.check_rest();
    println!("at rest after {took_ms} ms; {}", world.figures);
    assert_fine(&world);
    assert!(world.figures.acknowledged > 200 && world.figures.doubtful == 0, "{}", world.figures);
}
