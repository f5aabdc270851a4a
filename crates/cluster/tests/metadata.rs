//! Metadata reaches everybody, whatever is lost and whoever was away; and no bytes make a decoder panic.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::{any, proptest};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use shipload_cluster::membership::{Membership, Settings};
use shipload_cluster::metadata::{Effect, Message, Metadata};
use shipload_cluster::{Attributes, ClusterName, Incarnation, NodeId, View};

struct World {
    rng: SmallRng,
    now_ms: u64,
    nodes: BTreeMap<NodeId, Metadata>,
    wires: Vec<(NodeId, NodeId, Vec<u8>)>,
    everywhere: usize,
    loss: f64,
}

impl World {
    fn act(&mut self, id: NodeId, act: impl FnOnce(&mut Metadata, u64, &mut Vec<Effect>)) {
        let mut effects = Vec::new();
        act(self.nodes.get_mut(&id).unwrap(), self.now_ms, &mut effects);
        self.nodes[&id].assert_invariants();
        for effect in effects {
            match effect {
                Effect::Send { to, message } => {
                    let mut bytes = Vec::new();
                    message.encode(&mut bytes);
                    let copies = usize::from(!self.rng.random_bool(self.loss))
                        + usize::from(self.rng.random_bool(0.1));
                    (0..copies).for_each(|_| self.wires.push((id, to, bytes.clone())));
                }
                Effect::Everywhere { .. } => self.everywhere += 1,
                Effect::Changed { .. } => {}
            }
        }
    }

    fn install(&mut self, epoch: u64, members: &[u64]) {
        let view = View { epoch, key: epoch, members: members.iter().copied().map(NodeId).collect() };
        for member in view.members.clone() {
            self.act(member, |node, now_ms, effects| node.install(now_ms, &view, effects));
        }
    }

    fn run_for(&mut self, ms: u64) {
        let end_ms = self.now_ms + ms;
        while self.now_ms < end_ms {
            // Any message may come next: the order is the seed's.
            for _ in 0..self.wires.len().min(4) {
                let index = self.rng.random_range(0..self.wires.len());
                let (from, to, bytes) = self.wires.swap_remove(index);
                let message = Message::decode(&bytes).unwrap();
                self.act(to, |node, now_ms, effects| node.on_message(now_ms, from, message, effects));
            }
            self.now_ms += 1;
            let due: Vec<NodeId> = self
                .nodes
                .iter()
                .filter(|(_, node)| node.wake_at_ms() <= self.now_ms)
                .map(|(id, _)| *id)
                .collect();
            due.into_iter()
                .for_each(|id| self.act(id, |node, now_ms, effects| node.on_tick(now_ms, effects)));
        }
    }
}

#[test]
fn writes_on_both_sides_of_a_split_end_up_everywhere() {
    for seed in 0..60 {
        let ids = [1, 2, 3, 4];
        let nodes = ids.iter().map(|id| (NodeId(*id), Metadata::new(NodeId(*id), BTreeMap::new()))).collect();
        let rng = SmallRng::seed_from_u64(seed);
        let mut world = World { rng, now_ms: 0, nodes, wires: Vec::new(), everywhere: 0, loss: 0.3 };
        world.install(1, &ids);
        let mut writes = 0;
        for round in 0..20u64 {
            if round == 5 {
                world.install(2, &[1, 2]);
                world.install(3, &[3, 4]);
            } else if round == 12 {
                world.install(4, &ids);
            }
            let id = NodeId(world.rng.random_range(1..=4));
            let name = format!("n{}", world.rng.random_range(0..4));
            let bytes = world.rng.random_bool(0.8).then(|| vec![u8::try_from(round).unwrap()]);
            world.act(id, |node, now_ms, effects| {
                node.set(now_ms, &name, bytes, effects).unwrap();
            });
            writes += 1;
            world.run_for(30);
        }
        world.loss = 0.0;
        world.run_for(25_000);
        let first: Vec<_> =
            world.nodes[&NodeId(1)].entries().map(|(name, entry)| (name.to_owned(), entry.clone())).collect();
        for node in world.nodes.values() {
            let entries: Vec<_> =
                node.entries().map(|(name, entry)| (name.to_owned(), entry.clone())).collect();
            assert_eq!(entries, first, "seed {seed}");
        }
        assert_eq!(world.everywhere, writes, "each writer learns that its write is everywhere");
    }
}

