//! Which parser a statement is for, and the parsers of what the stock one lacks.

use super::ddl::{Parsing, alter_table, create_table, expect, is_word, name, options, value, word, words};
use super::move_rows;
use super::statement::{Name, Parsed, Scope, Show, Statement, Update};
use super::tokens::tokens;
use super::{name_of, path_of};
use crate::error::{Kind, Result, SqlError};
use sqlparser::ast::{Expr, SelectItem};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

/// Expressions and queries nest at most so deep.
const DEPTH_MAX: usize = 100;

/// Parses one statement; a semicolon may end it.
///
/// # Errors
/// [`Kind::Syntax`] for everything that is no statement.
pub fn parse(text: &str) -> Result<Parsed> {
    let (all, arguments) = tokens(text)?;
    if all.iter().all(|token| *token == Token::SemiColon) {
        return Err(SqlError::new(Kind::Syntax, "line 1:1: mismatched input '<EOF>': there is no statement"));
    }
    let dialect = PostgreSqlDialect {};
    let mut parser = Parser::new(&dialect).with_recursion_limit(DEPTH_MAX).with_tokens(all);
    let statement = statement(&mut parser).map_err(|error| syntax(&error))?;
    while parser.consume_token(&Token::SemiColon) {}
    let rest = parser.peek_token();
    if rest.token != Token::EOF {
        return Err(SqlError::new(
            Kind::Syntax,
            format!("line 1:1: mismatched input '{}' after the statement", rest.token),
        ));
    }
    Ok(Parsed { statement, arguments, text: text.trim().trim_end_matches(';').trim_end().to_owned() })
}

fn syntax(error: &ParserError) -> SqlError {
    let text = match error {
        ParserError::ParserError(text) | ParserError::TokenizerError(text) => text.clone(),
        ParserError::RecursionLimitExceeded => "the statement nests too deep".to_owned(),
    };
    SqlError::new(Kind::Syntax, format!("line 1:1: {text}"))
}

fn statement(parser: &mut Parser<'_>) -> Parsing<Statement> {
    if let Some(made) = create_or_drop(parser)? {
        return Ok(made);
    }
    if let Some(made) = administration(parser)? {
        return Ok(made);
    }
    if word(parser, "update") {
        return update(parser).map(Statement::Update);
    }
    if word(parser, "copy") {
        return move_rows::copy(parser);
    }
    if let Some(made) = move_rows::cursor(parser)? {
        return Ok(made);
    }
    if word(parser, "show") {
        return show(parser).map(Statement::Show);
    }
    if word(parser, "begin") || words(parser, &["start", "transaction"]) {
        rest(parser);
        return Ok(Statement::Begin);
    }
    if word(parser, "commit") || word(parser, "end") {
        rest(parser);
        return Ok(Statement::Commit);
    }
    if word(parser, "rollback") || word(parser, "abort") {
        let _ = word(parser, "work") || word(parser, "transaction");
        let goes_on = word(parser, "to");
        rest(parser);
        if goes_on {
            return Ok(Statement::Forget("ROLLBACK"));
        }
        return Ok(Statement::Rollback);
    }
    parser.parse_statement().map(|stock| Statement::Stock(Box::new(stock)))
}

/// Steps over what does not matter.
fn rest(parser: &mut Parser<'_>) {
    while !matches!(parser.peek_token_ref().token, Token::EOF | Token::SemiColon) {
        parser.next_token();
    }
}

