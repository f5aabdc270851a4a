//! Values as JSON and back, without loss.
//!
//! What JSON has is written plainly: text, booleans, lists, maps with text keys, integers up to 2^53 - 1, doubles
//! (always with a point or an exponent, so that they stay doubles). What it lacks is an object with one key that begins
//! with `$`:
//!
//! | tag | value |
//! |---|---|
//! | `{"$int": "9223372036854775807"}` | an integer that a JavaScript number can't hold |
//! | `{"$double": "NaN"}` | `NaN`, `Infinity`, `-Infinity` |
//! | `{"$bytes": "base64"}` | a blob; with `"$type": 9` one of another particle type |
//! | `{"$text": "base64"}` | text that is not UTF-8 |
//! | `{"$geo": {...}}` | GeoJSON |
//! | `{"$hll": "base64"}` | a `HyperLogLog` |
//! | `{"$list": [...], "$order": "ordered"}` | an ordered list |
//! | `{"$map": [[key, value], ...]}` | a map whose keys are not all plain text |
//! | `{"$map": {...}, "$order": "key"}` | an ordered map; `key-value` as well |
//! | `{"$msgpack": "base64"}` | what is none of these, as it is encoded |
//!
//! Refuses objects with other keys that begin with `$`: they would come back as something else.

mod read;
mod write;

#[cfg(test)]
mod json_tests;

pub use read::{particle, user_key};
pub use write::{BadValue, Bin, bin, element};

/// The largest integer that every JSON reader keeps exactly.
pub const SAFE_INTEGER: i64 = (1 << 53) - 1;
/// Deeper containers come as [`MSGPACK`].
const DEPTH_MAX: usize = 100;
const INT: &str = "$int";
const DOUBLE: &str = "$double";
const BYTES: &str = "$bytes";
const TYPE: &str = "$type";
const TEXT: &str = "$text";
const GEO: &str = "$geo";
const HLL: &str = "$hll";
const LIST: &str = "$list";
const MAP: &str = "$map";
const ORDER: &str = "$order";
const MSGPACK: &str = "$msgpack";
