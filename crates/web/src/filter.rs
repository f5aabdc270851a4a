//! Filters as JSON, turned into filter expressions that run where the records are.
//!
//! `{"city": "Hamburg", "age": {"$gte": 18, "$lt": 65}, "$or": [{"a": 1}, {"b": {"$exists": false}}]}`. A bin is compared
//! with values of its own type only: text with text, integers with integers. A record that lacks the bin does not match,
//! except for `$exists: false` and inside of `$not`, which has the opposite of what is known.

use crate::json;
use crate::problem::Problem;
use crate::record::check_bin_name;
use serde_json::{Map, Value};
use shipload_value::msgpack::writer;

const EQ: i64 = 1;
const NE: i64 = 2;
const GT: i64 = 3;
const GE: i64 = 4;
const LT: i64 = 5;
const LE: i64 = 6;
const REGEX: i64 = 7;
const AND: i64 = 16;
const OR: i64 = 17;
const NOT: i64 = 18;
const TTL: i64 = 69;
const LAST_UPDATE: i64 = 66;
const BIN: i64 = 81;
const BIN_TYPE: i64 = 82;
/// Extended regular expressions.
const REGEX_EXTENDED: i64 = 1;
/// Nesting of a filter, at most.
const DEPTH_MAX: usize = 16;
/// Comparisons of a filter, at most.
const TERMS_MAX: usize = 256;
const NS_PER_MS: i64 = 1_000_000;

/// The packed expression of a filter; empty for a filter that everything passes.
///
/// # Errors
/// Anything that is no filter.
pub fn compile(filter: &Value) -> Result<Vec<u8>, Problem> {
    let mut compiler = Compiler { terms: 0 };
    match filter {
        Value::Null => Ok(Vec::new()),
        Value::Object(object) if object.is_empty() => Ok(Vec::new()),
        Value::Object(object) => compiler.all(object, 0),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(wrong("a filter must be an object"))
        }
    }
}

fn wrong(text: impl Into<String>) -> Problem {
    Problem::unprocessable(format!("filter: {}", text.into()))
}

struct Compiler {
    terms: usize,
}

impl Compiler {
    /// Every member must hold.
    fn all(&mut self, object: &Map<String, Value>, depth: usize) -> Result<Vec<u8>, Problem> {
        if depth > DEPTH_MAX {
            return Err(wrong("nested too deep"));
        }
        let mut terms = Vec::new();
        for (name, value) in object {
            match name.as_str() {
                "$and" => terms.push(self.several(AND, value, depth)?),
                "$or" => terms.push(self.several(OR, value, depth)?),
                "$not" => {
                    let inner = value.as_object().ok_or_else(|| wrong("'$not' needs a filter"))?;
                    terms.push(packed(NOT, &[self.all(inner, depth + 1)?]));
                }
                "$ttl" => terms.extend(self.number(&[0x91, small(TTL)], value, 1)?),
                "$lastUpdate" => terms.extend(self.number(&[0x91, small(LAST_UPDATE)], value, NS_PER_MS)?),
                name if name.starts_with('$') => return Err(wrong(format!("'{name}' is not known"))),
                bin => terms.extend(self.bin(bin, value)?),
            }
        }
        join(AND, terms)
    }

    fn several(&mut self, code: i64, value: &Value, depth: usize) -> Result<Vec<u8>, Problem> {
        let parts = value.as_array().filter(|parts| !parts.is_empty());
        let parts = parts.ok_or_else(|| wrong("'$and' and '$or' need a list of filters"))?;
        let terms: Result<Vec<_>, Problem> = parts
            .iter()
            .map(|part| {
                self.all(part.as_object().ok_or_else(|| wrong("a filter must be an object"))?, depth + 1)
            })
            .collect();
        join(code, terms?)
    }

    /// What is demanded of one bin.
    fn bin(&mut self, bin: &str, value: &Value) -> Result<Vec<Vec<u8>>, Problem> {
        check_bin_name(bin)?;
        match value {
            Value::Object(object)
                if object.keys().any(|key| key.starts_with('$') && operator(key).is_some()) =>
            {
                object.iter().map(|(name, value)| self.test(bin, name, value)).collect()
            }
            Value::Null => Ok(vec![self.test(bin, "$exists", &Value::Bool(false))?]),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                Ok(vec![self.test(bin, "$eq", value)?])
            }
        }
    }

    fn test(&mut self, bin: &str, name: &str, value: &Value) -> Result<Vec<u8>, Problem> {
        self.terms += 1;
        if self.terms > TERMS_MAX {
            return Err(wrong("too many comparisons"));
        }
        match (operator(name), value) {
            (Some(Operator::Compare(code)), value) => compare(code, bin, value),
            (Some(Operator::In), Value::Array(items)) if !items.is_empty() => {
                self.terms += items.len();
                let terms: Result<Vec<_>, Problem> =
                    items.iter().map(|item| compare(EQ, bin, item)).collect();
                join(OR, terms?)
            }
            (Some(Operator::In), _) => Err(wrong("'$in' needs a list")),
            (Some(Operator::Exists), Value::Bool(exists)) => {
                let mut kind = vec![0x92, small(BIN_TYPE)];
                writer::bytes(&mut kind, bin.as_bytes());
                Ok(packed(if *exists { NE } else { EQ }, &[kind, vec![0]]))
            }
            (Some(Operator::Exists), _) => Err(wrong("'$exists' needs true or false")),
            (Some(Operator::Regex), Value::String(pattern)) => {
                let mut out = vec![0x94, small(REGEX), small(REGEX_EXTENDED)];
                writer::bytes(&mut out, pattern.as_bytes());
                out.extend_from_slice(&bin_of(bin, 3));
                Ok(out)
            }
            (Some(Operator::Regex), _) => Err(wrong("'$regex' needs text")),
            (None, _) => Err(wrong(format!("'{name}' is not known"))),
        }
    }

    /// What is demanded of a number of the record itself.
    fn number(&mut self, left: &[u8], value: &Value, factor: i64) -> Result<Vec<Vec<u8>>, Problem> {
        let object = value.as_object().ok_or_else(|| wrong("'$ttl' and '$lastUpdate' need comparisons"))?;
        let term = |(name, value): (&String, &Value)| {
            let (Some(Operator::Compare(code)), Some(number)) = (operator(name), value.as_i64()) else {
                return Err(wrong(format!("'{name}' needs an integer to compare with")));
            };
            let mut right = Vec::new();
            writer::int(&mut right, number.saturating_mul(factor));
            Ok(packed(code, &[left.to_vec(), right]))
        };
        self.terms += object.len();
        object.iter().map(term).collect()
    }
}

