//! The forms of rows: lines of JSON, CSV, PostgreSQL's text.

use super::fields::{csv_fields, escaped, quoted, text_fields};
use crate::column_type::Type;
use crate::error::{Kind, Result, SqlError};
use serde_json::{Map, Value as Json};

/// The longest record, in bytes.
const RECORD_MAX: usize = 64 << 20;

/// How rows are written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// One object a line.
    Json,
    /// Fields between delimiters, quoted where they must be.
    Csv {
        /// Between fields.
        delimiter: u8,
        /// Around fields.
        quote: u8,
        /// Before a quote inside of a field.
        escape: u8,
        /// What stands for null, unquoted.
        null: String,
        /// The first line has the columns' names.
        header: bool,
    },
    /// PostgreSQL's own: fields between tabs, with backslashes.
    Text {
        /// Between fields.
        delimiter: u8,
        /// What stands for null.
        null: String,
    },
    /// Columns in a file of their own, which only the engine knows.
    Parquet,
}

/// What a reader finds.
#[derive(Debug, PartialEq)]
pub enum Record {
    /// The columns' names.
    Header(Vec<String>),
    /// Members of an object.
    Object(Map<String, Json>),
    /// Fields; none is null.
    Fields(Vec<Option<String>>),
}

impl Format {
    /// CSV as it is usual.
    #[must_use]
    pub fn csv(header: bool) -> Format {
        Format::Csv { delimiter: b',', quote: b'"', escape: b'"', null: String::new(), header }
    }

    /// PostgreSQL's text.
    #[must_use]
    pub fn text() -> Format {
        Format::Text { delimiter: b'\t', null: "\\N".to_owned() }
    }

    /// How names of files end.
    #[must_use]
    pub fn extension(&self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Csv { .. } => "csv",
            Format::Text { .. } => "txt",
            Format::Parquet => "parquet",
        }
    }

    /// The line of names that comes first; empty where there is none.
    #[must_use]
    pub fn header(&self, columns: &[(String, Type)]) -> String {
        let mut header = String::new();
        if matches!(self, Format::Csv { header: true, .. }) {
            self.write(&mut header, &columns.iter().map(|(name, _)| Some(name.clone())).collect::<Vec<_>>());
        }
        header
    }

    /// Changes a sign; none when the form has no such sign, or it can't be this one.
    pub fn set(&mut self, name: &str, value: &str) -> Option<()> {
        let sign = match value.as_bytes() {
            [one] if !matches!(one, b'\n' | b'\r' | b'\\') => Some(*one),
            _ => None,
        };
        match (self, name) {
            (Format::Csv { delimiter, .. } | Format::Text { delimiter, .. }, "delimiter") => {
                *delimiter = sign?;
            }
            (Format::Csv { null, .. } | Format::Text { null, .. }, "null" | "null_string") => {
                value.clone_into(null);
            }
            (Format::Csv { quote, escape, .. }, "quote") => {
                if escape == quote {
                    *escape = sign?;
                }
                *quote = sign?;
            }
            (Format::Csv { escape, .. }, "escape") => *escape = *value.as_bytes().first()?,
            _ => return None,
        }
        Some(())
    }

    /// Appends a line; none is null.
    pub fn write(&self, out: &mut String, fields: &[Option<String>]) {
        for (place, field) in fields.iter().enumerate() {
            match self {
                Format::Json | Format::Parquet => {}
                Format::Csv { delimiter, quote, escape, null, .. } => {
                    if place > 0 {
                        out.push(char::from(*delimiter));
                    }
                    quoted(out, field.as_deref(), [*delimiter, *quote, *escape], null);
                }
                Format::Text { delimiter, null } => {
                    if place > 0 {
                        out.push(char::from(*delimiter));
                    }
                    match field {
                        None => out.push_str(null),
                        Some(field) => escaped(out, field, *delimiter),
                    }
                }
            }
        }
        out.push('\n');
    }
}

/// Cuts bytes into records as they arrive.
#[derive(Debug)]
pub struct Reader {
    format: Format,
    buffer: Vec<u8>,
    /// Bytes of the buffer that have become records.
    read: usize,
    /// Bytes behind `read` that were looked at, and whether a quote is open there.
    looked: (usize, bool),
    skip: usize,
    header: bool,
    ended: bool,
    closed: bool,
}

impl Reader {
    /// A reader that leaves out the first lines.
    #[must_use]
    pub fn new(format: Format, skip: usize) -> Reader {
        let header = matches!(format, Format::Csv { header: true, .. });
        Reader {
            format,
            buffer: Vec::new(),
            read: 0,
            looked: (0, false),
            skip,
            header,
            ended: false,
            closed: false,
        }
    }

