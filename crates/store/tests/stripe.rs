//! What a stripe promises, one case at a time.

#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use shipload_store::{
    BinRef, Budget, Cutoffs, Decision, Identity, LogConfig, Meta, STEPPED_OVER, SetId, StoreError, Stripe,
    TtlHistogram,
};
use shipload_value::{Digest, ParticleType, PartitionId};

fn stripe() -> Stripe {
    Stripe::new(Identity::default(), LogConfig::default())
}

/// Digests of partition 0 in pseudo-random places.
fn digest(number: u32) -> Digest {
    let [a, b, c, d] = number.wrapping_mul(0x9e37_79b9).to_be_bytes();
    let mut bytes = [0u8; 20];
    (bytes[1], bytes[2], bytes[3], bytes[4], bytes[5]) = (a & 0xf0, a << 4, b, c, d);
    bytes[16..].copy_from_slice(&number.to_be_bytes());
    Digest(bytes)
}

fn partition() -> PartitionId {
    PartitionId::new(0).unwrap()
}

fn put(stripe: &mut Stripe, number: u32, meta: Meta, value: &[u8]) -> Result<(), StoreError> {
    let bin = BinRef { name: b"v", kind: ParticleType::Blob, value };
    stripe.put(&digest(number), &meta, None, [bin].into_iter()).map(|_| ())
}

fn meta(void_time: u32, last_update_ms: u64) -> Meta {
    Meta { generation: 1, void_time, last_update_ms, set: SetId::new(1).unwrap() }
}

const WHOLE: Budget = Budget { entries: usize::MAX, removals: usize::MAX };

#[test]
fn a_record_of_8_mib_gets_its_own_block_and_gives_it_back() {
    let mut stripe = stripe();
    put(&mut stripe, 1, meta(0, 5), b"small").unwrap();
    let before = stripe.counts().log_allocated_bytes;
    let value = vec![0xab; 8 << 20];
    put(&mut stripe, 2, meta(0, 6), &value).unwrap();
    assert_eq!(stripe.get(&digest(2)).unwrap().bin(b"v").unwrap().value, value);
    let record_bytes = stripe.get(&digest(2)).unwrap().size() as u64;
    assert_eq!(stripe.counts().log_allocated_bytes, before + 64 + record_bytes);
    put(&mut stripe, 2, meta(0, 7), &vec![0xcd; 8 << 20]).unwrap();
    assert_eq!(stripe.counts().log_allocated_bytes, before + 64 + record_bytes);
    stripe.assert_invariants();
    stripe.remove(&digest(2)).unwrap().unwrap();
    assert_eq!(stripe.counts().log_allocated_bytes, before);
    assert_eq!(put(&mut stripe, 3, meta(0, 8), &vec![0; 9 << 20]), Err(StoreError::RecordTooBig));
    stripe.assert_invariants();
}

#[test]
fn a_record_is_readable_while_the_second_of_its_void_time_lasts() {
    let mut stripe = stripe();
    put(&mut stripe, 1, meta(100, 5), b"x").unwrap();
    put(&mut stripe, 2, meta(0, 5), b"x").unwrap();
    let cutoffs = Cutoffs::new();
    let live =
        |stripe: &Stripe, number, now_s| Stripe::live(&stripe.get(&digest(number)).unwrap(), now_s, &cutoffs);
    assert!(live(&stripe, 1, 99) && live(&stripe, 1, 100) && !live(&stripe, 1, 101));
    assert!(live(&stripe, 2, u32::MAX));
    let keep = |_: &_| Decision::Keep;
    assert_eq!(stripe.sweep(partition(), None, WHOLE, 100, &cutoffs, keep).expired, 0);
    let swept = stripe.sweep(partition(), None, WHOLE, 101, &cutoffs, keep);
    assert_eq!((swept.expired, swept.entries, swept.non_expirable, swept.next), (1, 2, 1, None));
    assert!(stripe.get(&digest(1)).is_none() && stripe.get(&digest(2)).is_some());
}

#[test]
fn a_truncation_is_seen_at_once_and_swept_later() {
    let mut stripe = stripe();
    (0..100).for_each(|number| put(&mut stripe, number, meta(0, u64::from(number)), b"x").unwrap());
    let mut cutoffs = Cutoffs::new();
    cutoffs.truncate_set(SetId::new(1).unwrap(), 40);
    let live = stripe.scan(partition(), None).filter(|record| Stripe::live(record, 0, &cutoffs));
    assert_eq!(live.count(), 60);
    let swept = stripe.sweep(partition(), None, WHOLE, 0, &cutoffs, |_| Decision::Keep);
    assert_eq!((swept.truncated, swept.entries), (40, 100));
    assert_eq!(stripe.counts().objects, 60);
    cutoffs.truncate_namespace(1000);
    let swept = stripe.sweep(partition(), None, WHOLE, 0, &cutoffs, |_| Decision::Keep);
    assert_eq!((swept.truncated, stripe.counts().objects), (60, 0));
    stripe.assert_invariants();
}

