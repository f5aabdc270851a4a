//! Values in the two formats of PostgreSQL's wire.

use crate::column_type::Type;
use crate::execute::RowSet;
use crate::value::cast::text as plain_text;
use crate::value::moment::DAY_MS;
use crate::value::{Value, json, moment};
use bytes::{BufMut as _, BytesMut};
use futures::stream;
use pgwire::api::Type as PgType;
use pgwire::api::portal::Format;
use pgwire::api::results::{FieldFormat, FieldInfo, QueryResponse};
use pgwire::messages::data::DataRow;
use std::sync::Arc;

/// Milliseconds from 1970 to 2000, where PostgreSQL begins to count.
const EPOCH_MS: i64 = 946_684_800_000;

/// The fields of a result.
pub(super) fn fields(columns: &[(String, Type)], format: &Format) -> Vec<FieldInfo> {
    let field = |(place, (name, ty)): (usize, &(String, Type))| {
        let kind = PgType::from_oid(ty.oid()).unwrap_or(PgType::VARCHAR);
        FieldInfo::new(name.clone(), None, None, kind, format.format_for(place))
    };
    columns.iter().enumerate().map(field).collect()
}

/// Rows as an answer.
pub(super) fn response(set: RowSet, format: &Format) -> QueryResponse {
    let fields = Arc::new(fields(&set.columns, format));
    let types: Vec<(Type, FieldFormat)> =
        set.columns.iter().zip(fields.iter()).map(|((_, ty), field)| (ty.clone(), field.format())).collect();
    let rows = set.rows.into_iter().map(move |row| Ok(data_row(&row, &types)));
    QueryResponse::new(fields, stream::iter(rows))
}

