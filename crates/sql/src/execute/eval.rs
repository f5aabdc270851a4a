//! Expressions over one row, without the engine: what defaults, checks, `SET`, and lookups by key need.

use super::functions::{Moment, call, overflow};
use super::like::like;
use crate::column_type::Type;
use crate::error::{Kind, Result, SqlError};
use crate::front::{function_name, name_of, path_of};
use crate::value::Value;
use crate::value::cast::{cast, text, type_of, wider};
use sqlparser::ast::{
    AccessExpr, BinaryOperator as Op, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    Subscript, UnaryOperator, Value as AstValue,
};
use std::cmp::Ordering;

/// Gives the value of a column: its path, and whether the row that was to be inserted is meant.
pub type Lookup<'a> = dyn Fn(&[String], bool) -> Result<Value> + Send + Sync + 'a;

/// What an expression can see.
pub struct Env<'a> {
    /// The statement's arguments.
    pub args: &'a [Value],
    /// Time and user.
    pub moment: &'a Moment,
    /// The row.
    pub lookup: &'a Lookup<'a>,
}

/// A lookup for expressions that have no row.
///
/// # Errors
/// Always.
pub fn no_row(path: &[String], _: bool) -> Result<Value> {
    Err(SqlError::unknown_column(&crate::front::show_path(path)))
}

