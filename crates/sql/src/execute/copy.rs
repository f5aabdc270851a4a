//! `COPY`: rows in and out as lines of JSON, as CSV, as PostgreSQL's text, or as Parquet.
//!
//! Rows that come in are written in bunches, each row for itself. Files are only those below the folder that a node's
//! configuration names, and hosts only those that it names; without them there are none, because whoever may speak SQL could
//! use the node's eyes and hands. Several files are shared out among the nodes.

mod fields;
mod files;
mod format;
mod from;
mod partitions;
mod place;
mod share;
mod source;
mod to;
mod wishes;

pub use format::{Format, Reader};
pub use wishes::Wishes;

use wishes::wishes_of;

use super::insert::Conflict;
use super::row::Row;
use super::run::{Call, Sql, bounded, timeout_of};
use crate::catalog::{Kind as TableKind, Policy, Table};
use crate::column_type::Type;
use crate::engine_door::RowSink;
use crate::error::{Kind, Result, SqlError};
use crate::front::statement::Copy;
use crate::session::Session;
use crate::value::Value;
use crate::value::json::from_json;
use std::collections::BTreeMap;
use std::sync::Arc;

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
        if wishes.partitions.is_some() {
            return Err(format::wrong("partitions are chosen in COPY TO only"));
        }
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

    /// Writes the rows that have been read.
    ///
    /// # Errors
    /// When nothing can be written at all; what befalls one row is counted.
    async fn put(&self, call: &Call<'_>, inflow: &mut Inflow) -> Result<()> {
        let bunch = inflow.wishes.bunch;
        let conflict = if inflow.wishes.overwrite { Conflict::Replace } else { Conflict::Refuse };
        let rows = std::mem::take(&mut inflow.rows);
        let mut rows = rows.into_iter();
        loop {
            let bunch: Vec<Row> = rows.by_ref().take(bunch).collect();
            if bunch.is_empty() {
                return Ok(());
            }
            let inserted = self.put_rows(call, &inflow.table, bunch, &conflict, false).await?;
            for outcome in inserted.outcomes {
                match outcome {
                    Ok(count) => {
                        inflow.tally.written += count;
                        call.job.progress.add_rows(usize::try_from(count).unwrap_or(0));
                    }
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
        if ends || inflow.rows.len() >= inflow.wishes.bunch {
            let job = self.jobs.begin(&session.user, &session.id, "COPY FROM STDIN", "COPY");
            let running = crate::jobs::Running::new(&self.jobs, job);
            let moment = super::insert::moment_of(session);
            let call = Call { session, args: &[], job: &running.job, moment };
            self.put(&call, inflow).await?;
            self.jobs.end(&running.job, inflow.tally.first.as_ref().map(ToString::to_string));
        }
        inflow.tally.first.clone().map_or(Ok(inflow.tally.written), Err)
    }

    /// Gives the rows that go out on a connection to a sink, as they come.
    ///
    /// # Errors
    /// What is wrong with the statement, and what the sink says.
    pub async fn outflow(
        &self,
        session: &Session,
        copy: &Copy,
        wishes: &Wishes,
        text: &str,
        sink: &mut dyn RowSink,
    ) -> Result<()> {
        let job = self.jobs.begin(&session.user, &session.id, text, "COPY");
        let running = crate::jobs::Running::new(&self.jobs, job);
        let call = Call { session, args: &[], job: &running.job, moment: super::insert::moment_of(session) };
        let work =
            async { self.pour(&call, &*to::outgoing(copy)?, wishes.partitions.as_deref(), sink).await };
        let poured = bounded(work, call.job, timeout_of(session)).await;
        self.jobs.end(&running.job, poured.as_ref().err().map(ToString::to_string));
        poured
    }

    /// What a `COPY` on a connection says of its form.
    ///
    /// # Errors
    /// An option that is unknown.
    pub fn wishes(&self, session: &Session, copy: &Copy) -> Result<Wishes> {
        let job = self.jobs.begin(&session.user, &session.id, "COPY", "COPY");
        let call = Call { session, args: &[], job: &job, moment: super::insert::moment_of(session) };
        let wishes = wishes_of(&call, copy, true).and_then(Wishes::waiting);
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

    /// Whether a row that is written twice is one row.
    fn has_key(&self) -> bool {
        self.table.key.iter().any(|name| name != "_id")
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
                let empty_is_null = self.wishes.empty_is_null;
                let field = |field: &String| !(empty_is_null && field.is_empty());
                let value = |text: Option<String>| text.filter(field).map_or(Value::Null, Value::Text);
                Ok(Some(self.columns.iter().cloned().zip(fields.into_iter().map(value)).collect()))
            }
        }
    }
}
