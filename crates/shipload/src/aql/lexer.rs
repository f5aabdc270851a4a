//! Cuts a statement into tokens, each with its place, so that an error can point at it.
//!
//! Every character belongs to exactly one token or to a blank. Open quotes are told apart from wrong
//! characters, because an interactive line with an open quote only wants to go on.

use std::ops::Range;

/// A token and where it stands, as a range of bytes in the statement.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) place: Range<usize>,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TokenKind {
    /// A keyword or a plain name; case is kept.
    Word(String),
    /// `'...'` or `"..."`, without its quotes and escapes.
    Text(String),
    /// `x'0aff'`.
    Blob(Vec<u8>),
    Integer(i64),
    Float(f64),
    /// One of `( ) [ ] { } , . : ; * = != < <= > >=`.
    Sign(&'static str),
}

/// What is wrong with a statement, and where.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{text}")]
pub(crate) struct SyntaxError {
    pub(crate) text: String,
    pub(crate) place: Range<usize>,
    /// The statement is only not finished: more lines may complete it.
    pub(crate) unfinished: bool,
}

impl SyntaxError {
    /// Something at a place that can't be read.
    pub(crate) fn new(text: impl Into<String>, place: Range<usize>) -> Self {
        Self { text: text.into(), place, unfinished: false }
    }

    /// The statement ends too early.
    pub(crate) fn unfinished(text: impl Into<String>, end: usize) -> Self {
        Self { text: text.into(), place: end..end, unfinished: true }
    }
}

/// Two-character signs come first, so that `<=` is not read as `<`.
const SIGNS: &[&str] =
    &["!=", "<>", "<=", ">=", "(", ")", "[", "]", "{", "}", ",", ".", ":", ";", "*", "=", "<", ">"];

/// Cuts a text into tokens. `--` starts a comment that ends with the line.
pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, SyntaxError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        if first.is_whitespace() {
            at += first.len_utf8();
        } else if rest.starts_with("--") {
            at += rest.find('\n').unwrap_or(rest.len());
        } else {
            let (kind, length) = token(rest, first, at)?;
            tokens.push(Token { kind, place: at..at + length });
            at += length;
        }
    }
    Ok(tokens)
}

/// Reads the token that the text starts with, and its length in bytes.
fn token(text: &str, first: char, at: usize) -> Result<(TokenKind, usize), SyntaxError> {
    if matches!(first, '\'' | '"') {
        let (value, length) = quoted(text, first, at)?;
        return Ok((TokenKind::Text(value), length));
    }
    if matches!(first, 'x' | 'X') && text[1..].starts_with('\'') {
        return blob(text, at);
    }
    let negative = first == '-' && text[1..].starts_with(|c: char| c.is_ascii_digit());
    if first.is_ascii_digit() || negative {
        return number(text, at);
    }
    if first.is_alphabetic() || matches!(first, '_' | '$') {
        let length = text.find(|c: char| !is_word(c)).unwrap_or(text.len());
        return Ok((TokenKind::Word(text[..length].to_owned()), length));
    }
    match SIGNS.iter().find(|sign| text.starts_with(**sign)) {
        Some(&"<>") => Ok((TokenKind::Sign("!="), 2)),
        Some(sign) => Ok((TokenKind::Sign(sign), sign.len())),
        None => Err(SyntaxError::new(format!("`{first}` means nothing here"), at..at + first.len_utf8())),
    }
}

/// Dashes are part of names: there is no arithmetic, and set names often have them.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$' | '-')
}

/// A quoted text: a backslash escapes, and a doubled quote stands for itself.
fn quoted(text: &str, quote: char, at: usize) -> Result<(String, usize), SyntaxError> {
    let mut value = String::new();
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((index, character)) = characters.next() {
        if character == quote {
            if characters.peek().is_none_or(|(_, next)| *next != quote) {
                return Ok((value, index + 1));
            }
            characters.next();
            value.push(quote);
        } else if character == '\\' {
            let Some((escape_at, escape)) = characters.next() else { break };
            match escape {
                'n' => value.push('\n'),
                't' => value.push('\t'),
                'r' => value.push('\r'),
                '0' => value.push('\0'),
                '\\' | '\'' | '"' | '/' => value.push(escape),
                'u' => value.push(unicode_escape(&mut characters, at + escape_at)?),
                other => {
                    let place = at + escape_at - 1..at + escape_at + other.len_utf8();
                    return Err(SyntaxError::new(
                        format!("`\\{other}` is no escape; write `\\\\` for a backslash"),
                        place,
                    ));
                }
            }
        } else {
            value.push(character);
        }
    }
    Err(SyntaxError::unfinished(format!("the text that starts with {quote} has no end"), at + text.len()))
}

/// `\u0041`, and pairs of surrogates as JSON writes them.
fn unicode_escape(
    characters: &mut impl Iterator<Item = (usize, char)>,
    at: usize,
) -> Result<char, SyntaxError> {
    let mut unit = || {
        let digits: String = characters.by_ref().take(4).map(|(_, character)| character).collect();
        let valid = digits.len() == 4 && digits.chars().all(|digit| digit.is_ascii_hexdigit());
        valid.then(|| u16::from_str_radix(&digits, 16).ok()).flatten()
    };
    let wrong = || SyntaxError::new("`\\u` wants four hexadecimal digits of a character", at..at + 1);
    let first = unit().ok_or_else(wrong)?;
    if !(0xD800..0xDC00).contains(&first) {
        return char::from_u32(u32::from(first)).ok_or_else(wrong);
    }
    let follows =
        characters.next().is_some_and(|(_, c)| c == '\\') && characters.next().is_some_and(|(_, c)| c == 'u');
    let digits: String = characters.take(4).map(|(_, character)| character).collect();
    let second = u16::from_str_radix(&digits, 16).ok().filter(|_| follows).ok_or_else(wrong)?;
    char::decode_utf16([first, second]).next().and_then(Result::ok).ok_or_else(wrong)
}

