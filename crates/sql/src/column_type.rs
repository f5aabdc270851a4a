//! Column types: Crate's names and numbers, PostgreSQL's oids.

use crate::error::{Kind, Result, SqlError};
use serde_json::{Value as Json, json};
use sqlparser::ast::DataType as Ast;
use std::fmt;

/// A column's type.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Type {
    /// Nothing is known.
    #[default]
    Null,
    /// One byte.
    Byte,
    /// True or false.
    Bool,
    /// Text of any length.
    Text,
    /// Text of at most so many characters.
    Varchar(u32),
    /// An address.
    Ip,
    /// 64-bit float.
    Double,
    /// 32-bit float.
    Real,
    /// 16 bits.
    Short,
    /// 32 bits.
    Int,
    /// 64 bits.
    Long,
    /// Milliseconds since 1970, UTC.
    TimestampTz,
    /// Milliseconds since 1970, without zone.
    Timestamp,
    /// Milliseconds since 1970 of a day's start.
    Date,
    /// Names and values.
    Object,
    /// Longitude and latitude.
    GeoPoint,
    /// `GeoJSON`.
    GeoShape,
    /// A decimal number; precision and scale.
    Numeric(u8, i8),
    /// An UUID as text.
    Uuid,
    /// JSON as text.
    Json,
    /// A span of time as text.
    Interval,
    /// Values of one type.
    Array(Box<Type>),
}

impl Type {
    /// The type of an array of these.
    #[must_use]
    pub fn array(inner: Type) -> Type {
        Type::Array(Box::new(inner))
    }

    /// The type number of Crate's HTTP answers.
    #[must_use]
    pub fn id(&self) -> Json {
        let id = match self {
            Type::Null => 0,
            Type::Byte => 2,
            Type::Bool => 3,
            Type::Text | Type::Varchar(_) => 4,
            Type::Ip => 5,
            Type::Double => 6,
            Type::Real => 7,
            Type::Short => 8,
            Type::Int => 9,
            Type::Long => 10,
            Type::TimestampTz => 11,
            Type::Object => 12,
            Type::GeoPoint => 13,
            Type::GeoShape => 14,
            Type::Timestamp => 15,
            Type::Interval => 17,
            Type::Numeric(..) => 22,
            Type::Date => 24,
            Type::Json => 26,
            Type::Uuid => 29,
            Type::Array(inner) => return json!([100, inner.id()]),
        };
        json!(id)
    }

    /// The oid of PostgreSQL.
    #[must_use]
    pub fn oid(&self) -> u32 {
        match self {
            Type::Null => 705,
            Type::Byte => 18,
            Type::Bool => 16,
            Type::Text | Type::Varchar(_) | Type::Ip => 1043,
            Type::Double => 701,
            Type::Real => 700,
            Type::Short => 21,
            Type::Int => 23,
            Type::Long => 20,
            Type::TimestampTz => 1184,
            Type::Timestamp => 1114,
            Type::Date => 1082,
            Type::Object | Type::GeoShape | Type::Json => 114,
            Type::GeoPoint => 600,
            Type::Interval => 1186,
            Type::Numeric(..) => 1700,
            Type::Uuid => 2950,
            Type::Array(inner) => array_oid(inner),
        }
    }

