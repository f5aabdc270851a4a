//! POSIX regular expressions, translated to the syntax of the `regex` crate.
//!
//! Both POSIX grammars are known, basic and extended, with the extensions that the GNU library has and people use
//! (`\+`, `\?`, `\|` in basic patterns, `\w`, `\b`, `\<` and the like). Text is bytes, classes are ASCII. Matching
//! takes time linear in the text. Back references are refused, because they can't be matched in such time.

mod bracket;

#[cfg(test)]
mod posix_tests;

use crate::Refusal;
use regex::bytes::{Regex, RegexBuilder};

/// The pattern is in the extended grammar.
const EXTENDED: i64 = 1;
/// Letters match in either case.
const IGNORE_CASE: i64 = 2;
/// Lines count: anchors match at line breaks, `.` does not match them.
const NEWLINE: i64 = 8;
/// Most memory that a compiled pattern may take, in bytes.
const SIZE_LIMIT: usize = 1 << 20;
/// Longest pattern, in bytes. Translation may take time quadratic in it.
const MAX_PATTERN: usize = 8192;
/// Most often that a piece can be asked to repeat.
const MAX_REPEAT: u32 = 0x7fff;

/// Compiles a pattern; what POSIX (or a limit) does not allow is a bad parameter.
pub(super) fn compile(pattern: &[u8], flags: i64) -> Result<Regex, Refusal> {
    if pattern.len() > MAX_PATTERN {
        return Err(Refusal::Parameter);
    }
    let newline = flags & NEWLINE != 0;
    let translated = Translator::new(pattern, flags & EXTENDED != 0, newline).whole()?;
    RegexBuilder::new(&translated)
        .unicode(false)
        .case_insensitive(flags & IGNORE_CASE != 0)
        .multi_line(newline)
        .dot_matches_new_line(!newline)
        .size_limit(SIZE_LIMIT)
        .dfa_size_limit(SIZE_LIMIT)
        .build()
        .map_err(|_| Refusal::Parameter)
}

/// What the next characters of a pattern mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    /// One byte that stands for itself.
    Byte(u8),
    /// Syntax of the target that stands for one position or one byte.
    Atom(&'static str),
    /// A bracket expression starts.
    Bracket,
    Open,
    Close,
    Alternative,
    /// Repeat the piece before, in the target's syntax.
    Repeat(&'static str),
    /// An interval starts: `{` or `\{`.
    Interval,
}

/// Walks a pattern and writes the translation.
struct Translator<'p> {
    pattern: &'p [u8],
    at: usize,
    extended: bool,
    newline: bool,
    out: String,
    /// Where the groups that are open start in `out`.
    groups: Vec<usize>,
    /// Where the piece that a repetition would repeat starts in `out`; none at the start of an alternative.
    piece: Option<usize>,
}

