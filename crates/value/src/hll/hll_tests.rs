use super::hash::hash;
use super::sketch::{Shape, Sketch};
use super::{estimate, modify, read, together};
use crate::msgpack::writer;
use crate::{Particle, ParticleType, Refusal};
use proptest::prelude::{ProptestConfig, any, prop, prop_assert, prop_assert_eq, proptest};

fn filled(shape: Shape, values: std::ops::Range<i64>) -> Sketch {
    let mut sketch = Sketch::empty(shape);
    for value in values {
        let mut encoded = Vec::new();
        writer::int(&mut encoded, value);
        sketch.add(&encoded);
    }
    sketch
}

fn near(value: i64, expected: i64, percent: i64) {
    assert!((value - expected).abs() * 100 <= expected * percent, "{value} is not near {expected}");
}

#[test]
fn the_hash_has_its_known_values() {
    assert_eq!(hash(b""), (0, 0));
    assert_eq!(hash(b"hello"), (0xcbd8_a7b3_41bd_9b02, 0x5b1e_906a_48ae_1d19));
    let text = b"The quick brown fox jumps over the lazy dog";
    assert_eq!(hash(text), (0xe34b_bc7b_bc07_1b6c, 0x7a43_3ca9_c49a_9347));
}

#[test]
fn counts_are_near_for_every_shape() {
    for index_bits in [10, 12, 14, 16] {
        for minhash_bits in [0, 4, 20, 48] {
            let shape = Shape::new(index_bits, minhash_bits).unwrap();
            near(estimate::count(&filled(shape, 0..20_000)), 20_000, 10);
        }
    }
    assert_eq!(estimate::count(&Sketch::empty(Shape::new(4, 0).unwrap())), 0);
}

#[test]
fn folding_is_the_same_as_fewer_bits_from_the_start() {
    let (large, small) = (Shape::new(12, 0).unwrap(), Shape::new(6, 0).unwrap());
    assert_eq!(filled(large, 0..5_000).reduced(small), filled(small, 0..5_000));
}

#[test]
fn unions_and_intersections_are_near() {
    for minhash_bits in [0, 16] {
        let shape = Shape::new(14, minhash_bits).unwrap();
        let (a, b) = (filled(shape, 0..10_000), filled(shape, 5_000..15_000));
        assert_eq!(together::union(&[a.clone(), b.clone()]), filled(shape, 0..15_000));
        near(together::intersect_count(&[a.clone(), b.clone()]).unwrap(), 5_000, 15);
        let similarity = together::similarity(&[a.clone(), b.clone()]).unwrap();
        assert!((similarity - 1.0 / 3.0).abs() < 0.05, "{similarity}");
        let four = [a.clone(), a.clone(), b.clone(), b];
        let refused = if minhash_bits == 0 { Err(Refusal::NotApplicable) } else { Ok(()) };
        assert_eq!(together::intersect_count(&four).map(drop), refused);
    }
}

#[test]
fn what_was_added_may_be_contained() {
    let sketch = filled(Shape::new(12, 8).unwrap(), 0..1_000);
    let mut encoded = Vec::new();
    writer::int(&mut encoded, 77);
    assert!(sketch.may_contain(&encoded));
    assert!(!Sketch::empty(sketch.shape()).may_contain(&encoded));
}

#[test]
fn an_hll_may_be_listed_as_a_plain_blob() {
    let bytes = filled(Shape::new(8, 0).unwrap(), 0..100).into_particle().bytes;
    let bin = Some(Particle { kind: ParticleType::Hll, bytes: &bytes });
    for kind in [18, 4] {
        let mut payload = vec![0x92, 52, 0x91];
        writer::typed(&mut payload, kind, &bytes);
        let counted = read(bin, &payload).unwrap();
        assert_eq!(counted, read(bin, &[0x91, 50]).unwrap(), "a union with itself");
    }
}

/// Five times the standard error of an estimate with so many registers, as a share.
fn five_sigma(index_bits: u8) -> f64 {
    5.0 * 1.04 / f64::from(1u32 << index_bits).sqrt()
}

fn small(value: i64) -> f64 {
    f64::from(i32::try_from(value).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn estimates_stay_within_their_error(
        index_bits in 8u8..=16,
        minhash_bits in prop::sample::select(vec![0u8, 8, 16]),
        start in any::<i32>(),
        (first, shared, second) in (0i64..6_000, 0i64..6_000, 0i64..6_000),
    ) {
        let shape = Shape::new(index_bits, minhash_bits).unwrap();
        let start = i64::from(start);
        let a = filled(shape, start..start + first + shared);
        let b = filled(shape, start + first..start + first + shared + second);
        let all = first + shared + second;
        let share = five_sigma(index_bits);
        let within = |got: i64, real: i64, error: f64| (small(got) - small(real)).abs() <= error.max(4.0);
        let count = estimate::count(&a);
        prop_assert!(within(count, first + shared, share * small(first + shared)), "{count} of {}", first + shared);
        let union = together::union(&[a.clone(), b.clone()]);
        prop_assert_eq!(&union, &filled(shape, start..start + all));
        prop_assert_eq!(together::union(&[b.clone(), a.clone()]), union);
        // An intersection is what counts of the parts and of the whole say, so their errors add up.
        let error = share * small(first + shared + shared + second + all);
        let both = together::intersect_count(&[a.clone(), b.clone()]).unwrap();
        prop_assert!(within(both, shared, error), "{both} of {shared}, {first} and {second} beside");
        let similarity = together::similarity(&[a, b]).unwrap();
        if all > 1_000 && minhash_bits == 0 {
            let real = small(shared) / small(all);
            prop_assert!((similarity - real).abs() <= 2.0 * error / small(all), "{similarity} for {real}");
        }
        prop_assert!((0.0..=1.0).contains(&similarity));
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(
        registers in prop::collection::vec(any::<u8>(), 12),
        payload in prop::collection::vec(any::<u8>(), 0..40),
        code in 0..60_u8,
        args in prop::collection::vec(-2_i8..20, 0..5),
    ) {
        let bytes = [vec![0, 4, 0], vec![0; 8], registers].concat();
        let bin = Some(Particle { kind: ParticleType::Hll, bytes: &bytes });
        let mut call = vec![0x91 + u8::try_from(args.len()).unwrap(), code];
        call.extend(args.iter().flat_map(|arg| [0xd0, arg.cast_unsigned()]));
        let mut listed = vec![0x92, code, 0x91];
        writer::typed(&mut listed, 18, &bytes);
        for payload in [payload, call, listed] {
            let _ = read(bin, &payload);
            let _ = modify(bin, &payload);
            let _ = modify(None, &payload);
        }
    }
}
