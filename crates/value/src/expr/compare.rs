//! Comparing values in expressions.
//!
//! Both sides have one type, or the comparison is unknown. Containers compare by the common order; maps only when
//! both are ordered, because unordered maps have no order to compare by.

use super::Unknown;
use super::node::Comparison;
use super::value::Value;
use crate::geojson;
use crate::msgpack::element::geo_text;
use crate::msgpack::{FLAG_ORDERED, Reader};
use crate::order;
use std::cmp::Ordering;

/// Whether `a` and `b` stand in this relation.
pub(super) fn compare(comparison: Comparison, a: &Value<'_>, b: &Value<'_>) -> Result<bool, Unknown> {
    if let (Value::Float(a), Value::Float(b)) = (a, b) {
        return Ok(floats(comparison, *a, *b));
    }
    let order = order(a, b)?;
    Ok(match comparison {
        Comparison::Equal => order == Ordering::Equal,
        Comparison::NotEqual => order != Ordering::Equal,
        Comparison::Greater => order == Ordering::Greater,
        Comparison::GreaterOrEqual => order != Ordering::Less,
        Comparison::Less => order == Ordering::Less,
        Comparison::LessOrEqual => order != Ordering::Greater,
    })
}

/// Whether one of the shapes is a point inside the other.
pub(super) fn shapes(a: &Value<'_>, b: &Value<'_>) -> Result<bool, Unknown> {
    let (Value::Geo(a), Value::Geo(b)) = (a, b) else { return Err(Unknown) };
    let parse = |particle| geojson::parse(geo_text(particle)).map_err(|_| Unknown);
    Ok(geojson::is_within(&parse(a)?, &parse(b)?))
}

/// Whether a list has an element that equals the value.
pub(super) fn in_list(value: &Value<'_>, list: &Value<'_>) -> Result<bool, Unknown> {
    let Value::List(encoded) = list else { return Err(Unknown) };
    let mut wanted = Vec::new();
    value.write(&mut wanted)?;
    let mut reader = Reader::new(encoded);
    let head = reader.list_head().map_err(|_| Unknown)?;
    for _ in 0..head.count {
        let element = reader.take().map_err(|_| Unknown)?;
        if order::compare(element, &wanted) == Ordering::Equal {
            return Ok(true);
        }
    }
    Ok(false)
}

/// IEEE comparison: not-a-number is unequal to everything.
#[expect(clippy::float_cmp, reason = "exact equality is what the operation means")]
fn floats(comparison: Comparison, a: f64, b: f64) -> bool {
    match comparison {
        Comparison::Equal => a == b,
        Comparison::NotEqual => a != b,
        Comparison::Greater => a > b,
        Comparison::GreaterOrEqual => a >= b,
        Comparison::Less => a < b,
        Comparison::LessOrEqual => a <= b,
    }
}

fn order(a: &Value<'_>, b: &Value<'_>) -> Result<Ordering, Unknown> {
    match (a, b) {
        (Value::Nil, Value::Nil) => Ok(Ordering::Equal),
        (Value::Bool(a), Value::Bool(b)) => Ok(a.cmp(b)),
        (Value::Int(a), Value::Int(b)) => Ok(a.cmp(b)),
        (Value::Text(a), Value::Text(b))
        | (Value::Blob(_, a), Value::Blob(_, b))
        | (Value::Hll(a), Value::Hll(b)) => Ok(a.cmp(b)),
        (Value::List(a), Value::List(b)) => Ok(order::compare(a, b)),
        (Value::Map(a), Value::Map(b)) if is_ordered(a) && is_ordered(b) => Ok(order::compare(a, b)),
        _ => Err(Unknown),
    }
}

fn is_ordered(map: &[u8]) -> bool {
    Reader::new(map).map_head().is_ok_and(|head| head.flags & FLAG_ORDERED != 0)
}
