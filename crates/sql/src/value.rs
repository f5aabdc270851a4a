//! Values of columns: what a bin holds, seen from SQL.

pub mod cast;
pub mod json;
pub mod moment;
pub mod particle;

use std::cmp::Ordering;

/// A value, owned. What its column's type is stands elsewhere: a moment is a number here.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// No value.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number; moments are milliseconds since 1970.
    Int(i64),
    /// A float.
    Double(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
    /// An array.
    List(Vec<Value>),
    /// An object: names and values, in order.
    Map(Vec<(String, Value)>),
    /// `GeoJSON` text.
    Geo(String),
}

impl Value {
    /// A text.
    pub fn text(text: impl Into<String>) -> Value {
        Value::Text(text.into())
    }

    /// Whether there is no value.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// The whole number; floats without a fraction count.
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(number) => Some(*number),
            Value::Null | Value::Bool(_) | Value::Double(_) | Value::Text(_) | Value::Blob(_) => None,
            Value::List(_) | Value::Map(_) | Value::Geo(_) => None,
        }
    }

    /// The number as a float.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn as_double(&self) -> Option<f64> {
        match self {
            Value::Int(number) => Some(*number as f64),
            Value::Double(number) => Some(*number),
            Value::Null | Value::Bool(_) | Value::Text(_) | Value::Blob(_) => None,
            Value::List(_) | Value::Map(_) | Value::Geo(_) => None,
        }
    }

    /// The text.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) | Value::Geo(text) => Some(text),
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Double(_) | Value::Blob(_) => None,
            Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The member of an object; null where there is none. An array of objects gives an array.
    #[must_use]
    pub fn member(&self, name: &str) -> Value {
        match self {
            Value::Map(pairs) => {
                pairs.iter().find(|(key, _)| key == name).map_or(Value::Null, |(_, value)| value.clone())
            }
            Value::List(items) => Value::List(items.iter().map(|item| item.member(name)).collect()),
            _ => Value::Null,
        }
    }

    /// The member at the end of a path.
    #[must_use]
    pub fn at(&self, path: &[String]) -> Value {
        path.iter().fold(self.clone(), |value, name| value.member(name))
    }

    /// Puts a value at the end of a path, making objects on the way. Without a path it is replaced.
    pub fn put(&mut self, path: &[String], value: Value) {
        let Some((name, rest)) = path.split_first() else {
            *self = value;
            return;
        };
        if !matches!(self, Value::Map(_)) {
            *self = Value::Map(Vec::new());
        }
        let Value::Map(pairs) = self else { return };
        match pairs.iter_mut().find(|(key, _)| key == name) {
            Some((_, inner)) => inner.put(rest, value),
            None => {
                let mut inner = Value::Null;
                inner.put(rest, value);
                pairs.push((name.clone(), inner));
            }
        }
    }

    /// How two values compare; none when either is null or they are of different kinds.
    #[must_use]
    pub fn compare(&self, other: &Value) -> Option<Ordering> {
        match (self, other) {
            (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
            (Value::Int(_) | Value::Double(_), Value::Int(_) | Value::Double(_)) => {
                self.as_double()?.partial_cmp(&other.as_double()?)
            }
            (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
            (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
            (Value::Blob(a), Value::Blob(b)) => Some(a.cmp(b)),
            (Value::List(a), Value::List(b)) => {
                for (a, b) in a.iter().zip(b) {
                    match a.compare(b)? {
                        Ordering::Equal => {}
                        unequal => return Some(unequal),
                    }
                }
                Some(a.len().cmp(&b.len()))
            }
            (Value::Map(_) | Value::Geo(_), Value::Map(_) | Value::Geo(_)) => {
                (self == other).then_some(Ordering::Equal)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Value;
    use std::cmp::Ordering;

    #[test]
    fn members_are_found_and_put() {
        let mut object = Value::Null;
        let path = ["a".to_owned(), "b".to_owned()];
        object.put(&path, Value::Int(5));
        assert_eq!(object.at(&path), Value::Int(5));
        object.put(&path, Value::text("x"));
        assert_eq!(object, Value::Map(vec![("a".into(), Value::Map(vec![("b".into(), Value::text("x"))]))]));
        assert_eq!(Value::List(vec![object.member("a")]).member("b"), Value::List(vec![Value::text("x")]));
    }

    #[test]
    fn only_alike_values_compare() {
        assert_eq!(Value::Int(1).compare(&Value::Double(1.5)), Some(Ordering::Less));
        assert_eq!(Value::Null.compare(&Value::Null), None);
        assert_eq!(Value::text("a").compare(&Value::Int(1)), None);
    }
}
