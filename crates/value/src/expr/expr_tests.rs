//! What expressions are worth, as a real server answers (`guide/protocol.md` parts 6 and 12.4).

use super::packing::{
    NOW, Sample, array, bin, bool_of, float, float_of, int, int_of, is_refused, known, op, quote, raw, text,
    truth, value,
};
use super::{Clock, Element, Program, Replacement, Truth, Unknown};
use crate::{OwnedParticle, ParticleType, Refusal};

fn owned(kind: ParticleType, bytes: &[u8]) -> Result<Option<OwnedParticle>, Unknown> {
    Ok(Some(OwnedParticle { kind, bytes: bytes.to_vec() }))
}

#[test]
fn constants_are_their_own_value() {
    assert_eq!(value(&[0xc0]), Ok(None));
    assert_eq!(value(&int(-5)), owned(ParticleType::Integer, &(-5i64).to_be_bytes()));
    assert_eq!(value(&text("hi")), owned(ParticleType::String, b"hi"));
    assert_eq!(value(&[0xa3, 9, 1, 2]), owned(ParticleType::PythonBlob, &[1, 2]));
    assert_eq!(value(&quote(&[int(1), quote(&[])])), owned(ParticleType::List, &[0x92, 1, 0x92, 126, 0x90]));
    assert_eq!(value(&[0x81, 1, 2]), owned(ParticleType::Map, &[0x81, 1, 2]));
    assert_eq!(int_of(&[0xcf, 255, 255, 255, 255, 255, 255, 255, 255]), Some(-1));
}

#[test]
fn bins_have_a_value_only_in_their_own_type() {
    let bins = [(2, "i"), (7, "f"), (3, "s"), (6, "y"), (4, "l"), (5, "m"), (1, "t"), (8, "g")];
    for (kind, _) in bins {
        for (own_kind, name) in bins {
            assert_eq!(value(&bin(kind, name)).is_ok(), kind == own_kind, "{kind} {name}");
        }
        assert_eq!(value(&bin(kind, "missing")), Err(Unknown));
    }
    assert_eq!(int_of(&op(82, &[raw("s")])), Some(3));
    assert_eq!(int_of(&op(82, &[raw("missing")])), Some(0));
}

#[test]
fn comparisons_need_one_type_and_follow_the_common_order() {
    for (a, b) in [
        (bin(2, "i"), bin(2, "n")),
        (bin(3, "s"), text("hell")),
        (bin(6, "y"), vec![0xa2, 4, 0x0f]),
        (bin(4, "l"), quote(&[int(3)])),
        (bin(1, "t"), truth(false)),
        (bin(7, "f"), float(2.0)),
        (bin(5, "o"), vec![0x82, 0xc7, 0, 1, 0xc0, 1, 1]),
    ] {
        let answers: Vec<_> =
            (1..=6).map(|code| bool_of(&op(code, &[a.clone(), b.clone()])).unwrap()).collect();
        assert_eq!(answers, [false, true, true, true, false, false]);
        let same: Vec<_> = (1..=6).map(|code| bool_of(&op(code, &[a.clone(), a.clone()])).unwrap()).collect();
        assert_eq!(same, [true, false, false, true, false, true]);
    }
    assert_eq!(bool_of(&op(1, &[vec![0xc0], vec![0xc0]])), Some(true));
    assert_eq!(bool_of(&op(1, &[float(f64::NAN), float(f64::NAN)])), Some(false));
    // Unordered maps have no order.
    assert_eq!(value(&op(1, &[bin(5, "m"), bin(5, "m")])), Err(Unknown));
    assert!(is_refused(&op(1, &[bin(2, "i"), float(7.0)])));
    assert!(is_refused(&op(1, &[bin(8, "g"), bin(8, "g")])));
    assert!(is_refused(&op(1, &[bin(2, "i")])));
}

