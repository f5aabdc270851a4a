//! A statement as the engine can plan it: paths made names, arguments made literals, types made the engine's.

use crate::column_type::Type;
use crate::error::{Kind, Result, SqlError};
use crate::front::{function_name, path_of, show_path, title};
use crate::session::Session;
use crate::system::{CRATE_VERSION, PRODUCT_VERSION};
use crate::value::{Value, json};
use sqlparser::ast::{
    AccessExpr, ArrayElemTypeDef, BinaryOperator, CastKind, DataType, ExactNumberInfo, Expr, Function,
    FunctionArguments, Ident, ObjectName, ObjectNamePart, Query, SelectItem, SetExpr, TableFactor,
    TimezoneInfo, Value as AstValue, ValueWithSpan, VisitMut, VisitorMut,
};
use std::collections::BTreeSet;
use std::ops::ControlFlow;

mod catalogue;

pub(super) use catalogue::DEFINITIONS;

/// What a rewritten query is, besides itself.
#[derive(Debug, Default)]
pub(super) struct Rewritten {
    /// Titles of the columns that have made-up names, by these names.
    pub(super) titles: Vec<(String, String)>,
    /// Paths and plain names of columns that the query mentions.
    pub(super) mentioned: BTreeSet<Vec<String>>,
    /// Whether it asks how indexes, constraints or views are defined.
    pub(super) defines: bool,
}

/// Makes a query what the engine can plan.
///
/// # Errors
/// An argument that is missing, a type that is not known.
pub(super) fn rewrite(query: &mut Query, session: &Session, args: &[Value]) -> Result<Rewritten> {
    let mut done = Rewritten::default();
    entitle(&mut query.body, &mut done.titles);
    let mut work = Rewriter { session, args, mentioned: BTreeSet::new(), defines: false };
    if let ControlFlow::Break(error) = VisitMut::visit(query, &mut work) {
        return Err(error);
    }
    (done.mentioned, done.defines) = (work.mentioned, work.defines);
    Ok(done)
}

/// Gives each expression of the outermost select list a name of its own, so that titles may be alike.
fn entitle(body: &mut SetExpr, titles: &mut Vec<(String, String)>) {
    match body {
        SetExpr::Select(select) => {
            let mut seen: BTreeSet<String> = BTreeSet::new();
            let starred = select.projection.iter().any(|item| title::title(item).is_none());
            for (place, item) in select.projection.iter_mut().enumerate() {
                let Some(shown) = title::title(item) else { continue };
                let fresh = seen.insert(shown.clone());
                let made = match item {
                    SelectItem::UnnamedExpr(expr)
                        if path_of(expr).is_some_and(|path| path.len() == 1) && fresh && !starred =>
                    {
                        continue;
                    }
                    SelectItem::UnnamedExpr(expr) => expr.clone(),
                    SelectItem::ExprWithAlias { expr, .. } if !fresh => expr.clone(),
                    _ => continue,
                };
                let name = format!("__c{place}");
                *item = SelectItem::ExprWithAlias { expr: made, alias: Ident::with_quote('"', name.clone()) };
                titles.push((name, shown));
            }
        }
        SetExpr::Query(query) => entitle(&mut query.body, titles),
        SetExpr::SetOperation { left, .. } => entitle(left, titles),
        _ => {}
    }
}

struct Rewriter<'a> {
    session: &'a Session,
    args: &'a [Value],
    mentioned: BTreeSet<Vec<String>>,
    defines: bool,
}

