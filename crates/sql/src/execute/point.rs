//! `SELECT` of records named by their keys: no planner, one read each.

use super::eval::Env;
use super::insert::is_wildcard;
use super::key;
use super::run::{Call, RowSet, Sql};
use crate::catalog::{Kind as TableKind, LAST_UPDATE, Table};
use crate::column_type::Type;
use crate::error::{Result, SqlError};
use crate::front::{name_of, parts_of, path_of, show_path, title};
use crate::records::{Bins, Record};
use crate::value::Value;
use crate::value::cast::type_of;
use sqlparser::ast::{
    Expr, GroupByExpr, Ident, LimitClause, Query, Select, SelectItem, SetExpr, TableFactor, Visit,
    visit_expressions,
};
use std::ops::ControlFlow;

impl Sql {
    /// The answer to a query that names its records by their keys; none for any other.
    pub(super) async fn point(&self, call: &Call<'_>, query: &Query) -> Result<Option<RowSet>> {
        let Some((select, name)) = simple(query) else { return Ok(None) };
        let (schema, name) = crate::catalog::qualify(&name, &call.session.schema)?;
        if crate::catalog::SYSTEM_SCHEMAS.contains(&schema.as_str()) || select.selection.is_none() {
            return Ok(None);
        }
        let Ok(table) = self.catalogs.table(&schema, &name).await else { return Ok(None) };
        if table.kind != TableKind::Base {
            return Ok(None);
        }
        let selection = select.selection.as_ref();
        let named = match key::digests(&table, selection, call.args, &call.moment) {
            Ok(Some(named)) => named,
            Ok(None) => return Ok(None),
            Err(error) => return Err(error),
        };
        let digests: Vec<_> = named.iter().map(|(digest, _)| *digest).collect();
        if digests.len() > 1 && query.limit_clause.is_some() {
            return Ok(None);
        }
        let bins = bins_for(query);
        let found = match digests.as_slice() {
            [one] => vec![self.records.get(&table.place(), one, &bins).await?],
            many => self.records.get_many(&table.place(), many, &bins).await?,
        };
        let found = key::with_keys(found, &named);
        let mut records = Vec::new();
        for record in &found {
            let lookup = |path: &[String], _: bool| record_value(&table, record, path);
            let env = Env { args: call.args, moment: &call.moment, lookup: &lookup };
            match selection.map(|selection| env.holds(selection)).transpose() {
                Ok(Some(false)) => {}
                Ok(Some(true) | None) => records.push(record),
                Err(error) if error.is_unsupported() => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        let mut rows = match project(&table, &select.projection, &records, call) {
            Ok(rows) => rows,
            Err(error) if error.is_unsupported() => return Ok(None),
            Err(error) => return Err(error),
        };
        if limit_is_zero(query.limit_clause.as_ref(), call)? {
            rows.rows.clear();
        }
        Ok(Some(rows))
    }
}

impl Sql {
    /// The columns of the answer to a query that names its records by their keys and asks for declared columns only: no
    /// planner either. None for any other, and for one that is wrong: the engine says why.
    pub(super) async fn point_columns(&self, call: &Call<'_>, query: &Query) -> Option<Vec<(String, Type)>> {
        let (select, name) = simple(query)?;
        let plain = |item: &SelectItem| match item {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => path_of(expr).is_some(),
            item => is_wildcard(item),
        };
        if select.selection.is_none() || !select.projection.iter().all(plain) {
            return None;
        }
        let (schema, name) = crate::catalog::qualify(&name, &call.session.schema).ok()?;
        if crate::catalog::SYSTEM_SCHEMAS.contains(&schema.as_str()) {
            return None;
        }
        let table = self.catalogs.table(&schema, &name).await.ok()?;
        if table.kind != TableKind::Base || table.discovered {
            return None;
        }
        key::digests(&table, select.selection.as_ref(), call.args, &call.moment).ok()??;
        let columns = project(&table, &select.projection, &[], call).ok()?.columns;
        columns.iter().all(|(_, ty)| *ty != Type::Null).then_some(columns)
    }
}

/// The select and the table of a query over one table without anything that needs more than a row at a time.
fn simple(query: &Query) -> Option<(&Select, Vec<String>)> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    let plain =
        query.with.is_none() && query.order_by.is_none() && query.fetch.is_none() && query.locks.is_empty();
    let plain =
        plain && select.distinct.is_none() && select.having.is_none() && select.named_window.is_empty();
    let grouped = !matches!(&select.group_by, GroupByExpr::Expressions(all, _) if all.is_empty());
    let [from] = select.from.as_slice() else { return None };
    let TableFactor::Table { name, args: None, sample: None, .. } = &from.relation else { return None };
    let calm = select.projection.iter().all(|item| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => is_calm(expr),
        SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => true,
        SelectItem::ExprWithAliases { .. } => false,
    });
    (plain && !grouped && from.joins.is_empty() && calm).then(|| (select.as_ref(), parts_of(name)))
}

