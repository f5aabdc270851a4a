//! What answers and bodies look like in JSON.

use crate::command::Record;
use crate::json;
use crate::key::{RecordKey, segment};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A record.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecordView {
    /// The namespace's name.
    namespace: String,
    /// The set's name; empty for none.
    set: String,
    /// The record's segment in paths, before percent coding.
    id: String,
    /// The key, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<Value>,
    /// How often it was written; 1 to 65535, and on from 1.
    generation: u32,
    /// When it was last written, milliseconds since 1970.
    last_update: u64,
    /// Its version, as in `ETag`.
    etag: String,
    /// Seconds left; `never` for ever.
    #[schema(value_type = Value)]
    ttl: Value,
    /// When it expires, milliseconds since 1970; missing for never.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<u64>,
    /// Values by name.
    #[schema(value_type = Object)]
    bins: Map<String, Value>,
}

impl RecordView {
    /// The record under a key that is known.
    #[must_use]
    pub fn of(key: &RecordKey, record: Record) -> RecordView {
        let user_key = key.user_key.as_ref().map(|(kind, bytes)| (*kind, bytes.as_slice()));
        RecordView::found(&key.namespace, &key.set, user_key, &key.digest.0, record)
    }

    /// A record that a listing or query found.
    #[must_use]
    pub fn found(
        namespace: &str,
        set: &str,
        user_key: Option<(u8, &[u8])>,
        digest: &[u8],
        record: Record,
    ) -> RecordView {
        RecordView {
            namespace: namespace.to_owned(),
            set: set.to_owned(),
            id: segment(user_key, digest),
            key: user_key.map(|(kind, bytes)| json::user_key(kind, bytes)),
            generation: record.version.generation,
            last_update: record.version.last_update_ms,
            etag: record.version.to_string(),
            ttl: ttl(&record),
            expires: record.expires_ms,
            bins: record.bins,
        }
    }

    /// The record's segment in paths.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// How often it was written.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// When it was last written, and how often: a later version is greater.
    #[must_use]
    pub fn version(&self) -> (u64, u32) {
        (self.last_update, self.generation)
    }

    /// When it expires, milliseconds since 1970; none for never.
    #[must_use]
    pub fn expires(&self) -> Option<u64> {
        self.expires
    }

    /// The set's name; empty for none.
    #[must_use]
    pub fn set(&self) -> &str {
        &self.set
    }

    /// Its version.
    #[must_use]
    pub fn etag(&self) -> &str {
        &self.etag
    }

    /// The value of a bin.
    #[must_use]
    pub fn bin(&self, name: &str) -> Option<&Value> {
        self.bins.get(name)
    }
}

fn ttl(record: &Record) -> Value {
    record.ttl_s().map_or_else(|| Value::from("never"), Value::from)
}

/// What a write made of a record.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Written {
    /// The record's segment in paths, before percent coding.
    id: String,
    /// How often it was written.
    generation: u32,
    /// Its version; missing when somebody else has written since.
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    /// When it was last written, milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_update: Option<u64>,
    /// Seconds left; `never` for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    ttl: Option<Value>,
}

impl Written {
    /// The record as it was written.
    #[must_use]
    pub fn of(key: &RecordKey, record: &Record) -> Written {
        Written {
            etag: Some(record.version.to_string()),
            last_update: Some(record.version.last_update_ms),
            ttl: Some(ttl(record)),
            ..Written::unknown(key, record.version.generation)
        }
    }

    /// A record that somebody else has written since.
    #[must_use]
    pub fn unknown(key: &RecordKey, generation: u32) -> Written {
        let user_key = key.user_key.as_ref().map(|(kind, bytes)| (*kind, bytes.as_slice()));
        let id = segment(user_key, &key.digest.0);
        Written { id, generation, etag: None, last_update: None, ttl: None }
    }
}

/// What is to be written.
#[derive(Debug, ToSchema)]
#[allow(dead_code, reason = "it describes a body that is read by hand")]
pub struct RecordBody {
    /// Values by name. What JSON lacks is tagged: `{"$bytes": "base64"}`.
    #[schema(value_type = Object)]
    bins: Map<String, Value>,
    /// Seconds, `never`, `default` or `keep`.
    #[schema(value_type = Option<Value>)]
    ttl: Option<Value>,
}
