//! Tables as they are defined, and what `ALTER TABLE` makes of them.

use super::functions::Moment;
use crate::catalog::{Column, Kind as TableKind, Policy, SYSTEM_SCHEMAS, Table, qualify};
use crate::column_type::Type;
use crate::error::{Kind, Result, SqlError};
use crate::front::ddl::{AlterTable, ColumnSpec, CreateTable, WithOption, literal};
use crate::value::cast::type_of;

/// Shards that are shown when nothing was said.
pub(super) const SHARDS: u32 = 6;
const SHARDS_MAX: u32 = 4096;
/// Names that only describe how Crate stores, without effect here.
const STORED_OPTIONS: [&str; 4] = ["refresh_interval", "codec", "store.type", "blobs_path"];

pub(super) fn check_name(schema: &str, name: &str) -> Result<()> {
    if SYSTEM_SCHEMAS.contains(&schema) {
        return Err(SqlError::new(
            Kind::Validation,
            format!("Cannot create relation in read-only schema: {schema}"),
        ));
    }
    let bad = name.starts_with('_')
        || name.is_empty()
        || name.len() > 63
        || name.contains(['.', ';', ':', '/', '\\', '"']);
    if bad || schema.contains([';', ':', '/']) {
        return Err(SqlError::new(
            Kind::RelationName,
            format!("Relation name \"{schema}.{name}\" is invalid."),
        ));
    }
    Ok(())
}

/// The table that a definition describes.
pub(super) fn build(
    spec: &CreateTable,
    schema: String,
    name: String,
    namespace: String,
    set: String,
    moment: &Moment,
) -> Result<Table> {
    let mut table =
        Table { schema, name, namespace, set, shards: spec.shards.unwrap_or(SHARDS), ..Table::default() };
    table.replicas = "0-1".to_owned();
    if table.shards == 0 || table.shards > SHARDS_MAX {
        return Err(SqlError::new(Kind::Validation, "num_shards in CLUSTERED clause must be greater than 0"));
    }
    if spec.blob {
        table.kind = TableKind::Blob;
        table.columns =
            vec![Column::new("digest", &Type::Text), Column::new("last_modified", &Type::TimestampTz)];
        table.key = vec!["digest".to_owned()];
    }
    for column in &spec.columns {
        if table.column(&column.name).is_some() {
            return Err(SqlError::new(
                Kind::Validation,
                format!("column \"{}\" specified more than once", column.name),
            ));
        }
        let made = build_column(column, moment, &table)?;
        table.columns.push(made);
        let number = table.checks.len();
        for (place, (name, check)) in column.checks.iter().enumerate() {
            let name = name
                .clone()
                .unwrap_or_else(|| format!("{}_{}_check_{}", table.name, column.name, number + place));
            table.checks.push((name, check.to_string()));
        }
    }
    for (place, (name, check)) in spec.checks.iter().enumerate() {
        table.checks.push((
            name.clone().unwrap_or_else(|| format!("{}_check_{place}", table.name)),
            check.to_string(),
        ));
    }
    if !spec.blob {
        table.key = key_of(spec, &table)?;
    }
    if let Some(name) = spec.clustered_by.iter().find(|name| table.key.as_slice() != [(*name).clone()]) {
        return Err(SqlError::unsupported(format!(
            "CLUSTERED BY ({name}): rows are placed by their whole key"
        )));
    }
    for name in &spec.partitioned_by {
        if table.column(name).is_none() {
            return Err(SqlError::unknown_column(name));
        }
        let keyed = spec.columns.iter().any(|column| column.primary_key) || !spec.primary_key.is_empty();
        if keyed && !table.key.contains(name) {
            let message = format!(
                "Cannot use non primary key column '{name}' in PARTITIONED BY clause if primary key is set on table"
            );
            return Err(SqlError::new(Kind::Validation, message));
        }
    }
    table.partitioned_by.clone_from(&spec.partitioned_by);
    set_options(&mut table, &spec.options)?;
    Ok(table)
}

fn key_of(spec: &CreateTable, table: &Table) -> Result<Vec<String>> {
    let marked = spec.columns.iter().filter(|column| column.primary_key).map(|column| column.name.clone());
    let key: Vec<String> =
        if spec.primary_key.is_empty() { marked.collect() } else { spec.primary_key.clone() };
    for name in &key {
        let column = table.column(name).ok_or_else(|| SqlError::unknown_column(name))?;
        let ty = column.ty();
        if matches!(ty, Type::Object | Type::Array(_) | Type::Bool | Type::GeoPoint | Type::GeoShape) {
            return Err(SqlError::unsupported(format!("Cannot use columns of type \"{ty}\" as primary key")));
        }
    }
    Ok(if key.is_empty() { vec!["_id".to_owned()] } else { key })
}