/// Records of other sets are not read, but one now and then, so that whoever counts what it meets knows what it costs.
#[test]
fn a_scan_of_a_set_steps_over_others() {
    let mut stripe = stripe();
    let of_set =
        |number: u32| Meta { set: SetId::new(if number % 100 == 7 { 2 } else { 1 }).unwrap(), ..meta(0, 1) };
    (0..10_000).for_each(|number| put(&mut stripe, number, of_set(number), b"x").unwrap());
    for set in [1, 2].map(|number| SetId::new(number).unwrap()) {
        let wanted: Vec<Digest> = stripe
            .scan(partition(), None)
            .filter(|record| record.meta().set == set)
            .map(|record| record.digest())
            .collect();
        let met: Vec<(Digest, bool)> = stripe
            .scan_set(partition(), None, Some(set))
            .map(|record| (record.digest(), record.meta().set == set))
            .collect();
        let found: Vec<Digest> =
            met.iter().filter(|(_, of_set)| *of_set).map(|(digest, _)| *digest).collect();
        assert_eq!(found, wanted);
        let others = 10_000 - wanted.len();
        assert!(met.len() - found.len() <= others / STEPPED_OVER, "{} others", met.len() - found.len());
        assert!(met.is_sorted_by(|(one, _), (next, _)| one > next));
        // It goes on behind any record.
        let (behind, _) = met[met.len() / 2];
        let rest =
            stripe.scan_set(partition(), Some(&behind), Some(set)).filter(|record| record.meta().set == set);
        assert_eq!(
            rest.map(|record| record.digest()).collect::<Vec<_>>(),
            wanted.iter().copied().filter(|one| *one < behind).collect::<Vec<_>>()
        );
    }
    let nobody = stripe.scan_set(partition(), None, SetId::new(3)).count();
    assert_eq!(nobody, 10_000 / STEPPED_OVER);
}

#[test]
fn eviction_takes_the_soonest_to_expire() {
    let mut stripe = stripe();
    (0..1000).for_each(|number| put(&mut stripe, number, meta(number, 1), b"x").unwrap());
    let mut histogram = TtlHistogram::new(0, 100, 10);
    let mut after = None;
    loop {
        after = stripe.add_void_times(partition(), after.as_ref(), 77, &mut histogram);
        if after.is_none() {
            break;
        }
    }
    assert_eq!((histogram.never(), histogram.expirable()), (1, 999));
    let eviction = histogram.evict_below(50).unwrap();
    assert_eq!((eviction.void_time, eviction.records), (50, 49));
    let swept = stripe.sweep(partition(), None, WHOLE, 0, &Cutoffs::new(), |candidate| {
        let soon = candidate.void_time != 0 && candidate.void_time < eviction.void_time;
        if soon { Decision::Evict } else { Decision::Keep }
    });
    assert_eq!((swept.evicted, stripe.counts().objects), (49, 951));
}

#[test]
fn churn_is_defragmented_and_memory_stays_bounded() {
    let mut stripe = stripe();
    let value = vec![1u8; 2000];
    for round in 0..20u32 {
        for number in 0..2000 {
            let length = 1000 + ((number * 7 + round * 131) % 1000) as usize;
            put(&mut stripe, number, meta(0, 1), &value[..length]).unwrap();
            stripe.defrag(8000);
        }
    }
    stripe.assert_invariants();
    let counts = stripe.counts();
    assert_eq!(counts.objects, 2000);
    assert!(counts.log_allocated_bytes < counts.record_bytes * 5 / 2, "{counts:?}");
    while stripe.defrag(1 << 20).more {}
    assert_eq!(stripe.defrag_backlog(), 0);
    let counts = stripe.counts();
    assert!(counts.log_used_bytes < counts.record_bytes * 21 / 10 + (2 << 20), "{counts:?}");
}

#[test]
fn a_defragmented_record_is_the_same_record() {
    let mut stripe = stripe();
    let value = vec![7u8; 300];
    (0..10_000).for_each(|number| put(&mut stripe, number, meta(number, u64::from(number)), &value).unwrap());
    for number in (0..10_000).filter(|number| number % 3 != 0) {
        stripe.remove(&digest(number)).unwrap().unwrap();
    }
    let mut moved = 0;
    loop {
        let done = stripe.defrag(10_000);
        moved += done.moved_records;
        if !done.more {
            break;
        }
    }
    assert!(moved > 2000);
    stripe.assert_invariants();
    for number in (0..10_000).filter(|number| number % 3 == 0) {
        let record = stripe.get(&digest(number)).unwrap();
        assert_eq!(record.meta(), meta(number, u64::from(number)));
        assert_eq!(record.bin(b"v").unwrap().value, value);
    }
}

#[test]
fn a_log_adds_at_most_40_bytes_to_a_100_byte_value() {
    let mut stripe = stripe();
    let count = 50_000u32;
    (0..count).for_each(|number| put(&mut stripe, number, meta(0, 500_000_000_000), &[9; 100]).unwrap());
    let counts = stripe.counts();
    let added = counts.log_used_bytes as f64 / f64::from(count) - 100.0;
    println!("the log adds {added:.2} bytes a record, headers and block ends included");
    assert!(added <= 40.0);
}

#[test]
fn a_full_log_takes_writes_again_after_defragmentation() {
    for blocks in 1..4 {
        let config = LogConfig { block_bytes: 4096, capacity_bytes: blocks * 4096, ..LogConfig::default() };
        let mut stripe = Stripe::new(Identity::default(), config);
        let (mut full, mut written) = (0, 0);
        for round in 0..400u32 {
            let value = vec![1u8; 400 + (round % 50) as usize];
            match put(&mut stripe, round % 3, meta(0, 1), &value) {
                Ok(()) => written += 1,
                Err(error) => {
                    assert_eq!(error, StoreError::Full);
                    full += 1;
                    while stripe.defrag(10_000).more {}
                    put(&mut stripe, round % 3, meta(0, 1), &value).unwrap();
                }
            }
            stripe.assert_invariants();
        }
        assert!(written > 300 && full < 100, "{blocks} blocks: {written} written, {full} times full");
    }
}