impl VisitorMut for Rewriter<'_> {
    type Break = SqlError;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<SqlError> {
        catalogue::relation(factor);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        match self.expr(expr) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

impl Rewriter<'_> {
    /// Whether an item is null, written so or as an argument.
    fn is_null(&self, item: &Expr) -> bool {
        let Expr::Value(ValueWithSpan { value, .. }) = item else { return false };
        match value {
            AstValue::Null => true,
            AstValue::Placeholder(name) => {
                let number = name.strip_prefix('$').and_then(|digits| digits.parse::<usize>().ok());
                let value = number.and_then(|number| self.args.get(number.checked_sub(1)?));
                value.is_some_and(Value::is_null)
            }
            _ => false,
        }
    }

    /// Puts null beside a list instead of into it: the engine puts lists together as if null were a value like others.
    fn null_apart(&self, expr: &mut Expr) {
        let Expr::InList { list, negated, .. } = expr else { return };
        list.retain(|item| !self.is_null(item));
        let op = if *negated { BinaryOperator::And } else { BinaryOperator::Or };
        let right = Box::new(Expr::value(AstValue::Null));
        *expr = if list.is_empty() {
            *right
        } else {
            let left = Box::new(expr.clone());
            Expr::Nested(Box::new(Expr::BinaryOp { left, op, right }))
        };
    }

    fn expr(&mut self, expr: &mut Expr) -> Result<()> {
        if let Some(known) = catalogue::expression(expr, self.session) {
            *expr = known;
        }
        if let Some(path) = path_of(expr) {
            return self.path(expr, &path);
        }
        match expr {
            Expr::Value(ValueWithSpan { value: AstValue::Placeholder(name), .. }) => {
                let number = name.strip_prefix('$').and_then(|digits| digits.parse::<usize>().ok());
                let value =
                    number.and_then(|number| self.args.get(number.checked_sub(1)?)).ok_or_else(|| {
                        SqlError::new(Kind::Validation, format!("there is no argument for parameter {name}"))
                    })?;
                *expr = literal(value);
            }
            Expr::Cast { data_type, expr: inner, kind, .. } => {
                let name = data_type.to_string().to_lowercase();
                let name = name.trim_start_matches("pg_catalog.");
                if matches!(name, "regclass" | "regproc" | "regtype" | "regnamespace") {
                    *expr = catalogue::named(inner, name).unwrap_or_else(|| inner.as_ref().clone());
                    return self.expr(expr);
                }
                *data_type = stock(&Type::of_ast(data_type)?);
                if *kind == CastKind::SafeCast {
                    *kind = CastKind::TryCast;
                }
            }
            Expr::InList { list, .. } if list.iter().any(|item| self.is_null(item)) => self.null_apart(expr),
            Expr::Subquery(query) if is_empty(query) => *expr = Expr::value(AstValue::Null),
            Expr::Collate { expr: inner, .. } => {
                *expr = inner.as_ref().clone();
                return self.expr(expr);
            }
            Expr::BinaryOp { op, .. } => {
                if let BinaryOperator::PGCustomBinaryOperator(parts) = op {
                    *op = match parts.last().map(String::as_str) {
                        Some("~") => BinaryOperator::PGRegexMatch,
                        Some("~*") => BinaryOperator::PGRegexIMatch,
                        Some("!~") => BinaryOperator::PGRegexNotMatch,
                        Some("!~*") => BinaryOperator::PGRegexNotIMatch,
                        Some("=") => BinaryOperator::Eq,
                        _ => return Err(SqlError::unsupported(format!("Unsupported operator {op}"))),
                    };
                }
            }
            Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } => {
                // = ANY over an array; over a subquery it stays what it is.
                if let Expr::Value(ValueWithSpan { value: AstValue::Placeholder(_), .. }) = right.as_mut() {
                    self.expr(right)?;
                }
                if let Expr::Array(array) = right.as_mut() {
                    let list = std::mem::take(&mut array.elem);
                    *expr = Expr::InList { expr: left.clone(), list, negated: false };
                }
            }
            Expr::Function(function) => {
                if let Some(value) = self.constant(function)?.or_else(|| modulo(function)) {
                    *expr = value;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A column: its path becomes one name, after the table's name where there was one.
    fn path(&mut self, expr: &mut Expr, path: &[String]) -> Result<()> {
        if let Expr::Identifier(ident) = expr
            && ident.quote_style.is_none()
        {
            let word = ident.value.to_lowercase();
            if let Some(value) = self.word(&word) {
                *expr = value;
                return Ok(());
            }
        }
        self.mentioned.insert(path.to_owned());
        if path.len() == 1 {
            // A schema before the table's name is dropped: the table is known by its own name.
            if let Expr::CompoundIdentifier(parts) = expr
                && parts.len() > 2
            {
                let keep = parts.split_off(parts.len() - 2);
                *parts = keep;
            }
            return Ok(());
        }
        let column = Ident::with_quote('"', show_path(path));
        *expr = match qualifier(expr) {
            Some(table) => Expr::CompoundIdentifier(vec![table, column]),
            None => Expr::Identifier(column),
        };
        Ok(())
    }

    fn word(&self, word: &str) -> Option<Expr> {
        match word {
            "current_user" | "session_user" => Some(text(&self.session.user)),
            "current_schema" => Some(text(&self.session.schema)),
            "current_catalog" => Some(text("crate")),
            _ => None,
        }
    }

    /// Functions that are the same for a whole statement.
    fn constant(&mut self, function: &mut Function) -> Result<Option<Expr>> {
        let name = function_name(function);
        self.defines |= DEFINITIONS.contains(&name.as_str());
        if function.name.0.len() > 1 {
            function.name = ObjectName(vec![ObjectNamePart::Identifier(Ident::new(name.clone()))]);
        }
        let bare = match &function.args {
            FunctionArguments::None => true,
            FunctionArguments::List(list) => list.args.is_empty(),
            FunctionArguments::Subquery(_) => false,
        };
        let renamed = match name.as_str() {
            "gen_random_text_uuid" | "gen_random_uuid" => Some("uuid"),
            "variance" => Some("var_pop"),
            "arbitrary" | "any_value" => Some("first_value"),
            "string_agg" => None,
            "curdate" => Some("current_date"),
            "sign" => Some("signum"),
            "collect_set" => Some("array_agg"),
            _ => None,
        };
        if let Some(renamed) = renamed {
            function.name = ObjectName(vec![ObjectNamePart::Identifier(Ident::new(renamed))]);
        }
        Ok(match name.as_str() {
            "current_user" | "session_user" | "current_schema" | "current_catalog" if bare => {
                self.word(&name)
            }
            "current_database" if bare => Some(text("crate")),
            "version" if bare => Some(text(&format!(
                "PostgreSQL 14.0 compatible, Shipload {PRODUCT_VERSION}, dialect of CrateDB {CRATE_VERSION}"
            ))),
            "pg_backend_pid" if bare => Some(Expr::value(AstValue::Number("1".to_owned(), false))),
            "_object" => Some(self.object(function)?),
            // Only the catalogue's queries ask so; there is nothing in these arrays.
            "array" if matches!(function.args, FunctionArguments::Subquery(_)) => {
                Some(Expr::value(AstValue::Null))
            }
            _ => None,
        })
    }

    /// An object literal of constants, as the text that objects are here.
    fn object(&self, function: &Function) -> Result<Expr> {
        let moment = crate::execute::eval_moment(self.session);
        let env = crate::execute::eval::Env {
            args: self.args,
            moment: &moment,
            lookup: &crate::execute::eval::no_row,
        };
        let value = env.eval(&Expr::Function(function.clone()))?;
        Ok(text(&json::to_json(&value).to_string()))
    }
}

/// Whether a subquery reads a table of the catalogue that never has a row.
fn is_empty(query: &Query) -> bool {
    let SetExpr::Select(select) = query.body.as_ref() else { return false };
    select.from.iter().any(|from| match &from.relation {
        TableFactor::Table { name, .. } => {
            let name = crate::front::parts_of(name).pop().unwrap_or_default();
            ["pg_collation", "pg_description", "pg_shdescription"].contains(&name.as_str())
        }
        _ => false,
    })
}

/// `mod(a, b)` as the operator that it is.
fn modulo(function: &Function) -> Option<Expr> {
    use sqlparser::ast::{FunctionArg, FunctionArgExpr};
    let FunctionArguments::List(list) = &function.args else { return None };
    let [
        FunctionArg::Unnamed(FunctionArgExpr::Expr(left)),
        FunctionArg::Unnamed(FunctionArgExpr::Expr(right)),
    ] = list.args.as_slice()
    else {
        return None;
    };
    if !function.name.to_string().eq_ignore_ascii_case("mod") {
        return None;
    }
    let (left, right) = (Box::new(left.clone()), Box::new(right.clone()));
    Some(Expr::Nested(Box::new(Expr::BinaryOp { left, op: BinaryOperator::Modulo, right })))
}

/// The name of the table before a path.
fn qualifier(expr: &Expr) -> Option<Ident> {
    match expr {
        Expr::CompoundIdentifier(parts) => {
            parts.len().checked_sub(2).and_then(|place| parts.get(place)).cloned()
        }
        Expr::Nested(inner) => qualifier(inner),
        Expr::CompoundFieldAccess { root, access_chain } => {
            let mut dots = access_chain.iter().filter_map(|access| match access {
                AccessExpr::Dot(Expr::Identifier(ident)) => Some(ident),
                _ => None,
            });
            match (root.as_ref(), dots.next()) {
                (Expr::Identifier(table), Some(_)) => Some(table.clone()),
                (root, _) => qualifier(root),
            }
        }
        _ => None,
    }
}

fn text(text: &str) -> Expr {
    Expr::value(AstValue::SingleQuotedString(text.to_owned()))
}

/// A value as it would be written.
pub(super) fn literal(value: &Value) -> Expr {
    match value {
        Value::Null => Expr::value(AstValue::Null),
        Value::Bool(value) => Expr::value(AstValue::Boolean(*value)),
        Value::Int(number) if *number < 0 => Expr::Cast {
            kind: CastKind::Cast,
            expr: Box::new(text(&number.to_string())),
            data_type: DataType::BigInt(None),
            format: None,
            array: false,
        },
        Value::Int(number) => Expr::value(AstValue::Number(number.to_string(), false)),
        Value::Double(number) => Expr::Cast {
            kind: CastKind::Cast,
            expr: Box::new(text(&number.to_string())),
            data_type: DataType::Double(ExactNumberInfo::None),
            format: None,
            array: false,
        },
        Value::Text(content) | Value::Geo(content) => text(content),
        Value::List(items) => {
            Expr::Array(sqlparser::ast::Array { elem: items.iter().map(literal).collect(), named: false })
        }
        Value::Map(_) | Value::Blob(_) => text(&crate::value::cast::text(value)),
    }
}

/// Our type by the name that the engine knows.
fn stock(ty: &Type) -> DataType {
    match ty {
        Type::Bool => DataType::Boolean,
        Type::Byte => DataType::TinyInt(None),
        Type::Short => DataType::SmallInt(None),
        Type::Int => DataType::Int(None),
        Type::Long => DataType::BigInt(None),
        Type::Real => DataType::Real,
        Type::Double => DataType::DoublePrecision,
        Type::TimestampTz | Type::Timestamp => DataType::Timestamp(Some(3), TimezoneInfo::None),
        Type::Date => DataType::Date,
        Type::Numeric(precision, scale) => {
            DataType::Numeric(ExactNumberInfo::PrecisionAndScale(u64::from(*precision), i64::from(*scale)))
        }
        Type::Interval => DataType::Interval { fields: None, precision: None },
        Type::Array(inner) => DataType::Array(ArrayElemTypeDef::SquareBracket(Box::new(stock(inner)), None)),
        _ => DataType::Varchar(None),
    }
}
