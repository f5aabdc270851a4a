//! Values in columns, and columns as values.

use crate::column_type::Type;
use crate::error::{Kind, Result, SqlError};
use crate::value::cast::{cast, text};
use crate::value::{Value, json};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanBuilder, Date32Builder, Decimal128Builder, Float32Builder,
    Float64Builder, Int8Builder, Int16Builder, Int32Builder, Int64Builder, ListArray, NullArray,
    StringBuilder, StructArray, TimestampMillisecondBuilder, new_null_array,
};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute;
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Field, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimeUnit, TimestampMillisecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use std::collections::HashMap;
use std::sync::Arc;

/// The key of a field's metadata under which our type stands.
const TAG: &str = "sql";
const DAY_MS: i64 = 86_400_000;
/// Digits that a decimal has at most.
const DIGITS: u8 = 38;

/// The field of a column.
pub(super) fn field(name: &str, ty: &Type) -> Field {
    let field = Field::new(name, data_type(ty), true);
    field.with_metadata(HashMap::from([(TAG.to_owned(), ty.to_string())]))
}

/// How values of a type lie in memory.
pub(super) fn data_type(ty: &Type) -> DataType {
    match ty {
        Type::Bool => DataType::Boolean,
        Type::Byte => DataType::Int8,
        Type::Short => DataType::Int16,
        Type::Int => DataType::Int32,
        Type::Long => DataType::Int64,
        Type::Real => DataType::Float32,
        Type::Double => DataType::Float64,
        Type::TimestampTz => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
        Type::Timestamp => DataType::Timestamp(TimeUnit::Millisecond, None),
        Type::Date => DataType::Date32,
        Type::Numeric(_, scale) => DataType::Decimal128(DIGITS, *scale),
        Type::Array(inner) => DataType::List(Arc::new(field("item", inner))),
        _ => DataType::Utf8,
    }
}

/// The type of a result's column.
pub(super) fn type_of(field: &Field) -> Type {
    if let Some(ty) = field.metadata().get(TAG).and_then(|name| Type::parse(name).ok())
        && data_type(&ty) == *field.data_type()
    {
        return ty;
    }
    plain_type(field.data_type())
}

fn plain_type(data: &DataType) -> Type {
    match data {
        DataType::Null => Type::Null,
        DataType::Boolean => Type::Bool,
        DataType::Int8 => Type::Byte,
        DataType::Int16 | DataType::UInt8 => Type::Short,
        DataType::Int32 | DataType::UInt16 => Type::Int,
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => Type::Long,
        DataType::Float16 | DataType::Float32 => Type::Real,
        DataType::Float64 => Type::Double,
        DataType::Timestamp(_, Some(_)) => Type::TimestampTz,
        DataType::Timestamp(_, None) => Type::Timestamp,
        DataType::Date32 | DataType::Date64 => Type::Date,
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
            Type::Numeric(*precision, *scale)
        }
        DataType::Interval(_) | DataType::Duration(_) => Type::Interval,
        DataType::Struct(_) | DataType::Map(..) => Type::Object,
        DataType::List(inner) | DataType::LargeList(inner) | DataType::FixedSizeList(inner, _) => {
            Type::array(type_of(inner))
        }
        _ => Type::Text,
    }
}

/// Appends values by one builder.
macro_rules! build {
    ($builder:expr, $values:expr, $take:expr) => {{
        let mut builder = $builder;
        for value in $values {
            match $take(value) {
                Some(value) => builder.append_value(value),
                None => builder.append_null(),
            }
        }
        Arc::new(builder.finish()) as ArrayRef
    }};
}

