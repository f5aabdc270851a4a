//! `COPY`: rows in and out as lines of JSON, as CSV, or as PostgreSQL's text.
//!
//! Rows that come in are written in bunches, each row for itself. Files are read and written by the node that was asked,
//! and only below the folder that its configuration names; without one there are no files, because whoever may speak SQL
//! could read them.

mod fields;
mod files;
mod format;
mod wishes;

pub use format::{Format, Reader};
pub use wishes::Wishes;

use wishes::{has_format, wishes_of};

use super::eval::{Env, no_row};
use super::insert::Conflict;
use super::row::Row;
use super::run::{Call, Outcome, RowSet, Sql};
use crate::catalog::{Kind as TableKind, Policy, Table};
use crate::column_type::Type;
use crate::error::{Kind, Result, SqlError};
use crate::front::statement::Copy;
use crate::front::{Statement, parse};
use crate::session::Session;
use crate::value::Value;
use crate::value::cast::text;
use crate::value::json::from_json;
use sqlparser::ast::Statement as Stock;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Rows that are written at once.
const BUNCH: usize = 1000;
/// Different errors that a summary tells of, for each file.
const ERRORS_MAX: usize = 10;

/// Rows on their way into a table.
pub struct Inflow {
    table: Arc<Table>,
    columns: Vec<String>,
    wishes: Wishes,
    rows: Vec<Row>,
    tally: Tally,
}

/// How many rows came in, and why others did not.
#[derive(Debug, Default)]
pub struct Tally {
    /// Rows that were written.
    pub written: i64,
    failed: i64,
    errors: BTreeMap<String, i64>,
    first: Option<SqlError>,
}

impl Tally {
    fn fail(&mut self, error: SqlError) {
        self.failed += 1;
        let text = error.to_string();
        if self.errors.len() < ERRORS_MAX || self.errors.contains_key(&text) {
            *self.errors.entry(text).or_default() += 1;
        }
        self.first.get_or_insert(error);
    }
}

/// The columns of a summary.
#[must_use]
pub fn summary_columns() -> Vec<(String, Type)> {
    [
        ("node", Type::Object),
        ("uri", Type::Text),
        ("success_count", Type::Long),
        ("error_count", Type::Long),
        ("errors", Type::Object),
    ]
    .map(|(name, ty)| (name.to_owned(), ty))
    .to_vec()
}

impl Sql {
    /// The way into the table that a `COPY FROM` names.
    ///
    /// # Errors
    /// When there is no such table or column, or an option is unknown.
    pub async fn inflow(&self, session: &Session, copy: &Copy, wishes: Wishes) -> Result<Inflow> {
        let (schema, name) = crate::catalog::qualify(&copy.table, &session.schema)?;
        let table = self.catalogs.table(&schema, &name).await?;
        if table.kind != TableKind::Base {
            let message =
                format!("The relation \"{}\" doesn't support or allow COPY operations", table.full_name());
            return Err(SqlError::new(Kind::RelationOperation, message));
        }
        for column in &copy.columns {
            if table.column(column).is_none() && table.policy == Policy::Strict && column != "_id" {
                return Err(SqlError::unknown_column(column));
            }
        }
        let columns = if copy.columns.is_empty() {
            table.columns.iter().map(|column| column.name.clone()).collect()
        } else {
            copy.columns.clone()
        };
        Ok(Inflow { table, columns, wishes, rows: Vec::new(), tally: Tally::default() })
    }

