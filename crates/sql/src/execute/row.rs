//! Rows on their way into a table: defaults, generated columns, types, checks.

use super::eval::{Env, no_row};
use super::functions::Moment;
use crate::catalog::{BIN_NAME_MAX, Column, Policy, Table, bin_name};
use crate::column_type::Type;
use crate::error::{Kind, Result, SqlError};
use crate::front::{parse_expr, show_path};
use crate::records::Digest;
use crate::value::Value;
use crate::value::cast::{cast, type_of};
use sqlparser::ast::Expr;
use std::collections::BTreeMap;

/// Longest name of a column that comes into being by itself.
const NAME_MAX: usize = 255;

/// What a table asks of its rows, ready to be evaluated.
pub(super) struct Rules {
    defaults: Vec<(String, Expr)>,
    generated: Vec<(String, Expr)>,
    checks: Vec<(String, String, Expr)>,
    /// The type of each column, in their order.
    types: Vec<Type>,
}

/// Values of a row by column.
pub(super) type Row = BTreeMap<String, Value>;

/// A row that fits its table; without the row itself where nothing asks for it.
#[derive(Debug, Clone, Default)]
pub(super) struct Ready {
    pub(super) digest: Digest,
    pub(super) key: Value,
    pub(super) bins: Vec<(String, Value)>,
    pub(super) row: Row,
}

impl Rules {
    pub(super) fn of(table: &Table) -> Result<Rules> {
        let texts = |of: fn(&Column) -> &Option<String>| {
            let given = table
                .columns
                .iter()
                .filter_map(move |column| Some((column.name.clone(), of(column).as_ref()?)));
            given.map(|(name, text)| Ok((name, parse_expr(text)?))).collect::<Result<Vec<_>>>()
        };
        let checks =
            table.checks.iter().map(|(name, text)| Ok((name.clone(), text.clone(), parse_expr(text)?)));
        Ok(Rules {
            defaults: texts(|column| &column.default)?,
            generated: texts(|column| &column.generated)?,
            checks: checks.collect::<Result<_>>()?,
            types: table.columns.iter().map(Column::ty).collect(),
        })
    }

    /// The same for a row that exists: nothing that was left out is filled in.
    pub(super) fn for_update(mut self) -> Rules {
        self.defaults.clear();
        self
    }

    /// Fills in what is missing, and checks all. New columns of dynamic tables are put into `added`.
    pub(super) fn complete(
        &self,
        table: &Table,
        row: &mut Row,
        moment: &Moment,
        added: &mut Vec<Column>,
    ) -> Result<()> {
        let env = Env { args: &[], moment, lookup: &no_row };
        for (name, expr) in &self.defaults {
            if !row.contains_key(name) {
                row.insert(name.clone(), env.eval(expr)?);
            }
        }
        fit_all(table, &self.types, row, added)?;
        for (name, expr) in &self.generated {
            let given = row.remove(name).filter(|value| !value.is_null());
            let made = over(table, row, moment).and_then(|value| value.eval(expr))?;
            let ty = table.column(name).map(Column::ty).unwrap_or_default();
            let made = cast(made, &ty)?;
            if given.is_some_and(|given| given != made) {
                let message =
                    format!("Given value for generated column {name} does not match calculation {expr}");
                return Err(SqlError::new(Kind::Validation, message));
            }
            row.insert(name.clone(), made);
        }
        for column in
            table.columns.iter().filter(|column| column.not_null || table.key.contains(&column.name))
        {
            if row.get(&column.name).is_none_or(Value::is_null) {
                let message = format!("\"{}\" must not be null", column.name);
                return Err(SqlError::new(Kind::Validation, message));
            }
        }
        for (name, text, expr) in &self.checks {
            if over(table, row, moment)?.eval(expr)? == Value::Bool(false) {
                let message = format!("Failed CONSTRAINT {name} CHECK ({text}) for values: {}", shown(row));
                return Err(SqlError::new(Kind::Validation, message));
            }
        }
        Ok(())
    }
}

/// An environment over a row of values.
fn over<'a>(table: &'a Table, row: &'a Row, moment: &'a Moment) -> Result<OwnedEnv<'a>> {
    Ok(OwnedEnv { table, row, moment })
}

struct OwnedEnv<'a> {
    table: &'a Table,
    row: &'a Row,
    moment: &'a Moment,
}

impl OwnedEnv<'_> {
    fn eval(&self, expr: &Expr) -> Result<Value> {
        let lookup = |path: &[String], _: bool| value_of(self.table, self.row, path);
        Env { args: &[], moment: self.moment, lookup: &lookup }.eval(expr)
    }
}