#[test]
fn logic_has_three_values() {
    let all = [Some(true), Some(false), None];
    for a in all {
        for b in all {
            let pair = [known(a), known(b)];
            let and = if a == Some(false) || b == Some(false) { Some(false) } else { a.and(b) };
            let or = if a == Some(true) || b == Some(true) { Some(true) } else { a.and(b) };
            let exclusive = a.zip(b).map(|(a, b)| a != b);
            assert_eq!(bool_of(&op(16, &pair)), and, "{a:?} and {b:?}");
            assert_eq!(bool_of(&op(17, &pair)), or, "{a:?} or {b:?}");
            assert_eq!(bool_of(&op(19, &pair)), exclusive, "{a:?} exclusive {b:?}");
        }
        assert_eq!(bool_of(&op(18, &[known(a)])), a.map(|a| !a));
    }
    // The second true decides, if no unknown came before it.
    assert_eq!(bool_of(&op(19, &[known(Some(true)), known(Some(true)), known(None)])), Some(false));
    assert_eq!(bool_of(&op(19, &[known(Some(true)), known(None), known(Some(true))])), None);
    for code in [16, 17, 19] {
        assert!(is_refused(&op(code, &[known(Some(true))])));
    }
}

#[test]
fn integers_wrap_and_never_trap() {
    for (code, operands, result) in [
        (20, vec![i64::MAX, 1], Some(i64::MIN)),
        (20, vec![7], Some(7)),
        (21, vec![7, -3, 2], Some(8)),
        (21, vec![7], Some(-7)),
        (22, vec![i64::MIN, -1], Some(i64::MIN)),
        (23, vec![-7, 2], Some(-3)),
        (23, vec![7, -3, 2], Some(-1)),
        (23, vec![2], Some(0)),
        (23, vec![7, 0], None),
        (23, vec![0], None),
        (23, vec![i64::MIN, -1], Some(i64::MIN)),
        (26, vec![-7, 3], Some(-1)),
        (26, vec![7, 0], None),
        (26, vec![i64::MIN, -1], Some(0)),
        (27, vec![i64::MIN], Some(i64::MIN)),
        (32, vec![7, 3, 1], Some(1)),
        (33, vec![4, 3], Some(7)),
        (34, vec![7, -3], Some(-6)),
        (35, vec![-1], Some(0)),
        (36, vec![7, 65], Some(14)),
        (36, vec![7, -1], Some(i64::MIN)),
        (37, vec![-3, 1], Some(0x7fff_ffff_ffff_fffe)),
        (38, vec![-8, 70], Some(-1)),
        (39, vec![-1], Some(64)),
        (50, vec![7, -3, 2], Some(-3)),
        (51, vec![7, -3, 2], Some(7)),
    ] {
        let packed: Vec<_> = operands.iter().map(|operand| int(*operand)).collect();
        assert_eq!(int_of(&op(code, &packed)), result, "{code} {operands:?}");
    }
    for (code, number, bit, place) in [
        (40, 7, true, 61),
        (40, i64::MIN, false, 1),
        (41, 1, false, 62),
        (41, -1, false, -1),
        (40, 0, true, -1),
    ] {
        assert_eq!(int_of(&op(code, &[int(number), truth(bit)])), Some(place));
    }
}

#[test]
fn floats_follow_ieee() {
    assert_eq!(float_of(&op(23, &[float(1.0), float(0.0)])), Some(f64::INFINITY));
    assert_eq!(float_of(&op(23, &[float(4.0)])), Some(0.25));
    assert_eq!(float_of(&op(24, &[bin(7, "f"), float(2.0)])), Some(6.25));
    assert_eq!(float_of(&op(25, &[bin(7, "f"), float(2.0)])).map(f64::to_bits), Some(0x3ff5_269e_12f3_46e3));
    assert!(float_of(&op(25, &[float(-1.0), float(2.0)])).unwrap().is_nan());
    assert_eq!(float_of(&op(28, &[float(-2.5)])), Some(-3.0));
    assert_eq!(float_of(&op(29, &[float(-2.5)])), Some(-2.0));
    assert_eq!(float_of(&op(31, &[int(-3)])), Some(-3.0));
    for (from, to) in [(-2.5, -2), (1e30, i64::MIN), (f64::NAN, i64::MIN), (f64::INFINITY, i64::MIN)] {
        assert_eq!(int_of(&op(30, &[float(from)])), Some(to));
    }
}

