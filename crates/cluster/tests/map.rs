//! The partition map against a naive solver, and the properties that it promises.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::{ProptestConfig, Strategy, any, prop, proptest};
use shipload_cluster::agreement::{Committed, Standing};
use shipload_cluster::identity::mix;
use shipload_cluster::map::{PartitionMap, assign, duties};
use shipload_cluster::{Incarnation, Inventory, NodeId, Relation, Version, View};
use shipload_value::PartitionId;

const NAMESPACE: &str = "test";

/// A committed view of these members: id, rack, quiesced.
fn committed(members: &BTreeMap<u64, (u32, bool)>, copies: u8) -> Committed {
    let mut inventory = Inventory::default();
    inventory.namespace_mut(NAMESPACE).replication_factor = copies;
    let standing = |(rack, quiesced): &(u32, bool)| Standing {
        incarnation: Incarnation(1),
        rack: *rack,
        quiesced: *quiesced,
        inventory: inventory.clone(),
    };
    let view = View { epoch: 1, key: 99, members: members.keys().copied().map(NodeId).collect() };
    Committed { view, standings: members.values().map(standing).collect() }
}

fn plain(ids: &BTreeSet<u64>) -> BTreeMap<u64, (u32, bool)> {
    ids.iter().map(|id| (*id, (0, false))).collect()
}

fn map_of(members: &BTreeMap<u64, (u32, bool)>, copies: u8) -> PartitionMap {
    assign(&committed(members, copies), NAMESPACE).unwrap()
}

fn masters(map: &PartitionMap) -> BTreeMap<NodeId, usize> {
    let mut counts = BTreeMap::new();
    PartitionId::all()
        .for_each(|partition| *counts.entry(map.rightful(partition).unwrap()).or_insert(0) += 1);
    counts
}

fn owner_set(map: &PartitionMap, partition: PartitionId) -> BTreeSet<NodeId> {
    map.owners(partition).iter().copied().collect()
}

/// The owners of a partition by the rule as one would say it aloud: take members one by one, awake ones before quiesced
/// ones, from the racks that have the fewest copies, the highest score first.
fn naive_owners(
    members: &BTreeMap<u64, (u32, bool)>,
    partition: PartitionId,
    copies: usize,
) -> BTreeSet<NodeId> {
    let mut left: Vec<u64> = members.keys().copied().collect();
    let mut owners: Vec<u64> = Vec::new();
    while owners.len() < copies.min(members.len()) {
        let wakeful: Vec<u64> = left.iter().copied().filter(|id| !members[id].1).collect();
        let pool = if wakeful.is_empty() { left.clone() } else { wakeful };
        let used = |id: &u64| owners.iter().filter(|owner| members[owner].0 == members[id].0).count();
        let least = pool.iter().map(used).min().unwrap();
        let score = |id: &u64| mix(mix(*id) ^ u64::from(partition.number()));
        let chosen = pool.iter().copied().filter(|id| used(id) == least).max_by_key(score).unwrap();
        left.retain(|id| *id != chosen);
        owners.push(chosen);
    }
    owners.into_iter().map(NodeId).collect()
}

