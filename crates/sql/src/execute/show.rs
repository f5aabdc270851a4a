//! `SHOW`, and the texts by which tables are made.

use super::like::like;
use super::run::{Call, Outcome, RowSet, Sql};
use crate::catalog::{Column, Policy, Table, qualify};
use crate::column_type::Type;
use crate::error::{Kind, Result, SqlError};
use crate::front::quoted;
use crate::front::statement::Show;
use crate::session::DEFAULTS;
use crate::value::Value;
use std::collections::BTreeSet;

impl Sql {
    pub(super) async fn show(&self, call: &Call<'_>, show: &Show) -> Result<Outcome> {
        match show {
            Show::CreateTable(name) => {
                let (schema, name) = qualify(name, &call.session.schema)?;
                let table = self.catalogs.table(&schema, &name).await?;
                let title = format!("SHOW CREATE TABLE {schema}.{name}");
                Ok(one_column(&title, vec![create_table_text(&table)]))
            }
            Show::Setting(Some(name)) => {
                let value = call.session.setting(name);
                let missing =
                    || SqlError::new(Kind::Validation, format!("Unknown session setting name '{name}'."));
                Ok(one_column(name, vec![value.ok_or_else(missing)?]))
            }
            Show::Setting(None) => {
                let columns =
                    ["name", "setting", "description"].map(|name| (name.to_owned(), Type::Text)).to_vec();
                let rows = DEFAULTS.iter().map(|(name, _, text)| {
                    let value = call.session.setting(name).unwrap_or_default();
                    vec![Value::text(*name), Value::Text(value), Value::text(*text)]
                });
                Ok(Outcome::Rows(RowSet { columns, rows: rows.collect() }))
            }
            Show::Tables(schema, pattern) => {
                let all = self.catalogs.all().await?;
                let wanted = |table: &&std::sync::Arc<Table>| match schema {
                    Some(schema) => table.schema == *schema,
                    None => true,
                };
                let names = all.iter().filter(wanted).map(|table| table.name.clone());
                Ok(one_column("table_name", names.filter(|name| fits(name, pattern.as_ref())).collect()))
            }
            Show::Schemas(pattern) => {
                let names = self.schemas().await?;
                Ok(one_column(
                    "schema_name",
                    names.into_iter().filter(|name| fits(name, pattern.as_ref())).collect(),
                ))
            }
            Show::Columns(name) => {
                let (schema, name) = qualify(name, &call.session.schema)?;
                let table = self.catalogs.table(&schema, &name).await?;
                let columns = ["column_name", "data_type"].map(|name| (name.to_owned(), Type::Text)).to_vec();
                let row =
                    |column: &Column| vec![Value::text(&column.name), Value::Text(column.ty().to_string())];
                Ok(Outcome::Rows(RowSet { columns, rows: table.columns.iter().map(row).collect() }))
            }
        }
    }

    /// The names of all schemas.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn schemas(&self) -> Result<BTreeSet<String>> {
        let mut names: BTreeSet<String> =
            ["blob", "doc", "information_schema", "pg_catalog", "sys"].map(str::to_owned).into();
        names.extend(self.catalogs.namespaces().await?.into_iter().skip(1));
        names.extend(self.catalogs.now().await?.tables.keys().map(|(schema, _)| schema.clone()));
        Ok(names)
    }
}

fn fits(name: &str, pattern: Option<&String>) -> bool {
    pattern.is_none_or(|pattern| like(name, pattern, false, None))
}

fn one_column(title: &str, values: Vec<String>) -> Outcome {
    let rows = values.into_iter().map(|value| vec![Value::Text(value)]).collect();
    Outcome::Rows(RowSet { columns: vec![(title.to_owned(), Type::Text)], rows })
}

/// The statement that makes a table like this.
#[must_use]
pub(crate) fn create_table_text(table: &Table) -> String {
    let mut parts: Vec<String> =
        table.columns.iter().map(|column| format!("   {}", column_text(column, 1))).collect();
    let key: Vec<String> = table.key.iter().filter(|name| *name != "_id").map(|name| quoted(name)).collect();
    if !key.is_empty() {
        parts.push(format!("   PRIMARY KEY ({})", key.join(", ")));
    }
    parts.extend(
        table.checks.iter().map(|(name, text)| format!("   CONSTRAINT {} CHECK ({text})", quoted(name))),
    );
    let mut text = format!(
        "CREATE TABLE IF NOT EXISTS {}.{} (\n{}\n)\n",
        quoted(&table.schema),
        quoted(&table.name),
        parts.join(",\n")
    );
    if let [key] = key.as_slice() {
        text.push_str(&format!("CLUSTERED BY ({key}) INTO {} SHARDS\n", table.shards));
    } else {
        text.push_str(&format!("CLUSTERED INTO {} SHARDS\n", table.shards));
    }
    if !table.partitioned_by.is_empty() {
        let names: Vec<String> = table.partitioned_by.iter().map(|name| quoted(name)).collect();
        text.push_str(&format!("PARTITIONED BY ({})\n", names.join(", ")));
    }
    let mut options = vec![
        format!("   column_policy = '{}'", table.policy.name()),
        format!("   number_of_replicas = '{}'", table.replicas),
    ];
    options.extend(table.settings.iter().map(|(name, value)| format!("   \"{name}\" = '{value}'")));
    text.push_str(&format!("WITH (\n{}\n)", options.join(",\n")));
    text
}

fn column_text(column: &Column, depth: usize) -> String {
    let indent = "   ".repeat(depth);
    let ty = column.ty();
    let object = |array: bool| {
        let policy = match column.policy {
            Policy::Strict => "STRICT",
            Policy::Dynamic => "DYNAMIC",
            Policy::Ignored => "IGNORED",
        };
        let children: Vec<String> = column
            .children
            .iter()
            .map(|child| format!("{indent}   {}", column_text(child, depth + 1)))
            .collect();
        let members = if children.is_empty() {
            String::new()
        } else {
            format!(" AS (\n{}\n{indent})", children.join(",\n"))
        };
        let text = format!("OBJECT({policy}){members}");
        if array { format!("ARRAY({text})") } else { text }
    };
    let shown = match &ty {
        Type::Object => object(false),
        Type::Array(inner) if **inner == Type::Object => object(true),
        Type::Array(inner) => format!("ARRAY({})", inner.to_string().to_uppercase()),
        other => other.to_string().to_uppercase(),
    };
    let mut text = format!("{} {shown}", quoted(&column.name));
    if let Some(default) = &column.default {
        text.push_str(&format!(" DEFAULT {default}"));
    }
    if let Some(generated) = &column.generated {
        text.push_str(&format!(" GENERATED ALWAYS AS {generated}"));
    }
    if column.not_null {
        text.push_str(" NOT NULL");
    }
    text
}
