//! One table.

use crate::column_type::Type;
use crate::records::{Digest, Place, Record, digest_of, key_particle};
use crate::value::Value;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Longest name of a bin, in bytes.
pub(crate) const BIN_NAME_MAX: usize = 15;

/// What happens to columns or members that are not defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// They are refused.
    #[default]
    Strict,
    /// They are added.
    Dynamic,
    /// They are kept and not described.
    Ignored,
}

impl Policy {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Policy::Strict => "strict",
            Policy::Dynamic => "dynamic",
            Policy::Ignored => "ignored",
        }
    }

    /// The policy with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Policy> {
        match name.to_ascii_lowercase().as_str() {
            "strict" | "false" => Some(Policy::Strict),
            "dynamic" | "true" => Some(Policy::Dynamic),
            "ignored" => Some(Policy::Ignored),
            _ => None,
        }
    }
}

/// What a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Rows in a set.
    #[default]
    Base,
    /// Blobs.
    Blob,
    /// A query with a name.
    View,
}

/// A column, or a member of an object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type as the catalogue writes it.
    #[serde(rename = "type")]
    type_name: String,
    /// Null is refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not_null: bool,
    /// What stands in for a missing value, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// What its value is computed from, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated: Option<String>,
    /// What happens to members that are not defined.
    #[serde(default)]
    pub policy: Policy,
    /// The members of an object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Column>,
}

impl Column {
    /// A column of this type, with nothing more said.
    #[must_use]
    pub fn new(name: impl Into<String>, ty: &Type) -> Column {
        Column { name: name.into(), type_name: ty.to_string(), policy: Policy::Dynamic, ..Column::default() }
    }

    /// Its type.
    #[must_use]
    pub fn ty(&self) -> Type {
        Type::parse(&self.type_name).unwrap_or_default()
    }

    /// Gives it another type.
    pub fn set_ty(&mut self, ty: &Type) {
        self.type_name = ty.to_string();
    }

    /// The bin that holds it.
    #[must_use]
    pub fn bin(&self) -> String {
        bin_name(&self.name)
    }
}

/// A table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Table {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// The namespace of its records.
    pub namespace: String,
    /// Their set.
    pub set: String,
    /// What it is.
    #[serde(default)]
    pub kind: Kind,
    /// Columns in order.
    pub columns: Vec<Column>,
    /// The names of the key's columns.
    #[serde(default)]
    pub key: Vec<String>,
    /// What happens to columns that are not defined.
    #[serde(default)]
    pub policy: Policy,
    /// The number of shards that is shown.
    pub shards: u32,
    /// The number of replicas that is shown.
    pub replicas: String,
    /// Columns by which it is partitioned.
    #[serde(default)]
    pub partitioned_by: Vec<String>,
    /// Name and text of what must hold of every row.
    #[serde(default)]
    pub checks: Vec<(String, String)>,
    /// Options that are only shown.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// The query of a view.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// No `CREATE TABLE` made it.
    #[serde(skip)]
    pub discovered: bool,
}

impl Table {
    /// Where its records are.
    #[must_use]
    pub fn place(&self) -> Place {
        Place { namespace: self.namespace.clone(), set: self.set.clone() }
    }

    /// Schema and name, as messages show them.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    /// The column of this name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// What is at the end of a path; none when it is not defined.
    #[must_use]
    pub fn at(&self, path: &[String]) -> Option<&Column> {
        let (first, rest) = path.split_first()?;
        rest.iter().try_fold(self.column(first)?, |column, name| {
            column.children.iter().find(|one| one.name == *name)
        })
    }

    /// The type of a path; none when the path is not defined. System columns have types too.
    #[must_use]
    pub fn type_at(&self, path: &[String]) -> Option<Type> {
        match path {
            [name] => system_type(name).or_else(|| self.column(name).map(Column::ty)),
            _ => {
                let inner = self.at(path).map(Column::ty)?;
                let arrays = (1..path.len()).filter_map(|end| self.at(path.get(..end)?));
                let nested = arrays.filter(|column| matches!(column.ty(), Type::Array(_))).count();
                Some((0..nested).fold(inner, |ty, _| Type::array(ty)))
            }
        }
    }

    /// The user key of a row with these key values, in the key's order; none when one of them can be no key.
    #[must_use]
    pub fn user_key(&self, values: &[Value]) -> Option<Value> {
        match values {
            [one] => key_particle(one).map(|_| one.clone()),
            many => pack_key(many),
        }
    }

