//! Conditions that name records by their keys.

use super::eval::{Env, no_row};
use super::functions::Moment;
use crate::catalog::{Column, Table};
use crate::error::Result;
use crate::front::path_of;
use crate::records::{Digest, Record};
use crate::value::Value;
use crate::value::cast::cast;
use sqlparser::ast::{BinaryOperator, Expr};

/// Most records that a condition may name one by one.
const KEYS_MAX: usize = 10_000;

/// A record that a condition names: its digest, and the user key, which a read of one record does not answer.
pub(super) type Named = (Digest, Value);

/// The only records for which a condition can hold; none when it does not say the whole key.
pub(super) fn digests(
    table: &Table,
    selection: Option<&Expr>,
    args: &[Value],
    moment: &Moment,
) -> Result<Option<Vec<Named>>> {
    let Some(selection) = selection else { return Ok(None) };
    let env = Env { args, moment, lookup: &no_row };
    let finder = Finder { table, env: &env };
    let mut digests = match finder.find(selection)? {
        Some(digests) => digests,
        None => return Ok(None),
    };
    digests.sort_unstable_by_key(|(digest, _)| *digest);
    digests.dedup_by_key(|(digest, _)| *digest);
    Ok(Some(digests))
}

struct Finder<'a> {
    table: &'a Table,
    env: &'a Env<'a>,
}

impl Finder<'_> {
    fn find(&self, expr: &Expr) -> Result<Option<Vec<Named>>> {
        if let Expr::Nested(inner) = expr {
            return self.find(inner);
        }
        if let Expr::BinaryOp { left, op: BinaryOperator::Or, right } = expr {
            let (Some(mut left), Some(right)) = (self.find(left)?, self.find(right)?) else {
                return Ok(None);
            };
            left.extend(right);
            return Ok((left.len() <= KEYS_MAX).then_some(left));
        }
        let mut conjuncts = Vec::new();
        split(expr, &mut conjuncts);
        // A bracket with alternatives inside may name whole keys by itself.
        if conjuncts.len() > 1 {
            for inner in &conjuncts {
                if let Expr::Nested(_) = inner
                    && let Some(found) = self.find(inner)?
                {
                    return Ok(Some(found));
                }
            }
        }
        let mut keys: Vec<Vec<Value>> = vec![Vec::new()];
        for name in &self.table.key {
            let Some(values) = self.values(name, &conjuncts)? else { return Ok(None) };
            if keys.len().saturating_mul(values.len()) > KEYS_MAX {
                return Ok(None);
            }
            keys = keys
                .iter()
                .flat_map(|key| {
                    values.iter().map(|value| [key.as_slice(), std::slice::from_ref(value)].concat())
                })
                .collect();
        }
        let digests = keys.iter().filter_map(|key| {
            let key = self.table.user_key(key)?;
            Some((self.table.digest(&key)?, key))
        });
        Ok(Some(digests.collect()))
    }

    /// The values that a key's column must have; none when nothing says so.
    fn values(&self, name: &str, conjuncts: &[&Expr]) -> Result<Option<Vec<Value>>> {
        for conjunct in conjuncts {
            let Some(values) = self.equal_to(name, conjunct)? else { continue };
            let ty = self.table.column(name).map(Column::ty);
            let mut fitting = Vec::new();
            for value in values.into_iter().filter(|value| !value.is_null()) {
                match &ty {
                    // A value that is none of the column's equals none of its values, unless it is a fraction of it.
                    Some(ty) => match cast(value.clone(), ty) {
                        Ok(fitted)
                            if value.compare(&fitted) == Some(std::cmp::Ordering::Equal)
                                || matches!(value, Value::Text(_)) =>
                        {
                            fitting.push(fitted);
                        }
                        Ok(_) => {}
                        Err(error) => return Err(error),
                    },
                    None => {
                        // Without a declared type a text may stand for a number too.
                        if let Some(number) = value.as_text().and_then(|text| text.parse().ok()) {
                            fitting.push(Value::Int(number));
                        }
                        fitting.push(value);
                    }
                }
            }
            return Ok(Some(fitting));
        }
        Ok(None)
    }

    fn equal_to(&self, name: &str, conjunct: &Expr) -> Result<Option<Vec<Value>>> {
        let is_column = |expr: &Expr| {
            path_of(expr).is_some_and(|path| path.len() == 1 && path.first().is_some_and(|one| one == name))
        };
        let constant = |expr: &Expr| if path_of(expr).is_some() { None } else { self.env.eval(expr).ok() };
        Ok(match conjunct {
            Expr::Nested(inner) => return self.equal_to(name, inner),
            Expr::BinaryOp { left, op: BinaryOperator::Eq, right } if is_column(left) => match right.as_ref()
            {
                Expr::Function(_) => constant(right).map(|value| vec![value]),
                other => constant(other).map(|value| vec![value]),
            },
            Expr::BinaryOp { left, op: BinaryOperator::Eq, right } if is_column(right) => {
                constant(left).map(|value| vec![value])
            }
            Expr::InList { expr, list, negated: false } if is_column(expr) => {
                list.iter().map(constant).collect()
            }
            Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } if is_column(left) => {
                match constant(right) {
                    Some(Value::List(items)) => Some(items),
                    _ => None,
                }
            }
            _ => None,
        })
    }
}

/// The parts of a condition that must all hold.
pub(super) fn split<'e>(expr: &'e Expr, out: &mut Vec<&'e Expr>) {
    match expr {
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            split(left, out);
            split(right, out);
        }
        other => out.push(other),
    }
}

/// Puts the user keys into records that were read by them.
pub(super) fn with_keys(found: Vec<Option<Record>>, named: &[Named]) -> Vec<Record> {
    let pairs = found.into_iter().zip(named);
    pairs
        .filter_map(|(record, (_, key))| {
            let record = record?;
            let key = record.key.clone().or_else(|| Some(key.clone()));
            Some(Record { key, ..record })
        })
        .collect()
}
