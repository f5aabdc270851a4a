//! The tables that a query names, made for it.

use super::arrow::{column, field};
use super::kept::Kept;
use super::provider::{From, Part, SetTable};
use super::rewrite::Rewritten;
use crate::catalog::{Kind as TableKind, SYSTEM_SCHEMAS, Table, qualify};
use crate::column_type::Type;
use crate::error::{Kind, Result, SqlError};
use crate::execute::{RowSet, Sql};
use crate::front::{Statement, parse, parts_of, show_path};
use crate::session::Session;
use crate::system;
use crate::value::Value;
use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use sqlparser::ast::{
    ExcludeSelectItem, Ident, ObjectName, ObjectNamePart, Query, SelectItem, SetExpr, Statement as Stock,
    TableAlias, TableFactor, VisitMut, VisitorMut, WildcardAdditionalOptions,
};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

/// Views refer to views at most so deep.
const VIEWS_MAX: usize = 16;

/// Tables by the name under which the engine finds them.
pub(super) type Tables = BTreeMap<String, Arc<dyn TableProvider>>;

/// What tables are read with.
pub(super) struct Means<'a> {
    /// Streams of each scan.
    pub(super) streams: u16,
    /// Columns that are kept.
    pub(super) kept: &'a Arc<Kept>,
    /// The only partitions that are read, where not all are.
    pub(super) among: Option<&'a [u16]>,
}

/// Finds every table that a query names. Names in the query are replaced by those under which the tables are found.
///
/// # Errors
/// A relation that does not exist.
pub(super) async fn resolve(
    sql: &Sql,
    session: &Session,
    query: &mut Query,
    rewritten: &mut Rewritten,
    means: &Means<'_>,
) -> Result<Tables> {
    let mut tables = Tables::new();
    let mut hidden: BTreeSet<String> = BTreeSet::new();
    inline_views(sql, session, query).await?;
    let mut names = Names { session, found: BTreeMap::new(), with: with_names(query) };
    if let ControlFlow::Break(error) = VisitMut::visit(query, &mut names) {
        return Err(error);
    }
    let several = names.found.len() > 1;
    for (engine_name, (schema, name)) in names.found {
        let provider: Arc<dyn TableProvider> = if SYSTEM_SCHEMAS.contains(&schema.as_str()) {
            let rows = system::table(sql, session, &schema, &name).await?;
            memory(&rows, &rewritten.mentioned, &mut hidden)?
        } else {
            let table = sql.catalogs.table(&schema, &name).await?;
            let parts = parts(sql, &table, &rewritten.mentioned, &mut hidden).await?;
            // Only joins want to know, and what may be kept.
            let asked = several || means.kept.may_help(&table.place());
            let rows = if asked { sql.catalogs.rows(&table).await } else { None };
            // Without them a query takes longer, and that is all.
            let indexes = sql.catalogs.indexes(&table, false).await.unwrap_or_default();
            let from = From { records: sql.records.clone(), kept: Arc::clone(means.kept) };
            let table = SetTable::new(table, parts, from, indexes, (means.streams, rows));
            Arc::new(table.among(means.among))
        };
        tables.insert(engine_name, provider);
    }
    if !hidden.is_empty() {
        let mut stars = Stars { hidden: &hidden };
        let _ = VisitMut::visit(query, &mut stars);
    }
    Ok(tables)
}

/// Puts the queries of views where their names stand.
async fn inline_views(sql: &Sql, session: &Session, query: &mut Query) -> Result<()> {
    let catalog = sql.catalogs.now().await?;
    if !catalog.tables.values().any(|table| table.kind == TableKind::View) {
        return Ok(());
    }
    for _ in 0..VIEWS_MAX {
        let mut views = Views { session, catalog: &catalog.tables, replaced: false };
        if let ControlFlow::Break(error) = VisitMut::visit(query, &mut views) {
            return Err(error);
        }
        if !views.replaced {
            return Ok(());
        }
    }
    Err(SqlError::new(Kind::Analysis, "views refer to each other"))
}

struct Views<'a> {
    session: &'a Session,
    catalog: &'a BTreeMap<(String, String), Arc<Table>>,
    replaced: bool,
}

impl VisitorMut for Views<'_> {
    type Break = SqlError;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<SqlError> {
        let TableFactor::Table { name, alias, args: None, .. } = factor else {
            return ControlFlow::Continue(());
        };
        let Ok(key) = qualify(&parts_of(name), &self.session.schema) else {
            return ControlFlow::Continue(());
        };
        let view = self.catalog.get(&key).filter(|table| table.kind == TableKind::View);
        let Some(text) = view.and_then(|view| view.query.as_ref()) else { return ControlFlow::Continue(()) };
        let parsed = match parse(text) {
            Ok(parsed) => parsed.statement,
            Err(error) => return ControlFlow::Break(error),
        };
        let Statement::Stock(stock) = parsed else { return ControlFlow::Continue(()) };
        let Stock::Query(subquery) = *stock else { return ControlFlow::Continue(()) };
        let alias = alias.clone().unwrap_or_else(|| named(&key.1));
        *factor = TableFactor::Derived { lateral: false, subquery, alias: Some(alias), sample: None };
        self.replaced = true;
        ControlFlow::Continue(())
    }
}

fn named(name: &str) -> TableAlias {
    TableAlias { explicit: true, name: Ident::with_quote('"', name), columns: Vec::new(), at: None }
}