/// Whether an expression certainly holds no aggregate: columns, literals, casts, and arithmetic of these.
fn is_calm(expr: &Expr) -> bool {
    match expr {
        Expr::Identifier(_)
        | Expr::CompoundIdentifier(_)
        | Expr::CompoundFieldAccess { .. }
        | Expr::Value(_) => true,
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } | Expr::UnaryOp { expr: inner, .. } => {
            is_calm(inner)
        }
        Expr::BinaryOp { left, right, .. } => is_calm(left) && is_calm(right),
        _ => false,
    }
}

/// What is to be read of records for a statement or a part of one.
pub(super) fn bins_for(node: &impl Visit) -> Bins {
    let is_it = |name: &Ident| name.value.eq_ignore_ascii_case(LAST_UPDATE);
    let asks = visit_expressions(node, |expr| match expr {
        Expr::Identifier(name) if is_it(name) => ControlFlow::Break(()),
        Expr::CompoundIdentifier(names) if names.iter().any(is_it) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    if asks.is_break() { Bins::AllAndTime } else { Bins::All }
}

fn limit_is_zero(limit: Option<&LimitClause>, call: &Call<'_>) -> Result<bool> {
    let Some(LimitClause::LimitOffset { limit, offset, .. }) = limit else { return Ok(limit.is_some()) };
    let env = Env { args: call.args, moment: &call.moment, lookup: &super::eval::no_row };
    let number = |expr: &Expr| env.eval(expr).map(|value| value.as_int().unwrap_or(i64::MAX));
    let none = limit.as_ref().map(number).transpose()? == Some(0);
    let skipped =
        offset.as_ref().map(|offset| number(&offset.value)).transpose()?.is_some_and(|skip| skip > 0);
    Ok(none || skipped)
}

/// The value of a path in a record; an error for a column that the table does not have.
pub(super) fn record_value(table: &Table, record: &Record, path: &[String]) -> Result<Value> {
    let known = table.discovered || table.type_at(path).is_some();
    // Members that are not described read as null where they may be.
    let loose = path.len() > 1 && path.first().and_then(|first| table.column(first)).is_some();
    if known || loose {
        return Ok(table.value_in(record, path));
    }
    Err(SqlError::unknown_column(&show_path(path)))
}

/// The items of a select list over records.
pub(super) fn project(
    table: &Table,
    items: &[SelectItem],
    records: &[&Record],
    call: &Call<'_>,
) -> Result<RowSet> {
    let mut columns: Vec<(String, Expr)> = Vec::new();
    for item in items {
        match item {
            _ if is_wildcard(item) => columns.extend(table.columns.iter().map(|column| {
                let ident = Ident::with_quote('"', column.name.clone());
                (column.name.clone(), Expr::Identifier(ident))
            })),
            SelectItem::UnnamedExpr(expr) => columns.push((title::of(expr), expr.clone())),
            SelectItem::ExprWithAlias { expr, alias } => columns.push((name_of(alias), expr.clone())),
            other => return Err(SqlError::unsupported(other.to_string())),
        }
    }
    let mut types: Vec<Type> = columns.iter().map(|(_, expr)| declared(table, expr)).collect();
    let mut rows = Vec::with_capacity(records.len());
    for record in records {
        let lookup = |path: &[String], _: bool| record_value(table, record, path);
        let env = Env { args: call.args, moment: &call.moment, lookup: &lookup };
        let row = columns.iter().map(|(_, expr)| env.eval(expr)).collect::<Result<Vec<Value>>>()?;
        for (ty, value) in types.iter_mut().zip(&row) {
            if *ty == Type::Null {
                *ty = type_of(value);
            }
        }
        rows.push(row);
    }
    if records.is_empty() {
        // A column that does not exist is an error, rows or not.
        for path in columns.iter().filter_map(|(_, expr)| path_of(expr)) {
            let absent = Record::default();
            record_value(table, &absent, &path)?;
        }
    }
    Ok(RowSet { columns: columns.into_iter().map(|(name, _)| name).zip(types).collect(), rows })
}

fn declared(table: &Table, expr: &Expr) -> Type {
    match expr {
        Expr::Cast { data_type, .. } => Type::of_ast(data_type).unwrap_or_default(),
        Expr::Nested(inner) => declared(table, inner),
        other => path_of(other).and_then(|path| table.type_at(&path)).unwrap_or_default(),
    }
}