#[test]
fn numbers_of_different_types_never_mix() {
    for packed in [
        op(20, &[int(1), float(1.0)]),
        op(20, &[]),
        op(21, &[int(1), text("1")]),
        op(24, &[int(1), int(1)]),
        op(26, &[float(1.0), float(1.0)]),
        op(27, &[text("1")]),
        op(28, &[int(1)]),
        op(30, &[int(1)]),
        op(31, &[float(1.0)]),
        op(32, &[float(1.0), float(1.0)]),
        op(36, &[int(1)]),
        op(40, &[int(1), int(1)]),
        op(50, &[text("a"), text("b")]),
    ] {
        assert!(is_refused(&packed), "{packed:x?}");
    }
}

#[test]
fn metadata_is_known() {
    for (code, result) in [
        (65, 0),
        (66, 1_262_304_000_123_000_000),
        (67, 2000),
        (68, 1_262_305_000_000_000_000),
        (69, 998),
        (73, 208),
        (74, 208),
    ] {
        assert_eq!(int_of(&op(code, &[])), Some(result), "{code}");
    }
    assert_eq!(int_of(&op(64, &[int(10)])), Some(3));
    assert_eq!(int_of(&op(64, &[int(-10)])), Some(3));
    assert_eq!(bool_of(&op(71, &[])), Some(true));
    assert_eq!(bool_of(&op(72, &[])), Some(false));
    assert_eq!(value(&op(70, &[])), owned(ParticleType::String, b"set"));
    assert_eq!(value(&op(80, &[int(3)])), owned(ParticleType::String, b"user key"));
    assert_eq!(value(&op(80, &[int(2)])), Err(Unknown));
    assert!(is_refused(&op(64, &[int(0)])) && is_refused(&op(65, &[int(0)])));
}

#[test]
fn conditions_look_at_what_they_need() {
    let cond = |a, b| op(123, &[known(a), int(1), known(b), int(2), int(3)]);
    assert_eq!(int_of(&cond(Some(true), None)), Some(1));
    assert_eq!(int_of(&cond(Some(false), Some(true))), Some(2));
    assert_eq!(int_of(&cond(Some(false), Some(false))), Some(3));
    assert_eq!(int_of(&cond(Some(false), None)), None);
    assert_eq!(int_of(&op(123, &[known(Some(true)), int(1), op(0, &[])])), Some(1));
    assert!(is_refused(&op(123, &[known(Some(true)), int(1)])));
    assert!(is_refused(&op(123, &[known(Some(true)), int(1), vec![0xc0]])));
}

#[test]
fn variables_live_in_their_let() {
    let x = || op(124, &[raw("x")]);
    let y = || op(124, &[raw("y")]);
    let sum = op(125, &[raw("x"), bin(2, "i"), raw("y"), op(20, &[x(), int(1)]), op(22, &[x(), y()])]);
    assert_eq!(int_of(&sum), Some(56));
    let inner = op(125, &[raw("y"), int(2), op(20, &[x(), y()])]);
    assert_eq!(int_of(&op(125, &[raw("x"), int(1), op(20, &[inner, x()])])), Some(4));
    assert!(is_refused(&x()));
    assert!(is_refused(&op(125, &[raw("x"), x(), int(1)])));
    assert!(is_refused(&op(125, &[int(1)])));
    assert!(is_refused(&op(125, &[raw("x"), int(1), raw("x"), int(2), x()])));
    assert!(is_refused(&op(20, &[op(125, &[raw("x"), int(1), x()]), x()])));
}

