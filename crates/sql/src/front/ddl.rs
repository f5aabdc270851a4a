//! `CREATE TABLE` and `ALTER TABLE` with what Crate adds to them.

use super::statement::Name;
use super::{name_of, parts_of};
use crate::column_type::Type;
use crate::error::{Kind, Result, SqlError};
use sqlparser::ast::{Expr, Value};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

/// A name and its value in `WITH (...)`.
pub type WithOption = (String, Expr);

/// A column as it is defined.
#[derive(Debug, Clone, Default)]
pub struct ColumnSpec {
    /// Its name.
    pub name: String,
    /// Its type; unknown for a generated column that names none.
    pub ty: Type,
    /// What happens to members that are not defined: strict, dynamic, ignored.
    pub policy: Option<String>,
    /// The members of an object.
    pub children: Vec<ColumnSpec>,
    /// What stands in for a missing value.
    pub default: Option<Expr>,
    /// What its value is computed from.
    pub generated: Option<Expr>,
    /// Null is refused.
    pub not_null: bool,
    /// It belongs to the key.
    pub primary_key: bool,
    /// What must hold of its values.
    pub checks: Vec<(Option<String>, Expr)>,
}

/// `CREATE TABLE` and `CREATE BLOB TABLE`.
#[derive(Debug, Clone, Default)]
pub struct CreateTable {
    /// The table.
    pub name: Name,
    /// No error when there is one.
    pub if_not_exists: bool,
    /// It holds blobs.
    pub blob: bool,
    /// Columns in order.
    pub columns: Vec<ColumnSpec>,
    /// The key, when it is not said at the columns.
    pub primary_key: Vec<String>,
    /// What must hold of every row.
    pub checks: Vec<(Option<String>, Expr)>,
    /// The routing column.
    pub clustered_by: Option<String>,
    /// The number of shards.
    pub shards: Option<u32>,
    /// Columns by which the table is partitioned.
    pub partitioned_by: Vec<String>,
    /// `WITH`.
    pub options: Vec<WithOption>,
}

/// What `ALTER TABLE` changes.
#[derive(Debug, Clone)]
pub enum AlterTable {
    /// `SET (...)`.
    Set(Vec<WithOption>),
    /// `RESET (...)`.
    Reset(Vec<String>),
    /// `ADD COLUMN`.
    Add(Vec<ColumnSpec>),
    /// `DROP COLUMN`.
    DropColumn(String),
    /// `RENAME COLUMN`.
    RenameColumn(String, String),
    /// `RENAME TO`.
    RenameTo(Name),
    /// `DROP CONSTRAINT`.
    DropConstraint(String),
}

/// What parsing returns before it is one of our errors.
pub(super) type Parsing<T> = std::result::Result<T, ParserError>;

/// A word, if it is the next token.
pub(super) fn word(parser: &mut Parser<'_>, wanted: &str) -> bool {
    let found = is_word(&parser.peek_token_ref().token, wanted);
    if found {
        parser.next_token();
    }
    found
}

/// Words, if they are the next tokens.
pub(super) fn words(parser: &mut Parser<'_>, wanted: &[&str]) -> bool {
    let all =
        wanted.iter().enumerate().all(|(place, word)| is_word(&parser.peek_nth_token_ref(place).token, word));
    if all {
        wanted.iter().for_each(|_| drop(parser.next_token()));
    }
    all
}

/// Whether a token is this word, unquoted.
pub(super) fn is_word(token: &Token, wanted: &str) -> bool {
    matches!(token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(wanted))
}

/// A word that must come.
pub(super) fn expect(parser: &mut Parser<'_>, wanted: &str) -> Parsing<()> {
    if word(parser, wanted) {
        return Ok(());
    }
    let found = parser.peek_token();
    parser.expected(&wanted.to_uppercase(), found)
}

/// A qualified name.
pub(super) fn name(parser: &mut Parser<'_>) -> Parsing<Name> {
    Ok(parts_of(&parser.parse_object_name(false)?))
}

fn ident(parser: &mut Parser<'_>) -> Parsing<String> {
    Ok(name_of(&parser.parse_identifier()?))
}

