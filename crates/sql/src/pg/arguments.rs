//! Arguments that clients bind.

use crate::error::{Kind, Result, SqlError};
use crate::value::moment::DAY_MS;
use crate::value::{Value, json, moment};
use pgwire::api::Type as PgType;

const EPOCH_MS: i64 = 946_684_800_000;

/// The value of an argument. Without a type a text stays a text; the column or the operator decides.
pub(super) fn value(bytes: &[u8], ty: &PgType, is_binary: bool) -> Result<Value> {
    if is_binary { binary(bytes, ty) } else { text(bytes, ty) }
}

fn wrong(ty: &PgType) -> SqlError {
    SqlError::new(Kind::Validation, format!("an argument is no {}", ty.name()))
}

fn text(bytes: &[u8], ty: &PgType) -> Result<Value> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| SqlError::new(Kind::Validation, "an argument is not UTF-8"))?;
    let made = match *ty {
        PgType::INT2 | PgType::INT4 | PgType::INT8 | PgType::OID => text.trim().parse().ok().map(Value::Int),
        PgType::FLOAT4 | PgType::FLOAT8 => text.trim().parse().ok().map(Value::Double),
        PgType::BOOL => flag(text.trim()).map(Value::Bool),
        PgType::NUMERIC => crate::execute::eval::number(text.trim()).ok(),
        PgType::TIMESTAMP | PgType::TIMESTAMPTZ | PgType::DATE => {
            moment::parse(text).map(|_| Value::text(text))
        }
        PgType::JSON | PgType::JSONB => serde_json::from_str(text).ok().map(|json| json::from_json(&json)),
        PgType::INT2_ARRAY
        | PgType::INT4_ARRAY
        | PgType::INT8_ARRAY
        | PgType::FLOAT8_ARRAY
        | PgType::TEXT_ARRAY
        | PgType::VARCHAR_ARRAY
        | PgType::BOOL_ARRAY => list(text, ty),
        _ => Some(Value::text(text)),
    };
    made.ok_or_else(|| wrong(ty))
}

/// A truth value in any of the words that clients write.
fn flag(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "t" | "true" | "y" | "yes" | "on" | "1" => Some(true),
        "f" | "false" | "n" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// A list such as `{1,2}` or `{"a b",NULL}`, of one dimension.
fn list(text: &str, ty: &PgType) -> Option<Value> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let mut items = Vec::new();
    let mut chars = inner.chars().peekable();
    while chars.peek().is_some() {
        let mut item = String::new();
        let quoted = chars.next_if_eq(&'"').is_some();
        while let Some(c) = chars.next_if(|c| quoted || *c != ',') {
            match c {
                '\\' => item.extend(chars.next()),
                '"' if quoted => break,
                other => item.push(other),
            }
        }
        let _ = chars.next_if_eq(&',');
        items.push(match (*ty).clone() {
            _ if !quoted && item.eq_ignore_ascii_case("null") => Value::Null,
            PgType::TEXT_ARRAY | PgType::VARCHAR_ARRAY => Value::Text(item),
            PgType::BOOL_ARRAY => Value::Bool(matches!(item.as_str(), "t" | "true")),
            PgType::FLOAT8_ARRAY => Value::Double(item.parse().ok()?),
            _ => Value::Int(item.parse().ok()?),
        });
    }
    Some(Value::List(items))
}

/// A decimal number as text. It comes as groups of four digits: how many, the power of the first one, sign, digits after the
/// point, groups.
fn numeric(bytes: &[u8]) -> Option<String> {
    let words: Vec<u16> =
        bytes.chunks_exact(2).filter_map(|pair| Some(u16::from_be_bytes(pair.try_into().ok()?))).collect();
    let ([count, weight, sign, scale], groups) = words.split_first_chunk::<4>()?;
    let (weight, scale) = (i32::from(weight.cast_signed()), usize::from(*scale));
    if usize::from(*count) != groups.len()
        || !matches!(sign, 0 | 0x4000)
        || groups.iter().any(|group| *group > 9_999)
    {
        return None;
    }
    let group = |power: i32| {
        let place = usize::try_from(weight - power).ok();
        place.and_then(|place| groups.get(place)).copied().unwrap_or(0)
    };
    let whole: String = (0..=weight.max(0)).rev().map(|power| format!("{:04}", group(power))).collect();
    let last = i32::try_from(scale.div_ceil(4)).ok()?;
    let part: String = (1..=last).map(|power| format!("{:04}", group(-power))).collect();
    let whole = whole.trim_start_matches('0');
    let mut text = if *sign == 0 { String::new() } else { "-".to_owned() };
    text.push_str(if whole.is_empty() { "0" } else { whole });
    if scale > 0 {
        text.push('.');
        text.push_str(part.get(..scale)?);
    }
    Some(text)
}

