//! The order is total, and follows the type ladder.

use super::compare;
use crate::msgpack::writer;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};
use std::cmp::Ordering;

fn int(value: i64) -> Vec<u8> {
    let mut out = Vec::new();
    writer::int(&mut out, value);
    out
}

#[test]
fn types_stand_in_their_order() {
    let ladder: [&[u8]; 11] = [
        &[0xc0],
        &[0xc2],
        &[0xc3],
        &[0xff],
        &[0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0xa2, 3, b'a'],
        &[0x90],
        &[0x80],
        &[0xa2, 4, 0],
        &[0xcb, 0xff, 0xf0, 0, 0, 0, 0, 0, 0],
        &[0xd4, 0xff, 1],
    ];
    for (i, a) in ladder.iter().enumerate() {
        for (j, b) in ladder.iter().enumerate() {
            assert_eq!(compare(a, b), i.cmp(&j), "{a:x?} {b:x?}");
        }
    }
}

#[test]
fn a_wildcard_ends_a_list_as_equal() {
    let pattern = [0x92, 0x01, 0xd4, 0xff, 0x00];
    assert_eq!(compare(&[0x92, 1, 2], &pattern), Ordering::Equal);
    assert_eq!(compare(&[0x93, 1, 2, 3], &pattern), Ordering::Equal);
    assert_eq!(compare(&[0x91, 1], &pattern), Ordering::Less);
    assert_eq!(compare(&[0x91, 2], &pattern), Ordering::Greater);
    // What follows the list on the outer level still counts.
    let outer = [0x92, 0x92, 0x01, 0xd4, 0xff, 0x00, 0x05];
    assert_eq!(compare(&[0x92, 0x93, 1, 2, 3, 5], &outer), Ordering::Equal);
    assert_eq!(compare(&[0x92, 0x93, 1, 2, 3, 6], &outer), Ordering::Greater);
}

#[test]
fn maps_compare_by_count_first() {
    assert_eq!(compare(&[0x81, 9, 9], &[0x82, 1, 1, 2, 2]), Ordering::Less);
    assert_eq!(compare(&[0x81, 1, 9], &[0x81, 2, 1]), Ordering::Less);
}

#[test]
fn integers_and_doubles_are_never_equal() {
    let mut two = Vec::new();
    writer::double(&mut two, 2.0);
    assert_eq!(compare(&int(2), &two), Ordering::Less);
}

fn scalar() -> BoxedStrategy<Vec<u8>> {
    prop_oneof![
        Just(vec![0xc0]),
        any::<bool>().prop_map(|value| vec![if value { 0xc3 } else { 0xc2 }]),
        (-2i64..3).prop_map(int),
        any::<i64>().prop_map(int),
        any::<u64>().prop_map(|value| {
            let mut out = Vec::new();
            writer::uint(&mut out, value);
            out
        }),
        any::<f64>().prop_map(|value| {
            let mut out = Vec::new();
            writer::double(&mut out, value);
            out
        }),
        prop::collection::vec(0u8..25, 0..4).prop_map(|raw| {
            let mut out = Vec::new();
            writer::bytes(&mut out, &raw);
            out
        }),
    ]
    .boxed()
}

fn value() -> BoxedStrategy<Vec<u8>> {
    scalar()
        .prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(|items| {
                    let mut out = Vec::new();
                    writer::array_head(&mut out, items.len());
                    out.extend(items.concat());
                    out
                }),
                prop::collection::vec((inner.clone(), inner), 0..3).prop_map(|pairs| {
                    let mut out = Vec::new();
                    writer::map_head(&mut out, pairs.len());
                    for (key, value) in pairs {
                        out.extend(key);
                        out.extend(value);
                    }
                    out
                }),
            ]
        })
        .boxed()
}

proptest! {
    #[test]
    fn the_order_is_total(a in value(), b in value(), c in value()) {
        prop_assert_eq!(compare(&a, &a), Ordering::Equal);
        prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
        let mut sorted = [a, b, c];
        sorted.sort_by(|x, y| compare(x, y));
        prop_assert_eq!(compare(&sorted[0], &sorted[1]).min(compare(&sorted[1], &sorted[2])), compare(&sorted[0], &sorted[2]));
    }

    #[test]
    fn arbitrary_bytes_never_panic(a in prop::collection::vec(any::<u8>(), 0..60), b in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = compare(&a, &b);
    }
}
