//! Streams in one view: order, loss, late views, patience.

mod band;

use band::{Band, Conditions};
use shipload_cluster::identity::NodeId;
use shipload_cluster::replication;

fn pair(seed: u64, conditions: Conditions) -> Band {
    let mut band = Band::new(seed, conditions);
    (1..=3).for_each(|id| band.add(id));
    band.agree(0, &[1, 2, 3]);
    band.settle(0);
    band
}

#[test]
fn copies_are_equal_whatever_the_network_does() {
    for seed in 0..100 {
        let rf = 1 + (seed % 3) as usize;
        let conditions = Conditions {
            loss_pct: seed % 4 * 10,
            repeat_pct: seed % 5 * 10,
            delay_ms: seed % 7 * 5,
            replication_factor: rf,
            keys: 30,
            ..Conditions::default()
        };
        let mut band = pair(seed, conditions);
        band.run(400, 90);
        band.settle(0);
        band.check_copies(0);
        band.check_writes(0);
        assert!(band.ledger.acked > 100, "{} acknowledged", band.ledger.acked);
        assert_eq!(band.ledger.doubtful, 0, "nothing waits longer than its patience");
    }
}

#[test]
fn an_acknowledged_write_is_on_every_copy_at_that_moment() {
    for seed in 0..50 {
        let mut band = pair(seed, Conditions { keys: 12, ..Conditions::default() });
        for key in band.keys.clone() {
            let before = band.ledger.acked;
            band.write(&key, false);
            while band.ledger.acked == before {
                band.run(1, 0);
            }
            let held = |id: &NodeId| band.hosts[id].ground.store.get(&key).cloned();
            let owners = band.owners(0, key.partition());
            assert!(owners.iter().all(|id| held(id).is_some() && held(id) == held(&owners[0])));
        }
    }
}

#[test]
fn writes_wait_for_a_dead_copy_only_until_the_view_drops_it() {
    for seed in 0..50 {
        let mut band = pair(seed, Conditions { loss_pct: 0, partitions: 24, ..Conditions::default() });
        band.kill(3);
        for key in band.keys.clone() {
            band.write(&key, false);
        }
        band.run(100, 0);
        let waiting: usize = band.hosts.values().map(|host| host.ground.streams.pending_writes()).sum();
        assert!(waiting > 0, "some waited for the dead one");
        band.agree(0, &[1, 2]);
        band.settle(0);
        band.check_copies(0);
        band.check_writes(0);
        assert_eq!(band.ledger.doubtful, 0, "none had to give up");
    }
}

#[test]
fn a_copy_that_stalls_leaves_writes_in_doubt_and_queues_bounded() {
    let replication = replication::Settings {
        patience_ms: 200,
        unacked_bytes_max: 1500,
        resend_ms: 60,
        ..Default::default()
    };
    let mut band = pair(1, Conditions { loss_pct: 0, partitions: 24, replication, ..Conditions::default() });
    band.sides.insert(NodeId(3), 9);
    let keys = band.keys.clone();
    for key in keys.iter().take(150) {
        band.write(key, false);
    }
    assert!(band.hosts.values().any(|host| host.ground.streams.is_overloaded()));
    band.run(300, 0);
    let waiting: usize = band.hosts.values().map(|host| host.ground.streams.pending_writes()).sum();
    assert_eq!(waiting, 0);
    assert!(band.ledger.doubtful > 0);
    // It comes back: what was in doubt is done after all, and the copies are equal.
    band.sides.insert(NodeId(3), 0);
    band.settle(0);
    band.check_copies(0);
}
