//! Records to rows, and rows to a table or to JSON lines.

use std::io::{self, Write};

use aerospike::{Record, Value};
use serde_json::json;

use super::literal::{show, to_json, write_hex};
use super::table::Table;

/// The column that shows the record's key, where it is known.
const KEY_COLUMN: &str = "key";

/// Where the rows of one statement go.
pub(crate) enum Output<'a> {
    Table { table: Table<&'a mut dyn Write>, bins: &'a [String] },
    Json(&'a mut dyn Write),
}

impl<'a> Output<'a> {
    /// `bins` are the asked columns, in their order; empty for all.
    pub(crate) fn new(out: &'a mut dyn Write, json: bool, bins: &'a [String]) -> Self {
        if json { Self::Json(out) } else { Self::Table { table: Table::new(out), bins } }
    }

    /// Adds a record. `asked_key` is the key of the statement, for records that do not store theirs.
    pub(crate) fn push(&mut self, record: &Record, asked_key: Option<&Value>) -> io::Result<()> {
        let stored = record.key.as_ref().and_then(|key| key.user_key());
        let key = stored.or(asked_key);
        match self {
            Self::Table { table, bins } => table.push(row(record, key, bins)),
            Self::Json(out) => writeln!(out, "{}", json_row(record, key)),
        }
    }

    /// Ends the output.
    pub(crate) fn finish(self) -> io::Result<()> {
        match self {
            Self::Table { table, .. } => table.finish(),
            Self::Json(out) => out.flush(),
        }
    }
}

fn row(record: &Record, key: Option<&Value>, bins: &[String]) -> super::table::Row {
    let mut row = Vec::with_capacity(record.bins.len() + 1);
    if let Some(key) = key {
        row.push((KEY_COLUMN.to_owned(), show(key)));
    }
    if bins.is_empty() {
        row.extend(record.bins.iter().map(|(name, value)| (name.clone(), show(value))));
    } else {
        let cell = |name: &String| (name.clone(), record.bins.get(name).map(show).unwrap_or_default());
        row.extend(bins.iter().map(cell));
    }
    row
}

/// One record for a script. The digest names the record even when no key is stored; `ttl` is in seconds,
/// `null` for a record that never expires.
fn json_row(record: &Record, key: Option<&Value>) -> serde_json::Value {
    let digest = record.key.as_ref().map(|key| {
        let mut text = String::new();
        write_hex(&mut text, &key.digest());
        text
    });
    let bins: serde_json::Map<_, _> =
        record.bins.iter().map(|(name, value)| (name.clone(), to_json(value))).collect();
    json!({
        "key": key.map(to_json),
        "digest": digest,
        "generation": record.generation,
        "ttl": record.time_to_live().map(|ttl| ttl.as_secs()),
        "bins": bins,
    })
}

#[cfg(test)]
mod tests {
    use aerospike::{IndexMap, Key};

    use super::*;

    fn record(key: Option<Value>) -> Record {
        let bins: IndexMap<String, Value> =
            [("b".to_owned(), Value::from("x")), ("a".to_owned(), Value::from(1))].into_iter().collect();
        let key = Key::with_digest("test", "s", key, [7; 20]);
        Record::new(Some(key), bins, None, 3, 0)
    }

    fn print(json: bool, bins: &[String], asked: Option<&Value>, record: &Record) -> String {
        let mut out = Vec::new();
        let mut output = Output::new(&mut out, json, bins);
        output.push(record, asked).unwrap();
        output.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_key_is_the_stored_one_or_the_asked_one_or_missing() {
        let stored = record(Some(Value::from("k")));
        assert!(print(false, &[], None, &stored).contains("| key | b   | a |"));
        let bare = record(None);
        assert!(print(false, &[], None, &bare).contains("| b   | a |"));
        assert!(print(false, &[], Some(&Value::from(5)), &bare).contains("| 5   | \"x\" | 1 |"));
    }

    #[test]
    fn asked_bins_stand_in_the_asked_order() {
        let bins = ["a".to_owned(), "none".to_owned(), "b".to_owned()];
        assert!(print(false, &bins, None, &record(None)).contains("| a | none | b   |"));
    }

    #[test]
    fn json_has_all_that_a_script_may_want() {
        let line = print(true, &[], None, &record(Some(Value::from("k"))));
        let digest = "07".repeat(20);
        let wanted = format!(
            "{{\"key\":\"k\",\"digest\":\"{digest}\",\"generation\":3,\"ttl\":null,\"bins\":{{\"b\":\"x\",\"a\":1}}}}\n"
        );
        assert_eq!(line, wanted);
    }
}