fn ids(size: std::ops::Range<usize>) -> impl Strategy<Value = BTreeSet<u64>> {
    btree_set(1..u64::MAX, size)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn owners_are_those_of_the_naive_solver(
        members in btree_map(1..u64::MAX, (0u32..4, prop::bool::weighted(0.2)), 1..9),
        copies in 2u8..5,
    ) {
        let map = map_of(&members, copies);
        for partition in PartitionId::all() {
            assert_eq!(map.owners(partition).len(), usize::from(copies).min(members.len()));
            assert_eq!(owner_set(&map, partition), naive_owners(&members, partition, copies.into()));
        }
    }

    #[test]
    fn three_nodes_master_equally_within_two_percent(ids in ids(3..4), copies in 1u8..4) {
        let counts = masters(&map_of(&plain(&ids), copies));
        let even = 4096.0 / 3.0;
        for count in counts.values() {
            assert!((*count as f64 / even - 1.0).abs() <= 0.02, "{counts:?}");
        }
    }

    #[test]
    fn larger_clusters_are_even_too(ids in ids(4..33), copies in 2u8..4) {
        let counts = masters(&map_of(&plain(&ids), copies));
        let even = 4096.0 / ids.len() as f64;
        for count in counts.values() {
            assert!((*count as f64 - even).abs() <= (even * 0.03).max(2.0), "{even} {counts:?}");
        }
    }

    #[test]
    fn a_joining_node_moves_only_its_own_share(ids in ids(3..12), joiner in 1..u64::MAX, copies in 2u8..4) {
        let before = map_of(&plain(&ids), copies);
        let mut more = ids;
        if !more.insert(joiner) {
            return Ok(());
        }
        let after = map_of(&plain(&more), copies);
        let (mut moved, mut turned) = (0usize, 0usize);
        for partition in PartitionId::all() {
            let (old, new) = (owner_set(&before, partition), owner_set(&after, partition));
            let gained: Vec<_> = new.difference(&old).collect();
            assert!(gained.is_empty() || gained == [&NodeId(joiner)], "a copy moved between nodes that stayed");
            moved += gained.len();
            let (was, is) = (before.rightful(partition), after.rightful(partition));
            turned += usize::from(was != is && is != Some(NodeId(joiner)) && new.contains(&was.unwrap()));
        }
        let share = usize::from(copies).min(more.len()) * 4096 / more.len();
        assert!(moved <= share + share / 5 + 60, "{moved} of {share}");
        assert!(turned <= 4096 / 12, "{turned} masters changed between nodes that stayed");
    }

    #[test]
    fn a_single_copy_moves_little_more_than_it_must(ids in ids(3..10), joiner in 1..u64::MAX) {
        let before = map_of(&plain(&ids), 1);
        let mut more = ids;
        more.insert(joiner);
        let after = map_of(&plain(&more), 1);
        let moved = PartitionId::all().filter(|p| before.rightful(*p) != after.rightful(*p)).count();
        assert!(moved <= 4096 / more.len() + 4096 / 12, "{moved} of {}", 4096 / more.len());
    }

    #[test]
    fn copies_lie_in_as_many_racks_as_there_are(
        members in btree_map(1..u64::MAX, 1u32..5, 2..10),
        copies in 2u8..4,
    ) {
        let racks = members.values().collect::<BTreeSet<_>>().len();
        let with: BTreeMap<u64, (u32, bool)> = members.iter().map(|(id, rack)| (*id, (*rack, false))).collect();
        let map = map_of(&with, copies);
        for partition in PartitionId::all() {
            let owners = map.owners(partition);
            let used = owners.iter().map(|owner| members[&owner.0]).collect::<BTreeSet<_>>().len();
            assert_eq!(used, racks.min(owners.len()));
        }
    }

    #[test]
    fn quiesced_nodes_get_nothing_while_others_can(
        members in btree_map(1..u64::MAX, (0u32..3, any::<bool>()), 2..8),
        copies in 1u8..4,
    ) {
        let map = map_of(&members, copies);
        let awake = members.values().filter(|(_, quiesced)| !quiesced).count();
        for partition in PartitionId::all() {
            let owners = map.owners(partition);
            let asleep = owners.iter().filter(|owner| members[&owner.0].1).count();
            assert_eq!(asleep, owners.len().saturating_sub(awake));
            assert!(awake == 0 || !members[&owners[0].0].1, "a quiesced node masters");
        }
    }

    #[test]
    fn the_acting_master_holds_a_best_version(
        ids in ids(2..6),
        copies in 1u8..4,
        held in vec((0usize..6, 0u16..40, 0usize..8, any::<bool>()), 0..200),
    ) {
        let root = Version::born(1);
        let (left, right) = (root.confirmed(2), root.confirmed(3));
        let merged = left.merged(&right, 4);
        let family = [root, left.confirmed(5), left, right, merged, Version::born(6), Version::born(7), Version::born(8)];
        let mut committed = committed(&plain(&ids), copies);
        for (index, partition, member, full) in held {
            let index = index % committed.standings.len();
            let inventory = committed.standings[index].inventory.namespace_mut(NAMESPACE);
            let version = family[member].clone().with_full(full);
            inventory.set(PartitionId::new(partition).unwrap(), Some(version));
        }
        let map = assign(&committed, NAMESPACE).unwrap();
        for partition in PartitionId::all() {
            check_acting(&committed, &map, partition);
        }
        assert_eq!(duties(&committed, NAMESPACE, &map).len(), 4096);
    }
}

fn check_acting(committed: &Committed, map: &PartitionMap, partition: PartitionId) {
    let acting = map.acting(partition).unwrap();
    let version_of = |node: NodeId| committed.standing(node)?.inventory.namespace(NAMESPACE)?.get(partition);
    let held: Vec<&Version> = committed.view.members.iter().filter_map(|node| version_of(*node)).collect();
    let Some(mine) = version_of(acting) else {
        assert!(held.is_empty(), "somebody holds something, but the acting master does not");
        assert_eq!(Some(acting), map.rightful(partition));
        return;
    };
    assert!(mine.full || held.iter().all(|version| !version.full), "a full copy was passed over");
    for other in held.iter().filter(|version| version.full == mine.full) {
        assert_ne!(mine.relation(other), Relation::Ancestor, "a newer copy was passed over");
    }
    // The rightful master acts whenever its copy is as good as the one that was chosen.
    let rightful = map.rightful(partition).unwrap();
    if version_of(rightful).is_some_and(|version| version.full == mine.full && version.key == mine.key) {
        assert_eq!(acting, rightful);
    }
}

#[test]
fn maps_of_large_clusters_take_milliseconds() {
    for size in [4u64, 16, 64, 256] {
        let members: BTreeMap<u64, (u32, bool)> =
            (1..=size).map(|id| (mix(id), ((id % 4) as u32, false))).collect();
        let committed = committed(&members, 2);
        let compute = || {
            let start = Instant::now();
            let map = assign(&committed, NAMESPACE).unwrap();
            (start.elapsed(), map)
        };
        // The machine may be busy: the best of a few is what it takes.
        let (took, map) = (0..5).map(|_| compute()).min_by_key(|(took, _)| *took).unwrap();
        let counts: Vec<usize> = masters(&map).into_values().collect();
        let range = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        println!("{size} nodes: map in {took:?}, masters {range:?}");
    }
}
