//! Functions that the fast path knows; all others are the engine's.

use crate::column_type::Type;
use crate::error::{Kind, Result, SqlError};
use crate::value::cast::{cast, text};
use crate::value::{Value, moment};

/// What functions may ask about the statement.
#[derive(Debug, Clone)]
pub struct Moment {
    /// Milliseconds since 1970.
    pub now_ms: i64,
    /// The user.
    pub user: String,
    /// The schema.
    pub schema: String,
}

/// Calls a function by its lower-case name.
///
/// # Errors
/// [`Kind::NotSupported`] for a function that is not known here.
pub(super) fn call(name: &str, arguments: &[Value], moment: &Moment) -> Result<Value> {
    let nullary = match name {
        "now" | "current_timestamp" | "localtimestamp" => Some(Value::Int(moment.now_ms)),
        "current_date" | "curdate" => Some(Value::Int(moment.now_ms - moment.now_ms.rem_euclid(86_400_000))),
        "current_user" | "session_user" | "user" => Some(Value::text(&moment.user)),
        "current_schema" => Some(Value::text(&moment.schema)),
        "gen_random_text_uuid" | "gen_random_uuid" => Some(Value::Text(uuid::Uuid::new_v4().to_string())),
        _ => None,
    };
    match (nullary, arguments) {
        (Some(value), _) => Ok(value),
        (None, []) => Err(unknown(name)),
        (None, [first, rest @ ..]) => with_arguments(name, first, rest),
    }
}

fn unknown(name: &str) -> SqlError {
    SqlError::unsupported(format!("Unknown function: {name}"))
}

fn with_arguments(name: &str, first: &Value, rest: &[Value]) -> Result<Value> {
    match name {
        "coalesce" => {
            return Ok(std::iter::once(first)
                .chain(rest)
                .find(|value| !value.is_null())
                .cloned()
                .unwrap_or_default());
        }
        "concat" => return Ok(Value::Text(std::iter::once(first).chain(rest).map(text).collect())),
        "_object" => return object(first, rest),
        "nullif" => return Ok(if rest.first() == Some(first) { Value::Null } else { first.clone() }),
        _ => {}
    }
    if first.is_null() || rest.iter().any(Value::is_null) {
        return Ok(Value::Null);
    }
    Ok(match (name, first, rest) {
        ("upper", Value::Text(text), []) => Value::Text(text.to_uppercase()),
        ("lower", Value::Text(text), []) => Value::Text(text.to_lowercase()),
        ("trim", Value::Text(text), []) => Value::text(text.trim()),
        ("length" | "char_length", Value::Text(text), []) => {
            Value::Int(i64::try_from(text.chars().count()).unwrap_or(i64::MAX))
        }
        ("abs", Value::Int(number), []) => Value::Int(number.checked_abs().ok_or_else(overflow)?),
        ("abs", Value::Double(number), []) => Value::Double(number.abs()),
        ("date_trunc", Value::Text(unit), [at]) => truncate(unit, at)?,
        _ => return Err(unknown(name)),
    })
}

/// A number became too large.
pub(super) fn overflow() -> SqlError {
    SqlError::new(Kind::Validation, "bigint overflow")
}

fn object(first: &Value, rest: &[Value]) -> Result<Value> {
    let all: Vec<&Value> = std::iter::once(first).chain(rest).collect();
    let mut pairs: Vec<(String, Value)> = Vec::new();
    for pair in all.chunks(2) {
        let [Value::Text(name), value] = pair else {
            return Err(SqlError::new(Kind::Validation, "an object literal has names and values"));
        };
        pairs.retain(|(known, _)| known != name);
        pairs.push((name.clone(), (*value).clone()));
    }
    Ok(Value::Map(pairs))
}

/// The start of the second, minute, hour, day, week, month, quarter or year of a moment.
fn truncate(unit: &str, at: &Value) -> Result<Value> {
    let ms = cast(at.clone(), &Type::TimestampTz)?.as_int().unwrap_or_default();
    let width = match unit {
        "second" => 1000,
        "minute" => 60_000,
        "hour" => 3_600_000,
        "day" => 86_400_000,
        _ => 0,
    };
    if width > 0 {
        return Ok(Value::Int(ms - ms.rem_euclid(width)));
    }
    let days = ms.div_euclid(86_400_000);
    let (year, month, _) = moment::date_of(days);
    let start = match unit {
        "week" => days - (days + 3).rem_euclid(7),
        "month" => moment::days_of(year, month, 1),
        "quarter" => moment::days_of(year, (month - 1) / 3 * 3 + 1, 1),
        "year" => moment::days_of(year, 1, 1),
        _ => return Err(SqlError::unsupported(format!("date_trunc to '{unit}'"))),
    };
    Ok(Value::Int(start * 86_400_000))
}
