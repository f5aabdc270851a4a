use super::super::entry::Location;
use super::{Entry, Key, Table};
use crate::meta::SetId;
use proptest::prelude::{Strategy, any, prop_assert_eq, prop_oneof, proptest};
use shipload_value::{Digest, PartitionId};
use std::collections::BTreeMap;

/// A digest of partition 0 whose place in the table `high` decides and whose identity `low`.
fn digest(high: u16, low: u8) -> Digest {
    let mut bytes = [0u8; 20];
    let [a, b] = high.to_be_bytes();
    (bytes[1], bytes[2], bytes[3], bytes[19]) = (a & 0xf0, (a << 4) | (b >> 4), b << 4, low);
    Digest(bytes)
}

fn entry(digest: &Digest, mark: u32) -> Entry {
    Entry::new(&Key::of(digest), Location::new(0, 64), mark, 1, SetId::NONE)
}

/// A cheap stand-in for a uniform hash.
fn scattered(number: u64) -> Digest {
    let mix = |mut x: u64| {
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    };
    let mut bytes = [0u8; 20];
    bytes[2..10].copy_from_slice(&mix(number.wrapping_add(0x9e37_79b9_7f4a_7c15)).to_be_bytes());
    bytes[1] = bytes[9] & 0xf0;
    bytes[10..18].copy_from_slice(&number.to_be_bytes());
    Digest(bytes)
}

#[derive(Debug, Clone)]
enum Step {
    Insert(Digest),
    Remove(Digest),
    Scan(Digest),
}

/// Steps over few digests, most of which crowd at both ends and in the middle of the table.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let high = prop_oneof![0u16..4, 0xfffc..=0xffffu16, 0x8000u16..0x8004, any::<u16>()];
    let digests = (high, 0u8..8).prop_map(|(high, low)| digest(high, low));
    let step = (0..10, digests).prop_map(|(kind, digest)| match kind {
        0..=5 => Step::Insert(digest),
        6..=8 => Step::Remove(digest),
        _ => Step::Scan(digest),
    });
    proptest::collection::vec(step, 1..300)
}

proptest! {
    #[test]
    fn a_table_does_what_a_sorted_map_does(steps in steps()) {
        let mut table = Table::default();
        let mut model: BTreeMap<Digest, u32> = BTreeMap::new();
        let partition = PartitionId::new(0).unwrap();
        for (mark, step) in (1u32..).zip(steps) {
            match step {
                Step::Insert(digest) => {
                    match table.find(&Key::of(&digest)) {
                        Ok(slot) => *table.entry_mut(slot) = entry(&digest, mark),
                        Err(_) => table.insert(entry(&digest, mark)),
                    }
                    model.insert(digest, mark);
                }
                Step::Remove(digest) => {
                    let slot = table.find(&Key::of(&digest)).ok();
                    prop_assert_eq!(slot.is_some(), model.remove(&digest).is_some());
                    slot.into_iter().for_each(|slot| table.remove(slot));
                }
                Step::Scan(digest) => {
                    let below = table.ceiling(Some(&Key::of(&digest)));
                    let found = table.descend(below).map(|(_, entry)| entry.key().digest(partition));
                    prop_assert_eq!(
                        found.collect::<Vec<_>>(),
                        model.range(..digest).rev().map(|(digest, _)| *digest).collect::<Vec<_>>()
                    );
                }
            }
            table.assert_invariants();
            prop_assert_eq!(table.len(), model.len());
        }
        let all = table.descend(table.ceiling(None)).map(|(_, entry)| entry.void_time());
        prop_assert_eq!(all.collect::<Vec<_>>(), model.values().rev().copied().collect::<Vec<_>>());
    }
}

#[test]
fn at_its_worst_moment_a_record_takes_at_most_40_bytes() {
    let mut table = Table::default();
    let (mut worst, mut before) = (0.0f64, 0);
    for number in 0..5000u64 {
        table.insert(entry(&scattered(number), 1));
        let bytes = table.bytes() + size_of::<Table>();
        let per_record = bytes as f64 / table.len() as f64;
        if table.len() >= 200 && bytes > before {
            worst = worst.max(per_record);
        }
        before = bytes;
    }
    table.assert_invariants();
    println!("worst moment above 200 records: {worst:.2} bytes a record");
    assert!(worst <= 40.0, "{worst}");
}

#[test]
fn a_table_gives_memory_back() {
    let mut table = Table::default();
    (0..2000).for_each(|number| table.insert(entry(&scattered(number), 1)));
    let full = table.bytes();
    for number in 0..2000 {
        let slot = table.find(&Key::of(&scattered(number))).unwrap();
        table.remove(slot);
        if number % 97 == 0 {
            table.assert_invariants();
        }
        let need = table.len() * size_of::<Entry>();
        assert!(table.bytes() <= (need * 5 / 2).max(8 * size_of::<Entry>()), "at {number}");
    }
    assert_eq!((table.len(), table.bytes()), (0, 8 * size_of::<Entry>()));
    assert!(full > 2000 * size_of::<Entry>());
    table.insert(entry(&scattered(1), 1));
    table.assert_invariants();
}

#[test]
fn an_empty_table_takes_nothing_and_finds_nothing() {
    let table = Table::default();
    assert_eq!((table.bytes(), table.find(&Key::of(&scattered(1)))), (0, Err(0)));
    assert_eq!(table.descend(table.ceiling(None)).count(), 0);
}
