//! `information_schema`.

use super::{SYSTEM_TABLES, columns, empty, object, unknown};
use crate::catalog::{Column, Kind as TableKind, Table};
use crate::column_type::Type;
use crate::error::Result;
use crate::execute::{RowSet, Sql};
use crate::front::show_path;
use crate::value::Value;

pub(super) async fn table(sql: &Sql, name: &str) -> Result<RowSet> {
    match name {
        "tables" => tables(sql).await,
        "columns" => columns_of(sql).await,
        "schemata" => {
            let rows = sql.schemas().await?;
            let spec =
                [("schema_name", Type::Text), ("catalog_name", Type::Text), ("schema_owner", Type::Text)];
            let row = |name: String| vec![Value::Text(name), Value::text("crate"), Value::text("crate")];
            Ok(RowSet { columns: columns(&spec), rows: rows.into_iter().map(row).collect() })
        }
        "views" => views(sql).await,
        "key_column_usage" => keys(sql).await,
        "table_constraints" => constraints(sql).await,
        "table_partitions" => Ok(empty(&[
            ("table_schema", Type::Text),
            ("table_name", Type::Text),
            ("partition_ident", Type::Text),
            ("values", Type::Object),
            ("number_of_shards", Type::Int),
            ("number_of_replicas", Type::Text),
            ("closed", Type::Bool),
            ("settings", Type::Object),
        ])),
        "referential_constraints" => {
            Ok(empty(&[("constraint_name", Type::Text), ("constraint_schema", Type::Text)]))
        }
        "routines" => Ok(empty(&[
            ("routine_name", Type::Text),
            ("routine_schema", Type::Text),
            ("routine_type", Type::Text),
        ])),
        "sql_features" => Ok(empty(&[
            ("feature_id", Type::Text),
            ("feature_name", Type::Text),
            ("is_supported", Type::Bool),
        ])),
        _ => Err(unknown("information_schema", name)),
    }
}

fn kind(table: &Table) -> &'static str {
    if table.kind == TableKind::View { "VIEW" } else { "BASE TABLE" }
}

async fn tables(sql: &Sql) -> Result<RowSet> {
    let spec = [
        ("blobs_path", Type::Text),
        ("closed", Type::Bool),
        ("clustered_by", Type::Text),
        ("column_policy", Type::Text),
        ("number_of_replicas", Type::Text),
        ("number_of_shards", Type::Int),
        ("partitioned_by", Type::array(Type::Text)),
        ("table_catalog", Type::Text),
        ("table_name", Type::Text),
        ("table_schema", Type::Text),
        ("table_type", Type::Text),
        ("settings", Type::Object),
        ("version", Type::Object),
    ];
    let mut rows = Vec::new();
    for table in sql.catalogs.all().await? {
        let view = table.kind == TableKind::View;
        let shown = |value: Value| if view { Value::Null } else { value };
        let partitions = table.partitioned_by.iter().map(Value::text).collect();
        let clustered = match table.key.as_slice() {
            [one] => one.as_str(),
            _ => "_id",
        };
        rows.push(vec![
            Value::Null,
            shown(Value::Bool(false)),
            shown(Value::text(clustered)),
            shown(Value::text(table.policy.name())),
            shown(Value::text(&table.replicas)),
            shown(Value::Int(i64::from(table.shards))),
            if table.partitioned_by.is_empty() { Value::Null } else { Value::List(partitions) },
            Value::text("crate"),
            Value::text(&table.name),
            Value::text(&table.schema),
            Value::text(kind(&table)),
            shown(Value::Map(
                table.settings.iter().map(|(name, value)| (name.clone(), Value::text(value))).collect(),
            )),
            object(&[("created", Value::text(super::CRATE_VERSION)), ("upgraded", Value::Null)]),
        ]);
    }
    for (schema, names) in SYSTEM_TABLES {
        for name in names {
            let mut row = vec![Value::Null; 7];
            row.extend([
                Value::text("crate"),
                Value::text(*name),
                Value::text(schema),
                Value::text("BASE TABLE"),
                Value::Null,
                Value::Null,
            ]);
            rows.push(row);
        }
    }
    Ok(RowSet { columns: columns(&spec), rows })
}

const COLUMNS: [(&str, Type); 17] = [
    ("character_maximum_length", Type::Int),
    ("column_default", Type::Text),
    ("column_details", Type::Object),
    ("column_name", Type::Text),
    ("data_type", Type::Text),
    ("datetime_precision", Type::Int),
    ("generation_expression", Type::Text),
    ("is_generated", Type::Text),
    ("is_nullable", Type::Bool),
    ("numeric_precision", Type::Int),
    ("numeric_scale", Type::Int),
    ("ordinal_position", Type::Int),
    ("table_catalog", Type::Text),
    ("table_name", Type::Text),
    ("table_schema", Type::Text),
    ("udt_name", Type::Text),
    ("is_identity", Type::Bool),
];

async fn columns_of(sql: &Sql) -> Result<RowSet> {
    let mut rows = Vec::new();
    for table in sql.catalogs.all().await? {
        let mut position = 0;
        for column in &table.columns {
            column_rows(&table, column, &mut Vec::new(), &mut position, &mut rows);
        }
    }
    Ok(RowSet { columns: columns(&COLUMNS), rows })
}

