//! What the node and the cluster say of themselves.

/// Who this node is, as clients see it.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    /// The address of the HTTP door, `HOST:PORT`.
    pub http: String,
    /// The port of the PostgreSQL door; 0 for none.
    pub pg_port: u16,
    /// The folder that `COPY` may read and write; without it, none.
    pub files: Option<std::path::PathBuf>,
    /// The hosts that `COPY` may reach.
    pub hosts: crate::network::Hosts,
}

/// The version that Crate's clients are told: that of the dialect.
pub const CRATE_VERSION: &str = "6.2.0";
/// Our own version.
pub const PRODUCT_VERSION: &str = env!("CARGO_PKG_VERSION");

mod cluster;
mod information;
mod jobs;
mod nodes;
mod postgres;

#[cfg(feature = "engine")]
pub(crate) use postgres::Definitions;

use crate::column_type::Type;
use crate::error::{Result, SqlError};
use crate::execute::{RowSet, Sql};
use crate::session::Session;
use crate::value::Value;

/// A table of the system, as it is now.
///
/// # Errors
/// [`crate::Kind::UnknownRelation`] when there is none of this name.
pub async fn table(sql: &Sql, session: &Session, schema: &str, name: &str) -> Result<RowSet> {
    match schema {
        "information_schema" => information::table(sql, name).await,
        "pg_catalog" => postgres::table(sql, session, name).await,
        _ => match name {
            "jobs" | "jobs_log" | "jobs_metrics" | "operations" | "operations_log" | "sessions" => {
                jobs::table(sql, name).await
            }
            "nodes" | "node_checks" => nodes::table(sql, name).await,
            _ => cluster::table(sql, session, name).await,
        },
    }
}

/// The columns of a table of the system: names and types.
fn columns(spec: &[(&str, Type)]) -> Vec<(String, Type)> {
    spec.iter().map(|(name, ty)| ((*name).to_owned(), ty.clone())).collect()
}

/// A table without rows.
fn empty(spec: &[(&str, Type)]) -> RowSet {
    RowSet { columns: columns(spec), rows: Vec::new() }
}

/// Names of tables of the system, by schema.
pub(crate) const SYSTEM_TABLES: [(&str, &[&str]); 3] = [
    (
        "sys",
        &[
            "allocations",
            "checks",
            "cluster",
            "cluster_health",
            "health",
            "jobs",
            "jobs_log",
            "jobs_metrics",
            "node_checks",
            "nodes",
            "operations",
            "operations_log",
            "privileges",
            "repositories",
            "roles",
            "sessions",
            "shards",
            "snapshots",
            "users",
        ],
    ),
    (
        "information_schema",
        &[
            "columns",
            "key_column_usage",
            "referential_constraints",
            "routines",
            "schemata",
            "sql_features",
            "table_constraints",
            "table_partitions",
            "tables",
            "views",
        ],
    ),
    (
        "pg_catalog",
        &["pg_attribute", "pg_class", "pg_database", "pg_namespace", "pg_tables", "pg_type", "pg_views"],
    ),
];

/// An object of these members.
fn object(members: &[(&str, Value)]) -> Value {
    Value::Map(members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
}

/// There is no such table.
fn unknown(schema: &str, name: &str) -> SqlError {
    SqlError::unknown_relation(&format!("{schema}.{name}"))
}
