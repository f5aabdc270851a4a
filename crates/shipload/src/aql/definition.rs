//! Reads `create index`, `drop index`, `execute` and `aggregate`.

use aerospike::{CollectionIndexType, IndexType};

use super::lexer::{SyntaxError, TokenKind};
use super::literal;
use super::parser::Parser;
use super::statement::{Condition, Execute, Index, Statement};

/// `create [list | mapkeys | mapvalues] index NAME on NS[.SET] (BIN) TYPE`
pub(crate) fn create(parser: &mut Parser<'_>) -> Result<Statement, SyntaxError> {
    let collections = ["index", "list", "mapkeys", "mapvalues"];
    let collection = match parser.choice("index, list, mapkeys or mapvalues", &collections)? {
        1 => CollectionIndexType::List,
        2 => CollectionIndexType::MapKeys,
        3 => CollectionIndexType::MapValues,
        _ => CollectionIndexType::Default,
    };
    if collection != CollectionIndexType::Default {
        parser.word("index")?;
    }
    let name = parser.name("the name of the index")?;
    parser.word("on")?;
    let table = parser.table()?;
    parser.sign("(")?;
    let bin = parser.name("a bin")?;
    parser.sign(")")?;
    let kinds = ["numeric", "string", "blob", "geo2dsphere"];
    let kind = match parser.choice("numeric, string, blob or geo2dsphere", &kinds)? {
        0 => IndexType::Numeric,
        1 => IndexType::String,
        2 => IndexType::Blob,
        _ => IndexType::Geo2DSphere,
    };
    Ok(Statement::CreateIndex(Index { table, name, bin, kind, collection }))
}

/// `drop index NS[.SET] NAME`
pub(crate) fn drop(parser: &mut Parser<'_>) -> Result<Statement, SyntaxError> {
    parser.word("index")?;
    let table = parser.table()?;
    let name = parser.name("the name of the index")?;
    Ok(Statement::DropIndex { table, name })
}

/// `execute MODULE.FUNCTION(VALUE, ...) on NS[.SET] [where ...]`
pub(crate) fn execute(parser: &mut Parser<'_>) -> Result<Statement, SyntaxError> {
    Ok(Statement::Execute(call(parser)?))
}

/// The same for a stream; a single record is none.
pub(crate) fn aggregate(parser: &mut Parser<'_>) -> Result<Statement, SyntaxError> {
    let place = parser.peek().map(|token| token.place.clone()).unwrap_or_default();
    let call = call(parser)?;
    if matches!(call.condition, Condition::One(_)) {
        return Err(SyntaxError::new(
            "a stream is of many records; `execute` calls a function on one",
            place,
        ));
    }
    Ok(Statement::Aggregate(call))
}

fn call(parser: &mut Parser<'_>) -> Result<Execute, SyntaxError> {
    let module = parser.name("a module")?;
    parser.sign(".")?;
    let function = parser.name("a function")?;
    parser.sign("(")?;
    let mut arguments = Vec::new();
    if !parser.take_sign(")") {
        arguments.push(literal::value(parser)?);
        while parser.take_sign(",") {
            arguments.push(literal::value(parser)?);
        }
        parser.sign(")")?;
    }
    parser.word("on")?;
    let table = parser.table()?;
    let is_chosen = parser.peek().is_some_and(
        |token| matches!(&token.kind, TokenKind::Word(word) if word.eq_ignore_ascii_case("where")),
    );
    let condition = if is_chosen {
        parser.word("where")?;
        parser.condition()?
    } else {
        Condition::All
    };
    Ok(Execute { module, function, arguments, table, condition })
}
