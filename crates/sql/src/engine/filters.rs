//! The engine's conditions as filters of the record protocol.

use crate::catalog::{SetIndex, Table};
use crate::execute::push::{
    self, EQUAL, GREATER, GREATER_OR_EQUAL, IN_MAX, LESS, LESS_OR_EQUAL, NOT_EQUAL, mirrored,
};
use crate::value::Value;
use crate::value::cast::cast;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

/// A filter that holds at least where the condition holds; none when nothing can be said.
pub(super) fn pack(table: &Table, condition: &Expr) -> Option<Vec<u8>> {
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            match (pack(table, left), pack(table, right)) {
                (Some(left), Some(right)) => Some(push::both(left, right)),
                (one, other) => one.or(other),
            }
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            Some(push::either(pack(table, left)?, pack(table, right)?))
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let code = code_of(*op).filter(|code| *code != NOT_EQUAL)?;
            match (column(left), column(right)) {
                (Some(name), None) => push::compare(table, &[name], code, &constant(right)?),
                (None, Some(name)) => push::compare(table, &[name], mirrored(code), &constant(left)?),
                _ => None,
            }
        }
        Expr::Between(between) if !between.negated => {
            let path = [column(&between.expr)?];
            let low = push::compare(table, &path, GREATER_OR_EQUAL, &constant(&between.low)?)?;
            let high = push::compare(table, &path, LESS_OR_EQUAL, &constant(&between.high)?)?;
            Some(push::both(low, high))
        }
        Expr::InList(list) if !list.negated && list.list.len() <= IN_MAX => {
            let path = [column(&list.expr)?];
            let all = list.list.iter().map(|item| push::compare(table, &path, EQUAL, &constant(item)?));
            all.collect::<Option<Vec<_>>>()?.into_iter().reduce(push::either)
        }
        _ => None,
    }
}

/// The range of an index outside of which conditions that must all hold can't: that of one value.
pub(super) fn along_value(table: &Table, indexes: &[SetIndex], conditions: &[Expr]) -> Option<Vec<u8>> {
    all_comparisons(indexes, conditions).iter().find_map(|(name, code, value)| match *code {
        EQUAL => push::along(table, indexes, name, value),
        _ => None,
    })
}

/// The same with two ends.
pub(super) fn along_range(table: &Table, indexes: &[SetIndex], conditions: &[Expr]) -> Option<Vec<u8>> {
    let comparisons = all_comparisons(indexes, conditions);
    comparisons.iter().find_map(|(name, ..)| {
        let of_it = comparisons.iter().filter(|(other, ..)| other == name);
        push::along_range(table, indexes, name, of_it.map(|(_, code, value)| (*code, value)))
    })
}

/// What conditions that must all hold say of columns and constants; nothing where there is no index.
fn all_comparisons(indexes: &[SetIndex], conditions: &[Expr]) -> Vec<(String, i64, Value)> {
    let mut all = Vec::new();
    if !indexes.is_empty() {
        conditions.iter().for_each(|condition| conjuncts(condition, &mut all));
    }
    all.into_iter().flat_map(comparisons).collect()
}

fn conjuncts<'a>(condition: &'a Expr, all: &mut Vec<&'a Expr>) {
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            conjuncts(left, all);
            conjuncts(right, all);
        }
        other => all.push(other),
    }
}

/// What a condition says of a column and a constant.
fn comparisons(condition: &Expr) -> Vec<(String, i64, Value)> {
    let said = match condition {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => code_of(*op).and_then(|code| {
            let (name, code, value) = match (column(left), column(right)) {
                (Some(name), None) => (name, code, constant(right)),
                (None, Some(name)) => (name, mirrored(code), constant(left)),
                _ => return None,
            };
            Some(vec![(name, code, value?)])
        }),
        Expr::Between(between) if !between.negated => column(&between.expr).and_then(|name| {
            let low = (name.clone(), GREATER_OR_EQUAL, constant(&between.low)?);
            Some(vec![low, (name, LESS_OR_EQUAL, constant(&between.high)?)])
        }),
        _ => None,
    };
    said.unwrap_or_default()
}

/// The only keys for which a condition can hold, for tables with a key of one column.
pub(super) fn keys(table: &Table, condition: &Expr) -> Option<Vec<Value>> {
    let [key] = table.key.as_slice() else { return None };
    let ty = table.column(key).map(crate::catalog::Column::ty)?;
    let items: Vec<Value> = match condition {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => match (column(left), column(right))
        {
            (Some(name), None) if name == *key => vec![constant(right)?],
            (None, Some(name)) if name == *key => vec![constant(left)?],
            _ => return None,
        },
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            return keys(table, left).or_else(|| keys(table, right));
        }
        Expr::InList(list) if !list.negated && column(&list.expr)? == *key => {
            list.list.iter().map(constant).collect::<Option<_>>()?
        }
        _ => return None,
    };
    let mut keys: Vec<Value> = Vec::new();
    for item in items {
        let fitted = cast(item, &ty).ok()?;
        // Each record once, however often its key is named.
        if !fitted.is_null() && !keys.contains(&fitted) {
            keys.push(fitted);
        }
    }
    Some(keys)
}

fn column(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Column(column) => Some(column.name.clone()),
        _ => None,
    }
}

fn constant(expr: &Expr) -> Option<Value> {
    match expr {
        Expr::Literal(value, _) => value_of(value),
        _ => None,
    }
}

/// The protocol's number of a comparison.
pub(super) fn code_of(op: Operator) -> Option<i64> {
    Some(match op {
        Operator::Eq => EQUAL,
        Operator::NotEq => NOT_EQUAL,
        Operator::Gt => GREATER,
        Operator::GtEq => GREATER_OR_EQUAL,
        Operator::Lt => LESS,
        Operator::LtEq => LESS_OR_EQUAL,
        _ => return None,
    })
}

/// One of the engine's values as one of ours.
pub(super) fn value_of(value: &ScalarValue) -> Option<Value> {
    Some(match value {
        ScalarValue::Boolean(Some(value)) => Value::Bool(*value),
        ScalarValue::Int8(Some(number)) => Value::Int((*number).into()),
        ScalarValue::Int16(Some(number)) => Value::Int((*number).into()),
        ScalarValue::Int32(Some(number)) => Value::Int((*number).into()),
        ScalarValue::Int64(Some(number)) | ScalarValue::TimestampMillisecond(Some(number), _) => {
            Value::Int(*number)
        }
        ScalarValue::Float64(Some(number)) => Value::Double(*number),
        ScalarValue::Utf8(Some(text))
        | ScalarValue::Utf8View(Some(text))
        | ScalarValue::LargeUtf8(Some(text)) => Value::text(text),
        _ => return None,
    })
}
