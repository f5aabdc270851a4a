//! Values made to fit a type: what a column takes, and what `CAST` does.

use super::{Value, json, moment};
use crate::column_type::Type;
use crate::error::{Kind, Result, SqlError};
use std::net::IpAddr;

/// The value as a column of this type holds it. Texts become moments, numbers, addresses; numbers of one width another.
///
/// # Errors
/// [`Kind::Validation`] for a value that does not fit.
pub fn cast(value: Value, ty: &Type) -> Result<Value> {
    if value.is_null() {
        return Ok(Value::Null);
    }
    let done = match ty {
        Type::Null => Some(value.clone()),
        Type::Bool => boolean(&value),
        Type::Byte => whole(&value, i64::from(i8::MIN), i64::from(i8::MAX)),
        Type::Short => whole(&value, i64::from(i16::MIN), i64::from(i16::MAX)),
        Type::Int => whole(&value, i64::from(i32::MIN), i64::from(i32::MAX)),
        Type::Long => whole(&value, i64::MIN, i64::MAX),
        Type::Double => float(&value),
        Type::Real => float(&value).and_then(|value| value.as_double()).map(narrow),
        Type::Text | Type::Interval => Some(Value::Text(text(&value))),
        Type::Varchar(length) => varchar(&value, *length)?,
        Type::Ip => value.as_text().filter(|text| text.parse::<IpAddr>().is_ok()).map(Value::text),
        Type::Uuid => value
            .as_text()
            .and_then(|text| uuid::Uuid::parse_str(text).ok())
            .map(|id| Value::Text(id.to_string())),
        Type::TimestampTz | Type::Timestamp => instant(&value),
        Type::Date => instant(&value)
            .and_then(|at| at.as_int())
            .map(|ms| Value::Int(ms - ms.rem_euclid(moment::DAY_MS))),
        Type::Object => object(&value),
        Type::Json => Some(Value::Text(match &value {
            Value::Text(text) => text.clone(),
            other => json::to_json(other).to_string(),
        })),
        Type::GeoPoint => point(&value),
        Type::GeoShape => shape(&value),
        Type::Numeric(_, scale) => decimal(&value, *scale),
        Type::Array(inner) => return array(value, inner),
    };
    done.ok_or_else(|| {
        let shown = json::to_json(&value);
        SqlError::new(Kind::Validation, format!("Cannot cast `{shown}` to type `{ty}`"))
    })
}

