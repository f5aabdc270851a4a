//! What `COPY` is told about the form of its rows, and who shall do it.

use super::{Format, partitions};
use crate::error::{Kind, Result, SqlError};
use crate::execute::eval::{Env, no_row};
use crate::execute::run::Call;
use crate::front::statement::Copy;
use crate::value::Value;
use crate::value::cast::text;
use regex::Regex;
use std::collections::BTreeMap;

/// Rows that are written at once.
const BUNCH: usize = 1000;
const BUNCH_MAX: usize = 10_000;

/// What `COPY` was told about the form of its rows.
#[derive(Debug, Clone)]
pub struct Wishes {
    /// The form.
    pub format: Format,
    pub(super) overwrite: bool,
    pub(super) fail_fast: bool,
    pub(super) gzip: Option<bool>,
    pub(super) skip: usize,
    pub(super) bunch: usize,
    pub(super) empty_is_null: bool,
    /// S3 without TLS.
    pub(super) plain: bool,
    /// Whether all nodes see the same files.
    pub(super) shared: bool,
    /// How many nodes read.
    pub(super) readers: usize,
    /// Whether the statement ends when the rows are there, or before.
    pub(super) waits: bool,
    /// The partitions whose records go out, in order; all of them without.
    pub(super) partitions: Option<Vec<u16>>,
    /// What ids of nodes must be like; a node's name is its id.
    filters: Vec<Regex>,
    /// What another node has to be told, too.
    pub(super) told: Vec<(String, String)>,
}

/// Whether the statement says the form.
pub(super) fn has_format(copy: &Copy) -> bool {
    copy.options.iter().any(|(name, _)| name.eq_ignore_ascii_case("format"))
}

impl Wishes {
    /// What a file's name says, where nothing else does.
    pub(super) fn named(mut self, name: &str, said: bool) -> Wishes {
        let name = name.split(['?', '#']).next().unwrap_or_default();
        if self.gzip.is_none() {
            self.gzip = Some(name.ends_with(".gz"));
        }
        if said {
            return self;
        }
        let name = name.trim_end_matches(".gz");
        if name.ends_with(".csv") {
            self.format = Format::csv(true);
        } else if name.ends_with(".parquet") {
            self.format = Format::Parquet;
        }
        self
    }

    /// The same, refused where the statement should not wait: only `COPY FROM` of what is elsewhere can go on alone.
    pub(super) fn waiting(self) -> Result<Wishes> {
        if self.waits {
            return Ok(self);
        }
        Err(SqlError::unsupported("wait_for_completion = false, but for COPY FROM files and addresses"))
    }

    /// Whether a node takes part.
    pub(super) fn takes(&self, node: &str) -> bool {
        self.filters.iter().all(|pattern| pattern.is_match(node))
    }
}

/// Options that say nothing here: they are about what is so anyway.
const ACCEPTED: [&str; 2] = ["validation", "freeze"];
/// Options that change the form's signs.
const SIGNS: [&str; 5] = ["delimiter", "null", "quote", "escape", "null_string"];
const OTHERS: [&str; 15] = [
    "format",
    "header",
    "overwrite_duplicates",
    "fail_fast",
    "compression",
    "skip",
    "encoding",
    "bulk_size",
    "empty_string_as_null",
    "protocol",
    "shared",
    "num_readers",
    "node_filters",
    "wait_for_completion",
    "partitions",
];
/// Options that only the node looks at that was asked.
const OWN: [&str; 5] = ["shared", "num_readers", "node_filters", "wait_for_completion", "partitions"];

/// What was said, by lower-case name.
struct Said(BTreeMap<String, String>);

impl Said {
    fn flag(&self, name: &str) -> Result<Option<bool>> {
        match self.0.get(name).map(|value| value.to_ascii_lowercase()).as_deref() {
            None => Ok(None),
            Some("true" | "on" | "1" | "t" | "match") => Ok(Some(true)),
            Some("false" | "off" | "0" | "f") => Ok(Some(false)),
            Some(other) => Err(unknown(name, other)),
        }
    }

    fn number(&self, name: &str) -> Result<Option<usize>> {
        let number = self.0.get(name).map(|text| text.parse().map_err(|_| unknown(name, text)));
        number.transpose()
    }