/// A column of values; what does not fit the type is null.
pub(super) fn column(values: &[&Value], ty: &Type) -> ArrayRef {
    let int = |value: &&Value| match value {
        Value::Int(number) => Some(*number),
        Value::Null => None,
        other => cast((*other).clone(), ty).ok()?.as_int(),
    };
    let double = |value: &&Value| match value {
        Value::Text(text) => text.parse().ok(),
        other => other.as_double(),
    };
    match ty {
        Type::Bool => build!(BooleanBuilder::new(), values, |value: &&Value| match value {
            Value::Bool(value) => Some(*value),
            Value::Int(number) => Some(*number != 0),
            _ => None,
        }),
        Type::Byte => build!(Int8Builder::new(), values, |value| int(value)?.try_into().ok()),
        Type::Short => build!(Int16Builder::new(), values, |value| int(value)?.try_into().ok()),
        Type::Int => build!(Int32Builder::new(), values, |value| int(value)?.try_into().ok()),
        Type::Long => build!(Int64Builder::with_capacity(values.len()), values, int),
        #[allow(clippy::cast_possible_truncation)]
        Type::Real => {
            build!(Float32Builder::new(), values, |value| double(value).map(|number| number as f32))
        }
        Type::Double => build!(Float64Builder::with_capacity(values.len()), values, double),
        Type::TimestampTz => {
            build!(TimestampMillisecondBuilder::new().with_timezone("UTC"), values, int)
        }
        Type::Timestamp => build!(TimestampMillisecondBuilder::new(), values, int),
        Type::Date => {
            build!(Date32Builder::new(), values, |value| int(value)?.div_euclid(DAY_MS).try_into().ok())
        }
        Type::Numeric(_, scale) => decimals(values, *scale),
        Type::Array(inner) => list(values, inner),
        _ => build!(StringBuilder::new(), values, text_of),
    }
}

fn text_of(value: &&Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Map(_) | Value::List(_) => Some(json::to_json(value).to_string()),
        other => Some(text(other)),
    }
}

fn decimals(values: &[&Value], scale: i8) -> ArrayRef {
    let one = |value: &&Value| decimal(&text_of(value)?, scale);
    let array = build!(Decimal128Builder::new(), values, one);
    let wanted = DataType::Decimal128(DIGITS, scale);
    let typed = array.as_primitive::<Decimal128Type>().clone().with_precision_and_scale(DIGITS, scale);
    typed.map_or_else(|_| new_null_array(&wanted, values.len()), |array| Arc::new(array) as ArrayRef)
}

/// A decimal text as a whole number of its last place.
fn decimal(text: &str, scale: i8) -> Option<i128> {
    let places = usize::try_from(scale).ok()?;
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let padded: String = fraction.chars().chain(std::iter::repeat('0')).take(places).collect();
    format!("{whole}{padded}").parse::<i128>().ok().map(|number| sign * number)
}

fn list(values: &[&Value], inner: &Type) -> ArrayRef {
    let mut items = Vec::new();
    let mut lengths = Vec::with_capacity(values.len());
    let mut valid = Vec::with_capacity(values.len());
    for value in values {
        let before = items.len();
        if let Value::List(all) = value {
            items.extend(all.iter());
        }
        valid.push(matches!(value, Value::List(_)));
        lengths.push(items.len() - before);
    }
    let field = Arc::new(field("item", inner));
    let offsets = OffsetBuffer::from_lengths(lengths);
    let made =
        ListArray::try_new(Arc::clone(&field), offsets, column(&items, inner), Some(NullBuffer::from(valid)));
    made.map_or_else(
        |_| new_null_array(&DataType::List(field), values.len()),
        |array| Arc::new(array) as ArrayRef,
    )
}

