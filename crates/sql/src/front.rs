//! The dialect: text to statements.
//!
//! Everything that the stock parser knows is left to it. What it lacks is parsed here on the same tokens.

pub mod ddl;
mod move_rows;
mod parse;
pub mod statement;
pub mod title;
pub mod tokens;

pub use parse::{parse, parse_expr};
pub use statement::{Parsed, Statement};

use sqlparser::ast::{Expr, Function, Ident, ObjectName, ObjectNamePart, Value as AstValue};

/// A name between quotes, as a statement may have it.
#[must_use]
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The same, without quotes where the name is the same without them.
#[cfg(feature = "engine")]
#[must_use]
pub fn quoted_where_needed(name: &str) -> String {
    let plain = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain && !name.starts_with(|c: char| c.is_ascii_digit()) && !name.is_empty() {
        name.to_owned()
    } else {
        quoted(name)
    }
}

/// A name as the catalogue knows it: lower case unless it was quoted.
#[must_use]
pub fn name_of(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

/// The parts of a qualified name.
#[must_use]
pub fn parts_of(name: &ObjectName) -> Vec<String> {
    name.0
        .iter()
        .map(|part| match part {
            ObjectNamePart::Identifier(ident) => name_of(ident),
            ObjectNamePart::Function(function) => name_of(&function.name),
        })
        .collect()
}

/// A function's name, lower case, without a schema.
#[must_use]
pub fn function_name(function: &Function) -> String {
    let last = function.name.0.last().map(ToString::to_string).unwrap_or_default();
    last.replace('"', "").to_lowercase()
}

/// A column with a path into it, as in `o['a']['b']`; none for another expression. A table's name before it is left out.
#[must_use]
pub fn path_of(expr: &Expr) -> Option<Vec<String>> {
    use sqlparser::ast::{AccessExpr, Subscript};
    match expr {
        Expr::Identifier(ident) => Some(vec![name_of(ident)]),
        Expr::CompoundIdentifier(idents) => idents.last().map(|ident| vec![name_of(ident)]),
        Expr::Nested(inner) => path_of(inner),
        Expr::CompoundFieldAccess { root, access_chain } => {
            let mut path = path_of(root)?;
            for access in access_chain {
                match access {
                    AccessExpr::Dot(Expr::Identifier(ident)) => path = vec![name_of(ident)],
                    AccessExpr::Subscript(Subscript::Index { index: Expr::Value(value) }) => {
                        match &value.value {
                            AstValue::SingleQuotedString(name) => path.push(name.clone()),
                            _ => return None,
                        }
                    }
                    AccessExpr::Dot(_) | AccessExpr::Subscript(_) => return None,
                }
            }
            Some(path)
        }
        _ => None,
    }
}

/// How a path is written: `o['a']['b']`.
#[must_use]
pub fn show_path(path: &[String]) -> String {
    let mut shown = String::new();
    for (place, name) in path.iter().enumerate() {
        if place == 0 {
            shown.push_str(name);
        } else {
            shown.push_str(&format!("['{name}']"));
        }
    }
    shown
}
