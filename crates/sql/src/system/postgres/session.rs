//! What depends on who asks: roles and settings.

use super::fixed;
use crate::column_type::Type;
use crate::execute::RowSet;
use crate::session::{DEFAULTS, Session};
use crate::value::Value;

/// `pg_roles` and `pg_user`: whoever asks.
pub(super) fn roles(session: &Session) -> RowSet {
    let spec = [
        ("oid", Type::Int),
        ("rolname", Type::Text),
        ("rolsuper", Type::Bool),
        ("rolinherit", Type::Bool),
        ("rolcreaterole", Type::Bool),
        ("rolcreatedb", Type::Bool),
        ("rolcanlogin", Type::Bool),
        ("rolreplication", Type::Bool),
        ("rolconnlimit", Type::Int),
        ("rolvaliduntil", Type::TimestampTz),
        ("rolbypassrls", Type::Bool),
        ("usename", Type::Text),
        ("usesysid", Type::Int),
    ];
    let mut row = vec![Value::Int(10), Value::text(&session.user)];
    row.extend([true, true, true, true, true, false].map(Value::Bool));
    row.extend([Value::Int(-1), Value::Null, Value::Bool(true), Value::text(&session.user), Value::Int(10)]);
    fixed(&spec, vec![row])
}

/// `pg_settings`.
pub(super) fn settings(session: &Session) -> RowSet {
    let spec = [
        ("name", Type::Text),
        ("setting", Type::Text),
        ("short_desc", Type::Text),
        ("source", Type::Text),
        ("unit", Type::Text),
        ("vartype", Type::Text),
    ];
    let row = |(name, _, text): &(&str, &str, &str)| {
        let value = session.setting(name).unwrap_or_default();
        vec![
            Value::text(*name),
            Value::Text(value),
            Value::text(*text),
            Value::text("default"),
            Value::Null,
            Value::text("string"),
        ]
    };
    fixed(&spec, DEFAULTS.iter().map(row).collect())
}
