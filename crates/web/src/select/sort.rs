//! The order of results: by bins, each up or down; records without the bin come last.

use crate::schema::RecordView;
use serde_json::Value;
use std::cmp::Ordering;

/// Bins to sort by.
pub(super) struct Order {
    bins: Vec<(String, bool)>,
}

impl Order {
    /// From names; `-` before one sorts downwards.
    pub(super) fn of(names: &[String]) -> Order {
        let bin = |name: &String| match name.strip_prefix('-') {
            Some(name) => (name.to_owned(), true),
            None => (name.clone(), false),
        };
        Order { bins: names.iter().map(bin).collect() }
    }

    /// How two records stand to each other.
    pub(super) fn compare(&self, a: &RecordView, b: &RecordView) -> Ordering {
        let by_bin = |(name, down): &(String, bool)| match (a.bin(name), b.bin(name)) {
            (Some(a), Some(b)) if *down => values(b, a),
            (Some(a), Some(b)) => values(a, b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        };
        let decided = self.bins.iter().map(by_bin).find(|order| order.is_ne());
        // Equal records keep one order from request to request.
        decided.unwrap_or_else(|| (a.id(), a.set()).cmp(&(b.id(), b.set())))
    }
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::Object(object) if object.contains_key("$int") || object.contains_key("$double") => 2,
        Value::String(_) => 3,
        Value::Array(_) => 4,
        Value::Object(_) => 5,
    }
}

fn values(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        _ if rank(a) == 2 && rank(b) == 2 => numbers(a, b),
        (Value::Array(a), Value::Array(b)) => {
            let unequal = a.iter().zip(b).map(|(a, b)| values(a, b)).find(|order| order.is_ne());
            unequal.unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        _ => rank(a).cmp(&rank(b)).then_with(|| a.to_string().cmp(&b.to_string())),
    }
}

fn numbers(a: &Value, b: &Value) -> Ordering {
    match (integer(a), integer(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        _ => double(a).total_cmp(&double(b)),
    }
}

fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.get("$int")?.as_str()?.parse().ok())
}

fn double(value: &Value) -> f64 {
    let tagged = || value.get("$double").or_else(|| value.get("$int"))?.as_str()?.parse().ok();
    value.as_f64().or_else(tagged).unwrap_or(f64::NAN)
}
