//! The trees, and what they mean for a record.

use super::super::{Meta, RecordView};
use crate::{Particle, ParticleType};

/// An expression that gives an integer.
#[derive(Debug, Clone)]
pub(super) enum Number {
    Literal(i64),
    Bin(&'static str),
    /// A variable if one is defined there, or this number.
    Variable(usize, i64),
    Many(Arithmetic, Vec<Number>),
    Two(Two, Box<[Number; 2]>),
    Abs(Box<Number>),
    Not(Box<Number>),
    Bits(Box<Number>),
    If(Vec<(Fact, Number)>, Box<Number>),
    Let(Box<Number>, Box<Number>),
    /// How many elements a literal list with these has.
    Size(Vec<i64>),
    /// An element of a literal list, at a place that is computed.
    Element(Vec<i64>, Box<Number>),
    Whole(Box<Real>),
    Length(Box<Words>),
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Arithmetic {
    Add,
    Sub,
    Mul,
    And,
    Or,
    Xor,
    Min,
    Max,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Two {
    Div,
    Mod,
    Left,
    Right,
    SignedRight,
}

/// An expression that gives a truth.
#[derive(Debug, Clone)]
pub(super) enum Fact {
    Literal(bool),
    Bin(&'static str),
    Numbers(i64, Number, Number),
    Words(i64, Words, Words),
    Reals(i64, Real, Real),
    And(Vec<Fact>),
    Or(Vec<Fact>),
    Not(Box<Fact>),
    One(Vec<Fact>),
    Within(Box<Number>, Vec<i64>),
    Exists(&'static str),
}

/// An expression that gives a double.
#[derive(Debug, Clone)]
pub(super) enum Real {
    Literal(f64),
    Of(Box<Number>),
    Floor(Box<Real>),
}

/// An expression that gives a text.
#[derive(Debug, Clone)]
pub(super) enum Words {
    Literal(String),
    Bin(&'static str),
    Upper(Box<Words>),
    Of(Box<Number>),
    If(Box<Fact>, Box<Words>, Box<Words>),
}

/// A record with few bins, each of which may be missing.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) a: Option<[u8; 8]>,
    pub(super) b: Option<[u8; 8]>,
    pub(super) flag: Option<[u8; 1]>,
    pub(super) word: Option<String>,
}

impl Record {
    fn number(&self, name: &str) -> Option<i64> {
        if name == "a" { self.a } else { self.b }.map(i64::from_be_bytes)
    }
}

impl RecordView for Record {
    fn bin(&self, name: &[u8]) -> Option<Particle<'_>> {
        let (kind, bytes) = match name {
            b"a" => (ParticleType::Integer, self.a.as_ref()?.as_slice()),
            b"b" => (ParticleType::Integer, self.b.as_ref()?.as_slice()),
            b"flag" => (ParticleType::Bool, self.flag.as_ref()?.as_slice()),
            b"word" => (ParticleType::String, self.word.as_ref()?.as_bytes()),
            _ => return None,
        };
        Some(Particle { kind, bytes })
    }

    fn meta(&self) -> Option<Meta<'_>> {
        None
    }
}

/// Cuts a wide integer to 64 bits.
fn cut(value: i128) -> i64 {
    let low = u64::try_from(value.rem_euclid(1 << 64)).unwrap();
    low.cast_signed()
}

fn is(comparison: i64, order: Option<std::cmp::Ordering>) -> bool {
    let Some(order) = order else { return comparison == 2 };
    match comparison {
        1 => order.is_eq(),
        2 => order.is_ne(),
        3 => order.is_gt(),
        4 => order.is_ge(),
        5 => order.is_lt(),
        _ => order.is_le(),
    }
}

pub(super) type Names = Vec<(String, Option<i64>)>;

impl Arithmetic {
    fn of(self, values: &[i64]) -> Option<i64> {
        let wide = values.iter().copied().map(i128::from);
        let (first, rest) = (i128::from(*values.first()?), wide.clone().skip(1));
        Some(match self {
            Arithmetic::Add => cut(wide.sum()),
            Arithmetic::Sub if values.len() == 1 => cut(-first),
            Arithmetic::Sub => cut(first - rest.sum::<i128>()),
            Arithmetic::Mul => wide.fold(1, |product, next| cut(i128::from(product) * next)),
            Arithmetic::And => cut(rest.fold(first, |sum, next| sum & next)),
            Arithmetic::Or => cut(rest.fold(first, |sum, next| sum | next)),
            Arithmetic::Xor => cut(rest.fold(first, |sum, next| sum ^ next)),
            Arithmetic::Min => *values.iter().min()?,
            Arithmetic::Max => *values.iter().max()?,
        })
    }
}

impl Two {
    fn of(self, a: i64, b: i64) -> Option<i64> {
        let (wide, by) = (i128::from(a), i128::from(b));
        let times = 1i128 << by.rem_euclid(64);
        Some(match self {
            Two::Div | Two::Mod if b == 0 => return None,
            Two::Div => cut(wide / by),
            Two::Mod => cut(wide % by),
            Two::Left => cut(wide.checked_mul(times)?),
            Two::Right => cut(wide.rem_euclid(1 << 64) / times),
            Two::SignedRight => cut(wide.div_euclid(times)),
        })
    }
}

impl Number {
    pub(super) fn value(&self, record: &Record, names: &mut Names) -> Option<i64> {
        Some(match self {
            Number::Literal(value) => *value,
            Number::Bin(name) => record.number(name)?,
            Number::Variable(place, other) => match names.get(*place) {
                Some((_, value)) => (*value)?,
                None => *other,
            },
            Number::Many(how, numbers) => {
                let values: Option<Vec<i64>> =
                    numbers.iter().map(|number| number.value(record, names)).collect();
                how.of(&values?)?
            }
            Number::Two(how, numbers) => {
                let (a, b) = (numbers[0].value(record, names)?, numbers[1].value(record, names)?);
                how.of(a, b)?
            }
            Number::Abs(number) => cut(i128::from(number.value(record, names)?).abs()),
            Number::Not(number) => cut(-1 - i128::from(number.value(record, names)?)),
            Number::Bits(number) => {
                let value = number.value(record, names)?;
                i64::try_from(format!("{value:b}").matches('1').count()).unwrap()
            }
            Number::If(cases, default) => {
                for (test, number) in cases {
                    if test.value(record, names)? {
                        return number.value(record, names);
                    }
                }
                return default.value(record, names);
            }
            Number::Let(defined, body) => {
                let value = defined.value(record, names);
                names.push((format!("v{}", names.len()), value));
                let result = body.value(record, names);
                names.pop();
                return result;
            }
            Number::Size(elements) => i64::try_from(elements.len()).unwrap(),
            Number::Element(elements, place) => {
                let place = place.value(record, names)?;
                let size = i64::try_from(elements.len()).unwrap();
                let place = if place < 0 { place.checked_add(size)? } else { place };
                *elements.get(usize::try_from(place).ok()?)?
            }
            Number::Whole(real) => {
                let value = real.value(record, names)?;
                // What does not fit becomes the smallest number.
                let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value);
                if fits { format!("{:.0}", value.trunc()).parse().unwrap() } else { i64::MIN }
            }
            Number::Length(words) => i64::try_from(words.value(record, names)?.chars().count()).unwrap(),
        })
    }
}

impl Fact {
    pub(super) fn value(&self, record: &Record, names: &mut Names) -> Option<bool> {
        match self {
            Fact::Literal(value) => Some(*value),
            Fact::Bin(_) => record.flag.map(|byte| byte == [1]),
            Fact::Numbers(how, a, b) => {
                let (a, b) = (a.value(record, names), b.value(record, names));
                Some(is(*how, Some(a?.cmp(&b?))))
            }
            Fact::Words(how, a, b) => {
                let (a, b) = (a.value(record, names), b.value(record, names));
                Some(is(*how, Some(a?.as_bytes().cmp(b?.as_bytes()))))
            }
            Fact::Reals(how, a, b) => {
                let (a, b) = (a.value(record, names), b.value(record, names));
                Some(is(*how, a?.partial_cmp(&b?)))
            }
            Fact::And(facts) => {
                let values: Vec<Option<bool>> = facts.iter().map(|fact| fact.value(record, names)).collect();
                if values.contains(&Some(false)) {
                    Some(false)
                } else {
                    values.into_iter().collect::<Option<Vec<_>>>().map(|_| true)
                }
            }
            Fact::Or(facts) => {
                let values: Vec<Option<bool>> = facts.iter().map(|fact| fact.value(record, names)).collect();
                if values.contains(&Some(true)) {
                    Some(true)
                } else {
                    values.into_iter().collect::<Option<Vec<_>>>().map(|_| false)
                }
            }
            Fact::Not(fact) => fact.value(record, names).map(|value| !value),
            Fact::One(facts) => {
                let mut found = 0;
                for fact in facts {
                    found += u32::from(fact.value(record, names)?);
                    if found > 1 {
                        return Some(false);
                    }
                }
                Some(found == 1)
            }
            Fact::Within(number, elements) => {
                number.value(record, names).map(|value| elements.contains(&value))
            }
            Fact::Exists(name) => Some(record.bin(name.as_bytes()).is_some()),
        }
    }
}

impl Real {
    pub(super) fn value(&self, record: &Record, names: &mut Names) -> Option<f64> {
        Some(match self {
            Real::Literal(value) => *value,
            Real::Of(number) => number.value(record, names)? as f64,
            Real::Floor(real) => real.value(record, names)?.floor(),
        })
    }
}

impl Words {
    pub(super) fn value(&self, record: &Record, names: &mut Names) -> Option<String> {
        match self {
            Words::Literal(text) => Some(text.clone()),
            Words::Bin(_) => record.word.clone(),
            Words::Upper(words) => words.value(record, names).map(|text| text.to_uppercase()),
            Words::Of(number) => number.value(record, names).map(|value| value.to_string()),
            Words::If(test, yes, no) => {
                if test.value(record, names)? {
                    yes.value(record, names)
                } else {
                    no.value(record, names)
                }
            }
        }
    }
}
