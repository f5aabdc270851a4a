//! Tables made, changed and dropped.

use super::definition::{SHARDS, alter, build, check_name};
use super::functions::Moment;
use super::run::{Call, Outcome, Sql};
use crate::catalog::{
    BLOB_SCHEMA, Column, DEFAULT_SCHEMA, Kind as TableKind, SYSTEM_SCHEMAS, Table, qualify,
};
use crate::column_type::Type;
use crate::error::{Kind, Result, SqlError};
use crate::front::ddl::{AlterTable, CreateTable};
use crate::records::To;
use sqlparser::ast::Query;
use std::sync::Arc;

impl Sql {
    pub(super) async fn create_table(&self, call: &Call<'_>, spec: &CreateTable) -> Result<Outcome> {
        let current = if spec.blob { BLOB_SCHEMA } else { &call.session.schema };
        let (schema, name) = qualify(&spec.name, current)?;
        check_name(&schema, &name)?;
        let (namespace, set) = self.home(&schema, &name).await?;
        let table = build(spec, schema, name, namespace, set, &call.moment)?;
        let made = self.add_table(table, spec.if_not_exists, false).await?;
        Ok(Outcome::Count(i64::from(made)))
    }

    /// Namespace and set of a new table.
    async fn home(&self, schema: &str, name: &str) -> Result<(String, String)> {
        if let Some(namespace) = self.catalogs.namespace_of(schema).await? {
            return Ok((namespace, name.to_owned()));
        }
        // A schema that is no namespace is a part of the default one.
        let namespace = self.catalogs.namespace_of(DEFAULT_SCHEMA).await?.unwrap_or_default();
        let set = format!("{schema}.{name}");
        if set.len() > 63 {
            return Err(SqlError::new(
                Kind::RelationName,
                format!("Relation name \"{set}\" is too long: at most 63 bytes"),
            ));
        }
        Ok((namespace, set))
    }

    async fn add_table(&self, table: Table, if_not_exists: bool, replace: bool) -> Result<bool> {
        let key = (table.schema.clone(), table.name.clone());
        let table = Arc::new(table);
        self.catalogs
            .change(|tables| {
                match tables.get(&key) {
                    Some(old) if replace && old.kind == TableKind::View => {}
                    Some(_) if if_not_exists => return Ok(false),
                    Some(_) => {
                        let message = format!("Relation '{}' already exists.", table.full_name());
                        return Err(SqlError::new(Kind::RelationExists, message));
                    }
                    None => {}
                }
                tables.insert(key.clone(), Arc::clone(&table));
                Ok(true)
            })
            .await
    }

    pub(super) async fn create_table_as(
        &self,
        call: &Call<'_>,
        name: &[String],
        if_not_exists: bool,
        query: &Query,
    ) -> Result<Outcome> {
        let (schema, name) = qualify(name, &call.session.schema)?;
        check_name(&schema, &name)?;
        let rows = self.query(call, query).await?;
        let (namespace, set) = self.home(&schema, &name).await?;
        let columns = rows.columns.iter().map(|(name, ty)| {
            let known = if *ty == Type::Null { Type::Text } else { ty.clone() };
            Column::new(name.clone(), &known)
        });
        let columns = columns.collect();
        let key = vec!["_id".to_owned()];
        let replicas = "0-1".to_owned();
        let table = Table {
            schema,
            name,
            namespace,
            set,
            columns,
            key,
            shards: SHARDS,
            replicas,
            ..Table::default()
        };
        if !self.add_table(table.clone(), if_not_exists, false).await? {
            return Ok(Outcome::Count(0));
        }
        let count = rows.rows.len();
        self.fill(&table, rows.rows, &call.moment).await?;
        Ok(Outcome::Count(i64::try_from(count).unwrap_or(i64::MAX)))
    }

    async fn fill(&self, table: &Table, rows: Vec<Vec<crate::Value>>, moment: &Moment) -> Result<()> {
        use crate::records::{Mode, Write};
        let rules = super::row::Rules::of(table)?;
        let mut writes = Vec::with_capacity(rows.len());
        for values in rows {
            let mut row = table.columns.iter().map(|column| column.name.clone()).zip(values).collect();
            rules.complete(table, &mut row, moment, &mut Vec::new())?;
            let ready = super::row::ready(table, row, false)?;
            let (digest, key, bins) = (ready.digest, Some(ready.key), ready.bins);
            writes.push(Write { digest, key, mode: Mode::Create, generation: None, bins });
        }
        for outcome in self.records.write_many(&table.place(), &writes).await {
            outcome?;
        }
        Ok(())
    }

