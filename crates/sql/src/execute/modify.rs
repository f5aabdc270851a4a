//! `UPDATE` and `DELETE`: each record read, changed, and written if nobody was faster.

use super::eval::Env;
use super::insert::{alias_of, excluded_value, is_wildcard};
use super::key;
use super::point::{bins_for, project, record_value};
use super::row::{Row, Rules};
use super::run::{Call, Outcome, Sql};
use crate::catalog::{Kind as TableKind, Policy, Table, bin_name};
use crate::error::{Kind, Result, SqlError};
use crate::front::statement::Update;
use crate::front::{parts_of, show_path};
use crate::records::{Bins, Mode, Record, Scan, Write};
use crate::value::Value;
use shipload_value::digest::PARTITION_COUNT;
use sqlparser::ast::{Delete, Expr, FromTable, SelectItem, TableFactor};

/// Attempts at one record when others change it at the same time.
const ATTEMPTS: u32 = 100;
/// Records that are changed at the same time by one statement.
const AT_ONCE: usize = 64;
/// Records that are deleted by one request.
const DELETED_AT_ONCE: usize = 1000;

/// What to do to a record.
#[derive(Clone, Copy)]
pub(super) struct Change<'a> {
    pub(super) table: &'a Table,
    pub(super) sets: &'a [(Vec<String>, Expr)],
    pub(super) selection: Option<&'a Expr>,
    pub(super) excluded: Option<&'a Row>,
}

impl Change<'_> {
    /// What is to be read of records for it.
    pub(super) fn bins(&self) -> Bins {
        let mut asks =
            self.selection.into_iter().chain(self.sets.iter().map(|(_, value)| value)).map(bins_for);
        asks.find(|bins| *bins != Bins::All).unwrap_or(Bins::All)
    }
}

impl Sql {
    pub(super) async fn update(&self, call: &Call<'_>, update: &Update) -> Result<Outcome> {
        let (schema, name) = crate::catalog::qualify(&update.table, &call.session.schema)?;
        let table = self.catalogs.table(&schema, &name).await?;
        writable(&table, "UPDATE")?;
        for (path, _) in &update.sets {
            let first = path.first().map(String::as_str).unwrap_or_default();
            if table.key.iter().any(|key| key == first) || first.starts_with('_') {
                let message = format!("Updating a primary key is not supported: {first}");
                return Err(SqlError::new(Kind::Validation, message));
            }
            if table.column(first).is_none() && table.policy == Policy::Strict {
                return Err(SqlError::unknown_column(&show_path(path)));
            }
        }
        let selection = update.selection.as_ref();
        let change = Change { table: &table, sets: &update.sets, selection, excluded: None };
        let records = self.matching(call, &table, selection, change.bins()).await?;
        let mut count = 0;
        let mut changed = Vec::new();
        for bunch in records.chunks(AT_ONCE) {
            let all = bunch.iter().map(|record| self.persist(call, &change, record));
            for outcome in join(all).await {
                if let Some(record) = outcome? {
                    count += 1;
                    if update.returning.is_some() {
                        changed.push((Row::new(), record));
                    }
                }
            }
            call.job.progress.add_rows(bunch.len());
        }
        match &update.returning {
            Some(items) => returned(&table, items, &changed, call),
            None => Ok(Outcome::Count(count)),
        }
    }