    /// The digest of a user key.
    #[must_use]
    pub fn digest(&self, key: &Value) -> Option<Digest> {
        digest_of(&self.set, key)
    }

    /// A column's value in a record: its bin, or for a key of one column the user key.
    #[must_use]
    pub fn value_in(&self, record: &Record, path: &[String]) -> Value {
        let Some((name, rest)) = path.split_first() else { return Value::Null };
        if rest.is_empty()
            && let Some(value) = system_value(name, record)
        {
            return value;
        }
        let bin = record.bin(&bin_name(name));
        if bin.is_null() && self.key.as_slice() == [name.clone()] {
            return record.key.clone().unwrap_or_default();
        }
        bin.at(rest)
    }
}

/// The system column that tells when a record was written last.
pub(crate) const LAST_UPDATE: &str = "_last_update";

/// The type of a system column.
#[must_use]
pub(super) fn system_type(name: &str) -> Option<Type> {
    Some(match name {
        "_id" | "_digest" | "_raw" => Type::Text,
        "_version" | "_seq_no" | "_primary_term" | "_docid" | "_ttl" => Type::Long,
        "_partition" => Type::Int,
        LAST_UPDATE => Type::TimestampTz,
        "_score" => Type::Real,
        "_doc" => Type::Object,
        _ => return None,
    })
}

/// The value of a system column.
fn system_value(name: &str, record: &Record) -> Option<Value> {
    Some(match name {
        "_id" => Value::Text(match &record.key {
            Some(Value::Blob(bytes)) => hex(bytes),
            Some(key) => crate::value::cast::text(key),
            None => hex(&record.digest),
        }),
        "_digest" => Value::Text(hex(&record.digest)),
        "_version" | "_seq_no" => Value::Int(i64::from(record.generation)),
        "_primary_term" => Value::Int(1),
        "_docid" => Value::Int(0),
        "_score" => Value::Double(1.0),
        "_ttl" => match record.void_time {
            0 => Value::Null,
            seconds => Value::Int(i64::from(seconds)),
        },
        LAST_UPDATE => record.last_update_ms.map_or(Value::Null, Value::Int),
        "_partition" => Value::Int(i64::from(shipload_wire::query::partition_of(&record.digest))),
        "_doc" => Value::Map(record.bins.clone()),
        "_raw" => Value::Text(crate::value::json::to_json(&Value::Map(record.bins.clone())).to_string()),
        _ => return None,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bin that holds a column: its name, or for a long one its beginning and a hash of it.
#[must_use]
pub fn bin_name(column: &str) -> String {
    if column.len() <= BIN_NAME_MAX {
        return column.to_owned();
    }
    // FNV-1a, which is written down in docs/sql.md: other doors must find the bin.
    let hash =
        column.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let mut start = String::new();
    for c in column.chars() {
        if start.len() + c.len_utf8() > 6 {
            break;
        }
        start.push(c);
    }
    format!("{start}~{hash:08x}")
}

/// Several values as one user key: bytes that only the same values give.
#[must_use]
pub fn pack_key(values: &[Value]) -> Option<Value> {
    let mut bytes = Vec::new();
    for value in values {
        let (kind, raw) = key_particle(value)?;
        bytes.push(kind);
        bytes.extend_from_slice(&u32::try_from(raw.len()).ok()?.to_be_bytes());
        bytes.extend_from_slice(&raw);
    }
    Some(Value::Blob(bytes))
}

#[cfg(test)]
mod tests {
    use super::{bin_name, pack_key};
    use crate::value::Value;

    #[test]
    fn long_columns_have_short_bins() {
        assert_eq!(bin_name("fifteen_letters"), "fifteen_letters");
        assert_eq!(bin_name("sixteen_letters_"), bin_name("sixteen_letters_"));
        assert_ne!(bin_name("sixteen_letters_"), bin_name("sixteen_letters!"));
        assert!(bin_name("ääääääääääääääää").len() <= 15);
    }

    #[test]
    fn keys_are_told_apart() {
        let key = |a: &str, b: &str| pack_key(&[Value::text(a), Value::text(b)]);
        assert_ne!(key("a", "bc"), key("ab", "c"));
        assert_eq!(pack_key(&[Value::Null, Value::Int(1)]), None);
    }
}
