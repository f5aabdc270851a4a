use super::{Change, Modified, modify, read};
use crate::msgpack::{FLAG_ORDERED, Reader, element, writer};
use crate::{OwnedParticle, Particle, ParticleType, Refusal, canonical};
use proptest::prelude::{Just, Strategy, any, prop, prop_oneof, proptest};

fn int(value: i64) -> Vec<u8> {
    let mut out = Vec::new();
    writer::int(&mut out, value);
    out
}

fn array(elements: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    writer::array_head(&mut out, elements.len());
    out.extend(elements.concat());
    out
}

fn ordered(elements: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    writer::list_start(&mut out, FLAG_ORDERED, elements.len());
    out.extend(elements.concat());
    out
}

fn ints(values: &[i64]) -> Vec<u8> {
    array(&values.iter().copied().map(int).collect::<Vec<_>>())
}

fn call(code: i64, args: &[Vec<u8>]) -> Vec<u8> {
    let mut parts = vec![int(code)];
    parts.extend_from_slice(args);
    array(&parts)
}

fn within(context: &[Vec<u8>], call: Vec<u8>) -> Vec<u8> {
    array(&[int(0xff), array(context), call])
}

fn list(bytes: &[u8]) -> Option<Particle<'_>> {
    Some(Particle { kind: ParticleType::List, bytes })
}

fn changed(modified: &Modified) -> &[u8] {
    match &modified.bin {
        Change::Set(value) => &value.bytes,
        Change::Keep | Change::Remove => panic!("the bin was to change"),
    }
}

#[test]
fn appending_copies_and_patches_the_head() {
    for count in [0, 14, 15, 16, 65_534, 65_535, 65_536] {
        let old: Vec<i64> = (0..count).collect();
        let new: Vec<i64> = (0..=count).collect();
        let modified = modify(list(&ints(&old)), &call(1, &[int(count)])).unwrap();
        assert_eq!(changed(&modified), ints(&new));
        assert_eq!(modified.result, Some(OwnedParticle::integer(count + 1)));
    }
}

#[test]
fn ranks_of_an_unordered_list_come_from_the_nearer_end() {
    let bin = ints(&[5, 1, 3, 1, 9]);
    let ask = |rank, count| read(list(&bin), &call(26, &[int(7), int(rank), int(count)])).unwrap().unwrap();
    assert_eq!(ask(0, 3).bytes, ints(&[3, 1, 1]));
    assert_eq!(ask(2, 3).bytes, ints(&[3, 5, 9]));
}

#[test]
fn a_change_inside_an_ordered_list_moves_the_element() {
    let bin = ordered(&[ints(&[1]), ints(&[2]), ints(&[3])]);
    let payload = within(&[int(0x10), int(0)], call(9, &[int(0), int(7)]));
    let modified = modify(list(&bin), &payload).unwrap();
    assert_eq!(changed(&modified), ordered(&[ints(&[2]), ints(&[3]), ints(&[7])]));
    let outer = array(&[bin, int(0)]);
    let payload = within(&[int(0x10), int(0), int(0x10), int(0)], call(9, &[int(0), int(7)]));
    let modified = modify(list(&outer), &payload).unwrap();
    let moved = ordered(&[ints(&[2]), ints(&[3]), ints(&[7])]);
    assert_eq!(changed(&modified), array(&[moved, int(0)]));
}

#[test]
fn an_index_far_behind_the_end_is_not_filled_up() {
    let bin = ints(&[1]);
    for payload in [
        call(3, &[int(1 << 40), int(1)]),
        call(9, &[int(1 << 40), int(1)]),
        call(12, &[int(1 << 40), int(1)]),
        within(&[int(0x90), int(1 << 40)], call(1, &[int(1)])),
    ] {
        assert_eq!(modify(list(&bin), &payload), Err(Refusal::RecordTooBig));
    }
}

#[test]
fn strings_in_a_list_are_joined() {
    let text = |text: &str| {
        let mut out = Vec::new();
        writer::typed(&mut out, 3, text.as_bytes());
        out
    };
    let words = array(&[text("one"), text("two")]);
    let joined = |list: &[u8], args: &[Vec<u8>]| {
        read(Some(Particle { kind: ParticleType::List, bytes: list }), &call(28, args)).map(Option::unwrap)
    };
    let string =
        |text: &str| Ok(OwnedParticle { kind: ParticleType::String, bytes: text.as_bytes().to_vec() });
    assert_eq!(joined(&words, &[]), string("onetwo"));
    assert_eq!(joined(&words, &[text(", ")]), string("one, two"));
    assert_eq!(joined(&array(&[]), &[text(",")]), string(""));
    assert_eq!(joined(&ints(&[1]), &[]), Err(Refusal::Parameter));
    let nested = within(&[int(0x10), int(0)], call(28, &[text("-")]));
    assert_eq!(read(list(&array(&[words])), &nested).unwrap(), Some(string("one-two").unwrap()));
}