    pub(super) async fn delete(&self, call: &Call<'_>, delete: &Delete) -> Result<Outcome> {
        let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
        let [one] = from.as_slice() else { return Err(SqlError::unsupported("DELETE from several tables")) };
        let TableFactor::Table { name, .. } = &one.relation else {
            return Err(SqlError::unsupported("DELETE from something that is no table"));
        };
        if !one.joins.is_empty() || delete.using.is_some() {
            return Err(SqlError::unsupported("DELETE with a join"));
        }
        let (schema, name) = crate::catalog::qualify(&parts_of(name), &call.session.schema)?;
        let table = self.catalogs.table(&schema, &name).await?;
        writable(&table, "DELETE")?;
        let selection = delete.selection.as_ref();
        let records = self.matching(call, &table, selection, bins_for(delete)).await?;
        let place = table.place();
        let mut count = 0;
        let mut gone = Vec::new();
        let which: Vec<_> = records.iter().map(|record| (record.digest, Some(record.generation))).collect();
        let mut outcomes = Vec::with_capacity(which.len());
        for bunch in which.chunks(DELETED_AT_ONCE) {
            outcomes.extend(self.records.delete_many(&place, bunch).await);
            call.job.progress.add_rows(bunch.len());
        }
        for (record, outcome) in records.iter().zip(outcomes) {
            let deleted = match outcome.map_err(SqlError::from) {
                Err(error) if error.kind == Kind::VersionConflict => {
                    self.delete_again(call, &table, selection, record).await?
                }
                other => other?,
            };
            count += i64::from(deleted);
            if deleted && delete.returning.is_some() {
                gone.push((Row::new(), record.clone()));
            }
        }
        match &delete.returning {
            Some(items) => returned(&table, items, &gone, call),
            None => Ok(Outcome::Count(count)),
        }
    }

    /// Deletes a record that was changed meanwhile, if the condition still holds.
    async fn delete_again(
        &self,
        call: &Call<'_>,
        table: &Table,
        selection: Option<&Expr>,
        old: &Record,
    ) -> Result<bool> {
        let (place, bins) = (table.place(), selection.map_or(Bins::All, bins_for));
        for _ in 0..ATTEMPTS {
            let Some(fresh) = self.records.get(&place, &old.digest, &bins).await? else {
                return Ok(false);
            };
            let record = Record { key: fresh.key.or_else(|| old.key.clone()), ..fresh };
            if !holds(call, table, selection, &record)? {
                return Ok(false);
            }
            match self
                .records
                .delete(&place, &record.digest, Some(record.generation))
                .await
                .map_err(SqlError::from)
            {
                Err(error) if error.kind == Kind::VersionConflict => {}
                other => return other,
            }
        }
        Err(SqlError::new(Kind::VersionConflict, "the record is changed by too many at the same time"))
    }

    /// The records for which a condition holds now: by their keys, by a scan, or by the engine.
    async fn matching(
        &self,
        call: &Call<'_>,
        table: &Table,
        selection: Option<&Expr>,
        bins: Bins,
    ) -> Result<Vec<Record>> {
        let place = table.place();
        if let Some(named) = key::digests(table, selection, call.args, &call.moment)? {
            let digests: Vec<_> = named.iter().map(|(digest, _)| *digest).collect();
            let found = self.records.get_many(&place, &digests, &bins).await?;
            let mut records = Vec::new();
            for record in key::with_keys(found, &named) {
                if holds(call, table, selection, &record)? {
                    records.push(record);
                }
            }
            return Ok(records);
        }
        let filter =
            selection.map(|selection| super::push::filter(table, selection, call.args)).unwrap_or_default();
        let partitions = (0..PARTITION_COUNT).collect();
        let scan = Scan {
            place,
            partitions,
            bins,
            rows: None,
            groups: Vec::new(),
            along: Vec::new(),
            filter,
            max_records: 0,
        };
        let mut stream = self.records.scan(scan);
        let mut records = Vec::new();
        while let Some(bunch) = stream.records().await {
            for record in bunch? {
                if holds(call, table, selection, &record)? {
                    records.push(record);
                }
            }
        }
        Ok(records)
    }

    /// Applies a change until it is written, or the condition no longer holds.
    async fn persist(&self, call: &Call<'_>, change: &Change<'_>, record: &Record) -> Result<Option<Record>> {
        let mut record = record.clone();
        let bins = change.bins();
        for _ in 0..ATTEMPTS {
            match self.apply(call, change, &record).await {
                Err(error) if error.kind == Kind::VersionConflict => {}
                other => return other,
            }
            match self.records.get(&change.table.place(), &record.digest, &bins).await? {
                Some(fresh) => record = Record { key: fresh.key.or(record.key), ..fresh },
                None => return Ok(None),
            }
        }
        Err(SqlError::new(Kind::VersionConflict, "the record is changed by too many at the same time"))
    }