impl Env<'_> {
    /// The value of an expression.
    ///
    /// # Errors
    /// [`Kind::NotSupported`] for what only the engine knows; others for what is wrong.
    pub fn eval(&self, expr: &Expr) -> Result<Value> {
        if let Expr::CompoundIdentifier(parts) = expr
            && let [qualifier, .., column] = parts.as_slice()
            && name_of(qualifier) == "excluded"
        {
            return (self.lookup)(&[name_of(column)], true);
        }
        if let Expr::Identifier(ident) = expr
            && ident.quote_style.is_none()
            && matches!(name_of(ident).as_str(), "current_user" | "session_user" | "current_schema")
        {
            return call(&name_of(ident), &[], self.moment);
        }
        if let Some(path) = path_of(expr) {
            return (self.lookup)(&path, false);
        }
        match expr {
            Expr::Value(value) => self.literal(&value.value),
            Expr::TypedString(typed) => {
                cast(self.literal(&typed.value.value)?, &Type::of_ast(&typed.data_type)?)
            }
            Expr::Nested(inner) => self.eval(inner),
            Expr::UnaryOp { op, expr } => unary(*op, self.eval(expr)?),
            Expr::BinaryOp { left, op, right } => self.binary(left, op, right),
            Expr::IsNull(inner) => Ok(Value::Bool(self.eval(inner)?.is_null())),
            Expr::IsNotNull(inner) => Ok(Value::Bool(!self.eval(inner)?.is_null())),
            Expr::IsTrue(inner) => Ok(Value::Bool(self.eval(inner)? == Value::Bool(true))),
            Expr::IsFalse(inner) => Ok(Value::Bool(self.eval(inner)? == Value::Bool(false))),
            Expr::Between { expr, negated, low, high } => {
                let value = self.eval(expr)?;
                let above = compare(&Op::GtEq, &value, &self.eval(low)?)?;
                let below = compare(&Op::LtEq, &value, &self.eval(high)?)?;
                negate_if(*negated, and(&above, &below))
            }
            Expr::InList { expr, list, negated } => self.in_list(expr, list, *negated),
            Expr::Like { negated, any: false, expr, pattern, escape_char } => {
                self.like(expr, pattern, *negated, false, escape_char.as_ref().map(|value| &value.value))
            }
            Expr::ILike { negated, any: false, expr, pattern, escape_char } => {
                self.like(expr, pattern, *negated, true, escape_char.as_ref().map(|value| &value.value))
            }
            Expr::Case { operand, conditions, else_result, .. } => {
                let operand = operand.as_ref().map(|operand| self.eval(operand)).transpose()?;
                for when in conditions {
                    let condition = self.eval(&when.condition)?;
                    let met = match &operand {
                        Some(operand) => compare(&Op::Eq, operand, &condition)?,
                        None => condition,
                    };
                    if met == Value::Bool(true) {
                        return self.eval(&when.result);
                    }
                }
                else_result.as_ref().map_or(Ok(Value::Null), |other| self.eval(other))
            }
            Expr::Cast { expr, data_type, kind, .. } => {
                let made = cast(self.eval(expr)?, &Type::of_ast(data_type)?);
                let lenient =
                    matches!(kind, sqlparser::ast::CastKind::TryCast | sqlparser::ast::CastKind::SafeCast);
                if lenient { Ok(made.unwrap_or_default()) } else { made }
            }
            Expr::Array(array) => {
                array.elem.iter().map(|item| self.eval(item)).collect::<Result<_>>().map(Value::List)
            }
            Expr::Function(function) => self.function(function),
            Expr::CompoundFieldAccess { root, access_chain } => self.access(root, access_chain),
            other => Err(SqlError::unsupported(format!("Unsupported expression {other}"))),
        }
    }

    /// Whether a condition holds.
    ///
    /// # Errors
    /// As [`Env::eval`].
    pub fn holds(&self, expr: &Expr) -> Result<bool> {
        Ok(self.eval(expr)? == Value::Bool(true))
    }

    fn literal(&self, value: &AstValue) -> Result<Value> {
        Ok(match value {
            AstValue::Null => Value::Null,
            AstValue::Boolean(value) => Value::Bool(*value),
            AstValue::Number(digits, _) => number(digits)?,
            AstValue::SingleQuotedString(text)
            | AstValue::EscapedStringLiteral(text)
            | AstValue::UnicodeStringLiteral(text)
            | AstValue::NationalStringLiteral(text) => Value::text(text),
            AstValue::DollarQuotedString(text) => Value::text(&text.value),
            AstValue::Placeholder(name) => self.argument(name)?,
            other => return Err(SqlError::unsupported(format!("Unsupported literal {other}"))),
        })
    }

    fn argument(&self, name: &str) -> Result<Value> {
        let number = name.strip_prefix('$').and_then(|digits| digits.parse::<usize>().ok());
        let place = number.and_then(|number| number.checked_sub(1));
        place.and_then(|place| self.args.get(place)).cloned().ok_or_else(|| {
            SqlError::new(Kind::Validation, format!("Tried to resolve a parameter but the arguments provided with the SQLRequest don't contain a parameter {name}"))
        })
    }

    fn binary(&self, left: &Expr, op: &Op, right: &Expr) -> Result<Value> {
        let a = self.eval(left)?;
        match (op, &a) {
            (Op::And, Value::Bool(false)) => return Ok(Value::Bool(false)),
            (Op::Or, Value::Bool(true)) => return Ok(Value::Bool(true)),
            _ => {}
        }
        if let (Expr::AnyOp { .. }, _) = (right, op) {
            return Err(SqlError::unsupported("ANY"));
        }
        let b = self.eval(right)?;
        match op {
            Op::And => Ok(and(&a, &b)),
            Op::Or => Ok(negate(&and(&negate(&a)?, &negate(&b)?))?),
            Op::Eq | Op::NotEq | Op::Lt | Op::LtEq | Op::Gt | Op::GtEq => compare(op, &a, &b),
            Op::StringConcat => match (&a, &b) {
                (Value::Null, _) | (_, Value::Null) => Ok(Value::Null),
                (Value::List(a), Value::List(b)) => Ok(Value::List([a.as_slice(), b].concat())),
                (Value::Map(a), Value::Map(b)) => {
                    let kept = a.iter().filter(|(name, _)| b.iter().all(|(other, _)| other != name));
                    Ok(Value::Map(kept.chain(b).cloned().collect()))
                }
                _ => Ok(Value::Text(text(&a) + &text(&b))),
            },
            Op::Plus | Op::Minus | Op::Multiply | Op::Divide | Op::Modulo => arithmetic(op, &a, &b),
            other => Err(SqlError::unsupported(format!("Unsupported operator {other}"))),
        }
    }

    fn in_list(&self, expr: &Expr, list: &[Expr], negated: bool) -> Result<Value> {
        let value = self.eval(expr)?;
        let mut found = Value::Bool(false);
        for item in list {
            match compare(&Op::Eq, &value, &self.eval(item)?)? {
                Value::Bool(true) => {
                    found = Value::Bool(true);
                    break;
                }
                Value::Null => found = Value::Null,
                _ => {}
            }
        }
        negate_if(negated, found)
    }

    fn like(
        &self,
        expr: &Expr,
        pattern: &Expr,
        negated: bool,
        fold: bool,
        escape: Option<&AstValue>,
    ) -> Result<Value> {
        let escape = match escape {
            None => Some('\\'),
            Some(AstValue::SingleQuotedString(text)) => text.chars().next(),
            Some(other) => return Err(SqlError::unsupported(format!("ESCAPE {other}"))),
        };
        match (self.eval(expr)?, self.eval(pattern)?) {
            (Value::Null, _) | (_, Value::Null) => Ok(Value::Null),
            (value, pattern) => {
                negate_if(negated, Value::Bool(like(&text(&value), &text(&pattern), fold, escape)))
            }
        }
    }

    fn function(&self, function: &Function) -> Result<Value> {
        let plain = function.over.is_none() && function.filter.is_none() && function.within_group.is_empty();
        let name = function_name(function);
        let arguments = match &function.args {
            FunctionArguments::None => Vec::new(),
            FunctionArguments::List(list)
                if plain && list.clauses.is_empty() && list.duplicate_treatment.is_none() =>
            {
                let one = |argument: &FunctionArg| match argument {
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => self.eval(expr),
                    other => Err(SqlError::unsupported(format!("argument {other}"))),
                };
                list.args.iter().map(one).collect::<Result<Vec<_>>>()?
            }
            FunctionArguments::List(_) | FunctionArguments::Subquery(_) => {
                return Err(SqlError::unsupported(format!("Unknown function: {name}")));
            }
        };
        call(&name, &arguments, self.moment)
    }

    fn access(&self, root: &Expr, chain: &[AccessExpr]) -> Result<Value> {
        let mut value = self.eval(root)?;
        for access in chain {
            let AccessExpr::Subscript(Subscript::Index { index }) = access else {
                return Err(SqlError::unsupported("Unsupported subscript"));
            };
            value = match (self.eval(index)?, &value) {
                (Value::Text(name), _) => value.member(&name),
                (Value::Int(place), Value::List(items)) => {
                    let place = usize::try_from(place).ok().and_then(|place| place.checked_sub(1));
                    place.and_then(|place| items.get(place)).cloned().unwrap_or_default()
                }
                _ => Value::Null,
            };
        }
        Ok(value)
    }
}

