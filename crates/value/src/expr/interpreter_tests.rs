//! Expressions against a naive interpreter: random typed trees over a record whose bins may be missing.
//!
//! The interpreter knows nothing of packing, kinds or scopes by number: it walks a tree of its own, with integers wide
//! enough not to wrap.

mod pack;
mod tree;

use super::packing::NOW;
use super::{Program, Truth};
use proptest::prelude::{
    BoxedStrategy, Just, ProptestConfig, Strategy, any, prop, prop_assert_eq, prop_oneof, proptest,
};
use tree::{Arithmetic, Fact, Number, Real, Record, Two, Words};

fn some_number() -> BoxedStrategy<i64> {
    prop_oneof![4 => -5i64..6, 1 => any::<i64>(), 1 => prop::sample::select(vec![i64::MIN, i64::MAX])].boxed()
}

fn elements() -> BoxedStrategy<Vec<i64>> {
    prop::collection::vec(some_number(), 0..4).boxed()
}

fn number(depth: u32) -> BoxedStrategy<Number> {
    let leaf = prop_oneof![
        some_number().prop_map(Number::Literal),
        prop::sample::select(vec!["a", "b"]).prop_map(Number::Bin),
        (0usize..3, some_number()).prop_map(|(place, other)| Number::Variable(place, other)),
        elements().prop_map(Number::Size),
    ];
    if depth == 0 {
        return leaf.boxed();
    }
    let inner = move || number(depth - 1);
    let boxed = move || inner().prop_map(Box::new);
    let many = prop::sample::select(vec![
        Arithmetic::Add,
        Arithmetic::Sub,
        Arithmetic::Mul,
        Arithmetic::And,
        Arithmetic::Or,
        Arithmetic::Xor,
        Arithmetic::Min,
        Arithmetic::Max,
    ]);
    let two = prop::sample::select(vec![Two::Div, Two::Mod, Two::Left, Two::Right, Two::SignedRight]);
    let cases = prop::collection::vec((fact(depth - 1), inner()), 1..3);
    prop_oneof![
        2 => leaf,
        4 => (many, prop::collection::vec(inner(), 1..4)).prop_map(|(how, numbers)| Number::Many(how, numbers)),
        3 => (two, inner(), inner()).prop_map(|(how, a, b)| Number::Two(how, Box::new([a, b]))),
        1 => boxed().prop_map(Number::Abs),
        1 => boxed().prop_map(Number::Not),
        1 => boxed().prop_map(Number::Bits),
        2 => (cases, boxed()).prop_map(|(cases, default)| Number::If(cases, default)),
        2 => (boxed(), boxed()).prop_map(|(defined, body)| Number::Let(defined, body)),
        1 => (elements(), boxed()).prop_map(|(elements, place)| Number::Element(elements, place)),
        1 => real(depth - 1).prop_map(|real| Number::Whole(Box::new(real))),
        1 => words(depth - 1).prop_map(|words| Number::Length(Box::new(words))),
    ]
    .boxed()
}

fn fact(depth: u32) -> BoxedStrategy<Fact> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Fact::Literal),
        prop::sample::select(vec!["flag"]).prop_map(Fact::Bin),
        prop::sample::select(vec!["a", "b", "word", "none"]).prop_map(Fact::Exists),
    ];
    if depth == 0 {
        return leaf.boxed();
    }
    let inner = move || fact(depth - 1);
    let facts = move || prop::collection::vec(inner(), 2..4);
    prop_oneof![
        1 => leaf,
        4 => (1i64..7, number(depth - 1), number(depth - 1)).prop_map(|(how, a, b)| Fact::Numbers(how, a, b)),
        1 => (1i64..7, words(depth - 1), words(depth - 1)).prop_map(|(how, a, b)| Fact::Words(how, a, b)),
        1 => (1i64..7, real(depth - 1), real(depth - 1)).prop_map(|(how, a, b)| Fact::Reals(how, a, b)),
        1 => facts().prop_map(Fact::And),
        1 => facts().prop_map(Fact::Or),
        1 => inner().prop_map(|fact| Fact::Not(Box::new(fact))),
        1 => facts().prop_map(Fact::One),
        1 => (number(depth - 1), elements()).prop_map(|(number, elements)| Fact::Within(Box::new(number), elements)),
    ]
    .boxed()
}

fn real(depth: u32) -> BoxedStrategy<Real> {
    let leaf = prop_oneof![(-8i32..8).prop_map(|value| f64::from(value) / 4.0), Just(1e30), Just(-1e30)];
    let leaf = leaf.prop_map(Real::Literal);
    if depth == 0 {
        return leaf.boxed();
    }
    prop_oneof![
        leaf,
        number(depth - 1).prop_map(|number| Real::Of(Box::new(number))),
        real(depth - 1).prop_map(|real| Real::Floor(Box::new(real))),
    ]
    .boxed()
}

fn words(depth: u32) -> BoxedStrategy<Words> {
    let leaf = prop_oneof![
        prop::sample::select(vec!["", "a", "b\u{fc}", "B"]).prop_map(|text| Words::Literal(text.to_owned())),
        prop::sample::select(vec!["word"]).prop_map(Words::Bin),
    ];
    if depth == 0 {
        return leaf.boxed();
    }
    let boxed = move || words(depth - 1).prop_map(Box::new);
    prop_oneof![
        2 => leaf,
        1 => boxed().prop_map(Words::Upper),
        1 => number(depth - 1).prop_map(|number| Words::Of(Box::new(number))),
        1 => (fact(depth - 1), boxed(), boxed()).prop_map(|(test, yes, no)| Words::If(Box::new(test), yes, no)),
    ]
    .boxed()
}

fn record() -> BoxedStrategy<Record> {
    let eight = || prop::option::weighted(0.8, some_number().prop_map(i64::to_be_bytes));
    let flag = prop::option::weighted(0.8, any::<bool>().prop_map(|flag| [u8::from(flag)]));
    let word = prop::option::weighted(0.8, prop::sample::select(vec!["a", "zz", ""]).prop_map(str::to_owned));
    (eight(), eight(), flag, word).prop_map(|(a, b, flag, word)| Record { a, b, flag, word }).boxed()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn numbers_are_what_the_interpreter_says(number in number(4), record in record()) {
        let program = Program::compile(&number.pack(0)).unwrap();
        let got = program.evaluate(&record, NOW).ok().flatten();
        let got = got.map(|particle| i64::from_be_bytes(particle.bytes.try_into().unwrap()));
        prop_assert_eq!(got, number.value(&record, &mut Vec::new()));
    }

    #[test]
    fn filters_are_what_the_interpreter_says(fact in fact(4), record in record()) {
        let program = Program::compile_filter(&fact.pack(0)).unwrap();
        let wanted = match fact.value(&record, &mut Vec::new()) {
            Some(true) => Truth::True,
            Some(false) => Truth::False,
            None => Truth::Unknown,
        };
        prop_assert_eq!(program.filter(&record, NOW), wanted);
    }

    #[test]
    fn texts_are_what_the_interpreter_says(words in words(4), record in record()) {
        let program = Program::compile(&words.pack(0)).unwrap();
        let got = program.evaluate(&record, NOW).ok().flatten();
        let got = got.map(|particle| String::from_utf8(particle.bytes).unwrap());
        prop_assert_eq!(got, words.value(&record, &mut Vec::new()));
    }
}
