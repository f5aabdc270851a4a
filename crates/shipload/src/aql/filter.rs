//! Conditions on bins become a filter expression, which the nodes check while they scan: only the records
//! that match travel.

use aerospike::expressions::{
    Expression, and, blob_bin, blob_val, bool_bin, bool_val, eq, float_bin, float_val, ge, gt, int_bin,
    int_val, le, lt, ne, string_bin, string_val,
};

use super::statement::{Comparison, Operand, Relation};

/// The expression for comparisons that must all hold; `None` when there are none.
pub(crate) fn expression(comparisons: &[Comparison]) -> Option<Expression> {
    let mut all: Vec<Expression> = comparisons.iter().map(one).collect();
    if all.len() > 1 { Some(and(all)) } else { all.pop() }
}

/// A record whose bin has another type does not match: the expression's result is unknown there.
fn one(comparison: &Comparison) -> Expression {
    let bin = comparison.bin.as_str();
    let (left, right) = match &comparison.operand {
        Operand::Integer(number) => (int_bin(bin), int_val(*number)),
        Operand::Double(number) => (float_bin(bin), float_val(*number)),
        Operand::Text(text) => (string_bin(bin), string_val(text.as_str())),
        Operand::Blob(bytes) => (blob_bin(bin), blob_val(bytes.clone())),
        Operand::Bool(flag) => (bool_bin(bin), bool_val(*flag)),
    };
    match comparison.relation {
        Relation::Equal => eq(left, right),
        Relation::NotEqual => ne(left, right),
        Relation::Less => lt(left, right),
        Relation::LessOrEqual => le(left, right),
        Relation::Greater => gt(left, right),
        Relation::GreaterOrEqual => ge(left, right),
    }
}
