//! Keys and indexes: `pg_index` and `pg_constraint`.

use super::{fixed, oid, schema_oid, table_oid};
use crate::catalog::Table;
use crate::column_type::Type;
use crate::error::Result;
use crate::execute::{RowSet, Sql};
use crate::value::Value;

/// A primary key, or an index.
pub(super) struct Key {
    pub(super) oid: i64,
    pub(super) name: String,
    pub(super) primary: bool,
    /// Numbers and names of its columns.
    pub(super) columns: Vec<(i64, String)>,
}

/// The key of a table, and its indexes.
pub(super) async fn of_table(sql: &Sql, table: &Table) -> Vec<Key> {
    let key = |name: String, primary: bool, columns: Vec<(i64, String)>| {
        let oid = oid(&[&table.schema, &name]);
        (!columns.is_empty()).then_some(Key { oid, name, primary, columns })
    };
    let find = |wanted: &dyn Fn(&crate::catalog::Column) -> bool| {
        let numbered = (1i64..).zip(&table.columns).find(|(_, column)| wanted(column));
        numbered.map(|(number, column)| (number, column.name.clone()))
    };
    let own = table.key.iter().filter_map(|name| find(&|column| column.name == *name)).collect();
    let mut keys: Vec<Key> = key(format!("{}_pkey", table.name), true, own).into_iter().collect();
    // Without them there is less to see, and that is all.
    for index in sql.catalogs.indexes(table, false).await.unwrap_or_default() {
        let columns = find(&|column| column.bin() == index.bin).into_iter().collect();
        keys.extend(key(index.name, false, columns));
    }
    keys
}

const INDEX: [(&str, Type); 17] = [
    ("indexrelid", Type::Int),
    ("indrelid", Type::Int),
    ("indnatts", Type::Short),
    ("indnkeyatts", Type::Short),
    ("indisunique", Type::Bool),
    ("indisprimary", Type::Bool),
    ("indisexclusion", Type::Bool),
    ("indimmediate", Type::Bool),
    ("indisclustered", Type::Bool),
    ("indisvalid", Type::Bool),
    ("indisready", Type::Bool),
    ("indislive", Type::Bool),
    ("indisreplident", Type::Bool),
    ("indnullsnotdistinct", Type::Bool),
    ("indkey", Type::Text),
    ("indexprs", Type::Text),
    ("indpred", Type::Text),
];

pub(super) async fn indexes(sql: &Sql) -> Result<RowSet> {
    let options = [("indoption", Type::array(Type::Short))];
    let spec = [INDEX.as_slice(), &options].concat();
    let mut rows = Vec::new();
    for table in sql.catalogs.all().await? {
        for key in of_table(sql, &table).await {
            let count = Value::Int(i64::try_from(key.columns.len()).unwrap_or(0));
            let shown: Vec<String> = key.columns.iter().map(|(number, _)| number.to_string()).collect();
            let mut row = vec![Value::Int(key.oid), Value::Int(table_oid(&table)), count.clone(), count];
            let flags = [key.primary, key.primary, false, true, false, true, true, true, false, false];
            row.extend(flags.map(Value::Bool));
            row.extend([Value::Text(shown.join(" ")), Value::Null, Value::Null]);
            row.push(Value::List(vec![Value::Int(0); key.columns.len()]));
            rows.push(row);
        }
    }
    Ok(fixed(&spec, rows))
}

pub(super) async fn constraints(sql: &Sql) -> Result<RowSet> {
    let spec = [
        ("oid", Type::Int),
        ("conname", Type::Text),
        ("connamespace", Type::Int),
        ("contype", Type::Text),
        ("condeferrable", Type::Bool),
        ("condeferred", Type::Bool),
        ("convalidated", Type::Bool),
        ("conrelid", Type::Int),
        ("contypid", Type::Int),
        ("conindid", Type::Int),
        ("conparentid", Type::Int),
        ("confrelid", Type::Int),
        ("conkey", Type::array(Type::Short)),
        ("confkey", Type::array(Type::Short)),
        ("conbin", Type::Text),
        ("confupdtype", Type::Text),
        ("confdeltype", Type::Text),
        ("confmatchtype", Type::Text),
    ];
    let mut rows = Vec::new();
    for table in sql.catalogs.all().await? {
        for key in of_table(sql, &table).await.into_iter().filter(|key| key.primary) {
            let mut row = vec![
                Value::Int(key.oid),
                Value::text(&key.name),
                Value::Int(schema_oid(&table.schema)),
                Value::text("p"),
                Value::Bool(false),
                Value::Bool(false),
                Value::Bool(true),
                Value::Int(table_oid(&table)),
                Value::Int(0),
                Value::Int(key.oid),
                Value::Int(0),
                Value::Int(0),
                Value::List(key.columns.iter().map(|(number, _)| Value::Int(*number)).collect()),
                Value::Null,
                Value::Null,
            ];
            row.extend(["", "", ""].map(Value::text));
            rows.push(row);
        }
    }
    Ok(fixed(&spec, rows))
}
