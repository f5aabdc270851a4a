use super::{Bin, bin, particle};
use proptest::prelude::{Strategy, any, prop, proptest};
use serde_json::{Value, json};
use shipload_value::ParticleType;
use shipload_value::msgpack::writer;

/// From a particle to JSON text and back.
fn round(kind: ParticleType, bytes: &[u8]) -> Bin {
    let text = particle(kind.number(), bytes).to_string();
    let value: Value = serde_json::from_str(&text).expect("our own JSON");
    bin(&value).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[track_caller]
fn same(kind: ParticleType, bytes: &[u8]) {
    assert_eq!(round(kind, bytes), Bin { kind: kind.number(), bytes: bytes.to_vec() });
}

#[test]
fn plain_values_look_plain() {
    assert_eq!(particle(1, &7i64.to_be_bytes()), json!(7));
    assert_eq!(particle(2, &5f64.to_be_bytes()).to_string(), "5.0");
    assert_eq!(particle(3, b"caf\xc3\xa9"), json!("café"));
    assert_eq!(particle(17, &[1]), json!(true));
    let map = bin(&json!({ "a": [1, "x", null, 2.5], "b": { "c": false } })).expect("plain");
    assert_eq!(particle(map.kind, &map.bytes), json!({ "a": [1, "x", null, 2.5], "b": { "c": false } }));
}

#[test]
fn what_json_lacks_is_tagged() {
    assert_eq!(particle(1, &i64::MAX.to_be_bytes()), json!({ "$int": "9223372036854775807" }));
    assert_eq!(particle(1, &i64::MIN.to_be_bytes()), json!({ "$int": "-9223372036854775808" }));
    assert_eq!(particle(2, &f64::NAN.to_be_bytes()), json!({ "$double": "NaN" }));
    assert_eq!(particle(4, &[0, 255]), json!({ "$bytes": "AP8=" }));
    assert_eq!(particle(9, b"x"), json!({ "$bytes": "eA==", "$type": 9 }));
    assert_eq!(particle(3, &[0xff]), json!({ "$text": "/w==" }));
    let point = "{\"type\":\"Point\",\"coordinates\":[1.5,2.5]}";
    let stored = [&[0, 0, 1], &[9; 8][..], point.as_bytes()].concat();
    let expected: Value = serde_json::from_str(point).expect("JSON");
    assert_eq!(particle(23, &stored), json!({ "$geo": expected }));
    let spaced = [&[0, 0, 0], "{ \"type\":\"Point\"}".as_bytes()].concat();
    assert_eq!(particle(23, &spaced), json!({ "$geo": "{ \"type\":\"Point\"}" }));
}

#[test]
fn containers_with_order_and_odd_keys_come_back() {
    let mut ordered = Vec::new();
    writer::list_start(&mut ordered, 1, 2);
    writer::int(&mut ordered, 1);
    writer::int(&mut ordered, 2);
    assert_eq!(particle(20, &ordered), json!({ "$list": [1, 2], "$order": "ordered" }));
    same(ParticleType::List, &ordered);
    let mut map = Vec::new();
    writer::map_start(&mut map, 1, 2);
    writer::int(&mut map, 7);
    writer::typed(&mut map, 4, &[1]);
    writer::typed(&mut map, 3, b"$a");
    writer::uint(&mut map, u64::MAX);
    let expected = json!({
        "$map": [[7, { "$bytes": "AQ==" }], ["$a", { "$int": "18446744073709551615" }]],
        "$order": "key"
    });
    assert_eq!(particle(19, &map), expected);
    same(ParticleType::Map, &map);
}

#[test]
fn what_would_come_back_as_something_else_is_refused() {
    for (value, why) in [
        (json!({ "$x": 1 }), "is no tag"),
        (json!({ "$int": "1", "b": 2 }), "has no place"),
        (json!({ "$int": "9223372036854775808" }), "64 bits"),
        (json!(u64::MAX), "does not fit"),
        (json!({ "$bytes": "%" }), "base64"),
        (json!({ "$bytes": "", "$type": 1 }), "particle type"),
        (json!({ "$map": [[1]] }), "pairs"),
        (json!({ "$msgpack": "wQ==" }), "whole value"),
        (json!([{ "$list": 1 }]), "array"),
    ] {
        let error = bin(&value).expect_err("refused").to_string();
        assert!(error.contains(why), "{value}: {error}");
    }
}

#[test]
fn deep_containers_stay_whole() {
    let mut deep = vec![0x91; 5000];
    deep.push(0xc0);
    same(ParticleType::List, &deep);
}

fn scalar() -> impl Strategy<Value = Vec<u8>> {
    let encode = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        write(&mut out);
        out
    };
    proptest::prop_oneof![
        any::<i64>().prop_map(move |value| encode(&|out| writer::int(out, value))),
        any::<u64>().prop_map(move |value| encode(&|out| writer::uint(out, value))),
        any::<f64>()
            .prop_filter("a NaN has many bit patterns", |value| !value.is_nan())
            .prop_map(move |value| encode(&|out| writer::double(out, value))),
        (any::<bool>()).prop_map(move |value| encode(&|out| writer::bool(out, value))),
        prop::collection::vec(any::<u8>(), 0..40)
            .prop_map(move |bytes| encode(&|out| writer::typed(out, 3, &bytes))),
        prop::collection::vec(any::<u8>(), 0..40)
            .prop_map(move |bytes| encode(&|out| writer::typed(out, 4, &bytes))),
    ]
}

fn nested() -> impl Strategy<Value = Vec<u8>> {
    scalar().prop_recursive(4, 40, 6, |inner| {
        proptest::prop_oneof![
            (prop::collection::vec(inner.clone(), 0..6), 0u8..2).prop_map(|(items, flags)| {
                let mut out = Vec::new();
                writer::list_start(&mut out, flags, items.len());
                items.iter().for_each(|item| out.extend_from_slice(item));
                out
            }),
            (prop::collection::btree_map(scalar(), inner, 0..6), prop::sample::select(vec![0u8, 1, 3]))
                .prop_map(|(pairs, flags)| {
                    let mut out = Vec::new();
                    writer::map_start(&mut out, flags, pairs.len());
                    pairs.iter().for_each(|(key, value)| {
                        out.extend_from_slice(key);
                        out.extend_from_slice(value);
                    });
                    out
                }),
        ]
    })
}

proptest! {
    #[test]
    fn every_container_comes_back(content in nested()) {
        let kind = match content.first() {
            Some(0x90..=0x9f | 0xdc | 0xdd) => ParticleType::List,
            Some(0x80..=0x8f | 0xde | 0xdf) => ParticleType::Map,
            _ => return Ok(()),
        };
        same(kind, &content);
    }

    #[test]
    fn every_scalar_comes_back(integer in any::<i64>(), double in any::<f64>(), bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        same(ParticleType::Integer, &integer.to_be_bytes());
        if !double.is_nan() {
            same(ParticleType::Double, &double.to_be_bytes());
        }
        for kind in [ParticleType::String, ParticleType::Blob, ParticleType::PythonBlob, ParticleType::Hll, ParticleType::Vector] {
            same(kind, &bytes);
        }
    }

    #[test]
    fn any_bytes_give_some_json(kind in any::<u8>(), bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = particle(kind, &bytes);
    }
}
