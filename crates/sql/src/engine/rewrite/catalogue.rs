//! What only queries of the catalogue say, in words that the engine knows.
//!
//! Drivers take keys apart with `_pg_expandarray`, look names up along `current_schemas`, and compare with `'pg_class'::regclass`;
//! pickers of tables put the search path together anew in each query.

use super::text;
use crate::front::{function_name, name_of, parts_of};
use crate::session::Session;
use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{
    AccessExpr, Array, BinaryOperator, CaseWhen, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentList, FunctionArguments, Ident, ObjectName, ObjectNamePart, Query, Select, SelectItem,
    SetExpr, Subscript, TableFactor, Value as AstValue, ValueWithSpan,
};

/// Oids of PostgreSQL's own tables, by which others refer to them.
const CLASSES: [(&str, u32); 9] = [
    ("pg_type", 1247),
    ("pg_attribute", 1249),
    ("pg_proc", 1255),
    ("pg_class", 1259),
    ("pg_authid", 1260),
    ("pg_database", 1262),
    ("pg_constraint", 2606),
    ("pg_namespace", 2615),
    ("pg_extension", 3079),
];

/// Functions whose answers the catalogue must be read for.
pub(in crate::engine) const DEFINITIONS: [&str; 3] =
    ["pg_get_indexdef", "pg_get_constraintdef", "pg_get_viewdef"];

/// An expression in other words; none when it needs none.
pub(super) fn expression(expr: &Expr, session: &Session) -> Option<Expr> {
    match expr {
        Expr::CompoundFieldAccess { root, access_chain } => match access_chain.as_slice() {
            [AccessExpr::Dot(Expr::Identifier(member))] => expanded(root, &member.value.to_lowercase()),
            [AccessExpr::Subscript(Subscript::Index { index })] => {
                let names = texts(root, session)?;
                let place = number(index)?.checked_sub(1)?;
                Some(names.get(place).map_or_else(null, |name| text(name)))
            }
            _ => None,
        },
        Expr::Function(function) => call(function, session),
        Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } => {
            listed(left, &texts(right, session)?, false)
        }
        Expr::AllOp { left, compare_op: BinaryOperator::NotEq, right } => {
            listed(left, &texts(right, session)?, true)
        }
        Expr::InSubquery { expr, subquery, negated } if is_search_path(subquery) => {
            listed(expr, std::slice::from_ref(&session.schema), *negated)
        }
        Expr::Subquery(query) => sometimes(query).or_else(|| Some(Expr::Subquery(Box::new(single(query)?)))),
        _ => None,
    }
}

/// A name that is cast to `regclass` or `regproc`, as what columns hold of such names.
pub(super) fn named(inner: &Expr, ty: &str) -> Option<Expr> {
    let name = literal(inner)?;
    let bare = name.strip_prefix("pg_catalog.").unwrap_or(name);
    match ty {
        "regclass" => {
            let (_, oid) = CLASSES.iter().find(|(known, _)| *known == bare)?;
            Some(Expr::value(AstValue::Number(oid.to_string(), false)))
        }
        "regproc" => Some(text(bare)),
        _ => None,
    }
}

/// A table that is made by a function: known without a schema, or a table of the system.
pub(super) fn relation(factor: &mut TableFactor) {
    let TableFactor::Table { name, args, .. } = factor else { return };
    if args.is_none() {
        return;
    }
    let parts = parts_of(name);
    let Some(last) = parts.last() else { return };
    let ident = |name: &str| ObjectNamePart::Identifier(Ident::new(name));
    if last == "pg_get_keywords" {
        *args = None;
        *name = ObjectName(vec![ident("pg_catalog"), ident("pg_keywords")]);
    } else if parts.first().is_some_and(|schema| schema == "pg_catalog") {
        *name = ObjectName(vec![ident(last)]);
    }
}

