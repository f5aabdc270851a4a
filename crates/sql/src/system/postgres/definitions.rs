//! How keys, indexes and views are defined, for the engine's functions that tell it.

use super::keys::of_table;
use super::table_oid;
use crate::catalog::Kind as TableKind;
use crate::error::Result;
use crate::execute::Sql;
use crate::front::quoted_where_needed;
use std::collections::BTreeMap;

/// How things of the catalogue are defined, by their oids.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Definitions {
    indexes: BTreeMap<i64, (String, Vec<String>)>,
    constraints: BTreeMap<i64, String>,
    views: BTreeMap<i64, String>,
}

impl Definitions {
    /// As of now.
    ///
    /// # Errors
    /// When a node does not answer.
    pub(crate) async fn now(sql: &Sql) -> Result<Definitions> {
        let mut all = Definitions::default();
        for table in sql.catalogs.all().await? {
            if let Some(query) = table.query.as_ref().filter(|_| table.kind == TableKind::View) {
                all.views.insert(table_oid(&table), query.clone());
            }
            for key in of_table(sql, &table).await {
                let columns: Vec<String> =
                    key.columns.iter().map(|(_, name)| quoted_where_needed(name)).collect();
                let (unique, list) = (if key.primary { "UNIQUE " } else { "" }, columns.join(", "));
                let (schema, name) = (quoted_where_needed(&table.schema), quoted_where_needed(&table.name));
                let text = format!(
                    "CREATE {unique}INDEX {} ON {schema}.{name} USING btree ({list})",
                    quoted_where_needed(&key.name)
                );
                all.indexes.insert(key.oid, (text, columns));
                if key.primary {
                    all.constraints.insert(key.oid, format!("PRIMARY KEY ({list})"));
                }
            }
        }
        Ok(all)
    }

    /// What a function for definitions gives for its arguments.
    pub(crate) fn text(&self, function: &str, args: &[Option<String>]) -> Option<String> {
        let number = |place: usize| args.get(place)?.as_deref()?.parse::<i64>().ok();
        let oid = number(0)?;
        match function {
            "pg_get_indexdef" => {
                let (text, columns) = self.indexes.get(&oid)?;
                match number(1).filter(|place| *place > 0) {
                    Some(place) => columns.get(usize::try_from(place - 1).ok()?).cloned(),
                    None => Some(text.clone()),
                }
            }
            "pg_get_constraintdef" => self.constraints.get(&oid).cloned(),
            "pg_get_viewdef" => self.views.get(&oid).cloned(),
            _ => None,
        }
    }
}
