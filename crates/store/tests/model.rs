//! The stripe against a sorted map: random writes, removals, touches, sweeps, truncations and defragmentation.

#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use proptest::prelude::{Just, ProptestConfig, Strategy, any, proptest};
use proptest::sample::Index;
use shipload_store::{
    BinRef, Budget, Cutoffs, Decision, Identity, KeyRef, LogConfig, Meta, RecordRef, SetCounts, SetId,
    StoreError, Stripe, Touch, stripe_of,
};
use shipload_value::{Digest, ParticleType, PartitionId};
use std::collections::BTreeMap;

/// A record as the model keeps it.
#[derive(Debug, Clone, PartialEq)]
struct Model {
    meta: Meta,
    key: Option<Vec<u8>>,
    bins: Vec<(Vec<u8>, Vec<u8>)>,
}

#[derive(Debug, Clone)]
enum Step {
    Put { who: u8, set: u16, key: bool, bins: Vec<(u8, u16)>, ttl: u8 },
    Touch { who: u8, ttl: u8 },
    Remove { who: u8 },
    Tick { seconds: u8 },
    Scan { partition: bool, after: Option<u8> },
    TruncateNamespace { ago_ms: u16 },
    TruncateSet { set: u16, ago_ms: u16 },
    Sweep { partition: bool, entries: u8, evict_set: Option<u16>, slices: u8 },
    Defrag { budget: u16 },
    Verify { partition: bool },
}

const WHO: u8 = 40;

/// Two partitions of stripe 3.
fn partition(second: bool) -> PartitionId {
    PartitionId::new(if second { 3 + 64 } else { 3 }).unwrap()
}

fn digest(who: u8) -> Digest {
    let mut bytes = [who.wrapping_mul(37); 20];
    let [low, high] = partition(who % 2 == 1).number().to_le_bytes();
    bytes[0] = low;
    bytes[1] = (who << 4) | high;
    bytes[19] = who;
    Digest(bytes)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = 0..WHO;
    let set = 0u16..4;
    let size = proptest::prop_oneof![5 => 0u16..60, 1 => 100u16..400, 1 => Just(3000u16)];
    let bins = proptest::collection::vec((0u8..4, size), 0..4);
    let put = (who.clone(), set.clone(), any::<bool>(), bins, 0u8..20)
        .prop_map(|(who, set, key, bins, ttl)| Step::Put { who, set, key, bins, ttl });
    proptest::collection::vec(
        proptest::prop_oneof![
            12 => put,
            3 => (who.clone(), 0u8..20).prop_map(|(who, ttl)| Step::Touch { who, ttl }),
            4 => who.clone().prop_map(|who| Step::Remove { who }),
            2 => (0u8..5).prop_map(|seconds| Step::Tick { seconds }),
            1 => (any::<bool>(), proptest::option::of(who)).prop_map(|(partition, after)| Step::Scan { partition, after }),
            1 => (0u16..5000).prop_map(|ago_ms| Step::TruncateNamespace { ago_ms }),
            1 => (set.clone(), 0u16..5000).prop_map(|(set, ago_ms)| Step::TruncateSet { set, ago_ms }),
            2 => (any::<bool>(), 1u8..9, proptest::option::of(set), 1u8..9).prop_map(
                |(partition, entries, evict_set, slices)| Step::Sweep { partition, entries, evict_set, slices }
            ),
            3 => (1u16..3000).prop_map(|budget| Step::Defrag { budget }),
            1 => any::<bool>().prop_map(|partition| Step::Verify { partition }),
        ],
        1..150,
    )
}

struct World {
    stripe: Stripe,
    model: BTreeMap<Digest, Model>,
    cutoffs: Cutoffs,
    now_ms: u64,
    writes: u16,
}

impl World {
    fn new(config: LogConfig) -> World {
        let stripe = Stripe::new(Identity { namespace: [7; 16], stripe: 3 }, config);
        World { stripe, model: BTreeMap::new(), cutoffs: Cutoffs::new(), now_ms: 100_000, writes: 0 }
    }

    fn now_s(&self) -> u32 {
        u32::try_from(self.now_ms / 1000).unwrap()
    }

    fn meta(&mut self, ttl: u8, set: SetId) -> Meta {
        self.now_ms += 1;
        self.writes = self.writes.wrapping_add(1);
        let void_time = if ttl == 0 { 0 } else { self.now_s() + u32::from(ttl) };
        Meta { generation: self.writes, void_time, last_update_ms: self.now_ms, set }
    }