fn blob(text: &str, at: usize) -> Result<(TokenKind, usize), SyntaxError> {
    let end = at + text.len();
    let close = text[2..]
        .find('\'')
        .ok_or_else(|| SyntaxError::unfinished("the blob that starts with x' has no end", end))?;
    let digits = &text[2..2 + close];
    let length = close + 3;
    let wrong =
        || SyntaxError::new("a blob wants pairs of hexadecimal digits, such as x'0aff'", at..at + length);
    if !digits.len().is_multiple_of(2) || !digits.is_ascii() {
        return Err(wrong());
    }
    let bytes =
        (0..digits.len() / 2).map(|pair| u8::from_str_radix(&digits[pair * 2..pair * 2 + 2], 16).ok());
    let bytes: Option<Vec<u8>> = bytes.collect();
    Ok((TokenKind::Blob(bytes.ok_or_else(wrong)?), length))
}

fn number(text: &str, at: usize) -> Result<(TokenKind, usize), SyntaxError> {
    let digits =
        |from: usize| text[from..].find(|c: char| !c.is_ascii_digit()).map_or(text.len(), |n| from + n);
    let mut length = digits(usize::from(text.starts_with('-')));
    let mut is_float = false;
    let digit_at = |index: usize| text[index..].starts_with(|c: char| c.is_ascii_digit());
    if text[length..].starts_with('.') && digit_at(length + 1) {
        is_float = true;
        length = digits(length + 1);
    }
    if text[length..].starts_with(['e', 'E']) {
        let signed = usize::from(text[length + 1..].starts_with(['+', '-']));
        if digit_at(length + 1 + signed) {
            is_float = true;
            length = digits(length + 1 + signed);
        }
    }
    if text[length..].starts_with(is_word) {
        let end = text[length..].find(|c| !is_word(c)).map_or(text.len(), |n| length + n);
        let text = format!("`{}` is neither a number nor a name; put it in quotes", &text[..end]);
        return Err(SyntaxError::new(text, at..at + end));
    }
    let literal = &text[..length];
    let kind = if is_float {
        literal.parse().ok().map(TokenKind::Float)
    } else {
        literal.parse().ok().map(TokenKind::Integer)
    };
    let kind = kind
        .ok_or_else(|| SyntaxError::new(format!("`{literal}` does not fit into 64 bits"), at..at + length))?;
    Ok((kind, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<TokenKind> {
        tokens(text).unwrap().into_iter().map(|token| token.kind).collect()
    }

    fn word(text: &str) -> TokenKind {
        TokenKind::Word(text.to_owned())
    }

    fn text(text: &str) -> TokenKind {
        TokenKind::Text(text.to_owned())
    }

    #[test]
    fn words_numbers_and_signs() {
        assert_eq!(
            kinds("select a-b from t.s where x<=-12 -- and so on\n;"),
            [
                word("select"),
                word("a-b"),
                word("from"),
                word("t"),
                TokenKind::Sign("."),
                word("s"),
                word("where"),
                word("x"),
                TokenKind::Sign("<="),
                TokenKind::Integer(-12),
                TokenKind::Sign(";"),
            ]
        );
        assert_eq!(kinds("1.5 2e3 -0.25E-2 1."), {
            let floats = [1.5, 2000.0, -0.0025].map(TokenKind::Float);
            floats.into_iter().chain([TokenKind::Integer(1), TokenKind::Sign(".")]).collect::<Vec<_>>()
        });
        assert_eq!(kinds("-9223372036854775808"), [TokenKind::Integer(i64::MIN)]);
        assert_eq!(kinds("a <> b")[1], TokenKind::Sign("!="));
    }

    #[test]
    fn texts_and_blobs() {
        assert_eq!(
            kinds(r#"'it''s' "a\"b" 'tab\t' '\u00e9\ud83d\ude00'"#),
            [text("it's"), text("a\"b"), text("tab\t"), text("é😀")]
        );
        assert_eq!(kinds("x'0aFF' X''"), [TokenKind::Blob(vec![10, 255]), TokenKind::Blob(Vec::new())]);
    }

    #[test]
    fn places_are_bytes_of_the_statement() {
        let tokens = tokens("é 'ü' b").unwrap();
        assert_eq!(tokens.iter().map(|token| token.place.clone()).collect::<Vec<_>>(), [0..2, 3..7, 8..9]);
    }

    #[test]
    fn what_is_wrong_is_pointed_at() {
        let error = |text: &str| tokens(text).unwrap_err();
        assert_eq!(error("a ? b").place, 2..3);
        assert!(error("a 'open").unfinished && error("x'0a").unfinished);
        assert!(error("12ab").text.contains("`12ab` is neither"));
        assert!(error("99999999999999999999").text.contains("64 bits"));
        assert!(error("x'0'").text.contains("pairs"));
        assert!(error(r"'\q'").text.contains("no escape"));
        assert!(error(r"'\u12'").text.contains("four hexadecimal"));
        assert!(error(r"'\ud83d'").text.contains("four hexadecimal"));
    }

    #[test]
    fn any_text_is_read_or_refused_without_a_panic() {
        proptest::proptest!(|(text in "\\PC{0,40}")| { let _ = tokens(&text); });
        proptest::proptest!(|(text in "[-x'\"\\\\u0-9eE.é;{}\\[\\]]{0,40}")| { let _ = tokens(&text); });
    }
}
