//! `pg_catalog`, as far as `psql`, drivers and pickers of tables ask.

#[cfg(feature = "engine")]
mod definitions;
mod keys;
mod nothing;
mod pg_type;
mod session;

#[cfg(feature = "engine")]
pub(crate) use definitions::Definitions;
pub(super) use pg_type::type_name;

use super::columns;
use crate::catalog::{Column, Kind as TableKind, Table};
use crate::column_type::Type;
use crate::error::Result;
use crate::execute::{RowSet, Sql};
use crate::session::Session;
use crate::value::Value;
use keys::{constraints, indexes};
use nothing::nothing;
use pg_type::types;
use session::{roles, settings};
use std::sync::Arc;

/// Oids that are ours begin here; below are those of PostgreSQL.
const FIRST_OID: i64 = 16_384;
/// How PostgreSQL calls what its indexes are by default.
const BTREE: i64 = 403;

pub(super) async fn table(sql: &Sql, session: &Session, name: &str) -> Result<RowSet> {
    match name {
        "pg_namespace" => namespaces(sql).await,
        "pg_class" => classes(sql).await,
        "pg_attribute" => attributes(sql).await,
        "pg_tables" => tables(sql, TableKind::Base).await,
        "pg_views" => tables(sql, TableKind::View).await,
        "pg_type" => Ok(types()),
        "pg_index" => indexes(sql).await,
        "pg_constraint" => constraints(sql).await,
        "pg_database" => Ok(one_database()),
        "pg_roles" | "pg_user" | "pg_authid" => Ok(roles(session)),
        "pg_settings" => Ok(settings(session)),
        "pg_am" => Ok(fixed(
            &[("oid", Type::Int), ("amname", Type::Text), ("amtype", Type::Text)],
            vec![
                vec![Value::Int(2), Value::text("heap"), Value::text("t")],
                vec![Value::Int(BTREE), Value::text("btree"), Value::text("i")],
            ],
        )),
        "pg_attrdef" => defaults(sql).await,
        "pg_keywords" => Ok(keywords()),
        _ => nothing(name),
    }
}

fn fixed(spec: &[(&str, Type)], rows: Vec<Vec<Value>>) -> RowSet {
    RowSet { columns: columns(spec), rows }
}

/// A number that stays with a name.
fn oid(parts: &[&str]) -> i64 {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    let hash = bytes.fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    FIRST_OID + i64::from(hash % 2_000_000_000)
}

fn schema_oid(schema: &str) -> i64 {
    match schema {
        "pg_catalog" => 11,
        other => oid(&[other]),
    }
}

fn table_oid(table: &Table) -> i64 {
    oid(&[&table.schema, &table.name])
}

async fn namespaces(sql: &Sql) -> Result<RowSet> {
    let spec = [
        ("oid", Type::Int),
        ("nspname", Type::Text),
        ("nspowner", Type::Int),
        ("nspacl", Type::array(Type::Text)),
    ];
    let row =
        |name: String| vec![Value::Int(schema_oid(&name)), Value::Text(name), Value::Int(10), Value::Null];
    Ok(fixed(&spec, sql.schemas().await?.into_iter().map(row).collect()))
}

const CLASS: [(&str, Type); 28] = [
    ("oid", Type::Int),
    ("relname", Type::Text),
    ("relnamespace", Type::Int),
    ("reltype", Type::Int),
    ("reloftype", Type::Int),
    ("relowner", Type::Int),
    ("relam", Type::Int),
    ("relfilenode", Type::Int),
    ("reltablespace", Type::Int),
    ("relpages", Type::Int),
    ("reltuples", Type::Real),
    ("reltoastrelid", Type::Int),
    ("relhasindex", Type::Bool),
    ("relisshared", Type::Bool),
    ("relpersistence", Type::Text),
    ("relkind", Type::Text),
    ("relnatts", Type::Short),
    ("relchecks", Type::Short),
    ("relhasrules", Type::Bool),
    ("relhastriggers", Type::Bool),
    ("relhassubclass", Type::Bool),
    ("relrowsecurity", Type::Bool),
    ("relforcerowsecurity", Type::Bool),
    ("relispartition", Type::Bool),
    ("relreplident", Type::Text),
    ("reloptions", Type::Text),
    ("relpartbound", Type::Text),
    ("relacl", Type::Text),
];

async fn classes(sql: &Sql) -> Result<RowSet> {
    let mut rows = Vec::new();
    for table in sql.catalogs.all().await? {
        let kind = if table.kind == TableKind::View { "v" } else { "r" };
        rows.push(class(&table, &table.name, table_oid(&table), kind));
        for key in keys::of_table(sql, &table).await {
            rows.push(class(&table, &key.name, key.oid, "i"));
        }
    }
    Ok(fixed(&CLASS, rows))
}

fn class(table: &Arc<Table>, name: &str, oid: i64, kind: &str) -> Vec<Value> {
    let zero = || Value::Int(0);
    let count = |number: usize| Value::Int(i64::try_from(number).unwrap_or(0));
    let no = || Value::Bool(false);
    vec![
        Value::Int(oid),
        Value::text(name),
        Value::Int(schema_oid(&table.schema)),
        zero(),
        zero(),
        Value::Int(10),
        Value::Int(match kind {
            "r" => 2,
            "i" => BTREE,
            _ => 0,
        }),
        zero(),
        zero(),
        zero(),
        Value::Double(-1.0),
        zero(),
        Value::Bool(kind == "r" && table.key.iter().any(|name| name != "_id")),
        no(),
        Value::text("p"),
        Value::text(kind),
        count(table.columns.len()),
        count(table.checks.len()),
        no(),
        no(),
        no(),
        no(),
        no(),
        no(),
        Value::text("d"),
        Value::Null,
        Value::Null,
        Value::Null,
    ]
}

