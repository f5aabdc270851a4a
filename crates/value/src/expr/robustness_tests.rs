//! Programs from anywhere: nothing panics, nothing overflows the stack.

use super::compile::MAX_DEPTH;
use super::packing::{NOW, Sample, array, bin, float, int, known, op, quote, raw, text, truth};
use super::{Program, Truth};
use crate::expr::operation::{ExpModify, ExpRead};
use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop, prop_oneof, proptest};

#[test]
fn nesting_has_an_end_and_fits_the_stack() {
    let nested = |depth: usize| (0..depth).fold(known(Some(true)), |inner, _| op(18, &[inner]));
    let deepest = Program::compile(&nested(MAX_DEPTH - 2)).expect("compiles");
    assert_eq!(deepest.filter(&Sample, NOW), Truth::True);
    assert!(Program::compile(&nested(MAX_DEPTH)).is_err());
    let mut bytes = [0x92, 18].repeat(500_000);
    bytes.push(0xc3);
    assert!(Program::compile(&bytes).is_err());
}

/// Expressions that are often, but not always, well typed.
fn expression() -> BoxedStrategy<Vec<u8>> {
    let names = prop::sample::select(vec!["i", "n", "f", "s", "y", "l", "m", "o", "t", "g", "missing"]);
    let leaf = prop_oneof![
        any::<i64>().prop_map(int),
        Just(int(i64::MIN)),
        Just(int(-1)),
        Just(int(0)),
        any::<f64>().prop_map(float),
        any::<bool>().prop_map(truth),
        Just(vec![0xc0]),
        "[a-z]{0,3}".prop_map(|value| text(&value)),
        (1i64..10, names.clone()).prop_map(|(kind, name)| bin(kind, name)),
        names.prop_map(|name| op(82, &[raw(name)])),
        (64i64..75).prop_map(|code| op(code, &[])),
        Just(quote(&[int(1), int(2)])),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let operands = prop::collection::vec(inner.clone(), 0..4);
        prop_oneof![
            (1i64..52, operands.clone()).prop_map(|(code, operands)| op(code, &operands)),
            (20i64..42, prop::collection::vec(inner.clone(), 1..3))
                .prop_map(|(code, operands)| op(code, &operands)),
            operands.clone().prop_map(|operands| op(123, &operands)),
            (inner.clone(), inner.clone())
                .prop_map(|(a, b)| op(125, &[raw("x"), a, op(20, &[op(124, &[raw("x")]), b])])),
            (0i64..11, 0i64..3, prop::bool::ANY, 0i64..110, operands, inner).prop_map(
                |(kind, system, modify, code, operands, on)| {
                    let system = system | if modify { 0x40 } else { 0 };
                    op(127, &[int(kind), int(system), op(code, &operands), on])
                }
            ),
        ]
    })
    .boxed()
}

fn run(packed: &[u8]) {
    if let Ok(program) = Program::compile(packed) {
        let _ = program.filter(&Sample, NOW);
        let _ = program.evaluate(&Sample, NOW);
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        run(&bytes);
        let _ = ExpRead::compile(&bytes);
        let _ = ExpModify::compile(&bytes);
    }

    #[test]
    fn likely_programs_never_panic(packed in expression()) {
        run(&packed);
    }

    #[test]
    fn damaged_programs_never_panic(packed in expression(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut packed = packed;
        let at = at.index(packed.len());
        packed[at] = byte;
        run(&packed);
        run(&array(&[packed, int(0)]));
    }
}