    /// Whether values are stored as whole numbers.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        matches!(self, Type::Byte | Type::Short | Type::Int | Type::Long) || self.is_moment()
    }

    /// Whether values are moments, stored as milliseconds.
    #[must_use]
    pub fn is_moment(&self) -> bool {
        matches!(self, Type::TimestampTz | Type::Timestamp | Type::Date)
    }

    /// Whether values are stored as texts.
    #[must_use]
    pub fn is_text(&self) -> bool {
        matches!(self, Type::Text | Type::Varchar(_) | Type::Ip | Type::Uuid | Type::Json | Type::Interval)
    }

    /// The type with this name, as the catalogue writes it.
    ///
    /// # Errors
    /// A name that is no type's.
    pub fn parse(name: &str) -> Result<Type> {
        let lower = name.trim().to_ascii_lowercase();
        if let Some(inner) = lower.strip_suffix("[]").or_else(|| lower.strip_suffix("_array")) {
            return Type::parse(inner).map(Type::array);
        }
        if let Some(inner) = lower.strip_prefix("array(").and_then(|rest| rest.strip_suffix(')')) {
            return Type::parse(inner).map(Type::array);
        }
        if let Some(rest) = lower.strip_prefix("numeric(").and_then(|rest| rest.strip_suffix(')')) {
            let mut parts = rest.split(',').map(str::trim);
            let precision = parts.next().and_then(|part| part.parse().ok()).unwrap_or(38);
            let scale = parts.next().and_then(|part| part.parse().ok()).unwrap_or(0);
            return Ok(Type::Numeric(precision, scale));
        }
        let (base, length) = match lower.split_once('(') {
            Some((base, rest)) => (base.trim(), rest.trim_end_matches(')').trim().parse::<u32>().ok()),
            None => (lower.as_str(), None),
        };
        Ok(match base {
            "undefined" | "null" => Type::Null,
            "byte" | "char" => Type::Byte,
            "boolean" | "bool" => Type::Bool,
            "varchar" | "character varying" | "character" | "bpchar" => {
                length.map_or(Type::Text, Type::Varchar)
            }
            "text" | "string" | "name" | "regproc" | "regtype" => Type::Text,
            "ip" => Type::Ip,
            "double" | "double precision" | "float8" => Type::Double,
            "float" | "real" | "float4" => Type::Real,
            "short" | "smallint" | "int2" => Type::Short,
            "integer" | "int" | "int4" | "oid" | "regclass" => Type::Int,
            "long" | "bigint" | "int8" => Type::Long,
            "timestamp with time zone" | "timestamptz" => Type::TimestampTz,
            "timestamp without time zone" | "timestamp" => Type::Timestamp,
            "date" => Type::Date,
            "object" => Type::Object,
            "geo_point" => Type::GeoPoint,
            "geo_shape" => Type::GeoShape,
            "numeric" | "decimal" => Type::Numeric(38, 10),
            "uuid" => Type::Uuid,
            "json" | "jsonb" => Type::Json,
            "interval" => Type::Interval,
            _ => return Err(SqlError::new(Kind::UnknownType, format!("Cannot find data type: {name}"))),
        })
    }

    /// The type that a cast or a column definition names.
    ///
    /// # Errors
    /// A name that is no type's.
    pub fn of_ast(ast: &Ast) -> Result<Type> {
        use sqlparser::ast::{ArrayElemTypeDef, TimezoneInfo};
        Ok(match ast {
            Ast::Array(
                ArrayElemTypeDef::SquareBracket(inner, _)
                | ArrayElemTypeDef::Parenthesis(inner)
                | ArrayElemTypeDef::AngleBracket(inner),
            ) => Type::array(Type::of_ast(inner)?),
            Ast::Timestamp(_, zone) => match zone {
                TimezoneInfo::WithoutTimeZone | TimezoneInfo::None => Type::Timestamp,
                TimezoneInfo::WithTimeZone | TimezoneInfo::Tz => Type::TimestampTz,
            },
            other => Type::parse(
                other.to_string().to_ascii_lowercase().replace('"', "").trim_start_matches("pg_catalog."),
            )?,
        })
    }
}

/// The oid of an array of these.
fn array_oid(inner: &Type) -> u32 {
    match inner {
        Type::Byte => 1002,
        Type::Bool => 1000,
        Type::Text | Type::Varchar(_) | Type::Ip | Type::Null | Type::Array(_) => 1015,
        Type::Double => 1022,
        Type::Real => 1021,
        Type::Short => 1005,
        Type::Int => 1007,
        Type::Long => 1016,
        Type::TimestampTz => 1185,
        Type::Timestamp => 1115,
        Type::Date => 1182,
        Type::Object | Type::GeoShape | Type::Json => 199,
        Type::GeoPoint => 1017,
        Type::Interval => 1187,
        Type::Numeric(..) => 1231,
        Type::Uuid => 2951,
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Type::Null => "undefined",
            Type::Byte => "byte",
            Type::Bool => "boolean",
            Type::Text => "text",
            Type::Varchar(length) => return write!(f, "varchar({length})"),
            Type::Ip => "ip",
            Type::Double => "double precision",
            Type::Real => "real",
            Type::Short => "smallint",
            Type::Int => "integer",
            Type::Long => "bigint",
            Type::TimestampTz => "timestamp with time zone",
            Type::Timestamp => "timestamp without time zone",
            Type::Date => "date",
            Type::Object => "object",
            Type::GeoPoint => "geo_point",
            Type::GeoShape => "geo_shape",
            Type::Numeric(precision, scale) => return write!(f, "numeric({precision},{scale})"),
            Type::Uuid => "uuid",
            Type::Json => "json",
            Type::Interval => "interval",
            Type::Array(inner) => return write!(f, "{inner}_array"),
        };
        f.write_str(name)
    }
}

#[cfg(test)]
mod tests {
    use super::Type;
    use serde_json::json;

    #[test]
    fn names_round_trip() {
        let types =
            [Type::Bool, Type::Text, Type::Varchar(20), Type::Long, Type::TimestampTz, Type::Timestamp];
        for one in types.into_iter().chain([Type::Numeric(10, 2), Type::array(Type::array(Type::Real))]) {
            assert_eq!(Type::parse(&one.to_string()), Ok(one));
        }
        assert!(Type::parse("blah").is_err());
        assert_eq!(Type::array(Type::Long).id(), json!([100, 10]));
    }
}
