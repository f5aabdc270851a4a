//! Streams in one view: order, loss, late views, patience.

mod band;

use band::host::{Record, Store};
use band::{Band, Conditions, NAMESPACE};
use shipload_cluster::fabric::{At, Item, Message};
use shipload_cluster::identity::NodeId;
use shipload_cluster::replication::{self, Effects, Posting, Replication};
use shipload_value::{Digest, PartitionId};
use std::collections::BTreeMap;

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

/// Who leads each partition, and in which reign.
fn reigns(band: &Band) -> BTreeMap<PartitionId, (NodeId, u64)> {
    let of = |partition| {
        let mut all =
            band.hosts.iter().filter_map(|(id, host)| Some((*id, host.ground.streams.reign(partition)?)));
        let leader = all.next()?;
        assert!(all.next().is_none(), "one leads {partition:?}");
        Some((partition, leader))
    };
    PartitionId::all().filter_map(of).collect()
}

#[test]
fn a_reign_lasts_as_long_as_its_master_stays_one() {
    let mut band = pair(1, Conditions { loss_pct: 0, partitions: 64, ..Conditions::default() });
    let first = reigns(&band);
    band.kill(3);
    band.agree(0, &[1, 2]);
    band.settle(0);
    let second = reigns(&band);
    assert_eq!(first.len(), second.len());
    let (mut stayed, mut inherited) = (0, 0);
    for (partition, leader) in &second {
        if first[partition].0 == NodeId(3) {
            inherited += 1;
        } else {
            assert_eq!(first[partition], *leader, "{partition:?} has the same master without a gap");
            stayed += 1;
        }
    }
    assert!(stayed > 0 && inherited > 0);
    // Handed over within a view, and back by another death: each time another reign.
    band.add(3);
    band.agree(0, &[1, 2, 3]);
    band.settle(0);
    let third = reigns(&band);
    band.kill(3);
    band.agree(0, &[1, 2]);
    band.settle(0);
    let handed = third.iter().filter(|(_, leader)| leader.0 == NodeId(3)).map(|(partition, _)| partition);
    let fourth = reigns(&band);
    assert!(handed.clone().count() > 0, "the newcomer got some");
    for partition in handed {
        assert_ne!(second[partition], fourth[partition], "{partition:?} was elsewhere meanwhile");
    }
}

/// A partition is handed over within a view, and the new master's write overtakes one of the master before on its way to a third
/// holder: there it waits.
#[test]
fn what_two_masters_wrote_is_applied_in_their_order() {
    let (before, after) = (NodeId(1), NodeId(2));
    let mut streams = Replication::new(NodeId(3), NAMESPACE, replication::Settings::default());
    let (mut store, mut effects) = (Store::default(), Effects::new());
    let digest = Digest([5; 20]);
    let partition = digest.partition();
    let posting = Posting {
        partition,
        leading: false,
        listeners: Vec::new(),
        sources: vec![before, after],
        gathering: false,
        keeps: None,
    };
    streams.on_view(0, 1, vec![posting], &mut effects);
    let at = At { namespace: NAMESPACE, partition, view: 1 };
    let record =
        |generation: u16| Record { last_update_ms: 100 + u64::from(generation), generation, value: vec![7] };
    let put = |generation| Item::Put { digest, image: record(generation).image().into(), migrated: false };
    let mut arrive = |from, seq, item, store: &mut Store| {
        streams.on_message(0, from, Message::Replica { at, seq, item }, store, &mut Effects::new());
    };
    arrive(after, 1, Item::After { node: before, seq: 2 }, &mut store);
    arrive(after, 2, put(3), &mut store);
    assert_eq!(store.get(&digest), None, "it came before what it replaces");
    arrive(before, 1, put(1), &mut store);
    assert_eq!(store.get(&digest), Some(&record(1)));
    arrive(before, 2, put(2), &mut store);
    assert_eq!(store.get(&digest), Some(&record(3)), "now it was its turn");
}