enum Operator {
    Compare(i64),
    In,
    Exists,
    Regex,
}

fn operator(name: &str) -> Option<Operator> {
    Some(match name {
        "$eq" => Operator::Compare(EQ),
        "$ne" => Operator::Compare(NE),
        "$gt" => Operator::Compare(GT),
        "$gte" => Operator::Compare(GE),
        "$lt" => Operator::Compare(LT),
        "$lte" => Operator::Compare(LE),
        "$in" => Operator::In,
        "$exists" => Operator::Exists,
        "$regex" => Operator::Regex,
        _ => return None,
    })
}

fn compare(code: i64, bin: &str, value: &Value) -> Result<Vec<u8>, Problem> {
    let kind = match value {
        Value::Bool(_) => 1,
        Value::Number(number) if number.is_f64() => 7,
        Value::Number(_) => 2,
        Value::String(_) => 3,
        Value::Array(_) => 4,
        Value::Object(object) if object.contains_key("$int") => 2,
        Value::Object(object) if object.contains_key("$double") => 7,
        Value::Object(object) if object.contains_key("$bytes") => 6,
        Value::Object(_) => 5,
        Value::Null => return Err(wrong("nothing is compared with null; there is '$exists'")),
    };
    let mut constant = Vec::new();
    json::element(value, &mut constant).map_err(|error| wrong(error.to_string()))?;
    if matches!(value, Value::Array(_)) {
        // A plain list would be read as an operation: it is quoted.
        constant = packed(126, &[constant]);
    }
    Ok(packed(code, &[bin_of(bin, kind), constant]))
}

/// The value of a bin of an expression type.
fn bin_of(bin: &str, kind: i64) -> Vec<u8> {
    let mut out = vec![0x93, small(BIN), small(kind)];
    writer::bytes(&mut out, bin.as_bytes());
    out
}

fn join(code: i64, mut terms: Vec<Vec<u8>>) -> Result<Vec<u8>, Problem> {
    match terms.len() {
        0 => Err(wrong("an empty filter has no place inside of another one")),
        1 => Ok(terms.swap_remove(0)),
        _ => Ok(packed(code, &terms)),
    }
}

fn packed(code: i64, operands: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    writer::array_head(&mut out, operands.len() + 1);
    writer::int(&mut out, code);
    operands.iter().for_each(|operand| out.extend_from_slice(operand));
    out
}

/// A code that one byte holds.
fn small(code: i64) -> u8 {
    u8::try_from(code).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::compile;
    use serde_json::json;
    use shipload_value::describe::expression;

    #[test]
    fn filters_are_expressions() {
        let text = |filter| expression(&compile(&filter).expect("a filter"));
        assert_eq!(text(json!({ "city": "Hamburg" })), "eq(bin_str(\"city\"), \"Hamburg\")");
        assert_eq!(
            text(json!({ "age": { "$gte": 18, "$lt": 65 } })),
            "and(ge(bin_int(\"age\"), 18), lt(bin_int(\"age\"), 65))"
        );
        assert_eq!(
            text(json!({ "$or": [{ "a": 1.5 }, { "$not": { "b": true } }] })),
            "or(eq(bin_float(\"a\"), 1.5), not(eq(bin_bool(\"b\"), true)))"
        );
        assert_eq!(text(json!({ "a": { "$exists": false } })), "eq(bin_type(\"a\"), 0)");
        assert_eq!(
            text(json!({ "a": { "$in": ["x", "y"] } })),
            "or(eq(bin_str(\"a\"), \"x\"), eq(bin_str(\"a\"), \"y\"))"
        );
        assert!(compile(&json!({})).expect("everything").is_empty());
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for filter in [
            json!(5),
            json!({ "$nor": [] }),
            json!({ "$or": [] }),
            json!({ "a": { "$gt": null } }),
            json!({ "a": { "$in": [] } }),
            json!({ "a": { "$gt": 1, "b": 2 } }),
            json!({ "a-name-that-is-too-long": 1 }),
            json!({ "$and": [{}] }),
            json!({ "$ttl": 5 }),
        ] {
            assert!(compile(&filter).is_err(), "{filter}");
        }
    }
}
