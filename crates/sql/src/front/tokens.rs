//! Tokens, with what the dialect adds to PostgreSQL's: `?` for arguments, and object literals.

use crate::error::{Kind, Result, SqlError};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::tokenizer::{Token, Tokenizer};

/// Longest statement, in bytes.
const TEXT_MAX: usize = 32 << 20;

/// Signs and words that may stand in a row, without a comma between them, in all open brackets together. Each pair may be
/// one more level of the tree, and trees are walked by functions that call themselves.
const ROW_MAX: usize = 4_100;

/// How deep the tree of a statement may become.
#[derive(Default)]
struct Depth {
    row: usize,
    outer: Vec<usize>,
    total: usize,
}

impl Depth {
    fn see(&mut self, token: &Token) -> Result<()> {
        match token {
            Token::LParen | Token::LBracket | Token::LBrace => self.outer.push(std::mem::take(&mut self.row)),
            Token::RParen | Token::RBracket | Token::RBrace => {
                self.total -= self.row;
                self.row = self.outer.pop().unwrap_or_default();
            }
            Token::Comma | Token::SemiColon => {
                self.total -= self.row;
                self.row = 0;
            }
            Token::Whitespace(_) => return Ok(()),
            _ => {}
        }
        self.row += 1;
        self.total += 1;
        if self.total > ROW_MAX {
            return Err(SqlError::new(Kind::Syntax, "the statement nests too deep"));
        }
        Ok(())
    }
}

/// Tokens of a text without white space and comments, `?` numbered from left to right, `{a = 1}` made a call.
///
/// # Errors
/// A text that has no tokens: an open quote, a stray sign, or one that is too long.
pub fn tokens(text: &str) -> Result<(Vec<Token>, usize)> {
    if text.len() > TEXT_MAX {
        return Err(SqlError::new(Kind::Syntax, "the statement is too long"));
    }
    let dialect = PostgreSqlDialect {};
    let raw = Tokenizer::new(&dialect, text).tokenize().map_err(|error| {
        SqlError::new(
            Kind::Syntax,
            format!("line {}:{}: {}", error.location.line, error.location.column, error.message),
        )
    })?;
    let mut out: Vec<Token> = Vec::with_capacity(raw.len());
    let mut arguments = 0;
    // One entry for each open bracket: whether it is that of an object literal.
    let mut open: Vec<bool> = Vec::new();
    let mut depth = Depth::default();
    for token in raw {
        depth.see(&token)?;
        match token {
            Token::Whitespace(_) => {}
            Token::Question => {
                arguments += 1;
                out.push(Token::Placeholder(format!("${arguments}")));
            }
            Token::Placeholder(text) => {
                let number = text.strip_prefix('$').and_then(|digits| digits.parse::<usize>().ok());
                arguments = arguments.max(number.unwrap_or(0));
                out.push(Token::Placeholder(text));
            }
            Token::LBrace => {
                open.push(true);
                out.extend([Token::make_word("_object", None), Token::LParen]);
            }
            Token::RBrace => {
                open.pop();
                out.push(Token::RParen);
            }
            Token::LParen | Token::LBracket => {
                open.push(false);
                out.push(token);
            }
            Token::RParen | Token::RBracket => {
                open.pop();
                out.push(token);
            }
            Token::Eq | Token::Colon if open.last() == Some(&true) && is_member(&out) => {
                if let Some(name) = out.pop().and_then(member) {
                    out.extend([Token::SingleQuotedString(name), Token::Comma]);
                }
            }
            other => out.push(other),
        }
    }
    Ok((out, arguments))
}

/// Whether the last token is a name right after the start of a literal or a comma.
fn is_member(out: &[Token]) -> bool {
    match out {
        [.., before, Token::Word(_) | Token::SingleQuotedString(_)] => {
            matches!(before, Token::LParen | Token::Comma)
        }
        _ => false,
    }
}

fn member(token: Token) -> Option<String> {
    match token {
        Token::Word(word) if word.quote_style.is_some() => Some(word.value),
        Token::Word(word) => Some(word.value.to_lowercase()),
        Token::SingleQuotedString(name) => Some(name),
        _ => None,
    }
}

/// The statements of a text: its tokens split at semicolons, empty ones left out.
///
/// # Errors
/// As [`tokens`].
pub fn split(text: &str) -> Result<Vec<String>> {
    let (all, _) = tokens(text)?;
    if !all.contains(&Token::SemiColon) {
        return Ok(if all.is_empty() { Vec::new() } else { vec![text.to_owned()] });
    }
    let parts = all.split(|token| *token == Token::SemiColon).filter(|part| !part.is_empty());
    Ok(parts.map(show).collect())
}

/// Tokens as a text that has the same tokens.
fn show(tokens: &[Token]) -> String {
    let shown: Vec<String> = tokens.iter().map(Token::to_string).collect();
    shown.join(" ")
}

#[cfg(test)]
mod tests {
    use super::{split, tokens};

    fn shown(text: &str) -> (String, usize) {
        let (tokens, arguments) = tokens(text).expect("tokens");
        (super::show(&tokens), arguments)
    }

    #[test]
    fn arguments_are_numbered() {
        assert_eq!(shown("select ?, $2, ?"), ("select $1 , $2 , $3".to_owned(), 3));
        assert_eq!(shown("select '?' -- ?"), ("select '?'".to_owned(), 0));
    }

    #[test]
    fn objects_become_calls() {
        let (text, _) = shown("insert into t values ({a = 1, \"B\" = {c: [x = 1]}})");
        assert_eq!(text, "insert into t values ( _object ( 'a' , 1 , 'B' , _object ( 'c' , [ x = 1 ] ) ) )");
    }

    #[test]
    fn rows_of_signs_end() {
        let chain = |count: usize| tokens(&format!("select {}", vec!["1"; count].join(" + "))).is_ok();
        assert!(chain(2000) && !chain(2100));
        assert!(tokens(&format!("select {}", vec!["1"; 50_000].join(", "))).is_ok());
        let nested = format!("select {}", vec!["(1"; 50].join(&" + 1".repeat(100)));
        assert!(tokens(&nested).is_err());
        assert!(tokens(")))((").is_ok());
    }

    #[test]
    fn statements_are_split() {
        assert_eq!(split("select ';'; ; select 2;").expect("tokens"), ["select ';'", "select 2"]);
        assert!(split("select 'x").is_err());
        assert!(split("").expect("tokens").is_empty());
    }
}