/// The values of a column.
///
/// # Errors
/// For a kind of column that no type of ours stands for.
pub(super) fn values(array: &ArrayRef, ty: &Type) -> Result<Vec<Value>> {
    let failed = |error: &dyn std::fmt::Display| {
        SqlError::new(Kind::Internal, format!("a result can't be read: {error}"))
    };
    if array.as_any().is::<NullArray>() {
        return Ok(vec![Value::Null; array.len()]);
    }
    let plain = match array.data_type() {
        DataType::Timestamp(TimeUnit::Millisecond, _) | DataType::Date32 | DataType::Boolean => {
            Arc::clone(array)
        }
        DataType::Timestamp(_, zone) => {
            compute::cast(array, &DataType::Timestamp(TimeUnit::Millisecond, zone.clone()))
                .map_err(|error| failed(&error))?
        }
        DataType::Date64 => compute::cast(array, &DataType::Date32).map_err(|error| failed(&error))?,
        DataType::Utf8View | DataType::LargeUtf8 | DataType::Dictionary(..) => {
            compute::cast(array, &DataType::Utf8).map_err(|error| failed(&error))?
        }
        DataType::LargeList(inner) | DataType::FixedSizeList(inner, _) => {
            compute::cast(array, &DataType::List(Arc::clone(inner))).map_err(|error| failed(&error))?
        }
        DataType::Float16 => compute::cast(array, &DataType::Float32).map_err(|error| failed(&error))?,
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            compute::cast(array, &DataType::Binary).map_err(|error| failed(&error))?
        }
        _ => Arc::clone(array),
    };
    let one = reader(&plain, ty).map_err(|error| failed(&error))?;
    let nulls = plain.logical_nulls();
    let is_null = |row| nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
    (0..plain.len()).map(|row| if is_null(row) { Ok(Value::Null) } else { one(row) }).collect()
}

type Reader<'a> = Box<dyn Fn(usize) -> Result<Value> + 'a>;

/// Reads one value at a time.
fn reader<'a>(
    array: &'a ArrayRef,
    ty: &'a Type,
) -> std::result::Result<Reader<'a>, datafusion::arrow::error::ArrowError> {
    macro_rules! ints {
        ($kind:ty) => {{
            let array = array.as_primitive::<$kind>();
            Box::new(move |row| Ok(Value::Int(array.value(row).into())))
        }};
    }
    Ok(match array.data_type() {
        DataType::Boolean => {
            let array = array.as_boolean();
            Box::new(move |row| Ok(Value::Bool(array.value(row))))
        }
        DataType::Int8 => ints!(Int8Type),
        DataType::Int16 => ints!(Int16Type),
        DataType::Int32 => ints!(Int32Type),
        DataType::Int64 => ints!(Int64Type),
        DataType::UInt8 => ints!(UInt8Type),
        DataType::UInt16 => ints!(UInt16Type),
        DataType::UInt32 => ints!(UInt32Type),
        DataType::UInt64 => {
            let array = array.as_primitive::<UInt64Type>();
            Box::new(move |row| Ok(Value::Int(i64::try_from(array.value(row)).unwrap_or(i64::MAX))))
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => ints!(TimestampMillisecondType),
        DataType::Date32 => {
            let array = array.as_primitive::<Date32Type>();
            Box::new(move |row| Ok(Value::Int(i64::from(array.value(row)) * DAY_MS)))
        }
        DataType::Float32 => {
            let array = array.as_primitive::<Float32Type>();
            Box::new(move |row| cast(Value::Double(array.value(row).into()), &Type::Real))
        }
        DataType::Float64 => {
            let array = array.as_primitive::<Float64Type>();
            Box::new(move |row| Ok(Value::Double(array.value(row))))
        }
        DataType::Utf8 => {
            let array = array.as_string::<i32>();
            let kind = ty.clone();
            Box::new(move |row| Ok(from_text(array.value(row), &kind)))
        }
        DataType::Binary => Box::new(move |row| Ok(bytes(array.as_binary::<i32>().value(row)))),
        DataType::Struct(_) => Box::new(move |row| members(&array.as_struct().slice(row, 1))),
        DataType::Map(..) => Box::new(move |row| pairs(&array.as_map().value(row))),
        DataType::List(_) => {
            let array = array.as_list::<i32>();
            let inner = match ty {
                Type::Array(inner) => (**inner).clone(),
                _ => Type::Text,
            };
            Box::new(move |row| values(&array.value(row), &inner).map(Value::List))
        }
        _ => {
            let options = FormatOptions::default().with_null("");
            let texts: std::result::Result<Vec<String>, _> =
                ArrayFormatter::try_new(array.as_ref(), &options)
                    .map(|formatter| (0..array.len()).map(|row| formatter.value(row).to_string()).collect());
            let texts = texts?;
            Box::new(move |row| Ok(texts.get(row).map_or(Value::Null, |text| from_text(text, &Type::Text))))
        }
    })
}