/// A number as it is written in a statement.
pub(crate) fn number(digits: &str) -> Result<Value> {
    if let Ok(whole) = digits.parse::<i64>() {
        return Ok(Value::Int(whole));
    }
    digits
        .parse()
        .map(Value::Double)
        .map_err(|_| SqlError::new(Kind::Syntax, format!("'{digits}' is no number")))
}

fn unary(op: UnaryOperator, value: Value) -> Result<Value> {
    match (op, value) {
        (_, Value::Null) => Ok(Value::Null),
        (UnaryOperator::Not, value) => negate(&value),
        (UnaryOperator::Minus, Value::Int(number)) => {
            number.checked_neg().map(Value::Int).ok_or_else(overflow)
        }
        (UnaryOperator::Minus, Value::Double(number)) => Ok(Value::Double(-number)),
        (UnaryOperator::Plus, value) => Ok(value),
        (op, _) => Err(SqlError::unsupported(format!("Unsupported operator {op}"))),
    }
}

fn and(a: &Value, b: &Value) -> Value {
    match (a, b) {
        (Value::Bool(false), _) | (_, Value::Bool(false)) => Value::Bool(false),
        (Value::Bool(true), Value::Bool(true)) => Value::Bool(true),
        _ => Value::Null,
    }
}

fn negate(value: &Value) -> Result<Value> {
    match value {
        Value::Null => Ok(Value::Null),
        Value::Bool(value) => Ok(Value::Bool(!value)),
        other => {
            Err(SqlError::new(Kind::Validation, format!("Cannot cast `{}` to type `boolean`", text(other))))
        }
    }
}