fn create_or_drop(parser: &mut Parser<'_>) -> Parsing<Option<Statement>> {
    if words(parser, &["create", "blob", "table"]) {
        return create_table(parser, true).map(|table| Some(Statement::CreateTable(Box::new(table))));
    }
    if words(parser, &["create", "table"]) {
        let from = parser.peek_nth_token_ref(0).token.clone();
        if let Some(made) = parser.maybe_parse(create_table_as)? {
            return Ok(Some(made));
        }
        debug_assert_eq!(from, parser.peek_token_ref().token, "the attempt is taken back");
        return create_table(parser, false).map(|table| Some(Statement::CreateTable(Box::new(table))));
    }
    let or_replace = words(parser, &["create", "or", "replace", "view"]);
    if or_replace || words(parser, &["create", "view"]) {
        let name = name(parser)?;
        expect(parser, "as")?;
        return Ok(Some(Statement::CreateView { name, or_replace, query: parser.parse_query()? }));
    }
    if words(parser, &["create", "index"]) {
        return create_index(parser).map(Some);
    }
    if words(parser, &["drop", "index"]) {
        let if_exists = words(parser, &["if", "exists"]);
        let names = parser.parse_comma_separated(name)?;
        let _ = word(parser, "cascade") || word(parser, "restrict");
        return Ok(Some(Statement::DropIndex { if_exists, names }));
    }
    let what = if words(parser, &["drop", "blob", "table"]) {
        "BLOB TABLE"
    } else if words(parser, &["drop", "table"]) {
        "TABLE"
    } else if words(parser, &["drop", "view"]) {
        "VIEW"
    } else if words(parser, &["alter", "table"]) || words(parser, &["alter", "blob", "table"]) {
        let (name, change) = alter_table(parser)?;
        return Ok(Some(Statement::AlterTable(name, change)));
    } else {
        return Ok(None);
    };
    let if_exists = words(parser, &["if", "exists"]);
    let names = parser.parse_comma_separated(name)?;
    let _ = word(parser, "cascade") || word(parser, "restrict");
    Ok(Some(Statement::Drop { what, if_exists, names }))
}

/// After `CREATE INDEX`: `[IF NOT EXISTS] name ON table (column)`.
fn create_index(parser: &mut Parser<'_>) -> Parsing<Statement> {
    let if_not_exists = words(parser, &["if", "not", "exists"]);
    let index = name(parser)?;
    expect(parser, "on")?;
    let table = name(parser)?;
    parser.expect_token(&Token::LParen)?;
    let columns = parser.parse_comma_separated(name)?;
    parser.expect_token(&Token::RParen)?;
    Ok(Statement::CreateIndex { name: index, if_not_exists, table, columns })
}

fn create_table_as(parser: &mut Parser<'_>) -> Parsing<Statement> {
    let if_not_exists = words(parser, &["if", "not", "exists"]);
    let name = name(parser)?;
    expect(parser, "as")?;
    let wrapped = parser.peek_token_ref().token == Token::LParen;
    if wrapped {
        parser.next_token();
    }
    let query = parser.parse_query()?;
    if wrapped {
        parser.expect_token(&Token::RParen)?;
    }
    Ok(Statement::CreateTableAs { name, if_not_exists, query })
}

fn administration(parser: &mut Parser<'_>) -> Parsing<Option<Statement>> {
    if words(parser, &["refresh", "table"]) {
        return tables(parser).map(|names| Some(Statement::Refresh(names)));
    }
    if words(parser, &["optimize", "table"]) {
        return tables(parser).map(|names| Some(Statement::Accepted(names)));
    }
    if word(parser, "analyze") {
        return Ok(Some(Statement::Accepted(Vec::new())));
    }
    if word(parser, "kill") {
        let one = if word(parser, "all") { None } else { Some(parser.parse_expr()?) };
        return Ok(Some(Statement::Kill(one)));
    }
    if word(parser, "set") {
        return set(parser).map(Some);
    }
    if word(parser, "reset") {
        word(parser, "global");
        let names = parser.parse_comma_separated(|parser| Ok(name(parser)?.join(".")))?;
        return Ok(Some(Statement::Reset(names)));
    }
    let tags = [
        ("deallocate", "DEALLOCATE"),
        ("discard", "DISCARD ALL"),
        ("savepoint", "SAVEPOINT"),
        ("release", "RELEASE"),
    ];
    for (first, tag) in tags {
        if word(parser, first) {
            rest(parser);
            return Ok(Some(Statement::Forget(tag)));
        }
    }
    Ok(None)
}

/// Tables, each maybe with `PARTITION (...)`.
fn tables(parser: &mut Parser<'_>) -> Parsing<Vec<Name>> {
    let names = parser.parse_comma_separated(|parser| {
        let name = name(parser)?;
        if word(parser, "partition") {
            options(parser)?;
        }
        Ok(name)
    })?;
    if word(parser, "with") {
        options(parser)?;
    }
    Ok(names)
}

fn set(parser: &mut Parser<'_>) -> Parsing<Statement> {
    let scope = if word(parser, "global") {
        let _ = word(parser, "persistent") || word(parser, "transient");
        Scope::Global
    } else {
        let _ = word(parser, "session") || word(parser, "local");
        Scope::Session
    };
    if words(parser, &["characteristics"]) || word(parser, "transaction") {
        rest(parser);
        return Ok(Statement::Set(Scope::Session, Vec::new()));
    }
    if words(parser, &["time", "zone"]) {
        let zone = value(parser)?;
        return Ok(Statement::Set(scope, vec![("timezone".to_owned(), vec![zone])]));
    }
    let settings = parser.parse_comma_separated(|parser| {
        let path = parser.parse_expr_setting()?;
        // Without values it is what it is by default.
        let values =
            if word(parser, "default") { Vec::new() } else { parser.parse_comma_separated(value)? };
        Ok((path, values))
    })?;
    Ok(Statement::Set(scope, settings))
}

