//! Secondary indexes made and dropped. The nodes keep them; other doors see the same ones.

use super::run::{Call, Outcome, Sql};
use crate::catalog::{Column, Kind as TableKind, SetIndex, bin_name, qualify};
use crate::column_type::Type;
use crate::error::{Kind, Result, SqlError};
use std::time::Duration;
use tokio::time::sleep;

/// How often is looked whether an index is complete.
const PAUSE: Duration = Duration::from_millis(20);
/// How long the name of an index may be.
const NAME_MAX: usize = 63;

impl Sql {
    /// Makes an index of one column, and waits until it is complete here.
    pub(super) async fn create_index(
        &self,
        call: &Call<'_>,
        (name, if_not_exists): (&[String], bool),
        table: &[String],
        columns: &[Vec<String>],
    ) -> Result<Outcome> {
        let name = plain_name(name)?;
        let (schema, table) = qualify(table, &call.session.schema)?;
        let table = self.catalogs.table(&schema, &table).await?;
        if table.kind != TableKind::Base || table.discovered {
            let message = format!("The relation \"{}\" can't have an index", table.full_name());
            return Err(SqlError::new(Kind::RelationOperation, message));
        }
        let [column] = columns else { return Err(SqlError::unsupported("an index of several columns")) };
        let [column] = column.as_slice() else {
            return Err(SqlError::unsupported("an index of a member of an object"));
        };
        let known = || SqlError::unknown_column(column);
        let numeric = match table.column(column).map(Column::ty).ok_or_else(known)? {
            ty if ty.is_whole() => true,
            Type::Text => false,
            other => return Err(SqlError::unsupported(format!("an index of a column of type {other}"))),
        };
        if self.index_named(name).await?.is_some() {
            if if_not_exists {
                return Ok(Outcome::Count(0));
            }
            return Err(SqlError::new(Kind::RelationExists, format!("Index '{name}' already exists.")));
        }
        let (namespace, set) = (table.namespace.clone(), table.set.clone());
        let bin = bin_name(column);
        let index = SetIndex { name: name.to_owned(), namespace, set, bin, numeric, ready: false };
        self.catalogs.create_index(&index).await?;
        // Other nodes may need longer: until then they read without it.
        while self.index_named(name).await?.is_some_and(|index| !index.ready) {
            sleep(PAUSE).await;
        }
        Ok(Outcome::Count(1))
    }

    /// Drops indexes by their names.
    pub(super) async fn drop_indexes(&self, names: &[Vec<String>], if_exists: bool) -> Result<Outcome> {
        for name in names {
            let name = plain_name(name)?;
            match self.index_named(name).await? {
                Some(index) => self.catalogs.drop_index(&index).await?,
                None if if_exists => {}
                None => return Err(SqlError::unknown_relation(name)),
            }
        }
        Ok(Outcome::Count(0))
    }

    async fn index_named(&self, name: &str) -> Result<Option<SetIndex>> {
        let all = self.catalogs.all_indexes(true).await?;
        Ok(all.iter().find(|index| index.name == name).cloned())
    }
}

/// The name of an index; schemas do not part them.
fn plain_name(name: &[String]) -> Result<&str> {
    let last = name.last().map(String::as_str).unwrap_or_default();
    let good = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '$' | '.');
    if last.is_empty() || last.len() > NAME_MAX || !last.chars().all(good) {
        let message = format!(
            "\"{last}\" can't be the name of an index: up to {NAME_MAX} letters, digits, _, -, $ and ."
        );
        return Err(SqlError::new(Kind::RelationName, message));
    }
    Ok(last)
}