#[test]
fn payloads_that_are_none_are_refused() {
    let bin = ints(&[1]);
    for payload in [vec![], vec![0x90], vec![0xc0], vec![0x92, 0x10], vec![0x91, 0xa1, 0x03], call(0xff, &[])]
    {
        assert_eq!(read(list(&bin), &payload), Err(Refusal::Parameter), "{payload:02x?}");
        assert_eq!(modify(list(&bin), &payload), Err(Refusal::Parameter), "{payload:02x?}");
    }
    assert_eq!(read(list(&bin), &call(1, &[int(1)])), Err(Refusal::Parameter));
    assert_eq!(modify(list(&bin), &call(16, &[])), Err(Refusal::Parameter));
    assert_eq!(read(list(&bin), &call(28, &[])), Err(Refusal::Parameter));
    assert_eq!(read(list(&bin), &call(99, &[])), Err(Refusal::IncompatibleType));
}

#[test]
fn a_map_that_a_client_wrote_out_of_order_is_put_in_order() {
    let mut bin = Vec::new();
    writer::map_head(&mut bin, 2);
    bin.extend([int(9), int(1), int(4), int(2)].concat());
    let modified =
        modify(Some(Particle { kind: ParticleType::Map, bytes: &bin }), &call(67, &[int(6), int(3), int(0)]));
    let mut expected = Vec::new();
    writer::map_head(&mut expected, 3);
    expected.extend([int(4), int(2), int(6), int(3), int(9), int(1)].concat());
    assert_eq!(changed(&modified.unwrap()), expected);
}

#[test]
fn many_values_are_found_like_few() {
    let bin: Vec<i64> = (0..200).map(|number| number * 37 % 50).collect();
    let (bin, wanted) = (ints(&bin), (0..60).map(|number| number * 3).collect::<Vec<i64>>());
    for told in [1, 3, 4, 5, 7, 0x10003, 0x10007] {
        let many = read(list(&bin), &call(23, &[int(told), ints(&wanted)])).unwrap();
        // The same values in pieces that are too small to be sorted, for the counts; ranks and order by the whole.
        if told == 5 {
            let count = |values: &[i64]| {
                let one = read(list(&bin), &call(23, &[int(5), ints(values)])).unwrap().unwrap();
                i64::from_be_bytes(one.bytes.try_into().unwrap())
            };
            let total = wanted.chunks(5).map(count).sum();
            assert_eq!(many, Some(OwnedParticle::integer(total)));
        }
        let again = [wanted.clone(), wanted.clone()].concat();
        assert_eq!(read(list(&bin), &call(23, &[int(told), ints(&again)])).unwrap(), many);
    }
    let own = read(list(&bin), &call(24, &[int(3), int(1)])).unwrap().unwrap();
    let mut ranks = Reader::new(&own.bytes);
    assert_eq!(ranks.array_head(), Ok(199));
    for index in 1..200 {
        let one = read(list(&bin), &call(19, &[int(3), int(index)])).unwrap();
        assert_eq!(one, Some(OwnedParticle::integer(ranks.int().unwrap())));
    }
}

#[test]
fn many_new_elements_must_be_unique_like_few() {
    let new: Vec<i64> = (0..40).map(|number| number % 30).collect();
    let add = |flags: i64| modify(list(&ints(&[5, 7])), &call(2, &[ints(&new), int(0), int(flags)]));
    assert_eq!(add(1), Err(Refusal::ElementExists));
    let modified = add(1 | 4 | 8).unwrap();
    let expected: Vec<i64> = [5, 7].into_iter().chain((0..30).filter(|n| *n != 5 && *n != 7)).collect();
    assert_eq!(changed(&modified), ints(&expected));
}

