//! Values as trees, with an order and an encoding of their own: written without looking at how the room does it.

use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop, prop_oneof};
use std::cmp::Ordering;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Val {
    Nil,
    Bool(bool),
    Int(i64),
    Str(String),
    List(Vec<Val>),
    /// Pairs in the order of their keys.
    Map(Vec<(Val, Val)>),
    Blob(Vec<u8>),
    Double(f64),
}

use Val::{Blob, Bool, Double, Int, List, Map, Nil, Str};

impl Val {
    fn rank(&self) -> u8 {
        match self {
            Nil => 0,
            Bool(_) => 1,
            Int(_) => 2,
            Str(_) => 3,
            List(_) => 4,
            Map(_) => 5,
            Blob(_) => 6,
            Double(_) => 7,
        }
    }

    /// The order of all values.
    pub(crate) fn order(&self, other: &Val) -> Ordering {
        match (self, other) {
            (Bool(a), Bool(b)) => a.cmp(b),
            (Int(a), Int(b)) => a.cmp(b),
            (Str(a), Str(b)) => a.as_bytes().cmp(b.as_bytes()),
            (Blob(a), Blob(b)) => a.cmp(b),
            (Double(a), Double(b)) => a.partial_cmp(b).unwrap(),
            (List(a), List(b)) => {
                let differs = a.iter().zip(b).map(|(a, b)| a.order(b)).find(|order| order.is_ne());
                differs.unwrap_or(a.len().cmp(&b.len()))
            }
            (Map(a), Map(b)) => {
                let both = a.iter().zip(b).map(|(a, b)| a.0.order(&b.0).then(a.1.order(&b.1)));
                a.len()
                    .cmp(&b.len())
                    .then(both.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal))
            }
            _ => self.rank().cmp(&other.rank()),
        }
    }

    pub(crate) fn equals(&self, other: &Val) -> bool {
        self.order(other).is_eq()
    }

    /// The encoding; a container in it is unordered.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Nil => out.push(0xc0),
            Bool(value) => out.push(0xc2 + u8::from(*value)),
            Int(value) => {
                out.push(0xd3);
                out.extend(value.to_be_bytes());
            }
            Str(text) => raw(out, 3, text.as_bytes()),
            Blob(bytes) => raw(out, 4, bytes),
            Double(value) => {
                out.push(0xcb);
                out.extend(value.to_be_bytes());
            }
            List(values) => {
                out.push(0xdc);
                out.extend(u16::try_from(values.len()).unwrap().to_be_bytes());
                values.iter().for_each(|value| value.encode(out));
            }
            Map(pairs) => {
                out.push(0xde);
                out.extend(u16::try_from(pairs.len()).unwrap().to_be_bytes());
                for (key, value) in pairs {
                    key.encode(out);
                    value.encode(out);
                }
            }
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out);
        out
    }
}

fn raw(out: &mut Vec<u8>, kind: u8, bytes: &[u8]) {
    out.push(0xda);
    out.extend(u16::try_from(bytes.len() + 1).unwrap().to_be_bytes());
    out.push(kind);
    out.extend(bytes);
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (head, tail) = bytes.split_at(count);
    *bytes = tail;
    head
}