#[test]
fn lists_and_maps_are_searched_and_called() {
    assert_eq!(bool_of(&op(9, &[int(3), bin(4, "l")])), Some(true));
    assert_eq!(bool_of(&op(9, &[text("3"), bin(4, "l")])), Some(false));
    assert_eq!(value(&op(101, &[bin(5, "o")])), owned(ParticleType::List, &[0x91, 1]));
    assert_eq!(value(&op(102, &[bin(5, "o")])), owned(ParticleType::List, &[0x91, 2]));
    let call = |kind, system, operation, on| op(127, &[int(kind), int(system), operation, on]);
    assert_eq!(int_of(&call(2, 0, op(16, &[]), bin(4, "l"))), Some(3));
    // The index is computed: the size of the list less one.
    let last = op(21, &[call(2, 0, op(16, &[]), bin(4, "l")), int(1)]);
    assert_eq!(int_of(&call(2, 0, op(19, &[int(7), last]), bin(4, "l"))), Some(2));
    let appended = call(4, 0x40, op(2, &[quote(&[int(9)])]), bin(4, "l"));
    assert_eq!(value(&appended), owned(ParticleType::List, &[0x94, 3, 1, 2, 9]));
    let nested = array(&[int(255), array(&[int(0x22), text("b")]), op(19, &[int(7), int(1)])]);
    assert_eq!(int_of(&call(2, 0, nested, bin(5, "m"))), Some(6));
    // An HLL begins from a literal nil; a list does not.
    let begun = call(9, 0x42, op(0, &[int(4), int(0)]), vec![0xc0]);
    assert!(matches!(value(&begun), Ok(Some(hll)) if hll.kind == ParticleType::Hll));
    let appended = call(4, 0x40, op(1, &[int(9)]), vec![0xc0]);
    assert!(Program::compile(&appended).is_err());
    // Eight bits from the fourth on; a blob of four bytes.
    let bits = op(50, &[int(4), int(8)]);
    assert_eq!(value(&call(6, 1, bits, bin(6, "y"))), owned(ParticleType::Blob, &[0xff]));
    let resized = op(0, &[int(4), int(0), int(0)]);
    assert_eq!(value(&call(6, 0x41, resized, bin(6, "y"))), owned(ParticleType::Blob, &[0x0f, 0xf0, 0, 0]));
    // The count of a union with itself: one HLL stands for a list of it.
    let hll = || bin(9, "h");
    assert_eq!(int_of(&call(2, 2, op(52, &[hll()]), hll())), Some(0));
    // Declared as text, out of range, missing, reading with the modify bit.
    assert_eq!(value(&call(3, 0, op(19, &[int(7), int(0)]), bin(4, "l"))), Err(Unknown));
    assert_eq!(value(&call(2, 0, op(19, &[int(7), int(9)]), bin(4, "l"))), Err(Unknown));
    assert_eq!(value(&call(2, 0, op(16, &[]), bin(4, "missing"))), Err(Unknown));
    assert_eq!(value(&call(2, 0x40, op(16, &[]), bin(4, "l"))), Err(Unknown));
    assert!(is_refused(&call(2, 4, op(0, &[]), bin(3, "s"))));
    assert!(is_refused(&call(2, 0, op(16, &[]), bin(3, "s"))));
    assert!(is_refused(&call(2, 0, array(&[]), bin(4, "l"))));
}

#[test]
fn strings_are_worked_on() {
    let call = |kind: i64, system: i64, arguments: &[Vec<u8>]| {
        op(127, &[int(kind), int(system), array(arguments), bin(3, "s")])
    };
    let text_of = |packed: &[u8]| {
        value(packed).ok().flatten().map(|particle| String::from_utf8(particle.bytes).unwrap())
    };
    assert_eq!(int_of(&call(2, 3, &[int(0)])), Some(5));
    assert_eq!(bool_of(&call(1, 3, &[int(5), text("he")])), Some(true));
    // What is replaced may be computed, inside a quoted list.
    let pair = quote(&[text("ell"), op(99, &[bin(2, "i")])]);
    assert_eq!(text_of(&call(3, 0x43, &[int(54), pair, int(0)])), Some("h7o".to_owned()));
    assert_eq!(
        text_of(&call(3, 0x43, &[int(54), quote(&[text("l"), text("L")]), int(0)])),
        Some("heLlo".to_owned())
    );
    assert_eq!(value(&call(3, 0x43, &[int(67), text("!"), int(1)])), Err(Unknown));
    assert_eq!(text_of(&op(99, &[bin(7, "f")])), Some("2.5".to_owned()));
    assert!(is_refused(&op(99, &[bin(4, "l")])));
}