fn column_rows(
    table: &Table,
    column: &Column,
    path: &mut Vec<String>,
    position: &mut i64,
    rows: &mut Vec<Vec<Value>>,
) {
    *position += 1;
    path.push(column.name.clone());
    let ty = column.ty();
    let (length, shown) = match &ty {
        Type::Varchar(length) => (Value::Int(i64::from(*length)), "character varying".to_owned()),
        Type::Numeric(..) => (Value::Null, "numeric".to_owned()),
        other => (Value::Null, other.to_string()),
    };
    let precision = match &ty {
        Type::Byte => Value::Int(8),
        Type::Short => Value::Int(16),
        Type::Int => Value::Int(32),
        Type::Long => Value::Int(64),
        Type::Real => Value::Int(24),
        Type::Double => Value::Int(53),
        Type::Numeric(precision, _) => Value::Int(i64::from(*precision)),
        _ => Value::Null,
    };
    let scale = match &ty {
        Type::Numeric(_, scale) => Value::Int(i64::from(*scale)),
        _ => Value::Null,
    };
    let nullable = !column.not_null && !table.key.contains(&column.name);
    let members = path.iter().skip(1).map(Value::text).collect();
    let policy = if ty == Type::Object { Value::text(column.policy.name()) } else { Value::Null };
    rows.push(vec![
        length,
        column.default.as_ref().map_or(Value::Null, Value::text),
        object(&[
            ("name", Value::text(path.first().cloned().unwrap_or_default())),
            ("path", Value::List(members)),
            ("policy", policy),
        ]),
        Value::Text(show_path(path)),
        Value::Text(shown),
        if ty.is_moment() { Value::Int(3) } else { Value::Null },
        column.generated.as_ref().map_or(Value::Null, Value::text),
        Value::text(if column.generated.is_some() { "ALWAYS" } else { "NEVER" }),
        Value::Bool(nullable),
        precision,
        scale,
        Value::Int(*position),
        Value::text("crate"),
        Value::text(&table.name),
        Value::text(&table.schema),
        Value::text(super::postgres::type_name(&ty)),
        Value::Bool(false),
    ]);
    for child in &column.children {
        column_rows(table, child, path, position, rows);
    }
    path.pop();
}

async fn views(sql: &Sql) -> Result<RowSet> {
    let spec = [
        ("check_option", Type::Text),
        ("is_updatable", Type::Bool),
        ("owner", Type::Text),
        ("table_catalog", Type::Text),
        ("table_name", Type::Text),
        ("table_schema", Type::Text),
        ("view_definition", Type::Text),
    ];
    let all = sql.catalogs.all().await?;
    let rows = all.iter().filter(|table| table.kind == TableKind::View).map(|table| {
        vec![
            Value::text("NONE"),
            Value::Bool(false),
            Value::text("crate"),
            Value::text("crate"),
            Value::text(&table.name),
            Value::text(&table.schema),
            Value::text(table.query.clone().unwrap_or_default()),
        ]
    });
    Ok(RowSet { columns: columns(&spec), rows: rows.collect() })
}

async fn keys(sql: &Sql) -> Result<RowSet> {
    let spec = [
        ("column_name", Type::Text),
        ("constraint_catalog", Type::Text),
        ("constraint_name", Type::Text),
        ("constraint_schema", Type::Text),
        ("ordinal_position", Type::Int),
        ("table_catalog", Type::Text),
        ("table_name", Type::Text),
        ("table_schema", Type::Text),
    ];
    let mut rows = Vec::new();
    for table in sql.catalogs.all().await? {
        for (position, column) in (1i64..).zip(table.key.iter().filter(|name| *name != "_id")) {
            rows.push(vec![
                Value::text(column),
                Value::text("crate"),
                Value::Text(format!("{}_pkey", table.name)),
                Value::text(&table.schema),
                Value::Int(position),
                Value::text("crate"),
                Value::text(&table.name),
                Value::text(&table.schema),
            ]);
        }
    }
    Ok(RowSet { columns: columns(&spec), rows })
}

async fn constraints(sql: &Sql) -> Result<RowSet> {
    let spec = [
        ("constraint_catalog", Type::Text),
        ("constraint_name", Type::Text),
        ("constraint_schema", Type::Text),
        ("constraint_type", Type::Text),
        ("initially_deferred", Type::Text),
        ("is_deferrable", Type::Text),
        ("table_catalog", Type::Text),
        ("table_name", Type::Text),
        ("table_schema", Type::Text),
    ];
    let mut rows = Vec::new();
    for table in sql.catalogs.all().await? {
        let mut add = |name: String, what: &str| {
            rows.push(vec![
                Value::text("crate"),
                Value::Text(name),
                Value::text(&table.schema),
                Value::text(what),
                Value::text("NO"),
                Value::text("NO"),
                Value::text("crate"),
                Value::text(&table.name),
                Value::text(&table.schema),
            ]);
        };
        if table.key.iter().any(|name| name != "_id") {
            add(format!("{}_pkey", table.name), "PRIMARY KEY");
        }
        table.checks.iter().for_each(|(name, _)| add(name.clone(), "CHECK"));
    }
    Ok(RowSet { columns: columns(&spec), rows })
}
