//! `INSERT`: rows made records, in one batch.

use super::eval::{Env, no_row};
use super::functions::Moment;
use super::modify::{Change, returned};
use super::row::{Ready, Row, Rules, ready, value_of};
use super::run::{Call, Outcome, Sql};
use crate::catalog::{Column, Policy, Table};
use crate::error::{Kind, Result, SqlError};
use crate::front::{name_of, parts_of};
use crate::records::{Mode, Record, Write};
use crate::value::Value;
use sqlparser::ast::{
    Assignment, AssignmentTarget, Expr, Insert, OnConflictAction, OnInsert, SelectItem, SetExpr, TableObject,
};
use std::sync::Arc;

/// Rows that are written, and counted, at the same time.
const AT_ONCE: usize = 1000;

/// What happens to a row whose key is taken.
pub(super) enum Conflict<'a> {
    Refuse,
    Skip,
    Replace,
    Update(&'a [Assignment], Option<&'a Expr>),
}

impl Conflict<'_> {
    /// Whether a row is needed again once it is written: for what is answered, or for what changes a record that is there.
    fn keeps(&self, wanted: bool) -> bool {
        wanted || matches!(self, Conflict::Update(..))
    }
}

/// Rows on their way in.
pub(super) struct Inserted {
    /// For each row 1, 0 or an error.
    pub(super) outcomes: Vec<Result<i64>>,
    /// The rows as they are now, where the statement wants them.
    pub(super) records: Vec<(Row, Record)>,
}

impl Sql {
    pub(super) async fn insert(&self, call: &Call<'_>, insert: &Insert) -> Result<Outcome> {
        let table = self.insert_table(call, insert).await?;
        let inserted = self.insert_rows(call, insert, &table).await?;
        let mut count = 0;
        for outcome in inserted.outcomes {
            count += outcome?;
        }
        match &insert.returning {
            Some(items) => returned(&table, items, &inserted.records, call),
            None => Ok(Outcome::Count(count)),
        }
    }

    /// The table that a statement inserts into.
    pub(super) async fn insert_table(&self, call: &Call<'_>, insert: &Insert) -> Result<Arc<Table>> {
        let TableObject::TableName(name) = &insert.table else {
            return Err(SqlError::unsupported("INSERT into something that is no table"));
        };
        let (schema, name) = crate::catalog::qualify(&parts_of(name), &call.session.schema)?;
        match self.catalogs.table(&schema, &name).await {
            Err(error) if error.kind == Kind::UnknownRelation => {
                let Some(namespace) = self
                    .catalogs
                    .namespace_of(&schema)
                    .await?
                    .filter(|_| schema != crate::catalog::DEFAULT_SCHEMA)
                else {
                    return Err(error);
                };
                // A schema that shows a namespace takes any set.
                self.catalogs.forget_sets();
                Ok(Arc::new(Table {
                    schema,
                    name: name.clone(),
                    namespace,
                    set: name,
                    key: vec!["_id".to_owned()],
                    policy: Policy::Dynamic,
                    discovered: true,
                    ..Table::default()
                }))
            }
            other => other,
        }
    }

    pub(super) async fn insert_rows(
        &self,
        call: &Call<'_>,
        insert: &Insert,
        table: &Arc<Table>,
    ) -> Result<Inserted> {
        if table.kind != crate::catalog::Kind::Base {
            let message =
                format!("The relation \"{}\" doesn't support or allow INSERT operations", table.full_name());
            return Err(SqlError::new(Kind::RelationOperation, message));
        }
        let columns: Vec<String> = if insert.columns.is_empty() {
            table.columns.iter().map(|column| column.name.clone()).collect()
        } else {
            insert.columns.iter().filter_map(|name| parts_of(name).pop()).collect()
        };
        for column in &columns {
            if table.column(column).is_none() && table.policy == Policy::Strict && column != "_id" {
                return Err(SqlError::unknown_column(column));
            }
        }
        let mut rows: Vec<Row> = Vec::new();
        for values in self.source_rows(call, insert).await? {
            if values.len() > columns.len() {
                let message = format!(
                    "Invalid number of values: expected at most {} but got {}",
                    columns.len(),
                    values.len()
                );
                return Err(SqlError::new(Kind::Analysis, message));
            }
            rows.push(columns.iter().cloned().zip(values).collect());
        }
        let (conflict, wanted) = (conflict_of(insert)?, insert.returning.is_some());
        let mut prepared = self.prepare(call, table, rows, conflict.keeps(wanted)).await?.into_iter();
        let mut inserted = Inserted { outcomes: Vec::with_capacity(prepared.len()), records: Vec::new() };
        while prepared.len() > 0 {
            let bunch: Vec<_> = prepared.by_ref().take(AT_ONCE).collect();
            let written = self.write_rows(call, table, bunch, &conflict, wanted).await?;
            call.job.progress.add_rows(written.outcomes.len());
            inserted.outcomes.extend(written.outcomes);
            inserted.records.extend(written.records);
        }
        Ok(inserted)
    }