const ATTRIBUTE: [(&str, Type); 21] = [
    ("attrelid", Type::Int),
    ("attname", Type::Text),
    ("atttypid", Type::Int),
    ("attstattarget", Type::Int),
    ("attlen", Type::Short),
    ("attnum", Type::Short),
    ("attndims", Type::Int),
    ("atttypmod", Type::Int),
    ("attnotnull", Type::Bool),
    ("atthasdef", Type::Bool),
    ("attidentity", Type::Text),
    ("attgenerated", Type::Text),
    ("attisdropped", Type::Bool),
    ("attislocal", Type::Bool),
    ("attcollation", Type::Int),
    ("attstorage", Type::Text),
    ("attcompression", Type::Text),
    ("attoptions", Type::Text),
    ("attfdwoptions", Type::Text),
    ("atthasmissing", Type::Bool),
    ("attacl", Type::Text),
];

async fn attributes(sql: &Sql) -> Result<RowSet> {
    let mut rows = Vec::new();
    for table in sql.catalogs.all().await? {
        for (number, column) in (1i64..).zip(&table.columns) {
            let ty = column.ty();
            let length = match ty {
                Type::Varchar(length) => i64::from(length) + 4,
                Type::Numeric(precision, scale) => (i64::from(precision) << 16 | i64::from(scale)) + 4,
                _ => -1,
            };
            rows.push(vec![
                Value::Int(table_oid(&table)),
                Value::text(&column.name),
                Value::Int(i64::from(ty.oid())),
                Value::Int(-1),
                Value::Int(-1),
                Value::Int(number),
                Value::Int(i64::from(matches!(ty, Type::Array(_)))),
                Value::Int(length),
                Value::Bool(column.not_null || table.key.contains(&column.name)),
                Value::Bool(default_of(column).is_some()),
                Value::text(""),
                Value::text(if column.generated.is_some() { "s" } else { "" }),
                Value::Bool(false),
                Value::Bool(true),
                Value::Int(0),
                Value::text("x"),
                Value::text(""),
                Value::Null,
                Value::Null,
                Value::Bool(false),
                Value::Null,
            ]);
        }
    }
    Ok(fixed(&ATTRIBUTE, rows))
}

/// What a column is when nobody says.
fn default_of(column: &Column) -> Option<&String> {
    column.default.as_ref().or(column.generated.as_ref())
}

async fn defaults(sql: &Sql) -> Result<RowSet> {
    let spec = [("oid", Type::Int), ("adrelid", Type::Int), ("adnum", Type::Short), ("adbin", Type::Text)];
    let mut rows = Vec::new();
    for table in sql.catalogs.all().await? {
        for (number, column) in (1i64..).zip(&table.columns) {
            let Some(text) = default_of(column) else { continue };
            let own = oid(&[&table.schema, &table.name, &column.name]);
            rows.push(vec![
                Value::Int(own),
                Value::Int(table_oid(&table)),
                Value::Int(number),
                Value::text(text),
            ]);
        }
    }
    Ok(fixed(&spec, rows))
}

/// The words that mean something, as `pg_get_keywords` gives them.
fn keywords() -> RowSet {
    let spec = ["word", "catcode", "catdesc"].map(|name| (name, Type::Text));
    let row =
        |word: &&str| vec![Value::Text(word.to_lowercase()), Value::text("U"), Value::text("unreserved")];
    fixed(&spec, sqlparser::keywords::ALL_KEYWORDS.iter().map(row).collect())
}

async fn tables(sql: &Sql, kind: TableKind) -> Result<RowSet> {
    let view = kind == TableKind::View;
    let names = if view {
        ["schemaname", "viewname", "viewowner", "definition"]
    } else {
        ["schemaname", "tablename", "tableowner", "tablespace"]
    };
    let spec = names.map(|name| (name, Type::Text));
    let all = sql.catalogs.all().await?;
    let rows = all.iter().filter(|table| (table.kind == TableKind::View) == view).map(|table| {
        let last = table.query.clone().map_or(Value::Null, Value::Text);
        vec![Value::text(&table.schema), Value::text(&table.name), Value::text("crate"), last]
    });
    Ok(fixed(&spec, rows.collect()))
}

fn one_database() -> RowSet {
    let spec = [
        ("oid", Type::Int),
        ("datname", Type::Text),
        ("datdba", Type::Int),
        ("encoding", Type::Int),
        ("datcollate", Type::Text),
        ("datctype", Type::Text),
        ("datistemplate", Type::Bool),
        ("datallowconn", Type::Bool),
        ("datconnlimit", Type::Int),
        ("datacl", Type::array(Type::Text)),
        ("datlocprovider", Type::Text),
        ("daticulocale", Type::Text),
        ("datcollversion", Type::Text),
        ("daticurules", Type::Text),
        ("datlocale", Type::Text),
    ];
    let row = vec![
        Value::Int(FIRST_OID),
        Value::text("crate"),
        Value::Int(10),
        Value::Int(6),
        Value::text("C"),
        Value::text("C"),
        Value::Bool(false),
        Value::Bool(true),
        Value::Int(-1),
        Value::Null,
        Value::text("c"),
        Value::Null,
        Value::Null,
        Value::Null,
        Value::Null,
    ];
    fixed(&spec, vec![row])
}