fn data_row(row: &[Value], types: &[(Type, FieldFormat)]) -> DataRow {
    let mut data = BytesMut::new();
    for (value, (ty, format)) in row.iter().zip(types) {
        if value.is_null() {
            data.put_i32(-1);
            continue;
        }
        let bytes = match format {
            FieldFormat::Text => text(value, ty).into_bytes(),
            FieldFormat::Binary => binary(value, ty),
        };
        data.put_i32(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
        data.extend_from_slice(&bytes);
    }
    DataRow::new(data, i16::try_from(types.len()).unwrap_or(i16::MAX))
}

/// A value as text.
pub(super) fn text(value: &Value, ty: &Type) -> String {
    match (value, ty) {
        (Value::Bool(value), _) => if *value { "t" } else { "f" }.to_owned(),
        (Value::Int(ms), Type::TimestampTz) => moment::format(*ms, true),
        (Value::Int(ms), Type::Timestamp) => moment::format(*ms, false),
        (Value::Int(ms), Type::Date) => moment::format_date(*ms),
        (Value::Double(number), _) => float(*number),
        (Value::List(items), Type::Array(inner)) => array(items, inner),
        (Value::Geo(_), Type::GeoPoint) => {
            let point = json::to_json_as(value, ty);
            let part = |place| point.get(place).map(ToString::to_string).unwrap_or_default();
            format!("({},{})", part(0), part(1))
        }
        (Value::Map(_) | Value::List(_), _) => json::to_json(value).to_string(),
        (other, _) => plain_text(other),
    }
}

fn float(number: f64) -> String {
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let shown = number.to_string();
    if shown.len() > 21 { format!("{number:e}") } else { shown }
}

fn array(items: &[Value], inner: &Type) -> String {
    let item = |item: &Value| match item {
        Value::Null => "NULL".to_owned(),
        other => {
            let shown = text(other, inner);
            let nested = matches!(other, Value::List(_));
            let plain = !shown.is_empty()
                && !shown.eq_ignore_ascii_case("null")
                && !shown.contains(|c: char| c.is_whitespace() || "{}\",\\".contains(c));
            if plain || nested {
                shown
            } else {
                format!("\"{}\"", shown.replace('\\', "\\\\").replace('"', "\\\""))
            }
        }
    };
    format!("{{{}}}", items.iter().map(item).collect::<Vec<_>>().join(","))
}

/// A value in binary; what has no binary form here is sent as text, which is the binary form of texts.
#[allow(clippy::cast_possible_truncation)]
fn binary(value: &Value, ty: &Type) -> Vec<u8> {
    match (value, ty) {
        (Value::Bool(value), _) => vec![u8::from(*value)],
        (Value::Int(number), Type::Byte) => vec![(*number as i8).cast_unsigned()],
        (Value::Int(number), Type::Short) => (*number as i16).to_be_bytes().to_vec(),
        (Value::Int(number), Type::Int) => (*number as i32).to_be_bytes().to_vec(),
        (Value::Int(ms), Type::TimestampTz | Type::Timestamp) => {
            ms.saturating_sub(EPOCH_MS).saturating_mul(1000).to_be_bytes().to_vec()
        }
        (Value::Int(ms), Type::Date) => {
            ((ms.saturating_sub(EPOCH_MS).div_euclid(DAY_MS)) as i32).to_be_bytes().to_vec()
        }
        (Value::Int(number), Type::Real) => (*number as f32).to_be_bytes().to_vec(),
        (Value::Int(number), Type::Double) => (*number as f64).to_be_bytes().to_vec(),
        (Value::Int(number), Type::Long) => number.to_be_bytes().to_vec(),
        (Value::Double(number), Type::Real) => (*number as f32).to_be_bytes().to_vec(),
        (Value::Double(number), Type::Double) => number.to_be_bytes().to_vec(),
        (_, Type::Numeric(..)) => numeric(&plain_text(value)),
        (Value::Text(id), Type::Uuid) => {
            uuid::Uuid::parse_str(id).map(|id| id.as_bytes().to_vec()).unwrap_or_default()
        }
        (Value::List(items), Type::Array(inner)) if !matches!(**inner, Type::Array(_)) => {
            binary_array(items, inner)
        }
        (value, ty) => text(value, ty).into_bytes(),
    }
}

fn binary_array(items: &[Value], inner: &Type) -> Vec<u8> {
    let mut out = Vec::new();
    let size = |length: usize| i32::try_from(length).unwrap_or(i32::MAX).to_be_bytes();
    let nulls = i32::from(items.iter().any(Value::is_null));
    let dimensions = i32::from(!items.is_empty());
    out.extend_from_slice(&dimensions.to_be_bytes());
    out.extend_from_slice(&nulls.to_be_bytes());
    out.extend_from_slice(&inner.oid().to_be_bytes());
    if !items.is_empty() {
        out.extend_from_slice(&size(items.len()));
        out.extend_from_slice(&1i32.to_be_bytes());
    }
    for item in items {
        if item.is_null() {
            out.extend_from_slice(&(-1i32).to_be_bytes());
        } else {
            let bytes = binary(item, inner);
            out.extend_from_slice(&size(bytes.len()));
            out.extend_from_slice(&bytes);
        }
    }
    out
}

/// Groups of four decimal digits with weight, sign and scale.
fn numeric(text: &str) -> Vec<u8> {
    let (sign, digits) = text.strip_prefix('-').map_or((0u16, text), |rest| (0x4000, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let padded_whole = format!("{}{whole}", "0".repeat((4 - whole.len() % 4) % 4));
    let padded_fraction = format!("{fraction}{}", "0".repeat((4 - fraction.len() % 4) % 4));
    let groups: Vec<u16> = format!("{padded_whole}{padded_fraction}")
        .as_bytes()
        .chunks(4)
        .map(|group| {
            group.iter().fold(0u16, |number, digit| number * 10 + u16::from(digit.saturating_sub(b'0')) % 10)
        })
        .collect();
    let leading = groups.iter().take_while(|group| **group == 0).count();
    let weight = i16::try_from(padded_whole.len() / 4).unwrap_or(0) - 1 - i16::try_from(leading).unwrap_or(0);
    let mut rest: Vec<u16> = groups.into_iter().skip(leading).collect();
    while rest.last() == Some(&0) {
        rest.pop();
    }
    let count = u16::try_from(rest.len()).unwrap_or(0);
    let weight = if rest.is_empty() { 0 } else { weight };
    let mut out = count.to_be_bytes().to_vec();
    out.extend_from_slice(&weight.to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&u16::try_from(fraction.len()).unwrap_or(0).to_be_bytes());
    rest.iter().for_each(|group| out.extend_from_slice(&group.to_be_bytes()));
    out
}

#[cfg(test)]
mod tests {
    use super::{numeric, text};
    use crate::column_type::Type;
    use crate::value::Value;

    #[test]
    fn texts_are_those_of_postgresql() {
        let list = Value::List(vec![Value::text("a b"), Value::Null, Value::text("x")]);
        assert_eq!(text(&list, &Type::array(Type::Text)), "{\"a b\",NULL,x}");
        assert_eq!(text(&Value::Int(0), &Type::TimestampTz), "1970-01-01 00:00:00+00");
        assert_eq!(text(&Value::Bool(true), &Type::Bool), "t");
        assert_eq!(text(&Value::Double(2.0), &Type::Double), "2");
    }

    #[test]
    fn decimals_are_groups_of_four() {
        assert_eq!(numeric("12345.678"), [0, 3, 0, 1, 0, 0, 0, 3, 0, 1, 0x09, 0x29, 0x1a, 0x7c]);
        assert_eq!(numeric("0"), [0, 0, 0, 0, 0, 0, 0, 0]);
    }
}
