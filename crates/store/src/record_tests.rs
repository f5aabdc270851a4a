use super::{Plan, decode, frame_size, patch_meta, verify};
use crate::error::{CorruptRecord, StoreError};
use crate::meta::{BIN_COUNT_MAX, BinRef, KeyRef, Meta, RECORD_SIZE_MAX, SetId};
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use shipload_value::{Digest, ParticleType};

type OwnedBin = (Vec<u8>, ParticleType, Vec<u8>);

fn bin<'a>(name: &'a [u8], kind: ParticleType, value: &'a [u8]) -> BinRef<'a> {
    BinRef { name, kind, value }
}

fn borrowed(bins: &[OwnedBin]) -> impl Iterator<Item = BinRef<'_>> + Clone {
    bins.iter().map(|(name, kind, value)| bin(name, *kind, value))
}

fn encode<'b>(
    digest: &Digest,
    meta: &Meta,
    key: Option<KeyRef<'_>>,
    bins: impl Iterator<Item = BinRef<'b>> + Clone,
    seed: u32,
) -> Vec<u8> {
    let plan = Plan::new(meta, key, bins.clone()).unwrap();
    let mut bytes = vec![0xee; plan.size()];
    plan.write(&mut bytes, digest, bins, seed);
    bytes
}

fn kinds() -> impl Strategy<Value = ParticleType> {
    let all: Vec<ParticleType> = (0..=255).filter_map(ParticleType::from_number).collect();
    assert_eq!(all.len(), 16);
    proptest::sample::select(all)
}

fn metas() -> impl Strategy<Value = Meta> {
    let times = prop_oneof![0u64..1 << 40, 1u64 << 40..1 << 48, Just((1 << 40) - 1)];
    let voids = prop_oneof![Just(0u32), any::<u32>()];
    let sets = prop_oneof![Just(0u16), 0..=SetId::MAX];
    (any::<u16>(), voids, times, sets).prop_map(|(generation, void_time, last_update_ms, set)| Meta {
        generation,
        void_time,
        last_update_ms,
        set: SetId::new(set).unwrap(),
    })
}

fn bins_strategy() -> impl Strategy<Value = Vec<OwnedBin>> {
    let value = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..10),
        proptest::collection::vec(any::<u8>(), 8),
        proptest::collection::vec(any::<u8>(), 120..300),
    ];
    let one = (proptest::collection::vec(any::<u8>(), 0..=15), kinds(), value).boxed();
    let counts = prop_oneof![0usize..4, 13usize..20];
    counts.prop_flat_map(move |count| proptest::collection::vec(one.clone(), count))
}