    fn partitions(&self) -> Result<Option<Vec<u16>>> {
        let Some(text) = self.0.get("partitions") else { return Ok(None) };
        partitions::read(text).map(Some).ok_or_else(|| unknown("partitions", text))
    }

    /// Refuses what nobody looks at.
    fn check(&self) -> Result<()> {
        let known = |name: &str| [&ACCEPTED[..], &SIGNS, &OTHERS].iter().any(|list| list.contains(&name));
        if let Some((name, value)) = self.0.iter().find(|(name, _)| !known(name)) {
            return Err(unknown(name, value));
        }
        match self.0.get("encoding").map(|name| name.to_ascii_lowercase().replace(['-', '_'], "")).as_deref()
        {
            None | Some("utf8") => Ok(()),
            Some(other) => Err(unknown("encoding", other)),
        }
    }

    fn format(&self, wire: bool) -> Result<Format> {
        let name = self.0.get("format").map_or(if wire { "text" } else { "json" }, String::as_str);
        let header = self.flag("header")?;
        let mut format = match name.to_ascii_lowercase().as_str() {
            "csv" => Format::csv(header.unwrap_or(!wire)),
            "text" if wire => Format::text(),
            "parquet" if !wire => Format::Parquet,
            "json" | "json_object" => Format::Json,
            other => return Err(unknown("format", other)),
        };
        for name in SIGNS {
            if let Some(value) = self.0.get(name) {
                format.set(name, value).ok_or_else(|| unknown(name, value))?;
            }
        }
        Ok(format)
    }
}

fn unknown(name: &str, value: &str) -> SqlError {
    SqlError::new(Kind::Validation, format!("COPY does not know {name} = '{value}'"))
}

/// Patterns for nodes: `{name = '...', id = '...'}`, each for the whole of it.
fn filters_of(value: &Value) -> Result<Vec<Regex>> {
    let Value::Map(members) = value else { return Err(unknown("node_filters", &text(value))) };
    let mut filters = Vec::new();
    for (name, pattern) in members {
        if !matches!(name.as_str(), "id" | "name") {
            return Err(unknown("node_filters", name));
        }
        let pattern = text(pattern);
        let whole = Regex::new(&format!("^(?:{pattern})$")).map_err(|_| unknown("node_filters", &pattern))?;
        filters.push(whole);
    }
    Ok(filters)
}

/// Reads the options of a `COPY`. On a connection the form is PostgreSQL's text when nothing is said, for files JSON.
pub(super) fn wishes_of(call: &Call<'_>, copy: &Copy, wire: bool) -> Result<Wishes> {
    let env = Env { args: call.args, moment: &call.moment, lookup: &no_row };
    let mut said = Said(BTreeMap::new());
    let mut filters = Vec::new();
    for (name, value) in &copy.options {
        let (name, value) = (name.to_ascii_lowercase(), env.eval(value)?);
        if name == "node_filters" {
            filters = filters_of(&value)?;
        }
        said.0.insert(name, text(&value));
    }
    said.check()?;
    let gzip = match said.0.get("compression").map(String::as_str) {
        None | Some("") => None,
        Some("gzip") => Some(true),
        Some("none") => Some(false),
        Some(other) => return Err(unknown("compression", other)),
    };
    let plain = match said.0.get("protocol").map(String::as_str) {
        None | Some("https") => false,
        Some("http") => true,
        Some(other) => return Err(unknown("protocol", other)),
    };
    let told = said.0.iter().filter(|(name, _)| !OWN.contains(&name.as_str()));
    Ok(Wishes {
        format: said.format(wire)?,
        overwrite: said.flag("overwrite_duplicates")?.unwrap_or(false),
        fail_fast: said.flag("fail_fast")?.unwrap_or(wire),
        gzip,
        skip: said.number("skip")?.unwrap_or(0),
        bunch: said.number("bulk_size")?.unwrap_or(BUNCH).clamp(1, BUNCH_MAX),
        empty_is_null: said.flag("empty_string_as_null")?.unwrap_or(false),
        plain,
        shared: said.flag("shared")?.unwrap_or(false),
        readers: said.number("num_readers")?.unwrap_or(usize::MAX).max(1),
        partitions: said.partitions()?,
        waits: said.flag("wait_for_completion")?.unwrap_or(true),
        filters,
        told: told.map(|(name, value)| (name.clone(), value.clone())).collect(),
    })
}
