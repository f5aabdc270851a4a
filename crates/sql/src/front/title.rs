//! Titles of result columns: the text of the expression, without the names of tables.

use super::{name_of, path_of, show_path};
use sqlparser::ast::{Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, SelectItem, Value};

/// The title of a column of a result; none for a wildcard.
#[must_use]
pub fn title(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::UnnamedExpr(expr) => Some(of(expr)),
        SelectItem::ExprWithAlias { alias, .. } => Some(name_of(alias)),
        _ => None,
    }
}

/// The title of an expression without an alias.
#[must_use]
pub fn of(expr: &Expr) -> String {
    if let Some(path) = path_of(expr) {
        return show_path(&path);
    }
    match expr {
        Expr::Nested(inner) => format!("({})", of(inner)),
        Expr::Function(function) => call(function),
        Expr::BinaryOp { left, op, right } => format!("({} {op} {})", of(left), of(right)),
        Expr::UnaryOp { op, expr } => format!("{op} {}", of(expr)),
        Expr::Cast { expr, data_type, .. } => format!("cast({} AS {data_type})", of(expr)),
        Expr::Value(value) => match &value.value {
            Value::Placeholder(name) => name.clone(),
            other => other.to_string(),
        },
        other => other.to_string(),
    }
}

fn call(function: &Function) -> String {
    let name =
        function.name.0.last().map(ToString::to_string).unwrap_or_default().replace('"', "").to_lowercase();
    let arguments = match &function.args {
        FunctionArguments::None => return name,
        FunctionArguments::Subquery(query) => query.to_string(),
        FunctionArguments::List(list) => {
            let distinct = list.duplicate_treatment.map(|word| format!("{word} ")).unwrap_or_default();
            let shown: Vec<String> = list.args.iter().map(argument).collect();
            format!("{distinct}{}", shown.join(", "))
        }
    };
    let filter =
        function.filter.as_ref().map(|filter| format!(" FILTER (WHERE {})", of(filter))).unwrap_or_default();
    format!("{name}({arguments}){filter}")
}

fn argument(argument: &FunctionArg) -> String {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => of(expr),
        FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => "*".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use crate::front::{Statement, parse};
    use sqlparser::ast::{SetExpr, Statement as Stock};

    fn titles(text: &str) -> Vec<String> {
        let Statement::Stock(stock) = parse(text).expect("parses").statement else { return Vec::new() };
        let Stock::Query(query) = *stock else { return Vec::new() };
        let SetExpr::Select(select) = *query.body else { return Vec::new() };
        select.projection.iter().filter_map(super::title).collect()
    }

    #[test]
    fn titles_are_those_of_crate() {
        let all = titles("select COUNT(*), sum(t.v), t.A, o['x'], 1, a as B, t.o['x']['y'], \"Q\" from t");
        assert_eq!(all, ["count(*)", "sum(v)", "a", "o['x']", "1", "b", "o['x']['y']", "Q"]);
    }
}