/// What the parser lacks: the name of a setting, `a.b` or `a['b']`, and the sign after it.
trait SettingName {
    fn parse_expr_setting(&mut self) -> Parsing<String>;
}

impl SettingName for Parser<'_> {
    fn parse_expr_setting(&mut self) -> Parsing<String> {
        let mut path = name(self)?;
        while self.consume_token(&Token::LBracket) {
            path.push(self.parse_literal_string()?);
            self.expect_token(&Token::RBracket)?;
        }
        if !self.consume_token(&Token::Eq) {
            expect(self, "to")?;
        }
        Ok(path.join("."))
    }
}

fn update(parser: &mut Parser<'_>) -> Parsing<Update> {
    let table = name(parser)?;
    let aliased = word(parser, "as") || !is_word(&parser.peek_token_ref().token, "set");
    let alias = if aliased { Some(name_of(&parser.parse_identifier()?)) } else { None };
    expect(parser, "set")?;
    let sets = parser.parse_comma_separated(|parser| {
        // A prefix, so that the sign of equality is not taken for a comparison.
        let target = parser.parse_subexpr(parser.dialect_precedence_of_brackets())?;
        let path = path_of(&target)
            .ok_or_else(|| ParserError::ParserError(format!("'{target}' is no column that could be set")))?;
        parser.expect_token(&Token::Eq)?;
        Ok((path, parser.parse_expr()?))
    })?;
    let selection = if word(parser, "where") { Some(parser.parse_expr()?) } else { None };
    Ok(Update { table, alias, sets, selection, returning: returning(parser)? })
}

/// Brackets bind closer than a comparison.
trait Brackets {
    fn dialect_precedence_of_brackets(&self) -> u8;
}

impl Brackets for Parser<'_> {
    fn dialect_precedence_of_brackets(&self) -> u8 {
        use sqlparser::dialect::{Dialect as _, Precedence};
        PostgreSqlDialect {}.prec_value(Precedence::Eq)
    }
}

fn returning(parser: &mut Parser<'_>) -> Parsing<Option<Vec<SelectItem>>> {
    if word(parser, "returning") { parser.parse_projection().map(Some) } else { Ok(None) }
}

fn show(parser: &mut Parser<'_>) -> Parsing<Show> {
    if words(parser, &["create", "table"]) {
        return name(parser).map(Show::CreateTable);
    }
    if word(parser, "tables") {
        let schema =
            if word(parser, "from") || word(parser, "in") { Some(name(parser)?.join(".")) } else { None };
        return Ok(Show::Tables(schema, like(parser)?));
    }
    if word(parser, "columns") {
        if !word(parser, "from") {
            expect(parser, "in")?;
        }
        let mut table = name(parser)?;
        if word(parser, "from") || word(parser, "in") {
            table.splice(0..0, name(parser)?);
        }
        return Ok(Show::Columns(table));
    }
    if word(parser, "schemas") {
        return Ok(Show::Schemas(like(parser)?));
    }
    if word(parser, "all") {
        return Ok(Show::Setting(None));
    }
    for (long, short) in [
        (&["transaction", "isolation", "level"] as &[&str], "transaction_isolation"),
        (&["time", "zone"], "timezone"),
    ] {
        if words(parser, long) {
            return Ok(Show::Setting(Some(short.to_owned())));
        }
    }
    Ok(Show::Setting(Some(name(parser)?.join("."))))
}

fn like(parser: &mut Parser<'_>) -> Parsing<Option<String>> {
    if word(parser, "like") { parser.parse_literal_string().map(Some) } else { Ok(None) }
}

/// Parses an expression alone, as the catalogue keeps them.
///
/// # Errors
/// [`Kind::Syntax`] for a text that is none.
pub fn parse_expr(text: &str) -> Result<Expr> {
    let (all, _) = tokens(text)?;
    let dialect = PostgreSqlDialect {};
    let mut parser = Parser::new(&dialect).with_recursion_limit(DEPTH_MAX).with_tokens(all);
    parser.parse_expr().map_err(|error| syntax(&error))
}
