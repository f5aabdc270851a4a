//! Values in JSON: arguments as clients send them, results as Crate's clients read them.

use super::Value;
use crate::column_type::Type;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Number, Value as Json};

/// An argument: whole numbers are bigint, objects and arrays stay what they are.
#[must_use]
pub fn from_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::Int(whole),
            None => Value::Double(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::text(text),
        Json::Array(items) => Value::List(items.iter().map(from_json).collect()),
        Json::Object(pairs) => {
            Value::Map(pairs.iter().map(|(name, value)| (name.clone(), from_json(value))).collect())
        }
    }
}

/// A value without a column, as it stands inside an object.
#[must_use]
pub fn to_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Int(number) => Json::Number((*number).into()),
        Value::Double(number) => double(*number),
        Value::Text(text) => Json::String(text.clone()),
        Value::Blob(bytes) => Json::String(STANDARD.encode(bytes)),
        Value::List(items) => Json::Array(items.iter().map(to_json).collect()),
        Value::Map(pairs) => Json::Object(
            pairs.iter().map(|(name, value)| (name.clone(), to_json(value))).collect::<Map<_, _>>(),
        ),
        Value::Geo(text) => serde_json::from_str(text).unwrap_or_else(|_| Json::String(text.clone())),
    }
}

/// A value of a column, in the form that its type has in Crate's answers.
#[must_use]
pub fn to_json_as(value: &Value, ty: &Type) -> Json {
    match (value, ty) {
        (Value::Geo(text), Type::GeoPoint) => {
            let point: Json = serde_json::from_str(text).unwrap_or_default();
            point.get("coordinates").cloned().unwrap_or_default()
        }
        (Value::List(items), Type::Array(inner)) => {
            Json::Array(items.iter().map(|item| to_json_as(item, inner)).collect())
        }
        (Value::Text(text), Type::Numeric(..)) => {
            serde_json::from_str(text).unwrap_or_else(|_| Json::String(text.clone()))
        }
        _ => to_json(value),
    }
}

/// A float; what JSON has no number for is a text.
fn double(number: f64) -> Json {
    match Number::from_f64(number) {
        Some(number) => Json::Number(number),
        None if number.is_nan() => Json::from("NaN"),
        None if number > 0.0 => Json::from("Infinity"),
        None => Json::from("-Infinity"),
    }
}

#[cfg(test)]
mod tests {
    use super::{from_json, to_json, to_json_as};
    use crate::column_type::Type;
    use crate::value::Value;
    use serde_json::json;

    #[test]
    fn arguments_round_trip() {
        let all = json!([null, true, 1, 1.5, "x", [1, [2]], {"a": {"b": "c"}}]);
        assert_eq!(to_json(&from_json(&all)), all);
        assert_eq!(to_json(&Value::Double(f64::NAN)), json!("NaN"));
        let point = Value::Geo(r#"{"type":"Point","coordinates":[1.0,2.0]}"#.to_owned());
        assert_eq!(to_json_as(&point, &Type::GeoPoint), json!([1.0, 2.0]));
    }
}