    fn alive(&self, model: &Model) -> bool {
        let expired = model.meta.void_time != 0 && model.meta.void_time < self.now_s();
        !expired && model.meta.last_update_ms >= self.cutoffs.cut_ms(model.meta.set)
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Put { who, set, key, bins, ttl } => self.put(*who, *set, *key, bins, *ttl),
            Step::Touch { who, ttl } => self.touch(*who, *ttl),
            Step::Remove { who } => {
                let removed = self.stripe.remove(&digest(*who)).unwrap();
                let expected = self.model.remove(&digest(*who));
                assert_eq!(
                    removed.map(|removed| (removed.generation, removed.void_time, removed.set)),
                    expected.map(|model| (model.meta.generation, model.meta.void_time, model.meta.set))
                );
            }
            Step::Tick { seconds } => self.now_ms += u64::from(*seconds) * 1000,
            Step::Scan { partition: second, after } => {
                let same = |who: u8| digest(who / 2 * 2 + u8::from(*second));
                self.scan(partition(*second), after.map(same));
            }
            Step::TruncateNamespace { ago_ms } => {
                self.cutoffs.truncate_namespace(self.now_ms - u64::from(*ago_ms));
            }
            Step::TruncateSet { set, ago_ms } => {
                self.cutoffs.truncate_set(SetId::new(*set).unwrap(), self.now_ms - u64::from(*ago_ms));
            }
            Step::Sweep { partition: second, entries, evict_set, slices } => {
                self.sweep(partition(*second), *entries, *evict_set, *slices);
            }
            Step::Defrag { budget } => {
                let done = self.stripe.defrag(usize::from(*budget));
                assert_eq!(done.damaged_blocks, 0);
                assert!(done.moved_bytes <= u64::from(*budget) + 4000);
            }
            Step::Verify { partition: second } => {
                let found = self.stripe.verify(partition(*second), None, 1000);
                assert_eq!((found.damaged, found.next), (0, None));
                assert_eq!(found.records, self.stripe.partition_objects(partition(*second)));
            }
        }
    }

    fn put(&mut self, who: u8, set: u16, key: bool, bins: &[(u8, u16)], ttl: u8) {
        let meta = self.meta(ttl, SetId::new(set).unwrap());
        let bins: Vec<(Vec<u8>, Vec<u8>)> = bins
            .iter()
            .map(|&(name, size)| (vec![b'a'; usize::from(name)], vec![who ^ name; usize::from(size)]))
            .collect();
        let key = key.then(|| vec![who; 5]);
        let before = self.model.contains_key(&digest(who));
        let views = bins.iter().map(|(name, value)| BinRef { name, kind: ParticleType::Blob, value });
        let stored = key.as_ref().map(|bytes| KeyRef { kind: 4, bytes });
        match self.stripe.put(&digest(who), &meta, stored, views) {
            Ok(put) => {
                assert_eq!(put.old_size.is_some(), before);
                assert_eq!(put.size, self.stripe.get(&digest(who)).unwrap().size());
                if put.old_size == Some(put.size) {
                    assert!(put.in_place);
                }
                self.model.insert(digest(who), Model { meta, key, bins });
            }
            Err(error) => assert_eq!(error, StoreError::Full),
        }
    }

    fn touch(&mut self, who: u8, ttl: u8) {
        let Some(set) = self.model.get(&digest(who)).map(|model| model.meta.set) else {
            assert_eq!(self.stripe.touch(&digest(who), &Meta::default()), Ok(Touch::Absent));
            return;
        };
        let meta = self.meta(ttl, set);
        let model = self.model.get_mut(&digest(who)).unwrap();
        let in_place = (model.meta.void_time == 0) == (meta.void_time == 0);
        match self.stripe.touch(&digest(who), &meta) {
            Ok(touch) => {
                assert_eq!(touch, if in_place { Touch::InPlace } else { Touch::Moved });
                model.meta = meta;
            }
            Err(error) => assert_eq!(error, StoreError::Full),
        }
    }

    fn scan(&self, partition: PartitionId, after: Option<Digest>) {
        let found = self.stripe.scan(partition, after.as_ref()).map(|record| record.digest());
        let expected = self.model.keys().rev().copied();
        let below = |digest: &Digest| after.is_none_or(|after| *digest < after);
        let expected = expected.filter(|digest| digest.partition() == partition && below(digest));
        assert!(found.eq(expected));
    }

    fn sweep(&mut self, partition: PartitionId, entries: u8, evict_set: Option<u16>, slices: u8) {
        let budget = Budget { entries: usize::from(entries), removals: 3 };
        let evicts = |set: SetId| evict_set == Some(set.number());
        let mut after = None;
        let mut removed = 0;
        let mut complete = false;
        for _ in 0..slices {
            let (now_s, cutoffs) = (self.now_s(), self.cutoffs.clone());
            let swept = self.stripe.sweep(partition, after.as_ref(), budget, now_s, &cutoffs, |candidate| {
                if evicts(candidate.set) { Decision::Evict } else { Decision::Keep }
            });
            assert!(swept.entries <= budget.entries as u64);
            removed += swept.expired + swept.truncated + swept.evicted;
            after = swept.next.or(after);
            complete = swept.next.is_none();
            if complete {
                break;
            }
        }
        let before = self.model.len();
        let reached = |digest: &Digest| complete || after.is_some_and(|after| *digest >= after);
        let doomed: Vec<Digest> = self
            .model
            .iter()
            .filter(|(digest, _)| digest.partition() == partition && reached(digest))
            .filter(|(_, model)| !self.alive(model) || evicts(model.meta.set))
            .map(|(digest, _)| *digest)
            .collect();
        doomed.iter().for_each(|digest| drop(self.model.remove(digest)));
        assert_eq!(removed, (before - self.model.len()) as u64);
    }

    fn check(&self) {
        self.stripe.assert_invariants();
        let mut total = SetCounts::default();
        let mut by_set = [SetCounts::default(); 4];
        for who in 0..WHO {
            let record = self.stripe.get(&digest(who));
            let model = self.model.get(&digest(who));
            assert_eq!(record.as_ref().map(owned).as_ref(), model);
            let (Some(record), Some(model)) = (record, model) else { continue };
            assert_eq!(Stripe::live(&record, self.now_s(), &self.cutoffs), self.alive(model));
            let one = SetCounts { objects: 1, record_bytes: record.size() as u64 };
            total.add(one);
            by_set[model.meta.set.index()].add(one);
        }
        let counts = self.stripe.counts();
        assert_eq!((counts.objects, counts.record_bytes), (total.objects, total.record_bytes));
        for (set, expected) in by_set.iter().enumerate() {
            let set = SetId::new(u16::try_from(set).unwrap()).unwrap();
            assert_eq!(self.stripe.set_counts(set), *expected);
        }
    }
}