fn build_column(spec: &ColumnSpec, moment: &Moment, table: &Table) -> Result<Column> {
    if spec.name.starts_with('_') && spec.name.len() > 1 || spec.name.is_empty() || spec.name.len() > 255 {
        let message = format!("\"{}\" conflicts with system column pattern", spec.name);
        return Err(SqlError::new(Kind::ColumnName, message));
    }
    let mut column = Column::new(spec.name.clone(), &spec.ty);
    if let Some(policy) = &spec.policy {
        let unknown = || {
            SqlError::new(Kind::Validation, format!("Invalid value for argument 'column_policy': {policy}"))
        };
        column.policy = Policy::parse(policy).ok_or_else(unknown)?;
    }
    column.not_null = spec.not_null;
    column.default = spec.default.as_ref().map(ToString::to_string);
    column.generated = spec.generated.as_ref().map(ToString::to_string);
    if let Some(expr) = spec.generated.as_ref().filter(|_| spec.ty == Type::Null) {
        // The type of what it gives for a row of nulls; a cast or a moment says it.
        let ty = match expr {
            sqlparser::ast::Expr::Cast { data_type, .. } => Type::of_ast(data_type)?,
            sqlparser::ast::Expr::Function(call)
                if call.to_string().to_lowercase().starts_with("date_trunc") =>
            {
                Type::TimestampTz
            }
            other => {
                let lookup = |path: &[String], _: bool| Ok(sample(&table.type_at(path).unwrap_or_default()));
                let env = super::eval::Env { args: &[], moment, lookup: &lookup };
                env.eval(other).map_or(Type::Text, |value| type_of(&value))
            }
        };
        column.set_ty(&ty);
    }
    column.children =
        spec.children.iter().map(|child| build_column(child, moment, table)).collect::<Result<_>>()?;
    Ok(column)
}

/// Some value of a type.
fn sample(ty: &Type) -> crate::Value {
    match ty {
        Type::Double | Type::Real => crate::Value::Double(1.0),
        Type::Bool => crate::Value::Bool(true),
        ty if ty.is_whole() => crate::Value::Int(1),
        _ => crate::Value::text("1"),
    }
}

/// Options of `WITH`; `number_of_replicas` and `column_policy` have a meaning, others are kept or refused.
fn set_options(table: &mut Table, options: &[WithOption]) -> Result<()> {
    for (name, value) in options {
        let value = literal(value)?;
        match name.as_str() {
            "number_of_replicas" => table.replicas = value,
            "column_policy" => {
                let unknown = || {
                    SqlError::new(
                        Kind::Validation,
                        format!("Invalid value for argument 'column_policy': {value}"),
                    )
                };
                table.policy =
                    Policy::parse(&value).filter(|policy| *policy != Policy::Ignored).ok_or_else(unknown)?;
            }
            "number_of_shards" => table.shards = value.parse().unwrap_or(table.shards),
            known if STORED_OPTIONS.contains(&known) || known.contains('.') => {
                table.settings.insert(name.clone(), value);
            }
            _ => {
                return Err(SqlError::new(
                    Kind::Validation,
                    format!("Invalid property \"{name}\" passed to [ALTER | CREATE] TABLE statement"),
                ));
            }
        }
    }
    Ok(())
}

pub(super) fn alter(table: &mut Table, change: &AlterTable, current: &str) -> Result<()> {
    let moment = Moment { now_ms: 0, user: String::new(), schema: current.to_owned() };
    match change {
        AlterTable::Set(options) => set_options(table, options),
        AlterTable::Reset(names) => {
            for name in names {
                match name.as_str() {
                    "number_of_replicas" => table.replicas = "0-1".to_owned(),
                    "column_policy" => table.policy = Policy::Strict,
                    other => drop(table.settings.remove(other)),
                }
            }
            Ok(())
        }
        AlterTable::Add(specs) => {
            for spec in specs {
                if table.column(&spec.name).is_some() {
                    let message =
                        format!("The table {} already has a column named {}", table.full_name(), spec.name);
                    return Err(SqlError::new(Kind::Validation, message));
                }
                let column = build_column(spec, &moment, table)?;
                table.columns.push(column);
            }
            Ok(())
        }
        AlterTable::DropColumn(name) => {
            if table.key.contains(name) {
                return Err(SqlError::unsupported(format!(
                    "Dropping column: {name} which is part of the PRIMARY KEY is not allowed"
                )));
            }
            let before = table.columns.len();
            table.columns.retain(|column| column.name != *name);
            if before == table.columns.len() { Err(SqlError::unknown_column(name)) } else { Ok(()) }
        }
        AlterTable::RenameColumn(old, _) => Err(SqlError::unsupported(format!(
            "RENAME COLUMN {old}: columns are bins, which keep their names"
        ))),
        AlterTable::RenameTo(name) => {
            let (_, name) = qualify(name, current)?;
            check_name(&table.schema, &name)?;
            table.name = name;
            Ok(())
        }
        AlterTable::DropConstraint(name) => {
            let before = table.checks.len();
            table.checks.retain(|(check, _)| check != name);
            if before == table.checks.len() {
                let message = format!("Cannot find a constraint named {name}");
                return Err(SqlError::new(Kind::Validation, message));
            }
            Ok(())
        }
    }
}