proptest! {
    #[test]
    fn what_is_encoded_comes_back(
        digest in any::<[u8; 20]>().prop_map(Digest),
        meta in metas(),
        key in proptest::option::of((any::<u8>(), proptest::collection::vec(any::<u8>(), 0..200))),
        bins in bins_strategy(),
        seed in any::<u32>(),
    ) {
        let key = key.as_ref().map(|(kind, bytes)| KeyRef { kind: *kind, bytes });
        let mut bytes = encode(&digest, &meta, key, borrowed(&bins), seed);
        let size = bytes.len();
        bytes.extend_from_slice(b"the next record");
        let record = verify(&bytes, seed).unwrap();
        prop_assert_eq!(record.digest(), digest);
        prop_assert_eq!(record.meta(), meta);
        prop_assert_eq!(record.key(), key);
        prop_assert_eq!(record.bin_count(), bins.len());
        prop_assert_eq!(record.size(), size);
        prop_assert!(record.bins().eq(borrowed(&bins)));
        prop_assert_eq!(verify(&bytes, !seed).unwrap_err(), CorruptRecord::Checksum);
    }

    #[test]
    fn any_flipped_bit_is_seen_and_no_prefix_is_a_record(
        bins in bins_strategy(), meta in metas(), bit in any::<proptest::sample::Index>(),
    ) {
        let bytes = encode(&Digest([7; 20]), &meta, None, borrowed(&bins), 1);
        let mut broken = bytes.clone();
        let bit = bit.index(bytes.len() * 8);
        broken[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(verify(&broken, 1).is_err());
        for length in 0..bytes.len() {
            prop_assert!(decode(&bytes[..length]).is_err());
        }
    }

    #[test]
    fn decoding_anything_stays_in_bounds(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = verify(&bytes, 0);
        if let Ok(record) = decode(&bytes) {
            prop_assert_eq!(frame_size(&bytes), Ok(record.size()));
            let values: usize = record.bins().map(|bin| bin.value.len()).sum();
            prop_assert!(values <= bytes.len());
            let _ = record.check_bins();
            let _ = patch_meta(&mut bytes.clone(), &record.meta(), 0);
        }
        let mut bytes = bytes;
        let _ = patch_meta(&mut bytes, &Meta::default(), 0);
    }

    #[test]
    fn a_damaged_record_is_read_within_bounds(
        bins in bins_strategy(), meta in metas(), at in any::<proptest::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut bytes = encode(&Digest([7; 20]), &meta, None, borrowed(&bins), 1);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(record) = decode(&bytes) {
            prop_assert!(record.bins().count() <= record.bin_count());
            let _ = record.check_bins();
        }
    }

    #[test]
    fn patched_metadata_is_what_encoding_it_would_have_given(
        old in metas(), new in metas(), bins in bins_strategy(), with_key in any::<bool>(),
    ) {
        let key = with_key.then_some(KeyRef { kind: 3, bytes: b"user key" });
        let mut bytes = encode(&Digest([9; 20]), &old, key, borrowed(&bins), 5);
        let before = bytes.clone();
        let expected = encode(&Digest([9; 20]), &new, key, borrowed(&bins), 5);
        if patch_meta(&mut bytes, &new, 5).unwrap() {
            prop_assert_eq!(bytes, expected);
        } else {
            prop_assert_eq!(bytes, before);
        }
    }
}

#[test]
fn the_usual_touch_is_in_place() {
    let old = Meta { generation: 1, void_time: 500, last_update_ms: 77, set: SetId::new(1).unwrap() };
    let new = Meta { generation: 2, void_time: 900, last_update_ms: 99, ..old };
    let mut bytes = encode(&Digest([9; 20]), &old, None, std::iter::empty(), 0);
    assert_eq!(patch_meta(&mut bytes, &Meta { void_time: 0, ..new }, 0), Ok(false));
    assert_eq!(patch_meta(&mut bytes, &Meta { last_update_ms: 1 << 40, ..new }, 0), Ok(false));
    assert_eq!(patch_meta(&mut bytes, &new, 0), Ok(true));
}

/// The record of `docs/format/record.md`.
#[test]
fn the_documented_example_is_byte_exact() {
    let digest: [u8; 20] = std::array::from_fn(|index| u8::try_from(index).unwrap());
    let meta = Meta {
        generation: 7,
        void_time: 0x0102_0304,
        last_update_ms: 0x00a1_b2c3_d4e5,
        set: SetId::new(5).unwrap(),
    };
    let key = KeyRef { kind: 3, bytes: b"k1" };
    let number = 42i64.to_be_bytes();
    let bins = [
        bin(b"n", ParticleType::Integer, &number),
        bin(b"text", ParticleType::String, b"hi"),
        bin(b"", ParticleType::PythonBlob, b"\x80"),
    ];
    let bytes = encode(&Digest(digest), &meta, Some(key), bins.into_iter(), 0);
    let mut expected = vec![0x9b, 0xda, 0x46, 0x14];
    expected.extend([60, 0x37]);
    expected.extend(digest);
    expected.extend([0x07, 0x00]);
    expected.extend([0xe5, 0xd4, 0xc3, 0xb2, 0xa1]);
    expected.extend([0x05, 0x00]);
    expected.extend([0x04, 0x03, 0x02, 0x01]);
    expected.extend([0x03, 0x02, b'k', b'1']);
    expected.extend([0x11, b'n', 0, 0, 0, 0, 0, 0, 0, 42]);
    expected.extend([0x43, b't', b'e', b'x', b't', 0x02, b'h', b'i']);
    expected.extend([0x0f, 0x09, 0x01, 0x80]);
    assert_eq!(bytes, expected);
}

#[test]
fn a_100_byte_value_costs_at_most_40_bytes_more() {
    let meta =
        Meta { generation: 1, void_time: 0, last_update_ms: 500_000_000_000, set: SetId::new(1).unwrap() };
    let value = [b'v'; 100];
    let bytes =
        encode(&Digest([1; 20]), &meta, None, [bin(b"v", ParticleType::String, &value)].into_iter(), 0);
    println!("overhead of a 100-byte value: {} bytes", bytes.len() - 100);
    assert!(bytes.len() <= 140);
}

#[test]
fn what_the_format_cannot_hold_is_refused() {
    let empty = |name| bin(name, ParticleType::Blob, &[]);
    let plan = |bins: &[BinRef<'_>]| Plan::new(&Meta::default(), None, bins.iter().copied()).map(|_| ());
    assert_eq!(plan(&[empty(&[b'n'; 15])]), Ok(()));
    assert_eq!(plan(&[empty(&[b'n'; 16])]), Err(StoreError::BinName));
    assert_eq!(plan(&vec![empty(b"n"); BIN_COUNT_MAX]), Ok(()));
    assert_eq!(plan(&vec![empty(b"n"); BIN_COUNT_MAX + 1]), Err(StoreError::TooManyBins));
    let big = vec![0u8; RECORD_SIZE_MAX];
    assert_eq!(plan(&[bin(b"n", ParticleType::Blob, &big)]), Err(StoreError::RecordTooBig));
    assert_eq!(plan(&[bin(b"n", ParticleType::Blob, &big[..8 << 20])]), Ok(()));
}

#[test]
fn many_and_no_bins_come_back() {
    for count in [0, 1, 14, 15, 16, 127, 128, BIN_COUNT_MAX] {
        let names: Vec<String> = (0..count).map(|number| number.to_string()).collect();
        let bins = names.iter().map(|name| bin(name.as_bytes(), ParticleType::Bool, &[1]));
        let bytes = encode(&Digest([3; 20]), &Meta::default(), None, bins.clone(), 0);
        let record = verify(&bytes, 0).unwrap();
        assert!(record.bins().eq(bins));
        assert_eq!(record.bin_count(), count);
        if let Some(last) = names.last() {
            assert_eq!(record.bin(last.as_bytes()).unwrap().value, [1]);
        }
        assert!(record.bin(b"none").is_none());
    }
}

#[test]
fn zeroed_memory_is_the_end_and_no_record() {
    assert_eq!(decode(&[0; 64]).unwrap_err(), CorruptRecord::End);
    assert_eq!(decode(&[]).unwrap_err(), CorruptRecord::Truncated);
}

#[test]
fn a_gap_of_any_size_is_stepped_over() {
    for size in (33..500).chain([16_390, 16_391, 16_392, 16_393, 1 << 20]) {
        let mut bytes = vec![0xee; size];
        super::encode_gap(&mut bytes);
        assert_eq!(frame_size(&bytes), Ok(size), "{size}");
        assert_eq!(decode(&bytes).unwrap().size(), size);
        assert!(verify(&bytes, 77).is_err());
    }
}
