//! `COPY` and cursors.

use super::ddl::{Parsing, WithOption, expect, is_word, name, options, value, word, words};
use super::name_of;
use super::statement::{Copy, Statement};
use sqlparser::ast::{Expr, Value};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

/// `COPY`, after this word.
pub(super) fn copy(parser: &mut Parser<'_>) -> Parsing<Statement> {
    let mut copy = Copy {
        table: Vec::new(),
        columns: Vec::new(),
        selection: None,
        query: None,
        place: None,
        options: Vec::new(),
        summary: false,
    };
    if parser.consume_token(&Token::LParen) {
        copy.query = Some(parser.parse_query()?);
        parser.expect_token(&Token::RParen)?;
    } else {
        copy.table = name(parser)?;
        if word(parser, "partition") {
            options(parser)?;
        }
        if parser.consume_token(&Token::LParen) {
            copy.columns = parser.parse_comma_separated(|parser| Ok(name_of(&parser.parse_identifier()?)))?;
            parser.expect_token(&Token::RParen)?;
        }
        if word(parser, "where") {
            copy.selection = Some(parser.parse_expr()?);
        }
    }
    let from = copy.query.is_none() && word(parser, "from");
    if !from {
        expect(parser, "to")?;
        word(parser, "directory");
    }
    if !word(parser, if from { "stdin" } else { "stdout" }) {
        copy.place = Some(value(parser)?);
    }
    word(parser, "with");
    copy.options = copy_options(parser)?;
    copy.summary = words(parser, &["return", "summary"]);
    Ok(if from { Statement::CopyFrom(Box::new(copy)) } else { Statement::CopyTo(Box::new(copy)) })
}

/// `(name = value)` as in Crate, `(name value)` and `(name)` as in PostgreSQL, and without brackets as in an old one.
fn copy_options(parser: &mut Parser<'_>) -> Parsing<Vec<WithOption>> {
    if parser.consume_token(&Token::LParen) {
        let options = parser.parse_comma_separated(|parser| {
            let name = name(parser)?.join(".");
            let _ = parser.consume_token(&Token::Eq);
            let bare = matches!(parser.peek_token_ref().token, Token::Comma | Token::RParen);
            Ok((name, if bare { Expr::value(Value::Boolean(true)) } else { value(parser)? }))
        })?;
        parser.expect_token(&Token::RParen)?;
        return Ok(options);
    }
    let mut options = Vec::new();
    loop {
        let text = |text: &str| Expr::value(Value::SingleQuotedString(text.to_owned()));
        let format = ["csv", "text", "binary"].into_iter().find(|format| word(parser, format));
        let named = ["delimiter", "null", "quote", "escape"];
        if let Some(format) = format {
            options.push(("format".to_owned(), text(format)));
        } else if word(parser, "header") {
            options.push(("header".to_owned(), Expr::value(Value::Boolean(true))));
        } else if let Some(name) = named.into_iter().find(|name| word(parser, name)) {
            word(parser, "as");
            options.push((name.to_owned(), text(&parser.parse_literal_string()?)));
        } else {
            return Ok(options);
        }
    }
}

/// `DECLARE`, `FETCH`, `MOVE`, `CLOSE`; none for another statement.
pub(super) fn cursor(parser: &mut Parser<'_>) -> Parsing<Option<Statement>> {
    if word(parser, "declare") {
        return declare(parser).map(Some);
    }
    let skip = is_word(&parser.peek_token_ref().token, "move");
    if skip || is_word(&parser.peek_token_ref().token, "fetch") {
        parser.next_token();
        return fetch(parser, skip).map(Some);
    }
    if word(parser, "close") {
        let name = if word(parser, "all") { None } else { Some(name_of(&parser.parse_identifier()?)) };
        return Ok(Some(Statement::Close(name)));
    }
    Ok(None)
}

fn declare(parser: &mut Parser<'_>) -> Parsing<Statement> {
    let name = name_of(&parser.parse_identifier()?);
    while ["binary", "insensitive", "asensitive", "no", "scroll"]
        .into_iter()
        .any(|skipped| word(parser, skipped))
    {}
    expect(parser, "cursor")?;
    let hold = words(parser, &["with", "hold"]);
    words(parser, &["without", "hold"]);
    expect(parser, "for")?;
    Ok(Statement::Declare { name, hold, query: parser.parse_query()? })
}

fn fetch(parser: &mut Parser<'_>, skip: bool) -> Parsing<Statement> {
    word(parser, "forward");
    let count = if word(parser, "all") {
        None
    } else if word(parser, "next") {
        Some(1)
    } else if matches!(parser.peek_token_ref().token, Token::Number(..)) {
        Some(parser.parse_literal_uint()?)
    } else if ["backward", "prior", "first", "last", "absolute", "relative"]
        .into_iter()
        .any(|direction| is_word(&parser.peek_token_ref().token, direction))
    {
        let found = parser.peek_token();
        return parser.expected("NEXT, ALL, FORWARD or a number: cursors only go forward", found);
    } else {
        Some(1)
    };
    let _ = word(parser, "from") || word(parser, "in");
    Ok(Statement::Fetch { name: name_of(&parser.parse_identifier()?), count, skip })
}

#[cfg(test)]
mod tests {
    use crate::front::{Statement, parse};

    #[test]
    fn copies_and_cursors_are_read() {
        let parsed = |text: &str| parse(text).expect(text).statement;
        assert!(matches!(parsed("copy t (a, b) from stdin with csv header"), Statement::CopyFrom(copy)
            if copy.place.is_none() && copy.columns == ["a", "b"] && copy.options.len() == 2));
        assert!(matches!(parsed("copy t from stdin with (format csv, header)"), Statement::CopyFrom(copy)
            if copy.options.len() == 2));
        assert!(matches!(parsed("copy t from 'stdin' return summary"), Statement::CopyFrom(copy)
            if copy.place.is_some() && copy.summary));
        assert!(
            matches!(parsed("copy (select 1) to stdout"), Statement::CopyTo(copy) if copy.query.is_some())
        );
        assert!(
            matches!(parsed("copy t where a = 1 to directory '/x' with (format = 'csv')"), Statement::CopyTo(copy)
            if copy.selection.is_some() && copy.options.len() == 1)
        );
        assert!(matches!(parsed("declare \"C\" no scroll cursor with hold for select 1"),
            Statement::Declare { name, hold: true, .. } if name == "C"));
        for (text, count, skip) in [
            ("fetch c", Some(1), false),
            ("fetch forward 5 from c", Some(5), false),
            ("move all in c", None, true),
        ] {
            assert!(
                matches!(parsed(text), Statement::Fetch { count: got, skip: stepped, .. }
                if got == count && stepped == skip),
                "{text}"
            );
        }
        assert!(parse("fetch prior from c").is_err());
        assert!(matches!(parsed("close all"), Statement::Close(None)));
    }
}