fn number(bytes: &mut &[u8], size: usize) -> u64 {
    take(bytes, size).iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// Reads a value; order marks of containers are left out.
pub(crate) fn decode(bytes: &mut &[u8]) -> Val {
    let head = take(bytes, 1)[0];
    let signed = |value: u64, bits: u32| (value << (64 - bits)).cast_signed() >> (64 - bits);
    match head {
        0xc0 => Nil,
        0xc2 | 0xc3 => Bool(head == 0xc3),
        0x00..=0x7f => Int(i64::from(head)),
        0xe0..=0xff => Int(i64::from(head) - 256),
        0xcc..=0xcf => Int(number(bytes, 1 << (head - 0xcc)).cast_signed()),
        0xd0..=0xd3 => Int(signed(number(bytes, 1 << (head - 0xd0)), 8 << (head - 0xd0))),
        0xcb => Double(f64::from_bits(number(bytes, 8))),
        0xa0..=0xbf => typed(take(bytes, usize::from(head & 0x1f))),
        0xc4 | 0xd9 => sized(bytes, 1),
        0xc5 | 0xda => sized(bytes, 2),
        0xc6 | 0xdb => sized(bytes, 4),
        0x90..=0x9f => list(bytes, u64::from(head & 0xf)),
        0xdc | 0xdd => {
            let count = number(bytes, if head == 0xdc { 2 } else { 4 });
            list(bytes, count)
        }
        0x80..=0x8f => map(bytes, u64::from(head & 0xf)),
        0xde | 0xdf => {
            let count = number(bytes, if head == 0xde { 2 } else { 4 });
            map(bytes, count)
        }
        _ => panic!("{head:02x} is not expected"),
    }
}

fn sized(bytes: &mut &[u8], size: usize) -> Val {
    let size = number(bytes, size);
    typed(take(bytes, usize::try_from(size).unwrap()))
}

fn typed(raw: &[u8]) -> Val {
    match raw {
        [3, text @ ..] => Str(String::from_utf8(text.to_vec()).unwrap()),
        [4, bytes @ ..] => Blob(bytes.to_vec()),
        _ => panic!("{raw:?} has no type"),
    }
}

/// Skips the mark that tells a container's order: an extension, as the first element.
fn marked(bytes: &mut &[u8]) -> bool {
    let is_marked = bytes.first() == Some(&0xc7);
    if is_marked {
        take(bytes, 3);
    }
    is_marked
}

fn list(bytes: &mut &[u8], mut count: u64) -> Val {
    if count > 0 && marked(bytes) {
        count -= 1;
    }
    List((0..count).map(|_| decode(bytes)).collect())
}

fn map(bytes: &mut &[u8], mut count: u64) -> Val {
    if count > 0 && marked(bytes) {
        assert_eq!(decode(bytes), Nil);
        count -= 1;
    }
    let mut pairs: Vec<(Val, Val)> = (0..count).map(|_| (decode(bytes), decode(bytes))).collect();
    pairs.sort_by(|a, b| a.0.order(&b.0));
    Map(pairs)
}

/// Few different scalars, so that equal ones meet.
pub(crate) fn scalar() -> BoxedStrategy<Val> {
    prop_oneof![
        3 => (-3i64..4).prop_map(Int),
        1 => any::<i64>().prop_map(Int),
        2 => prop::sample::select(vec!["", "a", "b", "ab"]).prop_map(|text| Str(text.to_owned())),
        1 => prop::collection::vec(0u8..3, 0..3).prop_map(Blob),
        1 => any::<bool>().prop_map(Bool),
        1 => (-4i32..4).prop_map(|value| Double(f64::from(value) / 2.0)),
        1 => Just(Nil),
    ]
    .boxed()
}

/// What may be a key of a map.
pub(crate) fn key() -> BoxedStrategy<Val> {
    prop_oneof![
        (-3i64..4).prop_map(Int),
        prop::sample::select(vec!["a", "b", "ab", "c"]).prop_map(|text| Str(text.to_owned())),
    ]
    .boxed()
}

/// Pairs with different keys, in order.
pub(crate) fn pairs(
    value: impl Strategy<Value = Val> + 'static,
    most: usize,
) -> BoxedStrategy<Vec<(Val, Val)>> {
    let pairs = prop::collection::vec((key(), value), 0..most);
    pairs
        .prop_map(|mut pairs| {
            pairs.sort_by(|a, b| a.0.order(&b.0));
            pairs.dedup_by(|a, b| a.0.equals(&b.0));
            pairs
        })
        .boxed()
}

/// Nested values.
pub(crate) fn value() -> BoxedStrategy<Val> {
    scalar()
        .prop_recursive(2, 12, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(List),
                pairs(inner, 3).prop_map(Map),
            ]
        })
        .boxed()
}

/// The positions from `start` on, `count` of them or all, of a row of so many; negative starts count from the end,
/// and what lies outside the row is cut off.
pub(crate) fn window(start: i64, count: Option<i64>, size: usize) -> std::ops::Range<usize> {
    let size = i64::try_from(size).unwrap();
    let start = if start < 0 { start + size } else { start };
    clip(start, count, size)
}

/// As above, for a start that is where it is.
pub(crate) fn clip(start: i64, count: Option<i64>, size: i64) -> std::ops::Range<usize> {
    let end = count.filter(|count| *count >= 0).map_or(size, |count| start.saturating_add(count));
    let cut = |place: i64| usize::try_from(place.clamp(0, size)).unwrap();
    cut(start)..cut(end).max(cut(start))
}

/// One position, negative ones from the end.
pub(crate) fn position(index: i64, size: usize) -> Option<usize> {
    let size = i64::try_from(size).unwrap();
    let index = if index < 0 { index + size } else { index };
    usize::try_from(index).ok().filter(|index| *index < usize::try_from(size).unwrap())
}
