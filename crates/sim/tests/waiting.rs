//! Requests that wait until somebody masters their partitions.

use shipload_cluster::NodeId;
use shipload_node::cluster::{Founding, Requester};
use shipload_node::{Executed, Peer};
use shipload_sim::{Settings, World, registers};
use shipload_wire::{Cut, Limits, frame};

/// A batch that is tried every few milliseconds once became a part of a part of a part, and each try hastened the next:
/// a thousand of them within a second, then an answer that went through all.
#[test]
fn a_batch_that_waits_for_a_master_stays_one_request_and_is_tried_in_peace() {
    let mut world = World::new(1, Settings::default());
    let nobody = "10.9.9.9:3002".parse().unwrap();
    world.start(1, &[nobody], Founding::AfterMs(60_000));
    world.run_ms(1000);
    let batch = registers::write_many(&[(1, Some(1)), (2, Some(2)), (3, None)]);
    let mut parked = false;
    world.touch(NodeId(1), |host, now, _| {
        let Cut::Frame { frame, .. } = frame::cut(&batch, &Limits::default()) else { return };
        host.worker.set_requester(Requester::Client { thread: 0, slot: 0, serial: 1 });
        let peer = Peer { address: host.heartbeat, local: host.heartbeat };
        let executed = host.node.execute(&mut host.worker, &frame, &peer, now, &mut Vec::new());
        host.worker.set_requester(Requester::Nobody);
        parked = matches!(executed, Executed::Parked);
    });
    assert!(parked, "a node without a view lets it wait");
    let before = world.figures.events;
    world.run_ms(500);
    let queues = world.hosts[&NodeId(1)].node.queues();
    assert_eq!((queues.deferred, queues.parked), (1, 1));
    let ticks = world.figures.events - before;
    assert!((50..500).contains(&ticks), "{ticks} ticks in half a second");
    world.run_ms(1000);
    let queues = world.hosts[&NodeId(1)].node.queues();
    assert_eq!((queues.deferred, queues.parked), (0, 0), "it is answered when its time is over");
}