/// The value of a path in a row of values.
pub(super) fn value_of(table: &Table, row: &Row, path: &[String]) -> Result<Value> {
    let Some((name, rest)) = path.split_first() else { return Ok(Value::Null) };
    match row.get(name) {
        Some(value) => Ok(value.at(rest)),
        None if table.column(name).is_some() || table.policy == Policy::Dynamic => Ok(Value::Null),
        None => Err(SqlError::unknown_column(&show_path(path))),
    }
}

fn shown(row: &Row) -> String {
    let pairs: Vec<String> =
        row.iter().map(|(name, value)| format!("{name}={}", crate::value::json::to_json(value))).collect();
    format!("{{{}}}", pairs.join(", "))
}

/// Casts every value to its column.
fn fit_all(table: &Table, types: &[Type], row: &mut Row, added: &mut Vec<Column>) -> Result<()> {
    for (name, value) in row.iter_mut() {
        if name == "_id" {
            continue;
        }
        let declared = table.columns.iter().zip(types).find(|(column, _)| column.name == *name);
        let fitted = match declared {
            Some((column, ty)) => fit((column, ty), std::mem::take(value), std::slice::from_ref(name))?,
            None if table.policy == Policy::Strict => {
                return Err(SqlError::unknown_column(name));
            }
            None => {
                if name.len() > NAME_MAX || name.starts_with('_') {
                    return Err(SqlError::new(
                        Kind::ColumnName,
                        format!("\"{name}\" can't be the name of a column"),
                    ));
                }
                if !table.discovered && table.policy == Policy::Dynamic && !value.is_null() {
                    let ty = type_of(value);
                    added.push(Column::new(name.clone(), &ty));
                }
                std::mem::take(value)
            }
        };
        *value = fitted;
    }
    Ok(())
}

/// Casts a value, and the members of an object, to what the column says.
fn fit((column, ty): (&Column, &Type), value: Value, path: &[String]) -> Result<Value> {
    let wrong = |error: SqlError| {
        let message = format!("Cannot cast value for column `{}`: {}", show_path(path), error.message);
        SqlError::new(error.kind, message)
    };
    match (cast(value, ty).map_err(wrong)?, ty) {
        (Value::Map(pairs), Type::Object) => members(column, pairs, path),
        (Value::List(items), Type::Array(inner)) if **inner == Type::Object => {
            let one = |item| match item {
                Value::Map(pairs) => members(column, pairs, path),
                other => Ok(other),
            };
            items.into_iter().map(one).collect::<Result<_>>().map(Value::List)
        }
        (value, _) => Ok(value),
    }
}

fn members(column: &Column, pairs: Vec<(String, Value)>, path: &[String]) -> Result<Value> {
    let mut fitted = Vec::with_capacity(pairs.len());
    for (name, value) in pairs {
        let path = [path, std::slice::from_ref(&name)].concat();
        let value = match column.children.iter().find(|child| child.name == name) {
            Some(child) => fit((child, &child.ty()), value, &path)?,
            None if column.policy == Policy::Strict && !column.children.is_empty() => {
                return Err(SqlError::unknown_column(&show_path(&path)));
            }
            None => value,
        };
        fitted.push((name, value));
    }
    let missing = column
        .children
        .iter()
        .find(|child| child.not_null && fitted.iter().all(|(name, _)| *name != child.name));
    if let Some(child) = missing {
        let path = [path, std::slice::from_ref(&child.name)].concat();
        return Err(SqlError::new(Kind::Validation, format!("\"{}\" must not be null", show_path(&path))));
    }
    Ok(Value::Map(fitted))
}

/// The record of a row that has been completed, and the row if it is kept.
pub(super) fn ready(table: &Table, mut row: Row, keeps: bool) -> Result<Ready> {
    let id = row.remove("_id");
    let key = if table.key.iter().any(|name| name != "_id") {
        let values: Vec<Value> =
            table.key.iter().map(|name| row.get(name).cloned().unwrap_or_default()).collect();
        table.user_key(&values)
    } else {
        Some(
            id.filter(|id| !id.is_null())
                .unwrap_or_else(|| Value::Text(uuid::Uuid::new_v4().simple().to_string())),
        )
    };
    let refused = || SqlError::new(Kind::Validation, "the primary key has a value that can't be a key");
    let key = key.ok_or_else(refused)?;
    let digest = table.digest(&key).ok_or_else(refused)?;
    let kept = if keeps { row.clone() } else { Row::new() };
    let bin = |name: String| if name.len() <= BIN_NAME_MAX { name } else { bin_name(&name) };
    let stored = row.into_iter().filter(|(_, value)| !value.is_null());
    let mut bins: Vec<(String, Value)> = stored.map(|(name, value)| (bin(name), value)).collect();
    if bins.is_empty() {
        // A record has a bin at least; this one has no column.
        bins.push(("_".to_owned(), Value::Bool(true)));
    }
    Ok(Ready { digest, key, bins, row: kept })
}
