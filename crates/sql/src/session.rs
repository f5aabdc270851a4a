//! What a connection has said that holds for its later statements.

use crate::catalog::DEFAULT_SCHEMA;
use crate::column_type::Type;
use crate::value::Value;
use std::collections::{BTreeMap, VecDeque};

/// One connection's state.
#[derive(Debug, Clone)]
pub struct Session {
    /// Its id, shown in `sys.sessions` and `sys.jobs`.
    pub id: String,
    /// The user.
    pub user: String,
    /// The schema of names without one.
    pub schema: String,
    /// Settings by name.
    pub settings: BTreeMap<String, String>,
    /// Open cursors by name.
    pub cursors: BTreeMap<String, Cursor>,
}

/// The rows of a query that have not been fetched yet.
#[derive(Debug, Clone, Default)]
pub struct Cursor {
    /// Title and type of each column.
    pub columns: Vec<(String, Type)>,
    /// The rows that are left.
    pub rows: VecDeque<Vec<Value>>,
    /// It outlives the transaction.
    pub hold: bool,
}

impl Session {
    /// A session that has said nothing yet.
    #[must_use]
    pub fn new(user: &str) -> Session {
        Session {
            id: uuid::Uuid::new_v4().to_string(),
            user: user.to_owned(),
            schema: DEFAULT_SCHEMA.to_owned(),
            settings: BTreeMap::new(),
            cursors: BTreeMap::new(),
        }
    }

    /// The same session for work beside it, which has no part in its cursors.
    #[must_use]
    pub(crate) fn beside(&self) -> Session {
        Session {
            id: self.id.clone(),
            user: self.user.clone(),
            schema: self.schema.clone(),
            settings: self.settings.clone(),
            cursors: BTreeMap::new(),
        }
    }

    /// A setting: what was said, or else what holds without that.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<String> {
        let name = name.to_ascii_lowercase();
        if name == "search_path" {
            return Some(self.schema.clone());
        }
        if let Some(value) = self.settings.get(&name) {
            return Some(value.clone());
        }
        DEFAULTS.iter().find(|(known, ..)| *known == name).map(|(_, value, _)| (*value).to_owned())
    }
}

/// Settings that clients ask for: name, value, text.
pub const DEFAULTS: [(&str, &str, &str); 24] = [
    ("application_name", "", "Name of the application that speaks."),
    ("client_encoding", "UTF8", "Texts are UTF-8."),
    ("datestyle", "ISO", "Dates are written as ISO 8601 says."),
    ("enable_hashjoin", "true", "Joins may use hash tables."),
    ("error_on_unknown_object_key", "true", "A member that is not defined is an error."),
    ("extra_float_digits", "1", "Floats are written so that they can be read back."),
    ("insert_select_fail_fast", "false", "Whether the first error ends INSERT from a query."),
    ("integer_datetimes", "on", "Moments are whole numbers."),
    ("intervalstyle", "postgres", "How spans of time are written."),
    ("lc_collate", "C", "Texts are ordered by their bytes."),
    ("max_identifier_length", "255", "Longest name."),
    ("max_index_keys", "32", "Most columns in a key."),
    ("memory.operation_limit", "0", "Bytes that one statement may hold."),
    ("server_encoding", "UTF8", "Texts are UTF-8."),
    ("server_version", "14.0", "The version of PostgreSQL that is spoken."),
    ("server_version_num", "140000", "The same as a number."),
    ("standard_conforming_strings", "on", "A backslash is a backslash."),
    ("statement_timeout", "0", "How long a statement may take; 0 for as long as it wants."),
    ("timezone", "UTC", "Moments are in UTC."),
    ("transaction_isolation", "read uncommitted", "Each record is changed by itself."),
    ("transaction_read_only", "off", "Whether records may be written."),
    ("default_transaction_read_only", "off", "Whether records may be written."),
    ("in_hot_standby", "off", "No node is a standby."),
    ("bytea_output", "hex", "How bytes are written."),
];