fn binary(bytes: &[u8], ty: &PgType) -> Result<Value> {
    let made = match *ty {
        PgType::BOOL => bytes.first().map(|byte| Value::Bool(*byte != 0)),
        PgType::INT2 => bytes.try_into().ok().map(|raw| Value::Int(i16::from_be_bytes(raw).into())),
        PgType::INT4 => bytes.try_into().ok().map(|raw| Value::Int(i32::from_be_bytes(raw).into())),
        PgType::INT8 => bytes.try_into().ok().map(|raw| Value::Int(i64::from_be_bytes(raw))),
        PgType::OID => bytes.try_into().ok().map(|raw| Value::Int(u32::from_be_bytes(raw).into())),
        PgType::FLOAT4 => bytes.try_into().ok().map(|raw| Value::Double(f32::from_be_bytes(raw).into())),
        PgType::FLOAT8 => bytes.try_into().ok().map(|raw| Value::Double(f64::from_be_bytes(raw))),
        PgType::TIMESTAMP | PgType::TIMESTAMPTZ => bytes.try_into().ok().map(|raw| {
            let ms = i64::from_be_bytes(raw).div_euclid(1000).saturating_add(EPOCH_MS);
            Value::Text(moment::format(ms, true))
        }),
        PgType::DATE => bytes.try_into().ok().map(|raw| {
            let days = i64::from(i32::from_be_bytes(raw));
            Value::Text(moment::format_date(days.saturating_mul(DAY_MS).saturating_add(EPOCH_MS)))
        }),
        PgType::NUMERIC => numeric(bytes).and_then(|text| crate::execute::eval::number(&text).ok()),
        PgType::UUID => uuid::Uuid::from_slice(bytes).ok().map(|id| Value::Text(id.to_string())),
        PgType::BYTEA => Some(Value::Blob(bytes.to_vec())),
        PgType::JSONB => return text(bytes.get(1..).unwrap_or_default(), ty),
        PgType::TEXT | PgType::VARCHAR | PgType::UNKNOWN | PgType::NAME | PgType::BPCHAR | PgType::JSON => {
            return text(bytes, ty);
        }
        _ => return Err(SqlError::unsupported(format!("binary arguments of type {}", ty.name()))),
    };
    made.ok_or_else(|| wrong(ty))
}

#[cfg(test)]
mod tests {
    use super::{flag, numeric};

    #[test]
    fn truth_has_many_words() {
        assert_eq!(
            ["TRUE", "t", "Yes", "1", "off", "F", "maybe"].map(flag),
            [Some(true), Some(true), Some(true), Some(true), Some(false), Some(false), None]
        );
    }

    #[test]
    fn decimal_numbers_are_read() {
        let read =
            |words: &[u16]| numeric(&words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<_>>());
        for (words, text) in [
            (&[2, 0, 0, 2, 1, 2500][..], "1.25"),
            (&[0, 0, 0, 0], "0"),
            (&[0, 0, 0, 3], "0.000"),
            (&[1, 1, 0x4000, 0, 123], "-1230000"),
            (&[3, 1, 0, 1, 1, 2, 5000], "10002.5"),
            (&[1, 0xffff, 0, 4, 1], "0.0001"),
            (&[1, 0xfffe, 0x4000, 6, 1200], "-0.000012"),
        ] {
            assert_eq!(read(words).as_deref(), Some(text));
        }
        for words in [&[1, 0, 0, 0][..], &[0, 0, 0xc000, 0], &[1, 0, 0, 0, 10_000], &[0, 0]] {
            assert_eq!(read(words), None, "{words:?}");
        }
    }
}
