//! Damaged memory: what verification and defragmentation do when bytes in the log are not what was written.

use super::Stripe;
use crate::block::Identity;
use crate::index::Key;
use crate::log::LogConfig;
use crate::meta::{BinRef, Meta};
use shipload_value::{Digest, ParticleType, PartitionId};

fn digest(number: u8) -> Digest {
    let mut bytes = [number; 20];
    (bytes[0], bytes[1]) = (0, number & 0xf0);
    Digest(bytes)
}

/// 20 records of about 330 bytes in blocks of 1 KiB, three to a block.
fn filled() -> Stripe {
    let config = LogConfig { block_bytes: 1024, low_water_pct: 90, ..LogConfig::default() };
    let mut stripe = Stripe::new(Identity::default(), config);
    let value = [5u8; 280];
    for number in 0..20 {
        let bin = BinRef { name: b"v", kind: ParticleType::Blob, value: &value };
        stripe.put(&digest(number), &Meta::default(), None, [bin].into_iter()).unwrap();
    }
    stripe
}

fn damage(stripe: &mut Stripe, number: u8, at: usize) {
    let digest = digest(number);
    let table = stripe.table(digest.partition());
    let location = table.entry(table.find(&Key::of(&digest)).unwrap()).location();
    stripe.log.bytes_mut(location, at + 1).0[at] ^= 0x40;
}

#[test]
fn verification_finds_a_damaged_record_in_slices() {
    let partition = PartitionId::new(0).unwrap();
    let mut stripe = filled();
    damage(&mut stripe, 7, 100);
    let (mut after, mut records, mut damaged) = (None, 0, 0);
    loop {
        let found = stripe.verify(partition, after.as_ref(), 6);
        records += found.records;
        damaged += found.damaged;
        after = found.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((records, damaged), (20, 1));
}

#[test]
fn defragmentation_never_moves_a_damaged_record_and_goes_on_behind_it() {
    for (at, what) in [(100, "a value"), (3, "a checksum"), (5, "a length")] {
        let mut stripe = filled();
        for number in (0..18).filter(|number| number % 3 == 0) {
            stripe.remove(&digest(number)).unwrap().unwrap();
        }
        damage(&mut stripe, 4, at);
        let (mut damaged_blocks, mut moved, mut slices) = (0, 0, 0);
        loop {
            let done = stripe.defrag(500);
            damaged_blocks += done.damaged_blocks;
            moved += done.moved_records;
            slices += 1;
            if !done.more {
                break;
            }
        }
        assert_eq!((damaged_blocks, moved), (1, 10), "{what}");
        assert!(slices > 3, "slices are bounded");
        assert_eq!(stripe.defrag_backlog(), 0);
        assert_eq!(stripe.counts().objects, 14);
    }
}

#[test]
fn every_change_of_a_record_moves_its_partitions_number() {
    let (partition, other) = (digest(3).partition(), PartitionId::new(64).unwrap());
    let mut stripe = Stripe::new(Identity::default(), LogConfig::default());
    let set = Meta::default().set;
    let mut seen = vec![stripe.changes(partition, set)];
    let put = |stripe: &mut Stripe, value: &[u8], void_time| {
        let bin = BinRef { name: b"v", kind: ParticleType::Blob, value };
        let meta = Meta { void_time, ..Meta::default() };
        stripe.put(&digest(3), &meta, None, [bin].into_iter()).unwrap();
    };
    for value in [b"one".as_slice(), b"two", b"three"] {
        put(&mut stripe, value, 0);
        seen.push(stripe.changes(partition, set));
    }
    stripe.touch(&digest(3), &Meta { generation: 9, ..Meta::default() }).unwrap();
    seen.push(stripe.changes(partition, set));
    stripe.remove(&digest(3)).unwrap().unwrap();
    seen.push(stripe.changes(partition, set));
    assert!(seen.iter().all(Option::is_some));
    assert!(seen.windows(2).all(|pair| pair[0] != pair[1]), "{seen:?}");
    assert_eq!(stripe.changes(other, set), Some(0));
    // What may expire changes without a write.
    put(&mut stripe, b"one", 7);
    assert_eq!(stripe.changes(partition, set), None);
    put(&mut stripe, b"one", 0);
    assert_eq!(stripe.changes(partition, set), None);
}
