//! `pg_type`: the types that values can have on the wire.

use super::fixed;
use crate::column_type::Type;
use crate::execute::RowSet;
use crate::value::Value;

/// The name of a type in PostgreSQL.
pub(in crate::system) fn type_name(ty: &Type) -> &'static str {
    let oid = i64::from(ty.oid());
    TYPES.iter().find(|(known, ..)| *known == oid).map_or("text", |(_, name, ..)| name)
}

/// Oid, name, length, category, array type or element type.
const TYPES: [(i64, &str, i64, &str, i64, i64); 29] = [
    (16, "bool", 1, "B", 1000, 0),
    (18, "char", 1, "S", 1002, 0),
    (19, "name", 64, "S", 1003, 0),
    (20, "int8", 8, "N", 1016, 0),
    (21, "int2", 2, "N", 1005, 0),
    (23, "int4", 4, "N", 1007, 0),
    (25, "text", -1, "S", 1009, 0),
    (26, "oid", 4, "N", 1028, 0),
    (114, "json", -1, "U", 199, 0),
    (199, "_json", -1, "A", 0, 114),
    (600, "point", 16, "G", 1017, 0),
    (700, "float4", 4, "N", 1021, 0),
    (701, "float8", 8, "N", 1022, 0),
    (705, "unknown", -2, "X", 0, 0),
    (1000, "_bool", -1, "A", 0, 16),
    (1005, "_int2", -1, "A", 0, 21),
    (1007, "_int4", -1, "A", 0, 23),
    (1009, "_text", -1, "A", 0, 25),
    (1015, "_varchar", -1, "A", 0, 1043),
    (1016, "_int8", -1, "A", 0, 20),
    (1021, "_float4", -1, "A", 0, 700),
    (1022, "_float8", -1, "A", 0, 701),
    (1043, "varchar", -1, "S", 1015, 0),
    (1082, "date", 4, "D", 1182, 0),
    (1114, "timestamp", 8, "D", 1115, 0),
    (1184, "timestamptz", 8, "D", 1185, 0),
    (1186, "interval", 16, "T", 1187, 0),
    (1700, "numeric", -1, "N", 1231, 0),
    (2950, "uuid", 16, "U", 2951, 0),
];

pub(super) fn types() -> RowSet {
    let spec = [
        ("oid", Type::Int),
        ("typname", Type::Text),
        ("typlen", Type::Short),
        ("typcategory", Type::Text),
        ("typarray", Type::Int),
        ("typelem", Type::Int),
        ("typtype", Type::Text),
        ("typnamespace", Type::Int),
        ("typowner", Type::Int),
        ("typdelim", Type::Text),
        ("typrelid", Type::Int),
        ("typbasetype", Type::Int),
        ("typtypmod", Type::Int),
        ("typnotnull", Type::Bool),
        ("typcollation", Type::Int),
        ("typndims", Type::Int),
        ("typdefault", Type::Text),
        ("typinput", Type::Text),
        ("typbyval", Type::Bool),
        ("typisdefined", Type::Bool),
    ];
    let row = |(oid, name, length, category, array, element): &(i64, &str, i64, &str, i64, i64)| {
        let input = if *element > 0 { "array_in".to_owned() } else { format!("{name}in") };
        vec![
            Value::Int(*oid),
            Value::text(*name),
            Value::Int(*length),
            Value::text(*category),
            Value::Int(*array),
            Value::Int(*element),
            Value::text("b"),
            Value::Int(11),
            Value::Int(10),
            Value::text(","),
            Value::Int(0),
            Value::Int(0),
            Value::Int(-1),
            Value::Bool(false),
            Value::Int(0),
            Value::Int(0),
            Value::Null,
            Value::Text(input),
            Value::Bool(*length > 0 && *length <= 8),
            Value::Bool(true),
        ]
    };
    fixed(&spec, TYPES.iter().map(row).collect())
}
