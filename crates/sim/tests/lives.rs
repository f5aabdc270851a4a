//! Small lives, each with one thing that can go wrong.

use shipload_cluster::NodeId;
use shipload_node::cluster::Founding;
use shipload_sim::{Settings, World};
use shipload_value::PartitionId;

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

/// Seed 380: a quiesced node stood still until the others called it gone, changed its mind meanwhile, and was back before
/// they had another view. Its wish was heard of by nobody, and it kept what it had released.
#[test]
fn a_node_that_changes_its_mind_while_it_is_gone_gets_its_share_back() {
    let mut world = three(380);
    world.settle(20_000);
    let node = NodeId(1);
    world.touch(node, |host, now, _| host.node.set_quiesced(now, true));
    world.run_ms(500);
    world.settle(20_000);
    assert_fine(&world);
    if let Some(host) = world.hosts.get_mut(&node) {
        host.paused = true;
    }
    let is_missed = |world: &World| !world.hosts[&NodeId(3)].node.cluster.peers().nodes.contains_key(&node);
    while !is_missed(&world) {
        world.run_ms(1);
        assert!(world.now_us < 60_000_000, "nobody misses a node that stands still");
    }
    world.touch(node, |host, now, _| host.node.set_quiesced(now, false));
    world.resume(node);
    world.run_ms(2_000);
    world.settle(20_000);
    world.check_rest();
    assert_fine(&world);
    let host = &world.hosts[&node];
    assert!(
        PartitionId::all().any(|partition| host.node.leads(host.namespace(), partition)),
        "it masters nothing"
    );
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

/// Seed 175: the simulator wanted three copies at run time, nodes refused it unheard, and it lost what it thought to be safe.
#[test]
fn the_number_of_copies_can_be_changed_at_run_time() {
    let mut world = three(175);
    world.settle(20_000);
    world.wake_clients();
    world.run_ms(500);
    for copies in [3, 1, 2] {
        for command in [
            format!("set-config:context=namespace;id=test;replication-factor={copies}"),
            "recluster:".to_owned(),
        ] {
            [1, 2, 3].into_iter().for_each(|id| world.info(NodeId(id), &command));
        }
        world.run_ms(500);
        world.settle(20_000);
        let host = &world.hosts[&NodeId(1)];
        let map = host.node.partition_map(host.namespace()).unwrap();
        assert_eq!(map.map.replication_factor(), copies);
    }
    world.clients_rest = true;
    world.run_ms(8_000);
    world.settle(10_000);
    world.check_rest();
    assert_fine(&world);
}