fn negate_if(negated: bool, value: Value) -> Result<Value> {
    if negated { negate(&value) } else { Ok(value) }
}

/// What a text says beside another value. Beside a whole number it may be a moment: those are whole numbers, too.
fn fitting(text: &str, other: &Value) -> Result<Value> {
    let made = cast(Value::text(text), &type_of(other));
    let moment =
        || crate::value::moment::parse(text).filter(|_| matches!(other, Value::Int(_))).map(Value::Int);
    made.or_else(|error| moment().ok_or(error))
}

/// Compares; a text beside another kind is cast to that kind first.
pub(super) fn compare(op: &Op, a: &Value, b: &Value) -> Result<Value> {
    let (a, b) = match (a, b) {
        (Value::Null, _) | (_, Value::Null) => return Ok(Value::Null),
        (Value::Text(_), Value::Text(_)) => (a.clone(), b.clone()),
        (Value::Text(text), other) => (fitting(text, other)?, other.clone()),
        (other, Value::Text(text)) => (other.clone(), fitting(text, other)?),
        _ => (a.clone(), b.clone()),
    };
    let order = a.compare(&b);
    Ok(match (op, order) {
        (_, None) if matches!((&a, &b), (Value::Map(_), Value::Map(_)) | (Value::Geo(_), Value::Geo(_))) => {
            Value::Bool(*op == Op::NotEq)
        }
        (_, None) => Value::Null,
        (Op::Eq, Some(order)) => Value::Bool(order == Ordering::Equal),
        (Op::NotEq, Some(order)) => Value::Bool(order != Ordering::Equal),
        (Op::Lt, Some(order)) => Value::Bool(order == Ordering::Less),
        (Op::LtEq, Some(order)) => Value::Bool(order != Ordering::Greater),
        (Op::Gt, Some(order)) => Value::Bool(order == Ordering::Greater),
        (_, Some(order)) => Value::Bool(order != Ordering::Less),
    })
}

fn arithmetic(op: &Op, a: &Value, b: &Value) -> Result<Value> {
    let both = wider(&type_of(a), &type_of(b));
    match (a, b) {
        (Value::Null, _) | (_, Value::Null) => Ok(Value::Null),
        (Value::Int(a), Value::Int(b)) => {
            if *b == 0 && matches!(op, Op::Divide | Op::Modulo) {
                return Err(SqlError::new(Kind::Validation, "/ by zero"));
            }
            let made = match op {
                Op::Plus => a.checked_add(*b),
                Op::Minus => a.checked_sub(*b),
                Op::Multiply => a.checked_mul(*b),
                Op::Divide => a.checked_div(*b),
                _ => a.checked_rem(*b),
            };
            made.map(Value::Int).ok_or_else(overflow)
        }
        _ => match (a.as_double(), b.as_double()) {
            (Some(a), Some(b)) => Ok(Value::Double(match op {
                Op::Plus => a + b,
                Op::Minus => a - b,
                Op::Multiply => a * b,
                Op::Divide => a / b,
                _ => a % b,
            })),
            _ => Err(SqlError::unsupported(format!("{op} of {both}"))),
        },
    }
}