impl<'p> Translator<'p> {
    fn new(pattern: &'p [u8], extended: bool, newline: bool) -> Translator<'p> {
        Translator { pattern, at: 0, extended, newline, out: String::new(), groups: Vec::new(), piece: None }
    }

    fn whole(mut self) -> Result<String, Refusal> {
        while let Some(token) = self.token()? {
            self.write(token)?;
        }
        if self.groups.is_empty() { Ok(self.out) } else { Err(Refusal::Parameter) }
    }

    fn write(&mut self, token: Token) -> Result<(), Refusal> {
        match token {
            Token::Byte(byte) => {
                self.start_piece();
                literal(&mut self.out, byte);
            }
            Token::Atom(atom) => {
                self.start_piece();
                self.out.push_str(atom);
            }
            Token::Bracket => {
                self.start_piece();
                self.at = bracket::translate(self.pattern, self.at, self.newline, &mut self.out)?;
            }
            Token::Open => {
                self.groups.push(self.out.len());
                self.out.push_str("(?:");
                self.piece = None;
            }
            Token::Close => match self.groups.pop() {
                Some(start) => {
                    self.out.push(')');
                    self.piece = Some(start);
                }
                // The extended grammar lets a lone parenthesis stand for itself.
                None if self.extended => self.write(Token::Byte(b')'))?,
                None => return Err(Refusal::Parameter),
            },
            Token::Alternative => {
                self.out.push('|');
                self.piece = None;
            }
            Token::Repeat(how) => self.repeat(how)?,
            Token::Interval => {
                let how = self.interval()?;
                self.repeat(&how)?;
            }
        }
        Ok(())
    }

    fn start_piece(&mut self) {
        self.piece = Some(self.out.len());
    }

    /// Wraps the last piece, so that repeating a repetition does not become another operator.
    fn repeat(&mut self, how: &str) -> Result<(), Refusal> {
        let start = self.piece.ok_or(Refusal::Parameter)?;
        if !self.out.is_char_boundary(start) {
            return Err(Refusal::Parameter);
        }
        self.out.insert_str(start, "(?:");
        self.out.push(')');
        self.out.push_str(how);
        Ok(())
    }

    /// The next token; none at the end.
    fn token(&mut self) -> Result<Option<Token>, Refusal> {
        let Some(byte) = self.take() else { return Ok(None) };
        Ok(Some(match byte {
            b'\\' => {
                let byte = self.take().ok_or(Refusal::Parameter)?;
                self.escaped(byte)?
            }
            b'[' => Token::Bracket,
            b'.' => Token::Atom("."),
            b'*' if self.extended || self.piece.is_some() => Token::Repeat("*"),
            b'^' if self.extended || self.at_start() => {
                // After an anchor a basic pattern is still at its start: a star there stands for itself.
                self.out.push('^');
                return if self.extended { Ok(Some(Token::Atom(""))) } else { self.token() };
            }
            b'$' if self.extended || self.before_end() => Token::Atom("$"),
            b'(' if self.extended => Token::Open,
            b')' if self.extended => Token::Close,
            b'|' if self.extended => Token::Alternative,
            b'+' if self.extended => Token::Repeat("+"),
            b'?' if self.extended => Token::Repeat("?"),
            b'{' if self.extended => Token::Interval,
            byte => Token::Byte(byte),
        }))
    }

    /// What a byte behind a backslash means.
    fn escaped(&self, byte: u8) -> Result<Token, Refusal> {
        Ok(match byte {
            b'1'..=b'9' => return Err(Refusal::Parameter),
            b'(' if !self.extended => Token::Open,
            b')' if !self.extended => Token::Close,
            b'|' if !self.extended => Token::Alternative,
            b'{' if !self.extended && self.piece.is_some() => Token::Interval,
            b'+' if !self.extended && self.piece.is_some() => Token::Repeat("+"),
            b'?' if !self.extended && self.piece.is_some() => Token::Repeat("?"),
            b'w' => Token::Atom(r"\w"),
            b'W' => Token::Atom(r"\W"),
            b's' => Token::Atom(r"\s"),
            b'S' => Token::Atom(r"\S"),
            b'b' => Token::Atom(r"\b"),
            b'B' => Token::Atom(r"\B"),
            b'<' => Token::Atom(r"\b{start}"),
            b'>' => Token::Atom(r"\b{end}"),
            b'`' => Token::Atom(r"\A"),
            b'\'' => Token::Atom(r"\z"),
            byte => Token::Byte(byte),
        })
    }

    /// The numbers of an interval, behind its opening brace.
    fn interval(&mut self) -> Result<String, Refusal> {
        let low = self.number()?;
        let high = if self.skip(b',') { self.number()? } else { low };
        if !self.extended && !self.skip(b'\\') || !self.skip(b'}') {
            return Err(Refusal::Parameter);
        }
        match (low, high) {
            (None, None) => Err(Refusal::Parameter),
            (low, Some(high)) if low.unwrap_or(0) <= high => Ok(format!("{{{},{high}}}", low.unwrap_or(0))),
            (Some(low), None) => Ok(format!("{{{low},}}")),
            _ => Err(Refusal::Parameter),
        }
    }

    fn number(&mut self) -> Result<Option<u32>, Refusal> {
        let mut number = None;
        while let Some(byte @ b'0'..=b'9') = self.pattern.get(self.at).copied() {
            let digit = u32::from(byte & 0x0f);
            let value = number.unwrap_or(0u32).saturating_mul(10).saturating_add(digit);
            if value > MAX_REPEAT {
                return Err(Refusal::Parameter);
            }
            number = Some(value);
            self.at = self.at.saturating_add(1);
        }
        Ok(number)
    }

    fn take(&mut self) -> Option<u8> {
        let byte = self.pattern.get(self.at).copied()?;
        self.at = self.at.saturating_add(1);
        Some(byte)
    }

    fn skip(&mut self, wanted: u8) -> bool {
        let found = self.pattern.get(self.at) == Some(&wanted);
        if found {
            self.at = self.at.saturating_add(1);
        }
        found
    }

    /// Whether nothing stands before in this alternative (basic patterns).
    fn at_start(&self) -> bool {
        self.piece.is_none() && !self.out.ends_with('^')
    }

    /// Whether an alternative ends here (basic patterns).
    fn before_end(&self) -> bool {
        let rest = self.pattern.get(self.at..).unwrap_or_default();
        rest.is_empty() || rest.starts_with(b"\\)") || rest.starts_with(b"\\|")
    }
}

/// Writes a byte that stands for itself.
fn literal(out: &mut String, byte: u8) {
    if byte.is_ascii_alphanumeric() {
        out.push(char::from(byte));
    } else {
        out.push_str(&format!("\\x{byte:02x}"));
    }
}