/// `CREATE [BLOB] TABLE`, after these words.
pub(super) fn create_table(parser: &mut Parser<'_>, blob: bool) -> Parsing<CreateTable> {
    let if_not_exists = words(parser, &["if", "not", "exists"]);
    let mut table = CreateTable { if_not_exists, blob, name: name(parser)?, ..CreateTable::default() };
    if !blob {
        parser.expect_token(&Token::LParen)?;
        loop {
            element(parser, &mut table)?;
            if !parser.consume_token(&Token::Comma) {
                break;
            }
        }
        parser.expect_token(&Token::RParen)?;
    }
    loop {
        if word(parser, "clustered") {
            if word(parser, "by") {
                parser.expect_token(&Token::LParen)?;
                table.clustered_by = Some(ident(parser)?);
                parser.expect_token(&Token::RParen)?;
            }
            if word(parser, "into") {
                table.shards = Some(u32::try_from(parser.parse_literal_uint()?).unwrap_or(u32::MAX));
                expect(parser, "shards")?;
            }
        } else if words(parser, &["partitioned", "by"]) {
            table.partitioned_by = idents(parser)?;
        } else if word(parser, "with") {
            table.options = options(parser)?;
        } else {
            return Ok(table);
        }
    }
}

fn idents(parser: &mut Parser<'_>) -> Parsing<Vec<String>> {
    parser.expect_token(&Token::LParen)?;
    let names = parser.parse_comma_separated(ident)?;
    parser.expect_token(&Token::RParen)?;
    Ok(names)
}

/// `(name = value, ...)`; names may be quoted and may have dots.
pub(super) fn options(parser: &mut Parser<'_>) -> Parsing<Vec<WithOption>> {
    parser.expect_token(&Token::LParen)?;
    if parser.consume_token(&Token::RParen) {
        return Ok(Vec::new());
    }
    let options = parser.parse_comma_separated(|parser| {
        let name = name(parser)?.join(".");
        parser.expect_token(&Token::Eq)?;
        Ok((name, value(parser)?))
    })?;
    parser.expect_token(&Token::RParen)?;
    Ok(options)
}

/// An option's value; a bare word is a text.
pub(super) fn value(parser: &mut Parser<'_>) -> Parsing<Expr> {
    match parser.parse_expr()? {
        Expr::Identifier(ident) => Ok(Expr::value(Value::SingleQuotedString(ident.value))),
        other => Ok(other),
    }
}

/// One entry between the brackets of `CREATE TABLE`.
fn element(parser: &mut Parser<'_>, table: &mut CreateTable) -> Parsing<()> {
    if words(parser, &["primary", "key"]) {
        table.primary_key = idents(parser)?;
    } else if is_word(&parser.peek_token_ref().token, "constraint") || is_check(parser) {
        let constraint = if word(parser, "constraint") { Some(ident(parser)?) } else { None };
        if words(parser, &["primary", "key"]) {
            table.primary_key = idents(parser)?;
        } else {
            expect(parser, "check")?;
            table.checks.push((constraint, bracketed(parser)?));
        }
    } else if word(parser, "index") {
        // Every column is found; full text is not there yet, and plain indexes cost nothing to leave out.
        ident(parser)?;
        index_using(parser)?;
    } else {
        table.columns.push(column(parser)?);
    }
    Ok(())
}

fn is_check(parser: &Parser<'_>) -> bool {
    is_word(&parser.peek_token_ref().token, "check") && parser.peek_nth_token_ref(1).token == Token::LParen
}

fn bracketed(parser: &mut Parser<'_>) -> Parsing<Expr> {
    parser.expect_token(&Token::LParen)?;
    let expr = parser.parse_expr()?;
    parser.expect_token(&Token::RParen)?;
    Ok(expr)
}

/// A column's definition.
pub(super) fn column(parser: &mut Parser<'_>) -> Parsing<ColumnSpec> {
    let mut column = ColumnSpec { name: ident(parser)?, ..ColumnSpec::default() };
    let untyped = ["generated", "as"].iter().any(|word| is_word(&parser.peek_token_ref().token, word))
        && !matches!(parser.peek_nth_token_ref(1).token, Token::Comma | Token::RParen);
    if !untyped {
        column.ty = column_type(parser, &mut column.policy, &mut column.children)?;
    }
    loop {
        if words(parser, &["primary", "key"]) {
            column.primary_key = true;
        } else if words(parser, &["not", "null"]) {
            column.not_null = true;
        } else if word(parser, "null") {
            column.not_null = false;
        } else if word(parser, "default") {
            column.default = Some(parser.parse_expr()?);
        } else if words(parser, &["generated", "always", "as"]) || word(parser, "as") {
            column.generated = Some(parser.parse_expr()?);
        } else if is_check(parser) {
            parser.next_token();
            column.checks.push((None, bracketed(parser)?));
        } else if word(parser, "constraint") {
            let constraint = ident(parser)?;
            expect(parser, "check")?;
            column.checks.push((Some(constraint), bracketed(parser)?));
        } else if word(parser, "index") {
            index_using(parser)?;
        } else if words(parser, &["storage", "with"]) {
            options(parser)?;
        } else {
            return Ok(column);
        }
    }
}