    /// Changes one record if the condition holds for it; the record as it is now.
    ///
    /// # Errors
    /// [`Kind::VersionConflict`] when somebody was faster: nothing was written then.
    pub(super) async fn apply(
        &self,
        call: &Call<'_>,
        change: &Change<'_>,
        record: &Record,
    ) -> Result<Option<Record>> {
        let Change { table, sets, selection, excluded } = *change;
        let lookup = |path: &[String], of_excluded: bool| {
            if of_excluded {
                excluded_value(table, excluded, path)
            } else {
                record_value(table, record, path)
            }
        };
        let env = Env { args: call.args, moment: &call.moment, lookup: &lookup };
        if let Some(selection) = selection
            && !env.holds(selection)?
        {
            return Ok(None);
        }
        let mut row = Row::new();
        for column in &table.columns {
            let value = table.value_in(record, std::slice::from_ref(&column.name));
            if !value.is_null() {
                row.insert(column.name.clone(), value);
            }
        }
        let before = row.clone();
        for (path, expr) in sets {
            let value = env.eval(expr)?;
            if let Some((name, rest)) = path.split_first() {
                row.entry(name.clone()).or_default().put(rest, value);
            }
        }
        let generated = table.columns.iter().filter(|column| column.generated.is_some());
        generated.for_each(|column| drop(row.remove(&column.name)));
        let mut added = Vec::new();
        Rules::of(table)?.for_update().complete(table, &mut row, &call.moment, &mut added)?;
        self.add_columns(table, &added).await?;
        let mut bins: Vec<(String, Value)> = row
            .iter()
            .filter(|(name, value)| before.get(*name) != Some(value))
            .map(|(name, value)| (bin_name(name), value.clone()))
            .collect();
        let left = row.values().any(|value| !value.is_null());
        if bins.is_empty() || !left {
            // The version counts every update, and a record has a bin at least.
            bins.push(("_".to_owned(), Value::Bool(true)));
        }
        let write = Write {
            digest: record.digest,
            key: record.key.clone(),
            mode: Mode::Update,
            generation: Some(record.generation),
            bins,
        };
        match self.records.write(&table.place(), &write).await.map_err(SqlError::from) {
            Ok(generation) => {
                let mut fresh = record.clone();
                for (name, value) in write.bins {
                    fresh.bins.retain(|(bin, _)| *bin != name);
                    fresh.bins.push((name, value));
                }
                Ok(Some(Record { generation, last_update_ms: None, ..fresh }))
            }
            // It has gone: no row is changed.
            Err(error) if error.message == shipload_wire::ResultCode::NotFound.text() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Whether a condition holds for a record.
fn holds(call: &Call<'_>, table: &Table, selection: Option<&Expr>, record: &Record) -> Result<bool> {
    let Some(selection) = selection else { return Ok(true) };
    let lookup = |path: &[String], _: bool| record_value(table, record, path);
    Env { args: call.args, moment: &call.moment, lookup: &lookup }.holds(selection)
}

fn writable(table: &Table, operation: &str) -> Result<()> {
    if table.kind == TableKind::Base {
        return Ok(());
    }
    let message =
        format!("The relation \"{}\" doesn't support or allow {operation} operations", table.full_name());
    Err(SqlError::new(Kind::RelationOperation, message))
}

/// What `RETURNING` answers.
pub(super) fn returned(
    table: &Table,
    items: &[SelectItem],
    records: &[(Row, Record)],
    call: &Call<'_>,
) -> Result<Outcome> {
    let records: Vec<&Record> = records.iter().map(|(_, record)| record).collect();
    debug_assert!(
        items.iter().all(|item| is_wildcard(item) || alias_of(item).is_some() || !items.is_empty())
    );
    project(table, items, &records, call).map(Outcome::Rows)
}

/// All of these, side by side.
async fn join<T: Send>(all: impl Iterator<Item = impl Future<Output = T> + Send>) -> Vec<T> {
    futures::future::join_all(all).await
}