    /// Completes rows and writes them; each ends for itself.
    pub(super) async fn put_rows(
        &self,
        call: &Call<'_>,
        table: &Table,
        rows: Vec<Row>,
        conflict: &Conflict<'_>,
        wanted: bool,
    ) -> Result<Inserted> {
        let prepared = self.prepare(call, table, rows, conflict.keeps(wanted)).await?;
        self.write_rows(call, table, prepared, conflict, wanted).await
    }

    /// Completes rows, which stay with their records if they are kept; what is wrong with one is its own.
    async fn prepare(
        &self,
        call: &Call<'_>,
        table: &Table,
        rows: Vec<Row>,
        keeps: bool,
    ) -> Result<Vec<Result<Ready>>> {
        let rules = Rules::of(table)?;
        let mut added = Vec::new();
        let mut prepare = |mut row: Row| {
            rules.complete(table, &mut row, &call.moment, &mut added).and_then(|()| ready(table, row, keeps))
        };
        let prepared: Vec<Result<Ready>> = rows.into_iter().map(&mut prepare).collect();
        self.add_columns(table, &added).await?;
        Ok(prepared)
    }

    async fn source_rows(&self, call: &Call<'_>, insert: &Insert) -> Result<Vec<Vec<Value>>> {
        let Some(source) = &insert.source else {
            return Ok(vec![Vec::new()]);
        };
        if let SetExpr::Values(values) = source.body.as_ref()
            && source.order_by.is_none()
            && source.limit_clause.is_none()
        {
            let env = Env { args: call.args, moment: &call.moment, lookup: &no_row };
            let rows = values
                .rows
                .iter()
                .map(|row| row.content.iter().map(|expr| env.eval(expr)).collect::<Result<Vec<_>>>());
            match rows.collect::<Result<Vec<_>>>() {
                Err(error) if error.is_unsupported() && self.engine.is_some() => {}
                other => return other,
            }
        }
        Ok(self.query(call, source).await?.rows)
    }

    /// Adds columns that came into being to a dynamic table.
    pub(super) async fn add_columns(&self, table: &Table, added: &[Column]) -> Result<()> {
        if added.is_empty() {
            return Ok(());
        }
        let name = (table.schema.clone(), table.name.clone());
        self.catalogs
            .change(|tables| {
                if let Some(table) = tables.get_mut(&name) {
                    let table = Arc::make_mut(table);
                    for column in added {
                        if table.column(&column.name).is_none() {
                            table.columns.push(column.clone());
                        }
                    }
                }
                Ok(())
            })
            .await
    }

    async fn write_rows(
        &self,
        call: &Call<'_>,
        table: &Table,
        mut prepared: Vec<Result<Ready>>,
        conflict: &Conflict<'_>,
        wanted: bool,
    ) -> Result<Inserted> {
        let mode = if matches!(conflict, Conflict::Replace) { Mode::Replace } else { Mode::Create };
        let again = conflict.keeps(wanted);
        let write = |one: &mut Ready| {
            let Ready { digest, key, bins, .. } = if again { one.clone() } else { std::mem::take(one) };
            Write { digest, key: Some(key), mode, generation: None, bins }
        };
        let writes: Vec<Write> = prepared.iter_mut().flatten().map(write).collect();
        let place = table.place();
        let written = match writes.as_slice() {
            [one] => vec![self.records.write(&place, one).await],
            many => self.records.write_many(&place, many).await,
        };
        let mut written = written.into_iter();
        let mut inserted = Inserted { outcomes: Vec::with_capacity(prepared.len()), records: Vec::new() };
        for one in prepared {
            let one = match one {
                Ok(one) => one,
                Err(error) => {
                    inserted.outcomes.push(Err(error));
                    continue;
                }
            };
            let result = written.next().unwrap_or(Ok(0)).map_err(SqlError::from);
            let outcome = match (result, conflict) {
                (Err(error), Conflict::Skip) if error.kind == Kind::DuplicateKey => Ok((0, None)),
                (Err(error), Conflict::Update(sets, selection)) if error.kind == Kind::DuplicateKey => {
                    let sets = assignments(sets)?;
                    let change =
                        Change { table, sets: &sets, selection: *selection, excluded: Some(&one.row) };
                    let record = self.upsert(call, &change, &one).await;
                    record.map(|record| (i64::from(record.is_some()), record))
                }
                (Err(error), _) if error.kind == Kind::DuplicateKey => {
                    let message = "A document with the same primary key exists already";
                    Err(SqlError::new(Kind::DuplicateKey, message))
                }
                (Err(error), _) => Err(error),
                (Ok(generation), _) => Ok((1, wanted.then(|| record_of(&one, generation)))),
            };
            inserted.outcomes.push(outcome.map(|(count, record)| {
                if let Some(record) = record.filter(|_| wanted) {
                    inserted.records.push((one.row.clone(), record));
                }
                count
            }));
        }
        Ok(inserted)
    }