#[test]
fn patterns_and_shapes_match() {
    assert_eq!(bool_of(&op(7, &[int(3), raw("^H.*O$"), bin(3, "s")])), Some(true));
    assert_eq!(value(&op(7, &[int(0), raw("a"), bin(3, "missing")])), Err(Unknown));
    assert!(is_refused(&op(7, &[int(1), raw("("), bin(3, "s")])));
    assert!(is_refused(&op(7, &[int(0), raw("a"), bin(2, "i")])));
    let mut circle = Vec::new();
    crate::msgpack::writer::typed(&mut circle, 23, br#"{"type":"AeroCircle","coordinates":[[1,2],10]}"#);
    assert_eq!(bool_of(&op(8, &[bin(8, "g"), circle.clone()])), Some(true));
    assert_eq!(bool_of(&op(8, &[circle.clone(), circle])), Some(false));
    assert!(is_refused(&op(8, &[bin(8, "g"), text("{}")])));
}

#[test]
fn loop_variables_need_an_element() {
    let program = Program::compile(&op(20, &[op(122, &[int(2), int(1)]), int(1)])).unwrap();
    assert_eq!(program.evaluate(&Sample, NOW), Err(Unknown));
    let element = Element { value: Some(&[41]), ..Element::default() };
    assert_eq!(program.replace(&Sample, NOW, element), Ok(Replacement::Value(vec![42])));
    assert_eq!(program.replace(&Sample, NOW, Element { value: Some(&[0xc0]), ..element }), Err(Unknown));
    let remove = Program::compile(&op(100, &[])).unwrap();
    assert_eq!(remove.evaluate(&Sample, NOW), Err(Unknown));
    assert_eq!(remove.replace(&Sample, NOW, element), Ok(Replacement::Removed));
}

#[test]
fn paths_run_in_expressions_but_not_in_paths() {
    let value_of_element = || op(122, &[int(2), int(1)]);
    let path = |filter: Vec<u8>| {
        let context = array(&[int(0x04), filter]);
        op(127, &[int(4), int(0), array(&[int(0xfe), context, int(1)]), bin(4, "l")])
    };
    let above_one = path(op(3, &[value_of_element(), int(1)]));
    assert_eq!(value(&above_one), owned(ParticleType::List, &[0x92, 3, 2]));
    let inside = path(op(1, &[op(127, &[int(2), int(0), op(16, &[]), bin(4, "l")]), value_of_element()]));
    assert_eq!(value(&inside), owned(ParticleType::List, &[0x91, 3]));
    assert_eq!(value(&path(op(9, &[value_of_element(), above_one]))), Err(Unknown));
}

#[test]
fn only_a_boolean_or_unknown_is_a_filter() {
    let filter = |packed: &[u8]| Program::compile_filter(packed).map(|program| program.filter(&Sample, NOW));
    assert_eq!(filter(&known(Some(true))), Ok(Truth::True));
    assert_eq!(filter(&known(Some(false))), Ok(Truth::False));
    assert_eq!(filter(&known(None)), Ok(Truth::Unknown));
    assert_eq!(filter(&op(0, &[])), Ok(Truth::Unknown));
    for packed in [int(1), op(70, &[]), vec![], vec![0xc1], [known(Some(true)), int(1)].concat(), array(&[])]
    {
        assert_eq!(filter(&packed), Err(Refusal::Parameter));
    }
}

#[test]
fn names_and_codes_have_limits() {
    assert!(!is_refused(&bin(2, "fifteen-letters")));
    assert!(is_refused(&bin(2, "sixteen-letters!")));
    for code in [-1, 10, 42, 52, 75, 83, 128, 1000] {
        assert!(is_refused(&op(code, &[int(1), int(1)])));
    }
}

#[test]
fn nothing_is_known_of_a_record_that_does_not_exist() {
    struct Nothing;
    impl super::RecordView for Nothing {
        fn bin(&self, _: &[u8]) -> Option<crate::Particle<'_>> {
            None
        }
        fn meta(&self) -> Option<super::Meta<'_>> {
            None
        }
    }
    let program = Program::compile(&op(71, &[])).unwrap();
    assert_eq!(program.evaluate(&Nothing, Clock { unix_ms: 0 }), Err(Unknown));
}
