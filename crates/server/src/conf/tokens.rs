//! Splits configuration text into words, braces and line ends.
//!
//! Guarantees: every token knows its line; a comment (`#` up to the end of its line) never reaches the reader;
//! control characters and NULs are refused with their line. Knows nothing of stanzas or keys.

use super::ConfError;

/// One token of configuration text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// Anything between blanks that is not a brace.
    Word(&'a str),
    /// `{`
    Open,
    /// `}`
    Close,
    /// The end of a line; also stands at the end of the text.
    LineEnd,
}

/// A token and the line that it stands on, counted from 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed<'a> {
    /// The token.
    pub(super) token: Token<'a>,
    /// Its line, counted from 1.
    pub(super) line: u32,
}

/// All tokens of `text`. `file` is only named in errors.
pub(super) fn split<'a>(file: &str, text: &'a str) -> Result<Vec<Placed<'a>>, ConfError> {
    let mut tokens = Vec::new();
    for (line, content) in (1u32..).zip(text.lines()) {
        let code = content.split_once('#').map_or(content, |(code, _comment)| code);
        if let Some(control) = code.chars().find(|c| c.is_control() && !c.is_whitespace()) {
            let what =
                format!("control character {} in the text; is this a text file?", control.escape_default());
            return Err(ConfError::new(file, line, "", what));
        }
        split_line(code, line, &mut tokens);
        tokens.push(Placed { token: Token::LineEnd, line });
    }
    Ok(tokens)
}

/// The words and braces of one line; a brace needs no blank around it.
fn split_line<'a>(code: &'a str, line: u32, tokens: &mut Vec<Placed<'a>>) {
    for chunk in code.split_whitespace() {
        for piece in chunk.split_inclusive(['{', '}']) {
            let word = piece.trim_end_matches(['{', '}']);
            if !word.is_empty() {
                tokens.push(Placed { token: Token::Word(word), line });
            }
            if piece.ends_with('{') {
                tokens.push(Placed { token: Token::Open, line });
            } else if piece.ends_with('}') {
                tokens.push(Placed { token: Token::Close, line });
            }
        }
    }
}