    /// Changes the record that has the key already, or inserts after all when it has gone meanwhile.
    async fn upsert(&self, call: &Call<'_>, change: &Change<'_>, one: &Ready) -> Result<Option<Record>> {
        const ATTEMPTS: u32 = 100;
        for _ in 0..ATTEMPTS {
            let place = change.table.place();
            let Some(record) = self.records.get(&place, &one.digest, &change.bins()).await? else {
                let write = Write {
                    digest: one.digest,
                    key: Some(one.key.clone()),
                    mode: Mode::Create,
                    generation: None,
                    bins: one.bins.clone(),
                };
                match self.records.write(&place, &write).await.map_err(SqlError::from) {
                    Ok(generation) => return Ok(Some(record_of(one, generation))),
                    Err(error) if error.kind == Kind::DuplicateKey => continue,
                    Err(error) => return Err(error),
                }
            };
            let record = Record { key: record.key.or_else(|| Some(one.key.clone())), ..record };
            match self.apply(call, change, &record).await {
                Err(error) if error.kind == Kind::VersionConflict => {}
                other => return other,
            }
        }
        Err(SqlError::new(Kind::VersionConflict, "the record is changed by too many at the same time"))
    }
}

fn record_of(one: &Ready, generation: u32) -> Record {
    Record {
        digest: one.digest,
        key: Some(one.key.clone()),
        bins: one.bins.clone(),
        generation,
        void_time: 0,
        last_update_ms: None,
    }
}

fn conflict_of(insert: &Insert) -> Result<Conflict<'_>> {
    match &insert.on {
        None => Ok(Conflict::Refuse),
        Some(OnInsert::OnConflict(on)) => Ok(match &on.action {
            OnConflictAction::DoNothing => Conflict::Skip,
            OnConflictAction::DoUpdate(update) => {
                Conflict::Update(&update.assignments, update.selection.as_ref())
            }
        }),
        Some(_) => Err(SqlError::unsupported("ON DUPLICATE KEY UPDATE; ON CONFLICT DO UPDATE does the same")),
    }
}

fn assignments(sets: &[Assignment]) -> Result<Vec<(Vec<String>, Expr)>> {
    let one = |set: &Assignment| match &set.target {
        AssignmentTarget::ColumnName(name) => {
            let column = parts_of(name).pop().unwrap_or_default();
            Ok((vec![column], set.value.clone()))
        }
        AssignmentTarget::Tuple(_) => Err(SqlError::unsupported("SET with several columns at once")),
    };
    sets.iter().map(one).collect()
}

/// The value of a column of a row that was to be inserted.
pub(super) fn excluded_value(table: &Table, row: Option<&Row>, path: &[String]) -> Result<Value> {
    row.map_or(Ok(Value::Null), |row| value_of(table, row, path))
}

/// Whether an item is a wildcard.
pub(super) fn is_wildcard(item: &SelectItem) -> bool {
    matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..))
}

/// The name that an item gets by `AS`.
pub(super) fn alias_of(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(name_of(alias)),
        _ => None,
    }
}

/// Time and names for the statement that runs.
pub(crate) fn moment_of(session: &crate::session::Session) -> Moment {
    Moment { now_ms: crate::jobs::now_ms(), user: session.user.clone(), schema: session.schema.clone() }
}