    pub(super) async fn copy_from(&self, call: &Call<'_>, copy: &Copy) -> Result<Outcome> {
        let Some(place) = &copy.place else {
            return Err(SqlError::unsupported("COPY FROM STDIN needs a connection of PostgreSQL's wire"));
        };
        let wishes = wishes_of(call, copy, false)?;
        let env = Env { args: call.args, moment: &call.moment, lookup: &no_row };
        let uris = match env.eval(place)? {
            Value::List(all) => all.iter().map(text).collect(),
            one => vec![text(&one)],
        };
        let id = self.records.info(&crate::records::To::Own, "node").await?;
        let mut written = 0;
        let mut rows = Vec::new();
        for path in files::find(self.identity.files.as_deref(), &uris)? {
            let wishes = wishes.clone().named(&path, has_format(copy));
            let fail_fast = wishes.fail_fast;
            let inflow = self.inflow(call.session, copy, wishes).await?;
            let tally = self.read_file(call, inflow, &path).await?;
            if let Some(error) = tally.first.filter(|_| fail_fast) {
                return Err(error);
            }
            written += tally.written;
            let errors = tally
                .errors
                .into_iter()
                .map(|(text, count)| (text, Value::Map(vec![("count".to_owned(), Value::Int(count))])));
            let node = [("id", Value::text(&id)), ("name", Value::text(&id))];
            rows.push(vec![
                Value::Map(node.map(|(name, value)| (name.to_owned(), value)).to_vec()),
                Value::Text(format!("file://{}", path.display())),
                Value::Int(tally.written),
                Value::Int(tally.failed),
                Value::Map(errors.collect()),
            ]);
        }
        if copy.summary {
            return Ok(Outcome::Rows(RowSet { columns: summary_columns(), rows }));
        }
        Ok(Outcome::Count(written))
    }

    async fn read_file(&self, call: &Call<'_>, mut inflow: Inflow, path: &std::path::Path) -> Result<Tally> {
        let mut reader = Reader::new(inflow.wishes.format.clone(), inflow.wishes.skip);
        let mut chunks = files::Chunks::open(path, inflow.wishes.gzip)?;
        loop {
            let chunk = chunks.next().await?;
            match &chunk {
                Some(chunk) => reader.push(chunk),
                None => reader.end(),
            }
            inflow.take(&mut reader);
            let fail_fast = inflow.wishes.fail_fast && inflow.tally.first.is_some();
            if inflow.rows.len() >= BUNCH || chunk.is_none() {
                self.put(call, &mut inflow).await?;
            }
            if chunk.is_none() || fail_fast {
                return Ok(inflow.tally);
            }
        }
    }

    /// Writes the rows that have been read.
    ///
    /// # Errors
    /// When nothing can be written at all; what befalls one row is counted.
    async fn put(&self, call: &Call<'_>, inflow: &mut Inflow) -> Result<()> {
        let conflict = if inflow.wishes.overwrite { Conflict::Replace } else { Conflict::Refuse };
        let rows = std::mem::take(&mut inflow.rows);
        let mut rows = rows.into_iter();
        loop {
            let bunch: Vec<Row> = rows.by_ref().take(BUNCH).collect();
            if bunch.is_empty() {
                return Ok(());
            }
            let inserted = self.put_rows(call, &inflow.table, bunch, &conflict, false).await?;
            for outcome in inserted.outcomes {
                match outcome {
                    Ok(count) => inflow.tally.written += count,
                    Err(error) => inflow.tally.fail(error),
                }
            }
        }
    }

    /// Takes what has arrived on a connection, and writes it once it is much or `ends`. Gives the rows written so far.
    ///
    /// # Errors
    /// The first thing that was wrong with a row; those before it stay.
    pub async fn flow(
        &self,
        session: &Session,
        inflow: &mut Inflow,
        reader: &mut Reader,
        ends: bool,
    ) -> Result<i64> {
        inflow.take(reader);
        if ends || inflow.rows.len() >= BUNCH {
            let job = self.jobs.begin(&session.user, &session.id, "COPY FROM STDIN", "COPY");
            let running = crate::jobs::Running::new(&self.jobs, job);
            let moment = super::insert::moment_of(session);
            let call = Call { session, args: &[], job: &running.job, moment };
            self.put(&call, inflow).await?;
            self.jobs.end(&running.job, inflow.tally.first.as_ref().map(ToString::to_string));
        }
        inflow.tally.first.clone().map_or(Ok(inflow.tally.written), Err)
    }