/// The names that `WITH` gives, anywhere in a query.
fn with_names(query: &mut Query) -> BTreeSet<String> {
    struct With(BTreeSet<String>);
    impl VisitorMut for With {
        type Break = ();
        fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
            let tables = query.with.iter().flat_map(|with| &with.cte_tables);
            self.0.extend(tables.map(|table| crate::front::name_of(&table.alias.name)));
            ControlFlow::Continue(())
        }
    }
    let mut with = With(BTreeSet::new());
    let _ = VisitMut::visit(query, &mut with);
    with.0
}

/// Collects tables and gives them names without a schema.
struct Names<'a> {
    session: &'a Session,
    found: BTreeMap<String, (String, String)>,
    with: BTreeSet<String>,
}

impl VisitorMut for Names<'_> {
    type Break = SqlError;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<SqlError> {
        let TableFactor::Table { name, alias, args: None, .. } = factor else {
            return ControlFlow::Continue(());
        };
        let parts = parts_of(name);
        if let [one] = parts.as_slice()
            && self.with.contains(one)
        {
            return ControlFlow::Continue(());
        }
        let catalogued = matches!(parts.as_slice(), [one] if one.starts_with("pg_"));
        let (schema, table) =
            match qualify(&parts, if catalogued { "pg_catalog" } else { &self.session.schema }) {
                Ok(found) => found,
                Err(error) => return ControlFlow::Break(error),
            };
        let engine_name = format!("{schema}.{table}");
        *name = ObjectName(vec![ObjectNamePart::Identifier(Ident::with_quote('"', engine_name.clone()))]);
        if alias.is_none() {
            *alias = Some(named(&table));
        }
        self.found.insert(engine_name, (schema, table));
        ControlFlow::Continue(())
    }
}

/// Keeps columns that were only mentioned out of `*`.
struct Stars<'a> {
    hidden: &'a BTreeSet<String>,
}

impl VisitorMut for Stars<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        self.body(&mut query.body);
        ControlFlow::Continue(())
    }
}

impl Stars<'_> {
    fn body(&self, body: &mut SetExpr) {
        match body {
            SetExpr::Select(select) => {
                for item in &mut select.projection {
                    if let SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options) = item {
                        self.exclude(options);
                    }
                }
            }
            SetExpr::SetOperation { left, right, .. } => {
                self.body(left);
                self.body(right);
            }
            _ => {}
        }
    }

    fn exclude(&self, options: &mut WildcardAdditionalOptions) {
        if options.opt_exclude.is_none() {
            let names = self.hidden.iter().map(|name| {
                ObjectName(vec![ObjectNamePart::Identifier(Ident::with_quote('"', name.clone()))])
            });
            options.opt_exclude = Some(ExcludeSelectItem::Multiple(names.collect()));
        }
    }
}

/// The columns of a table for one query: its own, and the paths and system columns that are mentioned.
async fn parts(
    sql: &Sql,
    table: &Arc<Table>,
    mentioned: &BTreeSet<Vec<String>>,
    hidden: &mut BTreeSet<String>,
) -> Result<Vec<Part>> {
    let mut parts: Vec<Part> = table
        .columns
        .iter()
        .map(|column| Part { name: column.name.clone(), path: vec![column.name.clone()], ty: column.ty() })
        .collect();
    let mut described: Option<Arc<Table>> = None;
    for path in mentioned {
        let Some(first) = path.first() else { continue };
        let ty = match (path.len(), table.type_at(path)) {
            (1, Some(ty)) if table.column(first).is_none() => Some(ty),
            (1, _) => None,
            (_, Some(ty)) => Some(ty),
            (_, None) => match table.column(first).map(crate::catalog::Column::ty) {
                Some(Type::Object) => {
                    if described.is_none() {
                        described = Some(sql.catalogs.described(table).await?);
                    }
                    let known = described.as_ref().and_then(|table| table.type_at(path));
                    Some(known.filter(|ty| *ty != Type::Null).unwrap_or(Type::Text))
                }
                Some(Type::Array(inner)) if *inner == Type::Object => Some(Type::array(Type::Text)),
                _ => None,
            },
        };
        if let Some(ty) = ty {
            let name = show_path(path);
            hidden.insert(name.clone());
            parts.push(Part { name, path: path.clone(), ty });
        }
    }
    Ok(parts)
}

/// Rows as a table, with the paths into objects that are mentioned.
fn memory(
    rows: &RowSet,
    mentioned: &BTreeSet<Vec<String>>,
    hidden: &mut BTreeSet<String>,
) -> Result<Arc<dyn TableProvider>> {
    let mut fields: Vec<Field> = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for (place, (name, ty)) in rows.columns.iter().enumerate() {
        let values: Vec<&Value> = rows.rows.iter().filter_map(|row| row.get(place)).collect();
        fields.push(field(name, ty));
        columns.push(column(&values, ty));
        for path in mentioned.iter().filter(|path| path.len() > 1 && path.first() == Some(name)) {
            let inner: Vec<Value> =
                values.iter().map(|value| value.at(path.get(1..).unwrap_or_default())).collect();
            let ty = inner
                .iter()
                .map(crate::value::cast::type_of)
                .find(|ty| *ty != Type::Null)
                .unwrap_or(Type::Long);
            let shown = show_path(path);
            fields.push(field(&shown, &ty));
            columns.push(column(&inner.iter().collect::<Vec<_>>(), &ty));
            hidden.insert(shown);
        }
    }
    let schema = Arc::new(Schema::new(fields));
    let options = RecordBatchOptions::new().with_row_count(Some(rows.rows.len()));
    let failed = |error: &dyn std::fmt::Display| SqlError::new(Kind::Internal, error.to_string());
    let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), columns, &options)
        .map_err(|error| failed(&error))?;
    let table = MemTable::try_new(schema, vec![vec![batch]]).map_err(|error| failed(&error))?;
    Ok(Arc::new(table))
}
