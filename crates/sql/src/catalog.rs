//! What tables there are, and what is known of them.
//!
//! Tables that were created stand in one record of the default namespace, so that the catalogue lives, spreads and dies
//! with the records that it describes, and a change is one write with a generation check. Sets that have no entry are
//! tables too: their columns are those of some of their records.

mod discover;
mod indexes;
mod store;
mod table;

pub use discover::Discovered;
pub use indexes::SetIndex;
pub use store::{Catalog, Catalogs};
pub(crate) use table::{BIN_NAME_MAX, LAST_UPDATE};
pub use table::{Column, Kind, Policy, Table, bin_name, pack_key};

use crate::error::{Result, SqlError};

/// The schema of the default namespace.
pub const DEFAULT_SCHEMA: &str = "doc";
/// The schema of blob tables.
pub const BLOB_SCHEMA: &str = "blob";
/// Sets whose names begin so are not tables.
pub const RESERVED: &str = "__sql";
/// Schemas that nobody else may fill.
pub const SYSTEM_SCHEMAS: [&str; 3] = ["sys", "information_schema", "pg_catalog"];

/// Schema and table of a name.
///
/// # Errors
/// A name of three parts or more, except one that begins with the catalogue's name.
pub fn qualify(name: &[String], current: &str) -> Result<(String, String)> {
    match name {
        [table] => Ok((current.to_owned(), table.clone())),
        [schema, table] => Ok((schema.clone(), table.clone())),
        [catalog, schema, table] if catalog == "crate" || catalog == "doc" => {
            Ok((schema.clone(), table.clone()))
        }
        _ => Err(SqlError::unknown_relation(&name.join("."))),
    }
}