#[test]
fn many_pairs_are_written_like_few() {
    let pairs = |numbers: &[i64]| {
        let mut out = Vec::new();
        writer::map_head(&mut out, numbers.len());
        numbers.iter().for_each(|number| out.extend([int(number % 20), int(*number)].concat()));
        out
    };
    let new: Vec<i64> = (0..50).rev().collect();
    let bin = pairs(&[3, 9, 19]);
    let bin = Some(Particle { kind: ParticleType::Map, bytes: &bin });
    let modified = modify(bin, &call(68, &[pairs(&new), int(0)])).unwrap();
    let expected: Vec<i64> = (0..20).collect();
    assert_eq!(changed(&modified), pairs(&expected));
}

/// Any encoded value, wildcards and containers included.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        Just(vec![0xc0]),
        Just(vec![0xc2]),
        Just(vec![0xd4, 0xff, 0x00]),
        Just(vec![0xd4, 0xff, 0x01]),
        (-3_i64..12).prop_map(int),
        any::<i64>().prop_map(int),
        any::<f64>().prop_map(|value| [vec![0xcb], value.to_be_bytes().to_vec()].concat()),
        "[a-c]{0,2}".prop_map(|text| {
            let mut out = Vec::new();
            writer::typed(&mut out, 3, text.as_bytes());
            out
        }),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        let elements = prop::collection::vec(inner.clone(), 0..6);
        prop_oneof![
            elements.clone().prop_map(|elements| array(&elements)),
            elements.prop_map(|elements| ordered(&elements)),
            (prop::collection::vec((inner.clone(), inner), 0..4), 0..4_u8).prop_map(|(pairs, flags)| {
                let mut out = Vec::new();
                writer::map_start(&mut out, flags, pairs.len());
                pairs.iter().for_each(|(key, value)| out.extend([key.clone(), value.clone()].concat()));
                out
            }),
        ]
    })
}

/// Any call, most of them nearly right, some inside a context or along a path.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let args = prop::collection::vec(value(), 0..6);
    let plain = (0..112_i64, args).prop_map(|(code, args)| call(code, &args)).boxed();
    let kind = prop_oneof![Just(0x10_i64), Just(0x22), Just(0x11), Just(0x23), Just(0x04), 0..0x300_i64];
    let steps = prop::collection::vec((kind, 0..4_u8, value()), 0..4).prop_map(|steps| {
        let flat = steps.into_iter().flat_map(|(kind, create, value)| {
            let create = if kind < 0x40 { i64::from(create) << 6 } else { 0 };
            [int(kind | create), value]
        });
        flat.collect::<Vec<Vec<u8>>>()
    });
    let steps = steps.boxed();
    prop_oneof![
        plain.clone(),
        (steps.clone(), plain).prop_map(|(steps, call)| within(&steps, call)),
        (steps, 0..0x20_i64, prop::option::of(value())).prop_map(|(steps, flags, expression)| {
            let mut parts = vec![int(0xfe), array(&steps), int(flags)];
            parts.extend(expression);
            array(&parts)
        }),
    ]
}

fn particle(bytes: &[u8]) -> Option<Particle<'_>> {
    let kind = match Reader::new(bytes).peek() {
        Ok(crate::msgpack::Item::Map(_)) => ParticleType::Map,
        _ => ParticleType::List,
    };
    Some(Particle { kind, bytes })
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(
        bin in prop::collection::vec(any::<u8>(), 0..60),
        payload in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        for kind in [ParticleType::List, ParticleType::Map, ParticleType::Integer] {
            let _ = read(Some(Particle { kind, bytes: &bin }), &payload);
            let _ = modify(Some(Particle { kind, bytes: &bin }), &payload);
        }
        let _ = modify(None, &payload);
    }

    #[test]
    fn values_out_of_order_never_panic(bin in value(), payload in payload()) {
        let _ = read(particle(&bin), &payload);
        let _ = modify(particle(&bin), &payload);
        let _ = modify(None, &payload);
    }

    #[test]
    fn what_is_written_is_canonical(bin in value(), payload in payload()) {
        let mut stored = Vec::new();
        if canonical::element(&bin, &mut stored).is_ok()
            && let Ok(Modified { bin: Change::Set(new), .. }) = modify(particle(&stored), &payload)
        {
            let mut again = Vec::new();
            canonical::element(&new.bytes, &mut again).unwrap();
            assert_eq!(new.bytes, again, "{stored:02x?} {payload:02x?}");
            assert_eq!(element::to_particle(&new.bytes), Ok(Some(new)));
        }
    }
}