#[test]
fn a_removed_value_stays_removed_though_somebody_was_away() {
    let mut world = World {
        rng: SmallRng::seed_from_u64(1),
        now_ms: 0,
        nodes: [1, 2].map(|id| (NodeId(id), Metadata::new(NodeId(id), BTreeMap::new()))).into(),
        wires: Vec::new(),
        everywhere: 0,
        loss: 0.0,
    };
    world.install(1, &[1, 2]);
    world.act(NodeId(1), |node, now_ms, effects| {
        node.set(now_ms, "user/a", Some(vec![1]), effects).unwrap();
    });
    world.run_for(1_000);
    assert_eq!(world.nodes[&NodeId(2)].get("user/a"), Some(&[1][..]));
    world.install(2, &[1]);
    world.act(NodeId(1), |node, now_ms, effects| {
        node.set(now_ms, "user/a", None, effects).unwrap();
    });
    world.install(3, &[1, 2]);
    world.run_for(1_000);
    assert_eq!(world.nodes[&NodeId(2)].get("user/a"), None);
    assert_eq!(world.nodes[&NodeId(2)].names("user/").count(), 0);
}

proptest! {
    #[test]
    fn arbitrary_messages_do_not_panic(bytes in vec(any::<u8>(), 0..200), kind in 1u8..8) {
        let _ = Message::decode(&bytes);
        let _ = shipload_cluster::agreement::Message::decode(&bytes);
        let mut typed = vec![kind];
        typed.extend_from_slice(&bytes);
        let _ = Message::decode(&typed);
        if let Ok(message) = shipload_cluster::agreement::Message::decode(&typed) {
            let mut again = Vec::new();
            message.encode(&mut again);
            assert_eq!(shipload_cluster::agreement::Message::decode(&again), Ok(message));
        }
    }

    #[test]
    fn arbitrary_datagrams_do_not_panic(
        datagrams in vec((1u8..8, vec(any::<u8>(), 0..200)), 1..20),
        ids in vec(0u64..4, 1..20),
    ) {
        let address = "10.0.0.1:3002".parse().unwrap();
        let name = ClusterName::new("c").unwrap();
        let attributes = Attributes::at(address, address);
        let mut node = Membership::new(NodeId(1), Incarnation(1), &name, attributes, Settings::default(), 7);
        let mut effects = Vec::new();
        for ((kind, bytes), id) in datagrams.iter().zip(ids.iter().cycle()) {
            // Whole datagrams with arbitrary bodies, some of which begin with a peer as gossip does.
            let mut body = id.to_le_bytes().to_vec();
            body.extend_from_slice(&[1, 0, 4, 10, 0, 0, u8::try_from(*id).unwrap(), 1, 1, 0, 0]);
            for body in [bytes.clone(), [body.clone(), bytes.clone()].concat(), [body.clone(), body, bytes.clone()].concat()] {
                let datagram = sealed(*kind, &body, name.hash());
                node.on_datagram(10, address, &datagram, &mut effects);
                node.on_datagram(10, address, &bytes[..], &mut effects);
                node.assert_invariants();
            }
        }
        node.on_tick(10_000, &mut effects);
        node.on_tick(10_200, &mut effects);
        node.assert_invariants();
    }
}

fn sealed(kind: u8, body: &[u8], cluster: u64) -> Vec<u8> {
    let mut head = vec![0x5a, 0x1d, 1, kind];
    head.extend_from_slice(&cluster.to_le_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c(&head), body);
    head.extend_from_slice(&crc.to_le_bytes());
    head.extend_from_slice(body);
    head
}
