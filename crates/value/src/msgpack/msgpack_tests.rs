//! The reader and the writer agree, and neither can be fooled by counts.

use super::{Item, ListHead, MapHead, Reader, element, writer};
use crate::{OwnedParticle, ParticleType};
use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}

#[test]
fn integers_take_the_shortest_form() {
    let cases: [(i64, &[u8]); 14] = [
        (0, &[0x00]),
        (127, &[0x7f]),
        (128, &[0xcc, 0x80]),
        (255, &[0xcc, 0xff]),
        (256, &[0xcd, 0x01, 0x00]),
        (65536, &[0xce, 0, 1, 0, 0]),
        (1 << 32, &[0xcf, 0, 0, 0, 1, 0, 0, 0, 0]),
        (-1, &[0xff]),
        (-32, &[0xe0]),
        (-33, &[0xd0, 0xdf]),
        (-129, &[0xd1, 0xff, 0x7f]),
        (-32769, &[0xd2, 0xff, 0xff, 0x7f, 0xff]),
        (-2_147_483_649, &[0xd3, 0xff, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]),
        (i64::MIN, &[0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0]),
    ];
    for (value, expected) in cases {
        assert_eq!(written(|out| writer::int(out, value)), expected);
        assert_eq!(Reader::new(expected).read(), Ok(Item::Int(value)));
    }
    assert_eq!(Reader::new(&written(|out| writer::uint(out, u64::MAX))).read(), Ok(Item::Uint(u64::MAX)));
}

#[test]
fn a_count_larger_than_the_bytes_is_refused() {
    for bytes in
        [&[0xdd, 0xff, 0xff, 0xff, 0xff, 0][..], &[0xdf, 0, 0, 0, 1, 0], &[0x91], &[0xdb, 0, 0, 1, 0]]
    {
        assert!(Reader::new(bytes).read().is_err());
    }
}

#[test]
fn deep_nesting_is_skipped_without_recursion() {
    let mut bytes = vec![0x91; 1_000_000];
    bytes.push(0xc0);
    let mut reader = Reader::new(&bytes);
    assert!(reader.skip().is_ok() && reader.at_end());
}

#[test]
fn container_flags_are_not_elements() {
    let list = written(|out| writer::list_start(out, 1, 0));
    assert_eq!(list, [0x91, 0xc7, 0, 1]);
    assert_eq!(Reader::new(&list).list_head(), Ok(ListHead { flags: 1, count: 0 }));
    let map = written(|out| writer::map_start(out, 0x11, 0));
    assert_eq!(map, [0x81, 0xc7, 0, 1, 0xc0]);
    assert_eq!(Reader::new(&map).map_head(), Ok(MapHead { flags: 1, count: 0 }));
    // A wildcard in the first place is an element.
    assert_eq!(Reader::new(&[0x91, 0xd4, 0xff, 0]).list_head(), Ok(ListHead { flags: 0, count: 1 }));
}

#[test]
fn elements_become_bin_values_and_back() {
    let values = [
        OwnedParticle::integer(-5),
        OwnedParticle { kind: ParticleType::Double, bytes: 1.5f64.to_be_bytes().to_vec() },
        OwnedParticle { kind: ParticleType::String, bytes: b"text".to_vec() },
        OwnedParticle { kind: ParticleType::PythonBlob, bytes: vec![1, 2] },
        OwnedParticle { kind: ParticleType::Bool, bytes: vec![1] },
        OwnedParticle { kind: ParticleType::List, bytes: vec![0x91, 0x01] },
        OwnedParticle { kind: ParticleType::GeoJson, bytes: b"\0\0\0{}".to_vec() },
    ];
    for value in values {
        let encoded = written(|out| element::from_particle(out, value.as_particle()));
        assert_eq!(element::to_particle(&encoded), Ok(Some(value)));
    }
    assert_eq!(element::to_particle(&[0xc0]), Ok(None));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut reader = Reader::new(&bytes);
        while reader.skip().is_ok() && !reader.at_end() {}
        prop_assert!(reader.position() <= bytes.len());
        let _ = element::to_particle(&bytes);
    }

    #[test]
    fn strings_and_exts_come_back(raw in prop::collection::vec(any::<u8>(), 0..70_000), kind in any::<u8>()) {
        let bytes = written(|out| { writer::bytes(out, &raw); writer::ext(out, kind, &raw); });
        let mut reader = Reader::new(&bytes);
        prop_assert_eq!(reader.read(), Ok(Item::Bytes(&raw)));
        prop_assert_eq!(reader.read(), Ok(Item::Ext { kind, data: &raw }));
    }
}