    pub(super) async fn copy_to(&self, call: &Call<'_>, copy: &Copy) -> Result<Outcome> {
        let Some(place) = &copy.place else {
            return Err(SqlError::unsupported("COPY TO STDOUT needs a connection of PostgreSQL's wire"));
        };
        let wishes = wishes_of(call, copy, false)?;
        let env = Env { args: call.args, moment: &call.moment, lookup: &no_row };
        let uri = text(&env.eval(place)?);
        let set = self.copied(call, copy).await?;
        let id = self.records.info(&crate::records::To::Own, "node").await?;
        let name = copy.table.last().map_or("query", String::as_str);
        let name = format!("{name}_{id}.{}", wishes.format.extension());
        let folder = files::make(self.identity.files.as_deref(), &uri)?;
        files::write(&folder.join(name), &wishes.format, &set, wishes.gzip == Some(true)).await?;
        let count = i64::try_from(set.rows.len()).unwrap_or(i64::MAX);
        Ok(Outcome::Count(count))
    }

    /// The rows that go out.
    async fn copied(&self, call: &Call<'_>, copy: &Copy) -> Result<RowSet> {
        if let Some(query) = &copy.query {
            return self.query(call, query).await;
        }
        let quoted = |name: &String| format!("\"{}\"", name.replace('"', "\"\""));
        let columns: Vec<String> = copy.columns.iter().map(quoted).collect();
        let columns = if columns.is_empty() { "*".to_owned() } else { columns.join(", ") };
        let table: Vec<String> = copy.table.iter().map(quoted).collect();
        let condition = copy.selection.as_ref().map(|expr| format!(" WHERE {expr}")).unwrap_or_default();
        let parsed = parse(&format!("SELECT {columns} FROM {}{condition}", table.join(".")))?;
        match parsed.statement {
            Statement::Stock(stock) => match *stock {
                Stock::Query(query) => self.query(call, &query).await,
                _ => Err(SqlError::new(Kind::Internal, "no query")),
            },
            _ => Err(SqlError::new(Kind::Internal, "no query")),
        }
    }

    /// The rows that go out on a connection, and their form.
    ///
    /// # Errors
    /// What is wrong with the statement.
    pub async fn outflow(&self, session: &Session, copy: &Copy, text: &str) -> Result<(RowSet, Format)> {
        let job = self.jobs.begin(&session.user, &session.id, text, "COPY");
        let running = crate::jobs::Running::new(&self.jobs, job);
        let call = Call { session, args: &[], job: &running.job, moment: super::insert::moment_of(session) };
        let made = match wishes_of(&call, copy, true) {
            Ok(wishes) => self.copied(&call, copy).await.map(|set| (set, wishes.format)),
            Err(error) => Err(error),
        };
        self.jobs.end(&running.job, made.as_ref().err().map(ToString::to_string));
        made
    }

    /// What a `COPY` on a connection says of its form.
    ///
    /// # Errors
    /// An option that is unknown.
    pub fn wishes(&self, session: &Session, copy: &Copy) -> Result<Wishes> {
        let job = self.jobs.begin(&session.user, &session.id, "COPY", "COPY");
        let call = Call { session, args: &[], job: &job, moment: super::insert::moment_of(session) };
        let wishes = wishes_of(&call, copy, true);
        self.jobs.forget(&job);
        wishes
    }
}

impl Inflow {
    /// How many columns rows have.
    #[must_use]
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// A reader for what comes.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::new(self.wishes.format.clone(), self.wishes.skip)
    }

    /// Makes rows of the records that have arrived whole.
    fn take(&mut self, reader: &mut Reader) {
        while let Some(record) = reader.next() {
            match record.and_then(|record| self.row(record)) {
                Ok(Some(row)) => self.rows.push(row),
                Ok(None) => {}
                Err(error) => self.tally.fail(error),
            }
        }
    }

    fn row(&mut self, record: format::Record) -> Result<Option<Row>> {
        match record {
            format::Record::Header(names) => {
                self.columns = names;
                Ok(None)
            }
            format::Record::Object(members) => {
                Ok(Some(members.iter().map(|(name, value)| (name.clone(), from_json(value))).collect()))
            }
            format::Record::Fields(fields) if fields.len() != self.columns.len() => {
                let message =
                    format!("a line has {} values and should have {}", fields.len(), self.columns.len());
                Err(SqlError::new(Kind::Validation, message))
            }
            format::Record::Fields(fields) => {
                let value = |field: Option<String>| field.map_or(Value::Null, Value::Text);
                Ok(Some(self.columns.iter().cloned().zip(fields.into_iter().map(value)).collect()))
            }
        }
    }
}
