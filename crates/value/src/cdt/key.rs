//! A number that orders scalars as [`crate::order`] does.

use crate::msgpack::{Item, Reader};
use std::cmp::Ordering;

const STRING: u8 = 3;
const GEOJSON: u8 = 23;
/// Where the type stands; what stands below orders the values of one type.
const TYPE_SHIFT: u32 = 120;
/// Bytes of a string or blob that the number holds.
const TEXT: usize = 15;

const NIL: u128 = 0;
const BOOL: u128 = 1;
const INTEGER: u128 = 2;
const TEXT_TYPE: u128 = 3;
const BLOB: u128 = 6;
const DOUBLE: u128 = 7;
const GEO: u128 = 8;

/// The number of a scalar.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Key(u128);

impl Key {
    /// The key of an encoded value; none for containers and ext values, which numbers can't order.
    pub(super) fn of(encoded: &[u8]) -> Option<Key> {
        let (kind, rest) = match Reader::new(encoded).read().ok()? {
            Item::Nil => (NIL, 0),
            Item::Bool(value) => (BOOL, u128::from(value)),
            Item::Int(value) => (INTEGER, u128::from(value.cast_unsigned() ^ 1 << 63)),
            Item::Uint(value) => (INTEGER, u128::from(value) + (1 << 63)),
            Item::Double(value) => (DOUBLE, double(value)),
            Item::Bytes(raw) => (text_type(raw), text(raw)),
            Item::Array(_) | Item::Map(_) | Item::Ext { .. } => return None,
        };
        Some(Key(kind << TYPE_SHIFT | rest))
    }

    /// How the values stand to each other; none where their encodings must tell.
    pub(super) fn compare(self, other: Key) -> Option<Ordering> {
        let order = self.0.cmp(&other.0);
        let told = order != Ordering::Equal || matches!(self.kind(), NIL | BOOL | INTEGER | DOUBLE);
        told.then_some(order)
    }

    /// Whether it is a double's.
    pub(super) fn is_double(self) -> bool {
        self.kind() == DOUBLE
    }

    /// Whether it is that of not-a-number.
    pub(super) fn is_nan(self) -> bool {
        self.0 == DOUBLE << TYPE_SHIFT
    }

    fn kind(self) -> u128 {
        self.0 >> TYPE_SHIFT
    }
}

/// Zeros are equal; not-a-number stands below every number, as 0.
fn double(value: f64) -> u128 {
    if value.is_nan() {
        return 0;
    }
    // Adding a positive zero makes a negative one positive.
    let bits = (value + 0.0).to_bits();
    let ordered = if bits >> 63 == 0 { bits | 1 << 63 } else { !bits };
    u128::from(ordered) + 1
}

fn text_type(raw: &[u8]) -> u128 {
    match raw.first() {
        Some(&STRING) => TEXT_TYPE,
        Some(&GEOJSON) => GEO,
        Some(_) | None => BLOB,
    }
}

/// The first bytes, the type byte included.
fn text(raw: &[u8]) -> u128 {
    raw.iter()
        .copied()
        .chain(std::iter::repeat(0))
        .take(TEXT)
        .fold(0, |sum, byte| sum << 8 | u128::from(byte))
}

#[cfg(test)]
mod tests {
    use super::Key;
    use crate::msgpack::writer;
    use crate::order;

    fn encoded(write: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out);
        out
    }

    #[test]
    fn keys_order_as_the_encodings_do() {
        let mut values = vec![encoded(writer::nil), encoded(|out| writer::bool(out, false)), vec![0xc3]];
        for number in [i64::MIN, -70_000, -129, -33, -1, 0, 1, 127, 128, 70_000, i64::MAX] {
            values.push(encoded(|out| writer::int(out, number)));
        }
        values.extend([1 << 63, u64::MAX].map(|number| encoded(|out| writer::uint(out, number))));
        for number in
            [f64::NAN, f64::NEG_INFINITY, -2.5, -f64::MIN_POSITIVE, -0.0, 0.0, 1e-300, 3.5, f64::INFINITY]
        {
            values.push(encoded(|out| writer::double(out, number)));
        }
        for kind in [3, 4, 20, 23] {
            for raw in ["", "a", "ab", "a\0", "aaaaaaaaaaaaaa", "aaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaab", "b"] {
                values.push(encoded(|out| writer::typed(out, kind, raw.as_bytes())));
            }
        }
        values.push(encoded(|out| writer::bytes(out, &[])));
        for a in &values {
            for b in &values {
                let (key_a, key_b) = (Key::of(a).expect("a scalar"), Key::of(b).expect("a scalar"));
                let order = order::compare(a, b);
                assert_eq!(key_a.compare(key_b).unwrap_or(order), order, "{a:02x?} and {b:02x?}");
            }
        }
    }
}
