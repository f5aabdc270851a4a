//! Builds the tree of stanzas and settings out of tokens.
//!
//! The grammar is small: a line is a setting (`key value ...`), or opens a stanza (`name [argument] {`), or
//! closes one (`}`). Depth and size are bounded, so no file can make the reader slow or its stack deep.

use super::tokens::{Placed, Token};
use super::{ConfError, Item, Setting, Stanza};

/// Stanzas inside stanzas that are read; the deepest real file uses three.
const DEPTH_MAX: usize = 8;

/// Reads every token of a file into a list of items.
pub(super) fn build(file: &str, tokens: &[Placed<'_>]) -> Result<Vec<Item>, ConfError> {
    Builder { file, open: Vec::new(), top: Vec::new() }.run(tokens)
}

struct Builder<'a> {
    file: &'a str,
    /// Stanzas that are open, outermost first.
    open: Vec<Stanza>,
    top: Vec<Item>,
}

impl Builder<'_> {
    fn run(mut self, tokens: &[Placed<'_>]) -> Result<Vec<Item>, ConfError> {
        let mut words: Vec<(&str, u32)> = Vec::new();
        for placed in tokens {
            match placed.token {
                Token::Word(word) => words.push((word, placed.line)),
                Token::Open => self.open_stanza(&mut words, placed.line)?,
                Token::Close => {
                    self.setting(&mut words)?;
                    self.close_stanza(placed.line)?;
                }
                // A stanza's brace may stand on the line below its name only when the name stands alone there;
                // real files never do that, so a line end always ends a setting.
                Token::LineEnd => self.setting(&mut words)?,
            }
        }
        match self.open.pop() {
            None => Ok(self.top),
            Some(stanza) => Err(self.error(
                stanza.line,
                &stanza.name,
                "this stanza is never closed; a `}` is missing".to_owned(),
            )),
        }
    }

    fn open_stanza(&mut self, words: &mut Vec<(&str, u32)>, line: u32) -> Result<(), ConfError> {
        if self.open.len() >= DEPTH_MAX {
            return Err(self.error(line, "", format!("stanzas are nested deeper than {DEPTH_MAX}")));
        }
        let mut taken = words.drain(..);
        let Some((name, line)) = taken.next() else {
            drop(taken);
            return Err(self.error(line, "", "`{` without a stanza name before it".to_owned()));
        };
        let argument = taken.next().map(|(word, _)| word.to_owned());
        let superfluous = taken.next().map(|(word, _)| word.to_owned());
        drop(taken);
        if let Some(word) = superfluous {
            return Err(self.error(
                line,
                name,
                format!("`{word}` is too much before `{{`; allowed: one name"),
            ));
        }
        self.open.push(Stanza { name: name.to_owned(), argument, line, items: Vec::new() });
        Ok(())
    }

    fn close_stanza(&mut self, line: u32) -> Result<(), ConfError> {
        let Some(stanza) = self.open.pop() else {
            return Err(self.error(line, "", "`}` closes nothing; no stanza is open here".to_owned()));
        };
        self.push(Item::Stanza(stanza));
        Ok(())
    }

    /// What has been read of a line becomes a setting; nothing read, nothing done.
    fn setting(&mut self, words: &mut Vec<(&str, u32)>) -> Result<(), ConfError> {
        let mut taken = words.drain(..);
        let Some((key, line)) = taken.next() else { return Ok(()) };
        let values: Vec<String> = taken.map(|(word, _)| word.to_owned()).collect();
        if self.open.is_empty() {
            return Err(self.error(
                line,
                key,
                "a setting outside of any stanza; allowed here: service {, network {, namespace NAME {, logging {"
                    .to_owned(),
            ));
        }
        self.push(Item::Setting(Setting { key: key.to_owned(), values, line }));
        Ok(())
    }

    fn push(&mut self, item: Item) {
        match self.open.last_mut() {
            Some(stanza) => stanza.items.push(item),
            None => self.top.push(item),
        }
    }

    fn error(&self, line: u32, key: &str, what: String) -> ConfError {
        ConfError::new(self.file, line, key, what)
    }
}