    /// More bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.closed {
            return;
        }
        self.buffer.drain(..self.read);
        self.read = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// There are no more.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// The next record, if it is there whole.
    #[allow(clippy::should_implement_trait, reason = "none does not end it: more may arrive")]
    pub fn next(&mut self) -> Option<Result<Record>> {
        loop {
            if self.closed {
                return None;
            }
            let Some(line) = self.line() else {
                if self.buffer.len() - self.read > RECORD_MAX {
                    self.closed = true;
                    return Some(Err(wrong(format!("a line has more than {RECORD_MAX} bytes"))));
                }
                return None;
            };
            if self.skip > 0 {
                self.skip -= 1;
                continue;
            }
            let Ok(line) = String::from_utf8(line) else {
                return Some(Err(wrong("a line is no UTF-8")));
            };
            if line == "\\." && self.format != Format::Json {
                self.closed = true;
                return None;
            }
            if std::mem::take(&mut self.header) {
                let fields = self.fields(&line).map(|fields| {
                    Record::Header(fields.into_iter().map(Option::unwrap_or_default).collect())
                });
                return Some(fields);
            }
            return match &self.format {
                Format::Json if line.trim().is_empty() => continue,
                Format::Json => Some(match serde_json::from_str(&line) {
                    Ok(Json::Object(members)) => Ok(Record::Object(members)),
                    Ok(_) => Err(wrong("a line is no JSON object")),
                    Err(error) => Err(wrong(format!("a line is no JSON object: {error}"))),
                }),
                Format::Parquet => Some(Err(wrong("Parquet has no lines"))),
                Format::Csv { .. } | Format::Text { .. } => Some(self.fields(&line).map(Record::Fields)),
            };
        }
    }

    /// The next line without its end. A line of CSV goes on while a quote is open.
    fn line(&mut self) -> Option<Vec<u8>> {
        let (mut at, mut open) = self.looked;
        let rest = self.buffer.get(self.read..).unwrap_or_default();
        let quote = match &self.format {
            Format::Csv { quote, escape, .. } => Some((*quote, *escape)),
            Format::Json | Format::Text { .. } | Format::Parquet => None,
        };
        while let Some(byte) = rest.get(at) {
            match quote {
                Some((quote, escape)) if open && escape != quote && *byte == escape => at += 1,
                Some((quote, _)) if *byte == quote => open = !open,
                _ if *byte == b'\n' && !open => {
                    let line = rest.get(..at).unwrap_or_default();
                    let line = line.strip_suffix(b"\r").unwrap_or(line).to_vec();
                    self.read += at + 1;
                    self.looked = (0, false);
                    return Some(line);
                }
                _ => {}
            }
            at += 1;
        }
        self.looked = (at, open);
        if !self.ended || rest.is_empty() {
            return None;
        }
        let line = rest.to_vec();
        self.read = self.buffer.len();
        self.looked = (0, false);
        Some(line)
    }

    fn fields(&self, line: &str) -> Result<Vec<Option<String>>> {
        match &self.format {
            Format::Json | Format::Parquet => Ok(Vec::new()),
            Format::Csv { delimiter, quote, escape, null, .. } => {
                csv_fields(line, [*delimiter, *quote, *escape].map(char::from), null)
            }
            Format::Text { delimiter, null } => Ok(text_fields(line, char::from(*delimiter), null)),
        }
    }
}

pub(super) fn wrong(message: impl Into<String>) -> SqlError {
    SqlError::new(Kind::Validation, message)
}

#[cfg(test)]
mod tests {
    use super::{Format, Reader, Record};
    use proptest::prelude::{Just, any, prop, prop_oneof, proptest};

    fn read(format: Format, text: &str, step: usize) -> Vec<Record> {
        let mut reader = Reader::new(format, 0);
        let mut all = Vec::new();
        for bytes in text.as_bytes().chunks(step.max(1)) {
            reader.push(bytes);
            all.extend(std::iter::from_fn(|| reader.next()).map(|record| record.expect("a record")));
        }
        reader.end();
        all.extend(std::iter::from_fn(|| reader.next()).map(|record| record.expect("a record")));
        all
    }

    #[test]
    fn forms_are_read() {
        let some = |text: &str| Some(text.to_owned());
        let csv = read(Format::csv(true), "a,b\r\n1,\"x, \"\"y\"\"\nz\"\n,\"\"", 3);
        assert_eq!(csv[0], Record::Header(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(csv[1], Record::Fields(vec![some("1"), some("x, \"y\"\nz")]));
        assert_eq!(csv[2], Record::Fields(vec![None, some("")]));
        let text = read(Format::text(), "1\t\\N\\n\t\\N\n\\.\nignored\n", 2);
        assert_eq!(text, [Record::Fields(vec![some("1"), some("N\n"), None])]);
        assert_eq!(read(Format::Json, "{\"a\":1}\n\n{\"b\":2}", 4).len(), 2);
        let mut broken = Reader::new(Format::csv(false), 0);
        broken.push(b"\"open\n\xff");
        broken.end();
        assert!(broken.next().expect("a line").is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            fields in prop::collection::vec(prop::option::of(prop_oneof![any::<String>(), Just("\\N".to_owned())]), 1..5),
            step in 1usize..7,
            csv in any::<bool>(),
        ) {
            let fields: Vec<Option<String>> =
                fields.into_iter().map(|field| field.map(|field| field.replace('\r', " "))).collect();
            let format = if csv { Format::csv(false) } else { Format::text() };
            let mut line = String::new();
            format.write(&mut line, &fields);
            let read = read(format, &line, step);
            proptest::prop_assert_eq!(read, vec![Record::Fields(fields)]);
        }
    }
}
