//! Conditions as filter expressions of the record protocol, so that nodes leave out what does not match.
//!
//! What is pushed may let through too much, never too little: the condition is looked at again above.

#[cfg(feature = "engine")]
use crate::catalog::SetIndex;
use crate::catalog::{Column, Table, bin_name};
use crate::column_type::Type;
use crate::front::path_of;
use crate::value::Value;
use crate::value::cast::cast;
use shipload_value::msgpack::writer;
#[cfg(feature = "engine")]
use shipload_wire::query::IndexRange;
use sqlparser::ast::{BinaryOperator as Op, Expr, Value as AstValue};

pub(crate) const EQUAL: i64 = 1;
#[cfg(feature = "engine")]
pub(crate) const NOT_EQUAL: i64 = 2;
pub(crate) const GREATER: i64 = 3;
pub(crate) const GREATER_OR_EQUAL: i64 = 4;
pub(crate) const LESS: i64 = 5;
pub(crate) const LESS_OR_EQUAL: i64 = 6;
/// Constants of one `IN`; longer lists are looked through above.
pub(crate) const IN_MAX: usize = 100;
const AND: i64 = 16;
const OR: i64 = 17;
const BIN: i64 = 81;
const BOOL: i64 = 1;
pub(crate) const WHOLE: i64 = 2;
const TEXT: i64 = 3;
pub(crate) const FLOAT: i64 = 7;
#[cfg(feature = "engine")]
const BIN_TYPE: i64 = 82;
#[cfg(feature = "engine")]
pub(crate) const ADD: i64 = 20;
#[cfg(feature = "engine")]
pub(crate) const SUBTRACT: i64 = 21;
#[cfg(feature = "engine")]
pub(crate) const MULTIPLY: i64 = 22;
#[cfg(feature = "engine")]
pub(crate) const TO_FLOAT: i64 = 31;

/// A filter that holds at least where the condition holds; empty when nothing can be said.
#[must_use]
pub fn filter(table: &Table, condition: &Expr, args: &[Value]) -> Vec<u8> {
    pack(table, condition, args).unwrap_or_default()
}

fn pack(table: &Table, condition: &Expr, args: &[Value]) -> Option<Vec<u8>> {
    match condition {
        Expr::Nested(inner) => pack(table, inner, args),
        Expr::BinaryOp { left, op: Op::And, right } => {
            match (pack(table, left, args), pack(table, right, args)) {
                (Some(left), Some(right)) => Some(call(AND, &[left, right])),
                (one, other) => one.or(other),
            }
        }
        Expr::BinaryOp { left, op: Op::Or, right } => {
            Some(call(OR, &[pack(table, left, args)?, pack(table, right, args)?]))
        }
        Expr::BinaryOp { left, op, right } => {
            let code = code_of(op)?;
            match (path_of(left), path_of(right)) {
                (Some(path), None) => compare(table, &path, code, &constant(right, args)?),
                (None, Some(path)) => compare(table, &path, mirrored(code), &constant(left, args)?),
                _ => None,
            }
        }
        Expr::Between { expr, negated: false, low, high } => {
            let path = path_of(expr)?;
            let low = compare(table, &path, GREATER_OR_EQUAL, &constant(low, args)?)?;
            let high = compare(table, &path, LESS_OR_EQUAL, &constant(high, args)?)?;
            Some(call(AND, &[low, high]))
        }
        Expr::InList { expr, list, negated: false } if list.len() <= IN_MAX => {
            let path = path_of(expr)?;
            let one = |item| compare(table, &path, EQUAL, &constant(item, args)?);
            let mut all = list.iter().map(one).collect::<Option<Vec<_>>>()?;
            if all.len() == 1 { all.pop() } else { Some(call(OR, &all)) }
        }
        _ => None,
    }
}

fn constant(expr: &Expr, args: &[Value]) -> Option<Value> {
    match expr {
        Expr::Nested(inner) => constant(inner, args),
        Expr::Value(value) => match &value.value {
            AstValue::Placeholder(name) => {
                args.get(name.strip_prefix('$')?.parse::<usize>().ok()?.checked_sub(1)?).cloned()
            }
            AstValue::SingleQuotedString(text) => Some(Value::text(text)),
            AstValue::Number(digits, _) => super::eval::number(digits).ok(),
            AstValue::Boolean(value) => Some(Value::Bool(*value)),
            _ => None,
        },
        Expr::UnaryOp { op: sqlparser::ast::UnaryOperator::Minus, expr } => match constant(expr, args)? {
            Value::Int(number) => number.checked_neg().map(Value::Int),
            Value::Double(number) => Some(Value::Double(-number)),
            _ => None,
        },
        _ => None,
    }
}