/// A member of what `_pg_expandarray` gives: `x` is a value, `n` its place.
fn expanded(root: &Expr, member: &str) -> Option<Expr> {
    let inner = bare(root);
    if let Expr::Function(function) = inner {
        return (function_name(function) == "_pg_expandarray").then(|| unnested(function, member));
    }
    let column = match inner {
        Expr::Identifier(ident) => ident,
        Expr::CompoundIdentifier(parts) => parts.last()?,
        _ => return None,
    };
    // Under this name drivers keep what the function gave; the column has the values.
    (column.value.eq_ignore_ascii_case("keys") && member == "x").then(|| inner.clone())
}

/// `_pg_expandarray` as rows of the values, or of their places.
fn unnested(function: &Function, member: &str) -> Expr {
    let inner =
        Function { name: plain(if member == "n" { "_pg_places" } else { "_pg_values" }), ..function.clone() };
    of("unnest", Expr::Function(inner), function)
}

fn call(function: &Function, session: &Session) -> Option<Expr> {
    let name = function_name(function);
    match name.as_str() {
        "_pg_expandarray" => Some(unnested(function, "x")),
        "current_schemas" | "parse_ident" => {
            let names = texts(&Expr::Function(function.clone()), session)?;
            Some(Expr::Array(Array { elem: names.iter().map(|name| text(name)).collect(), named: true }))
        }
        "array_upper" | "array_lower" => {
            let count = texts(argument(function)?, session)?.len();
            let edge = if name == "array_upper" { count } else { 1 };
            Some(Expr::value(AstValue::Number(edge.to_string(), false)))
        }
        "current_setting" => session.setting(literal(argument(function)?)?).map(|value| text(&value)),
        _ => None,
    }
}

/// The texts that an expression is a list of, as far as they are known before the query runs.
fn texts(expr: &Expr, session: &Session) -> Option<Vec<String>> {
    match bare(expr) {
        Expr::Function(function) => match function_name(function).as_str() {
            "current_schemas" => {
                let all = argument(function).is_some_and(|arg| arg.to_string().eq_ignore_ascii_case("true"));
                let implied = all.then(|| "pg_catalog".to_owned());
                Some(implied.into_iter().chain([session.schema.clone()]).collect())
            }
            "parse_ident" => Some(identifiers(literal(argument(function)?)?)),
            _ => None,
        },
        Expr::Cast { expr, data_type, .. } if is_texts(&data_type.to_string()) => {
            let inner = literal(expr)?.strip_prefix('{')?.strip_suffix('}')?;
            let items = inner.split(',').filter(|item| !item.is_empty());
            Some(items.map(|item| item.trim_matches('"').to_owned()).collect())
        }
        _ => None,
    }
}

/// Whether a type is a list of texts.
fn is_texts(ty: &str) -> bool {
    ["text[]", "name[]", "varchar[]"].iter().any(|known| ty.eq_ignore_ascii_case(known))
}

/// The parts of a qualified name.
fn identifiers(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    for c in name.chars() {
        match c {
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            _ => {
                if let Some(part) = parts.last_mut() {
                    part.extend(if quoted { vec![c] } else { c.to_lowercase().collect() });
                }
            }
        }
    }
    parts
}

fn listed(left: &Expr, names: &[String], negated: bool) -> Option<Expr> {
    let list: Vec<Expr> = names.iter().map(|name| text(name)).collect();
    (!list.is_empty()).then(|| Expr::InList { expr: Box::new(left.clone()), list, negated })
}

/// Whether a subquery puts the schemas of the search path together.
fn is_search_path(query: &Query) -> bool {
    let SetExpr::Select(select) = query.body.as_ref() else { return false };
    select.from.iter().any(|from| {
        matches!(&from.relation, TableFactor::Table { name, args: Some(args), .. }
            if name.to_string().eq_ignore_ascii_case("string_to_array")
                && args.args.iter().any(|arg| arg.to_string().to_lowercase().contains("current_setting('search_path')")))
    })
}