fn owned(record: &RecordRef<'_>) -> Model {
    Model {
        meta: record.meta(),
        key: record.key().map(|key| key.bytes.to_vec()),
        bins: record.bins().map(|bin| (bin.name.to_vec(), bin.value.to_vec())).collect(),
    }
}

fn small_blocks() -> LogConfig {
    LogConfig { block_bytes: 1024, ..LogConfig::default() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_stripe_does_what_a_sorted_map_does(steps in steps(), low_water_pct in 0u8..120) {
        assert_eq!(stripe_of(partition(true)), 3);
        let mut world = World::new(LogConfig { low_water_pct, ..small_blocks() });
        for step in &steps {
            world.step(step);
            world.check();
        }
    }

    #[test]
    fn a_full_log_refuses_and_stays_whole(steps in steps(), blocks in 1u64..6) {
        let mut world = World::new(LogConfig { capacity_bytes: blocks * 1024, ..small_blocks() });
        for step in &steps {
            world.step(step);
        }
        world.check();
        world.stripe.defrag(usize::MAX);
        world.check();
    }

    #[test]
    fn removing_everything_gives_all_blocks_back(steps in steps(), order in any::<Index>()) {
        let mut world = World::new(small_blocks());
        steps.iter().for_each(|step| world.step(step));
        for number in 0..WHO {
            let who = (number + u8::try_from(order.index(usize::from(WHO))).unwrap()) % WHO;
            world.step(&Step::Remove { who });
        }
        world.check();
        let counts = world.stripe.counts();
        assert_eq!((counts.objects, counts.record_bytes), (0, 0));
        assert!(counts.log_allocated_bytes <= 2 * 1024);
    }
}