    pub(super) async fn create_view(
        &self,
        call: &Call<'_>,
        name: &[String],
        or_replace: bool,
        query: &Query,
    ) -> Result<Outcome> {
        let (schema, name) = qualify(name, &call.session.schema)?;
        check_name(&schema, &name)?;
        let shape = self.query(call, query).await?;
        let columns = shape.columns.iter().map(|(name, ty)| Column::new(name.clone(), ty)).collect();
        let table = Table {
            schema,
            name,
            kind: TableKind::View,
            columns,
            query: Some(query.to_string()),
            ..Table::default()
        };
        self.add_table(table, false, or_replace).await?;
        Ok(Outcome::Count(1))
    }

    pub(super) async fn drop_relations(
        &self,
        call: &Call<'_>,
        what: &str,
        if_exists: bool,
        names: &[Vec<String>],
    ) -> Result<Outcome> {
        let mut count = 0;
        for name in names {
            let current = if what == "BLOB TABLE" { BLOB_SCHEMA } else { &call.session.schema };
            let (schema, name) = qualify(name, current)?;
            let table = match self.catalogs.table(&schema, &name).await {
                Ok(table) => table,
                Err(error)
                    if if_exists && matches!(error.kind, Kind::UnknownRelation | Kind::UnknownSchema) =>
                {
                    continue;
                }
                Err(error) => return Err(error),
            };
            let fits = match what {
                "VIEW" => table.kind == TableKind::View,
                "BLOB TABLE" => table.kind == TableKind::Blob,
                _ => table.kind == TableKind::Base,
            };
            if !fits {
                let message = format!(
                    "The relation \"{}\" doesn't support or allow DROP {what} operations",
                    table.full_name()
                );
                return Err(SqlError::new(Kind::RelationOperation, message));
            }
            let key = (schema, name);
            let forgotten = self.catalogs.change(|tables| {
                tables.remove(&key);
                Ok(())
            });
            forgotten.await?;
            if table.kind != TableKind::View {
                for index in self.catalogs.indexes(&table, true).await? {
                    self.catalogs.drop_index(&index).await?;
                }
                self.empty(&table).await?;
            }
            count += 1;
        }
        Ok(Outcome::Count(count))
    }

    /// Removes all records of a table.
    async fn empty(&self, table: &Table) -> Result<()> {
        let mut sets = vec![table.set.clone()];
        if table.kind == TableKind::Blob {
            sets.push(crate::blobs::pieces_of(table).set);
        }
        for set in sets {
            let command = format!("truncate:namespace={};set={set}", table.namespace);
            let answer = self.records.info(&To::Own, &command).await?;
            if !answer.eq_ignore_ascii_case("ok") {
                let message = format!("the records of {} could not be removed: {answer}", table.full_name());
                return Err(SqlError::new(Kind::TaskFailed, message));
            }
        }
        self.catalogs.forget_sets();
        Ok(())
    }

    pub(super) async fn alter_table(
        &self,
        call: &Call<'_>,
        name: &[String],
        change: &AlterTable,
    ) -> Result<Outcome> {
        let (schema, name) = qualify(name, &call.session.schema)?;
        let key = (schema, name);
        let current = call.session.schema.clone();
        self.catalogs
            .change(|tables| {
                let unknown = || SqlError::unknown_relation(&format!("{}.{}", key.0, key.1));
                let mut table = tables.get(&key).cloned().ok_or_else(unknown)?;
                let changed = Arc::make_mut(&mut table);
                alter(changed, change, &current)?;
                let renamed = (changed.schema.clone(), changed.name.clone());
                if renamed != key && tables.contains_key(&renamed) {
                    let message = format!("Relation '{}.{}' already exists.", renamed.0, renamed.1);
                    return Err(SqlError::new(Kind::RelationExists, message));
                }
                tables.remove(&key);
                tables.insert(renamed, table);
                Ok(())
            })
            .await?;
        // As in Crate, the number of rows is not known.
        Ok(Outcome::Count(-1))
    }

    pub(super) async fn check_names(&self, call: &Call<'_>, names: &[Vec<String>]) -> Result<Outcome> {
        for name in names {
            let (schema, name) = qualify(name, &call.session.schema)?;
            if !SYSTEM_SCHEMAS.contains(&schema.as_str()) {
                self.catalogs.table(&schema, &name).await?;
            }
        }
        Ok(Outcome::Count(i64::try_from(names.len()).unwrap_or(i64::MAX)))
    }
}
