//! How the trees are sent.

use super::super::packing::{array, bin, float, int, op, quote, raw, text, truth};
use super::tree::{Arithmetic, Fact, Number, Real, Two, Words};

impl Number {
    /// Packs the tree, with so many variables in scope.
    pub(super) fn pack(&self, depth: usize) -> Vec<u8> {
        let all = |numbers: &[Number]| numbers.iter().map(|number| number.pack(depth)).collect::<Vec<_>>();
        let list = |elements: &[i64]| quote(&elements.iter().copied().map(int).collect::<Vec<_>>());
        match self {
            Number::Literal(value) => int(*value),
            Number::Bin(name) => bin(2, name),
            Number::Variable(place, _) if *place < depth => op(124, &[raw(&format!("v{place}"))]),
            Number::Variable(_, other) => int(*other),
            Number::Many(how, numbers) => {
                let code = match how {
                    Arithmetic::Add => 20,
                    Arithmetic::Sub => 21,
                    Arithmetic::Mul => 22,
                    Arithmetic::And => 32,
                    Arithmetic::Or => 33,
                    Arithmetic::Xor => 34,
                    Arithmetic::Min => 50,
                    Arithmetic::Max => 51,
                };
                op(code, &all(numbers))
            }
            Number::Two(how, numbers) => {
                let code = match how {
                    Two::Div => 23,
                    Two::Mod => 26,
                    Two::Left => 36,
                    Two::Right => 37,
                    Two::SignedRight => 38,
                };
                op(code, &all(numbers.as_slice()))
            }
            Number::Abs(number) => op(27, &[number.pack(depth)]),
            Number::Not(number) => op(35, &[number.pack(depth)]),
            Number::Bits(number) => op(39, &[number.pack(depth)]),
            Number::If(cases, default) => {
                let mut operands = Vec::new();
                for (test, number) in cases {
                    operands.extend([test.pack(depth), number.pack(depth)]);
                }
                operands.push(default.pack(depth));
                op(123, &operands)
            }
            Number::Let(defined, body) => {
                op(125, &[raw(&format!("v{depth}")), defined.pack(depth), body.pack(depth + 1)])
            }
            Number::Size(elements) => op(127, &[int(2), int(0), array(&[int(16)]), list(elements)]),
            Number::Element(elements, place) => {
                let call = array(&[int(19), int(7), place.pack(depth)]);
                op(127, &[int(2), int(0), call, list(elements)])
            }
            Number::Whole(real) => op(30, &[real.pack(depth)]),
            Number::Length(words) => op(127, &[int(2), int(3), array(&[int(0)]), words.pack(depth)]),
        }
    }
}

impl Fact {
    /// Packs the tree, with so many variables in scope.
    pub(super) fn pack(&self, depth: usize) -> Vec<u8> {
        let all = |facts: &[Fact]| facts.iter().map(|fact| fact.pack(depth)).collect::<Vec<_>>();
        match self {
            Fact::Literal(value) => truth(*value),
            Fact::Bin(name) => bin(1, name),
            Fact::Numbers(how, a, b) => op(*how, &[a.pack(depth), b.pack(depth)]),
            Fact::Words(how, a, b) => op(*how, &[a.pack(depth), b.pack(depth)]),
            Fact::Reals(how, a, b) => op(*how, &[a.pack(depth), b.pack(depth)]),
            Fact::And(facts) => op(16, &all(facts)),
            Fact::Or(facts) => op(17, &all(facts)),
            Fact::Not(fact) => op(18, &[fact.pack(depth)]),
            Fact::One(facts) => op(19, &all(facts)),
            Fact::Within(number, elements) => {
                op(9, &[number.pack(depth), quote(&elements.iter().copied().map(int).collect::<Vec<_>>())])
            }
            Fact::Exists(name) => op(2, &[op(82, &[raw(name)]), int(0)]),
        }
    }
}

impl Real {
    /// Packs the tree, with so many variables in scope.
    pub(super) fn pack(&self, depth: usize) -> Vec<u8> {
        match self {
            Real::Literal(value) => float(*value),
            Real::Of(number) => op(31, &[number.pack(depth)]),
            Real::Floor(real) => op(28, &[real.pack(depth)]),
        }
    }
}

impl Words {
    /// Packs the tree, with so many variables in scope.
    pub(super) fn pack(&self, depth: usize) -> Vec<u8> {
        match self {
            Words::Literal(value) => text(value),
            Words::Bin(name) => bin(3, name),
            Words::Upper(words) => {
                op(127, &[int(3), int(0x43), array(&[int(56), int(0)]), words.pack(depth)])
            }
            Words::Of(number) => op(99, &[number.pack(depth)]),
            Words::If(test, yes, no) => op(123, &[test.pack(depth), yes.pack(depth), no.pack(depth)]),
        }
    }
}