/// Bytes that may be a text.
fn bytes(bytes: &[u8]) -> Value {
    String::from_utf8(bytes.to_vec()).map_or_else(|_| Value::Blob(bytes.to_vec()), Value::Text)
}

/// The first row of a structure: its members that are there.
fn members(row: &StructArray) -> Result<Value> {
    let mut members = Vec::new();
    for (field, array) in row.fields().iter().zip(row.columns()) {
        let value = values(array, &type_of(field))?.into_iter().next().unwrap_or_default();
        if !value.is_null() {
            members.push((field.name().clone(), value));
        }
    }
    Ok(Value::Map(members))
}

/// Names and values of a map.
fn pairs(entries: &StructArray) -> Result<Value> {
    let mut columns = entries.columns().iter().zip(entries.fields());
    let mut next = || match columns.next() {
        Some((array, field)) => values(array, &type_of(field)),
        None => Ok(Vec::new()),
    };
    let (names, values) = (next()?, next()?);
    Ok(Value::Map(names.iter().map(text).zip(values).collect()))
}

/// Objects and shapes travel as texts.
fn from_text(text: &str, ty: &Type) -> Value {
    match ty {
        Type::Object => {
            serde_json::from_str(text).map_or_else(|_| Value::text(text), |json| json::from_json(&json))
        }
        Type::GeoPoint | Type::GeoShape => Value::Geo(text.to_owned()),
        _ => Value::text(text),
    }
}

#[cfg(test)]
mod tests {
    use super::{Arc, ArrayRef, DataType, Field, Int64Builder, StringBuilder, StructArray, column, values};
    use crate::column_type::Type;
    use crate::value::Value;
    use datafusion::arrow::array::{BinaryArray, MapBuilder, UInt8Array};
    use datafusion::arrow::datatypes::Fields;

    #[test]
    fn columns_of_others_are_read() {
        let fields = [("a", DataType::UInt8), ("b", DataType::Binary)];
        let fields: Fields = fields.map(|(name, data)| Field::new(name, data, true)).into_iter().collect();
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(UInt8Array::from(vec![Some(7), None])),
            Arc::new(BinaryArray::from_opt_vec(vec![Some(b"text"), Some(b"\xff")])),
        ];
        let array: ArrayRef = Arc::new(StructArray::new(fields, arrays, None));
        let member = |name: &str, value| (name.to_owned(), value);
        let wanted = [
            Value::Map(vec![member("a", Value::Int(7)), member("b", Value::text("text"))]),
            Value::Map(vec![member("b", Value::Blob(vec![0xff]))]),
        ];
        assert_eq!(values(&array, &Type::Object).expect("readable"), wanted);
        let mut map = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
        map.keys().append_value("x");
        map.values().append_value(1);
        map.append(true).expect("an entry");
        let array: ArrayRef = Arc::new(map.finish());
        let wanted = [Value::Map(vec![member("x", Value::Int(1))])];
        assert_eq!(values(&array, &Type::Object).expect("readable"), wanted);
    }

    #[test]
    fn columns_round_trip() {
        let cases = [
            (Type::Int, vec![Value::Int(5), Value::Null]),
            (Type::Text, vec![Value::text("x"), Value::Null]),
            (Type::TimestampTz, vec![Value::Int(-1), Value::Null]),
            (Type::Numeric(10, 2), vec![Value::text("-1.25"), Value::Null]),
            (
                Type::array(Type::Long),
                vec![Value::List(vec![Value::Int(1), Value::Null]), Value::Null, Value::List(vec![])],
            ),
            (Type::Object, vec![Value::Map(vec![("a".to_owned(), Value::Int(1))]), Value::Null]),
        ];
        for (ty, all) in cases {
            let refs: Vec<&Value> = all.iter().collect();
            assert_eq!(values(&column(&refs, &ty), &ty).expect("readable"), all, "{ty}");
        }
    }
}
