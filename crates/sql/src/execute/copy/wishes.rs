//! What `COPY` is told about the form of its rows.

use super::Format;
use crate::error::{Kind, Result, SqlError};
use crate::execute::eval::{Env, no_row};
use crate::execute::run::Call;
use crate::front::statement::Copy;
use crate::value::cast::text;
use std::collections::BTreeMap;

/// What `COPY` was told about the form of its rows.
#[derive(Debug, Clone)]
pub struct Wishes {
    /// The form.
    pub format: Format,
    pub(super) overwrite: bool,
    pub(super) fail_fast: bool,
    pub(super) gzip: Option<bool>,
    pub(super) skip: usize,
}

/// Whether the statement says the form.
pub(super) fn has_format(copy: &Copy) -> bool {
    copy.options.iter().any(|(name, _)| name.eq_ignore_ascii_case("format"))
}

impl Wishes {
    /// What a file's name says, where nothing else does.
    pub(super) fn named(mut self, path: &std::path::Path, said: bool) -> Wishes {
        let name = path.to_string_lossy();
        if self.gzip.is_none() {
            self.gzip = Some(name.ends_with(".gz"));
        }
        if !said && name.trim_end_matches(".gz").ends_with(".csv") {
            self.format = Format::csv(true);
        }
        self
    }
}

/// Options that say nothing here: they are about how the work is done, or about what is so anyway.
const ACCEPTED: [&str; 9] = [
    "bulk_size",
    "shared",
    "num_readers",
    "node_filters",
    "validation",
    "protocol",
    "wait_for_completion",
    "empty_string_as_null",
    "freeze",
];
/// Options that change the form's signs.
const SIGNS: [&str; 5] = ["delimiter", "null", "quote", "escape", "null_string"];
const OTHERS: [&str; 7] =
    ["format", "header", "overwrite_duplicates", "fail_fast", "compression", "skip", "encoding"];

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

/// Reads the options of a `COPY`. On a connection the form is PostgreSQL's text when nothing is said, for files JSON.
pub(super) fn wishes_of(call: &Call<'_>, copy: &Copy, wire: bool) -> Result<Wishes> {
    let env = Env { args: call.args, moment: &call.moment, lookup: &no_row };
    let mut said = Said(BTreeMap::new());
    for (name, value) in &copy.options {
        said.0.insert(name.to_ascii_lowercase(), text(&env.eval(value)?));
    }
    said.check()?;
    let gzip = match said.0.get("compression").map(String::as_str) {
        None | Some("") => None,
        Some("gzip") => Some(true),
        Some("none") => Some(false),
        Some(other) => return Err(unknown("compression", other)),
    };
    let skip = match said.0.get("skip") {
        None => 0,
        Some(skip) => skip.parse().map_err(|_| unknown("skip", skip))?,
    };
    Ok(Wishes {
        format: said.format(wire)?,
        overwrite: said.flag("overwrite_duplicates")?.unwrap_or(false),
        fail_fast: said.flag("fail_fast")?.unwrap_or(wire),
        gzip,
        skip,
    })
}