fn boolean(value: &Value) -> Option<Value> {
    match value {
        Value::Bool(_) => Some(value.clone()),
        Value::Int(number) => Some(Value::Bool(*number != 0)),
        Value::Text(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "t" => Some(Value::Bool(true)),
            "false" | "f" => Some(Value::Bool(false)),
            _ => None,
        },
        _ => None,
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
fn whole(value: &Value, least: i64, most: i64) -> Option<Value> {
    let number = match value {
        Value::Int(number) => *number,
        Value::Bool(value) => i64::from(*value),
        // The comparison is exact: both bounds are powers of two.
        Value::Double(number) if *number >= i64::MIN as f64 && *number < -(i64::MIN as f64) => *number as i64,
        Value::Text(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    (least..=most).contains(&number).then_some(Value::Int(number))
}

fn float(value: &Value) -> Option<Value> {
    match value {
        Value::Int(_) | Value::Double(_) => value.as_double().map(Value::Double),
        Value::Text(text) => text.trim().parse().ok().map(Value::Double),
        _ => None,
    }
}

#[allow(clippy::cast_possible_truncation)]
fn narrow(number: f64) -> Value {
    // Through the text, so that 1.1 stays 1.1 when it is read as a double.
    Value::Double((number as f32).to_string().parse().unwrap_or(number))
}

/// The value as text, as `CAST (x AS text)` gives it.
#[must_use]
pub fn text(value: &Value) -> String {
    match value {
        Value::Text(text) | Value::Geo(text) => text.clone(),
        Value::Double(number) if number.fract() == 0.0 && number.abs() < 1e15 => format!("{number:.1}"),
        Value::Bool(value) => value.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Double(number) => number.to_string(),
        Value::Null => String::new(),
        Value::Blob(_) | Value::List(_) | Value::Map(_) => match json::to_json(value) {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        },
    }
}

fn varchar(value: &Value, length: u32) -> Result<Option<Value>> {
    let text = text(value);
    let longest = usize::try_from(length).unwrap_or(usize::MAX);
    if text.trim_end().chars().count() > longest {
        let message = format!("'{text}' is too long for the text type of length: {length}");
        return Err(SqlError::new(Kind::Validation, message));
    }
    Ok(Some(Value::Text(text.chars().take(longest).collect())))
}

fn instant(value: &Value) -> Option<Value> {
    match value {
        Value::Int(_) => Some(value.clone()),
        #[allow(clippy::cast_possible_truncation)]
        Value::Double(number) => Some(Value::Int(*number as i64)),
        Value::Text(text) => moment::parse(text).map(Value::Int),
        _ => None,
    }
}

fn object(value: &Value) -> Option<Value> {
    match value {
        Value::Map(_) => Some(value.clone()),
        Value::Text(text) => Some(json::from_json(&serde_json::from_str(text).ok()?))
            .filter(|value| matches!(value, Value::Map(_))),
        _ => None,
    }
}

fn point(value: &Value) -> Option<Value> {
    let (lon, lat) = match value {
        Value::Geo(_) => return Some(value.clone()),
        Value::List(items) => match items.as_slice() {
            [lon, lat] => (lon.as_double()?, lat.as_double()?),
            _ => return None,
        },
        Value::Text(text) => {
            let inner = text.trim().to_ascii_uppercase();
            let inner = inner.strip_prefix("POINT")?.trim().strip_prefix('(')?.strip_suffix(')')?.to_owned();
            let mut parts = inner.split_whitespace().map(str::parse::<f64>);
            (parts.next()?.ok()?, parts.next()?.ok()?)
        }
        _ => return None,
    };
    let inside = (-180.0..=180.0).contains(&lon) && (-90.0..=90.0).contains(&lat);
    inside.then(|| Value::Geo(serde_json::json!({"type": "Point", "coordinates": [lon, lat]}).to_string()))
}

fn shape(value: &Value) -> Option<Value> {
    match value {
        Value::Map(_) => Some(Value::Geo(json::to_json(value).to_string())),
        Value::Geo(_) => Some(value.clone()),
        Value::Text(text) if text.trim_start().starts_with('{') => Some(Value::Geo(text.clone())),
        _ => None,
    }
}

/// Decimals are texts in bins.
fn decimal(value: &Value, scale: i8) -> Option<Value> {
    let text = match value {
        Value::Int(number) => number.to_string(),
        Value::Double(number) => number.to_string(),
        Value::Text(text) => text.trim().to_owned(),
        _ => return None,
    };
    let digits = text.strip_prefix('-').unwrap_or(&text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = !digits.is_empty() && whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
    let places = usize::try_from(scale).unwrap_or(0);
    if !plain || fraction.len() > places && fraction.bytes().skip(places).any(|byte| byte != b'0') {
        // Rounded where a float can say it.
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite())?;
        return Some(Value::Text(format!("{number:.places$}")));
    }
    Some(Value::Text(text))
}

fn array(value: Value, inner: &Type) -> Result<Value> {
    match value {
        Value::List(items) => {
            items.into_iter().map(|item| cast(item, inner)).collect::<Result<_>>().map(Value::List)
        }
        Value::Text(text) if text.starts_with('[') => match serde_json::from_str(&text) {
            Ok(list) => cast(json::from_json(&list), &Type::array(inner.clone())),
            Err(_) => {
                Err(SqlError::new(Kind::Validation, format!("Cannot cast `{text}` to type `{inner}_array`")))
            }
        },
        other => {
            let shown = json::to_json(&other);
            Err(SqlError::new(Kind::Validation, format!("Cannot cast `{shown}` to type `{inner}_array`")))
        }
    }
}

/// The type that a value has where nothing else says one: what dynamic columns become.
#[must_use]
pub fn type_of(value: &Value) -> Type {
    match value {
        Value::Null => Type::Null,
        Value::Bool(_) => Type::Bool,
        Value::Int(_) => Type::Long,
        Value::Double(_) => Type::Double,
        Value::Text(_) | Value::Blob(_) => Type::Text,
        Value::Map(_) => Type::Object,
        Value::Geo(text) if text.contains("\"Point\"") => Type::GeoPoint,
        Value::Geo(_) => Type::GeoShape,
        Value::List(items) => {
            let mut types = items.iter().map(type_of).filter(|ty| *ty != Type::Null);
            let first = types.next().unwrap_or(Type::Text);
            Type::array(types.fold(first, |a, b| wider(&a, &b)))
        }
    }
}

/// A type that holds the values of both.
#[must_use]
pub fn wider(a: &Type, b: &Type) -> Type {
    match (a, b) {
        (a, b) if a == b => a.clone(),
        (Type::Null, other) | (other, Type::Null) => other.clone(),
        (Type::Double, Type::Long) | (Type::Long, Type::Double) => Type::Double,
        (Type::Array(a), Type::Array(b)) => Type::array(wider(a, b)),
        _ => Type::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::{cast, type_of};
    use crate::column_type::Type;
    use crate::value::Value;

    #[test]
    fn texts_become_what_the_column_is() {
        assert_eq!(cast(Value::text("12"), &Type::Int), Ok(Value::Int(12)));
        assert_eq!(cast(Value::text("2026-01-02"), &Type::TimestampTz), Ok(Value::Int(1_767_312_000_000)));
        assert_eq!(cast(Value::text("1.10"), &Type::Numeric(10, 2)), Ok(Value::text("1.10")));
        assert!(cast(Value::text("x"), &Type::Int).is_err());
        assert!(cast(Value::Int(300), &Type::Byte).is_err());
        assert!(cast(Value::text("abcd"), &Type::Varchar(3)).is_err());
        assert!(cast(Value::text("1.2.3"), &Type::Ip).is_err());
        assert_eq!(cast(Value::Null, &Type::Int), Ok(Value::Null));
    }

    #[test]
    fn dynamic_types_follow_the_values() {
        assert_eq!(type_of(&Value::List(vec![Value::Int(1), Value::Double(0.5)])), Type::array(Type::Double));
        assert_eq!(type_of(&Value::List(vec![])), Type::array(Type::Text));
    }
}