/// A subquery for a value of a table of the catalogue that also asks something of the row outside: that is asked before.
fn sometimes(query: &Query) -> Option<Expr> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    let [from] = select.from.as_slice() else { return None };
    let TableFactor::Table { name, alias, args: None, .. } = &from.relation else { return None };
    let table = parts_of(name).pop().filter(|name| name.starts_with("pg_"))?;
    let own = alias.as_ref().map_or(table, |alias| name_of(&alias.name));
    let (mut inside, mut outside) = (Vec::new(), Vec::new());
    for part in conjuncts(select.selection.as_ref()?) {
        let column = match part {
            Expr::CompoundIdentifier(parts) => parts.len().checked_sub(2).and_then(|place| parts.get(place)),
            _ => None,
        };
        let side = if column.is_some_and(|table| name_of(table) != own) { &mut outside } else { &mut inside };
        side.push(part.clone());
    }
    let all = |parts: Vec<Expr>| {
        let and = |left, right| Expr::BinaryOp {
            left: Box::new(left),
            op: BinaryOperator::And,
            right: Box::new(right),
        };
        parts.into_iter().reduce(and)
    };
    let condition = all(outside)?;
    let mut select = select.clone();
    select.selection = all(inside);
    let query = Query { body: Box::new(SetExpr::Select(select)), ..query.clone() };
    let result = Expr::Subquery(Box::new(single(&query).unwrap_or(query)));
    let token = AttachedToken::empty();
    Some(Expr::Case {
        case_token: token.clone(),
        end_token: token,
        operand: None,
        conditions: vec![CaseWhen { condition, result }],
        else_result: None,
    })
}

/// The parts of a condition that must all hold.
fn conjuncts(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            [conjuncts(left), conjuncts(right)].concat()
        }
        other => vec![other],
    }
}

/// A subquery for one value of a table of the catalogue says that there is one: the engine wants to be sure before it runs.
fn single(query: &Query) -> Option<Query> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    let Select { projection, from, selection: Some(_), .. } = select.as_ref() else { return None };
    let ([SelectItem::UnnamedExpr(value)], [from]) = (projection.as_slice(), from.as_slice()) else {
        return None;
    };
    let TableFactor::Table { name, args: None, .. } = &from.relation else { return None };
    let of_catalogue = parts_of(name).last().is_some_and(|name| name.starts_with("pg_"));
    let ungrouped = select.group_by == sqlparser::ast::GroupByExpr::Expressions(Vec::new(), Vec::new());
    if !of_catalogue
        || !from.joins.is_empty()
        || !ungrouped
        || query.limit_clause.is_some()
        || is_measure(value)
    {
        return None;
    }
    let mut select = select.clone();
    let like = Function {
        name: plain("max"),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::None,
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    };
    select.projection = vec![SelectItem::UnnamedExpr(of("max", value.clone(), &like))];
    Some(Query { body: Box::new(SetExpr::Select(select)), ..query.clone() })
}

/// Whether an expression is made of all rows already.
fn is_measure(value: &Expr) -> bool {
    let text = value.to_string().to_lowercase();
    ["max(", "min(", "count(", "sum(", "agg(", "bool_and(", "bool_or("].iter().any(|name| text.contains(name))
}

/// A call of a function with one argument, otherwise like another one.
fn of(name: &str, argument: Expr, like: &Function) -> Expr {
    let args = vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))];
    let args = FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() };
    Expr::Function(Function { name: plain(name), args: FunctionArguments::List(args), ..like.clone() })
}

fn plain(name: &str) -> ObjectName {
    ObjectName(vec![ObjectNamePart::Identifier(Ident::new(name))])
}

/// A function's first argument.
fn argument(function: &Function) -> Option<&Expr> {
    let FunctionArguments::List(list) = &function.args else { return None };
    match list.args.first()? {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    }
}

fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Nested(inner) => bare(inner),
        other => other,
    }
}

fn literal(expr: &Expr) -> Option<&str> {
    match bare(expr) {
        Expr::Value(ValueWithSpan { value: AstValue::SingleQuotedString(text), .. }) => Some(text),
        _ => None,
    }
}

fn number(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Value(ValueWithSpan { value: AstValue::Number(digits, _), .. }) => digits.parse().ok(),
        _ => None,
    }
}

fn null() -> Expr {
    Expr::value(AstValue::Null)
}