fn code_of(op: &Op) -> Option<i64> {
    Some(match op {
        Op::Eq => EQUAL,
        Op::Gt => GREATER,
        Op::GtEq => GREATER_OR_EQUAL,
        Op::Lt => LESS,
        Op::LtEq => LESS_OR_EQUAL,
        _ => return None,
    })
}

pub(crate) fn mirrored(code: i64) -> i64 {
    match code {
        GREATER => LESS,
        GREATER_OR_EQUAL => LESS_OR_EQUAL,
        LESS => GREATER,
        LESS_OR_EQUAL => GREATER_OR_EQUAL,
        other => other,
    }
}

/// A comparison of a declared column with a value of its type.
pub(crate) fn compare(table: &Table, path: &[String], code: i64, value: &Value) -> Option<Vec<u8>> {
    let [name] = path else { return None };
    compare_bin(name, &stored(table, name)?, code, value)
}

/// The type of a column whose values certainly stand in its bin.
fn stored(table: &Table, name: &str) -> Option<Type> {
    // Records of the other doors may have their key only as the key; one of several columns stands in its bin too.
    let only_key = matches!(table.key.as_slice(), [key] if key == name);
    if table.discovered || only_key { None } else { table.column(name).map(Column::ty) }
}

/// A comparison of what a column of this type has in its bin.
pub(crate) fn compare_bin(name: &str, ty: &Type, code: i64, value: &Value) -> Option<Vec<u8>> {
    let kind = match ty {
        ty if ty.is_whole() => WHOLE,
        Type::Text | Type::Varchar(_) => TEXT,
        Type::Double => FLOAT,
        Type::Bool if code == EQUAL => BOOL,
        _ => return None,
    };
    Some(call(code, &[bin(name, kind), crate::value::particle::packed(&fitted(ty, value)?)]))
}

/// A constant as a value of a column's type; none for null and for what is no such value.
fn fitted(ty: &Type, value: &Value) -> Option<Value> {
    let fitted = cast(value.clone(), ty).ok().filter(|fitted| !fitted.is_null())?;
    // 1.5 is between two whole numbers.
    let same = matches!(value, Value::Text(_)) || value.compare(&fitted) == Some(std::cmp::Ordering::Equal);
    same.then_some(fitted)
}

/// The range of an index that has all records for which a column has this value; none when the index has not.
#[cfg(feature = "engine")]
pub(crate) fn along(table: &Table, indexes: &[SetIndex], name: &str, value: &Value) -> Option<Vec<u8>> {
    let ty = stored(table, name)?;
    let bin = bin_name(name);
    let (kind, bytes) = crate::value::particle::encode(&fitted(&ty, value)?);
    let numeric = match ty {
        ty if ty.is_whole() => true,
        Type::Text => false,
        _ => return None,
    };
    indexes.iter().find(|index| index.ready && index.bin == bin && index.numeric == numeric)?;
    Some(IndexRange { bin: bin.as_bytes(), kind, begin: &bytes, end: &bytes }.encode())
}

/// The range of an index that has all records for which these comparisons of a column hold; none when the index has not, or they leave
/// an end open.
#[cfg(feature = "engine")]
pub(crate) fn along_range<'v>(
    table: &Table,
    indexes: &[SetIndex],
    name: &str,
    comparisons: impl Iterator<Item = (i64, &'v Value)>,
) -> Option<Vec<u8>> {
    let ty = stored(table, name).filter(Type::is_whole)?;
    let bin = bin_name(name);
    indexes.iter().find(|index| index.ready && index.bin == bin && index.numeric)?;
    let least = |high: Option<i64>, value: i64| Some(high.map_or(value, |high| high.min(value)));
    let (mut low, mut high) = (None, None);
    for (code, value) in comparisons {
        let Some(value) = fitted(&ty, value).and_then(|value| value.as_int()) else { continue };
        match code {
            GREATER => low = low.max(Some(value.saturating_add(1))),
            GREATER_OR_EQUAL => low = low.max(Some(value)),
            LESS => high = least(high, value.saturating_sub(1)),
            LESS_OR_EQUAL => high = least(high, value),
            _ => {}
        }
    }
    let (low, high) = (low?, high.filter(|high| Some(*high) >= low)?);
    let kind = crate::value::particle::encode(&Value::Int(low)).0;
    let (begin, end) = (low.to_be_bytes(), high.to_be_bytes());
    Some(IndexRange { bin: bin.as_bytes(), kind, begin: &begin, end: &end }.encode())
}

/// What is in a column's bin, of one of the protocol's types.
pub(crate) fn bin(name: &str, kind: i64) -> Vec<u8> {
    let mut bin = Vec::new();
    writer::array_head(&mut bin, 3);
    writer::int(&mut bin, BIN);
    writer::int(&mut bin, kind);
    writer::bytes(&mut bin, bin_name(name).as_bytes());
    bin
}