fn index_using(parser: &mut Parser<'_>) -> Parsing<()> {
    if word(parser, "off") {
        return Ok(());
    }
    expect(parser, "using")?;
    if word(parser, "fulltext") {
        return Err(ParserError::ParserError("full-text indexes are not there yet".to_owned()));
    }
    ident(parser)?;
    if parser.peek_token_ref().token == Token::LParen {
        idents(parser)?;
    }
    if word(parser, "with") {
        options(parser)?;
    }
    Ok(())
}

fn column_type(
    parser: &mut Parser<'_>,
    policy: &mut Option<String>,
    children: &mut Vec<ColumnSpec>,
) -> Parsing<Type> {
    if is_word(&parser.peek_token_ref().token, "array") && parser.peek_nth_token_ref(1).token == Token::LParen
    {
        parser.next_token();
        parser.expect_token(&Token::LParen)?;
        let inner = column_type(parser, policy, children)?;
        parser.expect_token(&Token::RParen)?;
        return Ok(Type::array(inner));
    }
    if word(parser, "object") {
        if parser.consume_token(&Token::LParen) {
            *policy = Some(ident(parser)?);
            parser.expect_token(&Token::RParen)?;
        }
        if parser.peek_nth_token_ref(1).token == Token::LParen && word(parser, "as") {
            parser.expect_token(&Token::LParen)?;
            *children = parser.parse_comma_separated(column)?;
            parser.expect_token(&Token::RParen)?;
        }
        let mut ty = Type::Object;
        while parser.consume_token(&Token::LBracket) {
            parser.expect_token(&Token::RBracket)?;
            ty = Type::array(ty);
        }
        return Ok(ty);
    }
    let ast = parser.parse_data_type()?;
    Type::of_ast(&ast).map_err(|error| ParserError::ParserError(error.message))
}

/// `ALTER TABLE`, after these words.
pub(super) fn alter_table(parser: &mut Parser<'_>) -> Parsing<(Name, AlterTable)> {
    let table = name(parser)?;
    let change = if word(parser, "set") {
        AlterTable::Set(options(parser)?)
    } else if word(parser, "reset") {
        AlterTable::Reset(idents(parser)?)
    } else if word(parser, "add") {
        AlterTable::Add(parser.parse_comma_separated(|parser| {
            word(parser, "add");
            word(parser, "column");
            column(parser)
        })?)
    } else if words(parser, &["drop", "constraint"]) {
        AlterTable::DropConstraint(ident(parser)?)
    } else if word(parser, "drop") {
        word(parser, "column");
        AlterTable::DropColumn(ident(parser)?)
    } else if words(parser, &["rename", "to"]) {
        AlterTable::RenameTo(name(parser)?)
    } else if word(parser, "rename") {
        word(parser, "column");
        let old = ident(parser)?;
        expect(parser, "to")?;
        AlterTable::RenameColumn(old, ident(parser)?)
    } else {
        let found = parser.peek_token();
        return parser.expected("SET, RESET, ADD, DROP or RENAME", found);
    };
    Ok((table, change))
}

/// The number in an option.
///
/// # Errors
/// Another value.
pub fn literal(expr: &Expr) -> Result<String> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(text, _) => Ok(text.clone()),
            Value::SingleQuotedString(text) => Ok(text.clone()),
            Value::Boolean(value) => Ok(value.to_string()),
            Value::Null => Ok(String::new()),
            other => Err(SqlError::new(Kind::Validation, format!("'{other}' can't be used here"))),
        },
        Expr::UnaryOp { .. } | Expr::Identifier(_) => Ok(expr.to_string()),
        other => Err(SqlError::new(Kind::Validation, format!("'{other}' can't be used here"))),
    }
}