/// Whether a record has a column's bin.
#[cfg(feature = "engine")]
pub(crate) fn is_there(name: &str, wanted: bool) -> Vec<u8> {
    let mut kind = Vec::new();
    writer::array_head(&mut kind, 2);
    writer::int(&mut kind, BIN_TYPE);
    writer::bytes(&mut kind, bin_name(name).as_bytes());
    let code = if wanted { NOT_EQUAL } else { EQUAL };
    call(code, &[kind, crate::value::particle::packed(&Value::Int(0))])
}

/// Both must hold.
#[cfg(feature = "engine")]
pub(crate) fn both(left: Vec<u8>, right: Vec<u8>) -> Vec<u8> {
    match (left.is_empty(), right.is_empty()) {
        (true, _) => right,
        (_, true) => left,
        _ => call(AND, &[left, right]),
    }
}

/// One of them must hold.
#[cfg(feature = "engine")]
pub(crate) fn either(left: Vec<u8>, right: Vec<u8>) -> Vec<u8> {
    call(OR, &[left, right])
}

/// An operation and its operands.
pub(crate) fn call(code: i64, operands: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    writer::array_head(&mut out, operands.len().saturating_add(1));
    writer::int(&mut out, code);
    operands.iter().for_each(|operand| out.extend_from_slice(operand));
    out
}

#[cfg(all(test, feature = "engine"))]
mod range_tests {
    use super::{EQUAL, GREATER, GREATER_OR_EQUAL, LESS, LESS_OR_EQUAL, along_range};
    use crate::catalog::{Column, SetIndex, Table};
    use crate::column_type::Type;
    use crate::value::Value;
    use shipload_wire::query::IndexRange;

    #[test]
    fn comparisons_are_one_range_with_both_ends() {
        let table = Table { columns: vec![Column::new("n", &Type::Int)], ..Table::default() };
        let name = |name: &str| name.to_owned();
        let (name, namespace, set, bin) = (name("i"), name("test"), name("s"), name("n"));
        let index = SetIndex { name, namespace, set, bin, numeric: true, ready: true };
        let range = |comparisons: &[(i64, Value)]| {
            let given = comparisons.iter().map(|(code, value)| (*code, value));
            let packed = along_range(&table, std::slice::from_ref(&index), "n", given)?;
            let range = IndexRange::decode(&packed).expect("a range");
            let number = |bytes: &[u8]| i64::from_be_bytes(bytes.try_into().expect("eight bytes"));
            Some((number(range.begin), number(range.end)))
        };
        let int = Value::Int;
        assert_eq!(range(&[(GREATER, int(1)), (LESS, int(9))]), Some((2, 8)));
        assert_eq!(
            range(&[(GREATER_OR_EQUAL, int(1)), (LESS_OR_EQUAL, int(9)), (GREATER, int(4))]),
            Some((5, 9))
        );
        assert_eq!(range(&[(GREATER, int(7)), (LESS, int(9)), (LESS_OR_EQUAL, int(8))]), Some((8, 8)));
        // Open, empty, of no such value, and of nothing that is a range.
        for open in [
            vec![(GREATER, int(1))],
            vec![(LESS, int(1))],
            vec![(GREATER, int(8)), (LESS, int(9))],
            vec![(GREATER, Value::Double(1.5)), (LESS, int(9))],
            vec![(EQUAL, int(1))],
        ] {
            assert_eq!(range(&open), None, "{open:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::filter;
    use crate::catalog::{Column, Table};
    use crate::column_type::Type;
    use crate::front::parse_expr;
    use shipload_value::expr::Program;

    #[test]
    fn what_is_pushed_compiles() {
        let columns = vec![
            Column::new("n", &Type::Int),
            Column::new("t", &Type::Text),
            Column::new("d", &Type::Double),
        ];
        let table = Table { columns, ..Table::default() };
        let packed = |text: &str| filter(&table, &parse_expr(text).expect("parses"), &[]);
        let pushed = [
            "n = 5",
            "n > 5 and t = 'x'",
            "5 >= n or d < 1.5",
            "n between 1 and 3",
            "t in ('a', 'b')",
            "n = '7'",
        ];
        for text in pushed {
            assert!(Program::compile_filter(&packed(text)).is_ok(), "{text}");
        }
        for text in ["n = 1.5", "t like 'a%'", "n = 1 or t like 'x'", "n = null"] {
            assert!(packed(text).is_empty(), "{text}");
        }
        assert_eq!(packed("n = 5 and t like 'a%'"), packed("n = 5"));
    }
}
